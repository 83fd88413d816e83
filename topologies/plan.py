"""A network as plain data: what Mininet builds and what a lab's scenario reads. Needs the standard library alone.

Switches form a tree, and every host sits on an edge port of one of them, in one IPv4 prefix and in one of IPv6.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

PREFIX6 = IPv6Network("2001:db8:20:30::/64")
"""Every plan's IPv6 prefix, of those set aside for documentation (RFC 3849)."""
LONGEST_INTERFACE_NAME = 15
HIGHEST_PORT = 0xFEFF


class PlanError(ValueError):
    """The plan is no network that could be built; the message says what contradicts what."""


class Role(StrEnum):
    """What a host is there for. A scenario names its actors by these, so that it runs on any plan that has them."""

    ROGUE = "rogue"
    VICTIM = "victim"
    NEIGHBOUR = "neighbour"
    WORKSTATION = "workstation"
    FILE_SERVER = "file-server"
    DOMAIN_CONTROLLER = "domain-controller"
    GATEWAY = "gateway"
    SENSOR = "sensor"
    SERVER = "server"


ACTORS = tuple(role for role in Role if role not in (Role.WORKSTATION, Role.SERVER))
"""Every plan has exactly one host of each of these."""


@dataclass(frozen=True, slots=True)
class Switch:
    name: str
    dpid: int

    @property
    def datapath(self) -> str:
        """The datapath id as 16 hex digits."""
        return f"{self.dpid:016x}"


@dataclass(frozen=True, slots=True)
class Host:
    """A device on port `port` of switch `switch`. `managed`: an agent runs on it, so that somebody would know it."""

    name: str
    role: Role
    ip: IPv4Address
    mac: str
    switch: str
    port: int
    managed: bool = True

    @property
    def interface(self) -> str:
        return f"{self.name}-eth0"

    @property
    def edge(self) -> str:
        """The switch's interface that this host is plugged into."""
        return f"{self.switch}-eth{self.port}"

    @property
    def link_local(self) -> IPv6Address:
        """The IPv6 link-local address that follows from the MAC (EUI-64)."""
        return IPv6Address(b"\xfe\x80" + bytes(6) + self._identifier)

    @property
    def ip6(self) -> IPv6Address:
        """The global IPv6 address that follows from the prefix and the MAC."""
        return IPv6Address(PREFIX6.network_address.packed[:8] + self._identifier)

    @property
    def _identifier(self) -> bytes:
        octets = bytes.fromhex(self.mac.replace(":", ""))
        return bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]


@dataclass(frozen=True, slots=True)
class Link:
    """A cable between two switches."""

    a: str
    a_port: int
    b: str
    b_port: int


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """`boxes` are switches that nobody manages: they forward by MACs, and no controller knows of them. Raises PlanError when it could not
    be built: see `_check`."""

    name: str
    prefix: IPv4Network
    switches: tuple[Switch, ...]
    hosts: tuple[Host, ...]
    links: tuple[Link, ...]
    boxes: tuple[Switch, ...] = ()

    def __post_init__(self) -> None:
        _check(self)

    def host(self, name: str) -> Host:
        return next(host for host in self.hosts if host.name == name)

    def actor(self, role: Role) -> Host:
        """The host with this role, which is one of ACTORS."""
        return next(host for host in self.hosts if host.role is role)

    def switch(self, name: str) -> Switch:
        """Of those that are managed."""
        return next(switch for switch in self.switches if switch.name == name)

    def seen_at(self, host: Host) -> tuple[tuple[Switch, str], ...]:
        """The managed switches' ports at which the host's frames first come in, each with its interface: its own, or those of the boxes
        that it is behind."""
        managed = {switch.name: switch for switch in self.switches}
        if host.switch in managed:
            return ((managed[host.switch], host.edge),)
        found, known, waiting = [], {host.switch}, [host.switch]
        while waiting:
            for far, port in self._beyond(waiting.pop()):
                if far in managed:
                    found.append((managed[far], f"{far}-eth{port}"))
                elif far not in known:
                    known.add(far)
                    waiting.append(far)
        return tuple(sorted(found, key=lambda one: one[1]))

    def _beyond(self, name: str) -> Iterable[tuple[str, int]]:
        """The far ends of a switch's cables."""
        for link in self.links:
            if link.a == name:
                yield link.b, link.b_port
            if link.b == name:
                yield link.a, link.a_port

    def unused_ip(self) -> IPv4Address:
        """The highest address of the prefix that nobody here has."""
        taken = {host.ip for host in self.hosts}
        first, last = int(self.prefix.network_address) + 1, int(self.prefix.broadcast_address) - 1
        return next(ip for ip in map(IPv4Address, range(last, first, -1)) if ip not in taken)

    def with_switch_names(self, before: str) -> NetworkPlan:
        """The same network, each switch's name with `before` in front: two copies can then stand on one machine."""
        return replace(
            self,
            switches=tuple(replace(switch, name=before + switch.name) for switch in self.switches),
            hosts=tuple(replace(host, switch=before + host.switch) for host in self.hosts),
            links=tuple(replace(link, a=before + link.a, b=before + link.b) for link in self.links),
            boxes=tuple(replace(box, name=before + box.name) for box in self.boxes),
        )

    def describe(self) -> list[str]:
        """One line for each switch and what is plugged into it."""
        return [
            f"{switch.name} (of:{switch.datapath}): "
            + ", ".join(f"{port}={what}" for port, what in sorted(_plugged(self, switch.name)))
            for switch in self.switches
        ] + [
            f"{box.name} (unmanaged): " + ", ".join(f"{port}={what}" for port, what in sorted(_plugged(self, box.name)))
            for box in self.boxes
        ]


