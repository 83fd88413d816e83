"""Sets of frames, each header field a set of its own: what a rule speaks of, and what is asked of an evaluator. Pure.

A `Space` is a box: every frame whose fields lie in the box's sets. What a rule may tell apart without a number or an address (its type,
protocol, flags, whether it shows L4 ports) is a frame's `Kind`, of which there are some fifty, and `semantics.matches` itself says
which of them a match speaks of: the meaning is not written twice.

Addresses are numbers of the kind's IP version; where a space has kinds of both, its addresses are the same for both, so a question about
some addresses names kinds of their version alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_network
from operator import itemgetter
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

from drivers.rules import Direction, Mac, Match, Network, PortName, PortRange
from drivers.rules import Protocol as RuleProtocol
from drivers.semantics import (
    ETH_ARP,
    ETH_IPV4,
    ETH_IPV6,
    HIDING_PROTOCOLS,
    HIDING_TYPES,
    NEIGHBOUR_TYPES,
    Address,
    Crossing,
    Frame,
    matches,
)

T = TypeVar("T", bound=Hashable)
ETH_OTHER = 0x88B5
"""Stands for all EtherTypes that no rule can name: local experimental (IEEE 802)."""
ESP = 50
"""Stands for all IP protocols that no rule can name."""
_IP_PROTOCOLS = (1, 6, 17, 58, 0, ESP)
_PLACE = PortName("here")
_NOBODY = Mac("00:00:00:00:00:00")


class Values(Protocol):
    """One field's values. All of a field's sets are of one class. Named tuples, since millions of them are made."""

    def __and__(self, other: Self, /) -> Self: ...
    def __or__(self, other: Self, /) -> Self: ...
    def __invert__(self) -> Self: ...
    def __bool__(self) -> bool: ...


class Names(NamedTuple, Generic[T]):
    """These values, or (`negated`) all but these."""

    values: frozenset[T] = frozenset()
    negated: bool = False

    @classmethod
    def of(cls, *values: T) -> Names[T]:
        return Names(frozenset(values))

    def __and__(self, other: Names[T]) -> Names[T]:
        if self.negated:
            return Names(self.values | other.values, True) if other.negated else Names(other.values - self.values)
        return Names(self.values - other.values if other.negated else self.values & other.values)

    def __or__(self, other: Names[T]) -> Names[T]:
        return ~(~self & ~other)

    def __invert__(self) -> Names[T]:
        return Names(self.values, not self.negated)

    def __bool__(self) -> bool:
        return self.negated or bool(self.values)

    def holds(self, value: T) -> bool:
        return (value in self.values) is not self.negated

    def pick(self, *preferred: T) -> T:
        """One of them: the first preferred that is in it, else the lowest. Where all but some are in it, one preferred must be."""
        return next((one for one in preferred if self.holds(one)), None) or min(self.values, key=str)


class Ranges(NamedTuple):
    """Numbers, as ranges with both ends included, in order and apart."""

    spans: tuple[tuple[int, int], ...]
    limit: int = (1 << 128) - 1

    @classmethod
    def of(cls, *spans: tuple[int, int], limit: int = (1 << 128) - 1) -> Ranges:
        return Ranges(tuple(_joined(spans)), limit)

    def __and__(self, other: Ranges) -> Ranges:
        if len(self.spans) == len(other.spans) == 1:  # nearly always: not worth a generator
            ((a, b),), ((c, d),) = self.spans, other.spans
            if a >= c and b <= d:
                return self
            return Ranges(((max(a, c), min(b, d)),) if a <= d and c <= b else (), self.limit)
        few, many = (self.spans, other.spans) if len(self.spans) < len(other.spans) else (other.spans, self.spans)
        both: list[tuple[int, int]] = []
        for first, last in few:
            for place in range(bisect_left(many, first, key=_last), len(many)):
                a, b = many[place]
                if a > last:
                    break
                both.append((max(a, first), min(b, last)))
        return Ranges(tuple(both), self.limit)

    def __or__(self, other: Ranges) -> Ranges:
        return Ranges(tuple(_joined([*self.spans, *other.spans])), self.limit)

    def __invert__(self) -> Ranges:
        ends = [-1, *(edge for span in self.spans for edge in span), self.limit + 1]
        gaps = [(ends[i] + 1, ends[i + 1] - 1) for i in range(0, len(ends), 2)]
        return Ranges(tuple((first, last) for first, last in gaps if first <= last), self.limit)

    def __bool__(self) -> bool:
        return bool(self.spans)

    def holds(self, value: int) -> bool:
        return any(first <= value <= last for first, last in self.spans)

    def pick(self, *preferred: int) -> int:
        """One of them: the first preferred that is in it, else the lowest."""
        found = next((one for one in preferred if self.holds(one)), None)
        return self.spans[0][0] if found is None else found


_last = itemgetter(1)


def _joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    held: tuple[int, int] | None = None
    for first, last in sorted(spans):
        if held is not None and first <= held[1] + 1:
            held = held[0], max(held[1], last)
            continue
        if held is not None:
            yield held
        held = first, last
    if held is not None:
        yield held


class Kind(NamedTuple):
    """All frames that no rule tells apart but by ports, MACs, addresses and L4 ports. `protocol` and `eth_type` stand for the others of
    their sort (`ESP`, `ETH_OTHER`, an extension header, a tag)."""

    eth_type: int
    protocol: int | None = None
    neighbour: bool = False
    fragment: bool = False
    established: bool = False
    ports: bool = False

    @property
    def version(self) -> int | None:
        """Of its addresses; None: it has none that a rule could name."""
        return {ETH_ARP: 4, ETH_IPV4: 4, ETH_IPV6: 6}.get(self.eth_type)


def _every_kind() -> Iterator[Kind]:
    yield from (Kind(ETH_ARP), Kind(ETH_OTHER), Kind(HIDING_TYPES[0]))
    both = (False, True)
    for eth_type in (ETH_IPV4, ETH_IPV6):
        for protocol in _IP_PROTOCOLS:
            for fragment in both:
                yield Kind(eth_type, protocol, fragment=fragment)
                if protocol == 58 and eth_type == ETH_IPV6:
                    yield Kind(eth_type, protocol, neighbour=True, fragment=fragment)
                if protocol == 6:
                    yield from (Kind(eth_type, 6, False, fragment, True, ports) for ports in both)
                if protocol in (6, 17):
                    yield Kind(eth_type, protocol, fragment=fragment, ports=True)


KINDS = tuple(_every_kind())


def kind_of(frame: Frame) -> Kind:
    if frame.eth_type not in (ETH_IPV4, ETH_IPV6):
        if frame.eth_type in HIDING_TYPES:
            return Kind(HIDING_TYPES[0])
        return Kind(ETH_ARP if frame.eth_type == ETH_ARP else ETH_OTHER)
    protocol = frame.ip_protocol if frame.ip_protocol in _IP_PROTOCOLS else ESP
    if frame.eth_type == ETH_IPV6 and frame.ip_protocol in HIDING_PROTOCOLS:
        protocol = 0
    return Kind(
        frame.eth_type,
        protocol,
        neighbour=frame.eth_type == ETH_IPV6 and protocol == 58 and frame.icmp_type in NEIGHBOUR_TYPES,
        fragment=frame.fragment,
        established=protocol == 6 and frame.established,
        ports=protocol in (6, 17) and None not in (frame.l4_src, frame.l4_dst),
    )


class Space(NamedTuple):
    """A box of crossings: those whose every field lies in that field's set."""

    kinds: Names[Kind]
    in_port: Names[PortName | None]
    out_port: Names[PortName | None]
    eth_src: Names[Mac]
    eth_dst: Names[Mac]
    l4_dst: Ranges
    l4_src: Ranges
    ip_src: Ranges
    ip_dst: Ranges

    def overlap(self, other: Space) -> Space | None:
        """What is in both; None: nothing is."""
        pairs: Iterable[tuple[Any, Any]] = zip(self, other, strict=True)
        both = Space(*(a & b for a, b in pairs))
        return both if all(both) else None

    def holds(self, crossing: Crossing) -> bool:
        """Whether the crossing is in it."""
        frame, kind = crossing.frame, kind_of(crossing.frame)
        link = self.in_port.holds(crossing.in_port) and self.out_port.holds(crossing.out_port)
        if not (link and self.eth_src.holds(frame.eth_src) and self.eth_dst.holds(frame.eth_dst)):
            return False
        ends = (self.ip_src, frame.ip_src), (self.ip_dst, frame.ip_dst)
        l4 = (self.l4_src, frame.l4_src), (self.l4_dst, frame.l4_dst)
        return (
            self.kinds.holds(kind)
            and (not kind.ports or all(port is not None and ports.holds(port) for ports, port in l4))
            and (kind.version is None or all(ips.holds(-1 if ip is None else int(ip)) for ips, ip in ends))
        )


