"""The contract suite's bench for the Netmiko driver's platform ovs: an Open vSwitch bridge that forwards by itself, real
frames, a real sshd."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from drivers.base import Change, Driver
from drivers.netmiko_cli.driver import NetmikoDriver
from drivers.netmiko_cli.options import NetmikoOptions
from drivers.openflow.flows import COOKIE_MARK, COOKIE_MASK
from drivers.rules import Mac, PortName
from tests.contract.bench import Station, Traffic
from tests.contract.wires import Wires
from tests.openflow_lab import NAMES, Net, until
from tests.ssh_lab import Wire, cutting, known_hosts, running_sshd
from topologies.buffers import make_room

HOSTS = 5  # three stations, and two for `Wires`
CUTS = ("look", "half", "before", "after")
"""Where a push can lose its session: at the look that comes first, with half of the command sent, before the flows go to the switch (the
ports' flags did), after that."""
HALF = 40
"""Bytes of SSH, fewer than the shortest command has."""


@dataclass
class OvsLab:
    """What all tests share, since it takes seconds to start. The host that sshd runs on has the switch's files, as all here have."""

    net: Net
    node: Any
    wire: Wire
    fault: Path
    options: NetmikoOptions
    warm: NetmikoDriver | None = None

    def driver(self) -> NetmikoDriver:
        """One for all tests, with its session: a login takes longer than a test. Another once a test has closed it."""
        if self.warm is None or self.warm._closed.is_set():
            self.warm = NetmikoDriver("ovs-1", self.options)
        return self.warm

    @asynccontextmanager
    async def bench(self) -> AsyncIterator[OvsBench]:
        """A bench on a bridge without any flow but NORMAL. What a test left of ours is the test's own assertion."""
        bench = OvsBench(self)
        await bench.restore_session()
        bench.clear()
        try:
            yield bench
        finally:
            bench.wires.close()


@contextmanager
def running_ovs(folder: Path) -> Iterator[OvsLab]:
    from mininet.net import Mininet
    from mininet.node import OVSSwitch

    net = Mininet(controller=None, build=False)
    node, name = net.addHost(next(NAMES)), next(NAMES)
    net.addSwitch(name, cls=OVSSwitch, datapath="user", failMode="standalone")
    for number in range(1, HOSTS + 1):
        net.addHost(f"h{number}", ip=f"10.0.0.{number}/24", mac=f"02:00:00:00:00:{number:02x}")
        net.addLink(f"h{number}", name, port2=number)
    net.build()
    net.start()
    make_room()
    try:
        for number in range(1, HOSTS + 1):
            interface = f"{name}-eth{number}"
            net.get(f"h{number}").cmd("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv4.conf.all.arp_ignore=8")
            subprocess.run(["sysctl", "-qw", f"net.ipv6.conf.{interface}.disable_ipv6=1"], check=True)
        node.cmd("ip link set lo up")
        with running_sshd(node, folder, "127.0.0.1") as key, Wire(node.pid, ("127.0.0.1", 22)) as wire:
            options = NetmikoOptions(
                platform="ovs",
                host="127.0.0.1",
                port=wire.port,
                username="root",
                key_file=key,
                known_hosts=known_hosts(folder, wire.port),
                bridge=name,
                poll=0.2,
            )
            fault = cutting(node, folder, "ovs-ofctl", look=" dump-flows ", push=" --bundle ")
            lab = OvsLab(Net(net, [name], []), node, wire, fault, options)
            yield lab
            if lab.warm is not None:
                asyncio.run(lab.warm.close())
    finally:
        net.stop()


class OvsBench:
    """What somebody else does to the bridge, he types there."""

    flag: str | None = "no_fwd"

    def __init__(self, lab: OvsLab) -> None:
        self._lab, self._settled = lab, -1
        self.wires = Wires([lab.net.host(number) for number in range(1, HOSTS + 1)])
        self.driver: Driver = lab.driver()
        self.rogue, self.neighbour, self.bystander = (self._station(number) for number in (1, 2, 3))

    def _station(self, number: int) -> Station:
        mac = Mac(f"02:00:00:00:00:{number:02x}")
        return Station(PortName(self._lab.net.port(number)), mac, IPv4Address(f"10.0.0.{number}"))

    def clear(self) -> None:
        self._lab.net.ofctl("del-flows")
        self._lab.net.ofctl("add-flow", "priority=0,actions=normal")
        self._lab.net.ofctl("del-groups")
        if "NO_" in self._lab.net.ofctl("dump-ports-desc"):
            for station in (self.rogue, self.neighbour, self.bystander):
                self._lab.net.ofctl("mod-port", station.port, "forward")
                self._lab.net.ofctl("mod-port", station.port, "packet-in")

    async def delivers(self, src: Station, dst: Station, traffic: Traffic) -> bool:
        self._settle()
        return self.wires.delivers(src, dst, traffic)

    def _settle(self) -> None:
        """Open vSwitch renews its cache of decisions a little after it took a change: a test asks what holds after that."""
        if self._settled != self._lab.wire.up:
            subprocess.run(["ovs-appctl", "revalidator/purge"], check=True, capture_output=True, timeout=10)
            self._settled = self._lab.wire.up

    async def whole_state(self) -> object:
        return self._lab.net.whole()

    async def lose_session(self) -> None:
        self._lab.wire.sever()

    async def restore_session(self) -> None:
        self._lab.wire.mend()
        self._lab.fault.unlink(missing_ok=True)
        await until("session", self.driver.facts)

    def cut_points(self, change: Change) -> Sequence[int]:
        return range(len(CUTS))

    async def cut_after(self, messages: int) -> None:
        where = CUTS[messages]
        if where == "half":
            before = self._lab.wire.up
            await self.driver.observe()
            self._lab.wire.sever_after(self._lab.wire.up - before + HALF)
        else:
            self._lab.fault.write_text(where)

    async def wipe(self) -> None:
        self._lab.net.ofctl("del-flows", f"cookie={COOKIE_MARK:#x}/{COOKIE_MASK:#x}")
        for station in (self.rogue, self.neighbour, self.bystander):
            self._lab.net.ofctl("mod-port", station.port, "forward")
        self._settled = -1

    async def foreign(self) -> None:
        """Flows above and below ours, in our table and another, a group, and another flag of a port that we would set one of."""
        self._lab.net.ofctl("add-flow", "cookie=0x77,table=0,priority=65000,dl_type=0x88b6,actions=drop")
        self._lab.net.ofctl("add-flow", "cookie=0x77,table=0,priority=7,tcp,tp_dst=8080,actions=normal")
        self._lab.net.ofctl("add-flow", "cookie=0x77,table=9,priority=1,actions=normal")
        self._lab.net.ofctl("add-group", "group_id=7,type=all,bucket=actions=output:2")
        self._lab.net.ofctl("mod-port", self.rogue.port, "no-packet-in")
        self._settled = -1

    async def set_flag(self, port: PortName, on: bool) -> None:
        self._lab.net.ofctl("mod-port", port, "no-forward" if on else "forward")
        self._settled = -1

    async def set_link(self, port: PortName, up: bool) -> None:
        host = self._lab.net.host(int(port.rpartition("eth")[2]))
        host.cmd(f"ip link set {host.defaultIntf()} {'up' if up else 'down'}")
