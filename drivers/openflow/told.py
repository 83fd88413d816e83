"""What a switch tells of its flows, as it travels from the speaker to the driver: the entries of flow-stats replies (OpenFlow 1.3.5
§7.3.5.2), one behind the other, as they came. Pure.

A switch with ten thousand rules has many times as many flows, and most look as they did when it was asked last. So the driver keeps each
flow by the octets that say it, and what it knows is neither read nor worded again.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Iterator, Mapping

from drivers.openflow import wire
from drivers.openflow.flows import COOKIE_MARK, COOKIE_MASK, Counted, Flow

_NUMBERS = struct.Struct("!HB9xH6x4xQQQ")  # length, table, priority, cookie, packets, bytes
_TABLE, _PRIORITY, _MARK = 2, slice(12, 14), slice(24, 24 + COOKIE_MASK.bit_count() // 8)
_OURS = (COOKIE_MARK >> 48).to_bytes(2, "big")
_SMALLEST = wire.COUNTED_MATCH
PIECE = 256
"""Flows that are read in a row: two or three milliseconds, on a busy machine."""


def to_text(entries: Iterable[bytes]) -> str:
    return base64.b64encode(b"".join(entries)).decode("ascii")


def is_ours(entry: bytes) -> bool:
    return entry[_MARK] == _OURS


def outranks(entry: bytes, above: Mapping[str, int]) -> bool:
    """Whether it is somebody else's, in one of these tables, with the priority given for that or a higher one."""
    lowest = above.get(str(entry[_TABLE]))
    return lowest is not None and not is_ours(entry) and int.from_bytes(entry[_PRIORITY], "big") >= lowest


class Reader:
    """Reads what one switch tells; what it gives depends on the argument alone."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int, bytes], Flow] = {}

    def read(self, text: str, *, whole: bool) -> list[Counted]:
        """`whole`: these are all that there are, and the others are forgotten. Raises ValueError for what is cut short."""
        return [counted for piece in self.pieces(text, whole=whole) for counted in piece]

    def pieces(self, text: str, *, whole: bool) -> Iterator[list[Counted]]:
        """The same, some at a time, for who has something else to do between."""
        octets, at = base64.b64decode(text, validate=True), 0
        seen = {} if whole else self._known
        found: list[Counted] = []
        while at < len(octets):
            if len(octets) - at < _SMALLEST:
                raise ValueError(f"{len(octets) - at} octets are no flow")
            length, table, priority, cookie, packets, count = _NUMBERS.unpack_from(octets, at)
            end = at + length
            if length < _SMALLEST or end > len(octets):
                raise ValueError(f"a flow of {length} octets where {len(octets) - at} are left")
            name = (table, priority, cookie, octets[at + _SMALLEST : end])
            flow = self._known.get(name)
            if flow is None:
                flow = wire.decode_flow(octets[at:end])
            seen[name] = flow
            found.append(Counted(flow, packets, count))
            at = end
            if len(found) == PIECE:
                yield found
                found = []
        self._known = seen
        yield found
