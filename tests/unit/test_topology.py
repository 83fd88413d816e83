"""The topology as it is drawn: what is in it, and that what is exported can be read and looked at."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any
from xml.etree import ElementTree

import networkx as nx
import pytest

from controller.api import views
from controller.api.listings import LinkView, NodeView, TopologyView
from controller.cli.graphml import graphml
from controller.cli.picture import svg
from controller.network.chart import Chart, Link, NodeKind, chart
from tests.campus import S1, S2, Campus, campus, mac
from tests.unit.fake_service import HOSTILE

ROUTER = {"name": "gw", "macs": [str(mac(200))], "ips": ["10.0.0.1"]}
NETWORK = {
    "routers": [ROUTER],
    "boxes": [{"name": "east", "links": ["s1:5", "west"]}, {"name": "west", "kind": "hub", "links": ["s2:s2-eth6"]}],
    "bundles": [{"name": "vpc7", "ports": ["s1:7", "s2:7"]}],
}
SVG = "{http://www.w3.org/2000/svg}"


def drawn(net: Campus, *, endpoints: bool = True, **given: Any) -> Chart:
    return chart(net.network, net.now, endpoints=endpoints, **given)


@pytest.fixture
def net() -> Campus:
    """A router at s2:8, a device at s1:3, one behind the boxes, one in the bundle."""
    net = campus(network=NETWORK)
    net.says("10.0.0.1", 200, 8, switch=2)
    net.says("10.0.0.3", 3, 3)
    net.says("10.0.0.5", 5, 5)
    net.says("10.0.0.7", 7, 7)
    return net


def test_devices_boxes_bundles_and_routers_are_in_it(net: Campus) -> None:
    got = drawn(net, endpoints=False)
    assert [(node.name, node.kind) for node in got.nodes] == [
        ("s1", NodeKind.DEVICE),
        ("s2", NodeKind.DEVICE),
        ("east", NodeKind.BOX),
        ("west", NodeKind.BOX),
        ("gw", NodeKind.ROUTER),
    ]
    assert set(got.links) == {
        Link(S1, "s1-eth9", S2, "s2-eth9"),
        Link(S1, "s1-eth5", "box/east"),
        Link(S2, "s2-eth6", "box/east"),
        Link("box/east", "", "box/west"),
        Link(S2, "s2-eth8", f"default/{mac(200)}"),
    }


def test_endpoints_are_where_they_were_seen_and_in_a_bundle_at_each_of_its_ports(net: Campus) -> None:
    got = drawn(net)
    ends = {(link.source, link.source_port, link.bundle) for link in got.links if link.target == f"default/{mac(7)}"}
    assert ends == {(S1, "s1-eth7", "vpc7"), (S2, "s2-eth7", "vpc7")}
    assert Link(S1, "s1-eth3", f"default/{mac(3)}") in got.links
    assert Link("box/east", "", f"default/{mac(5)}") in got.links
    assert [node.kind for node in got.nodes].count(NodeKind.ROUTER) == 1, "the router is there once"
    assert {node.says for node in got.nodes if node.kind is NodeKind.ENDPOINT} == {"10.0.0.3", "10.0.0.5", "10.0.0.7"}


def test_what_was_not_heard_of_lately_is_left_out(net: Campus) -> None:
    net.now += net.network.max_age + 1
    net.says("10.0.0.3", 3, 3)
    assert [node.name for node in drawn(net).nodes if node.kind in (NodeKind.ENDPOINT, NodeKind.ROUTER)] == [mac(3)]


def test_of_too_many_those_heard_of_last_are_drawn_and_it_is_said(net: Campus) -> None:
    got = drawn(net, most=2)
    assert got.more
    assert [node.name for node in got.nodes if node.kind is NodeKind.ENDPOINT] == [mac(7), mac(5)]
    assert not drawn(net, most=4).more


def test_every_link_ends_at_nodes_that_are_there(net: Campus) -> None:
    got = drawn(net)
    known = {node.id for node in got.nodes}
    assert {end for link in got.links for end in (link.source, link.target)} <= known
    assert len(known) == len(got.nodes)


# --- exports ----------------------------------------------------------------------------------------------------------


def test_graphml_is_read_back_as_it_was(net: Campus) -> None:
    view = views.topology_view(drawn(net))
    read = nx.parse_graphml(graphml(view))
    assert {id: data["name"] for id, data in read.nodes(data=True)} == {node.id: node.name for node in view.nodes}
    ends = sorted(sorted((one, other)) for one, other in read.edges())
    assert ends == sorted(sorted((link.source, link.target)) for link in view.links)
    assert {data["bundle"] for _, _, data in read.edges(data=True)} == {"", "vpc7"}


def test_two_cables_between_two_switches_are_two_edges() -> None:
    nodes = [NodeView(id=id, name=id, kind="device", says="", up=None) for id in "ab"]
    links = [LinkView(source="a", source_port=port, target="b", target_port=port, bundle="lag1") for port in "12"]
    view = TopologyView(nodes=nodes, links=links, more=False)
    assert nx.parse_graphml(graphml(view)).number_of_edges() == 2
    paths = re.findall(r'<path d="([^"]+)"', svg(view))
    assert len(paths) == 2 == len(set(paths)), "drawn beside each other"


def test_in_the_picture_no_two_stand_in_one_place_and_each_hop_is_a_layer(net: Campus) -> None:
    view = views.topology_view(drawn(net))
    at = _positions(svg(view))
    assert len(at) == len(view.nodes)
    for (_, (x, y)), (_, (other_x, other_y)) in combinations(at.items(), 2):
        assert y != other_y or abs(x - other_x) >= 100
    hops = {link.target: abs(at[link.target][1] - at[link.source][1]) // 120 for link in view.links}
    assert max(hops.values()) == 1, "a cable joins neighbouring layers, or two of one layer"


def test_parts_that_nothing_joins_stand_beside_each_other() -> None:
    nodes = [NodeView(id=str(n), name=str(n), kind="device", says="", up=n % 2 == 0) for n in range(6)]
    links = [LinkView(source=str(n), source_port="1", target=str(n + 1), target_port="2", bundle="") for n in (0, 2, 4)]
    at = _positions(svg(TopologyView(nodes=nodes, links=links, more=False)))
    assert len(set(at.values())) == 6
    assert at["0"][0] < at["2"][0] < at["4"][0]


def test_an_empty_network_is_an_empty_picture() -> None:
    nothing = TopologyView(nodes=[], links=[], more=False)
    assert _positions(svg(nothing)) == {}
    assert nx.parse_graphml(graphml(nothing)).number_of_nodes() == 0


def test_a_name_is_no_markup(net: Campus) -> None:
    net.network.graph.devices[S1].description = f'"/><script>{HOSTILE}</script>]]>&'
    view = views.topology_view(drawn(net))
    for text in (svg(view), graphml(view)):
        root = ElementTree.fromstring(text)
        assert not [one for one in root.iter() if one.tag.lower().endswith("script")]
        assert all(character.isprintable() or character == "\n" for character in text)
        assert "[bold]not markup" in text


def _positions(picture: str) -> dict[str, tuple[int, int]]:
    """Where each node's name stands, by the id in its tooltip."""
    found = {}
    for group in ElementTree.fromstring(picture).iter(f"{SVG}g"):
        text, title = group.find(f"{SVG}text"), group.find(f"{SVG}title")
        assert text is not None
        assert title is not None
        named = re.search(r"\(([^()]+)\)", title.text or "")
        assert named is not None
        found[named[1]] = int(text.get("x", "")), int(text.get("y", ""))
    return found
