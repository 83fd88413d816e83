"""SMB, as somebody would send it who knows that TCP port 445 is closed: behind options, in fragments, tagged, behind headers. Pure.

Each frame carries its tag where a switch does not look: in the segment's data, or, in a later fragment, in what follows it.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

from labs.octets import IPV4, IPV6, Addresses, Macs, checksum, ethernet, ip6

SMB, KERBEROS, EPHEMERAL = 445, 88, 40_000
TCP = 6
SYN = 0x02
_MORE_FRAGMENTS = 0x2000
_HOP_BY_HOP, _FRAGMENT, _DESTINATION, _MOBILITY = 0, 44, 60, 135
_VLAN, _PROVIDER, _MPLS = 0x8100, 0x88A8, 0x8847
_PRIORITY_TAG = b"\0\0"
"""A tag of VLAN 0: a priority, and no other network (IEEE 802.1Q §6.9)."""

Ends = tuple[IPv4Address, IPv4Address]


def plain(macs: Macs, ips: Ends, tag: bytes, source_port: int = EPHEMERAL, options: bytes = b"") -> bytes:
    return ethernet(macs[1], macs[0], IPV4, _ip4(ips, segment(source_port) + tag, options=options))


def disguised(macs: Macs, ips: Ends, tag: bytes, turn: int) -> bytes:
    """From the port of a service that stays open, and behind IPv4 options, in turns."""
    if turn % 2:
        return plain(macs, ips, tag, options=b"\x01" * 12)
    return plain(macs, ips, tag, source_port=KERBEROS)


def fragment(macs: Macs, ips: Ends, tag: bytes, turn: int) -> bytes:
    """The first piece of a datagram, a first piece that ends before the flags (RFC 1858 §3), and a later one, which has no ports
    (RFC 791 §3.2)."""
    whole = segment() + tag
    pieces = [
        _ip4(ips, whole + bytes(-len(whole) % 8), fragment=_MORE_FRAGMENTS),
        _ip4(ips, segment()[:8] + tag + bytes(-len(tag) % 8), fragment=_MORE_FRAGMENTS),
        _ip4(ips, whole[8:], fragment=1),
    ]
    return ethernet(macs[1], macs[0], IPV4, pieces[turn % 3])


def behind_headers(macs: Macs, ips: Addresses, tag: bytes, turn: int) -> bytes:
    """IPv6 extension headers before the segment (RFC 8200 §4): hop-by-hop, two of destination options, a first fragment, a fragment that
    hides another header, mobility (RFC 6275)."""
    smb = segment() + tag
    first = struct.pack("!BxHI", TCP, 1, 7) + smb + bytes(-len(smb) % 8)
    hiding = struct.pack("!BxHI", _DESTINATION, 1, 7) + _padding(TCP) + smb + bytes(-len(smb) % 8)
    following, payload = [
        (_HOP_BY_HOP, _padding(TCP) + smb),
        (_DESTINATION, _padding(_DESTINATION) + _padding(TCP) + smb),
        (_FRAGMENT, first),
        (_FRAGMENT, hiding),
        (_MOBILITY, _padding(TCP) + smb),
    ][turn % 5]
    return ethernet(macs[1], macs[0], IPV6, ip6(ips, following, payload))


def tagged(macs: Macs, ips: Ends, tag: bytes, turn: int) -> bytes:
    """Under a priority tag, two of them, a provider's and a customer's (IEEE 802.1ad), and MPLS (RFC 3032)."""
    packet = _ip4(ips, segment() + tag)
    ip_in_vlan = _PRIORITY_TAG + IPV4.to_bytes(2, "big") + packet
    twice = _PRIORITY_TAG + _VLAN.to_bytes(2, "big") + ip_in_vlan
    kind, payload = [
        (_VLAN, ip_in_vlan),
        (_VLAN, twice),
        (_PROVIDER, twice),
        (_MPLS, b"\0\x01\x01\x40" + packet),
    ][turn % 4]
    return ethernet(macs[1], macs[0], kind, payload)


def segment(source_port: int = EPHEMERAL) -> bytes:
    """The opening segment of a connection to SMB. Its checksum is left out: no host answers it."""
    return struct.pack("!HHIIBBHHH", source_port, SMB, 1, 0, 5 << 4, SYN, 1024, 0, 0)


def _ip4(ips: Ends, payload: bytes, *, fragment: int = 0, options: bytes = b"") -> bytes:
    words = 5 + len(options) // 4
    length = words * 4 + len(payload)
    head = struct.pack("!BBHHHBBH", 0x40 + words, 0, length, 7, fragment, 64, TCP, 0)
    head += ips[0].packed + ips[1].packed + options
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + payload


def _padding(following: int) -> bytes:
    """Eight octets of options that say nothing."""
    return bytes([following, 0, 1, 4, 0, 0, 0, 0])
