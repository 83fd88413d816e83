"""Counting what was there at one host's interface, in both directions: tagged frames, and TCP's opening ones. Not thread-safe."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

from labs.frames import PHASES, find_tag

TCP, SYN, ACK = 6, 0x02, 0x10


@dataclass
class Seen:
    """Distinct frames of one flow in one phase, each with when it was there first (seconds since the epoch); and when the first and the
    last of all were."""

    sequences: dict[int, float] = field(default_factory=dict)
    first: float = 0.0
    last: float = 0.0

    def add(self, sequence: int, at: float) -> None:
        self.first = self.first or at
        self.last = at
        self.sequences.setdefault(sequence, at)


def _tcp_header(frame: bytes) -> int | None:
    """Where it begins; None where there is none."""
    if frame[12:14] == b"\x08\x00" and frame[23] == TCP:
        return 14 + (frame[14] & 0x0F) * 4
    return 54 if frame[12:14] == b"\x86\xdd" and frame[20] == TCP else None


class Ledger:
    def __init__(self, nonce: bytes) -> None:
        self._nonce = nonce
        self._tagged: dict[tuple[str, int, int], Seen] = {}
        self._opened: set[tuple[str, int, int]] = set()

    def note(self, way: str, frame: bytes, at: float) -> None:
        """`way`: "in" or "out"; `at`: seconds since the epoch."""
        if tag := find_tag(self._nonce, frame):
            self._tagged.setdefault((way, PHASES.index(tag.phase), tag.flow), Seen()).add(tag.sequence, at)
        elif (start := _tcp_header(frame)) is not None:
            source, destination = struct.unpack_from("!HH", frame, start)
            if frame[start + 13] & (SYN | ACK) == SYN:
                self._opened.add((way, source, destination))

    def counts(self) -> dict[str, Any]:
        """What was seen since the start."""
        return {
            "tagged": [
                [way, PHASES[phase], flow, len(seen.sequences), seen.first, seen.last]
                for (way, phase, flow), seen in self._tagged.items()
            ],
            "opened": sorted(self._opened),
        }

    def passages(self, flow: int, way: str, since: float, until: float) -> list[tuple[int, float]]:
        """The frames of a flow that were there in this time, of whatever phase: number and time, in the order of time."""
        found = [
            (number, at)
            for (how, _, which), seen in self._tagged.items()
            if (how, which) == (way, flow)
            for number, at in seen.sequences.items()
            if since <= at <= until
        ]
        return sorted(found, key=lambda passage: passage[1])
