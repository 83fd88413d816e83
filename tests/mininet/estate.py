"""`netcordon serve`, its speaker and a Mininet campus with real packets, for the tests that use Netcordon as its users do.

One estate serves many tests: each contains a device that no other one needs, and `Estate.tidy` releases what is held afterwards.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from itertools import count
from pathlib import Path

from labs.configuration import configuration
from labs.crew import Crew, crew
from labs.frames import Kind, Phase, Tag, encode_tag, frame, tag_offset
from labs.installation import places
from labs.process import process, wait
from labs.scenario import load
from labs.traffic import Traffic, station
from tests.mininet.served import PATIENCE, Netcordon, Words, until
from tests.openflow_lab import python_with
from topologies.campus import PREFIX, campus
from topologies.network import RunningNetwork, running, vsctl
from topologies.plan import Host, NetworkPlan, Role

GAP = 0.004
"""Seconds between two datagrams of a stream."""
ENOUGH = 40
"""Datagrams that must have been sent in vain before a stream counts as stopped."""
POLICY = {
    "incriminate": [{"name": "the source", "match": {"signature": "SCAN *"}, "culprit": "source"}],
    "rules": [
        {"name": "look on", "match": {"signature": "SCAN observe*"}, "mode": "observe"},
        {"name": "ask first", "match": {"signature": "SCAN propose*"}, "mode": "propose"},
        {"name": "act", "match": {"signature": "SCAN *"}, "mode": "contain", "for": "1h"},
    ],
}
HUB = "hub"
NOBODY = "tcp:127.0.0.1:1"
Builder = Callable[[bytes], bytes]


def ofctl(command: str, bridge: str, *arguments: str) -> str:
    words = ["ovs-ofctl", "--timeout=15", "-O", "OpenFlow13", command, bridge, *arguments]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def durations(bridge: str) -> dict[str, float]:
    """How many seconds each flow has stood, by its text without counters."""
    found = {}
    for line in ofctl("dump-flows", bridge).splitlines():
        if stood := re.search(r"duration=([\d.]+)s, ", line):
            found[re.sub(r"(duration|n_packets|n_bytes|idle_age|hard_age)=[^, ]+, ", "", line).strip()] = float(
                stood[1]
            )
    return found


@dataclass(frozen=True)
class Stream:
    """Frames from one host to another, one every few milliseconds for as long as it runs."""

    crew: Crew
    source: Host
    to: Host
    number: int

    def sent(self) -> int:
        return self._counted(self.source, "out")

    def arrived(self) -> int:
        return self._counted(self.to, "in")

    def _counted(self, host: Host, way: str) -> int:
        counts = self.crew.ask(host, "counts")
        assert counts["lost"] == 0, f"{counts['lost']} frames were lost to counting on {host.name}"
        mine = [way, Phase.DURING.value, self.number]
        return next((found[3] for found in counts["tagged"] if found[:3] == mine), 0)

    def runs(self, more: int = 10) -> None:
        """It gets through."""
        before = self.arrived()
        until(f"{self.source.name}'s frames at {self.to.name}", lambda: self.arrived() >= before + more)

    def stops(self) -> int:
        """How many arrived in all, once nothing more does while it goes on being sent."""
        return until(f"{self.source.name}'s frames to stop", self._silent)

    def _silent(self) -> int:
        before = self.arrived()
        self.sends()
        return before if self.arrived() == before else 0

    def sends(self, more: int = ENOUGH) -> None:
        before = self.sent()
        until(f"{self.source.name} to send", lambda: self.sent() >= before + more)

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Nothing of it arrives during the block and for some frames more."""
        before = self.arrived()
        yield
        self.sends()
        assert self.arrived() == before, f"frames of {self.source.name} came through"

    @contextmanager
    def lossless(self) -> Iterator[None]:
        """All that is sent during the block arrives."""
        self.runs()
        yield
        self.sends()
        sent = self.sent()
        until(f"all of {self.source.name}'s frames", lambda: self.arrived() >= sent, 5)


