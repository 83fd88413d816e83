"""The kinds of traffic that a lab tries, a frame of each, and the tag by which each is known again wherever it comes out. Pure.

A tag names the run, the phase, the flow and the frame: nothing is counted twice, in another phase, or from another run.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address

from labs import frames_ipv6 as ipv6
from labs import frames_smb as smb
from labs.octets import EVERYONE, arp_request, ethernet, udp4, udp6

EXPERIMENTAL, EXPERIMENTAL_BROADCAST = 0x88B5, 0x88B6
STRANGER_MAC = "02:de:ad:be:ef:01"

_MAGIC = b"NCLB"
_TAG = struct.Struct("!4s4sBHI")


class Kind(StrEnum):
    """The kinds of traffic that are tried."""

    ARP = "arp"
    BROADCAST_UDP = "broadcast-udp"
    BROADCAST_L2 = "broadcast-l2"
    TCP = "tcp"
    UDP = "udp"
    NON_IP = "non-ip"
    CHANGED_IP = "changed-ip"
    CHANGED_MAC = "changed-mac"
    GATEWAY_IP = "gateway-ip"
    IPV6_LINK_LOCAL = "ipv6-link-local"
    IPV6_GLOBAL = "ipv6-global"
    IPV6_TCP = "ipv6-tcp"
    ND = "nd"
    UNSOLICITED_NA = "unsolicited-na"
    ROUTER_ADVERTISEMENT = "router-advertisement"
    PRIVACY_ADDRESS = "privacy-address"
    HOP_BY_HOP = "hop-by-hop"
    DESTINATION_OPTIONS = "destination-options"
    FRAGMENT = "fragment"
    ATOMIC_FRAGMENT = "atomic-fragment"
    SIX_IN_FOUR = "6in4"
    GRE = "gre"
    VXLAN = "vxlan"
    REQUEST = "udp-request"
    SMB = "smb"
    SMB_DISGUISED = "smb-disguised"
    SMB_FRAGMENT = "smb-fragment"
    SMB_BEHIND_HEADERS = "smb-behind-headers"
    SMB_TAGGED = "smb-tagged"


CONNECTIONS = (Kind.TCP, Kind.IPV6_TCP, Kind.REQUEST)
"""Real conversations between sockets; every other kind is single frames."""
IMPOSTURES = (
    Kind.CHANGED_IP,
    Kind.CHANGED_MAC,
    Kind.GATEWAY_IP,
    Kind.UNSOLICITED_NA,
    Kind.ROUTER_ADVERTISEMENT,
    Kind.PRIVACY_ADDRESS,
)
"""What only somebody tries who pretends to be another."""


class Phase(StrEnum):
    """Which part of a run a frame belongs to. In REACTION (alert to proven) and RELEASING nothing is demanded of what the
    rogue sends; in INCIDENT, while something happens to the network, what the scenario demands. MATRIX phases are for the reachability
    of everyone from everyone."""

    BEFORE = "before"
    REACTION = "reaction"
    INCIDENT = "incident"
    DURING = "during"
    RELEASING = "releasing"
    AFTER = "after"
    MATRIX_BEFORE = "matrix-before"
    MATRIX_AFTER = "matrix-after"


PHASES = tuple(Phase)


@dataclass(frozen=True, slots=True)
class Tag:
    phase: Phase
    flow: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Station:
    """One end of a frame: what the host really has."""

    mac: str
    ip: IPv4Address
    link_local: IPv6Address
    ip6: IPv6Address


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an attacker would pick from: the prefix, its gateway, and an address that nobody has. `gateways6` are the gateway's IPv6
    addresses."""

    prefix: IPv4Network
    gateway: IPv4Address
    unused: IPv4Address
    gateways6: tuple[IPv6Address, ...]


def encode_tag(nonce: bytes, tag: Tag) -> bytes:
    return _TAG.pack(_MAGIC, nonce, PHASES.index(tag.phase), tag.flow, tag.sequence)


def find_tag(nonce: bytes, frame: bytes) -> Tag | None:
    """The tag of this run in `frame`. An ICMP error quotes the frame that it is about: its tag says nothing of arrival."""
    if _is_icmp(frame):
        return None
    at = frame.find(_MAGIC + nonce)
    if at < 0 or len(frame) < at + _TAG.size:
        return None
    _, _, phase, flow, sequence = _TAG.unpack_from(frame, at)
    return Tag(PHASES[phase], flow, sequence)


def tag_offset(nonce: bytes, frame: bytes) -> int:
    """Where the tag begins; ValueError when there is none."""
    return frame.index(_MAGIC + nonce)


def _is_icmp(frame: bytes) -> bool:
    """Of ICMPv6, the errors alone (RFC 4443 §2.1): neighbour discovery quotes nothing."""
    kind = frame[12:14]
    return (kind == b"\x08\x00" and frame[23:24] == b"\x01") or (
        kind == b"\x86\xdd" and frame[20:21] == b"\x3a" and frame[54:55] < b"\x80"
    )


def frame(kind: Kind, source: Station, to: Station, around: Surroundings, tag: bytes, *, turn: int = 0) -> bytes:
    """One frame of this kind from `source` to `to`. KeyError for a connection. Some kinds take turns."""
    return _BUILDERS[kind](source, to, around, tag, turn)


Builder = Callable[[Station, Station, Surroundings, bytes, int], bytes]

