"""The network as a drawing of it would have it: who is cabled to whom, boxes and bundles included, at one moment. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from controller.model import DEFAULT_REALM, Attachment
from controller.network.spans import Key, Span
from controller.network.view import NetworkView
from drivers.rules import Mac

MOST_ENDPOINTS = 10_000
"""Endpoints in one drawing: more than these nobody can look at, and gathering a million would hold the daemon up."""


class NodeKind(StrEnum):
    DEVICE = "device"
    BOX = "box"
    ROUTER = "router"
    ENDPOINT = "endpoint"


@dataclass(frozen=True, slots=True)
class Node:
    """`says` is what a box is, or an endpoint's addresses. `up` is None where nobody can tell."""

    id: str
    name: str
    kind: NodeKind
    says: str = ""
    up: bool | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """Two nodes by their ids, with the port at each end where that is a device's. `bundle` is the name of the bundle that it is part of."""

    source: str
    source_port: str
    target: str
    target_port: str = ""
    bundle: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """`more`: further endpoints were seen than are here, which are those heard of last."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    more: bool = False


def chart(network: NetworkView, now: float, *, endpoints: bool, most: int = MOST_ENDPOINTS) -> Chart:
    """Devices, boxes, and the routers that were seen; with `endpoints` everybody who was, too, at most so many."""
    nodes = [*_devices(network), *_boxes(network)]
    links = [*_cables(network), *_box_cables(network)]
    seen = dict(_routers(network, now))
    more = False
    if endpoints:
        others = [*islice(_everybody(network, now), most + 1)]
        seen |= others[:most]
        more = len(others) > most
    for (realm, mac), span in seen.items():
        node = _attached(network, realm, Mac(mac))
        nodes.append(node)
        links += _ends(network, node.id, span.place)
    return Chart(tuple(nodes), tuple(links), more)


def _devices(network: NetworkView) -> Iterator[Node]:
    for id, device in sorted(network.graph.devices.items()):
        yield Node(id, device.description or id, NodeKind.DEVICE, f"management {device.management.value}", device.up)


def _boxes(network: NetworkView) -> Iterator[Node]:
    for segment in network.graph.segments.all:
        for name, kind in sorted(segment.boxes.items()):
            yield Node(_box(name), name, NodeKind.BOX, kind)


def _cables(network: NetworkView) -> Iterator[Link]:
    for id, device in sorted(network.graph.devices.items()):
        for port, (far, far_port) in sorted(device.links.items()):
            if (id, port) < (far, far_port):
                yield Link(id, port, far, far_port, _bundle(network, Attachment(id, port)))


def _box_cables(network: NetworkView) -> Iterator[Link]:
    for segment in network.graph.segments.all:
        names = sorted(segment.boxes)
        for place in network.graph.places_of(segment) if names else ():
            yield Link(place.device, place.port, _box(names[0]))
        for name in names[1:]:
            yield Link(_box(names[0]), "", _box(name))


def _routers(network: NetworkView, now: float) -> Iterator[tuple[Key, Span]]:
    """Where the listed routers are, found by their MACs and by who holds their addresses: no walk over all that is known."""
    bindings = network.bindings
    for realm in sorted({DEFAULT_REALM, *network.realms.values()}):
        for router in network.inventory.network.routers:
            holders = (bindings.holder(realm, ip) for ip in router.ips)
            macs = {*router.macs, *(Mac(span.mac) for span in holders if span is not None)}
            for mac in sorted(macs):
                spans = bindings.history_of_mac(realm, mac)
                if spans and spans[-1].last >= now - network.max_age:
                    yield (realm, mac), spans[-1]


def _everybody(network: NetworkView, now: float) -> Iterator[tuple[Key, Span]]:
    """Those heard of last first."""
    return (seen for seen in network.bindings.recent() if seen[1].last >= now - network.max_age)


def _attached(network: NetworkView, realm: str, mac: Mac) -> Node:
    router = network.is_router(realm, mac)
    ips = network.bindings.ips_held_by(realm, mac)
    kind = NodeKind.ENDPOINT if router is None else NodeKind.ROUTER
    return Node(f"{realm}/{mac}", router or mac, kind, ", ".join(sorted(map(str, ips))))


def _ends(network: NetworkView, node: str, place: Attachment) -> Iterator[Link]:
    segment = network.graph.segment_at(place)
    if segment is None:
        yield Link(place.device, place.port, node)
    elif segment.is_bundle:
        for one in network.graph.places_of(segment):
            yield Link(one.device, one.port, node, bundle=segment.name)
    else:
        yield Link(_box(min(segment.boxes)), "", node)


def _bundle(network: NetworkView, place: Attachment) -> str:
    segment = network.graph.segment_at(place)
    return segment.name if segment is not None and segment.is_bundle else ""


def _box(name: str) -> str:
    return f"box/{name}"
