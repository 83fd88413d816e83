"""A lab must not pass by accident: each way in which a containment fails, or was not really tried, has its own bad word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.result import Result
from labs.verdicts import Count, Row, Verdict, must_flow, must_stop, passed

FIVE = Count(5, 5)
NONE_ARRIVED = Count(5, 0)
NOT_SENT = Count(0, 0)
TCP_FIVE = Count(5, 5, 5)
counts = st.builds(Count, st.integers(0, 9), st.integers(0, 9), st.none() | st.integers(0, 9))


class TestMustStop:
    def test_it_holds_when_sent_and_silent_between_two_arrivals(self) -> None:
        assert must_stop(FIVE, NONE_ARRIVED, FIVE) is Verdict.HOLDS

    @pytest.mark.parametrize("leaked", [1, 4, 5, 40])
    def test_a_single_frame_through_is_a_leak(self, leaked: int) -> None:
        assert must_stop(FIVE, Count(5, leaked), FIVE) is Verdict.LEAKED

    def test_what_never_arrived_before_shows_nothing(self) -> None:
        assert must_stop(NONE_ARRIVED, NONE_ARRIVED, FIVE) is Verdict.UNTRIED
        assert must_stop(NOT_SENT, NONE_ARRIVED, FIVE) is Verdict.UNTRIED

    def test_silence_of_who_sent_nothing_shows_nothing(self) -> None:
        """An unplugged rogue is silent as well."""
        assert must_stop(FIVE, NOT_SENT, FIVE) is Verdict.UNTRIED

    def test_it_must_arrive_again(self) -> None:
        assert must_stop(FIVE, NONE_ARRIVED, NONE_ARRIVED) is Verdict.STILL_CLOSED
        assert must_stop(FIVE, NONE_ARRIVED, NOT_SENT) is Verdict.STILL_CLOSED

    def test_a_connection_that_opens_but_carries_nothing_does_not_count_as_arrived(self) -> None:
        silent = Count(5, 0, 0)
        assert must_stop(TCP_FIVE, silent, TCP_FIVE) is Verdict.HOLDS
        assert must_stop(Count(5, 5, 0), silent, TCP_FIVE) is Verdict.UNTRIED
        assert must_stop(TCP_FIVE, silent, Count(5, 5, 0)) is Verdict.STILL_CLOSED

    def test_an_opening_frame_alone_is_a_leak(self) -> None:
        assert must_stop(TCP_FIVE, Count(5, 1, 0), TCP_FIVE) is Verdict.LEAKED

    @given(counts, counts, counts)
    def test_it_never_holds_with_anything_through_or_nothing_sent(
        self, before: Count, during: Count, after: Count
    ) -> None:
        if must_stop(before, during, after) is Verdict.HOLDS:
            assert during.received == 0
            assert during.sent > 0
            assert before.sent > 0 < before.received
            assert after.sent > 0 < after.received


class TestMustFlow:
    def test_it_holds_when_all_arrives_in_all_three(self) -> None:
        assert must_flow(FIVE, FIVE, FIVE) is Verdict.HOLDS

    @pytest.mark.parametrize(("during", "after"), [(Count(1000, 999), FIVE), (FIVE, Count(1000, 999))])
    def test_one_lost_frame_of_a_stream_is_a_loss(self, during: Count, after: Count) -> None:
        assert must_flow(FIVE, during, after, lossless=True) is Verdict.LOST
        assert must_flow(FIVE, during, after) is Verdict.HOLDS

    def test_a_burst_that_is_gone_is_a_loss(self) -> None:
        assert must_flow(FIVE, NONE_ARRIVED, FIVE) is Verdict.LOST
        assert must_flow(FIVE, FIVE, NONE_ARRIVED) is Verdict.LOST
        assert must_flow(TCP_FIVE, Count(5, 5, 0), TCP_FIVE) is Verdict.LOST

    @given(counts, counts, counts)
    def test_it_never_holds_with_a_silent_phase(self, before: Count, during: Count, after: Count) -> None:
        if must_flow(before, during, after) is Verdict.HOLDS:
            assert all(count.sent > 0 < count.received for count in (before, during, after))

    @given(counts, counts, counts)
    def test_a_stream_never_holds_with_a_loss_from_the_alert_on(
        self, before: Count, during: Count, after: Count
    ) -> None:
        if must_flow(before, during, after, lossless=True) is Verdict.HOLDS:
            assert all(0 < count.sent <= count.received for count in (during, after))
            assert before.arrived


STOPPED = Row("udp a -> b", FIVE, NONE_ARRIVED, FIVE, Verdict.HOLDS)
FLOWED = Row("udp b -> c", FIVE, FIVE, FIVE, Verdict.HOLDS)
GOOD = Result(
    "rogue-host",
    "campus",
    None,
    "proven",
    through_after_proven=0,
    must_stop=[STOPPED],
    must_flow=[FLOWED],
    differences=[],
)


class TestPassed:
    def test_a_good_run_passes(self) -> None:
        assert GOOD.passed
        assert GOOD.to_json()["passed"] is True

    @pytest.mark.parametrize("outcome", ["installed", "partial", "failed", "unknown", "drifted", "requested", ""])
    def test_nothing_less_than_proven_passes(self, outcome: str) -> None:
        assert not replace(GOOD, outcome=outcome).passed

    def test_where_no_proof_is_expected_it_must_be_installed_and_soon_silent(self) -> None:
        installed = replace(GOOD, expected="installed", outcome="installed", through_after_proven=None)
        assert not installed.passed
        assert replace(installed, through_after_installed=3, through_after_settled=0).passed
        assert not replace(installed, through_after_settled=1).passed
        assert not replace(installed, through_after_settled=0, outcome="proven").passed

    @pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.HOLDS])
    def test_one_bad_row_fails_the_run(self, verdict: Verdict) -> None:
        assert not replace(GOOD, must_stop=[STOPPED, replace(STOPPED, verdict=verdict)]).passed
        assert not replace(GOOD, must_flow=[FLOWED, replace(FLOWED, verdict=verdict)]).passed

    def test_a_run_that_tried_nothing_fails(self) -> None:
        assert not passed([], [FLOWED], restored=True)
        assert not passed([STOPPED], [], restored=True)

    def test_one_difference_fails_the_run(self) -> None:
        different = replace(GOOD, differences=["s1 dump-flows: + table=0, actions=drop"])
        assert not different.passed
        assert different.to_json()["restored"] is False

    def test_a_run_that_ended_early_fails_whatever_else_it_says(self) -> None:
        assert not replace(GOOD, error="no").passed
        assert not Result("rogue-host", "campus", None).passed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"outcome": "installed"}, ["it was to be proven, and was installed"]),
        ({"through_after_proven": 2}, ["2 frames of the contained got through"]),
        ({"through_after_proven": None}, ["nobody knows how many frames got through"]),
        ({"differences": ["a flow"]}, ["not everything was put back"]),
        ({"must_flow": ()}, ["not all kinds of traffic were tried"]),
        ({"error": "no switch"}, ["no switch"]),
        ({}, []),
    ],
)
def test_a_run_that_did_not_pass_says_why(change: dict[str, Any], says: list[str]) -> None:
    result = replace(GOOD, **change)
    assert result.faults == says
    assert result.passed is (not says)


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.HOLDS])
def test_a_row_that_does_not_hold_is_named(verdict: Verdict) -> None:
    bad = replace(GOOD.must_flow[0], verdict=verdict)
    assert replace(GOOD, must_flow=[bad]).faults == [f"{bad.name}: {verdict.value}"]
