"""A proof looks at the parties of its rules alone: what changes elsewhere leaves it as it was, and need not be proven again."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.model import Plan, Proof
from controller.plan import make_plan
from controller.prove import prove
from drivers.memory import MemoryDriver
from drivers.rules import Action, Direction, Match, Provenance, Rule, RuleSet
from tests.campus import DECISION, NOW, S1, Campus, campus, mac, place, port

HOUR = 3600.0
WHO = range(6, 14)


class Change(NamedTuple):
    """Somebody is heard for two minutes at a port, under an address."""

    who: int
    where: int
    switch: int
    address: int

    @property
    def ip(self) -> str:
        return f"10.0.0.{self.address}"


changes = st.builds(
    Change, st.sampled_from(WHO), st.integers(1, 8), st.sampled_from([1, 2]), st.integers(60, 60 + len(WHO))
)


def busy() -> Campus:
    """6 is the rogue at port 3; 7 is behind the same port, 8 at another one, 9 at another switch."""
    net = campus()
    for who, where, switch in ((6, 3, 1), (7, 3, 1), (8, 4, 1), (9, 1, 2)):
        for ago in range(int(HOUR), -1, -60):
            net.says(f"10.0.0.{60 + who - 6}", who, where, ago=float(ago), switch=switch)
    return net


def held(net: Campus) -> dict[str, Plan]:
    """By what their rules ask for: ports with exceptions, a port as a whole, a MAC, an address."""
    endpoint = net.locate("10.0.0.60").endpoint
    assert endpoint is not None
    made = make_plan("c-1", endpoint, DECISION, NOW + HOUR, net.network.graph, MemoryDriver.capabilities)

    def asking(match: Match) -> Plan:
        both = [replace(match, direction=direction) for direction in Direction]
        return replace(made, rules={S1: RuleSet(Rule(one, Action.DENY, Provenance("c-1")) for one in both)})

    return {
        "made": made,
        "port": asking(Match(Direction.FROM, port=port(3))),
        "mac": asking(Match(Direction.FROM, mac=mac(10))),
        "ip": asking(Match(Direction.FROM, ip=ip_network("10.0.0.62/32"))),
    }


def concerns(plan: Plan, change: Change, net: Campus) -> bool:
    """Before it happens: some rule of the plan asks for the port that it is at or was, for its MAC, or for an address that it takes or
    has."""
    bindings, who = net.network.bindings, mac(change.who)
    spans = bindings.history_of_mac("default", who)
    ports = {place(change.where, change.switch).port, *(span.place.port for span in spans[-1:])}
    asked = [rule.match for rule in plan.rules[S1]]
    return any(
        match.port in ports
        or match.mac == who
        or (
            match.ip is not None
            and (ip_address(change.ip) in match.ip or who in bindings.macs_within("default", match.ip))
        )
        for match in asked
    )


def proven(net: Campus, plan: Plan) -> Proof:
    return prove(plan, net.network, net.now)


def happens(net: Campus, change: Change) -> None:
    for ago in (120.0, 90.0, 60.0, 30.0, 0.0):
        net.says(change.ip, change.who, change.where, ago=ago, switch=change.switch)


@given(st.lists(changes, max_size=6))
def test_proving_again_only_what_a_change_concerns_comes_to_what_proving_everything_does(some: list[Change]) -> None:
    net = busy()
    plans = held(net)
    known = {name: proven(net, plan) for name, plan in plans.items()}
    for change in some:
        again = [name for name, plan in plans.items() if concerns(plan, change, net)]
        happens(net, change)
        known |= {name: proven(net, plans[name]) for name in again}
        assert known == {name: proven(net, plan) for name, plan in plans.items()}


@pytest.mark.parametrize(
    ("name", "change"),
    [("port", Change(10, 3, 1, 70)), ("mac", Change(10, 5, 1, 70)), ("ip", Change(11, 5, 1, 62))],
)
def test_what_concerns_a_plan_does_change_its_proof(name: str, change: Change) -> None:
    net = busy()
    plan = held(net)[name]
    before = proven(net, plan)
    assert concerns(plan, change, net)
    happens(net, change)
    assert proven(net, plan) != before
