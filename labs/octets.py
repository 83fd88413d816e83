"""Frames byte by byte: Ethernet, ARP, and UDP over both versions of IP. Pure."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
UDP = 17
DISCARD = 9
SHORTEST = 60
EVERYONE = "ff:ff:ff:ff:ff:ff"
Macs = tuple[str, str]
Addresses = tuple[IPv6Address, IPv6Address]
"""Source and destination."""


def ethernet(destination: str, source: str, kind: int, payload: bytes) -> bytes:
    return (mac(destination) + mac(source) + kind.to_bytes(2, "big") + payload).ljust(SHORTEST, b"\0")


def arp_request(sender_mac: str, sender_ip: IPv4Address, asked: IPv4Address, tag: bytes) -> bytes:
    """A broadcast request. The tag is in the padding, which ARP does not speak of."""
    body = struct.pack("!HHBBH", 1, IPV4, 6, 4, 1) + mac(sender_mac) + sender_ip.packed + bytes(6) + asked.packed
    return ethernet(EVERYONE, sender_mac, ARP, body + tag)


def udp4(macs: Macs, ips: tuple[IPv4Address, IPv4Address], payload: bytes, port: int = DISCARD) -> bytes:
    """Without the checksum that IPv4 leaves to choice."""
    datagram = struct.pack("!HHHH", DISCARD, port, 8 + len(payload), 0) + payload
    return ip4(macs, ips, UDP, datagram)


def ip4(macs: Macs, ips: tuple[IPv4Address, IPv4Address], protocol: int, payload: bytes) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0)
    head += ips[0].packed + ips[1].packed
    head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
    return ethernet(macs[1], macs[0], IPV4, head + payload)


def udp6(macs: Macs, ips: Addresses, payload: bytes) -> bytes:
    return ethernet(macs[1], macs[0], IPV6, ip6(ips, UDP, datagram6(ips, payload)))


def datagram6(ips: Addresses, payload: bytes) -> bytes:
    datagram = struct.pack("!HHHH", DISCARD, DISCARD, 8 + len(payload), 0) + payload
    return datagram[:6] + checksum6(ips, UDP, datagram).to_bytes(2, "big") + datagram[8:]


def ip6(ips: Addresses, protocol: int, payload: bytes) -> bytes:
    """With the hop limit that shows that nobody routed it (RFC 4861 §7.1)."""
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 255) + ips[0].packed + ips[1].packed + payload


def checksum6(ips: Addresses, protocol: int, payload: bytes) -> int:
    """Over the pseudo-header of RFC 8200 §8.1 too."""
    pseudo = ips[0].packed + ips[1].packed + struct.pack("!IxxxB", len(payload), protocol)
    return checksum(pseudo + payload) or 0xFFFF


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def checksum(octets: bytes) -> int:
    if len(octets) % 2:
        octets += b"\0"
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
