"""How NX-OS writes access lists.

An IP list at a port filters IP alone, a MAC list what is neither IPv4 nor IPv6, and either only what comes in (see
`topologies/vendor/nxos_acl.py` for where Cisco says so). Addresses have prefix lengths in either family, and are shown with them where
`host` was typed. ARP is told by its EtherType alone, as `0x806`. The names of ports are taken to be IOS's.
"""

from __future__ import annotations

from drivers.napalm_config.dialect import ARP, NEIGHBOURS, Dialect, numbered
from drivers.napalm_config.ios_dialect import TCP, UDP


def canonical(entry: str) -> str | None:
    """An entry as it was sent: with numbers for names of ports, and `host` for a prefix of one address. None when one of the names is not
    known."""
    words = entry.split()
    if words[0] == "remark":
        return entry
    words = [part for word in words for part in _address(word)]
    told = numbered(words, TCP if words[1] == "tcp" else UDP) if words[1] in ("tcp", "udp") else words
    return None if told is None else " ".join(told)


def _address(word: str) -> list[str]:
    plain = word.lower() if ":" in word else word
    address, _, length = plain.rpartition("/")
    single = length == ("128" if ":" in address else "32")
    return ["host", address] if address and single else [plain]


NXOS = Dialect(
    lists={"ip": "ip access-list", "ipv6": "ipv6 access-list", "mac": "mac access-list"},
    binds={"ip": "ip port access-group", "ipv6": "ipv6 port traffic-filter", "mac": "mac port access-group"},
    protocols={
        "ip": {None: "ip", 1: "icmp", 6: "tcp", 17: "udp"},
        "ipv6": {None: "ipv6", 6: "tcp", 17: "udp", 58: "icmp"},
    },
    kinds={ARP: "0x806"} | dict(zip(NEIGHBOURS, ("router-solicitation", "nd-ns", "nd-na"), strict=True)),
    wildcards=False,
    indent="  ",
    closing=(),
    mac_lists_see_ip=False,
    composes=False,
    canonical=canonical,
    wayless=frozenset({"mac"}),
)
