"""What a plan does, worked out on the model before anything is sent. Pure.

The verdicts come from `drivers.semantics`, the same meaning that every driver is held against. A rule of a plan can only
touch frames that come in or go out where it says, so the parties that could be hit are looked up by the rules' own ports,
MACs and addresses: what is no party to any rule keeps its fate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import NamedTuple

from controller.model import Address, Attachment, Endpoint, Plan, Proof, Reach, Survival
from controller.network.graph import NetworkGraph
from controller.network.view import NetworkView
from controller.profiles import samples
from drivers.base import Management
from drivers.rules import Direction, Mac, PortName, Protocol, Rule
from drivers.semantics import (
    ETH_ARP,
    ETH_IPV4,
    ETH_IPV6,
    HIDING_PROTOCOLS,
    IP_PROTOCOLS,
    Crossing,
    Fate,
    Frame,
    verdict,
)

BROADCAST = Mac("ff:ff:ff:ff:ff:ff")
STRANGER_MAC = Mac("02:00:5e:00:53:01")
"""Stands for an address that nobody has: what a device may turn itself into. RFC 7042 §2.1.2 documentation range, locally administered."""
SOMEBODY_MAC = Mac("02:00:5e:00:53:02")
ELSEWHERE = PortName("(any other port)")
STRANGER_IP = ip_address("192.0.2.1")
SOMEBODY_IP = ip_address("192.0.2.2")
STRANGER = {4: STRANGER_IP, 6: ip_address("2001:db8::1")}
SOMEBODY = {4: SOMEBODY_IP, 6: ip_address("2001:db8::2")}
CLIENT_PORT = 49152
"""The first of those that a client is given (IANA, RFC 6335 §6)."""
_BLUNT = frozenset({"port", "mac"})
Rules = Sequence[Rule]
_KINDS: tuple[tuple[str, int, int | None], ...] = (
    ("ARP", ETH_ARP, None),
    ("TCP", ETH_IPV4, 6),
    ("UDP", ETH_IPV4, 17),
    ("ICMP", ETH_IPV4, 1),
    ("IPv6", ETH_IPV6, 58),
    ("non-IP", 0x88B5, None),
)


def prove(plan: Plan, network: NetworkView, now: float) -> Proof:
    """What is blocked, what remains, who else is hit, and whether the management path survives."""
    endpoint = plan.endpoint
    rules = tuple(plan.rules[endpoint.attachment.device])
    blocked: list[Reach] = []
    residual: list[Reach] = []
    tried = _granular_traffic(plan, rules) if plan.profile.granular else _device_traffic(endpoint, rules)
    for reach, passes in tried:
        (residual if passes else blocked).append(reach)
    residual += _behind_the_port(endpoint)
    return Proof(
        blocked=tuple(blocked),
        residual=tuple(residual),
        collateral=tuple(_collateral(endpoint, rules, network, now)),
        management={device: _survival(device, plan, network.graph) for device in plan.rules},
    )


def _device_traffic(endpoint: Endpoint, rules: Rules) -> Iterator[tuple[Reach, bool]]:
    """Every kind of traffic of the device, under its own and under borrowed addresses, in both directions."""
    own_mac = min(endpoint.macs, default=STRANGER_MAC)
    own_ip = min((ip for ip in endpoint.ips if ip.version == 4), default=STRANGER_IP)
    guises = [
        ("", own_mac, own_ip),
        (" as another MAC", STRANGER_MAC, own_ip),
        (" as another IP", own_mac, STRANGER_IP),
    ]
    guises += [(" as a neighbour's MAC", mac, own_ip) for mac in sorted(endpoint.neighbours)[:1]]
    port, fates = endpoint.attachment.port, _Fates(rules)
    for name, mac, ip in guises:
        for kind, eth_type, protocol in _KINDS:
            out = _Try(mac, SOMEBODY_MAC, ip, SOMEBODY_IP, eth_type, protocol, port, ELSEWHERE)
            into = _Try(SOMEBODY_MAC, mac, SOMEBODY_IP, ip, eth_type, protocol, ELSEWHERE, port)
            yield fates.judge("device", "anyone", f"{kind}{name}", out)
            yield fates.judge("anyone", "device", f"{kind}{name}", into)
    for kind, eth_type, protocol in _KINDS:
        out = _Try(own_mac, BROADCAST, own_ip, SOMEBODY_IP, eth_type, protocol, port, ELSEWHERE)
        into = _Try(SOMEBODY_MAC, BROADCAST, SOMEBODY_IP, own_ip, eth_type, protocol, ELSEWHERE, port)
        yield fates.judge("device", "everyone", f"{kind} broadcast", out)
        yield fates.judge("everyone", "device", f"{kind} broadcast", into)


class _Try(NamedTuple):
    """One kind of frame, in at a port and out at another."""

    src: Mac
    dst: Mac
    ip_src: Address
    ip_dst: Address
    eth_type: int
    protocol: int | None
    in_port: PortName
    out_port: PortName

    @property
    def crossing(self) -> Crossing:
        frame = _frame(self.src, self.dst, self.ip_src, self.ip_dst, self.eth_type, self.protocol)
        return Crossing(frame, self.in_port, self.out_port)


class _Fates:
    """Whether frames pass under these rules. Rules that ask for ports and MACs alone tell frames apart by nothing else: then one is judged
    for all that have these in common."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._blunt = all(rule.match.fields() <= _BLUNT for rule in rules)
        self._known: dict[tuple[Mac, Mac, PortName, PortName], bool] = {}

    def judge(self, src: str, dst: str, kind: str, tried: _Try) -> tuple[Reach, bool]:
        return Reach(src, dst, kind, _witness(tried.src, tried.dst, tried.eth_type, *tried[-2:])), self._passes(tried)

    def _passes(self, tried: _Try) -> bool:
        told_apart_by = tried.src, tried.dst, tried.in_port, tried.out_port
        passes = self._known.get(told_apart_by) if self._blunt else None
        if passes is None:
            passes = self._known[told_apart_by] = verdict(self._rules, tried.crossing).fate is Fate.PASS
        return passes


