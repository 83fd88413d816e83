"""Frames that a lab sends, byte by byte, and the tag by which each is known again wherever it comes out. Pure.

A tag names the run, the phase, the flow and the frame: nothing is counted twice, in another phase, or from another run.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address

ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
EXPERIMENTAL, EXPERIMENTAL_BROADCAST = 0x88B5, 0x88B6
UDP = 17
DISCARD = 9
SHORTEST = 60
EVERYONE = "ff:ff:ff:ff:ff:ff"
ALL_NODES = IPv6Address("ff02::1")
ALL_NODES_MAC = "33:33:00:00:00:01"
STRANGER_MAC = "02:de:ad:be:ef:01"

_MAGIC = b"NCLB"
_TAG = struct.Struct("!4s4sBHI")


class Kind(StrEnum):
    """The kinds of traffic that are tried. TCP is a real connection; every other one is made of the frames below."""

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


EVASIONS = (Kind.CHANGED_IP, Kind.CHANGED_MAC, Kind.GATEWAY_IP, Kind.IPV6_LINK_LOCAL)
"""What only somebody tries who wants to get around a block."""


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


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an attacker would pick from: the prefix, its gateway, and an address that nobody has."""

    prefix: IPv4Network
    gateway: IPv4Address
    unused: IPv4Address


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
    kind = frame[12:14]
    return (kind == b"\x08\x00" and frame[23:24] == b"\x01") or (kind == b"\x86\xdd" and frame[20:21] == b"\x3a")


def ethernet(destination: str, source: str, kind: int, payload: bytes) -> bytes:
    return (_mac(destination) + _mac(source) + kind.to_bytes(2, "big") + payload).ljust(SHORTEST, b"\0")


def arp_request(sender_mac: str, sender_ip: IPv4Address, asked: IPv4Address, tag: bytes) -> bytes:
    """A broadcast request. The tag is in the padding, which ARP does not speak of."""
    body = struct.pack("!HHBBH", 1, IPV4, 6, 4, 1) + _mac(sender_mac) + sender_ip.packed + bytes(6) + asked.packed
    return ethernet(EVERYONE, sender_mac, ARP, body + tag)


def udp4(macs: tuple[str, str], ips: tuple[IPv4Address, IPv4Address], payload: bytes) -> bytes:
    """`macs` and `ips` are source and destination. To the discard port, without the checksum that IPv4 leaves to choice."""
    datagram = struct.pack("!HHHH", DISCARD, DISCARD, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0x4000, 64, UDP, 0) + ips[0].packed + ips[1].packed
    head = head[:10] + _checksum(head).to_bytes(2, "big") + head[12:]
    return ethernet(macs[1], macs[0], IPV4, head + datagram)


def udp6(macs: tuple[str, str], ips: tuple[IPv6Address, IPv6Address], payload: bytes) -> bytes:
    length = 8 + len(payload)
    pseudo = ips[0].packed + ips[1].packed + struct.pack("!IxxxB", length, UDP)
    checksum = _checksum(pseudo + struct.pack("!HHHH", DISCARD, DISCARD, length, 0) + payload) or 0xFFFF
    datagram = struct.pack("!HHHH", DISCARD, DISCARD, length, checksum) + payload
    head = struct.pack("!IHBB", 6 << 28, length, UDP, 255) + ips[0].packed + ips[1].packed
    return ethernet(macs[1], macs[0], IPV6, head + datagram)


def frame(kind: Kind, source: Station, to: Station, around: Surroundings, tag: bytes, *, turn: int = 0) -> bytes:
    """One frame of this kind from `source` to `to`. KeyError for TCP. IPv6 takes turns between the host and all nodes."""
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
        udp6((s.mac, ALL_NODES_MAC), (s.link_local, ALL_NODES), tag)
        if turn % 2
        else udp6((s.mac, to.mac), (s.link_local, to.link_local), tag)
    ),
}


def claim(kind: Kind, source: Station, around: Surroundings, tag: bytes) -> bytes | None:
    """How an attacker announces by ARP what it pretends to be: None for a kind that pretends nothing."""
    if kind is Kind.CHANGED_IP:
        return arp_request(source.mac, around.unused, around.gateway, tag)
    if kind is Kind.CHANGED_MAC:
        return arp_request(STRANGER_MAC, source.ip, around.gateway, tag)
    if kind is Kind.GATEWAY_IP:
        return arp_request(source.mac, around.gateway, around.gateway, tag)
    return None


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _checksum(octets: bytes) -> int:
    if len(octets) % 2:
        octets += b"\0"
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
