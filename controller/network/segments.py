"""Ports that lead to the same place although they are not the same port: a bundle (LAG; MLAG or vPC, where they are of two devices), and
boxes that carry traffic and that nobody manages (a switch, a hub, a wireless bridge). People declare them: no protocol tells of a dumb box.

A segment is what is behind such ports. Whoever is seen at one of them is seen at the segment, and going from one of its ports to another is
no move. Ports are kept as people write them; which these are by now is `NetworkGraph.places_of`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from controller.config import Box, Bundle

WrittenPort = tuple[str, str]
"""A device by id or name, and its port by name or number."""


@dataclass(frozen=True, slots=True)
class Segment:
    """`boxes` are the names and kinds of those behind its ports, none for a bundle. `tunnelled`: who is seen there comes from elsewhere,
    through a tunnel that ends here."""

    name: str
    ports: tuple[WrittenPort, ...]
    boxes: Mapping[str, str] = field(default_factory=dict)
    tunnelled: bool = False

    @property
    def is_bundle(self) -> bool:
        """One device behind several cables, rather than boxes with any number."""
        return not self.boxes

    @property
    def in_words(self) -> str:
        if self.is_bundle:
            return f"bundle {self.name}"
        return " and ".join(f"{kind} {name}" for name, kind in sorted(self.boxes.items()))


class Segments:
    """All that are declared, found by any way to write one of their ports."""

    def __init__(self, segments: Iterable[Segment] = ()) -> None:
        self.all = tuple(segments)
        self._at = {
            f"{device}:{port}": segment for segment in reversed(self.all) for device, port in reversed(segment.ports)
        }

    def __bool__(self) -> bool:
        return bool(self.all)

    def at(self, names: Iterable[str]) -> Segment | None:
        """The segment behind a port, by any of the port's names."""
        return next((self._at[name] for name in names if name in self._at), None)


def declared(bundles: Iterable[Bundle], boxes: Iterable[Box]) -> Segments:
    """What the configuration says: each bundle, and each group of boxes that are cabled to one another."""
    groups = _groups(tuple(boxes))
    return Segments(
        [
            *(Segment(bundle.name, bundle.ports) for bundle in bundles),
            *(
                Segment(
                    name=" and ".join(sorted(box.name for box in group)),
                    ports=tuple(port for box in group for port in box.ports),
                    boxes={box.name: box.kind for box in group},
                    tunnelled=any(box.tunnelled for box in group),
                )
                for group in groups
            ),
        ]
    )


def _groups(boxes: tuple[Box, ...]) -> list[list[Box]]:
    """Boxes that name each other, directly or by others, are one group."""
    named = {box.name: box for box in boxes}
    cabled: dict[str, set[str]] = {box.name: set(box.behind) for box in boxes}
    for box in boxes:
        for other in box.behind:
            cabled[other].add(box.name)
    groups, left = [], list(named)
    while left:
        group, waiting = [], [left[0]]
        while waiting:
            name = waiting.pop()
            if name in left:
                left.remove(name)
                group.append(named[name])
                waiting += sorted(cabled[name])
        groups.append(sorted(group, key=lambda box: box.name))
    return groups
