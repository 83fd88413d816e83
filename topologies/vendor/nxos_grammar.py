"""What NX-OS takes as configuration, as data: as much as a Nexus at the access layer, NAPALM and Netcordon need. Anything else is `%
Invalid command`, which a real switch would perhaps have taken: the virtual one supports less, and says so. Abbreviations are among that."""

from __future__ import annotations

import re

from topologies.vendor.acl_words import mac, numbered
from topologies.vendor.configuration import Configuration, Grammar, Mode, Statement
from topologies.vendor.ios_acl import dotted
from topologies.vendor.kinds import list_name, one_of, vlans, within, word
from topologies.vendor.nxos_acl import read_ip, read_ipv6, read_mac

PORT = "Ethernet1/"
LISTS = {"ip": "ip access-list", "ipv6": "ipv6 access-list", "mac": "mac access-list"}
BINDS = {"ip": "ip port access-group", "ipv6": "ipv6 port traffic-filter", "mac": "mac port access-group"}
_INTERFACE = re.compile(
    r"(?P<kind>ethernet|eth|port-channel|po|vlan|loopback|lo|mgmt)(?P<number>\d+(?:/\d+){0,2})", re.IGNORECASE
)
_LONG = {
    "eth": "Ethernet", "por": "port-channel", "po": "port-channel", "vla": "Vlan", "loo": "loopback", "lo": "loopback", "mgm": "mgmt",
}  # fmt: skip


def interface(text: str) -> str:
    """The canonical name: eth1/1 is Ethernet1/1."""
    found = _INTERFACE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return _LONG[found["kind"][:3].lower()] + found["number"]


KINDS = {
    "interface": interface,
    "vlan": within(1, 4094),
    "vlans": vlans,
    "number": within(0, 4294967295),
    "word": word,
    "list": list_name,
    "mac": lambda text: dotted(mac(text)),
    "in": one_of("in"),
    "way": one_of("in", "out"),
    "mode": one_of("access", "trunk"),
    "state": one_of("active", "suspend"),
    "feature": one_of(
        "scp-server", "sftp-server", "interface-vlan", "lldp", "lacp", "dhcp", "scheduler", "bash-shell", "nxapi"
    ),
}
_TOP = (
    Statement("version {text}", key=1),
    Statement("hostname {word}", key=1),
    Statement("vdc {text}", key=1),
    Statement("feature {feature}", key=2),
    Statement("username {word} {text}", key=2),
    Statement("ip domain-name {word}", key=2),
    Statement("ip name-server {text}"),
    Statement("snmp-server {text}"),
    Statement("ntp server {text}"),
    Statement("logging {text}"),
    Statement("ip dhcp snooping"),
    Statement("spanning-tree {text}"),
    Statement("system default switchport"),
    Statement("mac address-table static {mac} vlan {vlan} drop", key=5),
    Statement("mac address-table static {mac} vlan {vlan} interface {interface}", key=5),
)
_INTERFACE_MODE = (
    Statement("description {text}", key=1),
    Statement("shutdown"),
    Statement("mtu {number}", key=1),
    Statement("speed {text}", key=1),
    Statement("duplex {text}", key=1),
    Statement("switchport", default="switchport", key=1),
    Statement("no switchport", key=2),
    Statement("switchport mode {mode}", key=2, default="switchport mode access"),
    Statement("switchport access vlan {vlan}", key=3, default="switchport access vlan 1"),
    Statement("switchport trunk native vlan {vlan}", key=4, default="switchport trunk native vlan 1"),
    Statement("switchport trunk allowed vlan {vlans}", key=4),
    Statement("switchport voice vlan {vlan}", key=3),
    Statement("channel-group {number} mode {word}", key=1),
    Statement("ip address {text}", key=2),
    Statement("ip access-group {list} {way}", key=2, ends=True),
    Statement("ip port access-group {list} {in}", key=3),
    Statement("ipv6 port traffic-filter {list} {in}", key=3),
    Statement("mac port access-group {list}", key=3),
    Statement("ip verify source dhcp-snooping-vlan"),
    Statement("ip dhcp snooping trust"),
    Statement("spanning-tree {text}"),
    Statement("storm-control {text}"),
    Statement("dot1x {text}"),
    Statement("vpc {number}", key=1),
)
_PER_ENTRY = (Statement("statistics per-entry"),)
GRAMMAR = Grammar(
    kinds=KINDS,
    top=_TOP,
    modes=(
        Mode(Statement("interface {interface}"), _INTERFACE_MODE),
        Mode(Statement("vlan {vlans}"), (Statement("name {word}", key=1), Statement("state {state}", key=1))),
        Mode(Statement("ip access-list {list}"), _PER_ENTRY, numbered(read_ip)),
        Mode(Statement("ipv6 access-list {list}"), _PER_ENTRY, numbered(read_ipv6)),
        Mode(Statement("mac access-list {list}"), _PER_ENTRY, numbered(read_mac)),
    ),
    order=(
        "version", "hostname", "vdc", "feature", "username", "ip domain-name", "ip name-server", "snmp-server", "ntp", "system default",
        "ip access-list", "ipv6 access-list", "mac access-list", "ip dhcp", "vlan", "spanning-tree", "name", "state", "description",
        "no switchport", "switchport mode", "switchport access", "switchport trunk", "switchport", "ip port", "ipv6 port", "mac port",
        "ip ", "mtu", "speed", "duplex", "channel-group", "shutdown", "interface Vlan", "interface port-channel", "interface Ethernet",
        "interface", "mac address-table", "logging",
    ),
    indent="  ",
)  # fmt: skip


def opens(words: list[str]) -> bool:
    """Whether a line opens a mode of its own."""
    return words[0] in ("interface", "vlan") or words[1:2] == ["access-list"]


def shown(configuration: Configuration) -> str:
    """As `show running-config` prints it: sections stand apart, and nothing marks the end."""
    told: list[str] = []
    for line in configuration.text(GRAMMAR).splitlines()[:-1]:
        if line == "!":
            continue
        if not line.startswith(" ") and opens(line.split()):
            told.append("")
        told.append(line)
    return "\n".join(told) + "\n"
