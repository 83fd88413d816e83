"""Where a containment can be enforced, and what then lies on the device's side of it. Pure.

First the device's own edge port, or all ports of the bundle that it is plugged in by. Where nobody can be told anything there (a box that
nobody manages, a switch that no driver serves), the ports of the nearest devices that take rules, all around it. Where those are too many,
the fewest devices that separate it from what is protected: a minimum vertex cut, the one nearest to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from controller.cut import Cut, minimum_cut
from controller.errors import RefusalCode, Refused
from controller.model import Attachment
from controller.network.graph import NetworkGraph
from controller.network.segments import Segment

MOST_DEVICES = 8
"""Devices on which one containment puts rules, as long as fewer could do it."""
Served = Callable[[str], bool]
"""Whether a device takes rules of ours."""


@dataclass(frozen=True, slots=True)
class Points:
    """`ports` are where the rules go, the device's own place first where it is one of them. `whole`: what comes in there is of the device
    and of known neighbours alone, so that all else can be stopped with it. `side`, `why` and `weaker` are as in `Plan`."""

    ports: tuple[Attachment, ...]
    whole: bool
    why: str
    weaker: str | None = None
    side: tuple[str, ...] = ()


@dataclass(slots=True)
class _Side:
    """What is on the device's side: segments by their name, devices that take no rules by their id. `ports` are those, of devices that do,
    that face it."""

    segments: dict[str, Segment] = field(default_factory=dict)
    devices: dict[str, None] = field(default_factory=dict)
    ports: dict[Attachment, None] = field(default_factory=dict)


def enforcement_points(
    place: Attachment, graph: NetworkGraph, served: Served, protected: Callable[[], Iterable[str]] = tuple
) -> Points | None:
    """Where to enforce for a device at `place`; None: at that very port, as nearly always. `protected`: the devices at which something is
    that must be kept from it, asked for only when the nearest ports are too many. Raises Refused when nothing separates it from anybody."""
    segment = graph.segment_at(place)
    if segment is None and served(place.device):
        return None
    if segment is not None and segment.is_bundle and (points := _bundle(segment, graph, served)):
        return points
    side = _nearest(place, segment, graph, served)
    if not side.ports:
        raise Refused(
            RefusalCode.UNKNOWN_PLACE,
            f"no device that takes rules is between {graph.label(place)} and the rest: nothing can be stopped there",
        )
    if len({port.device for port in side.ports}) > MOST_DEVICES:
        return _fewest(place, side, graph, served, protected())
    return _around(place, side, graph)


def _bundle(segment: Segment, graph: NetworkGraph, served: Served) -> Points | None:
    """Each of its cables alike, where all of them end at devices that take rules."""
    places = graph.places_of(segment)
    if not all(served(one.device) for one in places):
        return None
    unknown = len(segment.ports) - len(places)
    weaker = (
        f"{unknown} of the ports of bundle {segment.name} is not known (no device has it): it may still speak there"
    )
    return Points(
        places,
        whole=True,
        why=f"{_listed(graph, places)} are one attachment, bundle {segment.name}: it is held at each of its ports",
        weaker=weaker if unknown else None,
    )


def _nearest(place: Attachment, segment: Segment | None, graph: NetworkGraph, served: Served) -> _Side:
    """Spread from the device over all that takes no rules, up to the first ports of what does."""
    side = _Side()
    waiting: list[Segment | str] = [place.device if segment is None else segment]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Segment):
            ends, known = graph.places_of(one), one.name in side.segments
            side.segments[one.name] = one
        else:
            ends, known = tuple(_beyond(graph, one)), one in side.devices
            side.devices[one] = None
            waiting += [] if known else list(_segments_at(graph, one))
        for end in () if known else ends:
            if served(end.device):
                side.ports[end] = None
            else:
                waiting.append(end.device)
    return side


def _beyond(graph: NetworkGraph, device: str) -> Iterator[Attachment]:
    """The far ends of its cables."""
    node = graph.devices.get(device)
    for far in () if node is None else node.links.values():
        yield Attachment(*far)


def _segments_at(graph: NetworkGraph, device: str) -> Iterator[Segment]:
    for segment in graph.segments.all:
        if any(place.device == device for place in graph.places_of(segment)):
            yield segment


def _around(place: Attachment, side: _Side, graph: NetworkGraph) -> Points:
    ports = tuple(sorted(side.ports, key=lambda port: (not port.same_port(place), str(port))))
    named = _names(side, graph)
    whole = len(ports) == 1
    what = "it is on its own port there" if whole else "at all of these ports, by its own MACs"
    return Points(
        ports,
        whole=whole,
        why=f"{_listed(graph, ports)}: the nearest that takes rules, since {' and '.join(named)} takes none; {what}",
        weaker=_weaker(named, whole=whole),
        side=_side(side),
    )


def _fewest(place: Attachment, side: _Side, graph: NetworkGraph, served: Served, protected: Iterable[str]) -> Points:
    """By a minimum cut, where so many ports are nearest that the rules would be all over the network."""
    wanted = frozenset(protected)
    nearest = {port.device for port in side.ports}
    around = f"{len(nearest)} devices are around {graph.label(place)}, where nothing takes rules"
    if not wanted:
        raise Refused(
            RefusalCode.UNKNOWN_PLACE,
            f"{around}. List under `protected` what must be kept from it: then it is separated from that by fewer",
        )
    cut: Cut | None = minimum_cut(graph, (*side.devices, *side.segments), wanted, served)
    if cut is None:
        raise Refused(
            RefusalCode.UNKNOWN_PLACE, f"{around}, and nothing that takes rules is between it and what is protected"
        )
    if len(devices := {port.device for port in cut.ports}) > MOST_DEVICES:
        raise Refused(
            RefusalCode.UNKNOWN_PLACE, f"{around}, and it takes {len(devices)} to separate it from what is protected"
        )
    named = [*_names(side, graph), *sorted(_name(graph, one) for one in cut.side if one in nearest)]
    return Points(
        cut.ports,
        whole=False,
        why=f"{_listed(graph, cut.ports)}: the fewest devices that separate it from what is protected (minimum cut), by its own MACs",
        weaker=_weaker(named, whole=False),
        side=tuple(dict.fromkeys((*_side(side), *cut.side))),
    )


def _weaker(named: list[str], *, whole: bool) -> str:
    disguise = "" if whole else ", and under another MAC than its own it passes"
    return f"it is not stopped at its own port: it still reaches all that is at {', '.join(named)}{disguise}"


def _names(side: _Side, graph: NetworkGraph) -> list[str]:
    """As people call them, each with what it is."""
    boxes = [one.in_words for one in side.segments.values() if not one.is_bundle]
    return [*sorted(boxes), *sorted(_name(graph, device) for device in side.devices)]


def _side(side: _Side) -> tuple[str, ...]:
    boxes = [name for one in side.segments.values() for name in one.boxes]
    return (*sorted(boxes), *sorted(side.devices))


def _name(graph: NetworkGraph, device: str) -> str:
    node = graph.devices.get(device)
    return (node and node.description) or device


def _listed(graph: NetworkGraph, places: Iterable[Attachment]) -> str:
    return ", ".join(graph.label(place) for place in places)
