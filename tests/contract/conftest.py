"""One suite for every driver. A driver takes part by a `Bench` (see `bench.py`) that the fixture `bench` gives."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest

from drivers.netmiko_cli.options import CiscoIosOptions
from tests.contract.bench import Bench, Loop
from tests.contract.eos_bench import EosLab, running_eos
from tests.contract.ios_bench import IosLab, running_ios
from tests.contract.junos_bench import JunosLab, running_junos
from tests.contract.linux_bench import LinuxLab, running_linux
from tests.contract.memory_bench import MemoryBench
from tests.contract.nxos_bench import NxosLab, running_nxos
from tests.contract.openflow_bench import Lab, running_lab
from tests.contract.ovs_bench import OvsLab, running_ovs
from tests.openflow_lab import RUNTIMES

CONFIGURED = ("eos", "ios", "cisco_ios", "junos", "nxos", "linux", "ovs")
ON_REAL_SWITCHES = (*CONFIGURED, *(f"openflow-{name}" for name in RUNTIMES))


@pytest.fixture(params=["memory", *(pytest.param(name, marks=pytest.mark.mininet) for name in ON_REAL_SWITCHES)])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if request.param in CONFIGURED:
        configured: EosLab | IosLab | JunosLab | LinuxLab | NxosLab | OvsLab = request.getfixturevalue(
            f"{request.param}_lab"
        )
        async with configured.bench() as on_one:
            yield on_one
        return
    if request.param != "memory":
        lab: Lab = request.getfixturevalue("labs")(request.param.removeprefix("openflow-"))
        async with lab.bench() as on_a_switch:
            yield on_a_switch
        return
    bench = MemoryBench()
    yield bench
    await bench.driver.close()


@pytest.fixture(scope="session")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Lab]]:
    """The lab of a runtime, started when it is first asked for."""
    with ExitStack() as stack:
        running: dict[str, Lab] = {}

        def lab(runtime: str) -> Lab:
            if runtime not in running:
                running[runtime] = stack.enter_context(running_lab(tmp_path_factory.mktemp(runtime), runtime))
            return running[runtime]

        yield lab


@pytest.fixture(scope="session")
def eos_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EosLab]:
    with running_eos(tmp_path_factory.mktemp("eos")) as lab:
        yield lab


@pytest.fixture(scope="session")
def ios_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IosLab]:
    with running_ios(tmp_path_factory.mktemp("ios")) as lab:
        yield lab


@pytest.fixture(scope="session")
def cisco_ios_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IosLab]:
    with running_ios(tmp_path_factory.mktemp("cisco_ios"), kind=CiscoIosOptions) as lab:
        yield lab


@pytest.fixture(scope="session")
def junos_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JunosLab]:
    with running_junos(tmp_path_factory.mktemp("junos")) as lab:
        yield lab


@pytest.fixture(scope="session")
def nxos_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NxosLab]:
    with running_nxos(tmp_path_factory.mktemp("nxos")) as lab:
        yield lab


@pytest.fixture(scope="session")
def linux_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinuxLab]:
    with running_linux(tmp_path_factory.mktemp("linux")) as lab:
        yield lab


@pytest.fixture(scope="session")
def ovs_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OvsLab]:
    with running_ovs(tmp_path_factory.mktemp("ovs")) as lab:
        yield lab


@pytest.fixture
async def memory_bench() -> AsyncIterator[MemoryBench]:
    bench = MemoryBench()
    yield bench
    await bench.driver.close()


@pytest.fixture
def loop(bench: Bench) -> Loop:
    return Loop(bench.driver)
