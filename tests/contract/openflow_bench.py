"""The contract suite's bench for the OpenFlow driver: a real Open vSwitch, real frames, and a session that is really cut."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from drivers.base import Change, DeviceUnreachable, Driver, PreState
from drivers.openflow import bundle, wire
from drivers.openflow.driver import OpenFlowDriver, device_id
from drivers.openflow.flows import COOKIE_MARK, COOKIE_MASK
from drivers.openflow.link import SpeakerLink
from drivers.rules import Mac, PortName, RuleSet
from labs.cut import Cut
from tests.contract.bench import DEADLINE, Station, Traffic
from tests.contract.wires import Wires
from tests.openflow_lab import Net, Speaker, running_speaker, start_net, until

HOSTS = 5  # three stations, and two for `Wires`
THEIR_FLOW = "cookie=0x77,table=0,priority=50000,dl_type=0x88b6"
THEIR_GROUP = "group_id=7"


@dataclass
class Lab:
    """What all tests share, since it takes seconds to start. `pristine` is the switch's whole state once it was converged to nothing,
    `before` what its ports were before us."""

    speaker: Speaker
    cut: Cut
    net: Net
    pristine: object = None
    before: PreState | None = None

    @asynccontextmanager
    async def bench(self) -> AsyncIterator[OpenFlowBench]:
        """A bench on a switch that was converged to nothing. So it is once more after the test, and then nothing may be left over."""
        link = SpeakerLink(self.speaker.socket)
        await link.start()
        bench = OpenFlowBench(self, link)
        try:
            await bench.empty()
            self.pristine = self.pristine or self.net.whole()
            yield bench
            await bench.empty()
            assert (left := self.net.whole()) == self.pristine, f"converging to nothing left something behind: {left}"
        except BaseException:
            self.net.ofctl("del-flows")  # one test's failure is not the next one's
            self.net.ofctl("del-groups")
            raise
        finally:
            await bench.driver.close()
            bench.wires.close()
            await link.close()


@contextmanager
def running_lab(folder: Path, runtime: str) -> Iterator[Lab]:
    with running_speaker(folder, runtime) as speaker, Cut(speaker.port) as cut:
        net = start_net(cut.port, HOSTS, switches=1)
        try:
            for host in net.mininet.hosts:
                host.cmd("sysctl -qw net.ipv4.conf.all.arp_ignore=8")  # what a test sends is all that is on the wires
            yield Lab(speaker, cut, net)
        finally:
            net.mininet.stop()


class OpenFlowBench:
    """The driver's messages pass a `Cut`; what somebody else does to the switch goes by ovs-ofctl."""

    flag: str | None = "no_fwd"

    def __init__(self, lab: Lab, link: SpeakerLink) -> None:
        self._lab, self._net, self._cut = lab, lab.net, lab.cut
        self._dpid, self._settled = lab.net.dpids[0], -1
        self.wires = Wires(lab.net.mininet.hosts)
        self.driver: Driver = OpenFlowDriver(device_id(self._dpid), self._dpid, link)
        self.rogue, self.neighbour, self.bystander = (self._station(number) for number in (1, 2, 3))

    def _station(self, number: int) -> Station:
        port, mac = PortName(self._net.port(number)), Mac(f"02:00:00:00:00:{number:02x}")
        return Station(port, mac, IPv4Address(f"10.0.0.{number}"))

    async def empty(self) -> None:
        """Reachable, cables plugged, nobody else's configuration, and converged to no rules."""
        if not self._cut.whole:
            await self.restore_session()
        self._cut.mend()
        if not await self._all_up():
            for station in (self.rogue, self.neighbour, self.bystander):
                await self.set_link(station.port, True)
            await until("ports that are up", self._all_up)
        self._net.ofctl("del-flows", "cookie=0x77/-1")
        self._net.ofctl("del-groups", THEIR_GROUP)
        self._net.ofctl("mod-port", self.rogue.port, "packet-in")
        observed = await self.driver.observe()
        if self._lab.before is None:
            self._lab.before = PreState({name: port.settings for name, port in observed.ports.items()})
        await self.driver.apply(self.driver.render(RuleSet(), observed, self._lab.before), DEADLINE)

    async def _all_up(self) -> bool:
        interfaces = (await self.driver.facts()).interfaces
        return len(interfaces) == HOSTS and all(interface.up for interface in interfaces)

    async def delivers(self, src: Station, dst: Station, traffic: Traffic) -> bool:
        self._settle()
        return self.wires.delivers(src, dst, traffic)

    def _settle(self) -> None:
        """A barrier is answered before Open vSwitch has renewed its cache of decisions: up to then, frames go as they went before. A test
        asks what holds after that, so the cache is thrown away; a frame's way through shows that the switch works by the new state."""
        if self._settled != self._cut.changes:
            subprocess.run(["ovs-appctl", "revalidator/purge"], check=True, capture_output=True, timeout=10)
            self.wires.tick()
            self._settled = self._cut.changes

    async def whole_state(self) -> object:
        return self._net.whole()

    async def lose_session(self) -> None:
        self._cut.sever()
        await until("end of the session", self._is_lost)

    async def _is_lost(self) -> bool:
        try:
            await self.driver.facts()
        except DeviceUnreachable:
            return True
        return False

    async def restore_session(self) -> None:
        self._cut.mend()
        self._net.vsctl("del-controller", self._net.switches[0])  # set anew, it is tried at once
        self._net.vsctl("set-controller", self._net.switches[0], f"tcp:127.0.0.1:{self._cut.port}")
        await until("session", self.driver.facts)

    def cut_points(self, change: Change) -> Sequence[int]:
        encoded = [wire.encode(message) for message in change.messages if message["kind"] != "absent"]
        return range(len(bundle.sequence(encoded, 1)[0]) + 1)

    async def cut_after(self, messages: int) -> None:
        self._cut.sever_after(messages)

    async def wipe(self) -> None:
        self._by_hand("del-flows", f"cookie={COOKIE_MARK:#x}/{COOKIE_MASK:#x}")
        for station in (self.rogue, self.neighbour, self.bystander):
            self._by_hand("mod-port", station.port, "forward")

    async def foreign(self) -> None:
        """A flow in a table of ours and one in a table of their own, a group, and another flag of a port that we would set one of."""
        self._by_hand("add-flow", f"{THEIR_FLOW},actions=drop")
        self._by_hand("add-flow", "cookie=0x77,table=9,priority=1,actions=normal")
        self._by_hand("add-group", f"{THEIR_GROUP},type=all,bucket=actions=output:2")
        self._by_hand("mod-port", self.rogue.port, "no-packet-in")

    async def set_flag(self, port: PortName, on: bool) -> None:
        self._by_hand("mod-port", port, "no-forward" if on else "forward")

    async def set_link(self, port: PortName, up: bool) -> None:
        host = self._net.host(int(port.rpartition("eth")[2]))
        host.cmd(f"ip link set {host.defaultIntf()} {'up' if up else 'down'}")

    def _by_hand(self, command: str, *arguments: str) -> None:
        self._net.ofctl(command, *arguments)
        self._settled = -1
