"""The history that readers follow: in order, once each, without a gap as far as it is kept, and a reset where it is not."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import pytest

from controller.errors import Conflict
from controller.live import READERS_MOST, READERS_OF_ONE, Change, ChangeKind, DeviceChange, Live
from controller.model import Containment, Outcome
from controller.store import Store
from tests.unit.store_cases import START, draft, nothing

_DEADLINE = 20.0


def device(number: int) -> DeviceChange:
    return DeviceChange(f"s{number}", up=True, converged=True)


async def until_readers(live: Live, count: int = 1) -> None:
    """Wait for that many to follow."""
    async with asyncio.timeout(_DEADLINE):
        while True:
            if live.readers >= count:
                return
            await asyncio.sleep(0.005)


async def read(live: Live, count: int, after: str | None = None) -> list[Change]:
    found: list[Change] = []
    async with asyncio.timeout(_DEADLINE), contextlib.aclosing(live.follow(after, beat=_DEADLINE)) as changes:
        async for change in changes:
            assert change is not None
            found.append(change)
            if len(found) == count:
                return found
    return found


async def case(store: Store) -> Containment:
    return (await store.accept(draft(1), recheck=nothing)).containment


async def test_a_new_reader_is_told_to_load_and_then_all_that_follows() -> None:
    live = Live(lambda: START)
    live.publish(device(1))
    reading = asyncio.create_task(read(live, 3))
    await until_readers(live)
    live.publish(device(2))
    live.publish(device(3))
    reset, *changes = await reading
    assert (reset.kind, reset.subject, reset.at) == (ChangeKind.RESET, None, START)
    assert [change.subject for change in changes] == [device(2), device(3)]
    assert live.readers == 0


async def test_whoever_comes_back_misses_nothing_and_hears_nothing_twice() -> None:
    live = Live(kept=8)
    (reset,) = await read(live, 1)
    for number in range(8):
        live.publish(device(number))
    first = await read(live, 3, reset.id)
    rest = await read(live, 5, first[-1].id)
    assert [change.subject for change in first + rest] == [device(number) for number in range(8)]


async def test_whoever_comes_back_too_late_is_told_so() -> None:
    live = Live(kept=8)
    (reset,) = await read(live, 1)
    for number in range(9):
        live.publish(device(number))
    again, after = await _two(live, reset.id)
    assert again.kind is ChangeKind.RESET
    assert after.subject == device(10)


async def _two(live: Live, after: str) -> list[Change]:
    reading = asyncio.create_task(read(live, 2, after))
    await until_readers(live)
    await asyncio.sleep(0.01)
    live.publish(device(10))
    return await reading


@pytest.mark.parametrize(
    "after", ["other-1", "here-2", "here-", "here--1", "here-x", "here-\u0661", "", "-", "here-" + "9" * 40]
)
async def test_a_place_that_is_not_in_this_history_is_a_reset(after: str) -> None:
    live = Live(name="here")
    live.publish(device(1))
    (reset,) = await read(live, 1, after)
    assert (reset.kind, reset.id) == (ChangeKind.RESET, "here-1")


async def test_a_slow_reader_holds_nobody_up_and_is_reset_once() -> None:
    live = Live(kept=16)
    slow = live.follow(None, beat=_DEADLINE)
    await anext(slow)
    for number in range(10_000):
        live.publish(device(number))
    assert len(live._changes) == 16
    reset = await anext(slow)
    assert reset is not None
    assert reset.kind is ChangeKind.RESET
    live.publish(device(-1))
    change = await anext(slow)
    assert change is not None
    assert change.subject == device(-1)
    await slow.aclose()


async def test_silence_shows_as_a_beat_and_closing_ends_all_at_once() -> None:
    live = Live()
    stream = live.follow(None, beat=0.01)
    await anext(stream)
    assert await anext(stream) is None
    waiting = asyncio.create_task(read(live, 2))
    await until_readers(live, 2)
    live.close()
    assert len(await waiting) <= 1
    assert await anext(stream, "ended") == "ended"
    assert await read(live, 1) == []


async def test_there_are_only_so_many_readers() -> None:
    live = Live()
    streams = [live.follow(None, beat=1, reader=f"token {number}") for number in range(READERS_MOST)]
    for stream in streams:
        await anext(stream)
    with pytest.raises(Conflict, match="close some"):
        await anext(live.follow(None, beat=1, reader="another"))
    for stream in streams:
        await stream.aclose()
    assert live.readers == 0


async def test_one_token_cannot_take_all_streams() -> None:
    live = Live()
    streams = [live.follow(None, beat=1, reader="greedy") for _ in range(READERS_OF_ONE)]
    for stream in streams:
        await anext(stream)
    with pytest.raises(Conflict, match="with this token"):
        await anext(live.follow(None, beat=1, reader="greedy"))
    other = live.follow(None, beat=1, reader="other")
    assert await anext(other) is not None
    await other.aclose()
    await streams.pop().aclose()
    again = live.follow(None, beat=1, reader="greedy")
    assert await anext(again) is not None
    for stream in (*streams, again):
        await stream.aclose()
    assert live.readers == 0


async def test_a_request_that_was_overtaken_by_its_outcome_is_not_told_after_it(store: Store) -> None:
    live = Live()
    (reset,) = await read(live, 1)
    requested = await case(store)
    installed = replace(requested, outcome=Outcome.INSTALLED)
    live.publish(installed)
    live.accepted(requested)
    live.publish(replace(requested, revision=0))
    live.accepted(replace(requested, revision=2))
    told = [change.subject for change in await read(live, 2, reset.id)]
    assert told == [installed, replace(requested, revision=2)]


async def test_what_is_known_of_containments_goes_with_what_was_told_of_them(store: Store) -> None:
    live = Live(kept=4)
    requested = await case(store)
    for number in range(100):
        live.publish(replace(requested, id=f"c-{number}"))
    assert len(live._known) == 4
