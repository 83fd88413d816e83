"""A wiring closet as a Mininet network for as long as a `with` block lasts: switches of several vendors, trunks and hosts.

A host's second cable hangs from a port of another switch and is unplugged: `plug` moves the host from one to the other.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topologies import ownership
from topologies.mininet_topo import EdgeHost
from topologies.network import NetworkError, unused_prefix
from topologies.vendor.eos_grammar import GRAMMAR
from topologies.vendor.junos_grammar import ROOT
from topologies.vendor.junos_tree import as_set
from topologies.vendor.node import EosNode, IosNode, JunosNode, NxosNode

PORTS = {"eos": "Ethernet", "ios": "GigabitEthernet1/0/", "junos": "ge-0/0/", "nxos": "Ethernet1/"}
_NODES: Mapping[str, type[Any]] = {"eos": EosNode, "ios": IosNode, "junos": JunosNode, "nxos": NxosNode}
_TAKES_FILES = ("ip scp server enable", "archive", "path flash:archive")


@dataclass(frozen=True)
class Unit:
    """A switch: how the controller knows it, and whose it is (`eos`, `ios`, `junos`, `nxos`)."""

    name: str
    kind: str


@dataclass(frozen=True)
class Cable:
    unit: Unit
    number: int

    @property
    def port(self) -> str:
        return f"{PORTS[self.unit.kind]}{self.number}"


@dataclass(frozen=True)
class Guest:
    """A host. `ip` is empty where DHCP gives it one; `vlan` is that of its ports. It is plugged in by the first of its cables."""

    name: str
    mac: str
    ip: str
    vlan: int
    cables: tuple[Cable, ...]


@dataclass(frozen=True)
class Closet:
    """`vlans` are names by number, on every switch. `trunks` join ports, and carry them all."""

    units: tuple[Unit, ...]
    guests: tuple[Guest, ...]
    trunks: tuple[tuple[Cable, Cable], ...]
    vlans: Mapping[int, str]

    def lines(self, unit: Unit) -> list[str]:
        """What is configured on a switch before anything happens."""
        if unit.kind == "junos":
            return self._statements(unit)
        said = list(_TAKES_FILES) if unit.kind == "ios" else []
        for number, name in self.vlans.items():
            said += [f"vlan {number}", f"name {name}"]
        for guest in self.guests:
            for cable in (one for one in guest.cables if one.unit == unit):
                mode = ["switchport mode access"] if unit.kind == "ios" else []
                edge = "spanning-tree port type edge" if unit.kind == "nxos" else "spanning-tree portfast"
                said += [
                    f"interface {cable.port}",
                    *mode,
                    f"switchport access vlan {guest.vlan}",
                    edge,
                ]
        for cable in (one for trunk in self.trunks for one in trunk if one.unit == unit):
            said += [f"interface {cable.port}", "switchport mode trunk"]
        return said

    def _statements(self, unit: Unit) -> list[str]:
        said = [f"set vlans {name} vlan-id {number}" for number, name in self.vlans.items()]
        for guest in self.guests:
            for cable in (one for one in guest.cables if one.unit == unit):
                port = f"set interfaces {cable.port} unit 0 family ethernet-switching"
                said += [f"{port} interface-mode access", f"{port} vlan members {self.vlans[guest.vlan]}"]
        for name in self.uplinks(unit):
            port = f"set interfaces {name} unit 0 family ethernet-switching"
            said += [f"{port} interface-mode trunk", f"{port} vlan members all"]
        return said

    def uplinks(self, unit: Unit) -> list[str]:
        return [one.port for trunk in self.trunks for one in trunk if one.unit == unit]


@dataclass(frozen=True)
class RunningCloset:
    closet: Closet
    nodes: Mapping[str, Any]
    pids: Mapping[str, int]

    def guest(self, name: str) -> Guest:
        return next(one for one in self.closet.guests if one.name == name)

    def inside(self, name: str) -> list[str]:
        """What to put before a command so that it runs on that host."""
        return ["mnexec", "-a", str(self.pids[name])]

    def edit(self, unit: Unit, *lines: str) -> None:
        """As somebody types it there."""
        _switch(self.nodes[unit.name]).edit(list(lines))

    def configuration(self, unit: Unit) -> str:
        """What `show running-config` prints, and VLANs that it does not show."""
        switch = _switch(self.nodes[unit.name])
        if unit.kind == "eos":
            return str(switch.running.text(GRAMMAR))
        if unit.kind == "junos":
            return str(switch.text())
        with switch.lock:
            return str(switch.text()) + "".join(f"{one}\n" for one in sorted(switch.running.of("vlan")))

    def section(self, cable: Cable) -> list[str]:
        """What is configured on a port; on a Junos switch, its statements."""
        if cable.unit.kind == "junos":
            told = as_set(_switch(self.nodes[cable.unit.name]).committed, ROOT)
            return [line for line in told if line.startswith(f"set interfaces {cable.port} ")]
        return list(_switch(self.nodes[cable.unit.name]).running.section(f"interface {cable.port}"))

    def plug(self, name: str, number: int) -> None:
        """Pull the cable that the host is plugged in by, and plug in its `number`th."""
        guest = self.guest(name)
        for index in range(len(guest.cables)):
            self._run(name, "ip", "link", "set", f"{name}-eth{index}", "down")
        self._run(name, "ip", "link", "set", f"{name}-eth{number}", "up")
        if guest.ip:
            self._run(name, "ip", "address", "replace", f"{guest.ip}/24", "dev", f"{name}-eth{number}")

    def _run(self, name: str, *words: str) -> None:
        subprocess.run([*self.inside(name), *words], check=True, capture_output=True)


def _switch(node: Any) -> Any:
    match node:
        case IosNode():
            return node.ios
        case JunosNode():
            return node.junos
        case NxosNode():
            return node.nxos
    return node.eos


@contextmanager
def standing(closet: Closet, folder: Path) -> Iterator[RunningCloset]:
    """Up and configured. `folder` gets the switches' flashes. Raises NetworkError."""
    from mininet.net import Mininet

    net, prefix = Mininet(controller=None, build=False), unused_prefix()
    try:
        try:
            nodes = _build(net, closet, folder, prefix)
        except Exception as error:  # Mininet raises nothing more specific
            raise NetworkError(f"Mininet could not build the closet: {error}") from error
        running = RunningCloset(closet, nodes, {one.name: int(net.get(one.name).pid) for one in closet.guests})
        for unit in closet.units:
            running.edit(unit, *closet.lines(unit))
        for guest in closet.guests:
            running.plug(guest.name, 0)
        yield running
    finally:
        net.stop()


def _build(net: Any, closet: Closet, folder: Path, prefix: str) -> dict[str, Any]:
    owner, nodes = ownership.mark(os.getpid()), dict[str, Any]()
    for index, unit in enumerate(closet.units):
        flash = folder / unit.name
        flash.mkdir(mode=0o700)
        dpid = os.urandom(7).hex().zfill(16)
        nodes[unit.name] = net.addSwitch(
            f"{prefix}{index}", cls=_NODES[unit.kind], dpid=dpid, flash=flash, owner=owner, **_options(unit)
        )
    for guest in closet.guests:
        net.addHost(guest.name, cls=EdgeHost, ip=None, mac=guest.mac)
        for index, cable in enumerate(guest.cables):
            net.addLink(guest.name, nodes[cable.unit.name], port1=index, port2=cable.number, addr1=guest.mac)
    for one, other in closet.trunks:
        net.addLink(nodes[one.unit.name], nodes[other.unit.name], port1=one.number, port2=other.number)
    net.build()
    net.start()
    return nodes


def _options(unit: Unit) -> dict[str, Any]:
    """A Catalyst without lists for what leaves a port, as most are."""
    return {"platform": {"lists_out": False}} if unit.kind == "ios" else {}
