"""Which rules leave a device audible, so that no silence can be proven, and what is told instead."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from controller.model import FULL, Endpoint, Profile
from controller.profiles import LATERAL, MONITOR, compile_rules, remediation
from controller.silence import never_silent, so_far
from drivers.base import ObservedRule, ObservedState
from drivers.rules import Direction, Provenance, Rule
from tests.campus import mac, place

ALONE = Endpoint(frozenset({mac(6)}), frozenset({ip_address("10.0.0.66")}), place(3))
SHARED = replace(ALONE, neighbours=frozenset({mac(70)}))


def rules(profile: Profile, endpoint: Endpoint = ALONE) -> list[Rule]:
    made = compile_rules(profile, endpoint, Provenance("c"), lambda peers: peers.prefixes, lambda rule: True)
    return list(made.rules)


@pytest.mark.parametrize("endpoint", [ALONE, SHARED])
def test_only_a_device_that_is_closed_as_a_whole_can_be_silent(endpoint: Endpoint) -> None:
    assert never_silent(rules(FULL, endpoint)) == ""
    assert "only counts" in never_silent(rules(MONITOR, endpoint))
    for profile in (LATERAL, remediation([ip_network("10.0.0.5")], [])):
        assert "leaves some traffic open" in never_silent(rules(profile, endpoint))


def test_a_device_that_is_held_by_its_mac_alone_can_be_silent() -> None:
    """As where it was followed to a port at which it may only seem to be."""
    by_mac = [replace(rule, match=replace(rule.match, mac=mac(6))) for rule in rules(FULL)]
    assert never_silent(by_mac) == ""


def counted(held: list[Rule], packets: int | None) -> ObservedState:
    return ObservedState("boot", 0.0, tuple(ObservedRule(rule.id, "x", packets) for rule in held), {})


def test_the_count_is_told_by_direction() -> None:
    held = rules(MONITOR)
    assert so_far(counted(held, 7), held) == "counted so far: 7 from it, 7 to it"
    assert "keeps no count" in so_far(counted(held, None), held)
    stopping = rules(LATERAL)
    ways = [sum(rule.match.direction is way for rule in stopping) for way in Direction]
    assert so_far(counted(stopping, 1), stopping) == f"stopped so far: {ways[0]} from it, {ways[1]} to it"
