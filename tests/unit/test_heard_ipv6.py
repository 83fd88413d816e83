"""What is heard in neighbour discovery and DHCPv6, with frames that Scapy builds: who holds an address, and who only says so."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp6 import (
    DUID_LL,
    DHCP6_Advertise,
    DHCP6_RelayForward,
    DHCP6_RelayReply,
    DHCP6_Reply,
    DHCP6_Request,
    DHCP6OptClientId,
    DHCP6OptClientLinkLayerAddr,
    DHCP6OptIA_NA,
    DHCP6OptIA_TA,
    DHCP6OptIAAddress,
    DHCP6OptRelayMsg,
)
from scapy.layers.inet import UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    PadN,
)
from scapy.layers.l2 import Dot1Q, Ether

from drivers.base import BELIED, ROUTER_ADVERTISEMENT
from drivers.openflow import packets
from drivers.openflow.heard import Heard
from drivers.rules import Mac

HOST, OTHER, SERVER = Mac("02:00:00:00:00:05"), Mac("02:00:00:00:00:06"), Mac("02:00:00:00:00:01")
ADDRESS, SECOND = ip_address("2001:db8::5"), ip_address("2001:db8::6")


def heard(
    ip: object = None, source: str = "nd", mac: Mac = HOST, vlan: int | None = None, **more: Any
) -> tuple[Heard, ...]:
    return (Heard(mac, None if ip is None else ip_address(str(ip)), vlan, source, **more),)


def read(packet: Any, source: Mac = HOST, to: str = "33:33:00:00:00:01") -> tuple[Heard, ...]:
    return packets.read(bytes(Ether(src=source, dst=to) / packet))


def packet(message: Any, src: object = ADDRESS, hlim: int = 255) -> Any:
    return IPv6(src=str(src), dst="ff02::1", hlim=hlim) / message


def solicit(src: object = ADDRESS, *options: Any, **header: Any) -> Any:
    message = ICMPv6ND_NS(tgt="2001:db8::9")
    for option in options:
        message /= option
    return packet(message, src, **header)


def advert(target: object = ADDRESS, *options: Any, src: str = "fe80::5") -> Any:
    message = ICMPv6ND_NA(tgt=str(target), R=0, S=0, O=1)
    for option in options:
        message /= option
    return packet(message, src)


# --- neighbour discovery ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", [ICMPv6ND_NS(tgt="2001:db8::9"), ICMPv6ND_RS()], ids=["neighbour", "router"])
def test_the_source_of_a_solicitation_is_where_it_comes_from(message: Any) -> None:
    assert read(packet(message)) == heard(ADDRESS)
    assert read(packet(message / ICMPv6NDOptSrcLLAddr(lladdr=HOST), "fe80::5")) == heard("fe80::5")


def test_the_target_of_an_advertisement_is_where_it_comes_from() -> None:
    assert read(advert(ADDRESS)) == heard(ADDRESS)
    assert read(advert(ADDRESS, ICMPv6NDOptDstLLAddr(lladdr=HOST))) == heard(ADDRESS)


def test_duplicate_address_detection_binds_nothing() -> None:
    assert read(solicit("::")) == heard()
    assert read(packet(ICMPv6ND_RS(), "::")) == heard()


@pytest.mark.parametrize("address", ["::", "::1", "ff02::5", "::ffff:10.0.0.5"])
def test_what_no_host_can_have_binds_nothing(address: str) -> None:
    assert read(advert(address)) == heard()
    assert read(solicit(address)) == heard()


def test_an_option_that_names_another_mac_is_evidence_against() -> None:
    assert read(solicit(ADDRESS, ICMPv6NDOptSrcLLAddr(lladdr=OTHER))) == heard(ADDRESS, BELIED)
    assert read(advert(ADDRESS, ICMPv6NDOptDstLLAddr(lladdr=OTHER))) == heard(ADDRESS, BELIED)
    both = (ICMPv6NDOptDstLLAddr(lladdr=HOST), ICMPv6NDOptDstLLAddr(lladdr=OTHER))
    assert read(advert(ADDRESS, *both)) == heard(ADDRESS, BELIED)


def test_an_option_of_the_other_kind_is_not_looked_at() -> None:
    assert read(advert(ADDRESS, ICMPv6NDOptSrcLLAddr(lladdr=OTHER))) == heard(ADDRESS)


def test_a_router_advertisement_binds_no_host() -> None:
    message = ICMPv6ND_RA() / ICMPv6NDOptPrefixInfo(prefix="2001:db8::", prefixlen=64)
    assert read(packet(message, "fe80::5")) == heard(None, ROUTER_ADVERTISEMENT)


def test_what_was_routed_here_is_nobodys_word() -> None:
    assert read(solicit(hlim=254)) == ()


def test_options_that_make_no_sense_void_the_message() -> None:
    frame = bytearray(bytes(Ether(src=HOST) / advert(ADDRESS, ICMPv6NDOptDstLLAddr(lladdr=HOST))))
    frame[14 + 40 + 24 + 1] = 0
    assert packets.read(bytes(frame)) == heard()


def test_a_vlan_tag_is_told() -> None:
    assert packets.read(bytes(Ether(src=HOST) / Dot1Q(vlan=42) / solicit())) == heard(ADDRESS, vlan=42)


@pytest.mark.parametrize("header", [IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt], ids=["hop-by-hop", "destination"])
def test_extension_headers_hide_no_claim(header: Any) -> None:
    """A host takes a neighbour's word behind them too, so an attacker could take an address unseen."""
    hidden = header(options=[PadN(optdata=b"\0" * 12)]) / header() / ICMPv6ND_NA(tgt=str(ADDRESS))
    assert read(packet(hidden)) == heard(ADDRESS)
    endless = header()
    for _ in range(20):
        endless /= header()
    assert read(packet(endless / ICMPv6ND_NA(tgt=str(ADDRESS)))) == ()


