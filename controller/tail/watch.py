"""What followed files say goes the way of posted alerts: through the same intake, with the same dead letters, and in order."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from controller.config import FollowedFile
from controller.conversations import Conversation
from controller.errors import InvalidInput, NetcordonError, StoreUnavailable
from controller.intake import NotAnAlert, RawEvent, Source
from controller.neutralize import neutralize, storable
from controller.tail.place import Place, dump, load
from controller.tail.tail import Part, Tail
from controller.tail.written import LONGEST_LINE

if TYPE_CHECKING:
    from controller.api.service import Service

log = structlog.get_logger("intake")
LOOK_EVERY = 0.05
"""Seconds between two looks at a file that has nothing new."""
SAVE_EVERY = 1.0
"""Seconds between two writes of how far a file was read, while nothing but what is no alert comes of it."""
AGAIN_AFTER = 1.0
ATTEMPTS = 3
"""At the same lines, where neither the file nor the database is to blame: then they are dead letters."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What a part of a file says that is not plainly beside alerts."""

    part: Part
    events: Sequence[RawEvent]
    told: Sequence[Conversation] = ()


class Watch:
    """One followed file of the daemon's. `run` ends by being cancelled; `close` keeps how far it was read, and closes the file."""

    def __init__(
        self, file: FollowedFile, source: Source, service: Service, host: str, now: Callable[[], float] = time.time
    ) -> None:
        self._file = file
        self._source = source
        self._service = service
        self._host = host
        self._now = now
        self._tail = Tail(file.path, time.monotonic, self._say, source.heading)
        self._reading = threading.Lock()
        self._begun = False
        self._saved: Sequence[Place] | None = None
        self._save_due = 0.0
        self._failed = 0
        self.trouble = ""

    async def run(self) -> None:
        while True:
            try:
                if not await self.step():
                    await asyncio.sleep(LOOK_EVERY)
            except OSError as error:
                self._troubled(f"{self._file.path} cannot be read: {error.strerror or error}")
                await asyncio.sleep(AGAIN_AFTER)
            except StoreUnavailable as error:
                log.warning("lines wait for the database", file=str(self._file.path), error=str(error))
                await asyncio.sleep(AGAIN_AFTER)
            except (
                Exception
            ) as error:  # the task's outermost loop: lines that nobody can take must not end all that come after
                log.exception("a followed file's lines could not be taken", file=str(self._file.path))
                self._failed += 1
                with contextlib.suppress(OSError, NetcordonError):
                    await self._give_up(type(error).__name__)
                await asyncio.sleep(AGAIN_AFTER)

    async def close(self) -> None:
        with contextlib.suppress(StoreUnavailable):
            await self._save()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._reading:  # whoever was cancelled may have left a thread that reads
            self._tail.close()
            self._begun = False

    async def step(self) -> bool:
        """Take the next lines; False when there are none. Raises OSError, StoreUnavailable: the same lines come again."""
        if not self._begun:
            await self._begin()
        read = await asyncio.to_thread(self._next)
        self.trouble = ""
        if read is None:
            await self._save_when_due()
            return False
        await self._take(read)
        await self._behind(read.part, settled=bool(read.events))
        return True

    async def _begin(self) -> None:
        kept = await self._service.store.places(self._host, str(self._file.path))
        known = None if kept is None else load(kept)
        await asyncio.to_thread(self._tail.begin, known, from_end=self._file.start == "end")
        self._begun = True
        await self._save()

    def _next(self) -> _Read | None:
        """In a thread: what is no alert goes no further, and that is most of what a sensor writes."""
        with self._reading:
            part = self._tail.next() if self._begun else None
        if part is None:
            return None
        told = list[Conversation]()
        return _Read(part, [one for one in self._events(part) if self._tells(one, told)], told)

    def _events(self, part: Part) -> list[RawEvent]:
        """As a request's body is cut, except that each line that cannot be read is a dead letter of its own."""
        body = part.block.body
        if part.block.too_long:
            problem = f"{self._source.name}: a line of more than {LONGEST_LINE >> 10} KiB"
            return [RawEvent(storable(body.decode("utf-8", "replace")), None, problem)]
        if not body.strip():
            return []
        try:
            events = self._source.split(body)
        except InvalidInput as error:
            return [RawEvent(storable(body.decode("utf-8", "replace")), None, str(error))]
        lines = [line for line in body.split(b"\n") if line.strip()]
        if len(events) > 1 or not events[0].error or len(lines) == 1 or self._source.heading is not None:
            return events
        return [event for line in lines for event in self._source.split(line)]

    def _tells(self, event: RawEvent, told: list[Conversation]) -> bool:
        if event.fields is None:
            return True
        try:
            self._source.read(event.fields, 0.0)
        except NotAnAlert as error:
            if error.told is not None:
                told.append(error.told)
            return False
        except InvalidInput:
            return True
        return True

    async def _take(self, read: _Read) -> None:
        for conversation in read.told:
            self._service.conversed(conversation)
        from controller.api.taking import take_all  # the daemon is to be up before the API's words are imported

        for result in await take_all(self._service, self._source, read.events, self._now()):
            if result.status == "failed":
                self._say(f"{self._file.path}: an alert was kept and not acted upon: {result.reason}")

    async def _behind(self, part: Part, *, settled: bool) -> None:
        part.of.take(part.block)
        self._failed = 0
        await (self._save() if settled else self._save_when_due())

    async def _give_up(self, what: str) -> None:
        """The lines at which it failed again and again are kept as dead letters, and reading goes on behind them."""
        if self._failed < ATTEMPTS:
            return
        part = await asyncio.to_thread(self._tail.next)
        if part is None:
            return
        for line in part.block.body.split(b"\n"):
            if line.strip():
                raw = storable(line.decode("utf-8", "replace"))
                await self._service.store.dead_letter(self._source.name, raw, f"could not be taken: {what}")
        await self._behind(part, settled=True)

    async def _save_when_due(self) -> None:
        if time.monotonic() >= self._save_due:
            await self._save()

    async def _save(self) -> None:
        places = self._tail.places()
        if self._begun and places != self._saved:
            await self._service.store.save_places(self._host, str(self._file.path), dump(places))
            self._saved = places
        self._save_due = time.monotonic() + SAVE_EVERY

    def _say(self, what: str) -> None:
        log.warning(neutralize(what, 1000), file=str(self._file.path))

    def _troubled(self, why: str) -> None:
        if why != self.trouble:
            self._say(why)
        self.trouble = why
