"""A speaker and networks of its own for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.openflow.driver import OpenFlowDriver, device_id
from drivers.openflow.link import SpeakerLink
from tests.openflow_lab import RUNTIMES, Net, Speaker, running_speaker, start_net, until


@pytest.fixture(params=RUNTIMES)
def speaker(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Speaker]:
    """Each test that uses it, directly or not, runs on both runtimes."""
    with running_speaker(tmp_path, request.param) as speaker:
        yield speaker


@pytest.fixture
async def link(speaker: Speaker) -> AsyncIterator[SpeakerLink]:
    link = SpeakerLink(speaker.socket)
    await link.start()
    yield link
    await link.close()


@pytest.fixture
def make_net(speaker: Speaker) -> Iterator[Callable[..., Net]]:
    """`make_net(hosts, switches)`: see `start_net`; all are under the fixture's speaker."""
    made: list[Net] = []

    def make(hosts: int = 3, switches: int = 1) -> Net:
        made.append(start_net(speaker.port, hosts, switches))
        return made[-1]

    yield make
    for net in made:
        net.mininet.stop()


@pytest.fixture
async def drivers_of(link: SpeakerLink) -> AsyncIterator[Callable[[Net], Any]]:
    """`await drivers_of(net)`: a driver for each switch, once it is up."""
    made: list[OpenFlowDriver] = []

    async def drivers(net: Net) -> list[OpenFlowDriver]:
        found = [OpenFlowDriver(device_id(dpid), dpid, link) for dpid in net.dpids]
        made.extend(found)
        for driver in found:
            await until("switch", driver.facts)
        return found

    yield drivers
    for driver in made:
        await driver.close()
