"""One suite for every driver. A driver takes part by a `Bench` (see `bench.py`) that the fixture `bench` gives."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.contract.bench import Bench, Loop
from tests.contract.memory_bench import MemoryBench
from tests.contract.openflow_bench import Lab, running_lab


@pytest.fixture(params=["memory", pytest.param("openflow", marks=pytest.mark.mininet)])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if request.param == "openflow":
        lab: Lab = request.getfixturevalue("openflow_lab")
        async with lab.bench() as on_a_switch:
            yield on_a_switch
        return
    bench = MemoryBench()
    yield bench
    await bench.driver.close()


@pytest.fixture(scope="session")
def openflow_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("openflow")) as lab:
        yield lab


@pytest.fixture
async def memory_bench() -> AsyncIterator[MemoryBench]:
    bench = MemoryBench()
    yield bench
    await bench.driver.close()


@pytest.fixture
def loop(bench: Bench) -> Loop:
    return Loop(bench.driver)
