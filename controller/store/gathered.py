"""Calls that come in the same turn of the event loop, served as one: hundreds of alerts are one statement then, and not hundreds.

Each statement of a busy database costs more in the interpreter than on the disk: the thread that runs it gives the interpreter away, and
waits until the event loop gives it back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Gathered(Generic[K, V]):
    """`serve` is called with all that was asked in one turn, at most `most` at once, and gives an answer for each, in order: an exception
    among them is raised to who asked for that one. What `serve` itself raises, all of them get. A lone call is served at once."""

    def __init__(self, serve: Callable[[list[K]], Awaitable[Sequence[V | Exception]]], most: int) -> None:
        self._serve = serve
        self._most = most
        self._asked: list[tuple[K, asyncio.Future[V]]] = []
        self._serving: set[asyncio.Task[None]] = set()

    async def ask(self, what: K) -> V:
        """To cancel the wait does not take back what was asked."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[V] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._begin)
        self._asked.append((what, answer))
        return await answer

    def _begin(self) -> None:
        every, self._asked = self._asked, []
        for start in range(0, len(every), self._most):
            task = asyncio.ensure_future(self._answer(every[start : start + self._most]))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    async def _answer(self, asked: list[tuple[K, asyncio.Future[V]]]) -> None:
        answers: Sequence[V | Exception]
        try:
            answers = await self._serve([what for what, _ in asked])
        except Exception as error:  # noqa: BLE001 (it is theirs who asked, and is raised there)
            answers = [error] * len(asked)
        for (_, future), answer in zip(asked, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
