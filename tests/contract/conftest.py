"""One suite for every driver. A driver takes part by a `Bench` (see `bench.py`) that the fixture `bench` gives."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.bench import Bench, Loop
from tests.contract.memory_bench import MemoryBench


@pytest.fixture(params=["memory"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    bench = MemoryBench()
    yield bench
    await bench.driver.close()


@pytest.fixture
async def memory_bench() -> AsyncIterator[MemoryBench]:
    bench = MemoryBench()
    yield bench
    await bench.driver.close()


@pytest.fixture
def loop(bench: Bench) -> Loop:
    return Loop(bench.driver)
