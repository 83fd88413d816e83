"""What a switch reads in a frame, as OpenFlow match fields (OpenFlow 1.3.5 §7.2.3.7). Pure.

The reading is Open vSwitch's (`miniflow_extract` in lib/flow.c, 3.1): one VLAN tag is taken off, IPv6 extension headers are walked up to
the first that it does not know, and of a fragment neither ports nor an ICMP type are shown (ovs-ofctl(8), set-frags normal). A field that
a frame does not have is not in the result, and no match that asks for it speaks of the frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

BASIC, NXM, EXPERIMENTER = 0x8000, 0x0001, 0xFFFF
ETH_IPV4, ETH_ARP, ETH_IPV6 = 0x0800, 0x0806, 0x86DD
VLAN_TYPES = (0x8100, 0x88A8)
TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION = 0, 43, 44, 51, 60
_SHORTEST_TCP, _SHORTEST_UDP, _SHORTEST_ICMP = 20, 8, 4
_VLAN_PRESENT = 0x1000


class Key(NamedTuple):
    """A match field, by OXM class and number."""

    space: int
    number: int


IN_PORT = Key(BASIC, 0)
ETH_DST, ETH_SRC, ETH_TYPE, VLAN_VID = (Key(BASIC, number) for number in (3, 4, 5, 6))
IP_PROTO, IPV4_SRC, IPV4_DST = (Key(BASIC, number) for number in (10, 11, 12))
TCP_PORTS = Key(BASIC, 13), Key(BASIC, 14)
UDP_PORTS = Key(BASIC, 15), Key(BASIC, 16)
ICMPV4_TYPE, ICMPV6_TYPE = Key(BASIC, 19), Key(BASIC, 29)
ARP_OP, ARP_SPA, ARP_TPA = (Key(BASIC, number) for number in (21, 22, 23))
IPV6_SRC, IPV6_DST = Key(BASIC, 26), Key(BASIC, 27)
NW_FRAG = Key(NXM, 26)
TCP_FLAGS = Key(EXPERIMENTER, 42)
ANY_FRAGMENT, LATER_FRAGMENT = 1, 3

Fields = dict[Key, int]


def read(frame: bytes) -> Fields:
    """Everything but the port that it came in at. An octet string that is no frame has no fields."""
    if len(frame) < 14:
        return {}
    fields = {ETH_DST: _number(frame[:6]), ETH_SRC: _number(frame[6:12])}
    kind, at = _number(frame[12:14]), 14
    if kind in VLAN_TYPES and len(frame) >= 18:
        fields[VLAN_VID] = _VLAN_PRESENT | _number(frame[14:16]) & 0xFFF
        kind, at = _number(frame[16:18]), 18
    fields[ETH_TYPE] = kind
    payload = frame[at:]
    if kind == ETH_ARP:
        fields |= _arp(payload)
    elif kind == ETH_IPV4:
        fields |= _ipv4(payload)
    elif kind == ETH_IPV6:
        fields |= _ipv6(payload)
    return fields


def vlan_of(fields: Mapping[Key, int]) -> int:
    return fields.get(VLAN_VID, 0) & 0xFFF


def _arp(packet: bytes) -> Fields:
    if len(packet) < 28 or packet[:6] != b"\x00\x01\x08\x00\x06\x04":
        return {ARP_OP: 0, ARP_SPA: 0, ARP_TPA: 0}
    return {ARP_OP: _number(packet[6:8]), ARP_SPA: _number(packet[14:18]), ARP_TPA: _number(packet[24:28])}


def _ipv4(packet: bytes) -> Fields:
    """A header that cannot be read leaves a protocol of 0."""
    header = (packet[0] & 0xF) * 4 if packet else 0
    length = _number(packet[2:4])
    if len(packet) < 20 or header < 20 or header > len(packet) or not header <= length <= len(packet):
        return {IP_PROTO: 0, IPV4_SRC: 0, IPV4_DST: 0, NW_FRAG: 0}
    place = _number(packet[6:8])
    fragment = 0
    if place & 0x3FFF:
        fragment = LATER_FRAGMENT if place & 0x1FFF else ANY_FRAGMENT
    fields = {
        IP_PROTO: packet[9],
        IPV4_SRC: _number(packet[12:16]),
        IPV4_DST: _number(packet[16:20]),
        NW_FRAG: fragment,
    }
    return fields | dict(_upper(packet[9], packet[header:length], fragment, ICMP, ICMPV4_TYPE))


def _ipv6(packet: bytes) -> Fields:
    if len(packet) < 40 or 40 + _number(packet[4:6]) > len(packet):
        return {IP_PROTO: 0, IPV6_SRC: 0, IPV6_DST: 0, NW_FRAG: 0}
    fields = {IPV6_SRC: _number(packet[8:24]), IPV6_DST: _number(packet[24:40])}
    protocol, rest, fragment = _walk(packet[6], packet[40 : 40 + _number(packet[4:6])])
    fields |= {IP_PROTO: protocol, NW_FRAG: fragment}
    return fields | dict(_upper(protocol, rest, fragment, ICMPV6, ICMPV6_TYPE))


def _walk(protocol: int, rest: bytes) -> tuple[int, bytes, int]:
    """Along the extension headers: where it ends, what is there, and whether this is a fragment. A header that is cut off leaves 0."""
    fragment = 0
    while protocol in (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION):
        if len(rest) < 8:
            return 0, b"", 0
        if protocol == _FRAGMENT:
            place = _number(rest[2:4])
            if place & 0xFFF8:
                return _FRAGMENT, b"", LATER_FRAGMENT
            fragment = ANY_FRAGMENT if place else fragment
            protocol, rest = rest[0], rest[8:]
            continue
        length = (rest[1] + 2) * 4 if protocol == _AUTHENTICATION else (rest[1] + 1) * 8
        if length > len(rest):
            return 0, b"", 0
        protocol, rest = rest[0], rest[length:]
    return protocol, rest, fragment


def _upper(protocol: int, segment: bytes, fragment: int, icmp: int, icmp_type: Key) -> Iterator[tuple[Key, int]]:
    """Ports, flags and ICMP type. Of a fragment they are read as 0, the flags of a first one excepted."""
    ports = {TCP: (TCP_PORTS, _SHORTEST_TCP), UDP: (UDP_PORTS, _SHORTEST_UDP)}.get(protocol)
    if ports is not None:
        keys, shortest = ports
        whole = not fragment and len(segment) >= shortest
        for at, key in enumerate(keys):
            yield key, _number(segment[2 * at : 2 * at + 2]) if whole else 0
        if protocol == TCP:
            shown = fragment != LATER_FRAGMENT and len(segment) >= shortest
            yield TCP_FLAGS, _number(segment[12:14]) & 0xFFF if shown else 0
    elif protocol == icmp:
        yield icmp_type, segment[0] if not fragment and len(segment) >= _SHORTEST_ICMP else 0


def _number(octets: bytes) -> int:
    return int.from_bytes(octets, "big")
