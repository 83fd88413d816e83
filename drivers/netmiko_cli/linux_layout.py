"""Rules as entries of our own table in family bridge, and where in it they stand. Pure. `drivers.semantics` says what they must mean
together.

    count_from, count_to            what is only counted, before anything is dropped
    from, to                        a jump for each containment; `to` is asked for each port that a frame leaves by, a broadcast too
    from_local                      the same as `from`, for frames that a bridge takes for itself (STP, LLDP): these skip prerouting
    from_<hash>, to_<hash>          one containment: its permits end its judgement (`return`), then its denies drop
    witness_forwarded, _taken       for a deny of all that a port sends: what of it went on all the same

A drop is final in nftables, whatever other tables accept, so nobody's rule outranks ours; and a frame that is dropped in prerouting
teaches the bridge nothing, so that a contained device cannot draw its neighbours' frames to its port.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256

from drivers.netmiko_cli.nft import FRAGMENT, FRAGMENT6, LINK_LOCAL, Entry, Term
from drivers.rules import Action, Direction, Match, Network, PortRange, Protocol, Rule
from drivers.semantics import ETH_ARP, ETH_IPV4, ETH_IPV6, HIDING_PROTOCOLS, HIDING_TYPES, IP_PROTOCOLS, NEIGHBOUR_TYPES

TABLE = "netcordon"
BASE: Mapping[str, tuple[str, int]] = {
    "count_from": ("prerouting", -320),
    "from": ("prerouting", -310),
    "from_local": ("input", -310),
    "count_to": ("postrouting", 310),
    "to": ("postrouting", 320),
    "witness_forwarded": ("forward", 300),
    "witness_taken": ("input", 300),
}
"""The chains that are always there: where in a bridge's way each is asked, and in which order (before and after all that others use)."""
WITNESSES = ("witness_forwarded", "witness_taken")
_ACK_OR_RST = frozenset({0x10, 0x04})
_MOST = 65535


def chains(rules: Iterable[Rule]) -> dict[str, list[Entry]]:
    """What each chain should hold, in an order that does: permits before denies. Empty where there are no rules."""
    wanted: dict[str, list[Entry]] = {}
    jumps: dict[str, Direction] = {}
    ordered = sorted(rules, key=lambda rule: (rule.action is not Action.PERMIT, rule.id))
    for rule in ordered:
        way = rule.match.direction
        chain = f"count_{way}" if rule.action is Action.COUNT else name_of(rule.provenance.containment, way)
        wanted.setdefault(chain, []).extend(entries(rule))
        if rule.action is not Action.COUNT:
            jumps[chain] = way
        for witness in _witnesses(rule):
            for place in WITNESSES:
                if witness not in (held := wanted.setdefault(place, [])):
                    held.append(witness)
    if not wanted:
        return {}
    for chain, way in sorted(jumps.items()):
        wanted.setdefault(way.value, []).append(Entry((), f"jump {chain}", "netcordon"))
        if way is Direction.FROM:
            wanted.setdefault("from_local", []).append(Entry((LINK_LOCAL,), f"jump {chain}", "netcordon"))
    return {name: [] for name in BASE} | wanted


def name_of(containment: str, way: Direction) -> str:
    """The chain of a containment: a hash, so that nothing of the name, whatever it is, gets into a command."""
    return f"{way.value}_{sha256(containment.encode()).hexdigest()[:12]}"


def entries(rule: Rule) -> Iterator[Entry]:
    """The entries that together speak of exactly the frames of the rule's match."""
    verdict = {Action.DENY: "drop", Action.PERMIT: "return", Action.COUNT: "count"}[rule.action]
    return (Entry(tuple(terms), verdict, rule.id) for terms in _matches(rule.match))


