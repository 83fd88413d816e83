"""One file that something writes to: its whole lines from a place on, some at a time."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from controller.tail.place import Place

BLOCK = 256 * 1024
"""Bytes that are read at once."""
LONGEST_LINE = 1024 * 1024
"""Bytes of the longest line that is read: more is a dead letter, of which the beginning is kept."""
REMEMBERED = 256
"""Bytes before a place by which it is known again."""
LONGEST_HEADING = 64 * 1024

MOST_LINES = 5000

Heading = Callable[[bytes, bytes], bytes | None]


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines, under their heading, and the place behind them. `too_long`: it is the beginning of a line that is not read."""

    body: bytes
    end: Place
    too_long: bool = False


class NotAFile(OSError):
    """What is at the path cannot be followed: a folder, a pipe, a device."""


class WasCut(Exception):
    """What was read of the file does not stand there any more: it was cut (copytruncate), or written anew."""


class WrittenFile:
    """Open until `close`: it is read to its end also when it has another name by then, or none. Calls do blocking I/O."""

    def __init__(self, descriptor: int, place: Place, heading: Heading | None = None) -> None:
        self._descriptor = descriptor
        self._heading = heading
        self._seen = -1
        self.place = place

    @classmethod
    def at(cls, path: Path, place: Place | None = None, heading: Heading | None = None) -> WrittenFile:
        """The file of that name, read from the beginning unless it is the one of `place`. Raises OSError."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            known = os.fstat(descriptor)
            if not stat.S_ISREG(known.st_mode):
                raise NotAFile(f"{path} is no regular file: name the one that the sensor writes")
        except OSError:
            os.close(descriptor)
            raise
        new = Place(known.st_dev, known.st_ino)
        return cls(descriptor, place if place is not None and same_file(place, known) else new, heading)

    def close(self) -> None:
        os.close(self._descriptor)

    def is_at(self, known: os.stat_result) -> bool:
        return same_file(self.place, known)

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def changed(self) -> int:
        """When it was written to last, in nanoseconds."""
        return os.fstat(self._descriptor).st_mtime_ns

    def gone_and_read(self) -> bool:
        """Whether it has no name any more, and nothing that was not taken."""
        known = os.fstat(self._descriptor)
        return known.st_nlink == 0 and self.place.offset >= known.st_size

    def to_the_end(self) -> None:
        """Pass over the whole lines that it has: those that come from here on are read."""
        end = self.size()
        while end > 0:
            start = max(0, end - BLOCK)
            newline = os.pread(self._descriptor, end - start, start).rfind(b"\n")
            if newline >= 0:
                offset = start + newline + 1
                known = os.pread(self._descriptor, min(REMEMBERED, offset), offset - min(REMEMBERED, offset))
                self.place = replace(self.place, offset=offset, before=_digest(known), heading=self._first_heading())
                return
            end = start

    def _first_heading(self) -> str:
        """What heads the first lines of the file, where those themselves are passed over."""
        heading = b""
        if self._heading is not None:
            for line in os.pread(self._descriptor, LONGEST_HEADING, 0).splitlines(keepends=True):
                changed = self._heading(heading, line)
                if changed is None:
                    break
                heading = changed
        return heading.decode("latin-1")

    def still_the_same(self) -> bool:
        """Whether what was read of it still stands there. False for one that was cut, also where it has grown since."""
        known, _ = self._read(0)
        return _digest(known) == self.place.before

    def from_the_beginning(self) -> None:
        self.place, self._seen = Place(self.place.device, self.place.inode), -1

    def next(self, *, ended: bool = False) -> Block | None:
        """The next whole lines. The place stays where it is until `take`. None: there are none yet. `ended`: nobody writes to it any more,
        so that its last line needs no newline. Raises WasCut."""
        size = self.size()
        if size == self._seen and not ended:
            if not self.still_the_same():  # cut, and as long again as it was
                raise WasCut
            return None
        known, data = self._read(BLOCK)
        if len(data) == BLOCK and b"\n" not in data and not self.place.skipping:
            known, data = self._read(LONGEST_LINE)
        if _digest(known) != self.place.before:
            raise WasCut
        whole = _whole(data)
        if self.place.skipping:
            return self._skipped(known, data)
        if not whole and len(data) >= LONGEST_LINE:
            return Block(data, replace(self._placed(known, data), skipping=True), too_long=True)
        if ended and data and not whole:
            whole = len(data)
        if not whole:
            self._seen = size
            return None
        return self._headed(known, data[:whole])

    def take(self, block: Block) -> None:
        """What it says is dealt with: go on behind it."""
        self.place = block.end

    def _read(self, length: int) -> tuple[bytes, bytes]:
        """What stands just before the place, and so much behind it, of one moment: a file that was cut meanwhile shows itself."""
        before = min(REMEMBERED, self.place.offset)
        data = os.pread(self._descriptor, before + length, self.place.offset - before)
        return data[:before], data[before:]

    def _skipped(self, known: bytes, data: bytes) -> Block | None:
        if not data:
            return None
        newline = data.find(b"\n")
        end = self._placed(known, data if newline < 0 else data[: newline + 1])
        return Block(b"", replace(end, skipping=newline < 0))

    def _headed(self, known: bytes, lines: bytes) -> Block:
        """The lines up to the next that changes the heading, under theirs."""
        heading = self.place.heading.encode("latin-1")
        if self._heading is None:
            return Block(lines, self._placed(known, lines))
        body, length = [], 0
        for line in lines.splitlines(keepends=True):
            changed = self._heading(heading, line)
            if changed is None:
                body.append(line)
            elif body:
                break
            elif len(changed) <= LONGEST_HEADING:
                heading = changed
            length += len(line)
        end = replace(self._placed(known, lines[:length]), heading=heading.decode("latin-1"))
        return Block(heading + b"".join(body) if body else b"", end)

    def _placed(self, known: bytes, taken: bytes) -> Place:
        before = _digest((known + taken)[-REMEMBERED:])
        return replace(self.place, offset=self.place.offset + len(taken), before=before, skipping=False)


def _digest(known: bytes) -> str:
    return hashlib.sha256(known).hexdigest()[:32] if known else ""


def _whole(data: bytes) -> int:
    """How much of it is whole lines, and not more of them than one request may carry."""
    if data.count(b"\n") <= MOST_LINES:
        return data.rfind(b"\n") + 1
    end = 0
    for _ in range(MOST_LINES):
        end = data.index(b"\n", end) + 1
    return end


def same_file(place: Place, known: os.stat_result) -> bool:
    return (place.device, place.inode) == (known.st_dev, known.st_ino)


def relatives(path: Path) -> list[Path]:
    """What rotation may have made of the file at that path, oldest first: eve.json.1, eve.json-20260131, eve-2026-01-31.json. What was
    packed is not among them."""
    mark = r"(?:[._-]\d[\dT:._-]*)?"
    name = re.compile(f"{re.escape(path.stem)}{mark}{re.escape(path.suffix)}{mark}")
    found: list[tuple[int, Path]] = []
    with suppress(OSError):
        for one in os.scandir(path.parent):
            with suppress(OSError):
                if one.name != path.name and name.fullmatch(one.name) and one.is_file(follow_symlinks=False):
                    found.append((one.stat().st_mtime_ns, Path(one.path)))
    return [one for _, one in sorted(found)]
