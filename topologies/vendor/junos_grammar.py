"""What Junos takes as configuration, as data: as much as an EX switch with Enhanced Layer 2 Software at the access layer, NAPALM and
Netcordon need. Anything else is a `syntax error`, which a real switch would perhaps have taken: the virtual one supports less, and says so.

ELS is told by `interface-mode` and by `vlan members` under the port ("Getting Started with Enhanced Layer 2 Software", Juniper); match
conditions of its filters by `ip-source-address`, `ip-protocol` and their like ("Firewall Filter Match Conditions, Actions, and Action
Modifiers for EX Series Switches", same).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_interface

from topologies.vendor.junos_tree import Node

PORT = "ge-0/0/"
ETHERTYPES: Mapping[str, int] = {"arp": 0x0806, "ipv4": 0x0800, "ipv6": 0x86DD, "mpls-unicast": 0x8847, "vlan": 0x8100}
PROTOCOLS: Mapping[str, int] = {"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "icmp6": 58, "ospf": 89}
PORTS: Mapping[str, int] = {
    "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "bootps": 67, "bootpc": 68, "dhcp": 67, "tftp": 69, "http": 80,
    "kerberos-sec": 88, "pop3": 110, "ntp": 123, "netbios-ns": 137, "netbios-dgm": 138, "netbios-ssn": 139, "imap": 143, "snmp": 161,
    "snmptrap": 162, "bgp": 179, "ldap": 389, "https": 443, "syslog": 514, "radius": 1812,
}  # fmt: skip


def _like(pattern: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def parse(word: str) -> str:
        if not compiled.fullmatch(word):
            raise ValueError(word)
        return word

    return parse


def _number(first: int, last: int) -> Callable[[str], str]:
    def parse(word: str) -> str:
        if not re.fullmatch(r"[0-9]{1,10}", word) or not first <= int(word) <= last:
            raise ValueError(word)
        return str(int(word))

    return parse


def _mac(word: str) -> str:
    """A filter's address has a length, which is 48 where none is said."""
    address, _, length = word.partition("/")
    octets = bytes.fromhex(address.replace(":", ""))
    if len(octets) != 6 or address.count(":") != 5 or not 0 <= int(length or 48) <= 48:
        raise ValueError(word)
    return f"{octets.hex(':')}/{int(length or 48)}"


def _prefix(version: int) -> Callable[[str], str]:
    def parse(word: str) -> str:
        network = IPv4Network(word, strict=False) if version == 4 else IPv6Network(word, strict=False)
        return str(network)

    return parse


def _named(names: Mapping[str, int], last: int, *, ranges: bool = False) -> Callable[[str], str]:
    """A name or a number (0x for hexadecimal ones); `ranges`: two of them as well."""

    def parse(word: str) -> str:
        for part in word.split("-") if ranges and word not in names else [word]:
            if part not in names and not 0 <= int(part, 0) <= last:
                raise ValueError(word)
        return word

    return parse


def _address(word: str) -> str:
    return str(ip_interface(word))


_NAME = _like(r"[!-z|~]{1,64}")
_TEXT = _like(r"[ -~]{1,255}")
_FLAG = Node()
_WORD = Node(_NAME)
_DESCRIPTION = Node(_TEXT)


def _all(name: str, *, block: bool = True) -> Node:
    kinds: Mapping[str, Callable[[str], str]] = {
        "mac": _mac,
        "ipv4": _prefix(4),
        "ipv6": _prefix(6),
        "ethertype": _named(ETHERTYPES, 0xFFFF),
        "protocol": _named(PROTOCOLS, 255),
        "port": _named(PORTS, 65535, ranges=True),
        "name": _NAME,
        "address": _address,
    }
    return Node(kinds[name], many=True, block=block)


