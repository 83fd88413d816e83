"""Where it is enforced when the device's own port is not the place: bundles, boxes, devices that take no rules, cuts; and what remains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from random import Random
from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.counterexample import ways
from controller.cut import minimum_cut
from controller.enforcement import MOST_DEVICES, Points, enforcement_points
from controller.errors import RefusalCode, Refused
from controller.model import BEFORE_A_RULE, Attachment, Endpoint, Hop, Plan, Target
from controller.network.graph import NetworkGraph
from controller.network.segments import Segment, Segments
from controller.plan import MOST_NEIGHBOURS, make_plan_at
from controller.prove import prove
from controller.questions import ELSEWHERE
from drivers.base import Capabilities, Sighting
from drivers.memory import MemoryDriver
from drivers.rules import Action, Direction, PortName
from drivers.semantics import Crossing, Fate, Frame, verdict
from tests.campus import DECISION, NOW, S1, S2, Campus, campus, mac, place, port
from tests.unit.test_segments import CLOSET, MLAG, RING

EVERYBODY = lambda device: True  # noqa: E731 (a value for the tests, as a served fleet is one)
HOUR = 3600.0


def served_but(*without: str) -> Callable[[str], bool]:
    return lambda device: device not in without


def able(device: str) -> Capabilities | None:
    return MemoryDriver.capabilities


def seen(net: Campus, who: int, where: int, *, switch: int = 1) -> None:
    """For an hour already, as the switch tells it."""
    for ago in range(3600, -1, -60):
        net.network.see(Sighting(place(where, switch).device, net.now - ago, mac(who), port(where, switch)))


def behind(network: dict[str, Any], *who: int, where: int = 5) -> tuple[Campus, Endpoint]:
    net = campus(network=network)
    for one in who:
        seen(net, one, where)
    seen(net, 88, 1, switch=2)
    endpoint = net.locate(Target(mac=mac(who[0]))).endpoint
    assert endpoint is not None
    return net, endpoint


def planned(net: Campus, endpoint: Endpoint, served: Callable[[str], bool] = EVERYBODY) -> Plan:
    points = enforcement_points(endpoint.attachment, net.network.graph, served)
    assert points is not None
    return make_plan_at(points, "c-1", endpoint, DECISION, NOW + HOUR, net.network.graph, able)


def test_a_device_at_its_own_port_of_a_served_switch_needs_no_other_place() -> None:
    assert enforcement_points(place(3), campus().network.graph, EVERYBODY) is None


# --- bundles ------------------------------------------------------------------------------------------------------------


def test_an_mlag_is_one_attachment_held_at_both_of_its_ports() -> None:
    net, endpoint = behind(MLAG, 6)
    plan = planned(net, endpoint)
    assert {(device, rule.match.port, rule.match.mac) for device in plan.rules for rule in plan.rules[device]} == {
        (S1, port(5), None),
        (S2, port(6, 2), None),
    }
    assert plan.weaker is None
    assert plan.enforced_at == (place(5), place(6, 2))
    proof = prove(plan, net.network, net.now)
    assert proof.residual == ()
    assert proof.collateral == ()
    assert set(proof.management) == {S1, S2}
    assert {"s1-eth5", "s2-eth6"} <= {word for reach in proof.blocked for word in reach.witness.split()}


def test_a_proof_of_an_mlag_that_is_open_at_its_second_port_says_so() -> None:
    net, endpoint = behind(MLAG, 6)
    plan = planned(net, endpoint)
    half = replace(plan, rules={**plan.rules, S2: type(plan.rules[S2])()})
    assert any("s2-eth6" in reach.witness for reach in prove(half, net.network, net.now).residual)


def test_a_bundle_whose_second_switch_is_not_there_is_held_at_the_first_and_that_is_said() -> None:
    net, endpoint = behind({"bundles": [{"name": "vpc", "ports": ["s1:5", "s9:1"]}]}, 6)
    plan = planned(net, endpoint)
    assert list(plan.rules) == [S1]
    assert plan.weaker is not None
    assert "1 of the ports of bundle vpc is not known" in plan.weaker


# --- boxes --------------------------------------------------------------------------------------------------------------


def test_behind_a_box_of_one_switch_the_cut_is_one_hop_up_and_its_neighbours_are_what_remains() -> None:
    net, endpoint = behind(CLOSET, 6, 70)
    plan = planned(net, endpoint)
    assert plan.enforced_at == (place(5),)
    assert {(rule.action, rule.match.mac) for rule in plan.rules[S1]} == {
        (Action.DENY, None),
        (Action.PERMIT, mac(70)),
        (Action.DENY, mac(6)),
    }
    assert plan.weaker is not None
    assert "not stopped at its own port: it still reaches all that is at switch closet-3" in plan.weaker
    assert plan.side == ("closet-3",)
    proof = prove(plan, net.network, net.now)
    assert proof.still_reaches == (mac(70), "closet-3")
    assert proof.collateral == ()


def test_behind_boxes_of_two_switches_it_is_held_at_both_by_its_own_macs() -> None:
    net, endpoint = behind(RING, 6, 70)
    plan = planned(net, endpoint)
    assert plan.enforced_at == (place(5), place(6, 2))
    assert {rule.match.mac for rules in plan.rules.values() for rule in rules} == {mac(6)}
    frame = Frame(mac(88), mac(7), 0x0800)
    crossing = Crossing(frame, port(6, 2), port(1, 2))
    assert verdict(plan.rules[S2], crossing).fate is Fate.PASS, "what comes across the boxes is not its business"
    assert plan.weaker is not None
    assert "under another MAC than its own it passes" in plan.weaker
    proof = prove(plan, net.network, net.now)
    assert set(proof.still_reaches) == {mac(70), "east", "west"}
    assert any(reach.kind == "TCP as another MAC" for reach in proof.residual)
    assert proof.collateral == ()


def test_a_crowd_behind_a_box_gets_no_exceptions_and_is_not_cut_off_either() -> None:
    net, endpoint = behind(CLOSET, 6, *range(100, 101 + MOST_NEIGHBOURS))
    assert len(endpoint.neighbours) > MOST_NEIGHBOURS
    plan = planned(net, endpoint)
    assert {rule.match.mac for rule in plan.rules[S1]} == {mac(6)}
    assert "others are behind the port" in (plan.weaker or "")
    assert prove(plan, net.network, net.now).collateral == ()


# --- devices that take no rules -------------------------------------------------------------------------------------------


def test_at_a_switch_that_nobody_serves_the_cut_is_at_its_uplink_and_who_is_at_that_switch_remains() -> None:
    net = campus()
    for who, where in ((6, 3), (7, 4)):
        seen(net, who, where)
    endpoint = net.locate(Target(mac=mac(6))).endpoint
    assert endpoint is not None
    plan = planned(net, endpoint, served_but(S1))
    assert plan.enforced_at == (place(9, 2),)
    assert plan.side == (S1,)
    proof = prove(plan, net.network, net.now)
    assert set(proof.still_reaches) == {mac(7), S1}
    assert [reach.witness for reach in proof.residual if reach.dst == mac(7)] == ["s1:s1-eth4"]
    assert {reach.kind for reach in proof.residual if reach.dst == S1} == {BEFORE_A_RULE}


@pytest.mark.parametrize("direction", Direction)
def test_what_remains_is_shown_with_the_way_of_a_packet_from_the_devices_own_port_on(direction: Direction) -> None:
    net = campus()
    seen(net, 6, 3)
    endpoint = net.locate(Target(mac=mac(6))).endpoint
    assert endpoint is not None
    plan = planned(net, endpoint, served_but(S1))
    (place,) = plan.enforced_at
    other = [rule for rule in plan.rules[S2] if rule.match.direction is not direction]
    half = replace(plan, rules={S2: type(plan.rules[S2])(other)})
    proof = prove(half, net.network, net.now)
    ends = ("device", "anyone") if direction is Direction.FROM else ("anyone", "device")
    shown = {ways(half, proof, net.network)[one] for one in proof.residual if (one.src, one.dst) == ends and one.at}
    uplink = net.network.graph.topology()[S1][S2]
    (near,) = {one["ends"][S1] for one in uplink.values()}
    hops = (Hop(S1, port(3), near), Hop(S2, place.port, ELSEWHERE))
    back = tuple(Hop(device, out_port, in_port) for device, in_port, out_port in reversed(hops))
    assert shown == {hops if direction is Direction.FROM else back}


def test_where_nothing_takes_rules_nothing_is_promised() -> None:
    with pytest.raises(Refused, match="no device that takes rules is between s1:s1-eth3 and the rest") as caught:
        enforcement_points(place(3), campus().network.graph, served_but(S1, S2))
    assert caught.value.code is RefusalCode.UNKNOWN_PLACE


def test_it_goes_on_through_boxes_and_switches_that_take_none() -> None:
    """1 (not served) has a box of its own besides its cable to 2; the box hangs on 3 as well."""
    graph = mesh([("1", "2"), ("2", "3")], {"box": ["1", "3"]})
    points = enforcement_points(Attachment("1", PortName("e")), graph, served_but("1"))
    assert points is not None
    assert {port.device for port in points.ports} == {"2", "3"}
    assert set(points.side) == {"1", "box"}
    assert not points.whole


# --- the fewest -----------------------------------------------------------------------------------------------------------


def mesh(cables: list[tuple[str, str]], boxes: dict[str, list[str]] | None = None) -> NetworkGraph:
    """Devices by name; the port towards x is called x, and one called `e` leads to nobody."""
    segments = [
        Segment(name, tuple((device, name) for device in devices), {name: "switch"})
        for name, devices in (boxes or {}).items()
    ]
    graph = NetworkGraph(Segments(segments))
    for one, other in cables:
        graph.link(one, PortName(other), other, PortName(one))
    for name, devices in (boxes or {}).items():
        for device in devices:
            graph.set_port(device, PortName(name), up=True, at=0.0)
    return graph


WIDE = [f"a{n}" for n in range(MOST_DEVICES + 1)]


def test_too_many_around_it_are_cut_where_they_meet() -> None:
    graph = mesh([(one, "core") for one in WIDE] + [("core", "dc")], {"box": WIDE})
    points = enforcement_points(Attachment("a0", PortName("box")), graph, EVERYBODY, lambda: ["dc"])
    assert points is not None
    assert {port.device for port in points.ports} == {"core"}, "the nearer of two cuts of one device"
    assert {port.port for port in points.ports} == set(WIDE)
    assert set(points.side) == {"box", *WIDE}
    assert "the fewest devices that separate it from what is protected" in points.why


def test_without_anything_to_keep_from_it_many_are_not_cut_at_all() -> None:
    graph = mesh([(one, "core") for one in WIDE], {"box": WIDE})
    with pytest.raises(Refused, match="List under `protected`"):
        enforcement_points(Attachment("a0", PortName("box")), graph, EVERYBODY)


def test_what_is_protected_at_each_of_too_many_is_refused_with_the_number() -> None:
    graph = mesh([(one, "core") for one in WIDE], {"box": WIDE})
    with pytest.raises(Refused, match="it takes 9"):
        enforcement_points(Attachment("a0", PortName("box")), graph, EVERYBODY, lambda: WIDE)


def test_what_nothing_separates_is_said() -> None:
    graph = mesh([(one, "core") for one in WIDE], {"box": [*WIDE, "dumb"]})
    with pytest.raises(Refused, match="nothing that takes rules is between it and what is protected"):
        enforcement_points(Attachment("a0", PortName("box")), graph, served_but("dumb"), lambda: ["dumb"])


def separated(graph: nx.MultiGraph[str], without: set[str], source: str, protected: set[str]) -> bool:
    left = graph.subgraph(set(graph) - without)
    return not any(one in left and nx.has_path(left, source, one) for one in protected)


@given(st.integers(0, 10_000))
def test_a_cut_separates_and_no_smaller_one_does(seed: int) -> None:
    """Against all subsets, on small random networks."""
    chance = Random(seed)
    names = [f"n{n}" for n in range(chance.randint(4, 8))]
    cables = [pair for pair in combinations(names, 2) if chance.random() < 0.4]
    graph = mesh(cables)
    topology = graph.topology()
    there = sorted(topology)
    if len(there) < 3:
        return
    source, *rest = chance.sample(there, len(there))
    protected = set(rest[: chance.randint(1, 2)])
    cuttable = {one for one in rest if chance.random() < 0.8}
    cut = minimum_cut(graph, [source], protected, cuttable.__contains__)
    fewest = next(
        (
            size
            for size in range(len(cuttable) + 1)
            for chosen in combinations(sorted(cuttable), size)
            if separated(topology, set(chosen), source, protected)
        ),
        None,
    )
    if cut is None:
        assert fewest is None
        return
    devices = {one.device for one in cut.ports}
    assert devices <= cuttable
    assert separated(topology, devices, source, protected)
    assert len(devices) == fewest
    assert not set(cut.side) & (protected | devices)
    for one in cut.ports:
        assert graph.devices[one.device].links[one.port][0] in {source, *cut.side}, "the ports face the source"


@given(st.integers(0, 10_000))
def test_the_nearest_points_let_nothing_of_its_side_out(seed: int) -> None:
    """Whoever is not on the device's side is reached through one of the ports alone."""
    chance = Random(seed)
    names = [f"n{n}" for n in range(chance.randint(3, 9))]
    cables = [pair for pair in combinations(names, 2) if chance.random() < 0.35]
    boxes = {"box": chance.sample(names, chance.randint(1, 3))}
    graph = mesh(cables, boxes)
    served = {one for one in names if chance.random() < 0.6}
    start = chance.choice(boxes["box"])
    points: Points | None
    try:
        points = enforcement_points(Attachment(start, PortName("box")), graph, served.__contains__)
    except Refused:
        points = None
        assert not served & nx.node_connected_component(graph.topology(), "box")
        return
    assert points is not None
    topology = graph.topology()
    entered = {(port.device, port.port) for port in points.ports}
    for one in points.side:
        for other, several in topology[one].items():
            for data in several.values():
                assert other in points.side or (other, data["ends"][other]) in entered
