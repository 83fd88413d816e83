"""Where something protected is, found from the list and not by a walk: it must come to the same."""

from __future__ import annotations

from ipaddress import ip_network
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.network import guarded
from drivers.rules import Mac
from tests.campus import Campus, campus, mac

HOUR = 3600.0


def walked(net: Campus) -> frozenset[str]:
    """The devices of all whom the guardrails protect, one after the other."""
    network = net.network
    found = set()
    for (realm, name), spans in network.bindings.by_mac.items():
        endpoint = network.endpoint_at(realm, frozenset({Mac(name)}), spans[-1].place, net.now)
        places = network.graph.names(endpoint.attachment)
        sentence = network.inventory.protection(endpoint.macs, endpoint.ips, places, endpoint.role)
        if spans[-1].last >= net.now - network.max_age and sentence is not None:
            found.add(endpoint.attachment.device)
    return frozenset(found)


RULES: list[dict[str, Any]] = [
    {"mac": str(mac(3))},
    {"ip": "10.0.0.4"},
    {"ip": "fe80::4"},
    {"prefix": "10.0.0.0/28"},
    {"prefix": "10.0.0.0/8"},
    {"prefix": "10.0.0.16/29"},
    {"role": "printer"},
    {"port": "s2:3"},
    {"port": "s1:s1-eth2"},
    {"port": "s9:1"},
]
ASSETS: list[dict[str, Any]] = [
    {"mac": str(mac(5)), "role": "printer"},
    {"ip": "10.0.0.6", "role": "printer"},
    {"mac": str(mac(7)), "ip": "10.0.0.17", "role": "server"},
    {"mac": str(mac(8)), "ip": "10.0.0.4"},
]
ROUTERS: list[dict[str, Any]] = [{"name": "gw", "macs": [str(mac(9))]}, {"name": "gw2", "ips": ["10.0.0.18"]}]


@given(st.integers(0, 100_000))
def test_it_is_what_a_walk_over_everybody_finds(seed: int) -> None:
    chance = Random(seed)
    net = campus(
        protected=chance.sample(RULES, chance.randint(0, 3)),
        assets=chance.sample(ASSETS, chance.randint(0, 4)),
        network={"routers": chance.sample(ROUTERS, chance.randint(0, 2))},
    )
    addresses = [None, "fe80::4", *(f"10.0.0.{n}" for n in range(3, 20))]
    for ago in sorted(chance.choices(range(1, 6 * 3600), k=25), reverse=True):
        address, vlan = chance.choice(addresses), chance.choice([None, 7])
        who, where, switch = chance.randint(3, 12), chance.randint(1, 8), chance.randint(1, 2)
        net.says(address, who, where, ago=ago, switch=switch, vlan=vlan, lease=chance.random() < 0.2)
    assert net.network.devices_of_protected("default", net.now) == walked(net)


def test_a_prefix_of_any_size_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    net = campus(protected=[{"prefix": "10.0.0.0/24"}])
    net.says("10.0.0.66", 6, 3)
    net.says("10.0.1.66", 7, 4, switch=2)
    few = net.network.devices_of_protected("default", net.now)
    monkeypatch.setattr(guarded, "MOST_ASKED", 1)
    assert net.network.devices_of_protected("default", net.now) == few
    assert len(few) == 1
    assert ip_network("10.0.0.0/24").num_addresses > guarded.MOST_ASKED
