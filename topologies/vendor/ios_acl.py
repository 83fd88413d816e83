"""IOS access lists: their entries' syntax, and what they match, as Open vSwitch writes it.

What they mean is taken from Cisco's documents:

- An IP list at a switch's port filters IP packets alone, a MAC list what is not IP; there is at most one of each ("You can apply no more
  than one IP access list and one MAC access list to the same Layer 2 interface. The IP access list filters only IP packets, and the MAC
  access list filters non-IP packets": Catalyst 3560-G Software Configuration Guide, chapter 27, "Applying a MAC ACL to a Layer 2
  Interface"). IPv6 frames are no MAC list's business either ("You cannot use MAC ACLs to filter IPv6 frames": ME 3400 Software
  Configuration Guide, OL-9639-07, 37-4).
- Whatever no entry matches is denied once a list has an entry; before that it permits everything (Command Reference, IOS XE Everest
  16.5.1a, Catalyst 3650, `permit (MAC access-list configuration)`).
- Every IPv6 list ends with `permit icmp any any nd-na`, `permit icmp any any nd-ns`, `deny ipv6 any any`, so that neighbours are found
  unless an entry denies it (Catalyst 3750 Metro Command Reference, OL-9645-10, 2-71).
- A MAC entry's wildcard, of addresses and of EtherTypes, has a bit set where it does not matter; `permit any any 0x4321 0` (Command
  Reference, Catalyst 3650, as above). MACs are written 0200.0000.0001 (Catalyst 4500 Command Reference, OL-27596-01, 2-412).
- An entry without a number gets the last one's and ten more; a number that is taken by another is refused: "Duplicate sequence number"
  (Catalyst 2960-X Security Configuration Guide, "Sequence Numbering Behavior"). MAC entries have none, and stand in the order typed.
- Ports are shown by name where IOS has one, TCP's and UDP's each their own: the names are those of a router's own help
  (`permit udp any eq ?`), as public transcripts have it.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from topologies.vendor.acl_words import Entry, Words, action, mac, ports
from topologies.vendor.configuration import InvalidInput

PROTOCOLS = {
    "ahp": 51, "eigrp": 88, "esp": 50, "gre": 47, "icmp": 1, "igmp": 2, "ospf": 89, "pcp": 108, "pim": 103, "tcp": 6, "udp": 17,
}  # fmt: skip
IPV6_PROTOCOLS = {"ahp": 51, "esp": 50, "icmp": 58, "pcp": 108, "sctp": 132, "tcp": 6, "udp": 17}
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
ICMP_TYPES = {"echo-reply": 0, "echo": 8}
ICMPV6_TYPES = {
    "echo-request": 128, "echo-reply": 129, "router-solicitation": 133, "router-advertisement": 134, "nd-ns": 135, "nd-na": 136,
}  # fmt: skip
Read = tuple[str, str]
"""Some words of an entry as the switch shows them, and what they match."""
IMPLICIT_IPV6 = ("permit icmp any any nd-na", "permit icmp any any nd-ns")


def line_of(read: Callable[[list[str], int], Entry], *, numbers: bool) -> Callable[[list[str]], tuple[int | None, str]]:
    """The reader of a list's lines: the entry's number, where one was typed and may be, and its text."""

    def line(words: list[str]) -> tuple[int | None, str]:
        if not numbers or not words[0].isdigit():
            return None, read(words, 0).text
        if not 1 <= int(words[0]) <= 2147483647:
            raise InvalidInput(0, words[0])
        return int(words[0]), read(words[1:], 1).text

    return line


def read_ip(words: list[str], offset: int = 0) -> Entry:
    return read_l3(words, offset, 4, _address)


def read_ipv6(words: list[str], offset: int = 0) -> Entry:
    return read_l3(words, offset, 6, _address)


def read_l3(remaining: list[str], offset: int, version: int, address: Callable[[Words, int, str], Read]) -> Entry:
    """`address` reads an end ("src", "dst") of an IP version's entry."""
    words = Words(remaining, offset)
    verdict = action(words, remaining)
    if isinstance(verdict, Entry):
        return verdict
    protocol, number = _protocol(words, version)
    names = UDP if number == 17 else TCP
    source, source_match = address(words, version, "src")
    source_port, source_ports = ports(words, number, "src", names)
    target, target_match = address(words, version, "dst")
    target_port, target_ports = ports(words, number, "dst", names)
    options, variants = _options(words, number, version)
    words.finish()
    kind = "ip" if version == 4 else "ipv6"
    base = [kind] if number is None else [kind, f"nw_proto={number}"]
    flows = tuple(
        ",".join([*base, *filter(None, (source_match, target_match, one, other, variant))])
        for one in source_ports
        for other in target_ports
        for variant in variants
    )
    shown = filter(None, (verdict, protocol, source, source_port, target, target_port, *options))
    return Entry(" ".join(shown), flows)


