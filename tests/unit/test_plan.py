"""The rules at the edge port: all of a port that is the device's alone, and no neighbour's frames where it is shared."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from controller.errors import RefusalCode, Refused
from controller.model import Endpoint, Plan
from controller.plan import MOST_NEIGHBOURS, make_plan
from drivers.base import Capabilities
from drivers.memory import MemoryDriver
from drivers.openflow.driver import OpenFlowDriver
from drivers.rules import Action, Direction, Rule
from tests.campus import DECISION, NOW, S1, campus, mac, place, port

ALONE = Endpoint(frozenset({mac(6)}), frozenset({ip_address("10.0.0.66"), ip_address("fd00::66")}), place(3))
SHARED = replace(ALONE, neighbours=frozenset({mac(70), mac(71)}))
GRAPH = campus().network.graph


def planned(endpoint: Endpoint, capabilities: Capabilities = MemoryDriver.capabilities) -> Plan:
    return make_plan("c-1", endpoint, DECISION, NOW + 3600, GRAPH, capabilities)


def shape(rule: Rule) -> tuple[str, str, str | None, str | None]:
    return rule.action.value, rule.match.direction.value, rule.match.port, rule.match.mac


def test_a_lone_port_is_closed_both_ways_by_the_port_alone() -> None:
    plan = planned(ALONE)
    assert list(plan.rules) == [S1]
    assert {shape(rule) for rule in plan.rules[S1]} == {("deny", "from", port(3), None), ("deny", "to", port(3), None)}
    assert all(rule.match.fields() == {"port"} for rule in plan.rules[S1]), "no address to escape by changing it"
    assert plan.weaker is None
    assert "s1:s1-eth3 is the device's edge port" in plan.why[0]


def test_a_shared_port_is_closed_to_all_but_the_neighbours_and_the_plan_says_that_it_is_weaker() -> None:
    plan = planned(SHARED)
    assert {shape(rule) for rule in plan.rules[S1]} == {
        ("deny", "from", port(3), None),
        ("permit", "from", port(3), mac(70)),
        ("permit", "from", port(3), mac(71)),
        ("deny", "to", port(3), mac(6)),
    }
    assert plan.weaker is not None
    assert f"{mac(70)}, {mac(71)}" in plan.weaker
    assert "still hears broadcasts" in plan.weaker


def test_every_rule_says_why_by_whom_and_until_when() -> None:
    for rule in planned(SHARED).rules[S1]:
        assert rule.provenance.containment == "c-1"
        assert (rule.provenance.reason, rule.provenance.by) == ("it scans", "ann")
        assert rule.provenance.until == datetime.fromtimestamp(NOW + 3600, UTC)
    endless = make_plan("c-1", ALONE, DECISION, None, GRAPH, MemoryDriver.capabilities)
    assert {rule.provenance.until for rule in endless.rules[S1]} == {None}


def test_an_empty_port_can_be_closed() -> None:
    plan = planned(replace(ALONE, macs=frozenset(), ips=frozenset()))
    assert len(plan.rules[S1]) == 2


def test_a_plan_for_the_same_device_is_the_same() -> None:
    assert planned(SHARED).rules[S1] == planned(replace(SHARED, neighbours=frozenset({mac(71), mac(70)}))).rules[S1]


@pytest.mark.parametrize("endpoint", [ALONE, SHARED])
def test_the_openflow_driver_can_carry_it(endpoint: Endpoint) -> None:
    assert planned(endpoint, OpenFlowDriver.capabilities).rules[S1]


def test_what_a_driver_did_not_declare_is_refused_before_anything_is_sent() -> None:
    one_way = Capabilities(frozenset({(Action.DENY, Direction.TO, frozenset({"port"}))}))
    with pytest.raises(
        Refused, match=r"s1:s1-eth3: profile full asks for what the driver there cannot do: deny from on port$"
    ) as caught:
        planned(ALONE, one_way)
    assert caught.value.code is RefusalCode.UNSUPPORTED


def test_a_flood_of_neighbours_gets_no_exceptions() -> None:
    crowd = frozenset(mac(100 + n) for n in range(MOST_NEIGHBOURS))
    assert len(planned(replace(ALONE, neighbours=crowd)).rules[S1]) == MOST_NEIGHBOURS + 2
    with pytest.raises(Refused, match="65 other MACs are on s1:s1-eth3") as caught:
        planned(replace(ALONE, neighbours=crowd | {mac(999)}))
    assert caught.value.code is RefusalCode.AMBIGUOUS
