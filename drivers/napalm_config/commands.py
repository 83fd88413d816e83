"""The commands that may be sent to a platform, as data: for TACACS+ authorization and accounts of least privilege. Pure.

A pattern's words stand for themselves, but for those in capitals, which `WORDS` explains. What is rendered and what NAPALM sends is held
against the patterns of its platform in the tests: each command has one, and each pattern has a command.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_ADDRESS = r"(?:any|host [0-9a-f.:]+|[0-9a-f.:]+/[0-9]{1,3}|[0-9.]+ [0-9.]+)"
_PORTS = r"(?: (?:eq [0-9]{1,5}|range [0-9]{1,5} [0-9]{1,5}))?"
WORDS: Mapping[str, tuple[str, str]] = {
    "INTERFACE": (r"(?:Ethernet|Port-Channel)[0-9]+(?:/[0-9]+){0,2}", "a port's full name"),
    "LIST": (r"NETCORDON-[0-9a-f]{12}(?:-[0-9]{1,3})?", "the name of a list of Netcordon's"),
    "NOTE": (r"NETCORDON-VLAN-\S+", "the name of the list that says where a port was"),
    "OTHERS": (r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,99}", "the name of a list that was bound there before"),
    "FAMILY": (r"(?:ip|ipv6|mac)", "ip, ipv6 or mac"),
    "WAY": (r"(?:in|out)", "in or out"),
    "VLAN": (r"[0-9]{1,4}", "a VLAN's number"),
    "RULE": (r"[0-9a-f]{12}", "a rule's name, 12 hex digits"),
    "FAMILIES": (r"[a-z0-9]+(?:,[a-z0-9]+)*", "the families of a rule's lists, as ip,mac"),
    "ACTION": (r"(?:permit|deny)", "permit or deny"),
    "PROTOCOL": (r"(?:ip|ipv6|tcp|udp|icmp|icmpv6|1|58)", "a protocol by its name or number"),
    "END": (
        _ADDRESS + _PORTS,
        "any, host ADDRESS, a prefix, or an address and its wildcard; for tcp and udp perhaps eq PORT or range PORT PORT",
    ),
    "MORE": (
        r"(?: established| router-solicitation| neighbor-solicitation| neighbor-advertisement)?",
        "nothing, established, or a type of neighbour discovery",
    ),
    "ETHERTYPE": (r"(?: arp| ip| 0x86dd)?", "nothing, arp, ip or 0x86dd"),
    "ENTRY": (r"(?:permit|deny|remark) .+", "an entry of somebody else's list, which ours is put over"),
    "SESSION": (r"netcordon-[0-9a-f]{8}", "the name of a configure session of Netcordon's"),
    "PORT": (r"(?:(?:[A-Z][A-Za-z]*)?Ethernet|[A-Z][A-Za-z]*GigE)[0-9]+(?:/[0-9]+){0,3}", "a port's full name"),
    "KIND": (
        r"(?:ip access-list extended|ipv6 access-list|mac access-list extended)",
        "what opens a list of any family",
    ),
    "BIND": (r"(?:ip access-group|ipv6 traffic-filter|mac access-group)", "what binds a list of any family"),
    "TYPE": (
        r"(?: established| nd-ns| nd-na| router-solicitation)?",
        "nothing, established, or a type of neighbour discovery",
    ),
    "WILD": (r"(?: 0x806 0x0)?", "nothing, or the EtherType of ARP"),
    "FILE": (r"[a-z][a-z0-9-]{0,30}:/netcordon-merge\.txt", "the file that is merged, where `file_system` says"),
    "FLASH": (r"[a-z][a-z0-9-]{0,30}:", "`file_system`, as flash:"),
    "MINUTES": (r"[0-9]{1,3}", "`revert_in` in minutes"),
    "BRIDGE": (r"[A-Za-z0-9_.-]{1,15}", "the bridge of the device's options"),
    "NUMBER": (r"[0-9]{1,10}", "a number"),
    "FLAG": (r"(?:no-forward|forward)", "no-forward or forward"),
    "ADDRESS": (r"[0-9a-f.:]+", "an IP address"),
    "NEXUS": (r"(?:Ethernet[0-9]+(?:/[0-9]+){1,2}|port-channel[0-9]+)", "a port's full name"),
    "FRAMES": (r"(?: 0x806)?", "nothing, or the EtherType of ARP"),
    "SECONDS": (r"[0-9]{1,4}", "`revert_in`"),
    "EX": (r"(?:(?:ge|xe|mge|et)-[0-9]+/[0-9]+/[0-9]+|ae[0-9]+)", "a port's name"),
    "PUT": (r"(?:input|output)", "input or output"),
    "VERDICT": (r"(?:accept|discard)", "accept or discard"),
    "TAG": (r"rule-[0-9a-f]{12}", "rule- and a rule's name, 12 hex digits"),
    "SAID": (
        r"(?:vlan-[0-9]{1,4}|was-[0-9]{1,4}|former-\S{1,64}|rule-[0-9a-f]{12}|bounce-(?:due|done))",
        "vlan-, was- or former- and a VLAN, rule- and a rule's name, bounce-due or bounce-done",
    ),
    "MEMBER": (r"[!-~]{1,64}", "a VLAN's name or number"),
    "INMATES": (r"NETCORDON-QUARANTINE-[0-9]{1,4}", "the name of a quarantine VLAN of Netcordon's"),
    "TIME": (r"[0-9]{2}:[0-9]{2}:[0-9]{2}", "hours:minutes:seconds"),
}
"""Words in capitals: what they may be as a regular expression, and in words."""


@dataclass(frozen=True, slots=True)
class Command:
    pattern: str
    why: str

    @property
    def regex(self) -> str:
        """For the whole command, anchored."""
        words = [WORDS[word][0] if word in WORDS else re.escape(word) for word in self.pattern.split()]
        joined = "".join(word if word.startswith("(?: ") else f" {word}" for word in words)
        return f"^{joined[1:]}$"

    def matches(self, line: str) -> bool:
        return re.fullmatch(self.regex[1:-1], line) is not None


def unknown(lines: Sequence[str], commands: Sequence[Command]) -> list[str]:
    """The lines that none of the commands is a pattern of."""
    return [line for line in lines if not any(command.matches(line) for command in commands)]
