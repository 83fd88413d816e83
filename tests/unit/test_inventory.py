"""What people say of their devices, and what is protected."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from controller.config import Config
from controller.model import Managed
from controller.network.inventory import Inventory
from tests.campus import mac

PLACES = {"of:0000000000000001:s1-eth3", "s1:s1-eth3", "s1:3"}


def inventory(**config: Any) -> Inventory:
    read = Config.model_validate(config)
    return Inventory(read.assets, read.network, read.protected)


def protection(known: Inventory, who: int = 6, address: str = "10.0.0.66", role: str = "unknown") -> str | None:
    return known.protection({mac(who)}, {ip_address(address)}, PLACES, role)


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ({"ip": "10.0.0.66"}, "ip 10.0.0.66: listed as protected"),
        ({"prefix": "10.0.0.64/26", "why": "the servers"}, "prefix 10.0.0.64/26: the servers"),
        ({"mac": "0200.0000.0006"}, f"mac {mac(6)}"),
        ({"role": "printer"}, "role printer"),
        ({"port": "of:1:s1-eth3"}, "port of:0000000000000001:s1-eth3"),
        ({"port": "s1:s1-eth3"}, "port s1:s1-eth3"),
        ({"port": "s1:3"}, "port s1:3"),
    ],
)
def test_each_kind_of_protection(rule: dict[str, str], named: str) -> None:
    found = protection(inventory(protected=[rule]), role="printer")
    assert found is not None
    assert named in found


@pytest.mark.parametrize(
    "rule",
    [
        {"ip": "10.0.0.6"},
        {"prefix": "10.0.1.0/24"},
        {"prefix": "fd00::/8"},
        {"mac": "02:00:00:00:00:07"},
        {"role": "printer"},
        {"port": "s1:s1-eth33"},
        {"port": "s2:s1-eth3"},
    ],
)
def test_what_is_close_by_is_not_protected(rule: dict[str, str]) -> None:
    assert protection(inventory(protected=[rule])) is None


def test_any_of_its_addresses_protects_a_device() -> None:
    known = inventory(protected=[{"prefix": "fd00::/64"}])
    ips = {ip_address("10.0.0.66"), ip_address("fd00::66")}
    assert known.protection({mac(6), mac(7)}, ips, PLACES, "unknown") is not None


def test_an_address_that_the_inventory_gives_to_a_mac_protects_it_even_while_a_rogue_holds_it() -> None:
    known = inventory(assets=[{"mac": mac(9), "ip": "10.0.0.1"}], protected=[{"ip": "10.0.0.1"}])
    assert known.protection({mac(9)}, set(), PLACES, "unknown") is not None
    assert protection(known) is None


def test_routers_are_protected_without_being_listed_twice() -> None:
    known = inventory(network={"routers": [{"name": "gw", "macs": [mac(1)], "ips": ["10.0.0.254"]}]})
    assert protection(known, who=1) == f"{mac(1)} is router 'gw'"
    assert protection(known, address="10.0.0.254") == "10.0.0.254 is an address of router 'gw'"
    assert known.router_name(mac(1), None) == known.router_name(None, ip_address("10.0.0.254")) == "gw"
    assert known.router_name(mac(2), None) is None


def test_off_link_is_judged_by_prefixes_of_the_same_ip_version() -> None:
    known = inventory(
        network={
            "on_link": ["10.0.0.0/24", "10.0.1.0/24"],
            "routers": [{"name": "wan", "prefixes": ["192.0.2.0/24"]}],
        }
    )
    assert known.off_link(ip_address("10.0.1.7")) is None
    assert "behind wan" in str(known.off_link(ip_address("192.0.2.7")))
    assert "behind a router" in str(known.off_link(ip_address("198.51.100.7")))
    assert known.off_link(ip_address("fe80::7")) is None
    assert known.off_link(ip_address("fd00::7")) is None, "no IPv6 prefix was declared, so none is missing"
    assert inventory().off_link(ip_address("198.51.100.7")) is None


def test_pools_are_not_endpoints() -> None:
    known = inventory(network={"not_endpoints": ["10.0.9.0/28", "fd00:9::/64"]})
    assert "10.0.9.0/28" in str(known.not_an_endpoint(ip_address("10.0.9.3")))
    assert known.not_an_endpoint(ip_address("10.0.9.16")) is None
    assert known.not_an_endpoint(ip_address("fd00:9::1")) is not None


def test_a_mac_outweighs_an_address_which_anybody_can_take() -> None:
    known = inventory(
        assets=[
            {"mac": mac(1), "ip": "10.0.0.1", "role": "domain-controller"},
            {"ip": "10.0.0.2", "role": "printer", "managed": "unmanaged"},
        ]
    )
    assert known.asset({mac(1)}, set()).role == "domain-controller"
    assert known.asset({mac(6)}, {ip_address("10.0.0.1")}).role == "unknown", "a rogue with its address is not it"
    assert known.asset({mac(6)}, {ip_address("10.0.0.2")}).role == "printer"
    assert known.asset({mac(6)}, set()).managed is Managed.UNDISCOVERED
    assert known.lists(mac(1))
    assert not known.lists(mac(6))
