"""A lab's IPv6 frames are what they are named after, as Scapy reads them, with checksums that a host would take."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    in6_chksum,
)
from scapy.layers.l2 import GRE, Ether
from scapy.layers.vxlan import VXLAN

from drivers.openflow import packets
from labs.frames import Kind, Phase, Station, Surroundings, Tag, encode_tag, frame

ROGUE = Station("02:00:00:00:00:01", IPv4Address("10.0.0.1"), IPv6Address("fe80::1"), IPv6Address("2001:db8::1"))
PEER = Station("02:00:00:00:00:02", IPv4Address("10.0.0.2"), IPv6Address("fe80::2"), IPv6Address("2001:db8::2"))
GATEWAYS = (IPv6Address("2001:db8::fe"), IPv6Address("fe80::fe"))
AROUND = Surroundings(IPv4Network("10.0.0.0/24"), IPv4Address("10.0.0.254"), IPv4Address("10.0.0.253"), GATEWAYS)
TAG = encode_tag(b"\x01\x02\x03\x04", Tag(Phase.BEFORE, 1, 2))
IPV6 = (
    *(
        Kind.IPV6_LINK_LOCAL,
        Kind.IPV6_GLOBAL,
        Kind.PRIVACY_ADDRESS,
        Kind.ND,
        Kind.UNSOLICITED_NA,
        Kind.ROUTER_ADVERTISEMENT,
    ),
    *(Kind.HOP_BY_HOP, Kind.DESTINATION_OPTIONS, Kind.ATOMIC_FRAGMENT),
)


def read(kind: Kind, turn: int = 0) -> Any:
    return Ether(frame(kind, ROGUE, PEER, AROUND, TAG, turn=turn))


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("kind", IPV6)
def test_checksums_and_lengths_are_right(kind: Kind, turn: int) -> None:
    """Summed up with its checksum, what is above the IPv6 headers comes to nothing."""
    sent, packet = frame(kind, ROGUE, PEER, AROUND, TAG, turn=turn), read(kind, turn)
    extension = 8 if packet[IPv6].nh in (0, 44, 60) else 0
    upper = sent[54 + extension : 54 + packet[IPv6].plen]
    protocol = 17 if UDP in packet else 58
    assert in6_chksum(protocol, IPv6(src=packet[IPv6].src, dst=packet[IPv6].dst), upper) in (0, 0xFFFF)
    assert len(upper) == (packet[UDP].len if protocol == 17 else len(upper) // 8 * 8)


def test_discovery() -> None:
    asks, answers, claims = read(Kind.ND), read(Kind.ND, 1), read(Kind.UNSOLICITED_NA, 1)
    assert (asks.dst, asks[IPv6].dst) == ("33:33:ff:00:00:02", "ff02::1:ff00:2")
    assert (asks[ICMPv6ND_NS].tgt, asks[ICMPv6NDOptSrcLLAddr].lladdr) == ("2001:db8::2", ROGUE.mac)
    assert (answers.dst, answers[ICMPv6ND_NA].tgt, answers[ICMPv6ND_NA].S) == (PEER.mac, "2001:db8::1", 1)
    assert (claims.dst, claims[IPv6].dst) == ("33:33:00:00:00:01", "ff02::1")
    assert (claims[ICMPv6ND_NA].tgt, claims[ICMPv6ND_NA].O) == ("fe80::fe", 1)
    assert claims[ICMPv6NDOptDstLLAddr].lladdr == ROGUE.mac


def test_a_router_advertisement() -> None:
    packet = read(Kind.ROUTER_ADVERTISEMENT)
    assert packet[ICMPv6ND_RA].routerlifetime > 0
    assert (packet[ICMPv6NDOptPrefixInfo].prefix, packet[ICMPv6NDOptPrefixInfo].prefixlen) == ("2001:db8::", 64)
    assert packet[ICMPv6NDOptPrefixInfo].A == packet[ICMPv6NDOptPrefixInfo].L == 1


def test_the_controller_hears_what_the_lab_says() -> None:
    heard = [
        packets.read(frame(kind, ROGUE, PEER, AROUND, TAG))
        for kind in (Kind.ND, Kind.UNSOLICITED_NA, Kind.ROUTER_ADVERTISEMENT)
    ]
    assert [(one.mac, one.ip, one.source) for (one,) in heard] == [
        (ROGUE.mac, ROGUE.ip6, "nd"),
        (ROGUE.mac, GATEWAYS[0], "nd"),
        (ROGUE.mac, None, "ra"),
    ]


@pytest.mark.parametrize(
    ("kind", "header"), [(Kind.HOP_BY_HOP, IPv6ExtHdrHopByHop), (Kind.DESTINATION_OPTIONS, IPv6ExtHdrDestOpt)]
)
def test_extension_headers(kind: Kind, header: Any) -> None:
    packet = read(kind)
    assert header in packet
    assert packet[header].nh == 17
    assert TAG in bytes(packet[UDP].payload)


def test_fragments() -> None:
    first, atomic = read(Kind.FRAGMENT)[IPv6ExtHdrFragment], read(Kind.ATOMIC_FRAGMENT)[IPv6ExtHdrFragment]
    assert (first.m, first.offset, atomic.m, atomic.offset) == (1, 0, 0, 0)
    assert len(bytes(first.payload)) % 8 == 0


def test_tunnels() -> None:
    for kind, protocol in ((Kind.SIX_IN_FOUR, 41), (Kind.GRE, 47), (Kind.VXLAN, 17)):
        packet = read(kind)
        assert packet[IP].proto == protocol
        assert (packet[IP].src, packet[IPv6].src) == ("10.0.0.1", "2001:db8::1")
        assert TAG in bytes(packet[IPv6])
    assert read(Kind.GRE)[GRE].proto == 0x86DD
    assert read(Kind.VXLAN)[VXLAN].vni == 42


def test_privacy_addresses_change() -> None:
    sources = {read(Kind.PRIVACY_ADDRESS, turn)[IPv6].src for turn in range(5)}
    assert len(sources) == 5
    assert all(IPv6Address(source).packed[:8] == ROGUE.ip6.packed[:8] for source in sources)