L4 = Ranges(((0, 65535),), 65535)
ADDRESSES = Ranges(((0, (1 << 128) - 1),))
OF_IPV4 = Ranges(((0, (1 << 32) - 1),))
EVERY_KIND = Names(frozenset(KINDS))
ANY_PORT: Names[PortName | None] = Names(negated=True)
ANY_MAC: Names[Mac] = Names(negated=True)
EVERYTHING = Space(EVERY_KIND, ANY_PORT, ANY_PORT, ANY_MAC, ANY_MAC, L4, L4, ADDRESSES, ADDRESSES)


def space_of(match: Match) -> Space:
    """All that the match speaks of."""
    coming = match.direction is Direction.FROM
    port = ANY_PORT if match.port is None else Names[PortName | None].of(match.port)
    mac = ANY_MAC if match.mac is None else Names.of(match.mac)
    ends = [ADDRESSES if one is None else within(one) for one in (match.ip, match.peer)]
    l4 = [L4 if one is None else Ranges(((one.first, one.last),), 65535) for one in (match.own_ports, match.peer_ports)]
    (src, dst), (l4_src, l4_dst) = (ends, l4) if coming else (ends[::-1], l4[::-1])
    kinds = kinds_of(match)
    if coming:
        return Space(kinds, port, ANY_PORT, mac, ANY_MAC, l4_dst, l4_src, src, dst)
    return Space(kinds, ANY_PORT, port, ANY_MAC, mac, l4_dst, l4_src, src, dst)


