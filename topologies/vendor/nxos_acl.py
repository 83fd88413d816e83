"""NX-OS access lists: their entries' syntax, and what they match, as Open vSwitch writes it.

What they mean is taken from Cisco's documents:

- At a layer-2 port a list filters what comes in, and nothing else: "The switch applies port ACLs to inbound traffic only", "The switch
  applies MAC ACLs only to inbound traffic" (Nexus 5500 Security Command Reference, OL-27883-02, `ip port access-group`, page 130, and `mac
  port access-group`, page 148).
- "The device applies IPv4 ACLs only to IPv4 traffic", IPv6 ACLs to IPv6 alone, "MAC ACLs only to non-IP traffic" (Nexus 9000 Security
  Configuration Guide 10.1(x) to 10.4(x), "ACL Types and Applications"), unless `mac packet-classify` is configured on the port: then "You
  cannot apply an IP port ACL on the interface" (same, 9.x, page 285). That is not modelled.
- Whatever no entry matches is denied: `deny ip any any`, `deny ipv6 any any`, `deny any any`. "IPv6 nd-na, nd-ns, router-advertisement,
  and router-solicitation packets will not be permitted as the implicit permit rules" (same, 9.x, "Implicit Rules for IP and MAC ACLs",
  page 217), which is not as on IOS.
- An address is written with its prefix length, or after `host`, in either family (Nexus 5500 Security Command Reference, `permit ipv6`,
  page 190). It is shown with its length: `20 permit tcp 10.0.0.1/32 eq 1 10.0.0.0/8 range 3 5 log` (transcripts of configurations, NX-OS
  9.3(8)).
- A MAC's wildcard has a bit set where it does not matter, and an EtherType stands by itself: `10 permit any ffff.ffff.ffff 0000.0000.0000
  0x806` (transcript).
- The names of ports are taken to be IOS's, and so is what a list without an entry does, which is nothing: that rests on memory.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network

from topologies.vendor.acl_words import Entry, Words
from topologies.vendor.ios_acl import read_l2, read_l3


def read_ip(words: list[str], offset: int = 0) -> Entry:
    return read_l3(words, offset, 4, _address)


def read_ipv6(words: list[str], offset: int = 0) -> Entry:
    return read_l3(words, offset, 6, _address)


def read_mac(words: list[str], offset: int = 0) -> Entry:
    return read_l2(words, offset, _ethertype)


def _address(words: Words, version: int, end: str) -> tuple[str, str]:
    """`any`, a prefix, `host` and an address, or an IPv4 address and its wildcard."""
    word = words.take()
    if word == "any":
        return word, ""
    host = word == "host"
    text = words.take() if host else word
    try:
        if version == 4 and not host and "/" not in text:
            text = _prefix(IPv4Address(text), IPv4Address(words.take()))
        elif not host and "/" not in text:
            raise ValueError(text)
        network = (IPv4Network if version == 4 else IPv6Network)(text, strict=False)
    except ValueError:
        raise words.wrong() from None
    if network.prefixlen == 0:
        return "any", ""
    return str(network), f"{'nw' if version == 4 else 'ipv6'}_{end}={network}"


def _prefix(base: IPv4Address, wildcard: IPv4Address) -> str:
    """Only a wildcard that is a prefix's is taken. Raises ValueError."""
    length = 32 - int(wildcard).bit_length()
    if int(wildcard) != (1 << (32 - length)) - 1:
        raise ValueError(wildcard)
    return f"{base}/{length}"


def _ethertype(words: Words) -> tuple[str, str]:
    if words.next is None:
        return "", ""
    word = words.take()
    try:
        number = {"ip": 0x0800}[word] if word == "ip" else int(word, 16)
    except ValueError:
        raise words.wrong() from None
    if not 0x0600 <= number <= 0xFFFF:
        raise words.wrong()
    return "ip" if number == 0x0800 else f"{number:#x}", f"dl_type={number:#06x}"