def _protocol(words: Words, version: int) -> tuple[str, int | None]:
    word, known = words.take(), PROTOCOLS if version == 4 else IPV6_PROTOCOLS
    if word == ("ip" if version == 4 else "ipv6"):
        return word, None
    if word in known:
        return word, known[word]
    if not word.isdigit() or int(word) > 255:
        raise words.wrong()
    names = {number: name for name, number in known.items()}
    return names.get(int(word), word), int(word)


def _address(words: Words, version: int, end: str) -> tuple[str, str]:
    """`any`, `host` and an address, IPv4 with a wildcard mask, or IPv6 with a prefix length."""
    word = words.take()
    if word == "any":
        return word, ""
    try:
        if version == 6:
            return _ipv6(words.take() if word == "host" else word, word == "host", end)
        if word == "host":
            address = IPv4Address(words.take())
            return f"host {address}", f"nw_src={address}".replace("src", end)
        base, wildcard = IPv4Address(word), IPv4Address(words.take())
    except ValueError:
        raise words.wrong() from None
    if int(wildcard) == 0xFFFFFFFF:
        return "any", ""
    network = IPv4Network(f"{IPv4Address(int(base) & ~int(wildcard) & 0xFFFFFFFF)}/32")
    mask = IPv4Address(0xFFFFFFFF ^ int(wildcard))
    told = f"host {base}" if int(wildcard) == 0 else f"{network.network_address} {wildcard}"
    return told, f"nw_{end}={network.network_address}/{mask}"


def _ipv6(text: str, host: bool, end: str) -> tuple[str, str]:
    if not host and "/" not in text:
        raise ValueError(text)
    network = IPv6Network(f"{text}/128" if host else text, strict=False)
    if network.prefixlen == 0:
        return "any", ""
    single = network.prefixlen == 128
    told = f"host {network.network_address}" if single else str(network)
    return told.upper().replace("HOST", "host"), f"ipv6_{end}={network}"


def _options(words: Words, protocol: int | None, version: int) -> tuple[list[str], list[str]]:
    told: list[str] = []
    variants = [""]
    types = ICMP_TYPES if (protocol, version) == (1, 4) else ICMPV6_TYPES if (protocol, version) == (58, 6) else {}
    if words.next in types:
        word = words.take()
        told, variants = [word], [f"icmp{'v6' if version == 6 else ''}_type={types[word]}"]
    if protocol == 6 and words.next == "established":
        told, variants = [words.take()], ["tcp_flags=0x10/0x10", "tcp_flags=0x04/0x04"]
    if words.next == "log":
        told.append(words.take())
    return told, variants


def read_mac(words: list[str], offset: int = 0) -> Entry:
    return read_l2(words, offset, _ethertype)


def read_l2(remaining: list[str], offset: int, ethertype: Callable[[Words], Read]) -> Entry:
    """`ethertype` reads what may stand behind the addresses."""
    words = Words(remaining, offset)
    verdict = action(words, remaining)
    if isinstance(verdict, Entry):
        return verdict
    source, source_match = _mac(words, "src")
    target, target_match = _mac(words, "dst")
    kind, kind_match = ethertype(words)
    words.finish()
    matched = ",".join(filter(None, (source_match, target_match, kind_match)))
    return Entry(" ".join(filter(None, (verdict, source, target, kind))), (matched,), bool(kind))


def dotted(address: str) -> str:
    """A MAC as IOS shows it: 0200.0000.0001."""
    digits = address.replace(":", "")
    return ".".join(digits[at : at + 4] for at in (0, 4, 8))


def _mac(words: Words, end: str) -> tuple[str, str]:
    word = words.take()
    if word == "any":
        return word, ""
    try:
        if word == "host":
            address = mac(words.take())
            return f"host {dotted(address)}", f"dl_{end}={address}"
        address = mac(word)
        wildcard = mac(words.take())
    except ValueError:
        raise words.wrong() from None
    mask = bytes(0xFF ^ octet for octet in bytes.fromhex(wildcard.replace(":", ""))).hex(":")
    return f"{dotted(address)} {dotted(wildcard)}", f"dl_{end}={address}/{mask}"


def _ethertype(words: Words) -> tuple[str, str]:
    """A number and its wildcard. Only a single one can be asked of Open vSwitch, so only a wildcard of 0 is taken."""
    if words.next is None:
        return "", ""
    numbers = []
    for _ in range(2):
        word = words.take()
        try:
            numbers.append(int(word, 0))
        except ValueError:
            raise words.wrong() from None
    if not 0x0600 <= numbers[0] <= 0xFFFF or numbers[1] != 0:
        raise words.wrong()
    return f"{numbers[0]:#x} 0x0", f"dl_type={numbers[0]:#06x}"