def _granular_traffic(plan: Plan, rules: Rules) -> Iterator[tuple[Reach, bool]]:
    """Each service of the profile by its name, both as the device's own and as others reach it; the ways around that a port number
    leaves open; and all the rest, by kind."""
    endpoint, taken = plan.endpoint, set[tuple[Protocol | None, int]]()
    port, mac = endpoint.attachment.port, min(endpoint.macs, default=STRANGER_MAC)
    for sample in samples(plan.profile):
        taken.add((sample.protocol, sample.port))
        whom = "anyone" if sample.peer is None else str(sample.peer)
        version = 4 if sample.peer is None else sample.peer.version
        peer = SOMEBODY[version] if sample.peer is None else sample.peer[0]
        own = min((ip for ip in endpoint.ips if ip.version == version), default=STRANGER[version])
        ends = (sample.port, CLIENT_PORT) if sample.way is Direction.TO else (CLIENT_PORT, sample.port)
        coming, going = _pair(mac, own, peer, sample.protocol, ends)
        if sample.way is Direction.FROM:
            yield _judge("device", whom, sample.label, Crossing(coming, port, ELSEWHERE), rules)
        else:
            yield _judge(whom, "device", sample.label, Crossing(going, ELSEWHERE, port), rules)
    yield from _ways_around(endpoint, rules)
    free = next(number for number in range(40000, 65536) if not {(p, number) for p in Protocol} & taken)
    for name, protocol in (
        ("TCP", Protocol.TCP),
        ("UDP", Protocol.UDP),
        ("ICMP", Protocol.ICMP),
        ("ARP", Protocol.ARP),
    ):
        own = min((ip for ip in endpoint.ips if ip.version == 4), default=STRANGER[4])
        coming, going = _pair(mac, own, SOMEBODY[4], protocol, (CLIENT_PORT, free))
        yield _judge("device", "anyone", f"other {name}", Crossing(coming, port, ELSEWHERE), rules)
        yield _judge("anyone", "device", f"other {name}", Crossing(going, ELSEWHERE, port), rules)
    for name, eth_type in (("IPv6", ETH_IPV6), ("non-IP", 0x88B5)):
        coming = Frame(mac, SOMEBODY_MAC, eth_type, ip_protocol=59 if eth_type == ETH_IPV6 else None)
        yield _judge("device", "anyone", f"other {name}", Crossing(coming, port, ELSEWHERE), rules)
        going = replace(coming, eth_src=SOMEBODY_MAC, eth_dst=mac)
        yield _judge("anyone", "device", f"other {name}", Crossing(going, ELSEWHERE, port), rules)


