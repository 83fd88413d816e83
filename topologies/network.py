"""A plan standing as a Mininet network for as long as a `with` block lasts, and taken down whatever happens in it.

Nothing is ever killed or deleted by a guessed name: bridges carry a mark that says which process owns them, and what
a run that was killed left behind is found by that mark (`leftovers`, `sweep`).
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topologies import ownership
from topologies.buffers import make_room
from topologies.plan import Host, NetworkPlan

OVS_PATIENCE = 60
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
OWNER_KEY = "netcordon-lab"
"""The external id on each bridge of a run; its value names the process that owns it."""


class NetworkError(RuntimeError):
    """Mininet could not build or start the network; what it had built is gone again."""


@dataclass(frozen=True)
class RunningNetwork:
    """`plan` has the switch names as they really are; `pids` the process that holds each host's namespaces open."""

    plan: NetworkPlan
    pids: dict[str, int]

    def inside(self, host: Host) -> list[str]:
        """What to put before a command so that it runs on `host`."""
        return ["mnexec", "-a", str(self.pids[host.name])]


@dataclass(frozen=True)
class Leftover:
    """A bridge whose lab run is gone."""

    bridge: str
    owner: str
    ports: tuple[str, ...]


@contextmanager
def running(plan: NetworkPlan, controller_port: int, controller_ip: str = "127.0.0.1") -> Iterator[RunningNetwork]:
    """The network up, its switches pointed at the controller. The caller has seen to root, Open vSwitch and mnexec.
    Raises NetworkError."""
    from mininet.net import Mininet

    from topologies.mininet_topo import PlanTopo

    named = plan.with_switch_names(unused_prefix())
    net = Mininet(controller=None, build=False)
    try:
        try:
            net.addController(_controller(controller_ip, controller_port))
            net.topo = PlanTopo(named, owner=ownership.mark(os.getpid()))
            net.build()
            net.start()
            make_room()
        except Exception as error:  # Mininet raises nothing more specific
            raise NetworkError(f"Mininet could not build {named.name}: {error}") from error
        network = RunningNetwork(named, {host.name: int(net.get(host.name).pid) for host in named.hosts})
        _introduce(network)
        yield network
    finally:
        with _undisturbed():
            _take_down(net, named)


def _introduce(network: RunningNetwork) -> None:
    """Permanent neighbour entries: a host that ARP or discovery cannot reach any more is still sent to, and is seen to get nothing."""
    for host in network.plan.hosts:
        entries = "".join(
            f"neigh replace {ip} lladdr {other.mac} nud permanent dev {host.interface}\n"
            for other in network.plan.hosts
            if other is not host
            for ip in (other.ip, other.ip6, other.link_local)
        )
        subprocess.run([*network.inside(host), "ip", "-batch", "-"], input=entries, text=True, check=True)


def _controller(ip: str, port: int) -> Any:
    from mininet.node import RemoteController

    class Listening(RemoteController):
        """Mininet's own check starts telnet, which may not be there; waiting for the switches says more anyway."""

        def checkListening(self) -> None:
            pass

    return Listening("c0", ip=ip, port=port)


def _take_down(net: Any, plan: NetworkPlan) -> None:
    """Also from a half-built state: what Mininet does not reach any more is deleted by this plan's own names."""
    try:
        net.stop()
    finally:
        names = [switch.name for switch in (*plan.switches, *plan.boxes)]
        _delete(names, [host.edge for host in plan.hosts] + [f"{link.a}-eth{link.a_port}" for link in plan.links])


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C while the network is being taken down would leave half of it standing."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leftovers() -> list[Leftover]:
    """Bridges of lab runs whose process is gone. Raises CalledProcessError when Open vSwitch does not answer."""
    found = []
    for name, external_ids in _rows("Bridge", "name,external_ids"):
        owner = dict(external_ids[1]).get(OWNER_KEY)
        if owner is not None and not ownership.alive(owner):
            found.append(Leftover(name, owner, tuple(vsctl("list-ports", name).split())))
    return found


def sweep(found: Sequence[Leftover]) -> None:
    """Delete these bridges and the interfaces in them, and nothing else."""
    _delete([one.bridge for one in found], [port for one in found for port in one.ports])


def vsctl(*arguments: str) -> str:
    """What `ovs-vsctl` prints. Raises CalledProcessError or, when it hangs, ends it and raises the same way."""
    done = subprocess.run(
        ["ovs-vsctl", f"--timeout={OVS_PATIENCE}", *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout


def _rows(table: str, columns: str) -> list[list[Any]]:
    rows: list[list[Any]] = json.loads(vsctl("--format=json", f"--columns={columns}", "list", table))["data"]
    return rows


def _delete(bridges: Sequence[str], interfaces: Sequence[str]) -> None:
    words = [word for bridge in bridges for word in ("--", "--if-exists", "del-br", bridge)]
    if words:
        vsctl(*words[1:])
    for interface in interfaces:
        if Path("/sys/class/net", interface).exists():
            # It may go by itself meanwhile, when the host at its other end does.
            subprocess.run(["ip", "link", "del", interface], check=False, capture_output=True)


def unused_prefix() -> str:
    taken = {name for (name,) in _rows("Bridge", "name")} | set(os.listdir("/sys/class/net"))
    while True:
        prefix = f"nc{secrets.token_hex(2)[:3]}"
        if not any(name.startswith(prefix) for name in taken):
            return prefix
