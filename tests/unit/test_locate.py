"""Which device was it, then, and where is it now. In each case Netcordon names the right one, or says plainly that it can't."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from controller.model import Located, Location, Target
from tests.campus import S1, UPLINK, Campus, campus, ip, mac, place, port

HOUR, DAY = 3600.0, 86400.0


def said(location: Location) -> str:
    return "; ".join(location.against)


def found(location: Location, who: int, where: int, switch: int = 1) -> None:
    assert location.status is Located.FOUND, said(location)
    assert location.endpoint is not None
    assert location.endpoint.macs == {mac(who)}
    assert location.endpoint.attachment.same_port(place(where, switch))


def ambiguous(location: Location, *where: int) -> None:
    assert location.status is Located.AMBIGUOUS
    assert location.endpoint is None
    assert {str(at).rpartition(":")[2] for at in location.candidates} == {port(n) for n in where}


# --- the plain case ---------------------------------------------------------------------------------------------------


def test_a_device_is_found_with_its_evidence() -> None:
    net = campus()
    net.keeps_saying("10.0.0.66", 6, 3, since=600)
    net.says("fd00::66", 6, 3, ago=20)
    location = net.locate("10.0.0.66")
    found(location, 6, 3)
    assert location.endpoint is not None
    assert {str(one) for one in location.endpoint.ips} == {"10.0.0.66", "fd00::66"}
    assert location.endpoint.neighbours == frozenset()
    assert location.against == ()
    assert "10.0.0.66 at 02:00:00:00:00:06 on s1:s1-eth3, by arp" in location.evidence[0]
    assert 0 < location.confidence <= 1


def test_by_mac_and_by_place() -> None:
    net = campus()
    net.says("10.0.0.66", 6, 3)
    found(net.locate(Target(mac=mac(6))), 6, 3)
    found(net.locate(Target(place=("s1", "3"))), 6, 3)
    assert net.locate(Target(place=("s1", "5"))).status is Located.FOUND, "an empty port can be closed beforehand"
    assert "no device 's7'" in said(net.locate(Target(place=("s7", "3"))))
    assert "no port '33'" in said(net.locate(Target(place=("s1", "33"))))
    with pytest.raises(ValueError, match="an IP, a MAC or a place"):
        net.locate(Target())


def test_nobody_has_seen_it() -> None:
    net = campus()
    assert net.locate("10.0.0.66").status is Located.UNKNOWN
    net.says("10.0.0.66", 6, 3, ago=5 * HOUR)
    gone = net.locate("10.0.0.66")
    assert gone.status is Located.UNKNOWN
    assert f"last heard of {5 * HOUR:.0f} s before" in said(gone)
    assert net.locate(Target(mac=mac(6))).status is Located.UNKNOWN


# --- the alert's time -------------------------------------------------------------------------------------------------


def test_an_alert_from_the_future_or_too_old_is_not_guessed_at() -> None:
    net = campus()
    net.says("10.0.0.66", 6, 3)
    early = net.locate("10.0.0.66", ago=-10)
    assert early.status is Located.AMBIGUOUS
    assert "10.0 s in the future" in said(early)
    found(net.locate("10.0.0.66", ago=-1), 6, 3)
    late = net.locate("10.0.0.66", ago=25 * HOUR)
    assert late.status is Located.AMBIGUOUS
    assert "25.0 h old" in said(late)


def lease_changed_hands() -> Campus:
    """6 had the address until it went silent 21 minutes ago, moved to port 5 and took another; 7 was given it 20 minutes ago."""
    net = campus()
    net.says("10.0.0.66", 6, 3, ago=90 * 60, lease=True)
    net.keeps_saying("10.0.0.66", 6, 3, since=89 * 60, until=21 * 60)
    net.says("10.0.0.66", 7, 4, ago=20 * 60, lease=True)
    net.keeps_saying("10.0.0.66", 7, 4, since=19 * 60)
    net.says("10.0.0.77", 6, 5, ago=15 * 60, lease=True)
    net.keeps_saying("10.0.0.77", 6, 5, since=14 * 60)
    return net


def test_the_earlier_holder_of_a_lease_is_located_where_it_is_now() -> None:
    net = lease_changed_hands()
    location = net.locate("10.0.0.66", ago=25 * 60)
    found(location, 6, 5)
    assert location.endpoint is not None
    assert location.endpoint.ips == {ip_address("10.0.0.77")}, "the present holder's address is not its"
    assert location.against == (), "to have had an address before is no spoofing"
    found(net.locate("10.0.0.66"), 7, 4)
    found(net.locate("10.0.0.66", ago=10 * 60), 7, 4)


def test_at_the_very_moment_of_the_handover_nobody_is_named() -> None:
    net = campus()
    net.keeps_saying("10.0.0.66", 6, 3, since=600, until=61)
    net.says("10.0.0.66", 6, 3, ago=61)
    net.says("10.0.0.66", 7, 4, ago=60, lease=True)
    ambiguous(net.locate("10.0.0.66", ago=60.5), 3, 4)
    found(net.locate("10.0.0.66", ago=50), 7, 4)
    found(net.locate("10.0.0.66", ago=70), 6, 3)


# --- contested addresses ------------------------------------------------------------------------------------------------


def test_an_address_that_two_claim_is_ambiguous_and_both_are_named() -> None:
    net = campus()
    net.keeps_saying("10.0.0.66", 6, 3, since=600)
    net.says("10.0.0.66", 7, 4, ago=100)
    net.says("10.0.0.66", 6, 3, ago=90)
    location = net.locate("10.0.0.66")
    ambiguous(location, 3, 4)
    assert mac(6) in said(location)
    assert mac(7) in said(location)
    assert location.confidence == 0


def test_after_the_contest_is_over_the_holder_is_named_again() -> None:
    net = campus()
    net.says("10.0.0.66", 7, 4, ago=400)
    net.keeps_saying("10.0.0.66", 6, 3, since=390)
    found(net.locate("10.0.0.66"), 6, 3)


def rogue_spoofs_the_domain_controller(**config: Any) -> Campus:
    net = campus(**config)
    net.says("10.0.0.10", 1, 1, ago=2 * HOUR, lease=True)
    net.keeps_saying("10.0.0.10", 1, 1, since=HOUR, until=20)
    net.keeps_saying("10.0.0.66", 6, 3, since=HOUR)
    net.says("10.0.0.10", 6, 3, ago=8)
    return net


@pytest.mark.parametrize("answers", [True, False])
def test_a_rogue_that_spoofs_the_domain_controller_does_not_get_it_contained(answers: bool) -> None:
    net = rogue_spoofs_the_domain_controller()
    if answers:
        net.says("10.0.0.10", 1, 1, ago=7)
    ambiguous(net.locate("10.0.0.10"), 1, 3)


def test_a_lease_renewed_after_the_spoofing_does_not_put_the_blame_on_its_owner() -> None:
    net = rogue_spoofs_the_domain_controller()
    net.says("10.0.0.10", 1, 1, ago=5, lease=True)
    ambiguous(net.locate("10.0.0.10"), 1, 3)


def test_the_spoofing_rogue_itself_can_be_located_by_its_own_address_and_its_claim_is_reported() -> None:
    net = rogue_spoofs_the_domain_controller()
    location = net.locate("10.0.0.66")
    found(location, 6, 3)
    assert "also answered for 10.0.0.10" in said(location)
    assert location.endpoint is not None
    assert location.endpoint.ips == {ip_address("10.0.0.66")}, "the domain controller's address is not made its own"
    found(net.locate(Target(mac=mac(1))), 1, 1)


# --- games on one port ---------------------------------------------------------------------------------------------------


def test_a_device_that_plays_with_its_addresses_is_neither_ambiguous_nor_sharing() -> None:
    net = campus()
    net.keeps_saying("10.0.0.66", 6, 3, since=HOUR, until=20)
    for n, ago in ((101, 15), (102, 10), (103, 5)):
        net.says("10.0.0.66", n, 3, ago=ago)
        net.says(f"10.0.0.{n}", 6, 3, ago=ago)
    net.says("10.0.0.66", 6, 3, ago=1)
    location = net.locate("10.0.0.66")
    found(location, 6, 3)
    assert location.endpoint is not None
    assert location.endpoint.neighbours == frozenset()
    assert f"{mac(101)}, {mac(102)}, {mac(103)} turned up on its port a moment ago" in said(location)


def test_a_tag_written_by_the_host_does_not_make_a_rival_of_it() -> None:
    net = campus()
    net.keeps_saying("10.0.0.66", 6, 3, since=HOUR, until=20)
    net.says("10.0.0.66", 101, 3, ago=10, vlan=7)
    net.says("10.0.0.66", 6, 3, ago=5, vlan=9)
    found(net.locate("10.0.0.66"), 6, 3)


def test_a_neighbour_behind_a_hub_is_a_device_of_its_own() -> None:
    net = campus()
    net.keeps_saying("10.0.0.66", 6, 3, since=HOUR)
    net.keeps_saying("10.0.0.70", 70, 3, since=HOUR)
    net.says("10.0.0.71", 71, 3, ago=5)
    location = net.locate("10.0.0.66")
    assert location.endpoint is not None
    assert location.endpoint.neighbours == {mac(70)}
    assert mac(71) in said(location)
    net.says("10.0.0.66", 70, 3, ago=3)
    net.says("10.0.0.66", 6, 3, ago=2)
    assert net.locate("10.0.0.66").status is Located.AMBIGUOUS, (
        "two devices that fight for one address, if behind one port"
    )


def test_a_listed_device_is_a_neighbour_at_once() -> None:
    net = campus(assets=[{"mac": mac(70), "name": "phone"}])
    net.says("10.0.0.66", 6, 3)
    net.says("10.0.0.70", 70, 3)
    location = net.locate("10.0.0.66")
    assert location.endpoint is not None
    assert location.endpoint.neighbours == {mac(70)}


def test_a_neighbour_that_moved_away_is_none() -> None:
    net = campus()
    net.keeps_saying("10.0.0.66", 6, 3, since=HOUR)
    net.says("10.0.0.70", 70, 3, ago=HOUR)
    net.says("10.0.0.70", 70, 5, ago=HOUR / 2)
    location = net.locate("10.0.0.66")
    assert location.endpoint is not None
    assert location.endpoint.neighbours == frozenset()


# --- uplinks, routers, pools ----------------------------------------------------------------------------------------------


def test_what_was_seen_on_a_port_before_it_was_known_as_an_uplink_is_forgotten() -> None:
    net = campus()
    net.keeps_saying("10.0.0.66", 6, 3, since=HOUR, until=10)
    net.says("10.0.0.66", 6, 8, ago=5)
    net.says("10.0.0.67", 67, 8, ago=5)
    ambiguous(net.locate("10.0.0.66"), 3, 8)
    for uplink in net.network.graph.link(S1, port(8), "of:0000000000000003", port(1, 3)):
        net.network.bindings.forget_port(uplink.device, uplink.port)
    found(net.locate("10.0.0.66"), 6, 3)
    assert net.locate("10.0.0.67").status is Located.UNKNOWN
    assert net.locate(Target(mac=mac(67))).status is Located.UNKNOWN


def test_a_port_that_came_up_a_moment_ago_is_not_taken_for_an_edge_port_yet() -> None:
    net = campus()
    net.says("10.0.0.66", 6, 3)
    net.network.graph.devices[S1].since = net.now - 1
    location = net.locate("10.0.0.66")
    assert location.status is Located.AMBIGUOUS
    assert "Try again in 2 s" in said(location)
    net.now += 2.1
    net.says("10.0.0.66", 6, 3)
    found(net.locate("10.0.0.66"), 6, 3)


def test_an_uplink_is_no_place_for_a_device() -> None:
    location = campus().locate(Target(place=("s1", UPLINK)))
    assert location.status is Located.BEHIND_ROUTER
    assert "s1:s1-eth9 is an uplink" in said(location)


ROUTED = {
    "network": {
        "on_link": ["10.0.0.0/24"],
        "routers": [{"name": "gw", "macs": [mac(254)], "ips": ["10.0.0.254"], "prefixes": ["192.0.2.0/24"]}],
        "not_endpoints": ["10.0.0.240/29"],
    }
}


def behind(location: Location, why: str) -> None:
    assert location.status is Located.BEHIND_ROUTER
    assert location.endpoint is None
    assert why in said(location)


def test_what_is_behind_a_router_never_leads_to_the_routers_port() -> None:
    net = campus(**ROUTED)
    net.keeps_saying("10.0.0.254", 254, 8, since=600)
    net.says("192.0.2.7", 254, 8)
    net.says("10.0.0.9", 254, 8)
    behind(net.locate("192.0.2.7"), "behind gw")
    behind(net.locate("198.51.100.7"), "behind a router")
    behind(net.locate("10.0.0.254"), "an address of router 'gw'")
    behind(net.locate("10.0.0.9"), "is router 'gw'")
    behind(net.locate(Target(mac=mac(254))), "is router 'gw'")
    behind(net.locate(Target(place=("s1", "8"))), "router 'gw' is at s1:s1-eth8")


def test_a_router_that_is_listed_by_its_address_alone_is_known_by_who_holds_it() -> None:
    net = campus(network={"routers": [{"name": "gw", "ips": ["10.0.0.254"]}]})
    net.keeps_saying("10.0.0.254", 254, 8, since=HOUR)
    net.says("10.0.0.9", 254, 8)
    net.keeps_saying("10.0.0.66", 6, 3, since=HOUR)
    net.says("10.0.0.254", 6, 3, ago=5)
    behind(net.locate("10.0.0.9"), "is router 'gw'")
    found(net.locate("10.0.0.66"), 6, 3)
    behind(net.locate("10.0.0.254"), "an address of router 'gw'")


def test_pools_are_no_endpoints() -> None:
    net = campus(**ROUTED)
    net.says("10.0.0.241", 41, 4)
    location = net.locate("10.0.0.241")
    assert location.status is Located.NOT_AN_ENDPOINT
    assert "10.0.0.240/29" in said(location)


# --- moves ----------------------------------------------------------------------------------------------------------------


def moved(pulled: bool) -> Campus:
    net = campus()
    net.keeps_saying("10.0.0.66", 6, 3, since=HOUR, until=60)
    if pulled:
        net.network.graph.set_port(S1, port(3), up=False, at=net.now - 58)
    net.keeps_saying("10.0.0.66", 6, 5, since=30)
    return net


def test_a_device_whose_cable_was_moved_is_found_at_its_new_port() -> None:
    found(moved(pulled=True).locate("10.0.0.66"), 6, 5)
    found(moved(pulled=True).locate(Target(mac=mac(6))), 6, 5)


def test_a_mac_at_two_ports_with_both_links_up_is_ambiguous() -> None:
    ambiguous(moved(pulled=False).locate("10.0.0.66"), 3, 5)
    ambiguous(moved(pulled=False).locate(Target(mac=mac(6))), 3, 5)


def test_a_lease_does_not_explain_a_copied_mac() -> None:
    """Whoever copies a MAC and asks for a lease gets that MAC's lease."""
    net = moved(pulled=False)
    net.says("10.0.0.66", 6, 5, ago=1, lease=True)
    ambiguous(net.locate(Target(mac=mac(6))), 3, 5)
    ambiguous(net.locate("10.0.0.66"), 3, 5)


def test_a_mac_that_flaps_between_two_ports_is_ambiguous_even_if_one_went_down_once() -> None:
    net = moved(pulled=True)
    net.says("10.0.0.66", 6, 3, ago=5)
    net.says("10.0.0.66", 6, 5, ago=4)
    ambiguous(net.locate(ip("10.0.0.66")), 3, 5)
