"""A real sensor process in a network namespace, asking real hosts behind a real bridge, against the real desk over a Unix socket."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from fastapi import FastAPI, Header, HTTPException

from controller.discovery.desk import SensorDesk
from controller.discovery.probes import Kind, Probe, ProbeResult, ProbeTarget, SensorResults, SensorWork
from drivers.rules import Mac

pytestmark = [pytest.mark.mininet, pytest.mark.asyncio(loop_scope="module")]

PREFIX = f"ncs{os.getpid()}"
SENSOR, ROGUE, CONTROL, SWITCH = (f"{PREFIX}-{name}" for name in ("sensor", "rogue", "control", "switch"))
NUMBERS = {SENSOR: 1, ROGUE: 5, CONTROL: 6}
BEYOND = "10.99.0.1"  # behind the control host, which is the sensor's router
OPEN_PORT, CLOSED_PORT = 7007, 7008
TOKEN = "a-token-made-up-for-this-test"
ids = count()

ECHO = f"""
import socket, threading
tcp = socket.create_server(("", {OPEN_PORT}))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("", {OPEN_PORT}))
print("ready", flush=True)
while True:
    data, peer = udp.recvfrom(2048)
    udp.sendto(data, peer)
"""


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr.strip()}"


def mac(host: str) -> Mac:
    return Mac(f"02:00:00:00:00:{NUMBERS[host]:02x}")


def target(host: str, *, version: int = 4, with_mac: bool = True) -> ProbeTarget:
    address = f"10.0.0.{NUMBERS[host]}" if version == 4 else f"fd00::{NUMBERS[host]}"
    return ProbeTarget(ip=ip_address(address), mac=mac(host) if with_mac else None)


def plug_in(host: str) -> None:
    """The host's end is eth0; the switch's is called after the host's number."""
    port = f"p{NUMBERS[host]}"
    ip("netns", "add", host)
    ip("-n", SWITCH, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host)
    ip("-n", SWITCH, "link", "set", port, "master", "br0", "up")
    ip("-n", host, "link", "set", "lo", "up")
    ip("-n", host, "link", "set", "eth0", "address", mac(host))
    address_and_up(host)


def address_and_up(host: str) -> None:
    """Taking an interface down loses its IPv6 addresses."""
    ip("-n", host, "link", "set", "eth0", "up")
    ip("-n", host, "addr", "replace", f"10.0.0.{NUMBERS[host]}/24", "dev", "eth0")
    ip("-n", host, "addr", "replace", f"fd00::{NUMBERS[host]}/64", "dev", "eth0", "nodad")


@pytest.fixture(scope="module")
def network() -> Iterator[None]:
    """Three hosts on one bridge; the rogue has an open TCP and UDP port."""
    services: list[subprocess.Popen[str]] = []
    try:
        ip("netns", "add", SWITCH)
        ip("-n", SWITCH, "link", "add", "br0", "type", "bridge")
        ip("-n", SWITCH, "link", "set", "br0", "up")
        for host in NUMBERS:
            plug_in(host)
        ip("-n", CONTROL, "addr", "add", f"{BEYOND}/32", "dev", "lo")
        ip("-n", SENSOR, "route", "add", "default", "via", f"10.0.0.{NUMBERS[CONTROL]}")
        command = ["ip", "netns", "exec", ROGUE, sys.executable, "-c", ECHO]
        services.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert services[0].stdout is not None
        assert services[0].stdout.readline() == "ready\n"
        yield
    finally:
        for service in services:
            service.kill()
            service.communicate(timeout=5)
        for name in (*NUMBERS, SWITCH):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=20, check=False)


