"""What EOS takes as configuration, as data: as much as an access switch, NAPALM and Netcordon need. Anything else is `Invalid input`,
which a real switch would perhaps have taken: the virtual one supports less, and says so."""

from __future__ import annotations

import re

from topologies.vendor.acl_words import mac, numbered
from topologies.vendor.configuration import Grammar, Mode, Statement
from topologies.vendor.eos_acl import read_ip, read_ipv6, read_mac
from topologies.vendor.kinds import one_of, vlans, within, word

_INTERFACE = re.compile(
    r"(?P<kind>Et|Ethernet|Po|Port-Channel|Vl|Vlan|Lo|Loopback|Ma|Management)(?P<number>\d+(?:/\d+){0,2})",
    re.IGNORECASE,
)
_LONG = {"et": "Ethernet", "po": "Port-Channel", "vl": "Vlan", "lo": "Loopback", "ma": "Management"}


def interface(text: str) -> str:
    """The canonical name: et1 and Ethernet1 are Ethernet1."""
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
    "mac": mac,
    "direction": one_of("in", "out"),
    "mode": one_of("access", "trunk"),
    "state": one_of("active", "suspend"),
}

_TOP = (
    Statement("hostname {word}", key=1),
    Statement("ip routing"),
    Statement("ipv6 unicast-routing"),
    Statement("dns domain {word}", key=2),
    Statement("ip name-server {text}"),
    Statement("ntp server {text}"),
    Statement("logging host {text}"),
    Statement("snmp-server {text}"),
    Statement("aaa {text}"),
    Statement("no aaa root", key=3),
    Statement("username {word} {text}", key=2),
    Statement("spanning-tree mode {word}", key=2),
    Statement("service routing protocols model {word}", key=4),
    Statement("transceiver qsfp default-mode {word}", key=3),
    Statement("ip route {text}"),
    Statement("mac address-table static {mac} vlan {vlan} drop", key=5),
    Statement("mac address-table static {mac} vlan {vlan} interface {interface}", key=5),
    Statement("mac address-table aging-time {number}", key=2),
)
_INTERFACE_MODE = (
    Statement("description {text}", key=1),
    Statement("shutdown"),
    Statement("mtu {number}", key=1),
    Statement("speed {text}", key=1),
    Statement("load-interval {number}", key=1),
    Statement("switchport", default="switchport", key=1),
    Statement("no switchport", key=2),
    Statement("switchport mode {mode}", key=2, default="switchport mode access"),
    Statement("switchport access vlan {vlan}", key=3, default="switchport access vlan 1"),
    Statement("switchport trunk native vlan {vlan}", key=4, default="switchport trunk native vlan 1"),
    Statement("switchport trunk allowed vlan {vlans}", key=4),
    Statement("switchport phone vlan {vlan}", key=3),
    Statement("channel-group {number} mode {word}", key=1),
    Statement("ip address {text}", key=2),
    Statement("ip access-group {word} {direction}", key=2, ends=True),
    Statement("ipv6 access-group {word} {direction}", key=2, ends=True),
    Statement("mac access-group {word} {direction}", key=2, ends=True),
    Statement("spanning-tree {text}"),
    Statement("storm-control {text}"),
    Statement("dot1x {text}"),
    Statement("lldp {text}"),
)
_LIST = (Statement("counters per-entry"), Statement("statistics per-entry"))
GRAMMAR = Grammar(
    kinds=KINDS,
    top=_TOP,
    modes=(
        Mode(Statement("interface {interface}"), _INTERFACE_MODE),
        Mode(Statement("vlan {vlans}"), (Statement("name {word}", key=1), Statement("state {state}", key=1))),
        Mode(Statement("ip access-list {word}"), _LIST, numbered(read_ip)),
        Mode(Statement("ipv6 access-list {word}"), _LIST, numbered(read_ipv6)),
        Mode(Statement("mac access-list {word}"), _LIST, numbered(read_mac)),
        Mode(
            Statement("management api http-commands"),
            (Statement("shutdown"), Statement("no shutdown"), Statement("protocol {text}")),
        ),
    ),
    order=(
        "transceiver", "service", "hostname", "dns", "ip name-server", "ntp", "logging", "snmp-server", "spanning-tree", "aaa", "no aaa",
        "username", "name", "vlan", "description", "mtu", "speed", "no switchport", "switchport access", "switchport trunk",
        "switchport mode", "switchport", "shutdown", "channel-group", "interface", "mac address-table", "ip access-group",
        "ipv6 access-group", "mac access-group", "ip access-list", "ipv6 access-list", "mac access-list", "ip routing",
    ),
)  # fmt: skip
