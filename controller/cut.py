"""The fewest devices that separate one side of the network from another. Pure.

A minimum vertex cut: only devices that take rules may be cut, and of several smallest cuts it is the one nearest to the source, so that as
little as possible stays on its side. Each vertex is two, in and out, with what cutting it costs between them (Menger's theorem by
maximum flow), and shortest augmenting paths are found until there is none (Edmonds and Karp, JACM 19(2), 1972): as many searches as the
cut has devices, and one more. By networkx's own it took three times as long at 10,000 devices: nearly all of it went into building graphs.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

from controller.model import Attachment
from controller.network.graph import NetworkGraph
from drivers.rules import PortName

_Half = tuple[str, bool]
"""A vertex where flow comes in (False) or goes out (True)."""


@dataclass(frozen=True, slots=True)
class Cut:
    """`ports` are those of the cut devices that face the source, in the order of their names; `side` all vertices on the source's side, the
    source left out: devices by their id, segments by their name."""

    ports: tuple[Attachment, ...]
    side: tuple[str, ...]


def minimum_cut(
    graph: NetworkGraph, source: Iterable[str], protected: Iterable[str], may_cut: Callable[[str], bool]
) -> Cut | None:
    """Separate `source` (ids of devices and names of segments) from the devices `protected`; what is at one of these is separated when that
    is cut itself. None when nothing that may be cut lies between."""
    start, beyond, near = frozenset(source), frozenset(protected), _adjacent(graph)
    cuttable = {device for device in graph.devices if device not in start and may_cut(device)}
    flow = _Flow(near, cuttable, start & near.keys(), beyond & near.keys())
    if flow.unbounded():
        return None
    reached = flow.maximum()
    cut = {v for v in cuttable if (v, False) in reached and (v, True) not in reached}
    side = {v for v in near if (v, True) in reached}
    ports = {Attachment(one, port) for one, other, port in _cables(graph) if one in cut and other in side}
    return Cut(tuple(sorted(ports, key=str)), tuple(sorted(side - start)))


def _cables(graph: NetworkGraph) -> Iterator[tuple[str, str, PortName]]:
    """Each cable from a device's end of it: the device, what is at its other end, the port. As `NetworkGraph.topology` has them, which
    is a copy and takes longer to make."""
    for device, node in graph.devices.items():
        for port, (far, far_port) in node.links.items():
            yield device, far, port
            yield far, device, far_port
    for segment in graph.segments.all:
        if not segment.is_bundle:
            for place in graph.places_of(segment):
                yield place.device, segment.name, place.port


def _adjacent(graph: NetworkGraph) -> dict[str, tuple[str, ...]]:
    """What is next to each device and each segment."""
    near: dict[str, dict[str, None]] = {vertex: {} for vertex in graph.devices}
    near |= {segment.name: {} for segment in graph.segments.all if not segment.is_bundle}
    for one, other, _ in _cables(graph):
        near.setdefault(one, {})[other] = None
        near.setdefault(other, {})[one] = None
    return {vertex: tuple(others) for vertex, others in near.items()}


class _Flow:
    """A flow from the vertices `start` to those `beyond`; one unit at most through each of `cuttable`, any number through others."""

    def __init__(
        self, near: Mapping[str, tuple[str, ...]], cuttable: Set[str], start: Set[str], beyond: Set[str]
    ) -> None:
        self._near, self._cuttable, self._start, self._beyond = near, cuttable, start, beyond
        self._through: Counter[str] = Counter()
        self._along: Counter[tuple[str, str]] = Counter()

    def unbounded(self) -> bool:
        """Whether a path leads there on which nothing may be cut."""
        seen = set(self._start - self._cuttable)
        waiting = list(seen)
        while waiting:
            for other in self._near[waiting.pop()]:
                if other not in seen and other not in self._cuttable:
                    seen.add(other)
                    waiting.append(other)
        return not seen.isdisjoint(self._beyond)

    def maximum(self) -> Mapping[_Half, _Half | None]:
        """Make the flow as great as it can be. What can still be reached from the start then."""
        while True:
            came, end = self._search()
            if end is None:
                return came
            while (before := came[end]) is not None:
                self._more(before, end)
                end = before

    def _search(self) -> tuple[dict[_Half, _Half | None], _Half | None]:
        """By breadth: each half that can be reached, with the one before it, and the one at which the way beyond was found."""
        came: dict[_Half, _Half | None] = {(vertex, False): None for vertex in sorted(self._start)}
        waiting = deque(came)
        while waiting:
            here = waiting.popleft()
            if here[1] and here[0] in self._beyond:
                return came, here
            for following in self._onwards(*here):
                if following not in came:
                    came[following] = here
                    waiting.append(following)
        return came, None

    def _onwards(self, vertex: str, out: bool) -> Iterator[_Half]:
        """Where one unit more can go, or one that goes the other way be taken back."""
        if out:
            yield from ((other, False) for other in self._near[vertex])
            if self._through[vertex]:
                yield vertex, False
        elif self._through[vertex]:
            yield from ((other, True) for other in self._near[vertex] if self._along[other, vertex])
        if not out and (vertex not in self._cuttable or not self._through[vertex]):
            yield vertex, True

    def _more(self, one: _Half, other: _Half) -> None:
        """One unit more from one half to the next."""
        if one[0] == other[0]:
            self._through[one[0]] += 1 if other[1] else -1
        elif one[1]:
            self._along[one[0], other[0]] += 1
        else:
            self._along[other[0], one[0]] -= 1
