"""The way between two devices, and what stops what on it."""

from __future__ import annotations

from dataclasses import replace

from controller.model import Attachment, Endpoint
from controller.network.paths import Hop, path
from controller.plan import make_plan
from controller.profiles import LATERAL
from controller.reach import Between, Passage, Traffic, between
from drivers.memory import MemoryDriver
from drivers.rules import Direction, PortName, RuleSet
from tests.campus import DECISION, NOW, S1, S2, UPLINK, Campus, campus, place, port

HOUR = 3600.0


def net(**config: object) -> Campus:
    """66 and 77 are at the first switch, 88 at the second one."""
    made = campus(**config)
    made.keeps_saying("10.0.0.66", 6, 3, since=HOUR)
    made.keeps_saying("10.0.0.77", 7, 4, since=HOUR)
    made.says("10.0.0.88", 8, 1, switch=2)
    return made


def who(made: Campus, address: str) -> Endpoint:
    found = made.locate(address).endpoint
    assert found is not None
    return found


def asked(made: Campus, one: str, other: str, rules: dict[str, RuleSet] | None = None) -> Between:
    ends = who(made, one), who(made, other)
    return between(*ends, path(made.network.graph, ends[0].attachment, ends[1].attachment), rules or {})


def held(made: Campus, address: str, decision: object = DECISION) -> dict[str, RuleSet]:
    graph, capabilities = made.network.graph, MemoryDriver.capabilities
    plan = make_plan("c-1", who(made, address), decision, NOW + HOUR, graph, capabilities)  # type: ignore[arg-type]  # a changed Decision
    return dict(plan.rules)


def passages(traffic: tuple[Traffic, ...]) -> dict[str, Passage]:
    return {one.kind: one.passage for one in traffic}


def test_where_nobody_is_contained_all_of_it_passes() -> None:
    found = asked(net(), "10.0.0.66", "10.0.0.88")
    assert found.hops == (Hop(S1, port(3), UPLINK), Hop(S2, port(9, 2), port(1, 2)))
    assert {*passages(found.there).values(), *passages(found.back).values()} == {Passage.PASSES}


def test_a_contained_device_is_stopped_both_ways_and_its_neighbour_is_not() -> None:
    made = net()
    rules = held(made, "10.0.0.66")
    found = asked(made, "10.0.0.66", "10.0.0.88", rules)
    assert {*passages(found.there).values(), *passages(found.back).values()} == {Passage.BLOCKED}
    stops = {(stop.hop.device, stop.containment) for one in (*found.there, *found.back) for stop in one.stops}
    assert stops == {(S1, "c-1")}
    named = {stop.rule: stop.hop for one in (*found.there, *found.back) for stop in one.stops}
    by = {rule.id: rule.match.direction for rule in rules[S1]}
    assert {by[rule] for rule in named} == set(Direction)
    assert found.there[0].stops[0].hop.in_port == port(3)
    assert found.back[0].stops[0].hop.out_port == port(3)
    beside = asked(made, "10.0.0.77", "10.0.0.88", rules)
    assert {*passages(beside.there).values(), *passages(beside.back).values()} == {Passage.PASSES}


def test_of_what_is_stopped_in_part_the_ports_are_named() -> None:
    made = net()
    rules = held(made, "10.0.0.66", replace(DECISION, profile=LATERAL))
    found = asked(made, "10.0.0.66", "10.0.0.88", rules)
    tcp = next(one for one in found.there if one.kind == "TCP")
    assert tcp.passage is Passage.PARTLY
    assert any(first <= 445 <= last for first, last in tcp.ports)
    assert not any(first <= 443 <= last for first, last in tcp.ports)
    assert passages(found.there)["ARP"] is Passage.PASSES


def test_no_way_is_none_and_says_nothing_of_what_passes() -> None:
    made = net()
    graph = made.network.graph
    assert path(graph, place(3), Attachment("of:00000000000000ff", PortName("x"))) is None
    assert path(graph, place(3), place(3)) is None
    nothing = between(who(made, "10.0.0.66"), who(made, "10.0.0.77"), None, {})
    assert (nothing.there, nothing.back) == ((), ())


def test_a_box_on_the_way_is_no_hop() -> None:
    boxes = [{"name": "closet", "links": [f"{S1}:{port(8)}", f"{S2}:{port(8, 2)}"]}]
    made = net(network={"boxes": boxes})
    made.network.graph.devices[S1].links.pop(UPLINK, None)
    made.network.graph.devices[S2].links.pop(port(9, 2), None)
    assert path(made.network.graph, place(3), place(1, 2)) == (
        Hop(S1, port(3), port(8)),
        Hop(S2, port(8, 2), port(1, 2)),
    )
