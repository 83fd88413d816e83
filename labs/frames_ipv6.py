"""The IPv6 frames of a lab that are more than a datagram: neighbour discovery, extension headers, tunnels. Pure.

The tag of a discovery message is in the frame's padding, which IPv6 does not speak of.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from labs.octets import IPV6, UDP, Addresses, Macs, checksum6, datagram6, ethernet, ip4, ip6, mac, udp4, udp6

ALL_NODES = IPv6Address("ff02::1")
ALL_NODES_MAC = "33:33:00:00:00:01"
HOP_BY_HOP, FRAGMENT, DESTINATION = 0, 44, 60
ICMPV6, SIX_IN_FOUR, GRE, VXLAN_PORT = 58, 41, 47, 4789
_ADVERT, _NEIGHBOUR_SOLICIT, _NEIGHBOUR_ADVERT = 134, 135, 136
_SOURCE_LINK_LAYER, _TARGET_LINK_LAYER, _PREFIX = 1, 2, 3
_SOLICITED, _OVERRIDE = 1 << 30, 1 << 29
_ROUTER_LIFETIME, _PREFIX_LIFETIME = 1800, 86400


def solicitation(own_mac: str, own: IPv6Address, asked: IPv6Address, tag: bytes) -> bytes:
    """To the group of those who may have the address (RFC 4861 §4.3)."""
    group = IPv6Address(IPv6Address("ff02::1:ff00:0").packed[:13] + asked.packed[13:])
    to = "33:33:" + group.packed[12:].hex(":")
    body = bytes(4) + asked.packed + _link_layer(_SOURCE_LINK_LAYER, own_mac)
    return _discovery((own_mac, to), (own, group), _NEIGHBOUR_SOLICIT, body, tag)


def advertisement(macs: Macs, ips: Addresses, own: IPv6Address, tag: bytes) -> bytes:
    """To one, as an answer: `own` is at the sender's MAC."""
    body = _SOLICITED.to_bytes(4, "big") + own.packed + _link_layer(_TARGET_LINK_LAYER, macs[0])
    return _discovery(macs, ips, _NEIGHBOUR_ADVERT, body, tag)


def announcement(own_mac: str, claimed: IPv6Address, tag: bytes) -> bytes:
    """To all, unasked, overriding what they know (§7.2.6)."""
    body = _OVERRIDE.to_bytes(4, "big") + claimed.packed + _link_layer(_TARGET_LINK_LAYER, own_mac)
    return _discovery((own_mac, ALL_NODES_MAC), (claimed, ALL_NODES), _NEIGHBOUR_ADVERT, body, tag)


def router_advertisement(own_mac: str, link_local: IPv6Address, prefix: IPv6Address, tag: bytes) -> bytes:
    """To all: the sender is the default router, and everybody makes an address of its prefix (§4.2, §4.6.2)."""
    head = struct.pack("!BBHII", 64, 0, _ROUTER_LIFETIME, 0, 0)
    lifetimes = struct.pack("!III", _PREFIX_LIFETIME, _PREFIX_LIFETIME, 0)
    option = struct.pack("!BBBB", _PREFIX, 4, 64, 0xC0) + lifetimes + prefix.packed[:8] + bytes(8)
    body = head + option + _link_layer(_SOURCE_LINK_LAYER, own_mac)
    return _discovery((own_mac, ALL_NODES_MAC), (link_local, ALL_NODES), _ADVERT, body, tag)


def privacy_address(own: IPv6Address, turn: int) -> IPv6Address:
    """Another address of the same prefix, as a device makes itself from time to time (RFC 8981)."""
    return IPv6Address(own.packed[:8] + bytes.fromhex("5d7e3a00c0de") + turn.to_bytes(2, "big"))


def behind_options(header: int, macs: Macs, ips: Addresses, payload: bytes) -> bytes:
    """A datagram behind an options header of this kind that holds nothing but padding (RFC 8200 §4.2)."""
    options = bytes([UDP, 0, 1, 4, 0, 0, 0, 0])
    return ethernet(macs[1], macs[0], IPV6, ip6(ips, header, options + datagram6(ips, payload)))


def fragment(macs: Macs, ips: Addresses, payload: bytes, *, more: bool) -> bytes:
    """The first fragment of a datagram of which nothing more comes, or an atomic one (RFC 6946), which is the only one."""
    datagram = datagram6(ips, payload)
    if more:
        datagram += bytes(-len(datagram) % 8)
    head = struct.pack("!BBHI", UDP, 0, int(more), 0x4E43)
    return ethernet(macs[1], macs[0], IPV6, ip6(ips, FRAGMENT, head + datagram))


def six_in_four(macs: Macs, ends: tuple[IPv4Address, IPv4Address], ips: Addresses, payload: bytes) -> bytes:
    """RFC 4213 §3."""
    return ip4(macs, ends, SIX_IN_FOUR, ip6(ips, UDP, datagram6(ips, payload)))


def gre(macs: Macs, ends: tuple[IPv4Address, IPv4Address], ips: Addresses, payload: bytes) -> bytes:
    """RFC 2784."""
    return ip4(macs, ends, GRE, struct.pack("!HH", 0, IPV6) + ip6(ips, UDP, datagram6(ips, payload)))


def vxlan(macs: Macs, ends: tuple[IPv4Address, IPv4Address], ips: Addresses, payload: bytes) -> bytes:
    """A whole frame in a datagram (RFC 7348 §5)."""
    return udp4(macs, ends, struct.pack("!II", 8 << 24, 42 << 8) + udp6(macs, ips, payload), VXLAN_PORT)


def _discovery(macs: Macs, ips: Addresses, kind: int, body: bytes, tag: bytes) -> bytes:
    message = bytes([kind, 0, 0, 0]) + body
    message = message[:2] + checksum6(ips, ICMPV6, message).to_bytes(2, "big") + message[4:]
    return ethernet(macs[1], macs[0], IPV6, ip6(ips, ICMPV6, message) + tag)


def _link_layer(kind: int, address: str) -> bytes:
    return bytes([kind, 1]) + mac(address)
