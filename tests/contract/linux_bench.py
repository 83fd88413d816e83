"""The contract suite's bench for the Netmiko driver's platform linux: a Linux bridge in a namespace, real frames, a real sshd."""

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
from drivers.rules import Mac, PortName
from tests.contract.bench import Station, Traffic
from tests.contract.wires import Wires
from tests.openflow_lab import NAMES, until
from tests.ssh_lab import Wire, cutting, known_hosts, running_sshd

HOSTS = 5  # three stations, and two for `Wires`
CUTS = ("look", "half", "before", "after")
"""Where a push can lose its session: at the look that comes first, with half of the script sent, before nft runs it, after that."""
IN_BAND = "10.0.0.254"
HALF = 40
"""Bytes of SSH, fewer than the shortest script has."""


@dataclass
class LinuxLab:
    """What all tests share, since it takes seconds to start."""

    net: Any
    node: Any
    wire: Wire
    fault: Path
    options: NetmikoOptions
    warm: NetmikoDriver | None = None

    def run(self, *words: str) -> str:
        """On the host, by another way than the driver's."""
        words = ("nsenter", "--target", str(self.node.pid), "--net", *words)
        return subprocess.run(words, check=True, capture_output=True, text=True, timeout=20).stdout

    def port(self, number: int) -> str:
        return f"{self.node.name}-eth{number}"

    def driver(self) -> NetmikoDriver:
        """One for all tests, with its session: a login takes longer than a test. Another once a test has closed it."""
        if self.warm is None or self.warm._closed.is_set():
            self.warm = NetmikoDriver("linux-1", self.options)
        return self.warm

    @asynccontextmanager
    async def bench(self) -> AsyncIterator[LinuxBench]:
        """A bench on a host without any table. What a test left of ours is the test's own assertion."""
        bench = LinuxBench(self)
        await bench.restore_session()
        self.run("nft", "flush", "ruleset")
        try:
            yield bench
        finally:
            bench.wires.close()
            self.run("nft", "flush", "ruleset")


@contextmanager
def running_linux(folder: Path, password: str | None = None) -> Iterator[LinuxLab]:
    """`password`: what root may log in with too. The host is IN_BAND from its own network."""
    from mininet.net import Mininet

    net = Mininet(controller=None, build=False)
    node = net.addHost(next(NAMES))
    for number in range(1, HOSTS + 1):
        net.addHost(f"h{number}", ip=f"10.0.0.{number}/24", mac=f"02:00:00:00:00:{number:02x}")
        net.addLink(f"h{number}", node, intfName2=f"{node.name}-eth{number}")
    net.build()
    try:
        for host in net.hosts:
            host.cmd("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv4.conf.all.arp_ignore=8")
        # Else the host's iptables are asked about bridged frames too, and these look at checksums, which `Wires` leaves out.
        node.cmd("sysctl -qw net.bridge.bridge-nf-call-iptables=0")
        node.cmd(
            f"ip link add br0 type bridge; ip addr add {IN_BAND}/24 dev br0; ip link set br0 up; ip link set lo up"
        )
        for number in range(1, HOSTS + 1):
            node.cmd(
                f"ip addr flush dev {node.name}-eth{number}; ip link set {node.name}-eth{number} master br0 promisc on up"
            )
        with (
            running_sshd(node, folder, "127.0.0.1", IN_BAND, password=password) as key,
            Wire(node.pid, ("127.0.0.1", 22)) as wire,
        ):
            options = NetmikoOptions(
                platform="linux",
                host="127.0.0.1",
                port=wire.port,
                username="root",
                key_file=key,
                known_hosts=known_hosts(folder, wire.port),
                poll=0.2,
            )
            fault = cutting(node, folder, "nft", look=" list ", push="-f -")
            lab = LinuxLab(net, node, wire, fault, options)
            yield lab
            if lab.warm is not None:
                asyncio.run(lab.warm.close())
    finally:
        net.stop()


class LinuxBench:
    """What somebody else does to the host, he types there."""

    flag: str | None = None

    def __init__(self, lab: LinuxLab) -> None:
        self._lab = lab
        self.wires = Wires([lab.net.get(f"h{number}") for number in range(1, HOSTS + 1)])
        self.driver: Driver = lab.driver()
        self.rogue, self.neighbour, self.bystander = (self._station(number) for number in (1, 2, 3))

    def _station(self, number: int) -> Station:
        mac = Mac(f"02:00:00:00:00:{number:02x}")
        return Station(PortName(self._lab.port(number)), mac, IPv4Address(f"10.0.0.{number}"))

    async def delivers(self, src: Station, dst: Station, traffic: Traffic) -> bool:
        return self.wires.delivers(src, dst, traffic)

    async def whole_state(self) -> object:
        return self._lab.run("nft", "-s", "list", "ruleset"), self._lab.run("bridge", "link", "show")

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
        self._lab.run("nft", "delete", "table", "bridge", "netcordon")

    async def foreign(self) -> None:
        """A table in the same family that accepts, one in another, and a chain of ours' very priority."""
        theirs = "chain c { type filter hook prerouting priority -310; policy accept; }"
        self._lab.run("nft", "add", "table", "bridge", "theirs")
        self._lab.run("nft", "add", theirs.replace("chain c", "chain bridge theirs c"))
        self._lab.run("nft", "add", "rule", "bridge", "theirs", "c", "ether", "type", "arp", "accept")
        self._lab.run("nft", "add", "table", "inet", "filter")

    async def set_flag(self, port: PortName, on: bool) -> None:
        raise AssertionError("it has no flag")

    async def set_link(self, port: PortName, up: bool) -> None:
        host = self._lab.net.get(f"h{port.rpartition('eth')[2]}")
        host.cmd(f"ip link set {host.defaultIntf()} {'up' if up else 'down'}")
