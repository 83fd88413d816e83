"""The virtual IOS switch with real frames: what is configured on it is what it does with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contract.bench import Traffic
from tests.contract.ios_bench import IosBench
from tests.contract.vendor_bench import HOSTS
from tests.contract.wires import Wires
from tests.vendor_lab import start_ios
from topologies.vendor.ios import IosSwitch

pytestmark = pytest.mark.mininet
ALL, IP = {"arp", "ping", "tcp"}, {"ping", "tcp"}
ONE, TWO = ("interface GigabitEthernet1/0/1", "interface GigabitEthernet1/0/2")


@dataclass
class Lab:
    net: Any
    switch: IosSwitch
    wires: Wires

    def edit(self, *lines: str) -> None:
        self.switch.edit(list(lines))

    def passes(self, source: int, target: int) -> set[str]:
        """What of the three kinds of traffic comes out."""
        src, dst = IosBench.station(source), IosBench.station(target)
        return {kind.value for kind in Traffic if self.wires.delivers(src, dst, kind)}


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    net, node = start_ios(HOSTS, tmp_path_factory.mktemp("flash"))
    assert node.ios is not None
    wires = Wires(net.hosts)
    yield Lab(net, node.ios, wires)
    wires.close()
    net.stop()


@pytest.fixture
def lab(standing: Lab) -> Lab:
    standing.switch.reload()
    standing.edit(*(f"no vlan {number}" for number in standing.switch.running.of("vlan")))
    assert standing.passes(1, 2) == ALL
    return standing


def test_an_ip_list_filters_ip_alone_and_what_no_entry_permits(lab: Lab) -> None:
    lab.edit("ip access-list extended X", "deny tcp any any eq 8080", "permit ip any any", ONE, "ip access-group X in")
    assert (lab.passes(1, 2), lab.passes(2, 1)) == ({"arp", "ping"}, ALL)
    lab.edit("ip access-list extended X", "no 20", "permit icmp any any")
    assert lab.passes(1, 2) == {"arp", "ping"}
    lab.edit("no ip access-list extended X")
    assert lab.passes(1, 2) == ALL, "a list that is not there filters nothing"


def test_a_list_going_out(lab: Lab) -> None:
    lab.edit("ip access-list extended X", "deny ip any any", TWO, "ip access-group X out")
    assert (lab.passes(1, 2), lab.passes(1, 3), lab.passes(2, 1)) == ({"arp"}, ALL, ALL)


def test_a_mac_list_leaves_ip_alone(lab: Lab) -> None:
    lab.edit("mac access-list extended M", "deny any any", ONE, "mac access-group M in")
    assert lab.passes(1, 2) == IP
    lab.edit(ONE, "no mac access-group M in", TWO, "mac access-group M out")
    assert (lab.passes(1, 2), lab.passes(1, 3)) == (IP, ALL)


def test_vlans_keep_apart_what_is_in_them(lab: Lab) -> None:
    lab.edit(ONE, "switchport access vlan 20")
    assert (lab.passes(1, 2), lab.passes(2, 1)) == (set(), set())
    lab.edit(TWO, "switchport access vlan 20")
    assert (lab.passes(1, 2), lab.passes(2, 1), lab.passes(1, 3)) == (ALL, ALL, set())


def test_what_was_heard_is_in_the_mac_table(lab: Lab) -> None:
    lab.passes(1, 2)
    assert (1, "02:00:00:00:00:01", 1) in lab.switch.hardware.learnt()