class Daemon:
    """What the API does for sensors: the desk behind two routes on a Unix socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.desk = SensorDesk(time.time)

    def routes(self) -> FastAPI:
        app, desk = FastAPI(), self.desk

        def check(authorization: str) -> None:
            if authorization != f"Bearer {TOKEN}":
                raise HTTPException(401)

        @app.get("/api/v1/sensors/{name}/work")
        async def work(name: str, wait: float, authorization: str = Header()) -> SensorWork:
            check(authorization)
            return await desk.work(name, wait)

        @app.post("/api/v1/sensors/{name}/results", status_code=204)
        async def results(name: str, body: SensorResults, authorization: str = Header()) -> None:
            check(authorization)
            desk.post(name, body)

        return app

    async def start(self) -> None:
        config = uvicorn.Config(self.routes(), uds=str(self.path), log_level="warning", lifespan="off")
        self._server = uvicorn.Server(config)
        self._serving = asyncio.create_task(self._server.serve())
        await until(lambda: self._server.started, "the API never started")

    async def stop(self) -> None:
        self.desk.close()
        self._server.should_exit = True
        await asyncio.wait_for(self._serving, 15)


async def until(condition: Callable[[], object], complaint: str, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, complaint
        await asyncio.sleep(0.01)


async def start_sensor(path: Path, name: str = "s1") -> asyncio.subprocess.Process:
    command = ["ip", "netns", "exec", SENSOR, sys.executable, "-c"]
    program = "from controller.cli.sensor import sensor_app; sensor_app()"
    arguments = ["run", "--name", name, "--interface", "eth0", "--url", f"unix:{path}"]
    return await asyncio.create_subprocess_exec(
        *command,
        program,
        *arguments,
        env={**os.environ, "NETCORDON_TOKEN": TOKEN},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def stop_sensor(process: asyncio.subprocess.Process) -> str:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    output, _ = await asyncio.wait_for(process.communicate(), 5)
    return output.decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(network: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """With one sensor, s1, that lives through all tests here."""
    daemon = Daemon(tmp_path_factory.mktemp("sensor") / "api.sock")
    await daemon.start()
    process = await start_sensor(daemon.path)
    try:
        await until(lambda: [v for v in daemon.desk.sensors() if v.live and v.interface], "the sensor never came")
        yield daemon
    finally:
        output = await stop_sensor(process)
        await daemon.stop()
        assert process.returncode == 0, output
        assert TOKEN not in output


async def ask(daemon: Daemon, who: ProbeTarget, *kinds: Kind, **more: Any) -> ProbeResult:
    probe = Probe(**{"id": f"p{next(ids)}", "target": who, "kinds": kinds, "timeout": 0.5, **more})
    results = await daemon.desk.probe(probe, timeout=probe.duration + 3)
    assert len(results) == 1, f"no result came for {probe}"
    return results[0]


def fates(answers: list[Any]) -> dict[str, bool]:
    return {answer.kind: answer.answered_at is not None for answer in answers}


@pytest.fixture
def rogue_down(network: None) -> Iterator[None]:
    ip("-n", ROGUE, "link", "set", "eth0", "down")
    yield
    address_and_up(ROGUE)


@pytest.mark.parametrize("port", [OPEN_PORT, CLOSED_PORT])
@pytest.mark.parametrize("with_mac", [True, False])
async def test_a_live_host_answers_every_kind_of_question(daemon: Daemon, port: int, with_mac: bool) -> None:
    who = target(ROGUE, with_mac=with_mac)
    result = await ask(daemon, who, "arp", "icmp", "tcp", "udp", tcp_port=port, udp_port=port)
    assert fates(result.answers) == {"arp": True, "icmp": True, "tcp": True, "udp": True}
    assert all(answer.sent_at <= (answer.answered_at or 0) < answer.sent_at + 0.5 for answer in result.answers)
    assert not result.trouble


@pytest.mark.parametrize("with_mac", [True, False])
async def test_a_live_host_answers_over_ipv6(daemon: Daemon, with_mac: bool) -> None:
    who = target(ROGUE, version=6, with_mac=with_mac)
    result = await ask(daemon, who, "nd", "icmp", "tcp", "udp", tcp_port=CLOSED_PORT, udp_port=CLOSED_PORT)
    assert fates(result.answers) == {"nd": True, "icmp": True, "tcp": True, "udp": True}


async def test_a_host_whose_link_is_down_is_silent_while_the_control_answers(daemon: Daemon, rogue_down: None) -> None:
    for version, neighbour in ((4, "arp"), (6, "nd")):
        who, control = target(ROGUE, version=version), target(CONTROL, version=version)
        kinds: tuple[Any, ...] = (neighbour, "icmp", "tcp", "udp")
        result = await ask(daemon, who, *kinds, control=control, count=2, timeout=0.1)
        assert result.silent, result
        assert [answer.answered_at for answer in result.answers] == [None] * 8
        assert fates(result.control_answers) == dict.fromkeys(kinds, True)
        assert result.ended_at - result.started_at >= 0.15


async def test_a_target_without_a_mac_is_silent_when_nobody_answers_for_it(daemon: Daemon, rogue_down: None) -> None:
    result = await ask(daemon, target(ROGUE, with_mac=False), "icmp", "tcp", timeout=0.1)
    assert result.silent
    assert len(result.answers) == 2


async def test_an_answer_of_another_host_does_not_count(daemon: Daemon, rogue_down: None) -> None:
    """The control host takes the rogue's address: it answers for the address, and never as the rogue."""
    ip("-n", CONTROL, "addr", "add", f"10.0.0.{NUMBERS[ROGUE]}/24", "dev", "eth0")
    ip("-n", CONTROL, "addr", "add", f"fd00::{NUMBERS[ROGUE]}/64", "dev", "eth0", "nodad")
    try:
        for version, neighbour in ((4, "arp"), (6, "nd")):
            kinds: tuple[Any, ...] = (neighbour, "icmp", "tcp")
            impostor = await ask(daemon, target(ROGUE, version=version, with_mac=False), *kinds, timeout=0.1)
            rogue = await ask(daemon, target(ROGUE, version=version), *kinds, timeout=0.1)
            assert impostor.answered
            assert rogue.silent
    finally:
        ip("-n", CONTROL, "addr", "del", f"10.0.0.{NUMBERS[ROGUE]}/24", "dev", "eth0")
        ip("-n", CONTROL, "addr", "del", f"fd00::{NUMBERS[ROGUE]}/64", "dev", "eth0")


