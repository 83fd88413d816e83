"""The virtual Junos switch: its statements in all their forms, and what it takes frames by."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from topologies.vendor.forwarding import List, NoHardware
from topologies.vendor.junos import JunosSwitch
from topologies.vendor.junos_forwarding import CheckFailed
from topologies.vendor.junos_grammar import ROOT
from topologies.vendor.junos_tree import (
    BadStatement,
    Tree,
    as_set,
    as_text,
    as_xml,
    compared,
    edit,
    from_set,
    from_text,
    from_xml,
)

LINES = [
    "set system host-name access-1",
    "set interfaces ge-0/0/2 disable",
    "set interfaces ge-0/0/2 unit 0 family ethernet-switching",
    'set interfaces ge-0/0/10 description "a printer"',
    "set interfaces ge-0/0/10 unit 0 family ethernet-switching interface-mode trunk",
    "set interfaces ge-0/0/10 unit 0 family ethernet-switching vlan members guests",
    "set interfaces ge-0/0/10 unit 0 family ethernet-switching vlan members users",
    "set firewall family ethernet-switching filter X term zero from source-mac-address 02:00:00:00:00:01/48",
    "set firewall family ethernet-switching filter X term zero from ip-version ipv6 ip6-source-address 2001:db8::/64",
    "set firewall family ethernet-switching filter X term zero then discard",
    "set firewall family ethernet-switching filter X term after then accept",
    "set vlans guests vlan-id 30",
    "set vlans users vlan-id 20",
]


def read(lines: list[str]) -> Tree:
    tree: Tree = {}
    for line in lines:
        edit(tree, ROOT, *from_set(line))
    return tree


def test_every_form_says_the_same() -> None:
    tree = read(LINES)
    assert list(as_set(tree, ROOT)) == LINES
    text, xml = "\n".join(as_text(tree, ROOT)), ElementTree.Element("configuration")
    xml.extend(as_xml(tree, ROOT))
    for edits in (from_text(text), from_xml(xml, ROOT)):
        again: Tree = {}
        for done, words in edits:
            edit(again, ROOT, done, words)
        assert list(as_set(again, ROOT)) == LINES
    assert "        members [ guests users ];" in text
    assert "term after {\n                then accept;" in text


def test_one_value_takes_the_place_of_another_and_what_is_left_empty_goes() -> None:
    tree = read(
        [*LINES, "set vlans users vlan-id 21", "delete firewall", "set interfaces ge-0/0/2 unit 0 family inet dhcp"]
    )
    for line in (
        "delete vlans guests",
        "delete interfaces ge-0/0/10 unit 0 family ethernet-switching vlan members users",
    ):
        edit(tree, ROOT, *from_set(line))
    told = list(as_set(tree, ROOT))
    assert "set vlans users vlan-id 21" in told
    assert not [line for line in told if "firewall" in line or "vlans guests" in line or "members users" in line]
    with pytest.raises(BadStatement, match="statement not found"):
        edit(tree, ROOT, *from_set("delete vlans guests"))


def test_a_difference_tells_the_order_of_terms_too() -> None:
    before = read(LINES)
    after = read([*LINES[:7], LINES[10], *LINES[7:10], *LINES[11:]])
    assert compared(before, after, ROOT) == [
        "[edit firewall family ethernet-switching filter X]",
        "!   term after { ... }",
        "!   term zero { ... }",
    ]
    assert compared(before, read(LINES), ROOT) == []


def test_what_does_not_match_in_braces_is_refused() -> None:
    for text in ("system {", "system }", "vlans { users { vlan-id 20 } }"):
        with pytest.raises(BadStatement, match="syntax error"):
            list(from_text(text))


def test_terms_in_their_order_are_what_frames_meet(tmp_path: Path) -> None:
    hardware = NoHardware((1, 2, 10))
    switch = JunosSwitch(hardware, tmp_path)
    port = "set interfaces ge-0/0/1 unit 0 family ethernet-switching"
    term = "set firewall family ethernet-switching filter Y term"
    switch.edit(
        [*LINES, f"{port} vlan members users", f"{port} filter output Y", f"{term} b from destination-port 80-81"]
    )
    ports = {one.number: one for one in hardware.wanted.ports}
    assert (ports[1].vlan, ports[2].shut, ports[10].tagged) == (20, True, frozenset({20, 30}))
    flows = [f"dl_type=0x0800,nw_proto={number},tp_dst=0x0050/0xfffe" for number in (6, 17)]
    assert ports[1].lists_out == (List(("",), tuple((True, flow) for flow in flows)),)
    before = switch.text()
    for line in (f"{port} vlan members nobody", f"{port} vlan members guests", f"{port} filter input NONE"):
        with pytest.raises(CheckFailed):
            switch.edit([line])
        assert switch.text() == before
        switch.roll_back(0)
    switch.reload()
    assert switch.text() == before
    switch.close()
