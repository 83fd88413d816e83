"""Whose turn it is to look: so many at one time, and what has just come before all that was looked at in vain.

A thousand containments that become installed in one moment would else be looked at in the order of their coming, a second each: the one
that an alert makes right then would wait for all of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

_Turn = asyncio.Future[bool]
"""Whether it is one of those that are kept for the young."""


class Turns:
    """At most `most` at one time, and `kept` besides for who asks for the first time within `young` seconds of its beginning. Who asks for
    the first time goes first, the newest of them before the others; who asks again waits in the order of asking."""

    def __init__(self, most: int, kept: int, young: float, now: Callable[[], float]) -> None:
        self._free = most
        self._kept = kept
        self._young = young
        self._now = now
        self._first: list[tuple[float, _Turn]] = []
        self._again: deque[_Turn] = deque()

    @asynccontextmanager
    async def turn(self, began: float, *, first: bool) -> AsyncIterator[None]:
        mine: _Turn = asyncio.get_running_loop().create_future()
        if first:
            self._first.append((began, mine))
        else:
            self._again.append(mine)
        self._give()
        try:
            await mine
            yield
        finally:
            if mine.done() and not mine.cancelled():  # also when the wait was cancelled in the moment in which it ended
                self._take_back(kept=mine.result())

    def _take_back(self, *, kept: bool) -> None:
        if kept:
            self._kept += 1
        else:
            self._free += 1
        self._give()

    def _give(self) -> None:
        while self._first and self._first[-1][1].cancelled():
            self._first.pop()
        while self._first and (self._free or (self._kept and self._is_young(self._first[-1][0]))):
            _, turn = self._first.pop()
            self._hand(turn)
        while self._again and self._free:
            self._hand(self._again.popleft())

    def _is_young(self, began: float) -> bool:
        return self._now() - began < self._young

    def _hand(self, turn: _Turn) -> None:
        """One that is no longer waited for costs nothing."""
        if turn.done():
            return
        kept = not self._free
        if kept:
            self._kept -= 1
        else:
            self._free -= 1
        turn.set_result(kept)
