"""The graph of devices, links and ports, kept up to date by what devices say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.network.graph import SETTLING, NetworkGraph
from drivers.base import Interface, Management
from drivers.rules import PortName, parse_mac
from tests.campus import S1, S2, UPLINK, facts, place, port


@pytest.fixture
def graph() -> NetworkGraph:
    known = NetworkGraph()
    known.learn(facts(1))
    known.learn(facts(2))
    return known


def test_both_ends_of_a_link_are_uplinks_and_are_told_once() -> None:
    graph = NetworkGraph()
    assert [str(new) for new in graph.learn(facts(1))] == [f"{S1}:s1-eth9", f"{S2}:s2-eth9"]
    assert graph.learn(facts(1)) == []
    assert graph.link(S2, port(9, 2), S1, UPLINK) == []
    assert graph.is_uplink(S1, UPLINK)
    assert not graph.is_uplink(S1, port(1))
    assert not graph.is_uplink("nobody", port(1))
    assert [(n.port, n.device, n.device_port) for n in graph.neighbours(S1)] == [(UPLINK, S2, port(9, 2))]


def test_what_the_configuration_says_outweighs_what_is_found_out() -> None:
    graph = NetworkGraph()
    graph.declare(S1, Management.IN_BAND, "s1-eth7", ["s1-eth8"])
    graph.learn(facts(1, Management.OUT_OF_BAND))
    node = graph.devices[S1]
    assert (node.management, node.management_port) == (Management.IN_BAND, "s1-eth7")
    assert graph.is_uplink(S1, port(8))
    graph.declare(S1, None, None, ())
    assert (node.management, node.management_port) == (Management.IN_BAND, "s1-eth7"), (
        "saying nothing takes nothing back"
    )


def test_what_is_found_out_anew_replaces_what_was_found_out_before(graph: NetworkGraph) -> None:
    graph.learn(facts(1, Management.IN_BAND))
    assert graph.devices[S1].management is Management.IN_BAND
    graph.learn(facts(1, Management.UNKNOWN))
    assert graph.devices[S1].management is Management.UNKNOWN, "a device that cannot say it any more is not known"


def test_a_lost_link_is_remembered_with_its_time(graph: NetworkGraph) -> None:
    assert graph.port_is_up(place(3)) is True
    graph.set_port(S1, port(3), up=False, at=100)
    graph.set_port(S1, port(3), up=False, at=150)
    assert graph.port_is_up(place(3)) is False
    graph.set_port(S1, port(3), up=True, at=200)
    assert graph.port_is_up(place(3)) is True
    assert graph.went_down_between(place(3), 90, 110)
    assert not graph.went_down_between(place(3), 110, 300), "it was down already"
    assert not graph.went_down_between(place(4), 0, 300)
    assert graph.port_is_up(replace(place(3), device="nobody")) is None
    number = graph.devices[S1].interfaces[port(3)].number
    assert number == 3, "the number is not lost with the link"


def test_devices_and_ports_by_the_names_that_people_use(graph: NetworkGraph) -> None:
    assert graph.find_device(S1) == graph.find_device("s1") == S1
    assert graph.find_device("s3") is None
    assert graph.find_port(S1, "s1-eth3") == graph.find_port(S1, "3") == port(3)
    assert graph.find_port(S1, "s1-eth33") is None
    assert graph.find_port(S1, "²") is None
    assert graph.label(place(3)) == "s1:s1-eth3"
    assert graph.names(place(3)) == {f"{S1}:s1-eth3", f"{S1}:3", "s1:s1-eth3", "s1:3"}
    assert graph.names(replace(place(3), device="x", port=PortName("y"))) == {"x:y"}
    graph.learn(replace(facts(2), description="s1"))
    assert graph.find_device("s1") is None, "two that call themselves the same are neither"


def test_a_port_that_nobody_numbered(graph: NetworkGraph) -> None:
    graph.learn(replace(facts(1), interfaces=(Interface(port(3)),), neighbours=()))
    assert graph.find_port(S1, "3") is None
    assert graph.names(place(3)) == {f"{S1}:s1-eth3", "s1:s1-eth3"}


# --- links that go ------------------------------------------------------------------------------------------------------


def test_a_link_goes_with_its_port_at_both_ends(graph: NetworkGraph) -> None:
    graph.set_port(S1, UPLINK, up=False, at=100)
    assert not graph.is_uplink(S1, UPLINK)
    assert not graph.is_uplink(S2, port(9, 2))
    assert graph.neighbours(S1) == graph.neighbours(S2) == []
    assert graph.topology().number_of_edges() == 0


def test_a_declared_uplink_stays_whatever_its_link_does() -> None:
    graph = NetworkGraph()
    graph.declare(S1, None, None, ["s1-eth8"])
    graph.set_port(S1, port(8), up=False, at=100)
    assert graph.is_uplink(S1, port(8))


def test_a_cable_that_was_plugged_in_elsewhere_moves_the_link(graph: NetworkGraph) -> None:
    assert [str(new) for new in graph.link(S1, UPLINK, S2, port(8, 2))] == [f"{S2}:s2-eth8"]
    assert not graph.is_uplink(S2, port(9, 2))
    assert [(n.port, n.device_port) for n in graph.neighbours(S1)] == [(UPLINK, port(8, 2))]
    topology = graph.topology()
    assert (set(topology), topology.number_of_edges()) == ({S1, S2}, 1)


def test_after_a_new_session_a_link_has_a_while_to_show_itself_again(graph: NetworkGraph) -> None:
    graph.learn(replace(facts(1), neighbours=(), since=1000.0))
    assert graph.is_uplink(S1, UPLINK), "no frame of those behind it may be taken for one of an edge port meanwhile"
    graph.forget_links(before=1000.0)
    assert graph.is_uplink(S1, UPLINK)
    graph.forget_links(before=1000.1)
    assert not graph.is_uplink(S1, UPLINK)


def test_a_link_that_showed_itself_again_stays(graph: NetworkGraph) -> None:
    graph.learn(replace(facts(1), neighbours=(), since=1000.0))
    graph.link(S2, port(9, 2), S1, UPLINK)
    graph.forget_links(before=2000.0)
    assert graph.is_uplink(S1, UPLINK)


def test_another_port_under_an_old_name_is_no_uplink(graph: NetworkGraph) -> None:
    renewed = replace(
        facts(1),
        interfaces=tuple(replace(i, mac=parse_mac("02:ff:00:00:00:01")) for i in facts(1).interfaces),
        neighbours=(),
    )
    graph.learn(renewed)
    assert not graph.is_uplink(S1, UPLINK), "the switch was made anew, as `mn` does"


def test_a_port_is_open_to_question_until_its_neighbour_had_time_to_speak(graph: NetworkGraph) -> None:
    uplink = replace(place(3), port=UPLINK)
    assert graph.unsettled_for(uplink, 1000.0) == 0.0
    graph.set_port(S1, UPLINK, up=False, at=990.0)
    graph.set_port(S1, UPLINK, up=True, at=999.0)
    assert graph.unsettled_for(uplink, 1000.0) == SETTLING - 1.0
    graph.set_port(S1, port(3), up=False, at=990.0)
    graph.set_port(S1, port(3), up=True, at=999.0)
    assert graph.unsettled_for(place(3), 1000.0) == 0.0, "a known edge port that bounces gains no time by it"
    assert graph.unsettled_for(place(4), 1000.0) == 0.0
    graph.learn(replace(facts(1), since=999.5))
    assert graph.unsettled_for(place(4), 1000.0) == SETTLING - 0.5
    assert graph.unsettled_for(replace(place(4), device="nobody"), 1000.0) == 0.0


def test_a_deleted_port_is_no_port_and_takes_its_link_along(graph: NetworkGraph) -> None:
    graph.devices[S1].up = True
    graph.remove_port(S1, UPLINK, at=10.0)
    assert not graph.is_uplink(S1, UPLINK)
    assert not graph.is_uplink(S2, port(9, 2))
    assert graph.find_port(S1, "9") is None
    assert graph.port_is_gone(place(9))
    assert not graph.port_is_gone(place(1))
    assert graph.link_times(place(9)) == (None, 10.0)


def test_a_port_that_comes_back_is_a_new_one_with_its_own_number(graph: NetworkGraph) -> None:
    graph.remove_port(S1, port(1), at=10.0)
    graph.set_port(S1, port(1), up=True, at=11.0, number=12, mac=parse_mac("02:00:00:00:00:12"))
    assert graph.find_port(S1, "12") == port(1)
    assert graph.link_times(place(1)) == (11.0, 10.0)
    assert graph.unsettled_for(place(1), 11.0) == SETTLING
    graph.set_port(S1, port(1), up=True, at=12.0)
    assert graph.find_port(S1, "12") == port(1)
    assert graph.link_times(place(1)) == (11.0, 10.0)


def test_a_link_may_have_gone_since_the_last_look(graph: NetworkGraph) -> None:
    graph.set_port(S1, port(3), up=False, at=20.0, since=12.0)
    assert (graph.link_times(place(3))[1], graph.pulled_at(place(3))) == (20.0, 12.0)
    graph.set_port(S1, port(3), up=True, at=30.0)
    graph.set_port(S1, port(3), up=False, at=40.0)
    assert graph.pulled_at(place(3)) == 40.0
    graph.set_port(S1, port(3), up=False, at=41.0, since=29.0)
    assert graph.pulled_at(place(3)) == 30.0, "it was up at 30"
