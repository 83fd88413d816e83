"""What IOS takes as configuration, as data: as much as a Catalyst at the access layer, NAPALM and Netcordon need. Anything else is `%
Invalid input`, which a real switch would perhaps have taken: the virtual one supports less, and says so. Abbreviations are among that."""

from __future__ import annotations

import re

from topologies.vendor.acl_words import mac
from topologies.vendor.configuration import Configuration, Editor, Grammar, InvalidInput, Mode, Rejected, Statement
from topologies.vendor.ios_acl import dotted, line_of, read_ip, read_ipv6, read_mac
from topologies.vendor.kinds import list_name, one_of, vlans, within, word

PORT = "GigabitEthernet1/0/"
LISTS = ("ip access-list extended", "ipv6 access-list", "mac access-list extended")
_INTERFACE = re.compile(
    r"(?P<kind>GigabitEthernet|Gi|Port-channel|Po|Vlan|Vl|Loopback|Lo|TenGigabitEthernet|Te)(?P<number>\d+(?:/\d+){0,2})",
    re.IGNORECASE,
)
_LONG = {"gi": "GigabitEthernet", "po": "Port-channel", "vl": "Vlan", "lo": "Loopback", "te": "TenGigabitEthernet"}


def interface(text: str) -> str:
    """The canonical name: gi1/0/1 is GigabitEthernet1/0/1."""
    found = _INTERFACE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return _LONG[found["kind"][:2].lower()] + found["number"]


KINDS = {
    "interface": interface,
    "vlan": within(1, 4094),
    "vlans": vlans,
    "number": within(0, 4294967295),
    "word": word,
    "list": list_name,
    "mac": lambda text: dotted(mac(text)),
    "direction": one_of("in", "out"),
    "mode": one_of("access", "trunk"),
    "vtp": one_of("server", "client", "transparent", "off"),
    "state": one_of("active", "suspend"),
}
_TOP = (
    Statement("hostname {word}", key=1),
    Statement("service {text}"),
    Statement("no service {text}"),
    Statement("boot-start-marker"),
    Statement("boot-end-marker"),
    Statement("enable secret {text}", key=2),
    Statement("username {word} {text}", key=2),
    Statement("aaa {text}"),
    Statement("no aaa new-model", key=3),
    Statement("ip domain-name {word}", key=2),
    Statement("ip name-server {text}"),
    Statement("ip routing"),
    Statement("ipv6 unicast-routing"),
    Statement("ip scp server enable"),
    Statement("ip ssh version {number}", key=3),
    Statement("file prompt quiet"),
    Statement("vtp mode {vtp}", key=2, default="vtp mode server"),
    Statement("spanning-tree {text}"),
    Statement("errdisable {text}"),
    Statement("logging {text}"),
    Statement("snmp-server {text}"),
    Statement("ntp server {text}"),
    Statement("ip dhcp snooping"),
    Statement("mac address-table static {mac} vlan {vlan} drop", key=5),
    Statement("mac address-table static {mac} vlan {vlan} interface {interface}", key=5),
    Statement("mac address-table aging-time {number}", key=2),
)
_INTERFACE_MODE = (
    Statement("description {text}", key=1),
    Statement("shutdown"),
    Statement("mtu {number}", key=1),
    Statement("speed {text}", key=1),
    Statement("duplex {text}", key=1),
    Statement("switchport", default="switchport", key=1),
    Statement("no switchport", key=2),
    Statement("switchport mode {mode}", key=2),
    Statement("switchport access vlan {vlan}", key=3, default="switchport access vlan 1"),
    Statement("switchport trunk native vlan {vlan}", key=4, default="switchport trunk native vlan 1"),
    Statement("switchport trunk allowed vlan {vlans}", key=4),
    Statement("switchport voice vlan {vlan}", key=3),
    Statement("switchport nonegotiate"),
    Statement("switchport port-security"),
    Statement("switchport port-security {text}"),
    Statement("channel-group {number} mode {word}", key=1),
    Statement("ip address {text}", key=2),
    Statement("no ip address", key=3),
    Statement("ip access-group {list} {direction}", key=2, ends=True),
    Statement("ipv6 traffic-filter {list} {direction}", key=2, ends=True),
    Statement("mac access-group {list} {direction}", key=2, ends=True),
    Statement("ip verify source"),
    Statement("ip arp inspection trust"),
    Statement("ip dhcp snooping trust"),
    Statement("spanning-tree {text}"),
    Statement("storm-control {text}"),
    Statement("authentication {text}"),
    Statement("dot1x {text}"),
    Statement("mab"),
)
_ARCHIVE = (
    Statement("path {word}", key=1),
    Statement("maximum {number}", key=1),
    Statement("write-memory"),
    Statement("time-period {number}", key=1),
)
_LINE = (
    Statement("login {text}", key=1),
    Statement("transport input {text}", key=2),
    Statement("exec-timeout {text}", key=1),
    Statement("stopbits {number}", key=1),
)
GRAMMAR = Grammar(
    kinds=KINDS,
    top=_TOP,
    modes=(
        Mode(Statement("interface {interface}"), _INTERFACE_MODE),
        Mode(Statement("vlan {vlans}"), (Statement("name {word}", key=1), Statement("state {state}", key=1))),
        Mode(Statement("archive"), _ARCHIVE),
        Mode(Statement("line {text}"), _LINE),
        Mode(Statement("ip access-list extended {list}"), (), line_of(read_ip, numbers=True)),
        Mode(Statement("ipv6 access-list {list}"), (), line_of(read_ipv6, numbers=True)),
        Mode(Statement("mac access-list extended {list}"), (), line_of(read_mac, numbers=False)),
    ),
    order=(
        "service", "no service", "hostname", "boot-start", "boot-end", "enable", "username", "aaa", "no aaa", "file", "ip routing",
        "ip domain-name", "ip name-server", "ip dhcp", "vtp", "path", "maximum", "archive", "spanning-tree mode", "errdisable", "name",
        "vlan", "description", "mtu", "no switchport", "switchport access", "switchport trunk", "switchport mode", "switchport",
        "no ip address", "ip address", "ip access-group", "shutdown", "speed", "duplex", "authentication", "mab", "ipv6 traffic-filter",
        "mac access-group", "dot1x", "interface", "ip scp", "ip ssh", "ip access-list", "logging", "ipv6 access-list", "snmp-server",
        "mac access-list", "mac address-table", "line", "ntp",
    ),
    indent=" ",
)  # fmt: skip
_NUMBER = re.compile(r"^ (\d+) ")


