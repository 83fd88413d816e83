"""Frames as octets, each with what a switch can read of it: the two sides that are compared. Every frame ends in a number of its own."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from random import Random

from drivers.rules import Mac
from drivers.semantics import ETH_ARP, ETH_IPV4, ETH_IPV6, Frame

MARK = b"netcordon"
PORTS = (22, 53, 88, 445, 3389, 8080, 40000)
ACK, SYN, RST = 0x10, 0x02, 0x04
ICMP, TCP, UDP, ICMP6, ESP = 1, 6, 17, 58, 50


@dataclass(frozen=True)
class Ends:
    """Who speaks to whom, by every address."""

    macs: tuple[Mac, Mac]
    ips: tuple[IPv4Address, IPv4Address]
    ips6: tuple[IPv6Address, IPv6Address]


def any_frame(chance: Random, ends: Ends, number: int) -> tuple[bytes, Frame]:
    """One of every kind that a rule can tell from another. TCP and UDP come most often, since rules speak of these most."""
    make = chance.choices(list(_MAKERS), weights=list(_MAKERS.values()))[0]
    packet, frame = make(chance, ends)
    octets = b"".join(bytes.fromhex(mac.replace(":", "")) for mac in (ends.macs[1], ends.macs[0]))
    padded = (octets + packet).ljust(60, b"\0")
    return padded + MARK + struct.pack("!I", number), frame


def number_of(octets: bytes) -> int | None:
    """The number of one of our frames; None for all others."""
    if octets[-4 - len(MARK) : -4] != MARK:
        return None
    return int.from_bytes(octets[-4:], "big")


def _plain(ends: Ends, eth_type: int) -> Frame:
    return Frame(*ends.macs, eth_type)


def _arp(chance: Random, ends: Ends) -> tuple[bytes, Frame]:
    sender = bytes.fromhex(ends.macs[0].replace(":", ""))
    body = struct.pack("!HHBBH", 1, ETH_IPV4, 6, 4, chance.choice((1, 2))) + sender + ends.ips[0].packed
    body += bytes(6) + ends.ips[1].packed
    return _typed(ETH_ARP, body), Frame(*ends.macs, ETH_ARP, *ends.ips)


def _non_ip(chance: Random, ends: Ends) -> tuple[bytes, Frame]:
    eth_type = chance.choice((0x88B5, 0x88B6, 0x6003))
    return _typed(eth_type, bytes(46)), _plain(ends, eth_type)


def _behind_a_tag(chance: Random, ends: Ends) -> tuple[bytes, Frame]:
    """A packet within the tag that a switch reads, within another one in that, or within MPLS. The outer tag names a VLAN: one of VLAN 0 is
    taken off by every Open vSwitch on the way, and the next one reads further."""
    packet, frame = _tcp4(chance, ends)
    kind = chance.choice(("tag", "two tags", "MPLS"))
    if kind == "MPLS":
        return _typed(0x8847, b"\0\x01\x01\x40" + packet[2:]), _plain(ends, 0x8847)
    if kind == "tag":
        return _typed(0x8100, b"\0\x05" + packet), frame
    return _typed(0x8100, b"\0\x05" + _typed(0x8100, b"\0\0" + packet)), _plain(ends, 0x8100)


def _tcp4(chance: Random, ends: Ends) -> tuple[bytes, Frame]:
    body, l4, established = _segment(chance)
    frame = Frame(*ends.macs, ETH_IPV4, *ends.ips, TCP, *l4, established=established)
    return _ip4(ends, TCP, body), frame


def _udp4(chance: Random, ends: Ends) -> tuple[bytes, Frame]:
    body, l4 = _datagram(chance)
    return _ip4(ends, UDP, body), Frame(*ends.macs, ETH_IPV4, *ends.ips, UDP, *l4)


def _other4(chance: Random, ends: Ends) -> tuple[bytes, Frame]:
    protocol = chance.choice((ICMP, ICMP, ICMP, ESP, 0))
    body = bytes([8, 0]) + bytes(30)
    return _ip4(ends, protocol, body), Frame(*ends.macs, ETH_IPV4, *ends.ips, protocol)


def _piece4(chance: Random, ends: Ends) -> tuple[bytes, Frame]:
    """The first or a later one. Open vSwitch reads no ports in either, and TCP's flags where they are (ovs-ofctl(8), set-frags normal)."""
    whole, frame = chance.choice((_tcp4, _udp4, _other4))(chance, ends)
    piece = replace(frame, fragment=True, l4_src=None, l4_dst=None)
    if chance.random() < 0.5:
        return _ip4(ends, frame.ip_protocol or 0, whole[22:], fragment=0x2000), piece
    return _ip4(ends, frame.ip_protocol or 0, bytes(32), fragment=4), replace(piece, established=False)


