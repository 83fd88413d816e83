"""Entries of an nftables chain in family bridge: as `nft` reads them, and from the JSON in which it lists them (nft(8),
libnftables-json(5); tried with nftables 1.0.6). Pure.

Only what we render is understood. Anything else in a listed rule makes it a rule that is not ours as we made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drivers.semantics import ETH_ARP, ETH_IPV4, ETH_IPV6, HIDING_TYPES

Value = str | int | tuple[int, int] | frozenset[int]
"""A name, MAC or prefix; a number; a range of numbers, both ends included; any of several numbers."""
Term = tuple[str, Value]
"""What is looked at, in nft's words, and what it must be."""
Verdict = str
"""`drop`, `return`, `jump NAME`, or `count`: the next entry is asked."""

INTERFACES = ("iifname", "oifname")
FRAGMENT = ("ip frag-off & 0x3fff !=", 0)
FRAGMENT6 = ("exthdr frag exists", 1)
LINK_LOCAL = ("ether daddr & ff:ff:ff:ff:ff:f0", "01:80:c2:00:00:00")
"""What a bridge takes for itself and does not pass on (IEEE 802.1D-2004 table 7-10)."""
_ETHER_TYPES = (ETH_ARP, ETH_IPV4, ETH_IPV6, *HIDING_TYPES)
_IMPLIED = ("ip ", "ip6 ", "arp ", "icmpv6 ", "exthdr ")


@dataclass(frozen=True, slots=True)
class Entry:
    """Frames that fit all terms are counted, and get the verdict. `comment` names what the entry was made for."""

    terms: tuple[Term, ...]
    verdict: Verdict
    comment: str

    @property
    def text(self) -> str:
        """As `nft` reads it."""
        does = "counter" if self.verdict == "count" else f"counter {self.verdict}"
        said = " ".join([_term_text(*term) for term in self.terms])
        return f'{said} {does} comment "{self.comment}"'.strip()

    @property
    def form(self) -> tuple[frozenset[Term], str]:
        """Equal for entries that do the same: nft leaves out a protocol that another term implies."""
        implied = any(name.startswith(_IMPLIED) for name, _ in self.terms)
        kept = frozenset(term for term in self.terms if not (implied and term[0] == "meta protocol"))
        return kept, self.verdict


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry that a device lists. `entry` None: it is none that we would make. `handle` names it within its chain."""

    handle: int
    comment: str
    entry: Entry | None
    packets: int | None = None
    octets: int | None = None


def listed(rule: Mapping[str, Any]) -> Listed:
    """From one `rule` object of the JSON."""
    terms: list[Term] = []
    verdict = "count"
    counted: Mapping[str, Any] = {}
    understood = True
    for statement in rule.get("expr", ()):
        match statement:
            case {"match": {"op": op, "left": left, "right": right}}:
                term = _term(str(op), left, right)
                understood = understood and term is not None
                terms += [term] if term is not None else []
            case {"counter": {"packets": _, "bytes": _} as counted}:
                pass
            case {"drop": _}:
                verdict = "drop"
            case {"return": _}:
                verdict = "return"
            case {"jump": {"target": target}}:
                verdict = f"jump {target}"
            case _:
                understood = False
    comment = str(rule.get("comment", ""))
    entry = Entry(tuple(terms), verdict, comment) if understood else None
    return Listed(int(rule["handle"]), comment, entry, counted.get("packets"), counted.get("bytes"))


def _term_text(name: str, value: Value) -> str:
    match value:
        case _ if (name, value) == FRAGMENT6:
            return name
        case str() if name in INTERFACES:
            return f'{name} "{value}"'
        case frozenset() if name == "tcp flags":
            return f"tcp flags & ({' | '.join(map(str, sorted(value)))}) != 0"
        case frozenset():
            return f"{name} {{ {', '.join(_number(name, one) for one in sorted(value))} }}"
        case (first, last):
            return f"{name} {first}-{last}"
        case int() if name == "meta protocol":
            return f"{name} {_number(name, value)}"
        case _ if name == LINK_LOCAL[0]:
            return f"{name} == {value}"
        case _:
            return f"{name} {value}"


def _number(name: str, number: int) -> str:
    return f"{number:#06x}" if name == "meta protocol" else str(number)


def _term(op: str, left: Any, right: Any) -> Term | None:
    """None for what we never say."""
    match left:
        case {"meta": {"key": "iifname" | "oifname" as key}} if op == "==" and isinstance(right, str):
            return str(key), right
        case {"meta": {"key": "protocol"}} if op == "==":
            return _numbers("meta protocol", right, _ether_type)
        case {"meta": {"key": "l4proto"}} if op == "==":
            return _numbers("meta l4proto", right, int)
        case {"payload": {"protocol": "tcp", "field": "flags"}} if op in ("in", "=="):
            flags = right if isinstance(right, list) else [right]
            return ("tcp flags", frozenset(flags)) if op == "in" and all(type(f) is int for f in flags) else None
        case {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, flags]} if op == "!=" and right == 0:
            every = flags.get("|", []) if isinstance(flags, dict) else flags if isinstance(flags, list) else [flags]
            return ("tcp flags", frozenset(every)) if all(type(f) is int for f in every) else None
        case {"payload": {"protocol": "icmpv6", "field": "type"}} if op == "==":
            return _numbers("icmpv6 type", right, int)
        case {"payload": {"protocol": "tcp" | "udp" as protocol, "field": "sport" | "dport" as field}} if op == "==":
            return _numbers(f"{protocol} {field}", right, int)
        case {"payload": {"protocol": "ip", "field": "protocol"}} if op == "==":
            return _numbers("ip protocol", right, int)
        case {"payload": {"protocol": protocol, "field": field}} if op == "==":
            name = f"{protocol} {field}"
            return (name, _address(right)) if name in _ADDRESSES and _address(right) else None
        case {"&": [{"payload": {"protocol": "ip", "field": "frag-off"}}, 0x3FFF]} if op == "!=" and right == 0:
            return FRAGMENT
        case {"&": [{"payload": {"protocol": "ether", "field": "daddr"}}, "ff:ff:ff:ff:ff:f0"]} if op == "==":
            return (LINK_LOCAL[0], right) if isinstance(right, str) else None
        case {"exthdr": {"name": "frag"}} if op == "==" and right is True:
            return FRAGMENT6
    return None


_ADDRESSES = (
    "ether saddr", "ether daddr", "ip saddr", "ip daddr", "ip6 saddr", "ip6 daddr", "arp saddr ip", "arp daddr ip",
)  # fmt: skip


def _address(right: Any) -> str:
    match right:
        case str():
            return right.lower()
        case {"prefix": {"addr": str(addr), "len": int(length)}}:
            return f"{addr.lower()}/{length}"
    return ""


def _numbers(name: str, right: Any, read: Any) -> Term | None:
    match right:
        case bool():
            return None
        case int():
            return name, read(right)
        case {"range": [int(first), int(last)]}:
            return name, (first, last)
        case {"set": [*members]} if all(type(one) is int for one in members):
            return name, frozenset(read(one) for one in members)
    return None


def _ether_type(number: int) -> int:
    """nftables 1.0.6 prints it in the machine's byte order. No type that we name is another one's, turned round."""
    turned = int.from_bytes(number.to_bytes(2, "little"), "big") if 0 <= number <= 0xFFFF else number
    return turned if number not in _ETHER_TYPES and turned in _ETHER_TYPES else number
