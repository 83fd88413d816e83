"""What a set of rules means for a frame. Pure. `prove`, the memory driver and the contract suite share it, so that the
meaning is written once and every driver is held against it.

Each containment decides for itself, in each direction: a PERMIT of its own outweighs its DENY. A frame is dropped when any containment
drops it: between containments the strictest wins. COUNT and MIRROR never change a frame's fate. Frames of a port that
is SHUT go nowhere, in either direction; a MOVE_VLAN puts what the port sends and hears into that VLAN.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from drivers.rules import Action, Direction, Mac, Match, PortName, Protocol, Rule

ETH_IPV4, ETH_ARP, ETH_IPV6 = 0x0800, 0x0806, 0x86DD
IP_PROTOCOLS = {Protocol.ICMP: 1, Protocol.TCP: 6, Protocol.UDP: 17, Protocol.ICMPV6: 58}
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame's headers, as far as a rule can speak of them. For ARP, `ip_src` and `ip_dst` are the protocol's."""

    eth_src: Mac
    eth_dst: Mac
    eth_type: int
    ip_src: Address | None = None
    ip_dst: Address | None = None
    ip_protocol: int | None = None
    l4_src: int | None = None
    l4_dst: int | None = None


@dataclass(frozen=True, slots=True)
class Crossing:
    """One frame on its way through a device: in at a port, out at a port (None: not known, or the device itself)."""

    frame: Frame
    in_port: PortName | None
    out_port: PortName | None


class Fate(StrEnum):
    PASS = "pass"  # noqa: S105 - a frame's fate, not a password
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A frame's fate, the rule that decided it (None: no rule spoke), and the VLANs it was moved to on its way in and
    out."""

    fate: Fate
    rule: Rule | None = None
    vlan_in: int | None = None
    vlan_out: int | None = None


def matches(match: Match, crossing: Crossing) -> bool:
    """Whether the rule's match speaks of this crossing."""
    frame = crossing.frame
    if match.direction is Direction.FROM:
        port, mac, own, peer = crossing.in_port, frame.eth_src, frame.ip_src, frame.ip_dst
        own_port, peer_port = frame.l4_src, frame.l4_dst
    else:
        port, mac, own, peer = crossing.out_port, frame.eth_dst, frame.ip_dst, frame.ip_src
        own_port, peer_port = frame.l4_dst, frame.l4_src
    return (
        (match.port is None or match.port == port)
        and (match.mac is None or match.mac == mac)
        and (match.ip is None or _within(own, match.ip))
        and (match.peer is None or _within(peer, match.peer))
        and (match.protocol is None or _is_protocol(frame, match.protocol))
        and (match.own_ports is None or (own_port is not None and own_port in match.own_ports))
        and (match.peer_ports is None or (peer_port is not None and peer_port in match.peer_ports))
    )


def verdict(rules: Iterable[Rule], crossing: Crossing) -> Verdict:
    """The fate of one crossing under `rules`."""
    hits = [rule for rule in rules if _speaks_of(rule, crossing)]
    moved = {rule.match.direction: rule.vlan for rule in hits if rule.action is Action.MOVE_VLAN}
    shut = next((rule for rule in hits if rule.action is Action.SHUT), None)
    denied = shut or _denied(hits)
    fate = Fate.DROP if denied else Fate.PASS
    deciding = denied or next((rule for rule in hits if rule.action is Action.PERMIT), None)
    return Verdict(fate, deciding, moved.get(Direction.FROM), moved.get(Direction.TO))


def _denied(hits: list[Rule]) -> Rule | None:
    permitting = {_voice(rule) for rule in hits if rule.action is Action.PERMIT}
    return next((rule for rule in hits if rule.action is Action.DENY and _voice(rule) not in permitting), None)


def _voice(rule: Rule) -> tuple[str, Direction]:
    return rule.provenance.containment, rule.match.direction


def _speaks_of(rule: Rule, crossing: Crossing) -> bool:
    if rule.action is Action.SHUT:
        return rule.match.port is not None and rule.match.port in (crossing.in_port, crossing.out_port)
    return matches(rule.match, crossing)


def _within(address: Address | None, network: object) -> bool:
    return address is not None and address in network  # type: ignore[operator]  # an address of the other version is simply outside


def _is_protocol(frame: Frame, protocol: Protocol) -> bool:
    if protocol is Protocol.ARP:
        return frame.eth_type == ETH_ARP
    if frame.eth_type not in (ETH_IPV4, ETH_IPV6):
        return False
    return frame.ip_protocol == IP_PROTOCOLS[protocol]
