"""The virtual IOS switch by itself: what its command line takes and says, what its lists mean, what a timer and a reload do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from topologies.vendor.configuration import InvalidInput
from topologies.vendor.forwarding import NoHardware, flows
from topologies.vendor.ios import IosSwitch
from topologies.vendor.ios_acl import read_ip, read_ipv6, read_mac
from topologies.vendor.ios_shell import IosShell

PORT = "interface GigabitEthernet1/0/1"


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[IosSwitch]:
    made = IosSwitch(NoHardware(), tmp_path / "flash", "access-1")
    made.edit(["archive", "path flash:archive"])
    yield made
    made.close()


@pytest.fixture
def shell(switch: IosSwitch) -> IosShell:
    return IosShell(switch, "admin")


def typed(shell: IosShell, *lines: str) -> list[str]:
    return [shell.take(line) for line in lines]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("deny ip any any", "deny ip any any"),
        (
            "permit tcp 10.0.0.0 0.0.255.255 eq 80 host 10.1.0.1 established",
            "permit tcp 10.0.0.0 0.0.255.255 eq www host 10.1.0.1 established",
        ),
        ("deny tcp any range 1024 2047 any eq 514", "deny tcp any range 1024 2047 any eq cmd"),
        ("deny udp any any eq 514", "deny udp any any eq syslog"),
        ("permit 1 any 10.9.9.9 0.0.0.0", "permit icmp any host 10.9.9.9"),
        ("deny 58 any any", "deny 58 any any"),
        ("deny tcp any any gt 1023", "deny tcp any any gt 1023"),
        ("remark netcordon rule 0123456789ab in ip,mac", "remark netcordon rule 0123456789ab in ip,mac"),
    ],
)
def test_an_entry_is_shown_as_ios_shows_it(text: str, shown: str) -> None:
    assert read_ip(text.split()).text == shown


def test_other_families_entries() -> None:
    assert read_ipv6(["deny", "icmp", "any", "any", "nd-ns"]).flows == ("ipv6,nw_proto=58,icmpv6_type=135",)
    assert read_ipv6(["permit", "tcp", "2001:db8::/32", "any", "eq", "22"]).text == "permit tcp 2001:DB8::/32 any eq 22"
    assert read_mac(["deny", "any", "any", "0x0806", "0"]).text == "deny any any 0x806 0x0"
    assert read_mac(["deny", "host", "02:00:00:00:00:01", "any"]).flows == ("dl_src=02:00:00:00:00:01",)


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("deny ip any", None),
        ("deny ip any any eq 80", 4),
        ("deny tcp 10.0.0.0/8 any", 2),
        ("allow ip any any", 0),
        ("deny tcp any range 9 2 any", 5),
    ],
)
def test_what_is_no_entry(text: str, token: int | None) -> None:
    with pytest.raises(InvalidInput) as wrong:
        read_ip(text.split())
    assert wrong.value.token == token


def test_prompts_and_modes(shell: IosShell) -> None:
    seen = []
    for line in ("configure terminal", PORT, "ip access-list extended X", "exit", "vlan 20", "end"):
        shell.take(line)
        seen.append(shell.prompt().removeprefix("access-1"))
    assert seen == ["(config)#", "(config-if)#", "(config-ext-nacl)#", "(config)#", "(config-vlan)#", "#"]


def test_wrong_input_is_pointed_at(shell: IosShell) -> None:
    said = typed(shell, "configure terminal", PORT, "switchport acess vlan 10", "switchport access vlan")
    caret, message = said[2].splitlines()
    assert (shell.prompt() + "switchport acess vlan 10")[caret.index("^") :].startswith("acess")
    assert message == "% Invalid input detected at '^' marker."
    assert said[3] == "% Incomplete command.\n"
    assert typed(shell, "end", "show nonsense")[1].endswith("% Invalid input detected at '^' marker.\n")


def test_numbers_of_entries(switch: IosSwitch, shell: IosShell) -> None:
    typed(shell, "configure terminal", "ip access-list extended X", "deny icmp any any", "permit ip any any")
    assert typed(shell, "10 deny tcp any any", "10 deny icmp any any", "15 deny tcp any any") == [
        "%Error: Duplicate sequence number",
        "",
        "",
    ]
    assert switch.running.section("ip access-list extended X") == [
        "10 deny icmp any any",
        "15 deny tcp any any",
        "20 permit ip any any",
    ]
    assert " deny   icmp any any\n deny   tcp any any\n permit ip any any\n" in switch.text()
    switch.shows_numbers = True
    assert " 10 deny   icmp any any\n 15 deny   tcp any any\n" in switch.text()
    typed(shell, "no 15", "ipv6 access-list Y", "sequence 5 deny ipv6 any any", "no sequence 5", "permit tcp any any")
    assert switch.running.section("ip access-list extended X") == ["10 deny icmp any any", "20 permit ip any any"]
    assert switch.running.section("ipv6 access-list Y") == ["10 permit tcp any any"]


@pytest.mark.parametrize("shows_numbers", [True, False])
def test_what_is_shown_can_be_typed_again(switch: IosSwitch, shows_numbers: bool) -> None:
    switch.shows_numbers = shows_numbers
    lists = [
        "ip access-list extended X",
        "remark a word",
        "deny tcp any any eq 80",
        "ipv6 access-list Y",
        "deny ipv6 any any",
    ]
    switch.edit(
        [
            "vtp mode transparent",
            "vlan 20",
            "name guests",
            *lists,
            "mac access-list extended Z",
            "deny any any 0x806 0x0",
            PORT,
        ]
    )
    switch.edit(
        [PORT, "ip access-group X in", "ipv6 traffic-filter Y in", "mac access-group Z in", "switchport access vlan 20"]
    )
    before = switch.text()
    switch.save()
    switch.reload()
    assert switch.text() == before


def test_a_port_without_lists_going_out_does_not_know_the_word(tmp_path: Path) -> None:
    switch = IosSwitch(NoHardware(), tmp_path, lists_out=False)
    shell = IosShell(switch, "admin")
    said = typed(shell, "configure terminal", PORT, "ip access-group X out", "ip access-group X in")
    assert "Invalid input" in said[2]
    assert switch.running.section(PORT) == ["ip access-group X in"]


def test_lists_filter_their_own_kind_and_ipv6_finds_its_neighbours(switch: IosSwitch) -> None:
    switch.edit(["ipv6 access-list Y", "permit tcp any any", PORT, "ipv6 traffic-filter Y in"])
    switch.edit(
        ["mac access-list extended Z", "deny any any", PORT, "mac access-group Z in", "ip access-group NOBODYS in"]
    )
    switch.edit(
        [
            "ip access-list extended NOTE",
            "remark nothing but this",
            "interface GigabitEthernet1/0/2",
            "ip access-group NOTE in",
        ]
    )
    hardware = switch.hardware
    assert isinstance(hardware, NoHardware)
    one, other, _ = hardware.wanted.ports
    (by6, by_mac) = one.lists_in
    assert [text for _, text in by6.entries] == [
        "ipv6,nw_proto=6",
        "ipv6,nw_proto=58,icmpv6_type=136",
        "ipv6,nw_proto=58,icmpv6_type=135",
    ]
    assert by_mac.entries == ((True, "ip"), (True, "ipv6"), (False, ""))
    assert other.lists_in == ()
    assert list(flows(hardware.wanted))


def test_a_file_is_merged_line_by_line(switch: IosSwitch, shell: IosShell) -> None:
    (switch.flash / "merge.txt").write_text(
        f"{PORT}\n descripton typo\n description printer\nhostname access-9\nip access-list extended X\n deny ip any\n"
    )
    assert typed(shell, "copy flash:merge.txt running-config") == [""]
    assert shell.prompt() == "Destination filename [running-config]? "
    said = [line for line in shell.take("").splitlines() if line]
    assert said[:4] == [" ^", "% Invalid input detected at '^' marker.", "% Incomplete command.", said[3]]
    assert "bytes copied" in said[3]
    assert (switch.hostname, switch.running.section(PORT)) == ("access-9", ["description printer"])


def test_what_is_not_confirmed_is_undone_as_a_whole(tmp_path: Path) -> None:
    switch = IosSwitch(NoHardware(), tmp_path, "access-1", minute=0.05)
    shell = IosShell(switch, "admin")
    assert typed(shell, "configure terminal revert timer 1") == ["%Please turn config archive on"]
    switch.edit(["archive", "path flash:archive"])
    typed(shell, "configure terminal revert timer 1", "hostname half-way", "end")
    assert "User: admin" in shell.take("show archive config rollback timer")
    switch.edit(["interface GigabitEthernet1/0/2", "description a colleague's"])
    ends = time.monotonic() + 10
    while switch.unconfirmed is not None:
        assert time.monotonic() < ends, "the timer did not end"
        time.sleep(0.01)
    assert switch.hostname == "access-1"
    assert switch.running.section("interface GigabitEthernet1/0/2") == [], (
        "the colleague's edit went with it, as on IOS"
    )
    assert shell.take("configure confirm") == "%No Rollback Confirmed Change pending"


def test_vlans_are_no_part_of_the_configuration_unless_vtp_says_so(switch: IosSwitch, shell: IosShell) -> None:
    said = typed(
        shell, "configure terminal revert timer 5", PORT, "switchport access vlan 20", "vlan 20", "name guests", "end"
    )
    assert said[2] == "% Access VLAN does not exist. Creating vlan 20"
    assert "vlan 20\n" not in switch.text().replace("access vlan 20", "")
    assert "20   guests                           active    Gi1/0/1" in shell.take("show vlan brief")
    shell.take("configure revert now")
    assert switch.running.section(PORT) == []
    assert "20   guests                           active    \n" in shell.take("show vlan brief") + "\n"
    switch.reload()
    assert "guests" in shell.take("show vlan brief")
    switch.edit(["vtp mode transparent"])
    assert "vlan 20\n name guests\n" in switch.text()


def test_diffs(switch: IosSwitch, shell: IosShell) -> None:
    switch.edit(["ip access-list extended X", "permit tcp any any", "deny ip any any"])
    (switch.flash / "new.txt").write_text(
        switch.text()
        .replace("hostname access-1", "hostname new")
        .replace(" permit tcp any any\n deny   ip any any", " deny   ip any any\n permit tcp any any")
    )
    told = shell.take("show archive config differences system:/running-config flash:/new.txt")
    assert told.splitlines() == [
        "!Contextual Config Diffs:", "-hostname access-1", "+hostname new", "ip access-list extended X",
        " -permit tcp any any", " -deny   ip any any", " +deny   ip any any", " +permit tcp any any",
    ]  # fmt: skip
    (switch.flash / "part.txt").write_text(f"hostname access-1\n{PORT}\n description printer\n")
    assert shell.take("show archive config incremental-diffs flash:/part.txt ignorecase").splitlines() == [
        "!List of Commands:",
        PORT,
        " description printer",
        "end",
    ]


def test_who_may_only_look(switch: IosSwitch, shell: IosShell) -> None:
    switch.faults.read_only = frozenset({"admin"})
    assert shell.prompt() == "access-1>"
    assert "Invalid input" in shell.take("configure terminal")
    assert "uptime is" in shell.take("show version")


def test_pipes(shell: IosShell) -> None:
    assert shell.take("show version | include uptime") == "access-1 uptime is 0 minutes"
    assert shell.take("show running-config | section archive") == "archive\n path flash:archive"