def kinds_of(match: Match) -> Names[Kind]:
    """The kinds of which at least some frame is spoken of."""
    ip, peer = (None if one is None else one.version for one in (match.ip, match.peer))
    flags = match.established, match.fragment, match.hidden
    return _kinds_of(ip, peer, match.protocol, match.own_ports is not None, match.peer_ports is not None, flags)


@cache
def _kinds_of(
    ip: int | None,
    peer: int | None,
    protocol: RuleProtocol | None,
    own: bool,
    far: bool,
    flags: tuple[bool | None, bool | None, bool | None],
) -> Names[Kind]:
    every, ports = {None: None, 4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}, PortRange(0, 65535)
    ends = ports if own else None, ports if far else None
    widest = Match(Direction.FROM, _PLACE, None, every[ip], every[peer], protocol, *ends, *flags)
    return Names(frozenset(kind for kind in KINDS if matches(widest, Crossing(frame_of(kind), _PLACE, _PLACE))))


def frame_of(
    kind: Kind,
    macs: tuple[Mac, Mac] = (_NOBODY, _NOBODY),
    ips: tuple[int, int] = (1, 1),
    ports: tuple[int, int] = (1, 1),
) -> Frame:
    """A frame of that kind, source before destination."""
    address = {4: IPv4Address, 6: IPv6Address, None: None}[kind.version]
    src, dst = (None, None) if address is None else (address(ips[0]), address(ips[1]))
    icmp_type = (NEIGHBOUR_TYPES[1] if kind.neighbour else 128) if kind.protocol == 58 else None
    l4: tuple[int | None, int | None] = ports if kind.ports else (None, None)
    return Frame(*macs, kind.eth_type, src, dst, kind.protocol, *l4, kind.fragment, kind.established, icmp_type)


def within(network: Network) -> Ranges:
    """The addresses of a prefix."""
    return Ranges(((int(network.network_address), int(network.broadcast_address)),))


def these(addresses: Iterable[Address]) -> Ranges:
    return Ranges.of(*((int(one), int(one)) for one in addresses))