FROM = Node(
    children={
        "source-mac-address": _all("mac"),
        "destination-mac-address": _all("mac"),
        "ether-type": _all("ethertype", block=False),
        "ip-source-address": _all("ipv4"),
        "ip-destination-address": _all("ipv4"),
        "ip-protocol": _all("protocol", block=False),
        "ip-version ipv6": Node(
            children={"ip6-source-address": _all("ipv6"), "ip6-destination-address": _all("ipv6")},
        ),
        "source-port": _all("port", block=False),
        "destination-port": _all("port", block=False),
    }
)
_VERDICTS = frozenset({"accept", "discard"})
THEN = Node(
    children={
        "accept": Node(instead=_VERDICTS - {"accept"}),
        "discard": Node(instead=_VERDICTS - {"discard"}),
        "count": _WORD,
    },
    one_line="accept",
)
_FILTERS = Node(
    children={
        "filter": Node(
            _NAME,
            {
                "interface-specific": _FLAG,
                "term": Node(_NAME, {"from": FROM, "then": THEN}, ordered=True),
            },
        )
    }
)
_PORT_FILTERS = Node(children={"input": _WORD, "output": _WORD})
_SWITCHED = Node(
    children={
        "interface-mode": Node(_like("access|trunk")),
        "vlan": Node(children={"members": _all("name", block=False)}),
        "filter": _PORT_FILTERS,
        "recovery-timeout": Node(_number(10, 3600)),
        "storm-control": _WORD,
    },
    presence=True,
)
_UNIT = Node(
    _number(0, 16385),
    {
        "description": _DESCRIPTION,
        "family ethernet-switching": _SWITCHED,
        "family inet": Node(children={"address": _all("address", block=False), "dhcp": _FLAG}, presence=True),
        "family inet6": Node(children={"address": _all("address", block=False)}, presence=True),
    },
)
_INTERFACE = Node(
    _like(r"(ge|xe|mge|et)-\d+/\d+/\d+|ae\d+|irb|vme|me0|lo0"),
    {
        "description": _DESCRIPTION,
        "disable": _FLAG,
        "mtu": Node(_number(256, 9216)),
        "speed": Node(_like("10m|100m|1g|10g|auto")),
        "native-vlan-id": Node(_number(1, 4094)),
        "ether-options": Node(children={"802.3ad": _WORD, "auto-negotiation": _FLAG, "no-auto-negotiation": _FLAG}),
        "aggregated-ether-options": Node(children={"lacp": Node(children={"active": _FLAG, "passive": _FLAG})}),
        "unit": _UNIT,
    },
)
_VLAN = Node(
    _NAME,
    {
        "description": _DESCRIPTION,
        "vlan-id": Node(_number(1, 4094)),
        "l3-interface": _WORD,
        "forwarding-options": Node(children={"filter": _PORT_FILTERS, "dhcp-security": _FLAG}),
    },
)
_BY_PORT = Node(
    children={"interface": Node(_NAME, {"edge": _FLAG, "no-root-port": _FLAG, "disable": _FLAG})},
)
_DOT1X = Node(
    children={
        "authenticator": Node(
            children={
                "interface": Node(
                    _NAME,
                    {
                        "supplicant": Node(_like("single|multiple|single-secure")),
                        "mac-radius": Node(children={"restrict": _FLAG}),
                    },
                )
            }
        )
    }
)
_SYSTEM = Node(
    children={
        "host-name": _WORD,
        "domain-name": _WORD,
        "time-zone": _WORD,
        "root-authentication": Node(children={"encrypted-password": Node(_TEXT)}),
        "name-server": Node(each=("name", Node(_NAME))),
        "login": Node(
            children={
                "message": _DESCRIPTION,
                "user": Node(
                    _NAME,
                    {
                        "class": _WORD,
                        "uid": Node(_number(100, 64000)),
                        "authentication": Node(children={"encrypted-password": Node(_TEXT)}),
                    },
                ),
            }
        ),
        "services": Node(
            children={
                "ssh": Node(children={"root-login": Node(_like("allow|deny|deny-password"))}),
                "netconf": Node(children={"ssh": Node(children={"port": Node(_number(1, 65535))})}),
            }
        ),
        "max-configurations-on-flash": Node(_number(0, 49)),
    }
)
ROOT = Node(
    children={
        "version": Node(_TEXT),
        "system": _SYSTEM,
        "interfaces": Node(each=("interface", _INTERFACE)),
        "snmp": Node(children={"community": Node(_NAME, {"authorization": Node(_like("read-only|read-write"))})}),
        "forwarding-options": Node(
            children={"storm-control-profiles": Node(_NAME, {"all": Node(children={"bandwidth-percentage": _WORD})})}
        ),
        "protocols": Node(
            children={
                "dot1x": _DOT1X,
                "lldp": _BY_PORT,
                "rstp": _BY_PORT,
                "igmp-snooping": Node(children={"vlan": Node(_NAME)}),
            }
        ),
        "firewall": Node(children={"family ethernet-switching": _FILTERS}),
        "switch-options": Node(
            children={
                "voip": Node(children={"interface": Node(_NAME, {"vlan": _WORD})}),
                "interface": Node(
                    _NAME, {"interface-mac-limit": Node(_number(1, 131071)), "persistent-learning": _FLAG}
                ),
            }
        ),
        "vlans": Node(each=("vlan", _VLAN)),
    }
)
