"""Bundles and boxes as people declare them, and where they have a device found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.config import Config
from controller.errors import ConfigError
from controller.model import Located, Target
from drivers.base import Sighting
from drivers.rules import PortName
from tests.campus import NOW, S1, S2, Campus, campus, mac, place, port

MLAG = {"bundles": [{"name": "vpc7", "ports": [f"{S1}:s1-eth5", "s2:6"]}]}
CLOSET = {"boxes": [{"name": "closet-3", "links": ["s1:5"]}]}
RING = {
    "boxes": [
        {"name": "east", "kind": "wireless-bridge", "links": ["s1:5", "west"]},
        {"name": "west", "links": ["s2:s2-eth6"]},
        {"name": "apart", "kind": "hub", "links": ["s1:7"]},
    ]
}
TUNNEL = {"boxes": [{"name": "wlc", "kind": "wireless-controller", "links": ["s1:5"], "tunnelled": True}]}


def net_of(network: dict[str, Any]) -> Campus:
    return campus(network=network)


def told(net: Campus, who: int, where: int, *, switch: int = 1, ago: float = 0.0) -> Sighting:
    """As a switch tells it, before anybody knows what is behind the port."""
    device = place(where, switch).device
    sighting = Sighting(device, net.now - ago, mac(who), port(where, switch))
    net.network.see(sighting)
    return sighting


def test_both_ports_of_an_mlag_are_one_place_however_they_are_written() -> None:
    graph = net_of(MLAG).network.graph
    segment = graph.segment_at(place(5))
    assert segment is not None
    assert graph.segment_at(place(6, 2)) is segment
    assert segment.is_bundle
    assert graph.places_of(segment) == (place(5), place(6, 2))
    assert graph.one_place(place(6, 2)) == place(5)
    assert graph.one_place(place(6)) == place(6)
    assert not graph.is_transit(place(5)), "one device is behind it"


def test_going_from_one_cable_of_a_bundle_to_the_other_is_no_move_and_no_contest() -> None:
    net = net_of(MLAG)
    for ago in range(60, 0, -1):
        told(net, 6, 5 if ago % 2 else 6, switch=1 if ago % 2 else 2, ago=ago)
    location = net.locate(Target(mac=mac(6)))
    assert location.status is Located.FOUND, location.against
    assert location.endpoint is not None
    assert location.endpoint.attachment == place(5)
    (span,) = net.network.bindings.history_of_mac("default", mac(6))
    assert span.last - span.first == 59


def test_the_same_without_the_declaration_is_a_mac_at_two_ports() -> None:
    net = campus()
    for ago in range(60, 0, -1):
        told(net, 6, 5 if ago % 2 else 6, switch=1 if ago % 2 else 2, ago=ago)
    assert net.locate(Target(mac=mac(6))).status is Located.AMBIGUOUS


def test_the_second_port_of_a_bundle_named_by_an_operator_is_the_bundle() -> None:
    net = net_of(MLAG)
    told(net, 6, 5)
    location = net.locate(Target(place=("s2", "6")))
    assert location.endpoint is not None
    assert location.endpoint.attachment == place(5)
    assert location.endpoint.macs == {mac(6)}


def test_boxes_that_are_cabled_to_one_another_are_one_segment() -> None:
    graph = net_of(RING).network.graph
    segment = graph.segment_at(place(5))
    assert segment is not None
    assert graph.segment_at(place(6, 2)) is segment
    assert segment.in_words == "wireless-bridge east and switch west"
    assert graph.is_transit(place(5))
    alone = graph.segment_at(place(7))
    assert alone is not None
    assert alone is not segment
    assert not graph.is_transit(place(7))


def test_a_device_at_an_edge_port_whose_frames_come_across_boxes_stays_where_it_is() -> None:
    net = net_of(RING)
    told(net, 8, 1, switch=2, ago=30)
    told(net, 8, 5, ago=20)
    location = net.locate(Target(mac=mac(8)))
    assert location.status is Located.FOUND, location.against
    assert location.endpoint is not None
    assert location.endpoint.attachment.same_port(place(1, 2))


@pytest.mark.parametrize(("far", "home"), [(20.0, 19.9), (20.0, 20.1)], ids=["earlier", "later"])
def test_the_far_switch_may_be_the_first_to_tell_of_a_frame_that_came_across(far: float, home: float) -> None:
    net = net_of(RING)
    told(net, 8, 5, ago=far)
    told(net, 8, 1, switch=2, ago=home)
    told(net, 8, 5, ago=10)
    location = net.locate(Target(mac=mac(8)))
    assert location.status is Located.FOUND, location.against
    assert location.endpoint is not None
    assert location.endpoint.attachment.same_port(place(1, 2))
    (span,) = net.network.bindings.history_of_mac("default", mac(8))
    assert [binding.attachment for binding in net.network.bindings.take_unsaved()] == [span.place]
    assert net.network.bindings.on_place("default", place(5), 0) == {}


def test_who_was_heard_behind_the_boxes_long_before_is_in_doubt_at_an_edge_port() -> None:
    net = net_of(RING)
    told(net, 8, 5, ago=30)
    told(net, 8, 1, switch=2, ago=20)
    assert net.locate(Target(mac=mac(8))).status is Located.AMBIGUOUS


def test_who_came_out_of_the_boxes_at_the_switch_of_the_edge_port_too_is_in_doubt() -> None:
    """A frame from the edge port does not come back to its own switch: somebody behind the boxes copies it."""
    net = net_of(RING)
    told(net, 8, 5, ago=20.0)
    told(net, 8, 6, switch=2, ago=19.9)
    told(net, 8, 1, switch=2, ago=19.8)
    assert net.locate(Target(mac=mac(8))).status is Located.AMBIGUOUS


def test_a_flood_of_macs_behind_boxes_leaves_no_more_behind_than_a_port_keeps() -> None:
    net = net_of(RING)
    for who in range(2000):  # the first ones make room, being stale
        told(net, 1000 + who, 5, ago=20_000 if who < 1000 else 1)
    assert len(net.network._at_boxes_first) <= 1024


def test_a_device_that_was_plugged_out_of_its_edge_port_may_be_behind_the_boxes() -> None:
    net = net_of(RING)
    told(net, 8, 1, switch=2, ago=30)
    net.network.graph.set_port(S2, port(1, 2), up=False, at=net.now - 25)
    told(net, 8, 5, ago=20)
    location = net.locate(Target(mac=mac(8)))
    assert location.endpoint is not None, location.against
    assert location.endpoint.attachment == place(5)


def test_a_mac_of_an_edge_port_of_the_very_same_switch_does_not_come_back_across_boxes() -> None:
    net = net_of(RING)
    told(net, 8, 1, ago=30)
    told(net, 8, 5, ago=20)
    assert net.locate(Target(mac=mac(8))).status is Located.AMBIGUOUS


def test_a_mac_behind_a_box_of_one_switch_alone_is_a_rival_of_the_edge_port() -> None:
    net = net_of(CLOSET)
    told(net, 8, 1, switch=2, ago=30)
    told(net, 8, 5, ago=20)
    assert net.locate(Target(mac=mac(8))).status is Located.AMBIGUOUS


def test_who_came_out_of_a_tunnel_is_unplaceable() -> None:
    net = net_of(TUNNEL)
    told(net, 8, 5)
    location = net.locate(Target(mac=mac(8)))
    assert location.status is Located.UNPLACEABLE
    assert location.endpoint is None
    assert "wireless-controller wlc" in location.against[0]
    assert net.locate(Target(place=("s1", "5"))).status is Located.UNPLACEABLE


def test_a_port_that_leads_to_boxes_of_several_switches_is_not_contained_as_a_whole() -> None:
    net = net_of(RING)
    told(net, 8, 5)
    assert net.locate(Target(place=("s2", "6"))).status is Located.UNPLACEABLE
    assert net.locate(Target(place=("s1", "7"))).status is Located.FOUND


def test_an_uplink_stays_one_whatever_is_declared_of_it() -> None:
    net = campus(network={"boxes": [{"name": "b", "links": ["s1:9"]}]})
    told(net, 8, 9)
    assert net.locate(Target(mac=mac(8))).status is Located.UNKNOWN


@pytest.mark.parametrize(
    ("network", "says"),
    [
        ({"bundles": [{"name": "po1", "ports": ["s1:1"]}]}, "at least 2"),
        ({"bundles": [{"name": "po1", "ports": ["s1", "s1:2"]}]}, "not a port: 's1'; write it as device:port"),
        ({"boxes": [{"name": "b", "links": []}]}, "at least 1"),
        ({"boxes": [{"name": "b", "links": ["c"]}]}, "no other box 'c'"),
        ({"boxes": [{"name": "b", "links": ["b"]}]}, "no other box 'b'"),
        ({"boxes": [{"name": "b", "links": ["10.0.0.1:5"]}]}, "not a port: '10.0.0.1:5'"),
        ({"boxes": [{"name": "b", "links": ["s1:1"]}, {"name": "b", "links": ["s1:2"]}]}, "a box 'b' already"),
        ({"boxes": [{"name": "b", "links": ["s1:1"]}, {"name": "c", "links": ["s1:1"]}]}, "leads to b and to c"),
        ({"boxes": [{"name": "b:1", "links": ["s1:1"]}]}, "match"),
        ({"boxes": [{"name": "b", "kind": "toaster", "links": ["s1:1"]}]}, "hypervisor"),
    ],
)
def test_a_declaration_that_cannot_be_meant_says_why(network: dict[str, Any], says: str) -> None:
    with pytest.raises((ValueError, ConfigError), match=says):
        Config.model_validate({"network": network})


def test_a_port_of_a_switch_that_never_came_is_not_made_up() -> None:
    graph = net_of({"bundles": [{"name": "vpc", "ports": ["s1:5", "s9:1"]}]}).network.graph
    segment = graph.segment_at(place(5))
    assert segment is not None
    assert graph.places_of(segment) == (place(5),)
    assert graph.find_device("s9") is None


def test_the_topology_shows_boxes_and_the_ports_at_which_they_are() -> None:
    graph = net_of(RING).network.graph.topology()
    assert dict(graph.nodes(data="kind")) == {S1: "device", S2: "device", "east and west": "boxes", "apart": "boxes"}
    ends = sorted(sorted(data["ends"].items()) for *_, data in graph.edges(data=True))
    assert ends == [
        [(S1, "s1-eth5")],
        [(S1, "s1-eth7")],
        [(S1, "s1-eth9"), (S2, "s2-eth9")],
        [(S2, "s2-eth6")],
    ]


def test_two_sightings_of_a_hub_port_are_as_they_were() -> None:
    net = net_of({"bundles": [{"name": "po", "ports": ["s1:7", "s1:8"]}]})
    sighting = told(net, 6, 5)
    assert net.network.at_one_place(sighting) is not None
    assert net.network.at_one_place(sighting).port == port(5)
    moved = net.network.at_one_place(replace(sighting, port=PortName("s1-eth8")))
    assert (moved.port, moved.at) == (port(7), NOW)
