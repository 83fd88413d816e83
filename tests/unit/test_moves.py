"""Has it moved, or does somebody send under its name? Frames alone prove nothing; cables do."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.moves import RECENT, SETTLED, PortView, Step, judge, may_free

NOW = 1000.0
HOME = PortView("s1:1", heard=900.0, first=500.0, up=True, came=400.0)
THERE = PortView("s2:2", heard=910.0, first=910.0, up=True, came=300.0)
PULLED = replace(HOME, up=False, went=905.0)
PLUGGED = replace(THERE, came=906.0)

times = st.sampled_from([900.0, 904.8, 905.0, 906.0, 910.0, 950.0])
maybe = st.none() | times
often = settings(max_examples=300, deadline=None)
views = st.builds(
    PortView,
    name=st.sampled_from(["s1:1", "s2:2"]),
    heard=maybe,
    first=maybe,
    up=st.sampled_from([True, False, None]),
    came=maybe,
    went=maybe,
    unsettled=st.sampled_from([0.0, 0.0, 2.0]),
    uplink=st.sampled_from([False, False, True]),
)


# --- examples -------------------------------------------------------------------------------------------------------


def test_a_switch_that_is_looked_at_now_and_then_notices_late_that_the_cable_was_pulled() -> None:
    """It was plugged in at 905 on a switch that told at once; the other one was looked at at 902 and at 909."""
    there = replace(THERE, came=905.0)
    home = replace(HOME, up=False, went=909.0)
    assert judge(home, there, 911.0).step is Step.HOLD_BOTH
    assert judge(replace(home, pulled=902.0), there, 911.0).step is Step.MOVE
    assert judge(replace(home, pulled=906.0), there, 911.0).step is Step.HOLD_BOTH, "it was plugged in before"


def test_a_cable_that_was_pulled_here_and_plugged_in_there_is_a_move() -> None:
    assert judge(PULLED, PLUGGED, NOW).step is Step.MOVE
    assert judge(replace(PULLED, up=True, came=950.0), PLUGGED, NOW).step is Step.MOVE, (
        "somebody else is plugged in there by now"
    )


def test_one_frame_from_elsewhere_holds_both_and_moves_nothing() -> None:
    verdict = judge(HOME, THERE, NOW)
    assert verdict.step is Step.HOLD_BOTH
    assert "s1:1 has had its link throughout" in verdict.why


def test_a_link_that_went_here_proves_nothing_where_nothing_was_plugged_in() -> None:
    """The device restarts, and somebody who was there all the time uses the moment."""
    assert judge(PULLED, THERE, NOW).step is Step.HOLD_BOTH
    assert judge(PULLED, replace(THERE, came=None), NOW).step is Step.HOLD_BOTH


def test_who_is_heard_at_home_again_has_not_moved() -> None:
    back = replace(PULLED, up=True, heard=911.0, first=911.0, came=908.0)
    assert judge(back, PLUGGED, 912.0).step is Step.HOLD_BOTH


def test_a_port_that_may_be_an_uplink_is_not_held_as_a_whole_yet() -> None:
    verdict = judge(PULLED, replace(PLUGGED, unsettled=2.5), NOW)
    assert (verdict.step, verdict.again) == (Step.HOLD_BOTH, 2.5)
    assert judge(PULLED, replace(PLUGGED, uplink=True), NOW).step is Step.STAY


def test_where_it_was_before_is_no_news() -> None:
    """It moved, and the port of before was freed: what was heard there then is not held against it."""
    assert judge(replace(PLUGGED, first=910.0), replace(PULLED, heard=900.0), 911.0).step is Step.STAY
    assert judge(PLUGGED, replace(HOME, went=None), 900.0 + RECENT + 1).step is Step.STAY


def test_the_old_port_is_freed_when_it_settled_at_the_new_one_and_not_before() -> None:
    assert may_free(PULLED, PLUGGED, installed=False, now=NOW).step is Step.STAY
    early = may_free(PULLED, PLUGGED, installed=True, now=910.0 + SETTLED - 1)
    assert (early.step, early.again) == (Step.STAY, 1.0)
    assert may_free(PULLED, PLUGGED, installed=True, now=910.0 + SETTLED).step is Step.FREE
    assert may_free(replace(PULLED, heard=905.5, up=True), PLUGGED, installed=True, now=NOW).step is Step.STAY


# --- whatever is known ----------------------------------------------------------------------------------------------


@often
@given(views, views)
def test_no_move_without_a_link_that_went_and_one_that_came_after_it(home: PortView, there: PortView) -> None:
    if judge(home, there, NOW).step is not Step.MOVE:
        return
    assert home.up is False or home.went is not None
    assert there.came is not None
    assert there.heard is not None
    assert home.heard is None or there.heard >= home.heard
    assert not there.uplink
    assert not there.unsettled


@often
@given(views, views)
def test_frames_alone_move_nothing_and_free_nothing(home: PortView, there: PortView) -> None:
    """Whoever can only send has no say over either port, whatever it sends and when."""
    quiet = replace(home, up=True, went=None), replace(there, up=True, went=None)
    assert judge(*quiet, NOW).step in (Step.STAY, Step.HOLD_BOTH)
    if there.uplink:
        return
    assert may_free(quiet[1], quiet[0], installed=True, now=NOW).step is Step.STAY


@often
@given(views, views, st.booleans())
def test_no_port_is_freed_where_it_was_heard_last_or_while_its_link_stood(
    old: PortView, home: PortView, installed: bool
) -> None:
    verdict = may_free(old, home, installed=installed, now=NOW)
    if not (verdict.step is Step.FREE and not old.uplink):
        return
    assert installed
    assert home.heard is not None
    assert old.heard is None or old.heard < home.heard
    assert old.up is False or (old.went is not None and (old.heard is None or old.heard <= old.went))


@often
@given(views, views, st.booleans(), times)
def test_contained_first_freed_after(home: PortView, there: PortView, installed: bool, now: float) -> None:
    """What was just judged a move is no reason to free the old port before the new one is read back and the device has settled."""
    if not (judge(home, there, now).step is Step.MOVE and not home.uplink):
        return
    freed = may_free(home, there, installed=installed, now=now).step is Step.FREE
    assert not freed or (installed and there.first is not None and now >= there.first + SETTLED)


@often
@given(views, views)
def test_every_verdict_says_why(home: PortView, there: PortView) -> None:
    for verdict in (judge(home, there, NOW), may_free(home, there, installed=True, now=NOW)):
        assert verdict.why
        assert verdict.again is None or verdict.again > 0