def _tcp6(chance: Random, ends: Ends) -> tuple[bytes, Frame]:
    body, l4, established = _segment(chance)
    frame = Frame(*ends.macs, ETH_IPV6, *ends.ips6, TCP, *l4, established=established)
    before = chance.choice((b"", b"", _options(TCP)))
    return _ip6(ends, 60 if before else TCP, before + body), frame


def _udp6(chance: Random, ends: Ends) -> tuple[bytes, Frame]:
    body, l4 = _datagram(chance)
    return _ip6(ends, UDP, body), Frame(*ends.macs, ETH_IPV6, *ends.ips6, UDP, *l4)


def _icmp6(chance: Random, ends: Ends) -> tuple[bytes, Frame]:
    kind = chance.choice((128, 133, 134, 135, 136))
    frame = Frame(*ends.macs, ETH_IPV6, *ends.ips6, ICMP6, icmp_type=kind)
    return _ip6(ends, ICMP6, bytes([kind, 0]) + bytes(30)), frame


def _other6(chance: Random, ends: Ends) -> tuple[bytes, Frame]:
    protocol = chance.choice((ESP, 135, 139, 253))
    return _ip6(ends, protocol, bytes([59, 0]) + bytes(30)), Frame(*ends.macs, ETH_IPV6, *ends.ips6, protocol)


def _piece6(chance: Random, ends: Ends) -> tuple[bytes, Frame]:
    whole, frame = chance.choice((_udp6, _icmp6))(chance, ends)
    first, protocol = chance.random() < 0.5, frame.ip_protocol or 0
    header = struct.pack("!BBHI", protocol, 0, 1 if first else 4 << 3, 7)
    if first:
        read = replace(frame, fragment=True, l4_src=None, l4_dst=None, icmp_type=None)
        return _ip6(ends, 44, header + whole[42:]), read
    return _ip6(ends, 44, header + bytes(32)), Frame(*ends.macs, ETH_IPV6, *ends.ips6, 44, fragment=True)


def _typed(eth_type: int, body: bytes) -> bytes:
    return eth_type.to_bytes(2, "big") + body


def _segment(chance: Random) -> tuple[bytes, tuple[int, int], bool]:
    src, dst, flags = chance.choice(PORTS), chance.choice(PORTS), chance.choice((SYN, SYN, SYN | ACK, ACK, RST))
    return struct.pack("!HHIIBBHHH", src, dst, 1, 0, 0x50, flags, 1024, 0, 0), (src, dst), flags != SYN


def _datagram(chance: Random) -> tuple[bytes, tuple[int, int]]:
    src, dst = chance.choice((*PORTS, 67, 68)), chance.choice((*PORTS, 67, 68))
    return struct.pack("!HHHH", src, dst, 28, 0) + bytes(20), (src, dst)


def _ip4(ends: Ends, protocol: int, body: bytes, fragment: int = 0) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 7, fragment, 64, protocol, 0)
    head += ends.ips[0].packed + ends.ips[1].packed
    words = sum(struct.unpack("!10H", head))
    words = (words & 0xFFFF) + (words >> 16)
    checksum = ~(words + (words >> 16)) & 0xFFFF
    return _typed(ETH_IPV4, head[:10] + checksum.to_bytes(2, "big") + head[12:] + body)


def _ip6(ends: Ends, protocol: int, body: bytes) -> bytes:
    head = struct.pack("!IHBB", 6 << 28, len(body), protocol, 64)
    return _typed(ETH_IPV6, head + ends.ips6[0].packed + ends.ips6[1].packed + body)


def _options(following: int) -> bytes:
    """Destination options: eight octets of padding."""
    return bytes([following, 0, 1, 4, 0, 0, 0, 0])


_MAKERS = {
    _tcp4: 8,
    _udp4: 6,
    _tcp6: 4,
    _udp6: 3,
    _arp: 3,
    _icmp6: 3,
    _piece4: 3,
    _piece6: 2,
    _other4: 3,
    _other6: 2,
    _behind_a_tag: 2,
    _non_ip: 2,
}
