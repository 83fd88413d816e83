"""The virtual EOS switch with real frames: what is configured on it is what it does with them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from drivers.rules import Mac, PortName
from tests.contract.bench import Station, Traffic
from tests.contract.wires import Wires
from tests.vendor_lab import start_eos
from topologies.vendor.eos_show import show
from topologies.vendor.node import EosNode

pytestmark = pytest.mark.mininet
HOSTS = 5


@dataclass
class Lab:
    net: Any
    node: EosNode
    wires: Wires

    def edit(self, *lines: str) -> None:
        assert self.node.eos is not None
        self.node.eos.edit(list(lines))

    def passes(self, source: int, target: int) -> set[str]:
        """What of the three kinds of traffic comes out."""
        src, dst = _station(source), _station(target)
        return {kind.value for kind in Traffic if self.wires.delivers(src, dst, kind)}


def _station(number: int) -> Station:
    mac = Mac(f"02:00:00:00:00:{number:02x}")
    return Station(PortName(f"Ethernet{number}"), mac, IPv4Address(f"10.0.0.{number}"))


@pytest.fixture(params=[True, False], ids=["MAC lists filter IP", "MAC lists leave IP alone"], scope="module")
def standing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    net, node = start_eos(HOSTS, tmp_path_factory.mktemp("flash"), mac_lists_filter_ip=request.param)
    wires = Wires(net.hosts)
    yield Lab(net, node, wires)
    wires.close()
    net.stop()


@pytest.fixture
def lab(standing: Lab) -> Lab:
    assert standing.node.eos is not None
    standing.node.eos.reload()
    assert standing.passes(1, 2) == ALL
    return standing


ALL, IP = {"arp", "ping", "tcp"}, {"ping", "tcp"}


def test_a_list_coming_in(lab: Lab) -> None:
    lab.edit(
        "ip access-list X",
        "deny tcp any any eq 8080",
        "permit ip any any",
        "interface Ethernet1",
        "ip access-group X in",
    )
    assert lab.passes(1, 2) == {"arp", "ping"}
    assert lab.passes(2, 1) == ALL


def test_a_list_denies_what_no_entry_permits_and_only_its_own_family(lab: Lab) -> None:
    lab.edit("ip access-list X", "permit icmp any any", "interface Ethernet1", "ip access-group X in")
    assert lab.passes(1, 2) == {"arp", "ping"}
    lab.edit("no ip access-list X")
    assert lab.passes(1, 2) == ALL, "a list that is not there filters nothing"


def test_a_list_going_out(lab: Lab) -> None:
    lab.edit("ip access-list X", "deny ip any any", "interface Ethernet2", "ip access-group X out")
    assert (lab.passes(1, 2), lab.passes(1, 3), lab.passes(2, 1)) == ({"arp"}, ALL, ALL)


def test_mac_lists(lab: Lab) -> None:
    filters_ip = lab.node._mac_lists_filter_ip
    lab.edit("mac access-list M", "deny any any", "interface Ethernet1", "mac access-group M in")
    assert lab.passes(1, 2) == (set() if filters_ip else IP)
    lab.edit("interface Ethernet1", "no mac access-group M in", "interface Ethernet2", "mac access-group M out")
    assert lab.passes(1, 2) == (set() if filters_ip else IP)
    assert lab.passes(1, 3) == ALL


def test_vlans_keep_apart_what_is_in_them(lab: Lab) -> None:
    lab.edit("vlan 20", "interface Ethernet1", "switchport access vlan 20")
    assert (lab.passes(1, 2), lab.passes(2, 1)) == (set(), set())
    lab.edit("interface Ethernet2", "switchport access vlan 20")
    assert (lab.passes(1, 2), lab.passes(2, 1), lab.passes(1, 3)) == (ALL, ALL, set())


def test_static_mac_entries_drop(lab: Lab) -> None:
    lab.edit("mac address-table static 0200.0000.0001 vlan 1 drop")
    assert (lab.passes(1, 2), lab.passes(2, 1), lab.passes(2, 3)) == (set(), {"arp"}, ALL)


def test_a_port_that_is_shut_passes_nothing(lab: Lab) -> None:
    lab.edit("interface Ethernet1", "shutdown")
    assert (lab.passes(1, 2), lab.passes(2, 1), lab.passes(2, 3)) == (set(), set(), ALL)


def test_a_member_of_a_port_channel_is_what_that_is(lab: Lab) -> None:
    lab.edit("interface Ethernet1", "channel-group 5 mode on", "interface Port-Channel5", "description bundle")
    assert lab.passes(1, 2) == ALL
    assert lab.node.eos is not None
    told = show(lab.node.eos, "show mac address-table")
    assert isinstance(told, Mapping)
    assert ("02:00:00:00:00:01", "Port-Channel5") in {
        (one["macAddress"], one["interface"]) for one in told["unicastTable"]["tableEntries"]
    }
    lab.edit("ip access-list X", "deny ip any any", "interface Ethernet1", "ip access-group X in")
    assert lab.passes(1, 2) == ALL, "what is on a member filters nothing"
    lab.edit("interface Port-Channel5", "ip access-group X in")
    assert (lab.passes(1, 2), lab.passes(2, 1)) == ({"arp"}, ALL)
    lab.edit("vlan 20", "interface Port-Channel5", "switchport access vlan 20")
    assert lab.passes(2, 1) == set()


def test_what_was_heard_is_in_the_mac_table(lab: Lab) -> None:
    lab.passes(1, 2)
    assert lab.node.eos is not None
    assert (1, "02:00:00:00:00:01", 1) in lab.node.eos.hardware.learnt()
    ports = lab.node.eos.hardware.ports()
    assert ports.keys() == set(range(1, HOSTS + 1))
    assert ports[1].up
    assert os.path.exists(Path(lab.node.certificate))
