"""The comparison with real packets, without packets: what is recorded comes from the meaning of single frames, hop by hop. It shows that
the random cases are the ones that they should be, and that no kind of rule could be turned around unnoticed."""

from __future__ import annotations

from itertools import pairwise

from controller.model import Attachment
from controller.network.graph import NetworkGraph
from controller.network.paths import path
from drivers.header_sets import kind_of
from drivers.openflow.driver import device_id
from drivers.rules import PortName
from tests.reality.cases import Cases, arrives, every, stations_of
from tests.reality.evaluator import disagreements, inversions
from tests.reality.frames import number_of
from tests.reality.run import Record
from topologies.plan import NetworkPlan
from topologies.random_campus import random_campus

SEED = 7


def cabled(plan: NetworkPlan) -> NetworkGraph:
    graph, ids = NetworkGraph(), {switch.name: device_id(switch.dpid) for switch in plan.switches}
    for device in ids.values():
        graph.declare(device, None, None, ())
    for link in plan.links:
        ends = [
            (ids[name], PortName(f"{name}-eth{number}"))
            for name, number in ((link.a, link.a_port), (link.b, link.b_port))
        ]
        graph.link(*ends[0], *ends[1])
    return graph


def recorded(cases: int, trials: int, seed: int = SEED) -> Record:
    plan = random_campus(seed)
    made, record = Cases(seed, stations_of(plan), cabled(plan)), Record(seed)
    for number in range(cases):
        case = made.case(number, trials)
        case.arrived = {trial.number for trial in case.trials if arrives(case.rules, trial)}
        record.cases.append(case)
    return record


RECORD = recorded(48, 50)


def test_the_evaluator_says_of_each_frame_what_its_meaning_says_hop_by_hop() -> None:
    assert [trial for case in RECORD.cases for trial in disagreements(case)] == []


def test_the_cases_are_of_every_kind_and_neither_all_closed_nor_all_open() -> None:
    assert 0.2 <= RECORD.blocked <= 0.8
    assert RECORD.kinds >= set(inversions())
    assert len({kind_of(trial.frame) for _, trial in every(RECORD.cases)}) > 20


def test_no_kind_of_rule_can_be_turned_around_unnoticed() -> None:
    assert RECORD.unnoticed() == []


def test_a_wrong_record_is_noticed() -> None:
    case = RECORD.cases[0]
    case.arrived ^= {case.trials[3].number}
    try:
        assert disagreements(case) == [case.trials[3]]
    finally:
        case.arrived ^= {case.trials[3].number}


def test_the_same_seed_makes_the_same_cases_and_another_one_others() -> None:
    one, same, other = (recorded(2, 5, seed) for seed in (3, 3, 4))
    assert [trial.octets for _, trial in every(one.cases)] == [trial.octets for _, trial in every(same.cases)]
    assert [trial.octets for _, trial in every(one.cases)] != [trial.octets for _, trial in every(other.cases)]


def test_each_frame_says_its_number_last() -> None:
    assert all(number_of(trial.octets) == trial.number for _, trial in every(RECORD.cases))
    assert number_of(bytes(80)) is None


def test_the_way_is_the_shortest_and_none_where_no_cable_leads() -> None:
    plan = random_campus(SEED)
    graph, (one, *_, last) = cabled(plan), stations_of(plan)
    hops = path(graph, one.place, last.place)
    assert hops is not None
    assert (hops[0].device, hops[0].in_port) == (one.place.device, one.place.port)
    assert (hops[-1].device, hops[-1].out_port) == (last.place.device, last.place.port)
    assert all(graph.devices[a.device].links[a.out_port] == (b.device, b.in_port) for a, b in pairwise(hops))
    assert path(graph, one.place, one.place) is None
    graph.declare("of:0000000000000fff", None, None, ())
    assert path(graph, one.place, Attachment("of:0000000000000fff", PortName("p1"))) is None