class IosEditor(Editor):
    """As IOS takes lines: a number that is taken is refused, and IPv6 entries have theirs after the word `sequence`."""

    def __init__(self, grammar: Grammar, configuration: Configuration, *, lists_out: bool) -> None:
        super().__init__(grammar, configuration)
        self._lists_out = lists_out

    def _in_section(self, mode: Mode, lines: list[str], words: list[str]) -> None:
        if mode.entries is None:
            self._check_port_list(words)
            before = {line for line in lines if line.startswith("switchport access vlan")}
            super()._in_section(mode, lines, words)
            self._make_vlan({line for line in lines if line.startswith("switchport access vlan")} - before)
            return
        if mode.header.pattern.startswith("ipv6"):
            words = _without_sequence(words)
        if words[0].isdigit() and words[1:]:
            said = mode.entries(words)[1]
            if any(line == f"{words[0]} {said}" for line in lines):
                return
            if any(line.partition(" ")[0] == words[0] for line in lines):
                raise Rejected("%Error: Duplicate sequence number")
        super()._in_section(mode, lines, words)

    def _check_port_list(self, words: list[str]) -> None:
        """Where the platform has no lists going out, the word is not known ("the out keyword is not supported for Layer 2 interfaces": ME
        3600X Command Reference, OL-28238-01, 2-97)."""
        named = words[1:] if words[0] == "no" else words
        if not self._lists_out and named[1:2] in (["access-group"], ["traffic-filter"]) and named[3:4] == ["out"]:
            raise InvalidInput(words.index("out"), "out")

    def _make_vlan(self, said: set[str]) -> None:
        """`% Access VLAN does not exist. Creating vlan 20`, as IOS does."""
        for line in said:
            self.configuration.sections.setdefault(f"vlan {line.split()[-1]}", [])


def opens(words: list[str]) -> bool:
    """Whether a line opens a mode of its own."""
    return words[0] in ("interface", "vlan", "archive", "line") or words[1:2] == ["access-list"]


def _without_sequence(words: list[str]) -> list[str]:
    for at in (0, 1):
        if words[at : at + 1] == ["sequence"] and words[:at] in ([], ["no"]):
            return words[:at] + words[at + 1 :]
    return words


def shown(configuration: Configuration, *, numbers: bool) -> str:
    """As `show running-config` prints it. `numbers`: whether the numbers of entries are, as by releases that keep them over a reload; older
    ones print none ("Sequence numbers are not nvgened": Catalyst 2960-X Security Configuration Guide). MAC entries have none to show."""
    told, family = [], ""
    for line in configuration.text(GRAMMAR).splitlines():
        if not line.startswith(" "):
            family = line.partition(" ")[0] if line.startswith(LISTS) else ""
        elif family and (found := _NUMBER.match(line)) is not None:
            rest = line[found.end() :].replace("deny ", "deny   ", 1)
            prefix = {"ip": f"{found[1]} ", "ipv6": f"sequence {found[1]} "}.get(family, "") if numbers else ""
            line = f" {prefix}{rest}"
        told.append(line)
    return "\n".join(told) + "\n"
