"""The virtual Junos switch with real frames: what is configured on it is what it does with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contract.bench import Traffic
from tests.contract.eos_bench import EosBench
from tests.contract.vendor_bench import HOSTS
from tests.contract.wires import Wires
from tests.vendor_lab import start_junos
from topologies.vendor.junos import JunosSwitch

pytestmark = pytest.mark.mininet
ALL, IP = {"arp", "ping", "tcp"}, {"ping", "tcp"}
ONE, TWO = (f"set interfaces ge-0/0/{number} unit 0 family ethernet-switching" for number in (1, 2))
FILTER = "set firewall family ethernet-switching filter X term"


@dataclass
class Lab:
    net: Any
    switch: JunosSwitch
    wires: Wires
    start: str

    def edit(self, *lines: str) -> None:
        self.switch.edit(list(lines))

    def passes(self, source: int, target: int) -> set[str]:
        """What of the three kinds of traffic comes out."""
        src, dst = EosBench.station(source), EosBench.station(target)
        return {kind.value for kind in Traffic if self.wires.delivers(src, dst, kind)}


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    net, node = start_junos(HOSTS, tmp_path_factory.mktemp("flash"))
    assert node.junos is not None
    wires = Wires(net.hosts)
    yield Lab(net, node.junos, wires, node.junos.text())
    wires.close()
    net.stop()


@pytest.fixture
def lab(standing: Lab) -> Lab:
    (standing.switch.flash / "juniper.conf").write_text(standing.start)
    standing.switch.reload()
    assert standing.passes(1, 2) == ALL
    return standing


def test_a_filter_sees_every_frame_and_discards_what_no_term_matches(lab: Lab) -> None:
    lab.edit(f"{FILTER} a from ether-type arp", f"{FILTER} a then accept", f"{ONE} filter input X")
    assert (lab.passes(1, 2), lab.passes(2, 1)) == ({"arp"}, ALL)
    lab.edit(f"{FILTER} b from ip-protocol tcp", f"{FILTER} b from destination-port 8080", f"{FILTER} b then discard")
    lab.edit(f"{FILTER} c then accept")
    assert lab.passes(1, 2) == {"arp", "ping"}


def test_a_filter_going_out(lab: Lab) -> None:
    lab.edit(f"{FILTER} a then discard", f"{TWO} filter output X")
    assert (lab.passes(1, 2), lab.passes(1, 3), lab.passes(2, 1)) == (set(), ALL, ALL)


def test_addresses_of_a_term_are_alternatives_and_its_conditions_are_not(lab: Lab) -> None:
    lab.edit(
        f"{FILTER} a from source-mac-address 02:00:00:00:00:01",
        f"{FILTER} a from ip-destination-address 10.0.0.2/32",
        f"{FILTER} a from ip-destination-address 10.0.0.9/32",
        f"{FILTER} a then discard",
        f"{FILTER} b then accept",
        f"{ONE} filter input X",
    )
    assert (lab.passes(1, 2), lab.passes(1, 3)) == ({"arp"}, ALL)


def test_vlans_keep_apart_what_is_in_them(lab: Lab) -> None:
    lab.edit("set vlans users vlan-id 20", f"{ONE} vlan members users")
    assert (lab.passes(1, 2), lab.passes(2, 1)) == (set(), set())
    lab.edit(f"{TWO} vlan members 20")
    assert (lab.passes(1, 2), lab.passes(2, 1), lab.passes(1, 3)) == (ALL, ALL, set())


def test_what_was_heard_is_in_the_mac_table(lab: Lab) -> None:
    lab.passes(1, 2)
    assert (1, "02:00:00:00:00:01", 1) in lab.switch.hardware.learnt()
    lab.edit("set interfaces ge-0/0/2 disable")
    assert lab.passes(1, 2) == set()
