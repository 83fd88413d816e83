"""Real shapes through the planner: all of the Internet Topology Zoo (Knight et al., IEEE JSAC 29(9), 2011) and of SNDlib (Orlowski et al.,
Networks 55(3), 2010) as the package topohub has them, in networkx's node-link form.

Each network's nodes are switches here. Devices are contained at random nodes while some switches take no rules, and frames are then walked
over the published graph itself: they pass where no rule of the plan stops them.
"""

from __future__ import annotations

from collections import Counter
from importlib.resources import files
from random import Random

import networkx as nx
import pytest
import topohub

from controller.config import Config
from controller.cut import minimum_cut
from controller.enforcement import MOST_DEVICES, enforcement_points
from controller.errors import RefusalCode, Refused
from controller.locate import locate
from controller.model import Plan, Target
from controller.network.view import NetworkView
from controller.plan import make_plan, make_plan_at
from controller.prove import prove
from drivers.base import Capabilities, DeviceFacts, Interface, Management, Neighbour, Sighting
from drivers.memory import MemoryDriver
from drivers.rules import Mac, PortName
from drivers.semantics import ETH_IPV4, Crossing, Fate, Frame, verdict
from tests.campus import DECISION, NOW

GROUPS = ("topozoo", "sndlib")
NAMES = sorted(
    f"{group}/{file.name.removesuffix('.json')}"
    for group in GROUPS
    for file in (files(topohub) / "data" / group).iterdir()
)
EDGE = PortName("edge")
ROGUE, OTHER = Mac("02:00:00:00:00:01"), Mac("02:00:00:00:00:02")
CASES = 1


def published(name: str) -> nx.Graph[str]:
    return nx.relabel_nodes(nx.node_link_graph(topohub.get(name), edges="edges"), str)


def network_of(graph: nx.Graph[str]) -> NetworkView:
    """Each node a switch with an edge port and one port for each of its links."""
    network = NetworkView.from_config(Config())
    for node in graph:
        ports = (EDGE, *(PortName(f"to-{far}") for far in graph[node]))
        cables = tuple(Neighbour(PortName(f"to-{far}"), far, PortName(f"to-{node}")) for far in graph[node])
        interfaces = tuple(Interface(port, n) for n, port in enumerate(ports, 1))
        network.graph.learn(DeviceFacts(node, "boot-1", node, Management.OUT_OF_BAND, interfaces, neighbours=cables))
    return network


def able(device: str) -> Capabilities | None:
    return MemoryDriver.capabilities


def plan_for(network: NetworkView, at: str, served: set[str], protected: set[str]) -> Plan:
    """From the sighting to the plan, as the controller goes."""
    network.see(Sighting(at, NOW, ROGUE, EDGE))
    endpoint = locate(Target(mac=ROGUE), NOW, NOW, network, Config().locate).endpoint
    assert endpoint is not None
    assert endpoint.attachment.device == at
    points = enforcement_points(endpoint.attachment, network.graph, served.__contains__, lambda: protected)
    if points is None:
        return make_plan("c-1", endpoint, DECISION, NOW + 60, network.graph, MemoryDriver.capabilities)
    return make_plan_at(points, "c-1", endpoint, DECISION, NOW + 60, network.graph, able)


def got_through(graph: nx.Graph[str], plan: Plan, at: str) -> set[str]:
    """The switches that the device's frames come to the far side of: a flood, stopped only by the plan's own rules where they come in."""
    frame = Frame(ROGUE, OTHER, ETH_IPV4)
    through: set[str] = set()
    waiting = [(at, EDGE)]
    while waiting:
        switch, port = waiting.pop()
        crossing = Crossing(frame, port, PortName("any other"))
        if switch in through or verdict(plan.rules.get(switch, ()), crossing).fate is Fate.DROP:
            continue
        through.add(switch)
        waiting += [(far, PortName(f"to-{switch}")) for far in graph[switch]]
    return through


