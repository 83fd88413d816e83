"""A byte stream cut into syslog frames, and a frame into its body. Pure.

Over TCP (RFC 6587) and TLS (RFC 5425) a frame is counted (`42 <13>1 …`, 3.4.1) or ends with a line feed (3.4.2): each frame's first
character tells which, since no line begins with a digit where it begins with its `<PRI>`. A datagram is one frame (RFC 5426).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST_FRAME = 64 * 1024
"""RFC 5425, 4.3.1 asks for 2,048 octets, and better 8,192: an EVE record can be longer."""
_LONGEST_COUNT = 9
_DIGITS = frozenset(b"0123456789")
_PRI = re.compile(rb"<[0-9]{1,3}>")
_RFC5424 = re.compile(rb"1 (?:\S{1,255} ){5}")
_ELEMENT = re.compile(rb'\[[^\s\]="]{1,32}(?: [^\s\]="]{1,32}="(?:[^"\\\]]|\\.)*")*\]', re.DOTALL)
_RFC3164 = re.compile(
    rb"[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} (?:\S{1,255} (?:[^\s:\[{<]{1,64}(?:\[[^\]\s]{0,32}\])?: ?)?)"
)
_ISO = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T\S{1,40} \S{1,255} (?:[^\s:\[{<]{1,64}(?:\[[^\]\s]{0,32}\])?: ?)?")
_COOKIE = b"@cee:"


@dataclass(frozen=True, slots=True)
class Frame:
    """`problem` says why it cannot be read; then `data` is what came of it, or its beginning."""

    data: bytes
    problem: str = ""


class Cutter:
    """One connection's stream. It holds one frame at most: of a longer one it keeps the beginning and skips the rest."""

    def __init__(self, longest: int = LONGEST_FRAME) -> None:
        self._longest = longest
        self._held = bytearray()
        self._skip: int | None = None
        """Octets of a counted frame that are to be skipped; -1: to the line feed."""

    def feed(self, data: bytes) -> list[Frame]:
        self._held += data
        frames: list[Frame] = []
        while (cut := self._next()) is not None:
            frames += cut
        return frames

    def end(self) -> list[Frame]:
        """The connection is over: a line needs no line feed then, a counted frame its octets."""
        rest, self._held = bytes(self._held), bytearray()
        skipped, self._skip = self._skip, None
        if skipped is not None or not rest.strip():
            return []
        counted = rest[0] in _DIGITS and b" " in rest[: _LONGEST_COUNT + 1] and rest.split(b" ", 1)[0].isdigit()
        return [Frame(rest, "the connection ended within the frame" if counted else "")]

    def _next(self) -> list[Frame] | None:
        """The frames that the next octets are, which may be none; None where more octets are needed."""
        held = self._held
        if not held:
            return None
        if self._skip is not None:
            return self._skipped(self._skip)
        if held[0] in b"\r\n\0":
            del held[:1]
            return []
        count = self._count()
        if count is None:
            return None
        return self._line() if count == (0, 0) else self._counted(*count)

    def _skipped(self, octets: int) -> list[Frame] | None:
        held = self._held
        if octets < 0:
            end = held.find(b"\n")
            del held[: end + 1 if end >= 0 else len(held)]
            self._skip = None if end >= 0 else -1
            return []
        gone = min(octets, len(held))
        del held[:gone]
        self._skip = octets - gone or None
        return []

    def _count(self) -> tuple[int, int] | None:
        """Where the counted frame begins, and how long it is; (0, 0) for a line; None while that cannot be told."""
        held = self._held
        if held[0] not in _DIGITS or held[0] == ord("0"):
            return 0, 0
        end = next((i for i, one in enumerate(held[: _LONGEST_COUNT + 1]) if one not in _DIGITS), None)
        if end is None:
            return None if len(held) <= _LONGEST_COUNT else (0, 0)
        return (end + 1, int(held[:end])) if held[end] == ord(" ") else (0, 0)

    def _counted(self, start: int, length: int) -> list[Frame] | None:
        held = self._held
        if length > self._longest:
            if len(held) < start + self._longest:
                return None
            begun = bytes(held[start : start + self._longest])
            del held[: start + self._longest]
            self._skip = length - self._longest
            return [Frame(begun, self._too_long())]
        if len(held) < start + length:
            return None
        frame = bytes(held[start : start + length])
        del held[: start + length]
        return [Frame(frame)]

    def _line(self) -> list[Frame] | None:
        held = self._held
        end = held.find(b"\n", 0, self._longest + 1)
        if end >= 0:
            line = bytes(held[:end]).rstrip(b"\r\0")
            del held[: end + 1]
            return [Frame(line)] if line else []
        if len(held) <= self._longest:
            return None
        begun = bytes(held[: self._longest])
        del held[: self._longest]
        self._skip = -1
        return [Frame(begun, self._too_long())]

    def _too_long(self) -> str:
        return f"a frame of more than {self._longest >> 10} KiB"


def body_of(frame: bytes) -> bytes:
    """What stands behind the header of RFC 5424, or of RFC 3164 as it is really written (with its tag, or an ISO time); a frame without a
    header is its own body. A byte order mark and the `@cee:` cookie are left out."""
    rest = frame.strip(b"\0\r\n\t ")
    if (pri := _PRI.match(rest)) is not None:
        rest = rest[pri.end() :]
    if (header := _RFC5424.match(rest)) is not None:
        rest = _behind_elements(rest[header.end() :])
    elif (header := _RFC3164.match(rest) or _ISO.match(rest)) is not None:
        rest = rest[header.end() :]
    rest = rest.removeprefix(b"\xef\xbb\xbf").lstrip()
    return rest.removeprefix(_COOKIE).lstrip()


def _behind_elements(rest: bytes) -> bytes:
    """Behind the structured data: `-`, or elements."""
    if rest.startswith(b"-"):
        return rest[1:].lstrip(b" ")
    at = 0
    while (element := _ELEMENT.match(rest, at)) is not None:
        at = element.end()
    return rest[at:].lstrip(b" ")
