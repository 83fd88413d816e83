"""Evidence that does not agree, and what each case of it means: docs/conflicts.md has a row for each of these tests."""

from __future__ import annotations

from typing import Any

import pytest

from controller import guardrails
from controller.errors import RefusalCode, Refused
from controller.model import Located, Location, Target
from controller.network.view import Holding
from controller.network.virtual_macs import shared_by
from controller.plan import make_plan
from controller.prove import prove
from drivers.base import Sighting
from drivers.memory import MemoryDriver
from drivers.rules import Mac, PortName
from drivers.semantics import ETH_IPV4, Crossing, Fate, Frame, verdict
from tests.campus import DECISION, NOW, S1, UPLINK, Campus, campus, ip, mac, place, port

HOUR = 3600.0
VIRTUAL = Mac("00:00:5e:00:01:07")
VIP = "10.0.0.7"
ACTIVE, STANDBY, ROGUE = 11, 12, 66


def speaks(net: Campus, who: Mac, where: int, *, address: str | None = None, ago: float = 0.0) -> None:
    told = None if address is None else ip(address).ip
    net.network.see(Sighting(S1, net.now - ago, who, port(where), told, None, "arp"))


def found(location: Location, who: int, where: int) -> Location:
    assert location.status is Located.FOUND, location.against
    assert location.endpoint is not None
    assert location.endpoint.macs == {mac(who)}
    assert location.endpoint.attachment == place(where)
    return location


def pair(*, failover: float | None = None, **config: Any) -> Campus:
    """Two that stand in for one another, at ports 1 and 2; the second has spoken under the virtual MAC since `failover` seconds ago."""
    net = campus(**config)
    for ago in range(int(HOUR), -1, -30):
        speaks(net, mac(ACTIVE), 1, address="10.0.0.11", ago=ago)
        speaks(net, mac(STANDBY), 2, address="10.0.0.12", ago=ago)
        speaks(net, VIRTUAL, 1 if failover is None or ago > failover else 2, address=VIP, ago=ago)
    return net


# --- one IP on two MACs -------------------------------------------------------------------------------------------------


def test_one_ip_on_two_macs_names_neither() -> None:
    net = campus()
    net.keeps_saying("10.0.0.10", 10, 1, since=HOUR)
    net.keeps_saying("10.0.0.10", ROGUE, 3, since=60)
    location = net.locate("10.0.0.10")
    assert location.status is Located.AMBIGUOUS
    assert set(location.candidates) == {place(1), place(3)}
    found(net.locate(Target(mac=mac(ROGUE))), ROGUE, 3)


# --- one MAC on two ports -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pulled", "status"), [(True, Located.FOUND), (False, Located.AMBIGUOUS)])
def test_one_mac_on_two_ports_is_a_move_only_where_the_cable_was_pulled(pulled: bool, status: Located) -> None:
    net = campus()
    net.keeps_saying("10.0.0.66", ROGUE, 3, since=HOUR, until=60)
    if pulled:
        net.network.graph.set_port(S1, port(3), up=False, at=net.now - 58)
    net.keeps_saying("10.0.0.66", ROGUE, 5, since=30)
    assert net.locate(Target(mac=mac(ROGUE))).status is status


# --- private MACs -------------------------------------------------------------------------------------------------------


def test_a_private_mac_is_contained_with_its_port_so_that_the_next_one_is_too() -> None:
    """Locally administered (IEEE 802c): it says who somebody is now, and not for how long."""
    net = campus()
    private, next_one = Mac("da:a1:19:00:00:01"), Mac("da:a1:19:00:00:02")
    for ago in range(600, -1, -30):
        speaks(net, private, 3, address="10.0.0.66", ago=ago)
    speaks(net, next_one, 3, ago=1)
    location = net.locate("10.0.0.66")
    endpoint = guardrails.placed(location)
    assert endpoint.macs == {private}
    assert endpoint.neighbours == frozenset(), "the new one is taken for the same device"
    plan = make_plan("c-1", endpoint, DECISION, NOW + HOUR, net.network.graph, MemoryDriver.capabilities)
    for own in (private, next_one, Mac("da:a1:19:00:00:03")):
        crossing = Crossing(Frame(own, mac(1), ETH_IPV4), port(3), port(1))
        assert verdict(plan.rules[S1], crossing).fate is Fate.DROP