async def test_an_address_beyond_the_link_is_asked_through_the_router(daemon: Daemon) -> None:
    result = await ask(daemon, ProbeTarget(ip=ip_address(BEYOND)), "icmp", "tcp", timeout=0.3)
    assert fates(result.answers) == {"icmp": True, "tcp": True}
    nowhere = await ask(daemon, ProbeTarget(ip=ip_address("fd99::9")), "icmp", timeout=0.1)
    assert not nowhere.silent
    assert "no IPv6 route" in nowhere.trouble


async def test_the_baseline_tells_who_answered_when(daemon: Daemon) -> None:
    hosts = [target(ROGUE), target(CONTROL), target(ROGUE, version=6)]
    dead = ProbeTarget(ip=ip_address("10.0.0.77"))
    began = time.time()
    daemon.desk.set_baseline([*hosts, dead], 0.2)
    try:
        await until(lambda: all((daemon.desk.last_answer(one.ip) or 0) > began for one in hosts), "no baseline came")
        assert daemon.desk.last_answer(dead.ip) is None
        assert daemon.desk.last_answer(mac(CONTROL)) is not None
        ip("-n", ROGUE, "link", "set", "eth0", "down")
        down = time.time()
        await until(lambda: (daemon.desk.last_answer(mac(CONTROL)) or 0) > down + 0.5, "the baseline stopped")
        assert (daemon.desk.last_answer(mac(ROGUE)) or 0) <= down
    finally:
        daemon.desk.set_baseline([], 2)
        address_and_up(ROGUE)


async def test_frames_of_a_watched_mac_are_witnessed(daemon: Daemon) -> None:
    desk, began = daemon.desk, time.time()
    desk.watch([mac(ROGUE)])
    try:
        # What the rogue says to us in answer to a probe is on our desk with the probe's result.
        await ask(daemon, target(ROGUE), "icmp")
        assert ("s1", "icmp") in [(name, frame.kind) for name, frame in desk.seen_since(mac(ROGUE), began)]
        began = time.time()
        command = ["ip", "netns", "exec", ROGUE, "ping", "-b", "-c", "1", "-W", "1", "10.0.0.255"]
        await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=10, check=False)

        def its_broadcast() -> list[float]:
            """Not what its kernel says by itself, by IPv6 for example."""
            seen = [frame for _, frame in desk.seen_since(mac(ROGUE), began)]
            return [frame.at for frame in seen if (frame.kind, frame.ip) == ("icmp", target(ROGUE).ip)]

        await until(its_broadcast, "the broadcast was not witnessed")
        assert began <= its_broadcast()[0] <= time.time()
        assert desk.seen_since(mac(CONTROL), 0) == []
    finally:
        desk.unwatch([mac(ROGUE)])


