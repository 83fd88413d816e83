"""The ground that both sides are measured on: one Open vSwitch with Mininet's hosts, a stream of datagrams whose last one through is timed
by the kernel at the receiver, and a flood. Whoever holds the switch is its controller for the time being."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from itertools import count
from pathlib import Path

from labs.crew import Crew, crew
from labs.frames import Kind, Phase, Surroundings, Tag, encode_tag, frame, tag_offset
from labs.octets import arp_request
from labs.process import process
from labs.traffic import station
from tests.bench.flood import SENDERS
from topologies.network import RunningNetwork, running, vsctl
from topologies.plan import Host, NetworkPlan, Role, Switch

PREFIX = IPv4Network("10.60.0.0/16")
GAP = 0.0005
"""Seconds between two datagrams: what the time of the last one through is known to."""
QUIET = 0.08
"""Seconds without an arrival after which a stream that goes on being sent counts as stopped."""
SENT_IN_VAIN = 40
PATIENCE = 60.0
FULL_OF_FLOOD = 0.9
"""The part of the flood's senders for which the switch has a decision in its cache."""
NOBODY = "tcp:127.0.0.1:1"
FIRST_SPARE = 1000


class BenchError(RuntimeError):
    """Something that is measured did not do what it is measured for: there is no figure then."""


def one_switch() -> NetworkPlan:
    """One switch, and a host on it for each part that somebody plays."""
    roles = [role for role in Role if role is not Role.WORKSTATION] + [Role.WORKSTATION] * 2
    names = {Role.ROGUE: "rogue", Role.VICTIM: "victim", Role.GATEWAY: "gw"}
    hosts = tuple(
        Host(names.get(role, f"h{n}"), role, PREFIX[n], f"02:00:00:60:00:{n:02x}", "s1", n, managed=False)
        for n, role in enumerate(roles, start=1)
    )
    return NetworkPlan("bench", PREFIX, (Switch("s1", int.from_bytes(os.urandom(7), "big") | 1),), hosts, ())


@dataclass(frozen=True)
class Stream:
    """Datagrams from the rogue to the victim, under a number of their own."""

    ground: Ground
    number: int

    def arrived(self) -> tuple[int, float]:
        """How many came in at the victim, and when the last one did (seconds since the epoch, by the kernel)."""
        return self._seen(self.ground.victim, "in")

    def sent(self) -> int:
        return self._seen(self.ground.rogue, "out")[0]

    def _seen(self, host: Host, way: str) -> tuple[int, float]:
        counts = self.ground.crew.ask(host, "counts")
        if counts["lost"]:
            raise BenchError(f"{counts['lost']} frames were lost to counting on {host.name}: this machine is too slow")
        mine = [way, Phase.DURING.value, self.number]
        return next(((found[3], found[5]) for found in counts["tagged"] if found[:3] == mine), (0, 0.0))

    def flows(self, more: int = 10) -> None:
        """It gets through."""
        before, ends = self.arrived()[0], time.monotonic() + PATIENCE
        while self.arrived()[0] < before + more:
            if time.monotonic() > ends:
                raise BenchError("the rogue's datagrams do not get through")
            time.sleep(0.005)

    def last_one_through(self, patience: float = PATIENCE) -> float:
        """When the last datagram came in, once no more do although more are sent."""
        ends = time.monotonic() + patience
        while time.monotonic() < ends:
            (arrived, last), sent = self.arrived(), self.sent()
            if time.time() - last > QUIET:
                while self.sent() < sent + SENT_IN_VAIN and time.monotonic() < ends:
                    time.sleep(0.005)
                if self.arrived()[0] == arrived:
                    return last
            time.sleep(0.01)
        raise BenchError("the rogue's datagrams still get through")