def test_a_private_mac_that_turns_up_elsewhere_is_somebody_else() -> None:
    net = campus()
    net.keeps_saying("10.0.0.66", ROGUE, 3, since=HOUR)
    speaks(net, Mac("da:a1:19:00:00:02"), 5, address="10.0.0.99", ago=1)
    location = net.locate("10.0.0.99")
    assert location.endpoint is not None
    assert location.endpoint.attachment == place(5)
    found(net.locate("10.0.0.66"), ROGUE, 3)


# --- virtual MACs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("virtual", "protocol"),
    [
        ("00:00:5e:00:01:ff", "VRRP or CARP"),
        ("00:00:5e:00:02:01", "VRRP for IPv6"),
        ("00:00:0c:07:ac:0a", "HSRP"),
        ("00:00:0c:9f:f1:23", "HSRP version 2"),
        ("00:05:73:a0:01:23", "HSRP version 2 for IPv6"),
        ("00:07:b4:00:01:02", "GLBP"),
        ("00:00:5e:00:03:01", None),
        ("00:00:0c:9f:01:23", None),
        ("02:00:5e:00:01:01", None),
    ],
)
def test_the_virtual_macs_of_each_protocol(virtual: str, protocol: str | None) -> None:
    assert shared_by(Mac(virtual)) == protocol


@pytest.mark.parametrize("target", [ip(VIP), Target(mac=VIRTUAL)], ids=["by its address", "by its MAC"])
def test_a_virtual_mac_is_never_the_device_and_who_speaks_under_it_is(target: Target) -> None:
    location = found(pair().locate(target), ACTIVE, 1)
    assert location.endpoint is not None
    assert location.endpoint.neighbours == frozenset()
    assert any(VIRTUAL in line and str(mac(ACTIVE)) in line for line in location.evidence)
    assert any(VIRTUAL in line for line in location.against), "that the service fails over is said"


def test_a_failover_is_no_conflict_and_each_time_has_its_own_owner() -> None:
    net = pair(failover=300)
    found(net.locate(VIP), STANDBY, 2)
    found(net.locate(VIP, ago=900), ACTIVE, 1)
    found(net.locate(Target(mac=VIRTUAL), ago=900), ACTIVE, 1)
    assert net.locate(Target(mac=VIRTUAL), ago=301).status is Located.AMBIGUOUS, "at the moment of the failover itself"


def test_the_owner_of_a_virtual_mac_does_not_escape_under_it() -> None:
    net = pair()
    endpoint = guardrails.placed(net.locate("10.0.0.11"))
    assert VIRTUAL not in endpoint.neighbours
    plan = make_plan("c-1", endpoint, DECISION, NOW + HOUR, net.network.graph, MemoryDriver.capabilities)
    out = Crossing(Frame(VIRTUAL, mac(1), ETH_IPV4), port(1), port(5))
    assert verdict(plan.rules[S1], out).fate is Fate.DROP
    proof = prove(plan, net.network, net.now)
    assert proof.holds, "its own other name is nobody else who is hit"
    elsewhere = Crossing(Frame(VIRTUAL, mac(1), ETH_IPV4), port(2), port(5))
    assert verdict(plan.rules[S1], elsewhere).fate is Fate.PASS, "the standby takes the address over"


