"""What a running daemon finds wrong: each misconfiguration is said, with what mends it; a network in order is left in peace."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from controller.automation import BREAKER, Automation, Cause
from controller.config import Config
from controller.discovery.desk import SensorView
from controller.doctor.finding import Severity, worst
from controller.doctor.network import Seen, examine
from controller.roles import Role
from controller.store import Size, TokenRecord
from drivers.base import ROUTER_ADVERTISEMENT, Management, Sighting
from tests.campus import NOW, S1, S2, Campus, campus, mac, place, port

GOOD: dict[str, Any] = {
    "network": {"on_link": ["10.0.0.0/24"], "routers": [{"name": "gw", "ips": ["10.0.0.254"]}]},
    "protected": [{"ip": "10.0.0.10", "why": "domain controller"}],
    "devices": [{"id": S1, "management": "oob"}, {"id": S2, "management": "oob"}],
}
TOKENS = (TokenRecord("me", Role.ADMIN, NOW), TokenRecord("suricata", Role.INTAKE, NOW))
SENSOR = SensorView("floor2", NOW, live=True, skew=0.01)


def network(**changes: Any) -> tuple[Campus, Seen]:
    config = {**GOOD, **changes}
    net = campus(**config)
    net.says("10.0.0.10", 1, 1)
    net.says("10.0.0.66", 6, 3)
    for node in net.network.graph.devices.values():
        node.up = True
    return net, seen(net, config)


def seen(net: Campus, config: dict[str, Any]) -> Seen:
    found = tuple(net.network.endpoints(NOW))
    gateway = (ip_address("10.0.0.254"),)
    return Seen(Config.model_validate(config), net.network, found, (SENSOR,), TOKENS, (), gateway, ())


def checks(seen: Seen) -> dict[str, Severity]:
    found = examine(seen)
    assert all(one.mend for one in found if one.check != "sensor-blind")
    return {one.check: one.severity for one in found}


def test_a_network_in_order_is_left_in_peace() -> None:
    _, good = network()
    assert examine(good) == []
    assert worst([]) is Severity.INFO


def test_a_pause_is_said_with_who_why_and_since_when_and_a_resume_ends_it() -> None:
    _, good = network()
    paused = replace(good, automation=Automation(True, BREAKER, "per_minute: 11 of 10", NOW, Cause.BREAKER))
    [found] = examine(paused)
    assert (found.check, found.severity) == ("paused", Severity.WARNING)
    assert "by breaker: per_minute: 11 of 10" in found.seen
    assert found.mend.startswith("netcordon resume --reason ")
    resumed = Automation(False, "ann", "mended", NOW)
    assert examine(replace(good, automation=resumed)) == []


def test_no_speaker_and_no_switch() -> None:
    _, good = network()
    assert checks(replace(good, speaker=("no speaker answers",)))["speaker"] is Severity.ERROR
    net, empty = network(devices=[])
    net.network.graph.devices.clear()
    (finding,) = examine(empty)
    assert finding.check == "no-switch"
    assert "127.0.0.1:6653" in finding.mend


def test_a_listed_switch_that_never_came_is_told_from_one_that_went() -> None:
    net, good = network()
    net.network.graph.devices[S1].up = False
    absent = "of:00000000000000aa"
    net.network.graph.declare(absent, Management.OUT_OF_BAND, None, ())
    assert {one.check: one.seen for one in examine(good)} == {
        "disconnected": f"s1 ({S1}) was connected and is gone",
        "never-connected": f"{absent} is known and never connected",
    }


def test_unknown_management() -> None:
    net, good = network()
    net.network.graph.devices[S2].management = Management.UNKNOWN
    (finding,) = examine(good)
    assert (finding.check, finding.severity) == ("management", Severity.WARNING)
    assert S2 in finding.mend


def test_acting_by_itself_with_nothing_protected() -> None:
    rule = {"name": "r", "mode": "contain"}
    _, unprotected = network(protected=[], policy={"rules": [rule]})
    assert checks(unprotected) == {"nothing-protected": Severity.ERROR}
    _, proposing = network(protected=[], policy={"rules": [{**rule, "mode": "propose"}]})
    assert checks(proposing) == {}


@pytest.mark.parametrize(
    ("gateways", "resolvers", "expected"),
    [
        (["10.0.0.254"], ["10.0.0.10"], {}),
        (["10.0.0.1"], [], {"gateway": Severity.ERROR}),
        ([], ["10.0.0.53"], {"dns": Severity.WARNING}),
        (["192.0.2.1"], ["192.0.2.53"], {}),
    ],
)
def test_gateway_and_resolver_of_the_served_network_must_be_protected(
    gateways: list[str], resolvers: list[str], expected: dict[str, Severity]
) -> None:
    _, good = network()
    ours = replace(
        good, gateways=[ip_address(one) for one in gateways], resolvers=[ip_address(one) for one in resolvers]
    )
    assert checks(ours) == expected


def test_a_gateway_that_was_only_seen_counts_too() -> None:
    _, good = network(network={"on_link": ["172.16.0.0/24"]})
    assert checks(replace(good, gateways=(ip_address("10.0.0.66"),)))["gateway"] is Severity.ERROR


def test_vital_roles_must_be_protected() -> None:
    asset = {"mac": str(mac(6)), "name": "ns1", "role": "dns"}
    assert checks(network(assets=[asset])[1]) == {"role": Severity.ERROR}
    protected = [*GOOD["protected"], {"role": "dns"}]
    assert checks(network(assets=[asset], protected=protected)[1]) == {}


def test_an_asset_listed_by_mac_is_protected_by_the_ip_that_it_has() -> None:
    asset = {"mac": str(mac(6)), "name": "dc", "role": "domain-controller"}
    protected = [*GOOD["protected"], {"ip": "10.0.0.66"}]
    assert checks(network(assets=[asset], protected=protected)[1]) == {}
    another = [*GOOD["protected"], {"ip": "10.0.0.10"}]
    assert checks(network(assets=[asset], protected=another)[1])["role"] is Severity.ERROR


def test_who_is_plugged_in_at_the_dhcp_servers_port_must_be_protected() -> None:
    devices = [{"id": S1, "management": "oob", "dhcp_ports": [port(3)]}, GOOD["devices"][1]]
    assert checks(network(devices=devices)[1]) == {"dhcp": Severity.ERROR}
    protected = [*GOOD["protected"], {"mac": str(mac(6))}]
    assert checks(network(devices=devices, protected=protected)[1]) == {}


def test_an_unlisted_sender_of_router_advertisements() -> None:
    net, good = network()
    net.network.bindings.see(
        "default", Sighting(S1, NOW, mac(6), port(3), ip_address("fe80::6"), None, ROUTER_ADVERTISEMENT)
    )
    found = [one for one in examine(good) if one.check == "router-advertisements"]
    assert len(found) == 1
    assert str(mac(6)) in found[0].mend


@pytest.mark.parametrize(
    ("entry", "matches"),
    [
        ({"ip": "10.0.0.66"}, True),
        ({"ip": "10.0.0.67"}, False),
        ({"mac": str(mac(6))}, True),
        ({"mac": str(mac(9))}, False),
        ({"prefix": "10.0.0.64/28"}, True),
        ({"prefix": "10.9.0.0/16"}, False),
        ({"role": "printer"}, False),
        ({"port": f"{S1}:{port(3)}"}, True),
        ({"port": f"{S1}:s1-eth99"}, False),
    ],
)
def test_an_entry_that_protects_nothing_is_said(entry: dict[str, str], matches: bool) -> None:
    _, made = network(protected=[*GOOD["protected"], entry])
    assert checks(made) == ({} if matches else {"protects-nothing": Severity.WARNING})


def test_sensors() -> None:
    _, good = network()
    assert checks(replace(good, sensors=())) == {"no-sensor": Severity.WARNING}
    gone = replace(SENSOR, live=False, trouble="the link is down")
    assert checks(replace(good, sensors=(gone,))) == {"sensor-gone": Severity.WARNING, "sensor-blind": Severity.WARNING}
    off = replace(SENSOR, skew=-90.0)
    (finding,) = examine(replace(good, sensors=(off,)))
    assert (finding.check, finding.severity) == ("clock", Severity.ERROR)
    assert "-90.0 s" in finding.seen


def test_tokens() -> None:
    _, good = network()
    admins = tuple(TokenRecord(f"a{n}", Role.ADMIN, NOW) for n in range(5))
    assert checks(replace(good, tokens=(*admins, *TOKENS))) == {"tokens": Severity.WARNING}
    assert checks(replace(good, tokens=admins[:1])) == {"tokens": Severity.INFO}


def test_on_link_is_asked_for() -> None:
    assert checks(network(network={"routers": GOOD["network"]["routers"]})[1]) == {"on-link": Severity.WARNING}


def test_places_are_told_by_every_name_of_theirs() -> None:
    net, good = network(protected=[*GOOD["protected"], {"port": f"s1:{port(3)}"}])
    assert f"s1:{port(3)}" in net.network.graph.names(place(3))
    assert examine(good) == []


def test_the_size_of_the_database_is_good_to_know() -> None:
    _, good = network(retention={"alerts": "never"})
    seen = replace(good, store=Size(12_300_000, 4_000_000, 1_769_860_800.0))
    (finding,) = examine(seen)
    assert (finding.check, finding.severity) == ("store", Severity.INFO)
    said = (
        "12.3 MB, 4.0 MB of it free for reuse, alerts since 2026-01-31; deleted after: alerts never, dead letters 30d"
    )
    assert finding.seen.startswith(said)
    assert "retention: {alerts: 90d}" in finding.mend
