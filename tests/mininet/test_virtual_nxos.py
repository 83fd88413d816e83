"""The virtual NX-OS switch with real frames: what is configured on it is what it does with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contract.bench import Traffic
from tests.contract.nxos_bench import NxosBench
from tests.contract.vendor_bench import HOSTS
from tests.contract.wires import Wires
from tests.vendor_lab import start_nxos
from topologies.vendor.nxos import NxosSwitch

pytestmark = pytest.mark.mininet
ALL, IP = {"arp", "ping", "tcp"}, {"ping", "tcp"}
ONE, TWO = ("interface Ethernet1/1", "interface Ethernet1/2")


@dataclass
class Lab:
    net: Any
    switch: NxosSwitch
    wires: Wires

    def edit(self, *lines: str) -> None:
        self.switch.edit(list(lines))

    def passes(self, source: int, target: int) -> set[str]:
        """What of the three kinds of traffic comes out."""
        src, dst = NxosBench.station(source), NxosBench.station(target)
        return {kind.value for kind in Traffic if self.wires.delivers(src, dst, kind)}


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    net, node = start_nxos(HOSTS, tmp_path_factory.mktemp("flash"))
    assert node.nxos is not None
    wires = Wires(net.hosts)
    yield Lab(net, node.nxos, wires)
    wires.close()
    net.stop()


@pytest.fixture
def lab(standing: Lab) -> Lab:
    standing.switch.reload()
    assert standing.passes(1, 2) == ALL
    return standing


def test_an_ip_list_filters_ip_alone_and_what_no_entry_permits(lab: Lab) -> None:
    lab.edit("ip access-list X", "deny tcp any any eq 8080", "permit ip any any", ONE, "ip port access-group X in")
    assert (lab.passes(1, 2), lab.passes(2, 1)) == ({"arp", "ping"}, ALL)
    lab.edit("ip access-list X", "no 20", "permit icmp any 10.0.0.2/32")
    assert (lab.passes(1, 2), lab.passes(1, 3)) == ({"arp", "ping"}, {"arp"})
    lab.edit("no ip access-list X")
    assert lab.passes(1, 2) == ALL, "a list that is not there filters nothing"


def test_a_mac_list_leaves_ip_alone(lab: Lab) -> None:
    lab.edit("mac access-list M", "deny any any", ONE, "mac port access-group M")
    assert (lab.passes(1, 2), lab.passes(2, 1)) == (IP, ALL)


def test_vlans_keep_apart_what_is_in_them(lab: Lab) -> None:
    lab.edit(ONE, "switchport access vlan 20")
    assert lab.passes(1, 2) == set(), "a VLAN that is not there passes nothing"
    lab.edit(TWO, "switchport access vlan 20", "vlan 20")
    assert (lab.passes(1, 2), lab.passes(2, 1), lab.passes(1, 3)) == (ALL, ALL, set())
