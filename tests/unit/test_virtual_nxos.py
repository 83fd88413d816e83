"""The virtual NX-OS switch by itself: what its command line takes and says, what its lists mean, what a timer and a reload do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from topologies.vendor.configuration import InvalidInput
from topologies.vendor.forwarding import NoHardware, flows
from topologies.vendor.nxos import NxosSwitch
from topologies.vendor.nxos_acl import read_ip, read_ipv6, read_mac
from topologies.vendor.nxos_shell import NxosShell

PORT = "interface Ethernet1/1"
SECOND = 0.002
"""How long one of the commit timer's seconds lasts: the shortest timer of 30 takes 60 ms."""


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[NxosSwitch]:
    made = NxosSwitch(NoHardware(), tmp_path / "flash", "leaf-1", second=SECOND)
    yield made
    made.close()


@pytest.fixture
def shell(switch: NxosSwitch) -> NxosShell:
    return NxosShell(switch, "admin")


def typed(shell: NxosShell, *lines: str) -> list[str]:
    return [shell.take(line) for line in lines]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("deny ip any any", "deny ip any any"),
        ("permit tcp 10.0.0.0/16 eq 80 host 10.1.0.1 established", "permit tcp 10.0.0.0/16 eq www 10.1.0.1/32 established"),
        ("deny tcp any range 1024 2047 any eq 514", "deny tcp any range 1024 2047 any eq cmd"),
        ("permit ip 10.2.0.0 0.0.255.255 any", "permit ip 10.2.0.0/16 any"),
        ("permit 1 any 10.9.9.9/32", "permit icmp any 10.9.9.9/32"),
        ("remark netcordon rule 0123456789ab in ip,mac", "remark netcordon rule 0123456789ab in ip,mac"),
    ],
)  # fmt: skip
def test_an_entry_is_shown_as_nxos_shows_it(text: str, shown: str) -> None:
    assert read_ip(text.split()).text == shown


def test_other_families_entries() -> None:
    assert read_ipv6(["deny", "icmp", "any", "any", "nd-ns"]).flows == ("ipv6,nw_proto=58,icmpv6_type=135",)
    assert (
        read_ipv6(["permit", "tcp", "host", "2001:db8::1", "any", "eq", "22"]).text
        == "permit tcp 2001:db8::1/128 any eq 22"
    )
    assert read_mac(["deny", "any", "any", "0x0806"]).text == "deny any any 0x806"
    assert read_mac(["deny", "0200.0000.0001", "0000.0000.0000", "any"]).flows == (
        "dl_src=02:00:00:00:00:01/ff:ff:ff:ff:ff:ff",
    )


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("deny ip any", None),
        ("deny ip any any eq 80", 4),
        ("deny tcp 10.0.0.0/33 any", 2),
        ("deny ip 10.0.0.0 0.0.255.0 any", 3),
        ("allow ip any any", 0),
    ],
)
def test_what_is_no_entry(text: str, token: int | None) -> None:
    with pytest.raises(InvalidInput) as wrong:
        read_ip(text.split())
    assert wrong.value.token == token


def test_prompts_and_modes(shell: NxosShell) -> None:
    seen = []
    one_stage = ("configure terminal", PORT, "ip access-list X", "exit", "vlan 20", "end")
    for line in (*one_stage, "configure dual-stage", PORT, "abort"):
        shell.take(line)
        seen.append(shell.prompt().removeprefix("leaf-1"))
    assert seen == [
        "(config)# ", "(config-if)# ", "(config-acl)# ", "(config)# ", "(config-vlan)# ", "# ", "(config-dual-stage)# ",
        "(config-dual-stage-if)# ", "# ",
    ]  # fmt: skip


def test_wrong_input_is_pointed_at(shell: NxosShell) -> None:
    said = typed(shell, "configure terminal", PORT, "switchport acess vlan 10", "switchport access vlan")
    caret, message = said[2].splitlines()
    assert (shell.prompt() + "switchport acess vlan 10")[caret.index("^") :].startswith("acess")
    assert message == "% Invalid command at '^' marker."
    assert said[3].endswith("% Incomplete command at '^' marker.\n")
    assert typed(shell, "end", "show nonsense")[1].endswith("% Invalid command at '^' marker.\n")


def test_a_port_has_no_list_for_what_leaves(shell: NxosShell) -> None:
    said = typed(shell, "configure terminal", PORT, "ip port access-group X in", "ip port access-group X out")
    assert said[2] == ""
    assert "% Invalid command" in said[3]


def test_what_is_shown_can_be_typed_again(switch: NxosSwitch) -> None:
    switch.edit(["ip access-list X", "permit tcp host 10.0.0.1 any eq 443", "deny ip any any"])
    switch.edit(["mac access-list M", "permit any any 0x806"])
    switch.edit([PORT, "ip port access-group X in", "mac port access-group M", "vlan 20"])
    assert switch.read(switch.text()) == switch.running
    assert "ip access-list X\n  10 permit tcp 10.0.0.1/32 any eq 443\n  20 deny ip any any\n" in switch.text()