def test_a_fragment_is_no_claim_but_shows_who_sent_it() -> None:
    """RFC 6980: hosts ignore discovery in fragments, atomic ones included."""
    assert read(packet(IPv6ExtHdrFragment(m=0, offset=0) / ICMPv6ND_NA(tgt=str(ADDRESS)))) == heard()


def test_other_icmp_says_nothing() -> None:
    assert read(packet(ICMPv6EchoRequest())) == ()


# --- DHCPv6 -----------------------------------------------------------------------------------------------------------


def dhcp(
    message: Any, *, to: str = HOST, source: Mac = SERVER, ports: tuple[int, int] = (547, 546)
) -> tuple[Heard, ...]:
    header = IPv6(src="fe80::1", dst="fe80::5") / UDP(sport=ports[0], dport=ports[1])
    return read(header / message, source, to)


def given_addresses(*addresses: object, valid: int = 7200, kind: type[Any] = DHCP6OptIA_NA) -> Any:
    inner = [DHCP6OptIAAddress(addr=str(one), preflft=min(valid, 3600), validlft=valid) for one in addresses]
    return DHCP6OptClientId(duid=DUID_LL(lladdr=OTHER)) / kind(
        iaid=1, **{"ianaopts" if kind is DHCP6OptIA_NA else "iataopts": inner}
    )


@pytest.mark.parametrize("kind", [DHCP6OptIA_NA, DHCP6OptIA_TA])
def test_a_reply_is_a_lease_of_the_mac_that_it_goes_to(kind: type[Any]) -> None:
    """And never of the one in the DUID, which is the client's own word."""
    leases = dhcp(DHCP6_Reply() / given_addresses(ADDRESS, SECOND, kind=kind))
    assert leases == (*heard(ADDRESS, "dhcp6", lease=True), *heard(SECOND, "dhcp6", lease=True))


def test_a_lifetime_of_nothing_takes_an_address_back() -> None:
    assert dhcp(DHCP6_Reply() / given_addresses(ADDRESS, valid=0)) == ()


def test_only_a_reply_gives_and_only_to_one() -> None:
    assert dhcp(DHCP6_Advertise() / given_addresses(ADDRESS)) == ()
    assert dhcp(DHCP6_Reply() / given_addresses(ADDRESS), to="33:33:00:01:00:02") == ()
    assert dhcp(DHCP6_Reply() / given_addresses("ff02::1")) == ()


def test_a_client_shows_itself_and_binds_nothing() -> None:
    asks = dhcp(DHCP6_Request() / given_addresses(ADDRESS), source=HOST, to="33:33:00:01:00:02", ports=(546, 547))
    assert asks == heard(None, "dhcp6")


def test_what_relays_and_servers_say_to_each_other_binds_nothing() -> None:
    """The client's MAC is in none of it that could be believed; the relay's own Reply to the client binds."""
    inner = DHCP6OptRelayMsg(message=DHCP6_Reply() / given_addresses(ADDRESS))
    down = DHCP6_RelayReply(linkaddr="2001:db8::1", peeraddr="fe80::5") / inner
    assert dhcp(down, to=OTHER, ports=(547, 547)) == heard(None, "dhcp6", SERVER)
    up = DHCP6_RelayForward(peeraddr="fe80::5") / DHCP6OptClientLinkLayerAddr(clladdr=HOST)
    assert dhcp(up, source=OTHER, to=SERVER, ports=(547, 547)) == heard(None, "dhcp6", OTHER)


def test_a_server_speaks_from_any_port() -> None:
    assert dhcp(DHCP6_Reply() / given_addresses(ADDRESS), ports=(50_000, 546)) == heard(ADDRESS, "dhcp6", lease=True)


# --- whatever comes ---------------------------------------------------------------------------------------------------

SAMPLES = [
    bytes(Ether(src=HOST, dst=OTHER) / one)
    for one in (
        solicit(ADDRESS, ICMPv6NDOptSrcLLAddr(lladdr=HOST)),
        advert(ADDRESS, ICMPv6NDOptDstLLAddr(lladdr=HOST)),
        packet(IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / ICMPv6ND_NA(tgt=str(ADDRESS))),
        IPv6() / UDP(sport=547, dport=546) / DHCP6_Reply() / given_addresses(ADDRESS, SECOND),
    )
]


@given(
    st.sampled_from(SAMPLES),
    st.binary(max_size=200),
    st.integers(0, 200),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255))),
)
def test_no_frame_raises_or_binds_what_no_host_has(
    frame: bytes, noise: bytes, at: int, flips: list[tuple[int, int]]
) -> None:
    flipped = bytearray(frame)
    for place, value in flips:
        flipped[place % len(flipped)] = value
    for data in (frame[:at], frame[:at] + noise, bytes(flipped), frame[:14] + noise, frame[:54] + noise):
        for one in packets.read(data):
            assert one.ip is None or not (one.ip.is_multicast or one.ip.is_unspecified)
            assert int(one.mac[:2], 16) & 1 == 0