_BUILDERS: dict[Kind, Builder] = {
    Kind.ARP: lambda s, to, _a, tag, _t: arp_request(s.mac, s.ip, to.ip, tag),
    Kind.BROADCAST_UDP: lambda s, _to, around, tag, turn: udp4(
        (s.mac, EVERYONE), (s.ip, (around.prefix.broadcast_address, IPv4Address("255.255.255.255"))[turn % 2]), tag
    ),
    Kind.BROADCAST_L2: lambda s, _to, _a, tag, _t: ethernet(EVERYONE, s.mac, EXPERIMENTAL_BROADCAST, tag),
    Kind.UDP: lambda s, to, _a, tag, _t: udp4((s.mac, to.mac), (s.ip, to.ip), tag),
    Kind.NON_IP: lambda s, to, _a, tag, _t: ethernet(to.mac, s.mac, EXPERIMENTAL, tag),
    Kind.CHANGED_IP: lambda s, to, around, tag, _t: udp4((s.mac, to.mac), (around.unused, to.ip), tag),
    Kind.CHANGED_MAC: lambda s, to, _a, tag, _t: udp4((STRANGER_MAC, to.mac), (s.ip, to.ip), tag),
    Kind.GATEWAY_IP: lambda s, to, around, tag, _t: udp4((s.mac, to.mac), (around.gateway, to.ip), tag),
    Kind.IPV6_LINK_LOCAL: lambda s, to, _a, tag, turn: (
        udp6((s.mac, ipv6.ALL_NODES_MAC), (s.link_local, ipv6.ALL_NODES), tag)
        if turn % 2
        else udp6((s.mac, to.mac), (s.link_local, to.link_local), tag)
    ),
    Kind.IPV6_GLOBAL: lambda s, to, _a, tag, _t: udp6((s.mac, to.mac), (s.ip6, to.ip6), tag),
    Kind.ND: lambda s, to, _a, tag, turn: (
        ipv6.advertisement((s.mac, to.mac), (s.link_local, to.link_local), s.ip6, tag)
        if turn % 2
        else ipv6.solicitation(s.mac, s.ip6, to.ip6, tag)
    ),
    Kind.UNSOLICITED_NA: lambda s, _to, around, tag, turn: ipv6.announcement(s.mac, around.gateways6[turn % 2], tag),
    Kind.ROUTER_ADVERTISEMENT: lambda s, _to, _a, tag, _t: ipv6.router_advertisement(s.mac, s.link_local, s.ip6, tag),
    Kind.PRIVACY_ADDRESS: lambda s, to, _a, tag, turn: udp6(
        (s.mac, to.mac), (ipv6.privacy_address(s.ip6, turn), to.ip6), tag
    ),
    Kind.HOP_BY_HOP: lambda s, to, _a, tag, _t: ipv6.behind_options(ipv6.HOP_BY_HOP, *_ends(s, to), tag),
    Kind.DESTINATION_OPTIONS: lambda s, to, _a, tag, _t: ipv6.behind_options(ipv6.DESTINATION, *_ends(s, to), tag),
    Kind.FRAGMENT: lambda s, to, _a, tag, _t: ipv6.fragment(*_ends(s, to), tag, more=True),
    Kind.ATOMIC_FRAGMENT: lambda s, to, _a, tag, _t: ipv6.fragment(*_ends(s, to), tag, more=False),
    Kind.SIX_IN_FOUR: lambda s, to, _a, tag, _t: ipv6.six_in_four((s.mac, to.mac), (s.ip, to.ip), (s.ip6, to.ip6), tag),
    Kind.GRE: lambda s, to, _a, tag, _t: ipv6.gre((s.mac, to.mac), (s.ip, to.ip), (s.ip6, to.ip6), tag),
    Kind.VXLAN: lambda s, to, _a, tag, _t: ipv6.vxlan((s.mac, to.mac), (s.ip, to.ip), (s.ip6, to.ip6), tag),
    Kind.SMB: lambda s, to, _a, tag, _t: smb.plain((s.mac, to.mac), (s.ip, to.ip), tag),
    Kind.SMB_DISGUISED: lambda s, to, _a, tag, turn: smb.disguised((s.mac, to.mac), (s.ip, to.ip), tag, turn),
    Kind.SMB_FRAGMENT: lambda s, to, _a, tag, turn: smb.fragment((s.mac, to.mac), (s.ip, to.ip), tag, turn),
    Kind.SMB_BEHIND_HEADERS: lambda s, to, _a, tag, turn: smb.behind_headers(*_ends(s, to), tag, turn),
    Kind.SMB_TAGGED: lambda s, to, _a, tag, turn: smb.tagged((s.mac, to.mac), (s.ip, to.ip), tag, turn),
}


def _ends(source: Station, to: Station) -> tuple[tuple[str, str], tuple[IPv6Address, IPv6Address]]:
    return (source.mac, to.mac), (source.ip6, to.ip6)


def claim(kind: Kind, source: Station, around: Surroundings, tag: bytes) -> bytes | None:
    """How an attacker announces by ARP or neighbour discovery what it pretends to be: None for a kind that needs no announcing."""
    if kind is Kind.CHANGED_IP:
        return arp_request(source.mac, around.unused, around.gateway, tag)
    if kind is Kind.CHANGED_MAC:
        return arp_request(STRANGER_MAC, source.ip, around.gateway, tag)
    if kind is Kind.GATEWAY_IP:
        return arp_request(source.mac, around.gateway, around.gateway, tag)
    if kind is Kind.PRIVACY_ADDRESS:
        return ipv6.announcement(source.mac, ipv6.privacy_address(source.ip6, 0), tag)
    return None
