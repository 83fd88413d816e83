"""What waits to be written, in the order in which it is: what somebody waits for goes before what is written for the record."""

from __future__ import annotations

import queue
from collections import deque
from typing import Generic, Protocol, TypeVar

AT_ONCE, LATER_AT_ONCE = 128, 8
"""Writes that share a commit. Of those that can wait few do: who comes meanwhile waits for no more than these."""
IN_A_ROW = 32
"""Commits after which those that can wait have one, however much is due."""


class Waiting(Protocol):
    @property
    def later(self) -> bool: ...


J = TypeVar("J", bound=Waiting)


class WriteQueue(Generic[J]):
    """`put` and `end` from any thread, `batch` from one."""

    def __init__(self) -> None:
        self._coming: queue.SimpleQueue[J | None] = queue.SimpleQueue()
        self._due: deque[J] = deque()
        self._later: deque[J] = deque()
        self._ended = False
        self._in_a_row = 0

    def put(self, job: J) -> None:
        self._coming.put(job)

    def end(self) -> None:
        """After the last one."""
        self._coming.put(None)

    def batch(self, patience: float | None) -> list[J] | None:
        """What is to be written together now; waits for nobody, once there is one. None after the end of all. Raises queue.Empty where
        nothing came for `patience` seconds."""
        if not (self._due or self._later or self._ended):
            self._sort(self._coming.get(timeout=patience))
        while not self._coming.empty():
            self._sort(self._coming.get())
        due = self._due and (self._in_a_row < IN_A_ROW or not self._later)
        self._in_a_row = self._in_a_row + 1 if due else 0
        here, most = (self._due, AT_ONCE) if due else (self._later, LATER_AT_ONCE)
        return [here.popleft() for _ in range(min(most, len(here)))] or (None if self._ended else [])

    def _sort(self, job: J | None) -> None:
        if job is None:
            self._ended = True
        else:
            (self._later if job.later else self._due).append(job)
