"""What may not happen, whoever asks."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from controller.errors import RefusalCode, Refused
from controller.guardrails import nobody_protected_beside, not_protected, placed, safe
from controller.model import Decision, Endpoint, Located, Location, Plan, Proof, Reach, Survival
from drivers.base import ROUTER_ADVERTISEMENT
from drivers.rules import RuleSet
from tests.campus import AUTOMATIC, DECISION, NOW, S1, S2, Campus, campus, ip, mac, place

DEVICE = Endpoint(frozenset({mac(6)}), frozenset({ip_address("10.0.0.66")}), place(3), role="printer")
NETWORK = campus().network
PLAN = Plan("c-1", DEVICE, DECISION.profile, {S1: RuleSet()}, ())


def refusal(function: Any, *arguments: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        function(*arguments)
    return caught.value


def protecting(**rule: str) -> Campus:
    return campus(protected=[rule])


@pytest.mark.parametrize("status", [one for one in Located if one is not Located.FOUND])
def test_only_what_was_found_is_contained(status: Located) -> None:
    refused = refusal(placed, Location(status, ip("10.0.0.66"), NOW, against=("because", "therefore")))
    assert refused.reason == "because; therefore"
    assert refused.code.value.startswith(status.value)


@pytest.mark.parametrize(
    "rule",
    [
        {"ip": "10.0.0.66"},
        {"prefix": "10.0.0.0/24"},
        {"mac": mac(6)},
        {"role": "printer"},
        {"port": f"{S1}:s1-eth3"},
        {"port": "s1:3"},
    ],
)
def test_what_is_protected_is_refused_to_everybody_without_an_override(rule: dict[str, str]) -> None:
    network = protecting(**rule).network
    for decision in (DECISION, AUTOMATIC):
        refused = refusal(not_protected, DEVICE, decision, network)
        assert refused.code is RefusalCode.PROTECTED
        assert "--override" in refused.reason
    not_protected(DEVICE, replace(DECISION, override=True), network)


def test_an_alert_that_names_a_protected_address_is_refused_whoever_uses_it() -> None:
    network = protecting(ip="10.0.0.10").network
    not_protected(DEVICE, AUTOMATIC, network, ip_address("10.0.0.66"))
    assert refusal(not_protected, DEVICE, AUTOMATIC, network, ip_address("10.0.0.10")).code is RefusalCode.PROTECTED


def test_a_domain_controller_is_protected_even_when_a_rogue_claimed_its_address_first() -> None:
    net = campus(protected=[{"ip": "10.0.0.10"}], assets=[{"mac": mac(1), "ip": "10.0.0.10"}])
    net.keeps_saying("10.0.0.10", 6, 3, since=600, until=400)
    net.keeps_saying("10.0.0.10", 1, 1, since=390)
    location = net.locate("10.0.0.10")
    assert location.endpoint is not None
    assert location.endpoint.macs == {mac(1)}
    assert refusal(not_protected, location.endpoint, AUTOMATIC, net.network).code is RefusalCode.PROTECTED


def test_an_uplink_is_refused_also_with_an_override() -> None:
    network = campus().network
    there = replace(DEVICE, attachment=place(9))
    override: Decision = replace(DECISION, override=True)
    assert refusal(not_protected, there, override, network).code is RefusalCode.BEHIND_ROUTER


def proof(**management: Survival) -> Proof:
    return Proof((), (), (), management)


def test_a_cut_management_path_is_refused_to_everybody() -> None:
    for decision in (DECISION, AUTOMATIC, replace(DECISION, override=True)):
        refused = refusal(
            safe, PLAN, Proof((), (), (), {S1: Survival.CUT, S2: Survival.OUT_OF_BAND}), decision, NETWORK
        )
        assert refused.code is RefusalCode.MANAGEMENT
        assert S1 in refused.reason
        assert S2 not in refused.reason


@pytest.mark.parametrize("survival", [Survival.OUT_OF_BAND, Survival.SURVIVES])
def test_a_management_path_that_survives_is_no_hindrance(survival: Survival) -> None:
    safe(PLAN, proof(s1=survival), AUTOMATIC, NETWORK)


def test_an_unknown_management_path_stops_automatic_action_only() -> None:
    refused = refusal(safe, PLAN, proof(s1=Survival.UNKNOWN), AUTOMATIC, NETWORK)
    assert refused.code is RefusalCode.MANAGEMENT
    assert "management: oob" in refused.reason
    safe(PLAN, proof(s1=Survival.UNKNOWN), DECISION, NETWORK)


def test_collateral_is_refused_unless_someone_insists() -> None:
    hit = Proof((), (), (Reach(mac(7), "anyone", "TCP"),), {})
    for decision in (DECISION, AUTOMATIC):
        assert mac(7) in refusal(safe, PLAN, hit, decision, NETWORK).reason
    safe(PLAN, hit, replace(DECISION, override=True), NETWORK)


def test_what_may_be_a_router_is_not_contained_automatically_where_nothing_is_known_to_be_on_link() -> None:
    net = campus()
    net.says("10.0.0.66", 6, 3)
    safe(PLAN, proof(), AUTOMATIC, net.network)
    net.says("192.0.2.8", 6, 3)
    refused = refusal(safe, PLAN, proof(), AUTOMATIC, net.network)
    assert refused.code is RefusalCode.BEHIND_ROUTER
    assert "network.on_link" in refused.reason
    safe(PLAN, proof(), DECISION, net.network)
    declared = campus(network={"on_link": ["10.0.0.0/24"]})
    declared.says("10.0.0.66", 6, 3)
    declared.says("10.0.0.67", 6, 3)
    safe(PLAN, proof(), AUTOMATIC, declared.network)


def test_what_sends_router_advertisements_is_a_rogue_only_where_the_routers_are_known() -> None:
    net = campus()
    net.says(None, 6, 3, source=ROUTER_ADVERTISEMENT)
    refused = refusal(safe, PLAN, proof(), AUTOMATIC, net.network)
    assert refused.code is RefusalCode.BEHIND_ROUTER
    assert "network.routers" in refused.reason
    safe(PLAN, proof(), DECISION, net.network)
    declared = campus(network={"routers": [{"name": "gw", "macs": [mac(1)], "ips": ["fe80::1"]}]})
    declared.says(None, 6, 3, source=ROUTER_ADVERTISEMENT)
    safe(PLAN, proof(), AUTOMATIC, declared.network)


@pytest.mark.parametrize("rule", [{"ip": "2001:db8::66"}, {"prefix": "2001:db8::/64"}, {"ip": "::ffff:10.0.0.66"}])
def test_protection_by_ipv6_address_and_prefix(rule: dict[str, str]) -> None:
    """Also of a device that an alert names by another of its addresses."""
    network = protecting(**rule).network
    device = replace(DEVICE, ips=frozenset({ip_address("10.0.0.66"), ip_address("2001:db8::66")}))
    named = ip_address("2001:db8:1::7e3a")
    assert refusal(not_protected, device, AUTOMATIC, network, named).code is RefusalCode.PROTECTED


@pytest.mark.parametrize("rule", [{"ip": "10.0.0.10"}, {"mac": mac(1)}])
def test_a_protected_device_that_is_new_on_the_port_is_not_cut_off_with_it(rule: dict[str, str]) -> None:
    net = protecting(**rule)
    net.says("10.0.0.66", 6, 3)
    net.says("10.0.0.10", 1, 3)
    refused = refusal(nobody_protected_beside, DEVICE, AUTOMATIC, net.network, NOW)
    assert refused.code is RefusalCode.PROTECTED
    assert mac(1) in refused.reason
    nobody_protected_beside(DEVICE, replace(DECISION, override=True), net.network, NOW)
    beside = replace(DEVICE, neighbours=frozenset({mac(1)}))
    nobody_protected_beside(beside, AUTOMATIC, net.network, NOW)


def test_a_role_protects_whichever_of_the_devices_on_a_port_has_it() -> None:
    assets = [{"mac": mac(1), "role": "domain-controller"}, {"mac": mac(0), "role": "laptop"}]
    net = campus(protected=[{"role": "domain-controller"}], assets=assets)
    both = replace(DEVICE, macs=frozenset({mac(0), mac(1)}), role="laptop")
    assert refusal(not_protected, both, DECISION, net.network).code is RefusalCode.PROTECTED