@dataclass
class Ground:
    net: RunningNetwork
    crew: Crew
    nonce: bytes
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def plan(self) -> NetworkPlan:
        return self.net.plan

    @property
    def bridge(self) -> str:
        return self.plan.switches[0].name

    @property
    def dpid(self) -> int:
        return self.plan.switches[0].dpid

    @property
    def rogue(self) -> Host:
        return self.plan.actor(Role.ROGUE)

    @property
    def victim(self) -> Host:
        return self.plan.actor(Role.VICTIM)

    @property
    def crowded(self) -> Host:
        """Its port is where the devices are whose containments are held."""
        return next(host for host in self.plan.hosts if host.role is Role.WORKSTATION)

    @property
    def flooding(self) -> Host:
        return [host for host in self.plan.hosts if host.role is Role.WORKSTATION][1]

    @contextmanager
    def stream(self) -> Iterator[Stream]:
        """A stream that gets through to begin with."""
        number = next(self._numbers)
        tag = encode_tag(self.nonce, Tag(Phase.DURING, number, 0))
        around = Surroundings(self.plan.prefix, self.plan.actor(Role.GATEWAY).ip, self.plan.unused_ip(), ())
        template = frame(Kind.UDP, station(self.rogue), station(self.victim), around, tag)
        at, name = tag_offset(self.nonce, template) + 8, f"stream {number}"
        self.crew.ask(self.rogue, "stream", name=name, template=template.hex(), at=at, gap=GAP)
        try:
            stream = Stream(self, number)
            stream.flows()
            yield stream
        finally:
            self.crew.ask(self.rogue, "stop", name=name)

    @contextmanager
    def flood(self, log: Path) -> Iterator[None]:
        """Frames of ever other addresses from one host: each is a decision of its own for the switch. It has begun once the switch's cache
        is full of them: how long a change takes to show depends on how full it is, and that must be the same for both sides."""
        command = [*self.net.inside(self.flooding), sys.executable, "-P", "-m", "tests.bench.flood"]
        with process([*command, self.flooding.interface], log, os.environ):
            before = self.megaflows()
            ends = time.monotonic() + PATIENCE
            while self.megaflows() < before + FULL_OF_FLOOD * SENDERS:
                if time.monotonic() > ends:
                    raise BenchError(f"the flood fills no cache: {log.read_text()}")
                time.sleep(0.1)
            yield

    def megaflows(self) -> int:
        words = ["ovs-appctl", "dpctl/dump-flows", "netdev@ovs-netdev"]
        return len(subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines())

    def controlled_by(self, port: int | None) -> None:
        """Whoever listens on this local port is the switch's controller from now on; None: nobody, and it keeps its flows."""
        vsctl("set-controller", self.bridge, NOBODY if port is None else f"tcp:127.0.0.1:{port}")

    def wipe(self) -> None:
        """No flows, and every port forwards."""
        self.ofctl("del-flows")
        for host in self.plan.hosts:
            self.ofctl("mod-port", host.edge, "forward")

    def ofctl(self, command: str, *arguments: str, text: str | None = None) -> str:
        words = ["ovs-ofctl", "--timeout=120", "-O", "OpenFlow13", command, self.bridge, *arguments]
        return subprocess.run(words, check=True, capture_output=True, text=True, input=text).stdout

    def announce(self) -> None:
        """Every host asks for the gateway's address, as hosts do."""
        gateway = self.plan.actor(Role.GATEWAY).ip
        asking = {
            host.name: {"frames": [arp_request(host.mac, host.ip, gateway, b"").hex()], "gap": 0.0}
            for host in self.plan.hosts
        }
        self.crew.ask_all("send", asking)

    def spare_ports(self, number: int) -> list[tuple[int, str, IPv4Address]]:
        """So many further ports with nobody behind them: the port's number, and the MAC and IP that shall be seen there."""
        words: list[str] = []
        for n in range(number):
            port = f"{self.bridge}p{n}"
            words += ["--", "add-port", self.bridge, port, "--", "set", "interface", port, "type=patch"]
            words += [f"options:peer={port}x", f"ofport_request={FIRST_SPARE + n}"]
        vsctl(*words[1:])
        return [(FIRST_SPARE + n, f"02:00:00:61:{n >> 8:02x}:{n & 255:02x}", PREFIX[0x1000 + n]) for n in range(number)]

    def show_at(self, port: int, mac: str, ip: IPv4Address) -> None:
        """As if an ARP request of this device came in there."""
        asks = arp_request(mac, ip, self.plan.actor(Role.GATEWAY).ip, b"").hex()
        self.ofctl("packet-out", f"in_port={port},packet={asks},actions=resubmit(,0)")


@contextmanager
def ground() -> Iterator[Ground]:
    with ExitStack() as stack:
        nonce = os.urandom(4)
        net = stack.enter_context(running(one_switch(), 1))
        yield Ground(net, stack.enter_context(crew(net, nonce)), nonce)