@pytest.mark.parametrize("name", NAMES)
def test_frames_stop_where_the_plan_says(name: str) -> None:
    graph, chance = published(name), Random(name)
    for _ in range(CASES):
        at, *others = chance.sample(sorted(graph), len(graph))
        protected = set(others[: chance.randint(1, 3)])
        served = {node for node in graph if chance.random() < 0.7}
        network = network_of(graph)
        try:
            plan = plan_for(network, at, served, protected)
        except Refused as refusal:
            assert_nothing_could(refusal.code, graph, at, served, protected)
            continue
        assert plan.rules.keys() <= served
        through = got_through(graph, plan, at)
        assert through == set(plan.side), "what it still reaches is said, and nothing else"
        assert not through & protected - set(plan.side)
        proof = prove(plan, network, NOW)
        assert proof.holds
        assert {reach.dst for reach in proof.residual} >= through
        if any("minimum cut" in why for why in plan.why):
            assert not through & protected
        else:
            assert not through & served


def assert_nothing_could(
    code: RefusalCode, graph: nx.Graph[str], at: str, served: set[str], protected: set[str]
) -> None:
    """Nobody who takes rules is there; or so many are around it that a cut must do, and none that is small enough keeps it apart."""
    assert code is RefusalCode.UNKNOWN_PLACE
    unserved = graph.subgraph(set(graph) - served)
    region = nx.node_connected_component(unserved, at)
    around = {far for node in region for far in graph[node]} - region
    if not around:
        return
    assert len(around) > MOST_DEVICES
    assert region & protected or _fewest(graph, region, served, protected) > MOST_DEVICES


def _fewest(graph: nx.Graph[str], region: set[str], served: set[str], protected: set[str]) -> float:
    """By networkx's own maximum flow over an auxiliary graph made here."""
    flow: nx.DiGraph[object] = nx.DiGraph()
    for node in graph:
        flow.add_edge((node, 0), (node, 1), **({"capacity": 1} if node in served - region else {}))
    for one, other in graph.edges:
        flow.add_edge((one, 1), (other, 0))
        flow.add_edge((other, 1), (one, 0))
    flow.add_edges_from(("from", (node, 0)) for node in region)
    flow.add_edges_from(((node, 1), "to") for node in protected)
    try:
        return float(nx.maximum_flow_value(flow, "from", "to"))
    except nx.NetworkXUnbounded:
        return float("inf")


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_is_as_small_as_a_maximum_flow_and_separates(name: str) -> None:
    graph, chance = published(name), Random(name)
    at, *others = chance.sample(sorted(graph), len(graph))
    protected = set(others[: chance.randint(1, 4)])
    served = {node for node in graph if node != at and chance.random() < 0.8}
    cut = minimum_cut(network_of(graph).graph, [at], protected, served.__contains__)
    fewest = _fewest(graph, {at}, served, protected)
    if cut is None:
        assert fewest == float("inf")
        return
    devices = {port.device for port in cut.ports}
    assert len(devices) == fewest
    left = graph.subgraph(set(graph) - devices)
    assert not nx.node_connected_component(left, at) & protected


def test_every_kind_of_place_occurs_in_them() -> None:
    """Else the tests above would show less than they seem to."""
    kinds: Counter[str] = Counter()
    for name in NAMES[::3]:
        graph, chance = published(name), Random(name)
        at, *others = chance.sample(sorted(graph), len(graph))
        for share in (1.0, 0.7, 0.2, 0.05):
            served = {node for node in graph if chance.random() < share}
            try:
                why = plan_for(network_of(graph), at, served, {others[0]}).why[0]
            except Refused:
                kinds["refused"] += 1
                continue
            kinds["own port" if "edge port" in why else "cut" if "minimum cut" in why else "nearest"] += 1
    assert len(NAMES) >= 5
    assert min(kinds[kind] for kind in ("own port", "nearest", "cut", "refused")) >= 5, kinds
