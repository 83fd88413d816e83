"""A priority of its own for every flow among those of equal match in one band: a switch would take the second for a new version of the
first (OpenFlow 1.3.5 §6.4). Pure.

A flow wishes for the slot that its rule's id names. Rivals, that is flows of one table, band and match, wish for the same one once in
`SLOTS` pairs; then the rule of the lower id has it, and the other takes the next that is free. Where they end depends on the set of rules
alone, never on who came first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from drivers.openflow.flows import SLOTS, Field, Flow

Place = tuple[int, int, tuple[tuple[str, Field], ...]]
"""A table, a band, and a match: at most `SLOTS` flows fit in."""


def place_of(flow: Flow) -> Place:
    return flow.table, flow.priority // SLOTS, flow.match


def apart(flows: Iterable[Flow]) -> dict[Flow, Flow | None]:
    """What becomes of each flow that cannot have the slot it wishes for; None where no slot is left."""
    rivals: dict[Place, list[Flow]] = defaultdict(list)
    for flow in flows:
        rivals[place_of(flow)].append(flow)
    moved: dict[Flow, Flow | None] = {}
    for some in rivals.values():
        if len(some) > 1:
            moved |= _settled(some)
    return moved


def _settled(rivals: list[Flow]) -> Iterator[tuple[Flow, Flow | None]]:
    taken: set[int] = set()
    for flow in sorted(rivals, key=lambda flow: flow.cookie):
        band, wish = flow.priority // SLOTS * SLOTS, flow.priority % SLOTS
        tried = ((wish + step) % SLOTS for step in range(SLOTS))
        slot = next((slot for slot in tried if slot not in taken), None)
        if slot is None:
            yield flow, None
            continue
        taken.add(slot)
        if slot != wish:
            yield flow, replace(flow, priority=band + slot)


class Crowds:
    """Flows kept by place, so that the few that wish for the same slot are found without looking at ten thousand others."""

    def __init__(self) -> None:
        self._by_place: dict[Place, list[Flow]] = {}
        self._crowded: set[Place] = set()

    def add(self, flows: Iterable[Flow]) -> None:
        for flow in flows:
            place = place_of(flow)
            rivals = self._by_place.setdefault(place, [])
            if place not in self._crowded and any(rival.priority == flow.priority for rival in rivals):
                self._crowded.add(place)
            rivals.append(flow)

    def drop(self, flows: Iterable[Flow]) -> None:
        for flow in flows:
            place = place_of(flow)
            rivals = self._by_place[place]
            rivals.remove(flow)
            if not rivals:
                del self._by_place[place]
            if len(rivals) < 2:
                self._crowded.discard(place)

    def rivals(self) -> Iterator[Flow]:
        """All flows of every place in which two wish for the same slot; they may be `apart` without the others."""
        for place in self._crowded:
            yield from self._by_place[place]
