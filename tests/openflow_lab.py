"""A speaker on a free loopback port, and Mininet networks on Open vSwitch in user space, for tests/mininet and tests/contract. Everything
that is started is stopped by its process id, and every bridge by its own name."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase
from typing import Any, TypeVar

import pytest

from drivers.base import DeviceUnreachable
from drivers.openflow.link import PROTOCOL
from drivers.openflow.starting import SpeakerKind, Tls
from topologies.buffers import make_room

T = TypeVar("T")
PATIENCE = 15.0
RUNTIMES = ("os-ken", "ryu")
NAMES = (f"nt{os.getpid() % 10000}{first}{second}" for first, second in itertools.product(ascii_lowercase, repeat=2))
"""Of switches, each used once: a session's own stands until its end. With a port's number no longer than an interface's may be."""


def wait_for(what: str, seen: Callable[[], T | None], patience: float = PATIENCE) -> T:
    """The first value of `seen` that is true; fails with what was seen last."""
    ends, last = time.monotonic() + patience, seen()
    while not last:
        if time.monotonic() > ends:
            raise AssertionError(f"no {what} within {patience} s; seen last: {last!r}")
        time.sleep(0.02)
        last = seen()
    return last


async def until(what: str, seen: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """`wait_for` for a coroutine function; a switch that is away counts as nothing seen."""
    ends, last = time.monotonic() + patience, None
    while time.monotonic() < ends:
        with suppress(DeviceUnreachable):
            if last := await seen():
                return last
        await asyncio.sleep(0.02)
    raise AssertionError(f"no {what} within {patience} s; seen last: {last!r}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def python_with(runtime: str) -> Path:
    """The interpreter that can run the speaker on it. Ryu's environment lies beside the one that runs the tests."""
    if runtime == "os-ken":
        return Path(sys.executable)
    python = Path(sys.prefix).resolve().parent / ".venv-ryu/bin/python"
    if not python.exists():
        pytest.fail(f"no {python}: `make setup` makes it")
    return python


@dataclass
class Speaker:
    """A speaker process. `socket` is where controllers reach it, `port` where switches do, on loopback."""

    socket: Path
    port: int
    log: Path
    kind: SpeakerKind
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.kind.command(self.socket), stderr=log)
        wait_for("speaker socket", self.answers)
        self.kind.require(self.hello())

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def hello(self) -> dict[str, Any]:
        """What it says of itself."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.socket))
            client.sendall(json.dumps({"hello": {"protocol": PROTOCOL}}).encode() + b"\n")
            told: dict[str, Any] = json.loads(client.makefile("rb").readline())["hello"]
        return told

    def stop(self) -> int:
        """Its exit code after SIGTERM."""
        assert self.process is not None
        self.process.terminate()
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()


@contextmanager
def running_speaker(
    folder: Path, runtime: str = "os-ken", tls: Tls | None = None, role: str = "sole"
) -> Iterator[Speaker]:
    """A speaker until the block ends; it fails when the speaker's log holds a traceback."""
    port = free_port()
    listen = f"127.0.0.1:{port}" if tls is None else f"ssl:127.0.0.1:{port}"
    kind = SpeakerKind(listen, runtime, python_with(runtime), tls, role)
    speaker = Speaker(folder / "speaker" / "s.sock", port, folder / "speaker.log", kind)
    speaker.start()
    yield speaker
    speaker.stop()
    log = speaker.log.read_text()
    assert "Traceback" not in log, log


@dataclass
class Net:
    """Mininet's net; `hosts` and `switches` by number from 1. Host n of a switch is on its port n."""

    mininet: Any
    switches: list[str]
    dpids: list[int]

    def host(self, number: int) -> Any:
        return self.mininet.get(f"h{number}")

    def ofctl(self, command: str, *arguments: str, switch: int = 0) -> str:
        words = ["ovs-ofctl", "-O", "OpenFlow13", command, self.switches[switch], *arguments]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def decisions(self) -> list[str]:
        """What Open vSwitch's datapaths have cached, one a line."""
        words = ["ovs-appctl", "dpctl/dump-flows", "-m"]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()

    def vsctl(self, *arguments: str) -> str:
        words = ["ovs-vsctl", "--timeout=10", *arguments]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def whole(self, switch: int = 0) -> list[str]:
        """All flows, groups, meters and port settings, without counters."""
        flows = sorted(self.ofctl("dump-flows", "--no-stats", switch=switch).splitlines()[0:])
        ports = [line for line in self.ofctl("dump-ports-desc", switch=switch).splitlines() if "speed" not in line]
        rest = self.ofctl("dump-groups", switch=switch) + self.ofctl("dump-meters", switch=switch)
        return [line for line in flows + ports + rest.splitlines() if "xid=" not in line]

    def port(self, host: int, switch: int = 0) -> str:
        return f"{self.switches[switch]}-eth{host}"


def start_net(controller_port: int, hosts: int, switches: int) -> Net:
    """As many hosts on each switch, the switches in a line, all under a controller on that loopback port. Stop its `mininet`."""
    if os.geteuid() != 0 or shutil.which("ovs-vsctl") is None:
        pytest.fail("needs root and Open vSwitch: see `make setup`")
    from mininet.net import Mininet
    from mininet.node import OVSSwitch, RemoteController

    class Listening(RemoteController):
        """Mininet's own check starts telnet, which may not be there."""

        def checkListening(self) -> None:
            pass

    net = Mininet(controller=None, build=False)
    net.addController("c0", controller=Listening, ip="127.0.0.1", port=controller_port)
    names, dpids = [next(NAMES) for _ in range(switches)], []
    for name in names:
        dpids.append(int.from_bytes(os.urandom(7), "big"))
        options = {"datapath": "user", "protocols": "OpenFlow13", "failMode": "secure", "reconnectms": 1000}
        net.addSwitch(name, cls=OVSSwitch, dpid=f"{dpids[-1]:016x}", **options)
    for number in range(1, hosts * switches + 1):
        switch, port = divmod(number - 1, hosts)
        net.addHost(f"h{number}", ip=f"10.0.0.{number}/24", mac=f"02:00:00:00:00:{number:02x}")
        net.addLink(f"h{number}", names[switch], port2=port + 1)
    for left, right in itertools.pairwise(names):
        net.addLink(left, right, port1=hosts + 1, port2=hosts + 2)
    net.build()
    net.start()
    make_room()
    for host in net.hosts:
        interface = host.defaultIntf()
        far = interface.link.intf2 if interface.link.intf1 is interface else interface.link.intf1
        host.cmd(f"ethtool -K {interface} tx off; sysctl -qw net.ipv6.conf.{interface}.disable_ipv6=1")
        subprocess.run(["sysctl", "-qw", f"net.ipv6.conf.{far}.disable_ipv6=1"], check=True)
    return Net(net, names, dpids)
