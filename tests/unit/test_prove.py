"""The plan on the model: it says what the rules really do to frames, to the device's and to everybody else's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.model import Endpoint, Hop, Plan, Proof, Survival
from controller.plan import make_plan
from controller.prove import prove
from controller.questions import ELSEWHERE
from drivers.base import Management, ObservedState, PreState
from drivers.memory import MemoryDevice, MemoryDriver, MemoryOptions
from drivers.rules import Action, Direction, Mac, Match, PortName, Provenance, Rule, RuleSet
from drivers.semantics import Crossing, Fate, Frame, verdict
from tests.campus import DECISION, NOW, S1, S2, Campus, campus, facts, mac, place, port
from tests.strategies import frames

HOUR = 3600.0


def busy(**config: object) -> Campus:
    """6 is the rogue at port 3, 7 is at port 4 of the same switch, 8 at another switch."""
    net = campus(**config)
    net.keeps_saying("10.0.0.66", 6, 3, since=HOUR)
    net.keeps_saying("10.0.0.77", 7, 4, since=HOUR)
    net.says("10.0.0.88", 8, 1, switch=2)
    return net


def hub() -> Campus:
    net = busy()
    net.keeps_saying("10.0.0.70", 70, 3, since=HOUR)
    return net


def endpoint_of(net: Campus) -> Endpoint:
    endpoint = net.locate("10.0.0.66").endpoint
    assert endpoint is not None
    return endpoint


def planned(net: Campus) -> Plan:
    return make_plan("c-1", endpoint_of(net), DECISION, NOW + HOUR, net.network.graph, MemoryDriver.capabilities)


def proven(net: Campus, plan: Plan | None = None) -> Proof:
    return prove(plan or planned(net), net.network, net.now)


def with_rules(net: Campus, *rules: Rule) -> Plan:
    return replace(planned(net), rules={S1: RuleSet(rules)})


def rule(action: Action, direction: Direction, where: PortName | None = None, who: Mac | None = None) -> Rule:
    return Rule(Match(direction, port=where, mac=who), action, Provenance("c-1"))


def test_a_lone_port_leaves_nothing_over_and_hits_nobody_else() -> None:
    proof = proven(busy())
    assert proof.residual == ()
    assert proof.collateral == ()
    assert proof.holds
    kinds = {reach.kind for reach in proof.blocked}
    assert {"ARP", "TCP", "UDP", "ICMP", "IPv6", "non-IP", "TCP as another MAC", "TCP as another IP"} <= kinds
    assert "ARP broadcast" in kinds
    assert {(reach.src, reach.dst) for reach in proof.blocked} >= {("device", "anyone"), ("anyone", "device")}
    assert "in s1-eth3" in proof.blocked[0].witness


def test_a_shared_port_shows_what_remains_and_still_hits_nobody_else() -> None:
    proof = proven(hub())
    assert proof.collateral == ()
    left = {(reach.src, reach.dst, reach.kind) for reach in proof.residual}
    assert ("device", mac(70), "anything, behind the same port") in left
    assert ("device", "anyone", "TCP as a neighbour's MAC") in left
    assert ("everyone", "device", "ARP broadcast") in left
    blocked = {(reach.src, reach.dst, reach.kind) for reach in proof.blocked}
    assert ("device", "anyone", "TCP") in blocked
    assert ("device", "anyone", "TCP as another MAC") in blocked
    assert ("anyone", "device", "TCP") in blocked
    assert ("device", "everyone", "ARP broadcast") in blocked


def test_closing_a_shared_port_as_a_whole_is_found_to_hit_the_neighbour() -> None:
    net = hub()
    whole = [rule(Action.DENY, direction, port(3)) for direction in Direction]
    proof = proven(net, with_rules(net, *whole))
    assert {(reach.src, reach.dst) for reach in proof.collateral} == {(mac(70), "anyone"), ("anyone", mac(70))}
    assert not proof.holds
    by = {reach.src: (reach.at, reach.rule) for reach in proof.collateral}
    leaving, coming = (one.id for one in whole)
    assert by == {
        mac(70): (Hop(S1, port(3), ELSEWHERE), leaving),
        "anyone": (Hop(S1, ELSEWHERE, port(3)), coming),
    }
    for reach in proof.collateral:
        assert mac(70) in reach.witness
        assert f"in {reach.at.in_port} out {reach.at.out_port}" in reach.witness if reach.at else False


@pytest.mark.parametrize(
    ("hitting", "whom"),
    [
        (Rule(Match(Direction.FROM, port=port(4)), Action.DENY, Provenance("c-1")), mac(7)),
        (Rule(Match(Direction.TO, mac=mac(7)), Action.DENY, Provenance("c-1")), mac(7)),
        (Rule(Match(Direction.FROM, mac=mac(8)), Action.DENY, Provenance("c-1")), mac(8)),
    ],
)
def test_a_rule_that_would_hit_another_device_is_found_out(hitting: Rule, whom: Mac) -> None:
    net = busy()
    proof = proven(net, with_rules(net, hitting))
    assert whom in {end for reach in proof.collateral for end in (reach.src, reach.dst)}


def test_a_plan_that_stops_nothing_is_seen_through() -> None:
    net = busy()
    proof = proven(net, with_rules(net, rule(Action.COUNT, Direction.FROM, port(3))))
    assert proof.blocked == ()
    assert len(proof.residual) > 30


@pytest.mark.parametrize(
    ("management", "management_port", "survival"),
    [
        (Management.OUT_OF_BAND, None, Survival.OUT_OF_BAND),
        (Management.IN_BAND, "s1-eth1", Survival.SURVIVES),
        (Management.IN_BAND, "s1-eth3", Survival.CUT),
        (Management.IN_BAND, None, Survival.UNKNOWN),
        (Management.UNKNOWN, None, Survival.UNKNOWN),
    ],
)
def test_the_management_path(management: Management, management_port: str | None, survival: Survival) -> None:
    net = busy(devices=[{"id": S1, "management": management.value, "management_port": management_port}])
    assert proven(net).management == {S1: survival}
    assert proven(net).holds is (survival is not Survival.CUT)


def test_a_rule_without_a_port_cuts_every_in_band_path() -> None:
    net = busy(devices=[{"id": S1, "management": "in-band", "management_port": "s1-eth1"}])
    assert proven(net, with_rules(net, rule(Action.DENY, Direction.FROM, None, mac(6)))).management == {
        S1: Survival.CUT
    }


def test_a_device_that_nobody_knows_has_no_known_path() -> None:
    net = busy()
    plan = replace(planned(net), rules={S1: planned(net).rules[S1], S2: RuleSet()})
    del net.network.graph.devices[S2]
    net.network.graph.learn(replace(facts(1), management=Management.UNKNOWN))
    assert proven(net, plan).management == {S1: Survival.UNKNOWN, S2: Survival.UNKNOWN}


BUSY, HUB = busy(), hub()
EMPTY, BASELINE = ObservedState("boot", NOW, (), {}), PreState()
MACS = (mac(6), mac(7), mac(70), mac(99))
PORTS = (port(3), port(4), PortName("s1-eth9"))


@given(frames(MACS), st.permutations(PORTS), st.booleans())
def test_the_proof_and_the_switch_agree_about_every_frame(frame: Frame, ports: list[PortName], shared: bool) -> None:
    """What the proof calls blocked, a device with these rules drops; and no frame that does not touch the contained device or a
    stranger on its port is lost."""
    net = HUB if shared else BUSY
    plan = planned(net)
    device = MemoryDevice(S1, MemoryOptions(ports=PORTS))
    driver = MemoryDriver(device)
    state = driver.render(plan.rules[S1], EMPTY, BASELINE)
    device.take(state.messages)
    crossing = Crossing(frame, ports[0], ports[1])
    real = device.forward(crossing).fate
    assert real is verdict(plan.rules[S1], crossing).fate
    kept = {mac(70)} if shared else set()
    from_it = ports[0] == port(3) and frame.eth_src not in kept
    to_it = ports[1] == port(3) and (not shared or frame.eth_dst == mac(6))
    assert (real is Fate.DROP) is (from_it or to_it)


@given(st.sets(st.integers(60, 90), max_size=5))
def test_any_number_of_neighbours_is_kept_and_reported(others: set[int]) -> None:
    net = busy()
    for n in others:
        net.keeps_saying(f"10.0.0.{n + 100}", n, 3, since=120)
    plan, proof = planned(net), proven(net)
    assert proof.collateral == ()
    assert {reach.dst for reach in proof.residual if "behind the same port" in reach.kind} == {mac(n) for n in others}
    assert (plan.weaker is not None) is bool(others)
    for n in others:
        frame = Frame(mac(n), mac(7), 0x88B5)
        assert verdict(plan.rules[S1], Crossing(frame, place(3).port, port(4))).fate is Fate.PASS


@pytest.mark.parametrize("shared", [False, True])
def test_judging_once_for_all_that_the_rules_cannot_tell_apart_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    net = hub() if shared else busy()
    plan = planned(net)
    at_once = proven(net, plan)
    monkeypatch.setattr("controller.prove._BLUNT", frozenset())
    each = proven(net, plan)

    def said(proof: Proof) -> list[set[tuple[str, str, str]]]:
        return [{(r.src, r.dst, r.kind) for r in some} for some in (proof.blocked, proof.residual, proof.collateral)]

    nowhere = {(src, dst, "non-IP as another IP") for src, dst in (("device", "anyone"), ("anyone", "device"))}
    unknown = {(src, dst, "IPv6 as another IP") for src, dst, _ in nowhere}
    assert said(each) == [some - nowhere - unknown for some in said(at_once)]
