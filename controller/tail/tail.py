"""One path, followed through all files that had that name: renamed and made anew, or copied and cut, while we look and while we do not."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from controller.tail.place import Place
from controller.tail.written import Block, Heading, WasCut, WrittenFile, relatives, same_file

LINGER = 30.0
"""Seconds for which a file that was renamed is looked at still: its writer opens the new one when it is told to."""
MOST_FILES = 16


@dataclass(frozen=True, slots=True)
class Part:
    """Lines to be dealt with, and of which file they are."""

    block: Block
    of: WrittenFile


class Tail:
    """`clock` counts seconds (monotonic). `say` is told what may be lost. `heading`: as the source's. Calls do blocking I/O, and come from
    one thread at a time."""

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float],
        say: Callable[[str], None],
        heading: Heading | None = None,
    ) -> None:
        self._path = path
        self._clock = clock
        self._say = say
        self._heading = heading
        self._files: list[WrittenFile] = []
        self._quiet: dict[int, tuple[float, int]] = {}

    def begin(self, known: Sequence[Place] | None, *, from_end: bool) -> None:
        """Find again what was being read: `known`, or None where this path was never followed. `from_end`: of a file that is there
        then, only what is written from now on is read. Raises OSError where the path cannot be read for another reason than that
        nothing is there."""
        self.close()
        if known is None:
            with suppress(FileNotFoundError):
                current = WrittenFile.at(self._path, heading=self._heading)
                self._files.append(current)
                if from_end:
                    current.to_the_end()
            return
        for place in known:
            self._find_again(place)
        self._look_for_new()

    def close(self) -> None:
        for file in self._files:
            file.close()
        self._files = []

    def places(self) -> list[Place]:
        return [file.place for file in self._files if not file.gone_and_read()]

    def next(self) -> Part | None:
        """The next lines, of the oldest file first. None: there are none now. Raises OSError where the path cannot be read."""
        self._look_for_new()
        for file in list(self._files):
            try:
                block = file.next()
                if block is None and file is not self._files[-1]:
                    block = self._last_of(file)
            except WasCut:
                return self._after_a_cut(file)
            if block is not None:
                return Part(block, file)
        return None

    def _last_of(self, file: WrittenFile) -> Block | None:
        """Of a file that has another name: once it has been quiet for long, what it ends with, and then it is left."""
        size = file.size()
        since, before = self._quiet.get(id(file), (0.0, -1))
        if size != before:
            since = self._clock()
            self._quiet[id(file)] = since, size
        if self._clock() - since < LINGER and len(self._files) <= MOST_FILES:
            return None
        block = file.next(ended=True)
        if block is None:
            self._files.remove(file)
            self._quiet.pop(id(file), None)
            file.close()
        return block

    def _look_for_new(self) -> None:
        """What stands at the path now, and what came and went there since the last look."""
        try:
            known = os.stat(self._path)
        except FileNotFoundError:
            return
        if any(file.is_at(known) for file in self._files):
            return
        between = self._between() if self._files else []
        with suppress(FileNotFoundError):
            self._files += [*between, WrittenFile.at(self._path, heading=self._heading)]

    def _between(self) -> list[WrittenFile]:
        """Those that were written after the last one that is known, and have been renamed already."""
        after = self._files[-1].changed()
        found = []
        for path in relatives(self._path):
            with suppress(OSError):
                known = os.stat(path)
                if known.st_mtime_ns > after and not any(file.is_at(known) for file in self._files):
                    found.append(WrittenFile.at(path, heading=self._heading))
        return found

    def _find_again(self, place: Place) -> None:
        for path in (self._path, *relatives(self._path)):
            with suppress(OSError):
                if not same_file(place, os.stat(path)):
                    continue
                file = WrittenFile.at(path, place, self._heading)
                self._files.append(file)
                if not file.still_the_same():
                    self._go_on_in_copy(file)
                return
        copy = self._copy_of(place)
        if copy is not None:
            self._files.append(copy)
            return
        self._say(
            f"{self._path}: the file that was read last is gone, with what was written to it after byte {place.offset}: where rotation"
            " packs files, let it leave the newest one alone (logrotate: delaycompress)"
        )

    def _after_a_cut(self, file: WrittenFile) -> Part | None:
        self._go_on_in_copy(file)
        return self.next()

    def _go_on_in_copy(self, cut: WrittenFile) -> None:
        """What was not read yet of a file that was cut stands in the copy that was made before."""
        copy = self._copy_of(cut.place)
        if copy is None:
            self._say(
                f"{self._path}: it was cut, and there is no copy of what it held: what was written to it after byte {cut.place.offset} and"
                " before it was cut is lost, if there was anything"
            )
        else:
            self._files.insert(self._files.index(cut), copy)
        cut.from_the_beginning()

    def _copy_of(self, place: Place) -> WrittenFile | None:
        if not place.offset:
            return None
        for path in reversed(relatives(self._path)):
            with suppress(OSError):
                copy = WrittenFile.at(path, heading=self._heading)
                copy.place = replace(place, device=copy.place.device, inode=copy.place.inode)
                if copy.still_the_same():
                    return copy
                copy.close()
        return None
