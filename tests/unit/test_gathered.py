"""Calls of one turn of the event loop are served together, and answered each on its own."""

from __future__ import annotations

import asyncio

import pytest

from controller.random_names import RandomNames
from controller.store.gathered import Gathered


async def test_calls_of_one_turn_are_served_as_one_and_answered_each_on_its_own() -> None:
    served: list[list[int]] = []

    async def serve(every: list[int]) -> list[str | Exception]:
        served.append(every)
        await asyncio.sleep(0)
        return [ValueError(str(one)) if one == 2 else f"<{one}>" for one in every]

    together = Gathered(serve, most=3)
    answers = await asyncio.gather(*map(together.ask, range(5)), return_exceptions=True)
    assert served == [[0, 1, 2], [3, 4]]
    assert [str(one) for one in answers] == ["<0>", "<1>", "2", "<3>", "<4>"]
    assert isinstance(answers[2], ValueError)
    assert await together.ask(9) == "<9>"
    assert served[2:] == [[9]]


async def test_what_fails_as_a_whole_everybody_hears_and_one_who_went_away_nobody_minds() -> None:
    async def serve(every: list[int]) -> list[int | Exception]:
        await asyncio.sleep(0)
        if 0 in every:
            raise OSError("gone")
        return list(every)

    together = Gathered(serve, most=10)
    answers = await asyncio.gather(*map(together.ask, range(2)), return_exceptions=True)
    assert [type(one) for one in answers] == [OSError, OSError]
    leaving, staying = asyncio.ensure_future(together.ask(1)), asyncio.ensure_future(together.ask(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == 2
    with pytest.raises(asyncio.CancelledError):
        await leaving


def test_random_names_are_64_bits_each_and_none_comes_twice() -> None:
    names = RandomNames()
    drawn = [names.fresh() for _ in range(2000)]
    assert len(set(drawn)) == len(drawn)
    assert {len(name) for name in drawn} == {16}
    assert all(int(name, 16) >= 0 for name in drawn)
