"""The daemon killed (SIGKILL) at the moments that matter: what was acknowledged holds, what was not is whole or not there, nothing is
there twice. Killed right after its answer: see `tests/mininet/test_daemon_restart.py`."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from controller.client import Address, Client
from controller.roles import Role
from labs.wiring import doubled
from tests.mininet.estate import Estate, estate, ofctl
from tests.mininet.served import until
from topologies.campus import campus
from topologies.network import vsctl
from topologies.plan import Host

pytestmark = [pytest.mark.mininet, pytest.mark.fault]


@pytest.fixture(scope="module")
def standing() -> Iterator[Estate]:
    with estate(campus(), keep=True) as up:
        yield up


@pytest.fixture
def site(standing: Estate) -> Iterator[Estate]:
    standing.repair()
    standing.known()
    yield standing
    standing.repair()
    standing.tidy()


def named(host: Host) -> list[str]:
    """The flows of the host's switch that name its port."""
    return [
        line for line in ofctl("dump-flows", host.switch, f"in_port={host.port}").splitlines() if "actions=" in line
    ]


def held(site: Estate) -> list[str]:
    return sorted(case.id for case in site.netcordon.operator.containments() if case.want == "held")


def asked_for(site: Estate) -> int:
    """Containments that the audit log ever had."""
    return sum(record.action == "contain" for record in site.netcordon.operator.audit_records(limit=1000))


def twice(site: Estate) -> list[str]:
    return [line for switch in site.net.plan.switches for line in doubled(switch.name)]


def test_killed_before_the_commit_nothing_of_it_is_there(site: Estate) -> None:
    """Somebody else holds the database's write lock: the request waits for it when the daemon dies."""
    camera, served = site.host("camera"), site.netcordon
    address = Address(f"unix:{served.places.api_socket}", served.tokens[Role.OPERATOR])
    with (
        site.stream("camera", "pc1") as stream,
        ThreadPoolExecutor(1) as pool,
        closing(sqlite3.connect(served.places.folder / "netcordon.db", isolation_level=None)) as other,
        closing(Client.connect(address)) as asking,
    ):
        before = asked_for(site)
        other.execute("BEGIN IMMEDIATE")
        asked = pool.submit(asking.contain, str(camera.ip), reason="a test")
        for _ in range(3):
            served.operator.locate(str(camera.ip))
        assert not asked.done()
        served.end(signal.SIGKILL)
        other.execute("ROLLBACK")
        assert asked.exception(30) is not None
        served.start()
        until("the switches", lambda: all(one.up and one.converged for one in served.operator.devices()))
        assert held(site) == []
        assert asked_for(site) == before
        assert named(camera) == []
        stream.runs()


def test_killed_between_two_switches_pushes_both_are_held_after(site: Estate) -> None:
    camera, other = site.host("camera"), site.host("pc3")
    with site.stream("camera", "pc1") as first, site.stream("pc3", "pc1") as second:
        site.controller(other.switch, away=True)
        cases = [site.netcordon.contain(str(camera.ip), "installed", "proven"), site.netcordon.contain(str(other.ip))]
        site.netcordon.end(signal.SIGKILL)
        first.stops()
        second.runs()
        assert named(other) == []
        vsctl("set-controller", other.switch, site.address)
        site.netcordon.start()
        for case in cases:
            site.netcordon.outcome(case.id, "proven")
        second.stops()
        assert held(site) == sorted(case.id for case in cases)
        assert twice(site) == []


@pytest.mark.parametrize("push", ["on its way", "never sent"])
def test_killed_during_release_it_is_released_after(site: Estate, push: str) -> None:
    """`on its way`: the speaker has not read it yet when the daemon dies."""
    camera, speaker = site.host("camera"), site.netcordon.speaker()["pid"]
    with site.stream("camera", "pc1") as stream:
        case = site.netcordon.contain(str(camera.ip), "proven")
        stream.stops()
        if push == "never sent":
            site.controller(camera.switch, away=True)
        else:
            os.kill(speaker, signal.SIGSTOP)
        try:
            site.netcordon.operator.release(case.id, reason="a test")
            site.netcordon.end(signal.SIGKILL)
        finally:
            os.kill(speaker, signal.SIGCONT)
        if push == "never sent":
            with stream.silent():
                vsctl("set-controller", camera.switch, site.address)
        site.netcordon.start()
        site.netcordon.outcome(case.id, "removed")
        stream.runs()
        assert (held(site), named(camera), twice(site)) == ([], [], [])
        assert site.netcordon.went(case.id).count("removed") == 1