def _witnesses(rule: Rule) -> Iterator[Entry]:
    match = rule.match
    if (
        rule.action is Action.DENY
        and match.direction is Direction.FROM
        and match.port
        and match.fields() <= {"port", "mac"}
    ):
        name = f"witness:{match.port}" if match.mac is None else f"witness:{match.port}/{match.mac}"
        yield Entry(tuple(_link(match)), "count", name)


def _link(match: Match) -> Iterator[Term]:
    coming = match.direction is Direction.FROM
    if match.port is not None:
        yield ("iifname" if coming else "oifname"), match.port
    if match.mac is not None:
        yield ("ether saddr" if coming else "ether daddr"), match.mac


def _matches(match: Match) -> Iterator[list[Term]]:
    link = list(_link(match))
    if match.hidden:
        yield [*link, ("ip protocol", 0)]
        yield [*link, ("meta protocol", ETH_IPV6), ("meta l4proto", frozenset(HIDING_PROTOCOLS))]
        yield [*link, ("meta protocol", frozenset(HIDING_TYPES))]
        return
    addressed = match.ip or match.peer
    version = None if addressed is None else addressed.version
    for eth_type in _ether_types(match, version):
        kind: list[Term] = [] if eth_type is None else [("meta protocol", eth_type)]
        for upper in _upper(match, eth_type):
            yield [*link, *kind, *_ends(match, eth_type), *upper]


def _ether_types(match: Match, version: int | None) -> Iterator[int | None]:
    """None: whatever it is, or IPv4 as well as IPv6 where a protocol of theirs is asked for."""
    if version is None and not match.fragment and match.protocol is not Protocol.ARP:
        yield None
        return
    if version != 6 and not match.fragment and match.protocol in (None, Protocol.ARP):
        yield ETH_ARP
    if match.protocol is Protocol.ARP:
        return
    if version in (None, 4) and match.protocol is not Protocol.ND:
        yield ETH_IPV4
    if version in (None, 6):
        yield ETH_IPV6


def _ends(match: Match, eth_type: int | None) -> Iterator[Term]:
    names = {
        ETH_ARP: ("arp saddr ip", "arp daddr ip"),
        ETH_IPV4: ("ip saddr", "ip daddr"),
        ETH_IPV6: ("ip6 saddr", "ip6 daddr"),
    }.get(eth_type or 0)
    own, peer = (match.ip, match.peer) if match.direction is Direction.FROM else (match.peer, match.ip)
    for name, network in zip(names or (), (own, peer), strict=False):
        if network is not None and network.prefixlen > 0:
            yield name, _network(network)


def _network(network: Network) -> str:
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _upper(match: Match, eth_type: int | None) -> Iterator[list[Term]]:
    """What is asked above the addresses, each of these in turn."""
    pieces: list[Term] = [] if not match.fragment else [FRAGMENT if eth_type == ETH_IPV4 else FRAGMENT6]
    protocol = match.protocol
    if protocol is None or protocol is Protocol.ARP:
        yield pieces
    elif protocol is Protocol.ND:
        yield [*pieces, ("icmpv6 type", frozenset(NEIGHBOUR_TYPES))]
    elif match.own_ports is None and match.peer_ports is None:
        flags: list[Term] = [("tcp flags", _ACK_OR_RST)] if match.established else []
        yield [*pieces, *(flags or [("meta l4proto", IP_PROTOCOLS[protocol])])]
    else:
        flags = [("tcp flags", _ACK_OR_RST)] if match.established else []
        source, target = match.own_ports, match.peer_ports
        if match.direction is Direction.TO:
            source, target = target, source
        ports = [*_ports(f"{protocol.value} sport", source), *_ports(f"{protocol.value} dport", target)]
        yield [*pieces, *ports, *flags]


def _ports(name: str, span: PortRange | None) -> Iterator[Term]:
    if span is not None:
        yield name, span.first if span.first == span.last else (span.first, span.last)


_OURS = re.compile(r"(?:from|to)_[0-9a-f]{12}")


def is_containments(chain: str) -> bool:
    return _OURS.fullmatch(chain) is not None