@pytest.mark.parametrize(
    ("namespace", "port", "reason"), [(SENSOR, "eth0", "is down"), (SWITCH, "p1", "has no carrier")]
)
async def test_a_deaf_sensor_says_so_and_hears_again(daemon: Daemon, namespace: str, port: str, reason: str) -> None:
    """Its own silence must never pass for the target's."""
    ip("-n", namespace, "link", "set", port, "down")
    try:
        await until(lambda: reason in daemon.desk.sensors()[0].trouble, f"it never said that its interface {reason}")
        result = await ask(daemon, target(ROGUE), "arp", control=target(CONTROL), timeout=0.1)
        assert not result.silent
        assert reason in result.trouble
    finally:
        ip("-n", namespace, "link", "set", port, "up")
        address_and_up(SENSOR)
        ip("-n", SENSOR, "route", "replace", "default", "via", f"10.0.0.{NUMBERS[CONTROL]}")
    await until(lambda: not daemon.desk.sensors()[0].trouble, "it never heard again")
    assert (await ask(daemon, target(ROGUE), "arp")).answered


async def test_a_link_that_dies_in_the_middle_of_a_probe_is_no_silence(daemon: Daemon, rogue_down: None) -> None:
    asking = asyncio.create_task(ask(daemon, target(ROGUE), "arp", count=2, interval=0.3, timeout=0.3))
    await asyncio.sleep(0.1)
    try:
        ip("-n", SWITCH, "link", "set", "p1", "down")
        result = await asking
        assert not result.silent
        assert "no carrier" in result.trouble
    finally:
        ip("-n", SWITCH, "link", "set", "p1", "up")
        await until(lambda: not daemon.desk.sensors()[0].trouble, "it never heard again")


async def test_a_sensor_waits_for_a_daemon_that_is_away(daemon: Daemon) -> None:
    await daemon.stop()
    await asyncio.sleep(0.5)
    daemon.desk = SensorDesk(time.time)
    await daemon.start()
    await until(lambda: [v for v in daemon.desk.sensors() if v.live], "the sensor never came back")
    assert (await ask(daemon, target(ROGUE), "arp")).answered


async def test_how_long_a_probe_takes(daemon: Daemon, record_property: Callable[[str, object], None]) -> None:
    """Reported, and held only to what would mean that a probe waits for something it should not."""
    whole, there, asking, wire = [], [], [], []
    for _ in range(100):
        began = time.time()
        result = await ask(daemon, target(ROGUE), "arp", control=target(CONTROL))
        assert result.answered
        assert result.control_answered
        whole.append(1000 * (time.time() - began))
        there.append(1000 * (result.started_at - began))
        asking.append(1000 * (result.ended_at - result.started_at))
        wire.append(1000 * max((a.answered_at or 0) - a.sent_at for a in result.answers))
    figures = {"median": statistics.median(whole), "p99": sorted(whole)[98], "to the sensor": statistics.median(there)}
    figures |= {"asking": statistics.median(asking), "on the wire": statistics.median(wire)}
    for name, value in figures.items():
        record_property(f"ARP probe, queue to result, {name}, ms", round(value, 2))
    print("ARP probe from queue to result, ms:", {name: round(value, 2) for name, value in figures.items()})  # noqa: T201
    assert figures["median"] < 100


async def test_a_sensor_that_cannot_begin_says_why(network: None, tmp_path: Path) -> None:
    program = "from controller.discovery.sensor import main; import sys; main(*sys.argv[1:])"
    command = ["ip", "netns", "exec", SENSOR, sys.executable, "-c", program, f"unix:{tmp_path}/none", TOKEN]
    for name, interface, reason in (("s 2", "eth0", "not a sensor's name"), ("s2", "eth9", "no interface 'eth9'")):
        full = [*command, name, interface]
        done = await asyncio.to_thread(subprocess.run, full, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 1
        assert reason in done.stderr.splitlines()[-1]