def _ways_around(endpoint: Endpoint, rules: Rules) -> Iterator[tuple[Reach, bool]]:
    """What shows no ports to a switch, in words; a borrowed MAC, by which the device is no longer who is spoken to; and broadcasts."""
    port, mac = endpoint.attachment.port, min(endpoint.macs, default=STRANGER_MAC)
    ips = (STRANGER[4], SOMEBODY[4])
    around = {
        "fragmented packets": Frame(mac, SOMEBODY_MAC, ETH_IPV4, *ips, 6, fragment=True),
        "packets with unknown headers": Frame(
            mac, SOMEBODY_MAC, ETH_IPV6, STRANGER[6], SOMEBODY[6], HIDING_PROTOCOLS[0]
        ),
    }
    for kind, frame in around.items():
        yield _judge("device", "anyone", kind, Crossing(frame, port, ELSEWHERE), rules)
        back = replace(frame, eth_src=SOMEBODY_MAC, eth_dst=mac, ip_src=frame.ip_dst, ip_dst=frame.ip_src)
        yield _judge("anyone", "device", kind, Crossing(back, ELSEWHERE, port), rules)
    for kind, to in (("frames to another MAC that it takes", STRANGER_MAC), ("broadcasts", BROADCAST)):
        frame = Frame(SOMEBODY_MAC, to, ETH_IPV4, SOMEBODY[4], STRANGER[4], 6, CLIENT_PORT, 445)
        yield _judge("anyone", "device", kind, Crossing(frame, ELSEWHERE, port), rules)


def _pair(
    mac: Mac, own: Address, peer: Address, protocol: Protocol | None, ports: tuple[int, int]
) -> tuple[Frame, Frame]:
    """The same traffic as the device would send it (`ports`: source and destination), and as it would get it from the peer: there the
    service is the device's own when it is the first of both."""
    number = IP_PROTOCOLS.get(protocol or Protocol.TCP)
    l4: tuple[int | None, int | None] = ports if protocol in (None, Protocol.TCP, Protocol.UDP) else (None, None)
    eth_type = ETH_ARP if protocol is Protocol.ARP else ETH_IPV4 if own.version == 4 else ETH_IPV6
    back = l4 if ports[0] == CLIENT_PORT else (l4[1], l4[0])
    return (
        Frame(mac, SOMEBODY_MAC, eth_type, own, peer, number, *l4),
        Frame(SOMEBODY_MAC, mac, eth_type, peer, own, number, *back),
    )


def _judge(src: str, dst: str, kind: str, crossing: Crossing, rules: Rules) -> tuple[Reach, bool]:
    frame = crossing.frame
    witness = _witness(frame.eth_src, frame.eth_dst, frame.eth_type, crossing.in_port, crossing.out_port)
    return Reach(src, dst, kind, witness), verdict(rules, crossing).fate is Fate.PASS


def _witness(src: Mac, dst: Mac, eth_type: int, in_port: PortName | None, out_port: PortName | None) -> str:
    return f"{src} > {dst} type 0x{eth_type:04x} in {in_port} out {out_port}"


