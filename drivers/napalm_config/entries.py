"""The entries of an access list: what a rule comes to, and how the lists of several containments become one. Pure.

A list's first entry that matches decides. Two lists through both of which a packet must get become one by taking, for every permit of the
first, what it shares with each entry of the second, in their order: the first pair that matches a packet is the pair of the entries that
decide it in either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from drivers.napalm_config.dialect import ARP, IPV4, IPV6, NEIGHBOURS, Dialect
from drivers.rules import Action, Direction, Network, PortRange, Protocol, Rule

_NUMBERS = {Protocol.ICMP: 1, Protocol.TCP: 6, Protocol.UDP: 17, Protocol.ICMPV6: 58, Protocol.ND: 58}
_VERSIONS = {"ip": 4, "ipv6": 6}
_ETHERTYPES = {"ip": IPV4, "ipv6": IPV6}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. What is None or empty matches everything; `kind` is one of `NEIGHBOURS`, or an EtherType."""

    family: str
    permits: bool
    protocol: int | None = None
    src: Network | None = None
    dst: Network | None = None
    src_ports: PortRange | None = None
    dst_ports: PortRange | None = None
    established: bool = False
    kind: str = ""

    def text(self, dialect: Dialect) -> str:
        words = ["permit" if self.permits else "deny"]
        if self.family != "mac":
            words.append(dialect.protocols[self.family].get(self.protocol, str(self.protocol)))
        words += [
            _address(self.src, dialect),
            *_ports(self.src_ports),
            _address(self.dst, dialect),
            *_ports(self.dst_ports),
        ]
        words += ["established"] if self.established else []
        return " ".join([*words, dialect.kinds[self.kind]] if self.kind else words)

    @property
    def matches_all(self) -> bool:
        return replace(self, permits=True) == Entry(self.family, permits=True)

    def shared(self, other: Entry) -> Entry | None:
        """What both match, permitted where both permit it; None where that is nothing."""
        src, dst = _within(self.src, other.src), _within(self.dst, other.dst)
        from_ports, to_ports = _overlap(self.src_ports, other.src_ports), _overlap(self.dst_ports, other.dst_ports)
        if "apart" in (src, dst, from_ports, to_ports):
            return None
        if None not in (self.protocol, other.protocol) and self.protocol != other.protocol:
            return None
        if self.kind and other.kind and self.kind != other.kind:
            return None
        return Entry(
            self.family,
            self.permits and other.permits,
            other.protocol if self.protocol is None else self.protocol,
            src,  # type: ignore[arg-type]  # not "apart": see above
            dst,  # type: ignore[arg-type]
            from_ports,  # type: ignore[arg-type]
            to_ports,  # type: ignore[arg-type]
            self.established or other.established,
            self.kind or other.kind,
        )


def entries(rule: Rule, dialect: Dialect) -> Mapping[str, tuple[Entry, ...]]:
    """What a DENY or a PERMIT comes to, by family. What an IP list permits has to pass the port's MAC list as well, where that sees it."""
    match = rule.match
    permits = rule.action is Action.PERMIT
    if match.protocol is Protocol.ARP:
        return {"mac": (Entry("mac", permits, kind=ARP),)}
    if "ip" not in dialect.families:
        return {"mac": (Entry("mac", permits),)}
    version = next((end.version for end in (match.ip, match.peer) if end is not None), None)
    families = [family for family, own in _VERSIONS.items() if version in (None, own)]
    if match.protocol is Protocol.ND:
        families = ["ipv6"]
    found = {family: tuple(_layer3(rule, family, permits)) for family in families}
    if match.protocol is None:
        return found | {"mac": (Entry("mac", permits),)}
    if permits and dialect.mac_lists_see_ip:
        found["mac"] = tuple(Entry("mac", permits=True, kind=_ETHERTYPES[family]) for family in families)
    return found


def _layer3(rule: Rule, family: str, permits: bool) -> Iterator[Entry]:
    match = rule.match
    ends = [(match.ip, match.own_ports), (match.peer, match.peer_ports)]
    if match.direction is Direction.TO:
        ends.reverse()
    (src, src_ports), (dst, dst_ports) = ends
    number = None if match.protocol is None else _NUMBERS[match.protocol]
    kinds = NEIGHBOURS if match.protocol is Protocol.ND else ("",)
    for kind in kinds:
        yield Entry(family, permits, number, src, dst, src_ports, dst_ports, bool(match.established), kind)


def families(rule: Rule, among: Iterable[Rule], dialect: Dialect) -> tuple[str, ...]:
    """The lists that the rule has to be in: a permit only where its own containment denies something."""
    own = entries(rule, dialect)
    if rule.action is Action.DENY:
        return tuple(own)
    voice = (rule.provenance.containment, rule.match.direction)
    denied = {
        family
        for other in among
        if other.action is Action.DENY and (other.provenance.containment, other.match.direction) == voice
        for family in entries(other, dialect)
    }
    return tuple(family for family in own if family in denied) or tuple(own)[:1]


def composed(rules: Sequence[Rule], family: str, dialect: Dialect) -> tuple[Entry, ...]:
    """The one list that stops what any containment stops: of each, its permits outweigh its denies. Ends with a permit of all that no
    rule speaks of, or with a deny of everything."""
    whole: tuple[Entry, ...] = (Entry(family, permits=True),)
    for containment in sorted({rule.provenance.containment for rule in rules}):
        own = sorted((r for r in rules if r.provenance.containment == containment), key=lambda rule: rule.id)
        ordered = [r for r in own if r.action is Action.PERMIT] + [r for r in own if r.action is Action.DENY]
        lines = [entry for rule in ordered for entry in entries(rule, dialect).get(family, ())]
        whole = _through_both(whole, (*lines, Entry(family, permits=True)))
    return whole


def _through_both(one: Sequence[Entry], other: Sequence[Entry]) -> tuple[Entry, ...]:
    found: dict[Entry, None] = {}
    for first in one:
        pairs = [first.shared(second) for second in other] if first.permits else [first]
        for pair in pairs:
            if pair is None or pair in found or replace(pair, permits=not pair.permits) in found:
                continue  # a line above it matches all that it would
            found[pair] = None
            if pair.matches_all:
                return tuple(found)
    return tuple(found)


def _address(network: Network | None, dialect: Dialect) -> str:
    if network is None or network.prefixlen == 0:
        return "any"
    if network.prefixlen == network.max_prefixlen:
        return f"host {network.network_address}"
    return (
        f"{network.network_address} {network.hostmask}" if dialect.wildcards and network.version == 4 else str(network)
    )


def _ports(span: PortRange | None) -> list[str]:
    if span is None:
        return []
    return ["eq", str(span.first)] if span.first == span.last else ["range", str(span.first), str(span.last)]


def _within(one: Network | None, other: Network | None) -> Network | str | None:
    """The narrower of both, or "apart"."""
    if one is None or other is None:
        return one or other
    if one.version == other.version and other.subnet_of(one):  # type: ignore[arg-type]  # of one version
        return other
    return one if one.version == other.version and one.subnet_of(other) else "apart"  # type: ignore[arg-type]


def _overlap(one: PortRange | None, other: PortRange | None) -> PortRange | str | None:
    if one is None or other is None:
        return one or other
    first, last = max(one.first, other.first), min(one.last, other.last)
    return PortRange(first, last) if first <= last else "apart"
