"""What several devices' outcomes make of a containment."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from controller.model import Endpoint, Outcome, Proof, Reach, Survival, overall
from tests.campus import mac, place

HOLDING = {Outcome.INSTALLED, Outcome.PROVEN}


def test_no_device_has_said_anything() -> None:
    assert overall([]) is Outcome.REQUESTED


@given(st.lists(st.sampled_from(Outcome), min_size=1, max_size=6))
def test_a_containment_is_never_better_than_a_device_of_it(outcomes: list[Outcome]) -> None:
    whole = overall(outcomes)
    if whole is Outcome.PROVEN:
        assert set(outcomes) <= {Outcome.PROVEN, Outcome.REMOVED}
        assert Outcome.PROVEN in outcomes
    if whole is Outcome.INSTALLED:
        assert set(outcomes) <= HOLDING | {Outcome.REMOVED}
    if whole is Outcome.REMOVED:
        assert set(outcomes) == {Outcome.REMOVED}
    if set(outcomes) & HOLDING and set(outcomes) & {Outcome.FAILED, Outcome.UNKNOWN}:
        assert whole is Outcome.PARTIAL
    assert whole is Outcome.PARTIAL or whole in outcomes


@given(st.permutations([Outcome.INSTALLED, Outcome.FAILED, Outcome.REQUESTED]))
def test_the_order_of_devices_says_nothing(outcomes: list[Outcome]) -> None:
    assert overall(outcomes) is Outcome.PARTIAL


def test_a_release_that_one_device_kept_is_not_removed() -> None:
    assert overall([Outcome.REMOVED, Outcome.FAILED]) is Outcome.FAILED
    assert overall([Outcome.REMOVED, Outcome.UNKNOWN]) is Outcome.UNKNOWN
    assert overall([Outcome.REMOVED, Outcome.REQUESTED]) is Outcome.REQUESTED


def test_a_proof_holds_only_without_collateral_and_with_management() -> None:
    sound = Proof((), (), (), {"s1": Survival.UNKNOWN})
    assert sound.holds
    assert not replace(sound, collateral=(Reach("a", "b", "TCP"),)).holds
    assert not replace(sound, management={"s1": Survival.CUT}).holds


def test_a_port_is_the_same_whatever_tag_a_host_writes() -> None:
    assert place(3).same_port(replace(place(3), vlan=7))
    assert not place(3).same_port(place(4))


def test_an_endpoint_keeps_its_name_when_it_changes_address() -> None:
    device = Endpoint(frozenset({mac(6), mac(7)}), frozenset(), place(3))
    assert device.id == replace(device, attachment=place(5)).id == f"default/{mac(6)}"
    assert replace(device, macs=frozenset()).id == f"default/{place(3)}"
