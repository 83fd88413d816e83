"""Whose turn it is to look: so many at one time, and what has just come before all that was looked at in vain.

A thousand containments that become installed in one moment would else be looked at in the order of their coming, a second each: the one
that an alert makes right then would wait for all of them. It helps it nothing to ask last: a crowd is told of little by little, and most
of it asks after it.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count

_Turn = asyncio.Future[bool]
"""Whether it is one of those that are kept for the young."""


class Turns:
    """At most `most` at one time, and `kept` besides for who asks for the first time within `young` seconds of its coming. Who asks for
    the first time goes first, who came last before the others; who asks again waits in the order of asking."""

    def __init__(self, most: int, kept: int, young: float, now: Callable[[], float]) -> None:
        self._free = most
        self._kept = kept
        self._young = young
        self._now = now
        self._first: list[tuple[float, int, _Turn]] = []
        """A heap: less the time of coming, then of as many the one that asked last."""
        self._asked = count(0, -1)
        self._again: deque[_Turn] = deque()

    @asynccontextmanager
    async def turn(self, came: float, *, first: bool) -> AsyncIterator[None]:
        mine: _Turn = asyncio.get_running_loop().create_future()
        if first:
            heapq.heappush(self._first, (-came, next(self._asked), mine))
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
        while self._first and self._first[0][-1].cancelled():
            heapq.heappop(self._first)
        while self._first and (self._free or (self._kept and self._is_young(-self._first[0][0]))):
            self._hand(heapq.heappop(self._first)[-1])
        while self._again and self._free:
            self._hand(self._again.popleft())

    def _is_young(self, came: float) -> bool:
        return self._now() - came < self._young

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
