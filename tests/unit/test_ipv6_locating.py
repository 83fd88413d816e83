"""Locating by IPv6: privacy addresses that come and go, link-local addresses that several links have, and lies in neighbour discovery."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from controller.model import Located, Location, Target
from controller.network import bindings as module
from controller.network.bindings import Bindings
from drivers.base import BELIED, ROUTER_ADVERTISEMENT, Sighting
from drivers.rules import PortName
from tests.campus import S1, campus, mac, place

HOUR = 3600.0
LINK_LOCAL = ip_address("fe80::1")


def found(location: Location, who: int, where: int) -> None:
    assert location.status is Located.FOUND, location.against
    assert location.endpoint is not None
    assert location.endpoint.macs == {mac(who)}
    assert location.endpoint.attachment.same_port(place(where))


# --- privacy addresses (RFC 8981) -------------------------------------------------------------------------------------


def test_an_alert_about_an_address_that_was_left_behind_finds_the_device() -> None:
    net = campus()
    net.keeps_saying("2001:db8::aaaa", 6, 3, since=3 * HOUR, until=2 * HOUR)
    net.keeps_saying("2001:db8::bbbb", 6, 3, since=2 * HOUR)
    found(net.locate("2001:db8::aaaa", ago=2.5 * HOUR), 6, 3)
    found(net.locate("2001:db8::bbbb"), 6, 3)
    held = net.network.bindings.latest_ips_of("default", mac(6))
    assert [str(ip) for ip in held] == ["2001:db8::bbbb", "2001:db8::aaaa"]


def test_a_device_that_has_moved_is_found_where_it_is_by_an_address_that_it_had_elsewhere() -> None:
    net = campus()
    net.keeps_saying("2001:db8::aaaa", 6, 3, since=3 * HOUR, until=2 * HOUR)
    net.keeps_saying("2001:db8::bbbb", 6, 5, since=HOUR)
    found(net.locate("2001:db8::aaaa", ago=2.5 * HOUR), 6, 5)


def says(known: Bindings, at: float, number: int, who: int = 6, **more: object) -> None:
    ip = ip_address((0x20010DB8 << 96) + number)
    known.see("default", Sighting(S1, at, mac(who), PortName("s1-eth3"), ip, **more))  # type: ignore[arg-type]


def test_invented_addresses_fill_no_memory_and_push_out_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IPS_OF_MAC", 50)
    known = Bindings(max_age=400)
    says(known, 0, 1)
    for number in range(2, 1000):
        says(known, 1, number)
    assert len(known.by_ip) == len(known.ips_of["default", mac(6)]) == 50
    assert known.history_of_ip("default", ip_address("2001:db8::1"))


def test_new_addresses_take_the_place_of_those_left_behind_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that makes itself a new one every day must not become invisible after a year."""
    monkeypatch.setattr(module, "IPS_OF_MAC", 50)
    known = Bindings(max_age=400)
    for number in range(1, 500):
        says(known, 100.0 * number, number)
    assert len(known.by_ip) == len(known.ips_of["default", mac(6)]) == 50
    assert known.ips_held_by("default", mac(6)) >= {ip_address("2001:db8::1f3")}
    assert not known.history_of_ip("default", ip_address("2001:db8::1"))
    assert len(known._holder) == 50


def test_an_address_that_another_had_since_stays_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IPS_OF_MAC", 1)
    known = Bindings(max_age=400)
    says(known, 0, 1)
    says(known, 500, 1, who=7)
    says(known, 1000, 2)
    assert known.ips_held_by("default", mac(6)) == {ip_address("2001:db8::2")}
    assert known.ips_held_by("default", mac(7)) == {ip_address("2001:db8::1")}
    assert [span.mac for span in known.history_of_ip("default", ip_address("2001:db8::1"))] == [mac(7)]


# --- link-local addresses ---------------------------------------------------------------------------------------------


def test_a_link_local_address_that_one_device_has_names_it() -> None:
    net = campus()
    net.says("fe80::1", 6, 3, vlan=10)
    found(net.locate("fe80::1"), 6, 3)


@pytest.mark.parametrize("vlans", [(10, 20), (None, None), (None, 10)])
def test_one_that_two_links_have_names_nobody(vlans: tuple[int | None, int | None]) -> None:
    """Whether the frames show their VLANs or not. However long the other has been silent, while it may still be there."""
    net = campus()
    net.says("fe80::1", 6, 3, ago=2 * HOUR, vlan=vlans[0])
    net.says("fe80::1", 7, 4, vlan=vlans[1])
    location = net.locate("fe80::1")
    assert location.status is Located.AMBIGUOUS
    assert {at.port for at in location.candidates} == {"s1-eth3", "s1-eth4"}
    assert "name the MAC" in "; ".join(location.against)
    found(net.locate(Target(mac=mac(6))), 6, 3)
    found(net.locate(Target(mac=mac(7))), 7, 4)