@dataclass
class Estate:
    """`net.plan` has the hosts as they stand; two of them are behind the hub, where it was asked for."""

    netcordon: Netcordon
    net: RunningNetwork
    traffic: Traffic
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def address(self) -> str:
        """Where the switches reach the speaker."""
        return f"tcp:127.0.0.1:{self.netcordon.places.openflow_port}"

    def host(self, name: str) -> Host:
        return next(host for host in (*self.traffic.plan.hosts, *self.net.plan.hosts) if host.name == name)

    def device(self, host: Host) -> str:
        return f"of:{self.net.plan.switch(host.switch).datapath}"

    @contextmanager
    def stream(self, source: str, to: str, kind: Kind = Kind.UDP) -> Iterator[Stream]:
        """A stream that got through to begin with."""
        with self.attempt(source, to, kind) as stream:
            stream.runs()
            yield stream

    @contextmanager
    def attempt(self, source: str, to: str, kind: Kind = Kind.UDP, make: Builder | None = None) -> Iterator[Stream]:
        """A stream that may get through or not: of frames of this kind, or of what `make` makes of a tag."""
        sender, receiver, number = self.host(source), self.host(to), next(self._numbers)
        tag = encode_tag(self.traffic.nonce, Tag(Phase.DURING, number, 0))
        template = make(tag) if make else frame(kind, station(sender), station(receiver), self.traffic.around, tag)
        at, crew, name = tag_offset(self.traffic.nonce, template) + 8, self.traffic.crew, f"stream {number}"
        crew.ask(sender, "stream", name=name, template=template.hex(), at=at, gap=GAP)
        try:
            yield Stream(crew, sender, receiver, number)
        finally:
            crew.ask(sender, "stop", name=name)

    def send(self, host: Host, *frames: bytes) -> None:
        self.traffic.crew.ask(host, "send", frames=[one.hex() for one in frames], gap=0.002)

    def inside(self, host: Host, *command: str) -> None:
        subprocess.run([*self.net.inside(host), *command], check=True, capture_output=True, timeout=PATIENCE)

    @contextmanager
    def cable(self, host: Host) -> Iterator[Callable[[str], None]]:
        """A hand at the host's cable: `down` and `up` take effect at once, without a process to start first."""
        command = [*self.net.inside(host), "ip", "-batch", "-"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, bufsize=1) as hand:
            assert hand.stdin is not None
            words = hand.stdin
            yield lambda way: print(f"link set {host.interface} {way}", file=words, flush=True)
            words.close()
            assert hand.wait(PATIENCE) == 0

    def controller(self, bridge: str, *, away: bool, forgets: bool = False) -> None:
        """Take the switch away from the speaker, or bring it back. Pointed at nobody it keeps its flows; without any controller it
        forgets them."""
        if away and forgets:
            vsctl("del-controller", bridge)
        else:
            vsctl("set-controller", bridge, NOBODY if away else self.address)
        until(
            f"the switch to be {'away' if away else 'back'}",
            lambda: all(one.up is not away for one in self.netcordon.operator.devices() if one.description == bridge),
        )

    def connections(self) -> set[str]:
        """The TCP connections over which the switches speak to us: each has a port of its own."""
        filter = f"( dport = :{self.netcordon.places.openflow_port} )"
        words = ["ss", "--no-header", "--numeric", "--tcp", "state", "established", filter]
        lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
        return {line.split()[2] for line in lines}

    def known(self) -> None:
        """Every switch is converged, and everyone is located where they are plugged in."""
        client, announced = self.netcordon.operator, [0.0]
        switches = {f"of:{switch.datapath}" for switch in self.net.plan.switches}
        until("the switches", lambda: {one.id for one in client.devices() if one.up and one.converged} >= switches)

        def everyone() -> bool:
            if time.monotonic() - announced[0] > 1:
                self.traffic.announce()
                announced[0] = time.monotonic()
            return not self._astray()

        wait(everyone, "everyone to be located", PATIENCE, seen=self._astray)

    def _astray(self) -> list[str]:
        """Whom the controller would not contain where they are. What is at the gateway's MAC is behind it, by definition."""
        wrong = []
        for host in self.traffic.plan.hosts:
            found = self.netcordon.operator.locate(str(host.ip))
            port = None if found.endpoint is None else found.endpoint.attachment.port
            if host.role is not Role.GATEWAY and port != self.edge(host):
                wrong.append(f"{host.name}: {found.status} {'; '.join(found.against)}")
        return wrong

    def edge(self, host: Host) -> str:
        """The switch's interface to which the host's frames come in: behind the hub, the hub's."""
        return host.edge if host in self.net.plan.hosts else self.net.plan.host(HUB).edge

    def repair(self) -> None:
        """Whatever a failed test left: the daemon runs, and every switch has its controller."""
        if self.netcordon.daemon is None or self.netcordon.daemon.poll() is not None:
            self.netcordon.start()
        for switch in self.net.plan.switches:
            if vsctl("get-controller", switch.name).strip() != self.address:
                vsctl("set-controller", switch.name, self.address)

    def tidy(self) -> None:
        """Nothing is held any more, and everyone's packets flow."""
        released = [case.id for case in self.netcordon.operator.release_all(reason="the test is over")]
        for id in released:
            self.netcordon.outcome(id, "removed")


