"""How IOS writes access lists. Names of ports are those of a router's own help (`permit udp any eq ?`), as public transcripts have it.

An IP list filters IP alone, a MAC list what is neither IPv4 nor IPv6 (see `topologies/vendor/ios_acl.py` for where Cisco says so). IPv4
prefixes have wildcard masks, IPv6 addresses are shown in capitals. ARP is told by EtherType and wildcard, as Catalyst 2960 to 9300 take it
(Command Reference, IOS XE Everest 16.5.1a, Catalyst 3650, `permit (MAC access-list configuration)`); a 4500 takes none behind it, and
refuses the line. Lines are indented as in a configuration file, which IOS's own diff asks for.
"""

from __future__ import annotations

from drivers.napalm_config.dialect import ARP, NEIGHBOURS, Dialect, numbered

TCP = {
    "bgp": 179, "chargen": 19, "cmd": 514, "daytime": 13, "discard": 9, "domain": 53, "drip": 3949, "echo": 7, "exec": 512,
    "finger": 79, "ftp": 21, "ftp-data": 20, "gopher": 70, "hostname": 101, "ident": 113, "irc": 194, "klogin": 543, "kshell": 544,
    "login": 513, "lpd": 515, "nntp": 119, "pim-auto-rp": 496, "pop2": 109, "pop3": 110, "smtp": 25, "sunrpc": 111, "tacacs": 49,
    "talk": 517, "telnet": 23, "time": 37, "uucp": 540, "whois": 43, "www": 80,
}  # fmt: skip
UDP = {
    "biff": 512, "bootpc": 68, "bootps": 67, "discard": 9, "dnsix": 195, "domain": 53, "echo": 7, "isakmp": 500, "mobile-ip": 434,
    "nameserver": 42, "netbios-dgm": 138, "netbios-ns": 137, "netbios-ss": 139, "non500-isakmp": 4500, "ntp": 123, "pim-auto-rp": 496,
    "rip": 520, "snmp": 161, "snmptrap": 162, "sunrpc": 111, "syslog": 514, "tacacs": 49, "talk": 517, "tftp": 69, "time": 37,
    "who": 513, "xdmcp": 177,
}  # fmt: skip


def canonical(entry: str) -> str | None:
    """An entry as it was sent: with numbers for names of ports, and addresses in small letters. None when one of the names is not known."""
    words = entry.split()
    if words[0] == "remark":
        return entry
    words = [word.lower() if ":" in word else word for word in words]
    told = numbered(words, TCP if words[1] == "tcp" else UDP) if words[1] in ("tcp", "udp") else words
    return None if told is None else " ".join(told)


IOS = Dialect(
    lists={"ip": "ip access-list extended", "ipv6": "ipv6 access-list", "mac": "mac access-list extended"},
    binds={"ip": "ip access-group", "ipv6": "ipv6 traffic-filter", "mac": "mac access-group"},
    protocols={
        "ip": {None: "ip", 1: "icmp", 6: "tcp", 17: "udp"},
        "ipv6": {None: "ipv6", 6: "tcp", 17: "udp", 58: "icmp"},
    },
    kinds={ARP: "0x806 0x0"} | dict(zip(NEIGHBOURS, ("router-solicitation", "nd-ns", "nd-na"), strict=True)),
    wildcards=True,
    indent=" ",
    closing=(),
    mac_lists_see_ip=False,
    composes=False,
    canonical=canonical,
)