def _plugged(plan: NetworkPlan, switch: str) -> Iterable[tuple[int, str]]:
    for host in plan.hosts:
        if host.switch == switch:
            yield host.port, f"{host.name} {host.ip}"
    for link in plan.links:
        if link.a == switch:
            yield link.a_port, f"to {link.b}"
        if link.b == switch:
            yield link.b_port, f"to {link.a}"


def _check(plan: NetworkPlan) -> None:
    """Everything is used once and fits where it goes, every actor is there, the switches form a tree."""
    switches = (*plan.switches, *plan.boxes)
    _once("names", [host.name for host in plan.hosts] + [switch.name for switch in switches])
    _once("datapath ids", [switch.dpid for switch in switches])
    _once("MACs", [host.mac for host in plan.hosts])
    _once("addresses", [host.ip for host in plan.hosts])
    ports = [(host.switch, host.port) for host in plan.hosts]
    ports += [end for link in plan.links for end in ((link.a, link.a_port), (link.b, link.b_port))]
    _once("switch ports", ports)
    _once("actors", [host.role for host in plan.hosts if host.role in ACTORS])
    if missing := set(ACTORS) - {host.role for host in plan.hosts}:
        raise PlanError(f"no host for {', '.join(sorted(missing))}")
    names = {switch.name for switch in switches}
    for switch, port in ports:
        if switch not in names:
            raise PlanError(f"no switch {switch}")
        if not 1 <= port <= HIGHEST_PORT:
            raise PlanError(f"not an OpenFlow port number: {port}")
        if len(f"{switch}-eth{port}") > LONGEST_INTERFACE_NAME:
            raise PlanError(f"{switch}-eth{port} is longer than an interface's name may be")
    _check_addresses(plan)
    _check_tree(plan)


def _check_addresses(plan: NetworkPlan) -> None:
    for switch in (*plan.switches, *plan.boxes):
        if not 0 < switch.dpid < 1 << 64:
            raise PlanError(f"not a datapath id: {switch.dpid}")
    edges = {plan.prefix.network_address, plan.prefix.broadcast_address}
    for host in plan.hosts:
        if host.ip not in plan.prefix or host.ip in edges:
            raise PlanError(f"{host.ip} is no host's address in {plan.prefix}")
        if int(host.mac[:2], 16) & 1:
            raise PlanError(f"{host.mac} is a group address")
        if len(host.interface) > LONGEST_INTERFACE_NAME:
            raise PlanError(f"{host.interface} is longer than an interface's name may be")


def _check_tree(plan: NetworkPlan) -> None:
    reached, before = {plan.switches[0].name}, 0
    while len(reached) > before:
        before = len(reached)
        reached |= {name for link in plan.links if {link.a, link.b} & reached for name in (link.a, link.b)}
    switches = len(plan.switches) + len(plan.boxes)
    if len(reached) != switches or len(plan.links) != switches - 1:
        raise PlanError("the links between the switches are not a tree")


def _once(what: str, values: Sequence[object]) -> None:
    if twice := {value for value in values if values.count(value) > 1}:
        raise PlanError(f"{what} used twice: {', '.join(sorted(map(str, twice)))}")