def grown(*more: tuple[str, str, int]) -> NetworkPlan:
    """The campus with workstations of these names at these switches and ports."""
    plan = campus()
    taken = {host.ip for host in plan.hosts}
    free = (PREFIX[number] for number in range(150, 250) if PREFIX[number] not in taken)
    hosts = [
        Host(name, Role.WORKSTATION, ip, f"02:00:00:53:00:{int(ip) & 255:02x}", switch, port, managed=name != HUB)
        for (name, switch, port), ip in zip(more, free, strict=False)
    ]
    return replace(plan, hosts=(*plan.hosts, *hosts))


@contextmanager
def estate(
    plan: NetworkPlan,
    settings: Callable[[NetworkPlan], Words] = lambda plan: {},
    *,
    keep: bool = False,
    runtime: str = "os-ken",
    quiet: Collection[str] = (),
) -> Iterator[Estate]:
    """Up, serving and known. `settings` are sections of the configuration, by the plan with the switches' real names. `keep`: the speaker
    outlives the daemon. `quiet` hosts announce nothing, and are not waited for. In the end the audit log is whole, and nobody has left a
    traceback or a token in any log."""
    with ExitStack() as stack:
        where = stack.enter_context(places())
        net = stack.enter_context(running(plan, where.openflow_port))
        standard = configuration(load("rogue-host"), net.plan, where)
        standard["openflow"]["speaker"] |= {"keep": keep, "runtime": runtime, "python": str(python_with(runtime))}
        more = {"policy": POLICY, "budget": {"per_minute": 1000, "total": 1000}} | settings(net.plan)
        served = Netcordon(where, standard | more)
        stack.callback(served.close)
        served.install()
        served.start()
        behind = stack.enter_context(_hub(net)) if any(host.name == HUB for host in plan.hosts) else net
        nonce = os.urandom(4)
        speaking = tuple(host for host in behind.plan.hosts if host.name not in quiet)
        traffic = Traffic(stack.enter_context(crew(behind, nonce)), replace(behind.plan, hosts=speaking), nonce)
        standing = Estate(served, RunningNetwork(net.plan, behind.pids), traffic)
        standing.known()
        yield standing
        assert served.operator.audit_verify().verified
        said = served.logs()
        assert "Traceback" not in said, said
        assert not [role for role, token in served.tokens.items() if token in said]


@contextmanager
def _hub(net: RunningNetwork) -> Iterator[RunningNetwork]:
    """The host HUB becomes a Linux bridge with two hosts behind it, hub1 and hub2. They have its place in the network's plan."""
    hub = net.plan.host(HUB)
    inmates = [
        replace(hub, name=f"{HUB}{n}", ip=IPv4Address(int(hub.ip) + 50 + n), mac=f"02:00:00:53:01:0{n}", port=port)
        for n, port in ((1, hub.port), (2, hub.port + 500))
    ]
    inside = ["nsenter", f"--net=/proc/{net.pids[HUB]}/ns/net"]
    with ExitStack() as stack:
        steps = ["link add br0 type bridge", "link set br0 up", f"address flush dev {hub.interface}"]
        steps += [f"link set {hub.interface} master br0"]
        pids = dict(net.pids)
        for number, host in enumerate(inmates):
            room = stack.enter_context(process(["unshare", "--net", "sleep", "infinity"], Path(os.devnull), os.environ))
            pids[host.name] = room.pid
            until("a namespace of its own", lambda: _namespace(pids[host.name]) != _namespace(os.getpid()))  # noqa: B023 (called at once)
            steps += [f"link add p{number} type veth peer name {host.interface} address {host.mac} netns {room.pid}"]
            steps += [f"link set p{number} master br0 up"]
        quiet = [*inside, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"]
        subprocess.run(quiet, check=True)
        subprocess.run([*inside, "ip", "-batch", "-"], input="\n".join(steps), text=True, check=True)
        for host in inmates:
            up = f"link set lo up\nlink set {host.interface} up\naddress add {host.ip}/{PREFIX.prefixlen} dev {host.interface}"
            words = ["nsenter", f"--net=/proc/{pids[host.name]}/ns/net", "ip", "-batch", "-"]
            subprocess.run(words, input=up, text=True, check=True)
        others = [host for host in net.plan.hosts if host is not hub]
        yield RunningNetwork(replace(net.plan, hosts=(*others, *inmates)), pids)


def _namespace(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/ns/net")