def test_one_on_each_vlan_is_no_spoofing() -> None:
    net = campus()
    net.says("fe80::1", 6, 3, ago=60, vlan=10)
    net.says("fe80::1", 7, 4, vlan=20)
    known = net.network.bindings
    for who in (6, 7):
        assert known.ips_held_by("default", mac(who)) == {LINK_LOCAL}
        assert known.ips_claimed_by("default", mac(who)) == frozenset()
    assert net.locate(Target(mac=mac(7))).against == ()
    assert known.macs_within("default", None) == set()


def test_the_same_device_on_two_vlans_is_one() -> None:
    net = campus()
    net.says("fe80::1", 6, 3, ago=60, vlan=10)
    net.says("fe80::1", 6, 3, vlan=20)
    found(net.locate("fe80::1"), 6, 3)


def test_link_local_bindings_are_the_same_after_loading() -> None:
    net = campus()
    net.says("fe80::1", 6, 3, ago=60, vlan=10)
    net.says("fe80::1", 7, 4, vlan=20)
    loaded = Bindings()
    loaded.load(net.network.bindings.take_unsaved())
    assert [str(binding.ip) for binding in loaded.all()] == ["fe80::1", "fe80::1"]
    assert [len(history) for history in loaded.histories_of_ip("default", LINK_LOCAL)] == [1, 1]


# --- lies -------------------------------------------------------------------------------------------------------------


def test_discovery_that_belies_itself_puts_the_holder_in_doubt_and_binds_nothing() -> None:
    """Its hosts' caches were told of another MAC: what was sent with the address since then may be the liar's."""
    net = campus()
    net.keeps_saying("2001:db8::10", 1, 1, since=HOUR)
    net.says("2001:db8::10", 6, 3, ago=1, source=BELIED)
    location = net.locate("2001:db8::10")
    assert location.status is Located.AMBIGUOUS
    known = net.network.bindings
    assert known.ips_held_by("default", mac(1)) == {ip_address("2001:db8::10")}
    assert known.ips_claimed_by("default", mac(6)) == {ip_address("2001:db8::10")}
    assert "2001:db8::10" in "; ".join(net.locate(Target(mac=mac(6))).against)


def test_long_after_the_lie_the_holder_is_the_holder() -> None:
    net = campus()
    net.says("2001:db8::10", 1, 1, ago=HOUR)
    net.says("2001:db8::10", 6, 3, ago=0.5 * HOUR, source=BELIED)
    found(net.locate("2001:db8::10"), 1, 1)


def test_a_lie_about_an_address_that_nobody_has_is_not_kept() -> None:
    net = campus()
    net.says("2001:db8::10", 6, 3, source=BELIED)
    assert net.locate("2001:db8::10").status is Located.UNKNOWN
    assert net.network.bindings.by_ip == {}
    assert net.locate(Target(mac=mac(6))).status is Located.FOUND, "it showed itself"


def test_a_liar_that_then_tells_the_truth_is_bound() -> None:
    net = campus()
    net.says("2001:db8::10", 1, 1, ago=3 * HOUR)
    net.says("2001:db8::10", 6, 3, ago=20, source=BELIED)
    net.says("2001:db8::10", 6, 3, ago=10)
    assert {s.belied for s in net.network.bindings.history_of_ip("default", ip_address("2001:db8::10"))} == {
        True,
        False,
    }


def test_who_sends_router_advertisements_is_told() -> None:
    net = campus()
    net.says("2001:db8::66", 6, 3)
    net.says(None, 6, 3, source=ROUTER_ADVERTISEMENT)
    location = net.locate("2001:db8::66")
    found(location, 6, 3)
    assert "router advertisements" in "; ".join(location.against)


# --- declared prefixes ------------------------------------------------------------------------------------------------


def test_ipv6_prefixes_and_routers_are_judged_as_ipv4_ones() -> None:
    net = campus(
        network={
            "on_link": ["2001:db8::/64"],
            "not_endpoints": ["2001:db8::/120"],
            "routers": [{"name": "gw", "ips": ["2001:db8::ffff:1", "fe80::1"]}],
        }
    )
    for address in ("2001:db8::ffff:1", "fe80::1", "2001:db8:1::5"):
        assert net.locate(address).status is Located.BEHIND_ROUTER, address
    assert net.locate("2001:db8::5").status is Located.NOT_AN_ENDPOINT
    net.says("2001:db8::ffff:1", 1, 1)
    net.says("2001:db8::aaaa", 1, 1)
    assert net.locate("2001:db8::aaaa").status is Located.BEHIND_ROUTER, "the router's other address"
