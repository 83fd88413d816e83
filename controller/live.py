"""What changes, as it changes: one bounded history that any number of readers follow, each at its own pace.

A reader is no more than a place in the history. One that falls behind what is kept, or comes back with a place that is not kept (or is
another daemon's), is told to load everything anew; so nobody is waited for, and nothing grows with a slow reader. On one event loop,
without I/O.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from enum import StrEnum

from controller.automation import Automation
from controller.errors import Conflict
from controller.model import Alert, Attachment, Containment, Outcome
from controller.requests import AlertAnswer
from controller.store import Proposal

KEPT = 2048
"""Changes that a reader may be behind."""
READERS_MOST, READERS_OF_ONE = 64, 16
"""Streams at one time, of all and under one name: nobody with a token may keep the others from reading."""


class ChangeKind(StrEnum):
    """What a change is about. `RESET`: what came before is not told; load everything, what changes from here on follows."""

    RESET = "reset"
    CONTAINMENT = "containment"
    PROPOSAL = "proposal"
    DEVICE = "device"
    PORT = "port"
    LINK = "link"
    ALERT = "alert"
    AUTOMATION = "automation"


@dataclass(frozen=True, slots=True)
class DeviceChange:
    """A device came, went, was converged, or could not be. `error` says why not."""

    device: str
    up: bool
    converged: bool
    error: str | None = None


@dataclass(frozen=True, slots=True)
class PortChange:
    place: Attachment
    present: bool
    up: bool


@dataclass(frozen=True, slots=True)
class LinkChange:
    """A cable between two managed devices was found, or is no longer there."""

    one: Attachment
    other: Attachment
    present: bool


@dataclass(frozen=True, slots=True)
class AlertTaken:
    alert: Alert
    answer: AlertAnswer


Subject = Containment | Proposal | DeviceChange | PortChange | LinkChange | AlertTaken | Automation | None
_KINDS: dict[type, ChangeKind] = {
    Containment: ChangeKind.CONTAINMENT,
    Proposal: ChangeKind.PROPOSAL,
    DeviceChange: ChangeKind.DEVICE,
    PortChange: ChangeKind.PORT,
    LinkChange: ChangeKind.LINK,
    AlertTaken: ChangeKind.ALERT,
    Automation: ChangeKind.AUTOMATION,
    type(None): ChangeKind.RESET,
}


@dataclass(frozen=True, slots=True)
class Change:
    """`id` is where a reader that has taken it in stands. `written` keeps its form for the wire, made for the first reader."""

    id: str
    number: int
    at: float
    subject: Subject
    written: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def kind(self) -> ChangeKind:
        return _KINDS[type(self.subject)]


class Live:
    """`publish` costs the same whoever reads. `name` tells this history from another daemon's."""

    def __init__(self, now: Callable[[], float] = time.time, kept: int = KEPT, name: str | None = None) -> None:
        self._now = now
        self._name = name or secrets.token_hex(4)
        self._changes: deque[Change] = deque(maxlen=kept)
        self._last = 0
        self._known: dict[str, tuple[int, int]] = {}
        self._waiting: dict[asyncio.Event, str] = {}
        self.closed = False

    @property
    def readers(self) -> int:
        return len(self._waiting)

    def accepted(self, case: Containment) -> None:
        """A request was accepted. What its devices came to since may have been told before, and is newer."""
        known, _ = self._known.get(case.id, (0, 0))
        if case.revision > known or (case.revision == known and case.outcome is not Outcome.REQUESTED):
            self.publish(case)

    def publish(self, subject: Subject) -> None:
        """Tell it. A containment of an older revision than was told is left out."""
        if isinstance(subject, Containment):
            if subject.revision < self._known.get(subject.id, (0, 0))[0]:
                return
            self._known[subject.id] = subject.revision, self._last + 1
        self._last += 1
        if len(self._changes) == self._changes.maxlen:
            self._forget(self._changes[0])
        self._changes.append(Change(self._id(self._last), self._last, self._now(), subject))
        for waiting in self._waiting:
            waiting.set()

    def close(self) -> None:
        """Every reader's stream ends, at once."""
        self.closed = True
        for waiting in self._waiting:
            waiting.set()

    async def follow(self, after: str | None, beat: float, reader: str = "") -> AsyncGenerator[Change | None, None]:
        """The changes behind the place `after`, for ever; None when nothing was told for `beat` seconds. Without a place, or with one that
        is not kept, RESET comes first. `reader` is whose stream it is. Raises Conflict when too many read already."""
        if len(self._waiting) >= READERS_MOST:
            raise Conflict(f"{READERS_MOST} streams of events are open: close some")
        if list(self._waiting.values()).count(reader) >= READERS_OF_ONE:
            raise Conflict(
                f"{READERS_OF_ONE} streams of events are open with this token: close some, or use another token"
            )
        news = asyncio.Event()
        self._waiting[news] = reader
        try:
            place = self._place(after)
            while not self.closed:
                if place is None or self._lost(place):
                    place = self._last
                    yield Change(self._id(place), place, self._now(), None)
                    continue
                if place < self._last:
                    change = self._changes[place - self._last]
                    place = change.number
                    yield change
                    continue
                news.clear()
                try:
                    await asyncio.wait_for(news.wait(), beat)
                except TimeoutError:
                    yield None
        finally:
            del self._waiting[news]

    def _place(self, after: str | None) -> int | None:
        name, _, number = (after or "").partition("-")
        if name != self._name or not number.isascii() or not number.isdigit() or len(number) > 18:
            return None
        return None if int(number) > self._last else int(number)

    def _lost(self, place: int) -> bool:
        return self._last - place > len(self._changes)

    def _id(self, number: int) -> str:
        return f"{self._name}-{number}"

    def _forget(self, oldest: Change) -> None:
        """What is known of a containment goes with the last that was told of it."""
        if isinstance(oldest.subject, Containment):
            id = oldest.subject.id
            if self._known.get(id, (0, 0))[1] == oldest.number:
                del self._known[id]