@pytest.mark.parametrize("silent", [True, False])
def test_a_held_owner_that_goes_on_speaking_has_lost_the_address_to_the_standby(silent: bool) -> None:
    """Its frames are still heard by its switch, and by nobody else; where some of them get out, who has the address is not known."""
    net = pair(failover=600)
    net.network.held[S1, port(1)] = Holding(NOW - 605, silent_since=NOW - 605 if silent else None)
    for ago in range(590, -1, -10):
        speaks(net, VIRTUAL, 1, address=VIP, ago=ago)
        speaks(net, VIRTUAL, 2, address=VIP, ago=ago)
    for target in (VIP, Target(mac=VIRTUAL)):
        now = net.locate(target)
        if silent:
            found(now, STANDBY, 2)
        else:
            assert now.status is Located.AMBIGUOUS
        found(net.locate(target, ago=900), ACTIVE, 1)


def test_whose_virtual_mac_it_is_cannot_be_told_behind_a_hub() -> None:
    net = pair()
    net.keeps_saying("10.0.0.70", 70, 1, since=HOUR)
    location = net.locate(VIP)
    assert location.status is Located.AMBIGUOUS
    assert str(mac(70)) in location.against[0]
    assert str(mac(ACTIVE)) in location.against[0]


def test_a_virtual_mac_alone_at_a_port_is_asked_about() -> None:
    """As a rogue might have it that wants to be nobody. The port itself can be named."""
    net = campus()
    speaks(net, VIRTUAL, 3, address="10.0.0.66", ago=60)
    assert net.locate("10.0.0.66").status is Located.AMBIGUOUS
    by_port = net.locate(Target(place=("s1", "3")))
    assert by_port.status is Located.FOUND
    assert by_port.endpoint is not None
    assert by_port.endpoint.macs == frozenset()


def test_a_rogue_that_borrows_the_virtual_mac_does_not_get_its_owner_contained() -> None:
    net = pair()
    for ago in (20, 10, 1):
        speaks(net, VIRTUAL, 3, address=VIP, ago=ago)
        speaks(net, mac(ROGUE), 3, address="10.0.0.66", ago=ago)
        speaks(net, VIRTUAL, 1, address=VIP, ago=ago - 0.5)
    assert net.locate(VIP, ago=1).status is Located.AMBIGUOUS


@pytest.mark.parametrize(
    "network", [{"routers": [{"name": "gw", "ips": [VIP]}]}, {"routers": [{"name": "gw", "macs": [VIRTUAL]}]}]
)
def test_a_gateways_virtual_mac_is_the_gateways_and_so_is_its_owners_port(network: dict[str, Any]) -> None:
    net = pair(network=network)
    assert net.locate(VIP).status is Located.BEHIND_ROUTER
    endpoint = guardrails.placed(net.locate("10.0.0.11"))
    with pytest.raises(Refused, match="gw") as refusal:
        guardrails.nobody_protected_beside(endpoint, DECISION, net.network, net.now)
    assert refusal.value.code is RefusalCode.PROTECTED


def test_no_plan_is_made_for_a_virtual_mac_whoever_asks() -> None:
    net = pair()
    endpoint = net.network.endpoint_at("default", frozenset({VIRTUAL}), place(1), net.now)
    with pytest.raises(Refused, match="virtual MAC") as refusal:
        guardrails.no_virtual_mac(endpoint)
    assert refusal.value.code is RefusalCode.AMBIGUOUS
    guardrails.no_virtual_mac(guardrails.placed(net.locate(VIP)))


# --- a MAC on an uplink -------------------------------------------------------------------------------------------------


def test_a_mac_on_an_uplink_is_not_attached_there() -> None:
    net = campus()
    net.keeps_saying("10.0.0.66", ROGUE, 3, since=HOUR)
    revision = net.network.bindings.revision
    net.network.see(Sighting(S1, net.now, mac(ROGUE), UPLINK, None, None, "arp"))
    net.network.see(Sighting(S1, net.now, mac(99), PortName(UPLINK), None, None, "arp"))
    assert net.network.bindings.revision == revision
    found(net.locate(Target(mac=mac(ROGUE))), ROGUE, 3)
    assert net.locate(Target(mac=mac(99))).status is Located.UNKNOWN