def test_lists_filter_what_comes_in_of_their_own_kind(switch: NxosSwitch) -> None:
    switch.edit(["ip access-list X", "deny tcp any any eq 22", "mac access-list M", "deny any any 0x806"])
    switch.edit([PORT, "ip port access-group X in", "mac port access-group M"])
    assert isinstance(switch.hardware, NoHardware)
    port = switch.hardware.wanted.ports[0]
    assert [one.kinds for one in port.lists_in] == [("ip",), ("",)]
    assert port.lists_out == ()
    assert any("dl_type=0x0806,actions=drop" in flow for flow in flows(switch.hardware.wanted))


def test_staged_lines_count_when_they_are_committed_and_all_together(switch: NxosSwitch, shell: NxosShell) -> None:
    before = switch.text()
    typed(shell, "configure dual-stage", "vlan 20", "name guests", PORT, "switchport access vlan 20")
    assert switch.text() == before
    assert typed(shell, "show configuration") == [
        "! Cached configuration\n!\nvlan 20\n name guests\n!\ninterface Ethernet1/1\n switchport access vlan 20"
    ]
    assert "% Invalid command" in typed(shell, "switchport acess vlan 20")[0]
    assert "Configuration committed by user 'admin' using Commit ID : 1000000001" in typed(shell, "commit")[0]
    assert "switchport access vlan 20" in switch.text()
    typed(shell, "no vlan 20", "abort")
    assert "vlan 20\n" in switch.text()


def test_a_commit_that_does_not_fit_leaves_nothing(switch: NxosSwitch, shell: NxosShell) -> None:
    switch.faults.tcam = 1
    before = switch.text()
    typed(shell, "configure dual-stage", "ip access-list X", "permit tcp any any", "deny ip any any", PORT)
    said = typed(shell, "ip port access-group X in", "commit confirmed 30")[1]
    assert said.endswith("commit verification failed")
    assert (switch.text(), switch.unconfirmed) == (before, None)


def test_a_timed_commit_is_undone_unless_its_own_session_confirms_it(switch: NxosSwitch, shell: NxosShell) -> None:
    before = switch.text()
    typed(shell, "configure dual-stage", "vlan 20", "commit confirmed 30")
    typed(shell, "commit")
    assert switch.unconfirmed is None
    assert "vlan 20" in switch.text()
    typed(shell, "no vlan 20", "commit confirmed 30")
    other = NxosShell(switch, "colleague")
    assert "verification failed" in typed(other, "configure dual-stage", "vlan 30", "commit")[2]
    assert _within(2, lambda: switch.unconfirmed is None)
    assert "vlan 20" in switch.text()
    assert typed(shell, "commit")[0].startswith("Confirm commit Timer expired, triggering rollback commit")
    typed(shell, "no vlan 20", "commit")
    assert switch.text() == before


@pytest.mark.parametrize("seconds", ["29", "65536", "soon"])
def test_how_long_a_timer_may_be(shell: NxosShell, seconds: str) -> None:
    assert "% Invalid command" in typed(shell, "configure dual-stage", f"commit confirmed {seconds}")[1]


def test_a_checkpoint_is_rolled_back_to_or_not_at_all(switch: NxosSwitch, shell: NxosShell) -> None:
    typed(shell, "checkpoint file first", "configure terminal", "vlan 20", "end")
    assert typed(shell, "rollback running-config file first")[0].endswith("Rollback completed successfully.\n")
    assert "vlan 20" not in switch.text()
    switch.path("wrong").write_text("vlan 30\nnonsense\n")
    assert typed(shell, "rollback running-config file wrong")[0].endswith("Rollback failed.\n")
    assert "vlan 30" not in switch.text()


def test_a_reload_forgets_what_was_not_saved(switch: NxosSwitch, shell: NxosShell) -> None:
    typed(shell, "configure terminal", "vlan 20", "end")
    assert "\n+ vlan 20\n" in typed(shell, "show running-config diff")[0]
    assert "Copy complete" in typed(shell, "copy running-config startup-config")[0]
    assert typed(shell, "show running-config diff") == [""]
    typed(shell, "configure terminal", "vlan 30")
    switch.reload()
    assert switch.running.of("vlan").keys() == {"20"}


def test_a_user_who_may_only_look(switch: NxosSwitch) -> None:
    switch.faults.read_only = frozenset({"viewer"})
    viewer = NxosShell(switch, "viewer")
    assert typed(viewer, "configure terminal") == ["% Permission denied for the role"]
    assert "Ethernet1/1" in typed(viewer, "show running-config")[0]


def _within(seconds: float, true: object) -> bool:
    ends = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        if time.monotonic() > ends:
            return False
        time.sleep(0.005)
    return True
