"""What a set of rules means for a frame. Pure. `prove`, the memory driver and the contract suite share it, so that the
meaning is written once and every driver is held against it.

Each containment decides for itself, in each direction: a PERMIT of its own outweighs its DENY. A frame is dropped when any containment
drops it: between containments the strictest wins. COUNT and MIRROR never change a frame's fate. Frames of a port that
is SHUT go nowhere, in either direction; a MOVE_VLAN puts what the port sends and hears into that VLAN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from drivers.rules import Action, Direction, Mac, Match, PortName, Protocol, Rule

ETH_IPV4, ETH_ARP, ETH_IPV6 = 0x0800, 0x0806, 0x86DD
IP_PROTOCOLS = {Protocol.ICMP: 1, Protocol.TCP: 6, Protocol.UDP: 17, Protocol.ICMPV6: 58, Protocol.ND: 58}
NEIGHBOUR_TYPES = (133, 135, 136)
IPV6_FRAGMENT = 44
HIDING_PROTOCOLS = (0, 43, IPV6_FRAGMENT, 51, 60, 135, 139, 140, 253, 254)
"""IPv6 extension headers (IANA), ESP left out, whose content nobody sees. A network device that stops at one of them, or at 0 in IPv4 (a
header that it could not read), does not know what the receiver will find behind it."""
HIDING_TYPES = (0x8100, 0x88A8, 0x9100, 0x8847, 0x8848, 0x8864)
"""EtherTypes behind which an IP packet may be: a VLAN tag within the tag that the device has read, MPLS, PPPoE."""
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame's headers, as far as a rule can speak of them. For ARP, `ip_src` and `ip_dst` are the protocol's. `ip_protocol` is where
    the network device's walk along the headers ended: the upper-layer protocol, but 44 for a later fragment of IPv6. `fragment`: it is
    a piece of a fragmented packet; L4 ports are in the first piece alone, if at all: Open vSwitch reads neither ports nor an ICMP type
    in any (fragment mode `normal`, ovs-ofctl(8) set-frags). `established`: TCP with ACK or RST."""

    eth_src: Mac
    eth_dst: Mac
    eth_type: int
    ip_src: Address | None = None
    ip_dst: Address | None = None
    ip_protocol: int | None = None
    l4_src: int | None = None
    l4_dst: int | None = None
    fragment: bool = False
    established: bool = False
    icmp_type: int | None = None


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


UNTOUCHED = Verdict(Fate.PASS)
"""No rule spoke."""


def matches(match: Match, crossing: Crossing) -> bool:
    """Whether the rule's match speaks of this crossing."""
    frame = crossing.frame
    coming = match.direction is Direction.FROM
    if match.port is not None and match.port != (crossing.in_port if coming else crossing.out_port):
        return False  # before all else is looked at: most frames that a plan is tried with are another direction's
    if match.mac is not None and match.mac != (frame.eth_src if coming else frame.eth_dst):
        return False
    if coming:
        own, peer, own_port, peer_port = frame.ip_src, frame.ip_dst, frame.l4_src, frame.l4_dst
    else:
        own, peer, own_port, peer_port = frame.ip_dst, frame.ip_src, frame.l4_dst, frame.l4_src
    return (
        (match.ip is None or _within(own, match.ip))
        and (match.peer is None or _within(peer, match.peer))
        and (match.protocol is None or _is_protocol(frame, match.protocol))
        and (match.own_ports is None or (own_port is not None and own_port in match.own_ports))
        and (match.peer_ports is None or (peer_port is not None and peer_port in match.peer_ports))
        and (not match.established or frame.established)
        and (not match.fragment or frame.fragment)
        and (not match.hidden or is_hidden(frame))
    )


def is_hidden(frame: Frame) -> bool:
    """Whether what the receiver will find in it cannot be told from it: an IP packet behind a tag, or one whose headers end unknown."""
    if frame.eth_type in (ETH_IPV4, ETH_IPV6):
        return frame.ip_protocol in (HIDING_PROTOCOLS if frame.eth_type == ETH_IPV6 else (0,))
    return frame.eth_type in HIDING_TYPES


def verdict(rules: Iterable[Rule], crossing: Crossing) -> Verdict:
    """The fate of one crossing under `rules`."""
    spoken = [rule for rule in rules if _speaks_of(rule, crossing)]
    if not spoken:
        return UNTOUCHED
    if len(spoken) == 1 and spoken[0].action is Action.DENY:
        return Verdict(Fate.DROP, spoken[0])
    hits: dict[Action, list[Rule]] = {}
    for rule in spoken:
        hits.setdefault(rule.action, []).append(rule)
    return decide(hits)


def decide(hits: Mapping[Action, Sequence[Rule]]) -> Verdict:
    """What rules that all speak of a frame come to, by action; at least one of them."""
    moved = {rule.match.direction: rule.vlan for rule in hits.get(Action.MOVE_VLAN, ())}
    shut, permits = hits.get(Action.SHUT), hits.get(Action.PERMIT, ())
    denied = shut[0] if shut else _denied(hits.get(Action.DENY, ()), permits)
    fate = Fate.DROP if denied else Fate.PASS
    deciding = denied or (permits[0] if permits else None)
    return Verdict(fate, deciding, moved.get(Direction.FROM), moved.get(Direction.TO))


def _denied(denies: Sequence[Rule], permits: Sequence[Rule]) -> Rule | None:
    if not denies or not permits:
        return denies[0] if denies else None
    permitting = {_voice(rule) for rule in permits}
    return next((rule for rule in denies if _voice(rule) not in permitting), None)


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
    if protocol is Protocol.ND and not (frame.eth_type == ETH_IPV6 and frame.icmp_type in NEIGHBOUR_TYPES):
        return False
    return frame.ip_protocol == IP_PROTOCOLS[protocol]
