"""What a Linux host says of itself: ports, who is behind them, and by which way we came in. The shapes
are iproute2 6.1's and nftables 1.0.6's."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from drivers.base import ArpEntry, MacEntry, Management
from drivers.netmiko_cli.arrival import Arrival
from drivers.netmiko_cli.asking import NotUnderstood
from drivers.netmiko_cli.linux_layout import BASE
from drivers.netmiko_cli.linux_seen import Seen, read
from drivers.rules import Mac, PortName

MAC = "02:00:00:00:00:07"
TABLE: list[dict[str, Any]] = [
    {"metainfo": {"version": "1.0.6"}},
    {"table": {"family": "bridge", "name": "netcordon", "handle": 1}},
    *(
        {
            "chain": {
                "family": "bridge",
                "table": "netcordon",
                "name": name,
                "handle": 2,
                "type": "filter",
                "hook": hook,
                "prio": priority,
                "policy": "accept",
            }
        }
        for name, (hook, priority) in BASE.items()
    ),
    {"chain": {"family": "bridge", "table": "netcordon", "name": "from_0123456789ab", "handle": 9}},
]


def link(name: str, kind: str = "", slave: str = "", master: str | None = None, **more: Any) -> dict[str, Any]:
    info = {"info_kind": kind} | ({"info_slave_kind": slave} if slave else {}) | more.pop("info", {})
    found = {"ifname": name, "ifindex": 4, "flags": ["BROADCAST", "UP", "LOWER_UP"], "address": MAC, "linkinfo": info}
    stats = {"stats64": {"rx": {"packets": 5}, "tx": {"packets": 6}}}
    return found | stats | ({"master": master} if master else {}) | more


def answers(links: list[dict[str, Any]], **more: Any) -> dict[str, str]:
    bridge = link("br0", "bridge", info={"info_data": {"vlan_filtering": 1}})
    told: dict[str, Any] = {
        "boot": "2bdfb3c0-fc40-4f5d-a277-a32876f15037\n",
        "links": [*links, bridge, {}],
        "vlans": [],
        "fdb": [],
        "neighbours": [],
        "arrival": "192.0.2.7 50000 192.0.2.1 22\n",
        "route": [{"dst": "192.0.2.7", "dev": "eth9"}],
        "rules": {"nftables": [{"metainfo": {"version": "1.0.6"}}]},
    }
    return {name: one if isinstance(one, str) else json.dumps(one) for name, one in (told | more).items()}


def unfit(*links: dict[str, Any], port: str = "p1", **more: Any) -> str | None:
    return read(answers(list(links), **more)).ports[PortName(port)].unfit


def test_an_access_port_is_fit() -> None:
    untagged = [{"ifname": "p1", "vlans": [{"vlan": 10, "flags": ["PVID", "Egress Untagged"]}]}]
    seen = read(answers([link("p1", "veth", "bridge", "br0")], vlans=untagged))
    port = seen.ports[PortName("p1")]
    assert (port.unfit, port.bridge, port.up, port.rx, port.tx) == (None, "br0", True, 5, 6)
    assert seen.vlans == (10,)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (link("p1"), "no port of a bridge"),
        (link("p1", "", "bond", "bond0"), "it is a member of bond0"),
        (link("p1", "vlan", "bridge", "br0"), "one VLAN of a trunk"),
        (link("p1", "vxlan", "bridge", "br0"), r"it is a tunnel \(vxlan\)"),
    ],
)
def test_other_ports_say_why_not(found: dict[str, Any], why: str) -> None:
    from re import search

    assert search(why, unfit(found) or "")


@pytest.mark.parametrize(
    "vlans",
    [
        [{"vlan": 1, "flags": ["PVID", "Egress Untagged"]}, {"vlan": 10}],
        [{"vlan": 1, "vlanEnd": 4, "flags": ["Egress Untagged"]}],
    ],
)
def test_a_trunk_is_one_only_where_the_bridge_looks_at_vlans(vlans: list[dict[str, Any]]) -> None:
    port = link("p1", "veth", "bridge", "br0")
    told = [{"ifname": "p1", "vlans": vlans}]
    assert "trunk" in (unfit(port, vlans=told) or "")
    blind = answers([{**port, "master": "br1"}, link("br1", "bridge")], vlans=told)
    assert read(blind).ports[PortName("p1")].unfit is None


def test_a_name_that_is_no_plain_word_is_never_put_into_a_command() -> None:
    assert "characters" in (unfit(link('p1"; x', master="br0"), port='p1"; x') or "")


def test_what_a_bridge_learnt_by_itself() -> None:
    fdb = [
        {"mac": MAC, "ifname": "p1", "flags": [], "master": "br0", "state": "", "vlan": 10},
        {"mac": "02:00:00:00:00:08", "ifname": "p1", "flags": [], "master": "br0", "state": "permanent"},
        {"mac": "02:00:00:00:00:09", "ifname": "p1", "flags": ["self"], "state": ""},
    ]
    neighbours = [
        {"dst": "10.0.0.7", "dev": "br0", "lladdr": MAC, "state": ["REACHABLE"]},
        {"dst": "10.0.0.8", "dev": "br0", "state": ["FAILED"]},
        {"dst": "10.0.0.9", "dev": "eth9", "lladdr": MAC, "state": ["STALE"]},
        {"dst": "10.0.0.6", "dev": "br0", "lladdr": MAC, "state": ["PERMANENT"]},
    ]
    seen = read(answers([link("p1", "veth", "bridge", "br0")], fdb=fdb, neighbours=neighbours))
    assert seen.macs == (MacEntry(Mac(MAC), PortName("p1"), 10),)
    assert seen.arp == (ArpEntry(ip_address("10.0.0.7"), Mac(MAC), PortName("p1")),)


def in_band(gateway: str | None = None, fdb_port: str = "p1") -> Seen:
    hop = gateway or "192.0.2.7"
    route = [{"dst": "192.0.2.7", "dev": "br0"} | ({"gateway": gateway} if gateway else {})]
    fdb = [{"mac": MAC, "ifname": fdb_port, "flags": [], "master": "br0", "state": ""}]
    neighbours = [{"dst": hop, "dev": "br0", "lladdr": MAC, "state": ["REACHABLE"]}]
    ports = [link("p1", "veth", "bridge", "br0"), link("p2", "veth", "bridge", "br0")]
    return read(answers(ports, route=route, fdb=fdb, neighbours=neighbours))


@pytest.mark.parametrize("gateway", [None, "10.9.9.1"])
def test_the_port_that_we_come_in_by_is_never_touched(gateway: str | None) -> None:
    seen = in_band(gateway)
    assert seen.arrival == Arrival(Management.IN_BAND, ip_network("192.0.2.7"), "br0", PortName("p1"), Mac(MAC))
    assert "cut itself off" in (seen.ports[PortName("p1")].unfit or "")
    assert seen.ports[PortName("p2")].unfit is None


def test_another_interface_than_a_bridge_is_out_of_band_and_not_touched_either() -> None:
    seen = read(answers([link("eth9")]))
    assert seen.arrival == Arrival(Management.OUT_OF_BAND, ip_network("192.0.2.7"), "eth9")
    assert "management" in (seen.ports[PortName("eth9")].unfit or "")


@pytest.mark.parametrize("told", [{"arrival": "\n"}, {"route": []}])
def test_a_way_that_is_not_told_is_unknown(told: dict[str, Any]) -> None:
    assert read(answers([], **told)).arrival.management is Management.UNKNOWN


def with_table(*objects: dict[str, Any]) -> Seen:
    return read(answers([], rules={"nftables": list(objects)}))


def test_our_table_is_sound_as_we_make_it_and_not_otherwise() -> None:
    assert with_table().table is None
    table = with_table(*TABLE).table
    assert table is not None
    assert table.sound
    assert table.chains["from_0123456789ab"] == ()
    dormant = {"table": {"family": "bridge", "name": "netcordon", "handle": 1, "flags": ["dormant"]}}
    for changed in (
        [TABLE[0], dormant, *TABLE[2:]],
        TABLE[:-2],
        [*TABLE, {"set": {"family": "bridge", "table": "netcordon", "name": "theirs"}}],
        [*TABLE, {"chain": {"family": "bridge", "table": "netcordon", "name": "theirs", "handle": 8}}],
    ):
        other = with_table(*changed).table
        assert other is not None
        assert not other.sound
    theirs = {"chain": {"family": "bridge", "table": "theirs", "name": "x", "handle": 8, "hook": "input", "prio": 0}}
    kept = with_table(*TABLE, theirs).table
    assert kept is not None
    assert kept.sound


@pytest.mark.parametrize("name", ["links", "fdb", "vlans", "route", "rules"])
@pytest.mark.parametrize("said", ["Segmentation fault", '{"a": 1}', "[[]]", "[7]"])
def test_another_answer_is_said_not_to_be_understood(name: str, said: str) -> None:
    told = answers([link("p1", "veth", "bridge", "br0")]) | {name: said}
    try:
        read(told)
    except NotUnderstood:
        return
    assert (name, said) == ("route", "[[]]")  # a way that is not told


def test_the_answers_are_all_needed() -> None:
    told = answers([])
    del told["rules"]
    with pytest.raises(NotUnderstood):
        read(told)
