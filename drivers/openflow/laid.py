"""Pushes that are laid ready at the speaker, and go out at a word: what is to be sent is worked out, told, read and encoded while it is
not yet sure that it will be wanted, so that nothing but the word is left to be done once it is.

The word comes by a connection of its own, from whichever thread knows first, and so it may come before what it is about.
"""

from __future__ import annotations

import json
import socket
import threading
from asyncio import Future
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

MOST_LAID = 4096
MOST_EARLY = 256


class _State(Enum):
    LAID = auto()
    SENT = auto()
    DROPPED = auto()


class LaidPush:
    """The controller's end of one. `answer` gets the speaker's, once it was sent. `forget` is called when it never will be."""

    def __init__(
        self, key: str, answer: Future[dict[str, Any]], wire: socket.socket, forget: Callable[[], None]
    ) -> None:
        self.answer = answer
        self._line = json.dumps({"id": 0, "op": "go", "key": key}).encode() + b"\n"
        self._wire = wire
        self._forget = forget
        self._state = _State.LAID
        self._lock = threading.Lock()

    def send(self) -> bool:
        """Give the word, from any thread, without waiting; whether it was given, now or before. Not once it is dropped, nor where
        nobody takes it."""
        with self._lock:
            if self._state is _State.LAID and self._said():
                self._state = _State.SENT
            return self._state is _State.SENT

    def _said(self) -> bool:
        try:
            return self._wire.send(self._line) == len(self._line)
        except OSError:
            return False

    def drop(self) -> bool:
        """From the event loop's thread; whether it stays unsent for good."""
        with self._lock:
            if self._state is _State.SENT:
                return False
            fresh, self._state = self._state is _State.LAID, _State.DROPPED
        if fresh:
            self._forget()
        return True


class Shelf:
    """The speaker's end: what was laid ready, by its key, with whose it is. Of too many the oldest are forgotten. Thread-safe; nothing is
    pushed with the lock held."""

    def __init__(self) -> None:
        self._laid: dict[str, tuple[object, Callable[[], None]]] = {}
        self._early: dict[str, None] = {}
        self._lock = threading.Lock()

    def lay(self, owner: object, key: str, push: Callable[[], None]) -> None:
        """Ready to be pushed; now, where the word came before."""
        with self._lock:
            due = key in self._early
            self._early.pop(key, None)
            if not due:
                self._laid[key] = owner, push
                if len(self._laid) > MOST_LAID:
                    del self._laid[next(iter(self._laid))]
        if due:
            push()

    def go(self, key: str) -> None:
        with self._lock:
            found = self._laid.pop(key, None)
            if found is None:
                self._early[key] = None
                if len(self._early) > MOST_EARLY:
                    del self._early[next(iter(self._early))]
        if found is not None:
            found[1]()

    def drop(self, key: str) -> None:
        with self._lock:
            self._laid.pop(key, None)

    def forget(self, owner: object) -> None:
        """All that is this one's."""
        with self._lock:
            self._laid = {key: kept for key, kept in self._laid.items() if kept[0] is not owner}