def _behind_the_port(endpoint: Endpoint) -> list[Reach]:
    return [Reach("device", neighbour, "anything, behind the same port") for neighbour in sorted(endpoint.neighbours)]


def _collateral(endpoint: Endpoint, rules: Rules, network: NetworkView, now: float) -> Iterator[Reach]:
    for mac, place, ips in _parties(endpoint, rules, network, now):
        speaking = [rule for rule in rules if rule.match.mac in (None, mac)]
        for direction in Direction:
            stopped = [
                kind
                for kind, crossing in _party_crossings(mac, place, ips, direction, endpoint)
                if _drops(speaking, crossing)
            ]
            if stopped:
                src, dst = (mac, "anyone") if direction is Direction.FROM else ("anyone", mac)
                yield Reach(src, dst, ", ".join(stopped))


def _parties(
    endpoint: Endpoint, rules: Rules, network: NetworkView, now: float
) -> Iterator[tuple[Mac, Attachment, Iterable[Address]]]:
    """Other devices that some rule could speak of: those on its port, and the present places of its MAC and of its address."""
    bindings, device = network.bindings, endpoint.attachment.device
    seen = set(endpoint.macs)
    for rule in rules:
        if rule.match.port is not None:
            here = Attachment(device, rule.match.port)
            macs = network.separate_devices(endpoint.realm, here, now)
        elif rule.match.mac is not None:
            macs = {rule.match.mac}
        else:
            macs = bindings.macs_within(endpoint.realm, rule.match.ip)
        for mac in sorted(macs - seen):
            seen.add(mac)
            spans = bindings.history_of_mac(endpoint.realm, mac)
            if spans:
                yield mac, spans[-1].place, bindings.ips_held_by(endpoint.realm, mac)


def _party_crossings(
    mac: Mac, place: Attachment, ips: Iterable[Address], direction: Direction, endpoint: Endpoint
) -> Iterator[tuple[str, Crossing]]:
    at = place.port if place.device == endpoint.attachment.device else ELSEWHERE
    ip = min((ip for ip in ips if ip.version == 4), default=SOMEBODY_IP)
    for kind, eth_type, protocol in _KINDS:
        if direction is Direction.FROM:
            frame = _frame(mac, SOMEBODY_MAC, ip, SOMEBODY_IP, eth_type, protocol)
            yield kind, Crossing(frame, at, ELSEWHERE)
        else:
            frame = _frame(SOMEBODY_MAC, mac, SOMEBODY_IP, ip, eth_type, protocol)
            yield kind, Crossing(frame, ELSEWHERE, at)


def _drops(rules: Iterable[Rule], crossing: Crossing) -> bool:
    return verdict(rules, crossing).fate is Fate.DROP


def _frame(src: Mac, dst: Mac, ip_src: Address, ip_dst: Address, eth_type: int, protocol: int | None) -> Frame:
    if eth_type == ETH_IPV4:
        return Frame(src, dst, eth_type, ip_src, ip_dst, protocol, 49152, 445)
    if eth_type == ETH_ARP:
        return Frame(src, dst, eth_type, ip_src, ip_dst)
    return Frame(src, dst, eth_type, ip_protocol=protocol)


def _survival(device: str, plan: Plan, graph: NetworkGraph) -> Survival:
    node = graph.devices.get(device)
    if node is None or node.management is Management.UNKNOWN:
        return Survival.UNKNOWN
    if node.management is Management.OUT_OF_BAND:
        return Survival.OUT_OF_BAND
    port = None if node.management_port is None else graph.find_port(device, node.management_port)
    if port is None:
        return Survival.UNKNOWN
    to_it = [
        rule
        for rule in plan.rules[device]
        if rule.match.direction is Direction.TO and rule.match.mac in plan.endpoint.macs
    ]
    touched = {rule.match.port for rule in plan.rules[device] if rule not in to_it}
    return Survival.CUT if touched & {None, port} else Survival.SURVIVES
