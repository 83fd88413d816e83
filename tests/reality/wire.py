"""A random campus that stands in Mininet, and what really becomes of frames there."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from controller.network.graph import NetworkGraph
from drivers.base import PreState, UnsupportedAction
from drivers.openflow.driver import OpenFlowDriver, device_id
from drivers.openflow.link import SpeakerLink
from drivers.rules import Mac, RuleSet
from tests.openflow_lab import running_speaker, until
from tests.reality.cases import Case, Cases, Trial, stations_of
from tests.reality.evaluator import disagreements
from tests.reality.frames import number_of
from topologies.network import RunningNetwork, running
from topologies.random_campus import random_campus

CLONE_NEWNET = 0x40000000
PATIENCE = 5.0
QUIET = 0.02
"""Seconds without a frame of ours after which a case counts as over. Whatever came too late for it is tried again."""
PAUSES = (0.2, 0.2, 11.0)
"""Seconds before each further try. In the last one Open vSwitch forgets decisions that nobody used (10 s): 3.1.0 may hold on to an old
one for as long as frames come (decision 0013), and what agrees only then is counted as that."""
OUTGOING = 4
"""PACKET_OUTGOING, packet(7): what the host itself sends."""


class Refused(Exception):
    """The driver refuses the plan, in its own words: no case."""


@dataclass
class Campus:
    """The network with a driver for each switch. `sockets` are of the hosts' own interfaces, whatever namespace they are in."""

    cases: Cases
    drivers: dict[str, OpenFlowDriver]
    baselines: dict[str, PreState]
    sockets: dict[str, socket.socket]

    async def install(self, case: Case) -> None:
        """Every switch holds what the case says, and nothing else. Raises Refused before anything is sent."""
        changes = {}
        for device, driver in self.drivers.items():
            wanted = case.rules.get(device, RuleSet())
            try:
                changes[device] = driver.render(wanted, await driver.observe(), self.baselines[device])
            except UnsupportedAction as why:
                raise Refused(str(why)) from why
        for device, change in changes.items():
            receipt = await self.drivers[device].apply(change, 10)
            assert not receipt.refused, receipt.refused

    async def judge(self, case: Case) -> list[Trial]:
        """Try everything; gives what evaluator and network still disagree about when tried again and again, each by itself."""
        self._send(case, case.trials)
        for pause in PAUSES:
            wrong = disagreements(case)
            if not wrong:
                return []
            await asyncio.sleep(pause)
            self._drain(case)
            for trial in wrong:
                case.arrived.discard(trial.number)
                case.trials.remove(trial)
            anew = [self.cases.again(trial) for trial in wrong]
            case.trials.extend(anew)
            case.old_decisions = len(anew) if pause is PAUSES[-1] else 0
            self._send(case, anew)
        wrong = disagreements(case)
        case.old_decisions -= len(wrong)
        return wrong

    def _send(self, case: Case, trials: list[Trial]) -> None:
        """Until all came that should, or time is over; then until nothing more comes."""
        for trial in trials:
            self.sockets[trial.source.host].send(trial.octets)
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends and self._missing(case, trials):
            self._drain(case)
            time.sleep(0.002)
        while self._drain(case):
            time.sleep(QUIET)

    def _missing(self, case: Case, trials: list[Trial]) -> bool:
        mine = {trial.number for trial in trials}
        return any(t.number in mine and t.number not in case.arrived for t in disagreements(case))

    def _drain(self, case: Case) -> int:
        """Note which trials' frames came out where they should. How many frames of ours came at all."""
        wanted = {trial.number: trial.to.host for trial in case.trials}
        came = 0
        for host, own in self.sockets.items():
            with suppress(BlockingIOError):
                while True:
                    octets, (_, _, kind, *_) = own.recvfrom(2048)
                    number = number_of(octets)
                    if number is None or kind == OUTGOING:
                        continue
                    came += 1
                    if wanted.get(number) == host:
                        case.arrived.add(number)
        return came


@asynccontextmanager
async def campus(seed: int, folder: Path) -> AsyncIterator[Campus]:
    """The network of this seed, learned by its switches, nothing contained."""
    with ExitStack() as stack:
        speaker = stack.enter_context(running_speaker(folder))
        network = stack.enter_context(running(random_campus(seed), speaker.port))
        link = SpeakerLink(speaker.socket)
        await link.start()
        drivers = {device_id(s.dpid): OpenFlowDriver(device_id(s.dpid), s.dpid, link) for s in network.plan.switches}
        try:
            baselines = {device: await _baseline(driver) for device, driver in drivers.items()}
            graph = await _known(network, drivers)
            stations = stations_of(network.plan)
            sockets = {host.name: stack.enter_context(_socket_in(network, host.name)) for host in network.plan.hosts}
            for station in stations:
                sockets[station.host].send(_hello(station.mac))
            yield Campus(Cases(seed, stations, graph), drivers, baselines, sockets)
        finally:
            for driver in drivers.values():
                await driver.close()
            await link.close()


async def _known(network: RunningNetwork, drivers: dict[str, OpenFlowDriver]) -> NetworkGraph:
    """By what the switches themselves say, cables included."""
    graph = NetworkGraph()

    async def cabled() -> bool:
        for driver in drivers.values():
            graph.learn(await driver.facts())
        return sum(len(node.links) for node in graph.devices.values()) == 2 * len(network.plan.links)

    await until("every cable", cabled, 60)
    return graph


async def _baseline(driver: OpenFlowDriver) -> PreState:
    """Its ports before us; then the pipeline stands, without which a switch tells of no cable."""
    state = await until("switch", driver.observe, 30)
    before = PreState({name: port.settings for name, port in state.ports.items()})
    await driver.apply(driver.render(RuleSet(), state, before), 10)
    return before


def _hello(mac: Mac) -> bytes:
    return b"\xff" * 6 + bytes.fromhex(mac.replace(":", "")) + b"\x88\xb5" + bytes(46)


@contextmanager
def _socket_in(network: RunningNetwork, host: str) -> Iterator[socket.socket]:
    """A packet socket belongs to the namespace in which it was made, whoever has it."""
    libc = ctypes.CDLL(None, use_errno=True)
    interface = network.plan.host(host).interface
    with open("/proc/self/ns/net") as home, open(f"/proc/{network.pids[host]}/ns/net") as there:
        if libc.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            own = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            own.bind((interface, 0))
        finally:
            if libc.setns(home.fileno(), CLONE_NEWNET):
                os._exit(70)  # nothing after this would be where it believes to be
    own.setblocking(False)
    with own:
        yield own
