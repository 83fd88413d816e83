"""EOS access lists: their entries' syntax, and what they match, as Open vSwitch writes it.

What they mean is taken from Arista's documents:

- An ACL is an ordered list, the first entry that matches decides, and a packet that none matches is dropped (User Manual EOS 4.14.3F,
  18.2 "Access Control Lists": an implicit deny ends every list).
- `established` is a TCP segment with ACK or RST set (same, 18.5 "ACL, Route Map, and Prefix List Commands", `permit`).
- An IPv4 ACL filters IPv4 packets, an IPv6 ACL IPv6 packets: ARP and everything else that is not IP passes both (same, 18.2).
- A MAC ACL matches source, destination and EtherType coming in. Going out, on the platforms that have it, source and destination alone
  ("Egress MAC ACLs", eos.arista.com, EOS 4.25.0F; transcripts: `mac access-group MAC_ACL_OUT out` in AVD's eos_cli_config_gen).
- The wildcard of a MAC entry has a bit set where it does not matter (AVD: `deny any 01:80:c2:00:00:00 00:00:00:00:00:00`).
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from topologies.vendor.acl_words import Entry, Words, action, mac, ports
from topologies.vendor.eos_ports import NAMES

IP_PROTOCOLS = {
    "icmp": 1,
    "igmp": 2,
    "tcp": 6,
    "udp": 17,
    "gre": 47,
    "esp": 50,
    "ahp": 51,
    "ospf": 89,
    "pim": 103,
    "vrrp": 112,
}
IPV6_PROTOCOLS = {"tcp": 6, "udp": 17, "icmpv6": 58, "ospf": 89}
ICMP_TYPES = {"echo-reply": 0, "echo": 8}
ICMPV6_TYPES = {
    "echo-request": 128, "echo-reply": 129, "router-solicitation": 133, "router-advertisement": 134, "neighbor-solicitation": 135,
    "neighbor-advertisement": 136,
}  # fmt: skip
ETHERTYPES = {"ip": 0x0800, "arp": 0x0806, "rarp": 0x8035, "ipx": 0x8137, "appletalk": 0x809B, "lldp": 0x88CC}
ANY_MAC, EVERY_BIT = "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"


def read_ip(words: list[str], offset: int = 0) -> Entry:
    return _read_l3(tuple(words), offset, 4)


def read_ipv6(words: list[str], offset: int = 0) -> Entry:
    return _read_l3(tuple(words), offset, 6)


@lru_cache(maxsize=4096)  # hundreds of ports have the same entries
def _read_l3(remaining: tuple[str, ...], offset: int, version: int) -> Entry:
    words = Words(list(remaining), offset)
    verdict = action(words, list(remaining))
    if isinstance(verdict, Entry):
        return verdict
    protocol, number = _protocol(words, version)
    source, source_match = _address(words, version, "src")
    source_port, source_ports = ports(words, number, "src", NAMES)
    target, target_match = _address(words, version, "dst")
    target_port, target_ports = ports(words, number, "dst", NAMES)
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
    shown_words = filter(None, (verdict, protocol, source, source_port, target, target_port, *options))
    return Entry(" ".join(shown_words), flows)


def _protocol(words: Words, version: int) -> tuple[str, int | None]:
    word, known = words.take(), IP_PROTOCOLS if version == 4 else IPV6_PROTOCOLS
    if word == ("ip" if version == 4 else "ipv6"):
        return word, None
    if word in known:
        return word, known[word]
    if not word.isdigit() or int(word) > 255:
        raise words.wrong()
    names = {number: name for name, number in known.items()}
    return names.get(int(word), word), int(word)


def _address(words: Words, version: int, end: str) -> tuple[str, str]:
    field = f"nw_{end}" if version == 4 else f"ipv6_{end}"
    word = words.take()
    if word == "any":
        return word, ""
    try:
        if word == "host":
            return _network(f"{words.take()}/{32 if version == 4 else 128}", version, field)
        if "/" in word or version == 6:
            return _network(word, version, field)
        return _network(f"{word}/{_mask(words.take())}", version, field)
    except ValueError:
        raise words.wrong() from None


def _mask(wildcard: str) -> IPv4Address:
    return IPv4Address(0xFFFFFFFF ^ int(IPv4Address(wildcard)))


def _network(text: str, version: int, field: str) -> tuple[str, str]:
    network = IPv4Network(text, strict=False) if version == 4 else IPv6Network(text, strict=False)
    single = network.prefixlen == network.max_prefixlen
    told = f"host {network.network_address}" if single else "any" if network.prefixlen == 0 else str(network)
    return told, "" if told == "any" else f"{field}={network}"


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


def read_mac(remaining: list[str], offset: int = 0) -> Entry:
    words = Words(remaining, offset)
    verdict = action(words, remaining)
    if isinstance(verdict, Entry):
        return verdict
    source, source_match = _mac(words, "src")
    target, target_match = _mac(words, "dst")
    kind, kind_match = _ethertype(words)
    told = [kind] if kind else []
    if words.next == "log":
        told.append(words.take())
    words.finish()
    matched = ",".join(filter(None, (source_match, target_match, kind_match)))
    return Entry(" ".join([verdict, source, target, *told]), (matched,), bool(kind))


def _mac(words: Words, end: str) -> tuple[str, str]:
    word = words.take()
    if word == "any":
        return word, ""
    try:
        if word == "host":
            address = mac(words.take())
            return f"host {address}", f"dl_{end}={address}"
        address = mac(word)
        wildcard = mac(words.take())
    except ValueError:
        raise words.wrong() from None
    mask = bytes(0xFF ^ octet for octet in bytes.fromhex(wildcard.replace(":", ""))).hex(":")
    return f"{address} {wildcard}", f"dl_{end}={address}/{mask}"


def _ethertype(words: Words) -> tuple[str, str]:
    word = words.next
    if word is None or word == "log":
        return "", ""
    words.take()
    if word in ETHERTYPES:
        return word, f"dl_type={ETHERTYPES[word]:#06x}"
    try:
        number = int(word, 0)
    except ValueError:
        raise words.wrong() from None
    if not 0x0600 <= number <= 0xFFFF:
        raise words.wrong()
    return word, f"dl_type={number:#06x}"
