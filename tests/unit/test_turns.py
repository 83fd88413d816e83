"""Whose turn it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from controller.turns import Turns

MOST, KEPT, YOUNG = 2, 1, 0.5


class Looking:
    """Takes turns by name, and ends them when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.turns = Turns(MOST, KEPT, YOUNG, lambda: self.now)
        self.looking: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Event] = {}

    async def ask(self, *names: str, came: float | None = None, first: bool = True) -> None:
        for name in names:
            self._ends[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._look(name, self.now if came is None else came, first))
            await settled()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await settled()

    async def _look(self, name: str, came: float, first: bool) -> None:
        async with self.turns.turn(came, first=first), AsyncExitStack() as stack:
            self.looking.append(name)
            stack.callback(self.looking.remove, name)
            await self._ends[name].wait()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_at_one_time_than_there_may_be() -> None:
    them = Looking()
    await them.ask("a", "b", "c", came=0)
    assert them.looking == ["a", "b"]
    await them.end("a")
    assert them.looking == ["b", "c"]


async def test_what_just_came_finds_a_turn_kept_for_it() -> None:
    them = Looking()
    await them.ask("a", "b", "c", came=0)
    await them.ask("news")
    assert them.looking == ["a", "b", "news"]
    await them.ask("more news")
    await them.end("news")
    assert them.looking == ["a", "b", "more news"]


async def test_what_came_some_time_ago_has_no_claim_to_it() -> None:
    them = Looking()
    await them.ask("a", "b")
    await them.ask("news", "c")
    them.now += YOUNG
    await them.end("news")
    assert them.looking == ["a", "b"], "c is no news any more"
    await them.end("a")
    assert them.looking == ["b", "c"]


async def test_the_newest_first_and_before_all_who_ask_again() -> None:
    them = Looking()
    await them.ask("a", "b", came=0)
    await them.ask("again", "and again", came=0, first=False)
    await them.ask("old", "new", came=1)
    for name in ("a", "b", "new", "old"):
        await them.end(name)
    assert them.looking == ["again", "and again"]


async def test_who_came_last_goes_before_those_who_came_earlier_and_ask_later() -> None:
    """A crowd's coming is told little by little."""
    them = Looking()
    await them.ask("a", "b", "c", came=0)
    await them.ask("latest", came=2)
    await them.ask("told late", "and later", came=1)
    await them.end("a")
    assert them.looking == ["b", "latest"]


async def test_the_order_in_which_they_had_their_turn() -> None:
    them = Looking()
    await them.ask("a", "b", came=0)
    await them.ask("again", first=False)
    await them.ask("old", "new", came=1)
    await them.end("a")
    assert them.looking == ["b", "new"]
    await them.end("b")
    assert them.looking == ["new", "old"]


@pytest.mark.parametrize("who", ["waits", "looks", "is just handed its turn"])
async def test_who_goes_away_gives_its_turn_back(who: str) -> None:
    them = Looking()
    await them.ask("a", "b", "c", came=0)
    gone: dict[str, Callable[[], str]] = {
        "waits": lambda: "c",
        "looks": lambda: "a",
        "is just handed its turn": lambda: "c",
    }
    if who == "is just handed its turn":
        them._ends["a"].set()
        await asyncio.sleep(0)  # a ends, and c's wait with it, in the turn of the loop in which c is cancelled
    them.tasks[gone[who]()].cancel()
    await settled()
    for name in ("a", "b", "c"):
        await them.end(name)
    await them.ask("d", "e", "f", came=0)
    assert them.looking == ["d", "e"]
    assert (them.turns._free, them.turns._kept) == (0, KEPT)
