"""The virtual EOS switch by itself: what it takes and refuses, its sessions, what it keeps, and what it says of its forwarding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from topologies.vendor.acl_words import masks
from topologies.vendor.configuration import Configuration, Editor, InvalidInput
from topologies.vendor.eapi import Eapi, self_signed
from topologies.vendor.eos import EosSwitch
from topologies.vendor.eos_acl import read_ip, read_mac
from topologies.vendor.eos_forwarding import forwarding
from topologies.vendor.eos_grammar import GRAMMAR
from topologies.vendor.forwarding import NoHardware


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[EosSwitch]:
    made = EosSwitch(NoHardware(), tmp_path / "flash", "sw1")
    yield made
    made.close()


@pytest.fixture
def eapi(switch: EosSwitch, tmp_path: Path) -> Iterator[Eapi]:
    with Eapi(switch, {"admin": "secret", "viewer": "look"}, self_signed(tmp_path, "127.0.0.1")) as served:
        yield served


def ask(eapi: Eapi, *commands: str, user: str = "admin", text: bool = False) -> dict[str, Any]:
    parameters = {"version": 1, "cmds": ["enable", *commands], "format": "text" if text else "json"}
    return eapi.answer({"jsonrpc": "2.0", "id": "1", "method": "runCmds", "params": parameters}, user)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["interface Ethernet1", "swtchport mode trunk"], "Invalid input (at token 0: 'swtchport')"),
        (["interface Ethernet1", "switchport access vlan 4095"], "Invalid input (at token 3: '4095')"),
        (["interface Ethernet1", "switchport access vlan"], "Incomplete command"),
        (["interface Ether1"], "Invalid input (at token 1: 'Ether1')"),
        (["ip access-list X", "deny tcp any any eq nosuch"], "Invalid input (at token 5: 'nosuch')"),
        (["ip access-list X", "deny udp any any established"], "Invalid input (at token 4: 'established')"),
        (["ip access-list X", "10 deny ip any 300.1.2.3/8"], "Invalid input (at token 4: '300.1.2.3/8')"),
        (["mac access-list X", "deny any any wat"], "Invalid input (at token 3: 'wat')"),
        (["vlan 5000"], "Invalid input (at token 1: '5000')"),
    ],
)
def test_wrong_lines_are_refused_with_the_word(lines: list[str], told: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(told)):
        Editor(GRAMMAR, Configuration()).load(lines)


def test_the_same_configuration_is_the_same_text() -> None:
    lines = [
        "interface et2",
        "switchport access vlan 20",
        "interface Ethernet1",
        "ip access-group B in",
        "ip access-group A in",
    ]
    one, other = Configuration(), Configuration()
    Editor(GRAMMAR, one).load(lines)
    Editor(GRAMMAR, other).load(
        ["interface Ethernet1", "ip access-group A in", "interface Ethernet2", "switchport access vlan 20"]
    )
    assert one.text(GRAMMAR) == other.text(GRAMMAR)
    Editor(GRAMMAR, one).load(
        ["interface Ethernet2", "no switchport access vlan", "interface Ethernet1", "no ip access-group A in"]
    )
    assert one.text(GRAMMAR) == "interface Ethernet1\n!\ninterface Ethernet2\n!\nend\n"


def test_lists_are_numbered_and_shown_as_eos_shows_them() -> None:
    made = Configuration()
    Editor(GRAMMAR, made).load(
        ["ip access-list X", "permit tcp 10.1.0.0 0.0.255.255 any eq 22", "remark why", "15 deny 17 any any", "no 10"]
    )
    assert made.section("ip access-list X") == ["15 deny udp any any", "20 remark why"]


def test_a_range_of_ports_is_covered_exactly() -> None:
    for first, last in ((0, 65535), (1, 1), (0, 1023), (137, 139), (1024, 65534)):
        spans = [(int(value, 0), int(mask, 0)) for value, mask in (part.split("/") for part in masks(first, last))]
        hit = [port for port in range(65536) if any(port & mask == value for value, mask in spans)]
        assert hit == list(range(first, last + 1))


def test_entries_say_what_they_match() -> None:
    assert read_ip(["deny", "tcp", "any", "host", "10.0.0.2", "eq", "www", "established"]).flows == (
        "ip,nw_proto=6,nw_dst=10.0.0.2/32,tp_dst=0x0050/0xffff,tcp_flags=0x10/0x10",
        "ip,nw_proto=6,nw_dst=10.0.0.2/32,tp_dst=0x0050/0xffff,tcp_flags=0x04/0x04",
    )
    assert read_mac(["deny", "0000.5e00.0001", "00:00:00:00:00:ff", "any", "arp"]).flows == (
        "dl_src=00:00:5e:00:00:01/ff:ff:ff:ff:ff:00,dl_type=0x0806",
    )


def test_a_session_changes_what_it_modified_and_nothing_else(switch: EosSwitch, eapi: Eapi) -> None:
    ask(eapi, "configure session ours", "interface Ethernet1", "description ours", "end")
    ask(eapi, "configure session ours", "hostname ours", "end")
    switch.edit(["interface Ethernet2", "description colleague", "interface Ethernet1", "mtu 1500"])
    assert "error" not in ask(eapi, "configure session ours commit")
    assert switch.running.section("interface Ethernet1") == ["mtu 1500", "description ours"]
    assert switch.running.section("interface Ethernet2") == ["description colleague"]
    assert switch.hostname == "ours"


def test_a_timed_commit_runs_out_by_itself_and_takes_a_colleagues_edit_along(switch: EosSwitch, eapi: Eapi) -> None:
    ask(eapi, "configure session ours", "hostname ours", "end")
    ask(eapi, "configure session ours commit timer 00:10:00")
    told = ask(eapi, "show configuration sessions detail")["result"][1]
    assert told["commitTimerSessionName"] == "ours"
    assert 590 < told["commitTimerExpireTime"] - switch.uptime <= 600
    switch.edit(["dns domain example.com"])
    switch._expire("ours", switch.sessions["ours"])
    assert switch.running.lines == ["hostname sw1"]


def test_what_was_not_saved_is_gone_after_a_reload(switch: EosSwitch, eapi: Eapi) -> None:
    ask(eapi, "configure", "hostname saved", "end", "write memory", "configure", "hostname lost", "end")
    ask(eapi, "configure session left", "hostname never", "end")
    assert "hostname lost" in ask(eapi, "show running-config diffs", text=True)["result"][1]["output"]
    again = EosSwitch(NoHardware(), switch.flash)
    assert (again.hostname, again.sessions) == ("saved", {})
    switch.reload()
    assert (switch.hostname, switch.sessions) == ("saved", {})


def test_errors_have_eapis_codes(switch: EosSwitch, eapi: Eapi) -> None:
    wrong = ask(eapi, "configure session s", "hostname ok", "hostnam x", "end")["error"]
    assert (wrong["code"], wrong["data"][-1]) == (1002, {"errors": ["Invalid input (at token 0: 'hostnam')"]})
    assert wrong["message"] == "CLI command 4 of 5 'hostnam x' failed: invalid command"
    assert ask(eapi, "configure session nosuch commit")["error"]["code"] == 1000
    assert ask(eapi, "show running-config")["error"]["code"] == 1003
    switch.faults.read_only = frozenset({"viewer"})
    assert ask(eapi, "configure session s", user="viewer")["error"]["code"] == 1005
    assert eapi.answer({"id": "7", "method": "runCmds", "params": "?"}, "admin")["error"]["code"] == -32600


def test_faults_are_felt(switch: EosSwitch, eapi: Eapi) -> None:
    for number in range(switch.faults.pending):
        ask(eapi, f"configure session s{number}", "hostname x", "end")
    assert ask(eapi, "configure session more")["error"]["code"] == 1000
    ask(
        eapi,
        "configure session s0",
        "ip access-list X",
        "permit ip any any",
        "interface Ethernet1",
        "ip access-group X in",
        "end",
    )
    switch.faults.tcam = 0
    before = switch.running.text(GRAMMAR)
    assert "TCAM" in ask(eapi, "configure session s0 commit")["error"]["data"][-1]["errors"][0]
    assert switch.running.text(GRAMMAR) == before
    switch.faults.refuse = re.compile("^write")
    assert ask(eapi, "write memory")["error"]["code"] == 1002
    switch.faults.refuse, switch.faults.lose_saves = None, True
    assert ask(eapi, "write memory")["error"]["code"] == 1000


def test_ports_carry_what_is_configured() -> None:
    made = Configuration()
    lines = [
        "vlan 10,20",
        "interface Et1",
        "switchport access vlan 10",
        "interface Et2",
        "switchport mode trunk",
        "interface Et3",
    ]
    Editor(GRAMMAR, made).load(
        [*lines, "switchport access vlan 30", "interface Et4", "no switchport", "interface Et5", "shutdown"]
    )
    ports = {port.number: (port.vlan, port.tagged, port.up) for port in forwarding(made, [1, 2, 3, 4, 5, 6]).ports}
    nothing: frozenset[int] = frozenset()
    assert ports[1] == (10, nothing, True)
    assert ports[2] == (1, frozenset({1, 10, 20}), True)
    assert ports[3] == (None, nothing, True), "VLAN 30 is not configured"
    assert (ports[4][2], ports[5][2]) == (False, False)
    assert ports[6] == (1, nothing, True)
