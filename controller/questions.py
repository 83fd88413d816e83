"""What is asked of a plan on the model: which traffic, between whom, as sets of frames. Pure.

Each question has the words that people read in a proof. `port` is the contained device's edge port: what is from it comes in there and
goes out anywhere else, and what is to it the other way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple

from controller.model import Endpoint, Entry, Profile, Way
from drivers.header_sets import (
    ADDRESSES,
    ANY_MAC,
    ETH_OTHER,
    EVERY_KIND,
    KINDS,
    L4,
    Kind,
    Names,
    Ranges,
    Space,
    kinds_of,
    these,
    within,
)
from drivers.rules import Direction, Mac, Match, PortName, PortRange, Protocol
from drivers.semantics import ETH_ARP, ETH_IPV4, ETH_IPV6

BROADCAST = Mac("ff:ff:ff:ff:ff:ff")
STRANGER_MAC = Mac("02:00:5e:00:53:01")
"""Stands for an address that nobody has: what a device may turn itself into. RFC 7042 §2.1.2 documentation range, locally administered."""
SOMEBODY_MAC = Mac("02:00:5e:00:53:02")
ELSEWHERE = PortName("(any other port)")
STRANGER = {4: ip_address("192.0.2.1"), 6: ip_address("2001:db8::1")}
SOMEBODY = {4: ip_address("192.0.2.2"), 6: ip_address("2001:db8::2")}
CLIENT_PORT = 49152
"""The first of those that a client is given (IANA, RFC 6335 §6)."""
SERVICE_PORT = 445
_TRANSPORT = {Protocol.TCP: 6, Protocol.UDP: 17}


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """Ports and MACs, and whether that is what the device sends. Most questions share one, which is known by itself alone."""

    coming: bool
    in_port: Names[PortName | None]
    out_port: Names[PortName | None]
    eth_src: Names[Mac]
    eth_dst: Names[Mac]


class Upper(NamedTuple):
    """The rest of a space."""

    kinds: Names[Kind]
    l4_dst: Ranges = L4
    l4_src: Ranges = L4
    ip_src: Ranges = ADDRESSES
    ip_dst: Ranges = ADDRESSES


class Question(NamedTuple):
    """All of a space, which people call traffic of `kind` from `src` to `dst`."""

    src: str
    dst: str
    kind: str
    link: Link
    upper: Upper

    @property
    def space(self) -> Space:
        link, upper = self.link, self.upper
        return Space(upper.kinds, link.in_port, link.out_port, link.eth_src, link.eth_dst, *upper[1:])


def _such(true: Callable[[Kind], bool]) -> Names[Kind]:
    return Names(frozenset(kind for kind in KINDS if true(kind)))


def _ipv4(*protocols: int) -> Names[Kind]:
    return _such(lambda kind: kind.eth_type == ETH_IPV4 and kind.protocol in protocols)


SERVICES: tuple[tuple[str, Names[Kind], int | None], ...] = (
    ("ARP", _such(lambda kind: kind.eth_type == ETH_ARP), 4),
    ("TCP", _ipv4(6), 4),
    ("UDP", _ipv4(17), 4),
    ("ICMP", _ipv4(1), 4),
    ("other IPv4", _such(lambda kind: kind.eth_type == ETH_IPV4) & ~_ipv4(6, 17, 1), 4),
    ("IPv6", _such(lambda kind: kind.eth_type == ETH_IPV6), 6),
    ("non-IP", _such(lambda kind: kind.version is None), None),
)
"""Every kind of frame once, with the IP version of its addresses."""
_SHOWN = _such(lambda kind: kind.ports)
_HIDDEN = _such(
    lambda kind: (kind.protocol == 0 or (kind.version is None and kind.eth_type != ETH_OTHER)) and not kind.fragment
)
_PIECES = _such(lambda kind: kind.fragment and not kind.ports and not kind.neighbour)
_WHOLE = EVERY_KIND & ~(_HIDDEN | _PIECES)


_OPENING = ~_such(lambda kind: kind.established)
"""What can open a connection: an answer that passes to a client's port opens none."""
_OF_VERSION = {4: _such(lambda kind: kind.version != 6), 6: _such(lambda kind: kind.version == 6)}
_ADDRESSED = {4: _such(lambda kind: kind.version == 4), 6: _OF_VERSION[6]}


def of_everything(endpoint: Endpoint) -> Iterator[Question]:
    """Every kind of traffic of the device, under its own and under borrowed addresses, in both directions."""
    own, others, everyone = _macs_of(endpoint), Names(endpoint.neighbours), Names.of(BROADCAST)
    itself = _sent(endpoint, own, ~everyone), _got(endpoint, own & ~everyone)
    strange = ~(own | others | everyone)
    guises = [("", *itself, True), (" as another MAC", _sent(endpoint, strange), _got(endpoint, strange), True)]
    guises.append((" as another IP", *itself, False))
    if others:
        guises.append((" as a neighbour's MAC", _sent(endpoint, others), _got(endpoint, others), True))
    to_all, from_all = _sent(endpoint, own, everyone), _got(endpoint, everyone)
    for name, kinds, version in SERVICES:
        ips = these(ip for ip in endpoint.ips if ip.version == version) or ADDRESSES
        for guise, sent, got, as_itself in guises:
            if not as_itself and (version is None or ips is ADDRESSES):
                continue
            claimed = ips if as_itself else ~ips
            yield Question("device", "anyone", name + guise, sent, Upper(kinds, ip_src=claimed))
            yield Question("anyone", "device", name + guise, got, Upper(kinds, ip_dst=claimed))
        yield Question("device", "everyone", f"{name} broadcast", to_all, Upper(kinds, ip_src=ips))
        yield Question("everyone", "device", f"{name} broadcast", from_all, Upper(kinds))


def of_profile(endpoint: Endpoint, profile: Profile) -> Iterator[Question]:
    """Each service of the profile by its name, both as the device's own and as others reach it; the ways around that a port number
    leaves open; and all the rest, by kind."""
    own = _macs_of(endpoint)
    sent, got = _sent(endpoint, own), _got(endpoint, own)
    for entry in (*profile.entries, *profile.closes):
        for whom, peer, kinds in _peers(entry):
            if entry.exact is not None:
                yield _one_way(entry, whom, peer, kinds, sent if entry.way is Way.FROM else got)
                continue
            ports = _ranges(entry.ports)
            if entry in profile.closes:
                kinds &= _OPENING
            if entry.way is not Way.TO:
                yield Question("device", whom, entry.label, sent, Upper(kinds, l4_dst=ports, ip_dst=peer))
            if entry.way is not Way.FROM:
                yield Question(whom, "device", entry.label, got, Upper(kinds, l4_dst=ports, ip_src=peer))
    yield from _ways_around(endpoint, sent, got)
    yield from _the_rest(profile, sent, got)


def _one_way(entry: Entry, whom: str, peer: Ranges, kinds: Names[Kind], link: Link) -> Question:
    """The packets between two ports, one way."""
    own, far = (_ranges(() if one is None else (one,)) for one in entry.exact or (None, None))
    if entry.way is Way.FROM:
        return Question("device", whom, entry.label, link, Upper(kinds, l4_dst=far, l4_src=own, ip_dst=peer))
    return Question(whom, "device", entry.label, link, Upper(kinds, l4_dst=own, l4_src=far, ip_src=peer))


def _ways_around(endpoint: Endpoint, sent: Link, got: Link) -> Iterator[Question]:
    """What shows no ports to a switch, in words; a borrowed MAC, by which the device is no longer who is spoken to; and broadcasts."""
    for name, kinds in (("fragmented packets", _PIECES), ("packets with unknown headers", _HIDDEN)):
        yield Question("device", "anyone", name, sent, Upper(kinds))
        yield Question("anyone", "device", name, got, Upper(kinds))
    known = _macs_of(endpoint) | Names(endpoint.neighbours) | Names.of(BROADCAST)
    for name, macs in (("frames to another MAC that it takes", ~known), ("broadcasts", Names.of(BROADCAST))):
        yield Question("anyone", "device", name, _got(endpoint, macs), Upper(EVERY_KIND))


def _the_rest(profile: Profile, sent: Link, got: Link) -> Iterator[Question]:
    """What no entry of the profile names, nor DHCP, which whoever may reach anybody at all is left."""
    listed = [peer for entry in profile.entries if not entry.ports and entry.peers for peer in entry.peers.prefixes]
    for name, kinds, transport in _REST:
        named = [e for e in profile.entries if transport is not None and e.protocol in (None, transport)]
        free = ~Ranges.of(*((p.first, p.last) for e in named for p in (*e.ports, *_DHCP)), limit=L4.limit)
        for version in (4, 6):
            if not (some := kinds & _OF_VERSION[version]):
                continue
            peers = ~Ranges.of(*(span for one in listed if one.version == version for span in within(one).spans))
            label = f"other {name}" if version == 4 or transport is None else f"other {name} over IPv6"
            yield Question("device", "anyone", label, sent, Upper(some, free, free, ip_dst=peers))
            yield Question("anyone", "device", label, got, Upper(some, free, free, ip_src=peers))


_DHCP = (PortRange(67, 68), PortRange(546, 547))
_REST: tuple[tuple[str, Names[Kind], Protocol | None], ...] = (
    ("TCP", _SHOWN & _such(lambda kind: kind.protocol == 6), Protocol.TCP),
    ("UDP", _SHOWN & _such(lambda kind: kind.protocol == 17), Protocol.UDP),
    ("ICMP", _WHOLE & _ipv4(1), None),
    ("ARP", _such(lambda kind: kind.eth_type == ETH_ARP), None),
    ("IPv4", _WHOLE & _ipv4(50, 58), None),
    (
        "IPv6",
        _WHOLE & _such(lambda kind: kind.eth_type == ETH_IPV6 and kind.protocol not in (6, 17) and not kind.neighbour),
        None,
    ),
    ("non-IP", _such(lambda kind: kind.eth_type == ETH_OTHER), None),
)


def _peers(entry: Entry) -> Iterator[tuple[str, Ranges, Names[Kind]]]:
    """Whom an entry speaks of in words and as addresses, with the kinds that it means."""
    kinds = EVERY_KIND
    if entry.protocol in _TRANSPORT:
        kinds = _SHOWN & _such(lambda kind: kind.protocol == _TRANSPORT[entry.protocol])  # type: ignore[index]  # looked up above
    elif entry.protocol is not None:
        kinds = _WHOLE & _kinds_named(entry.protocol)
    if entry.peers is None:
        yield "anyone", ADDRESSES, kinds
        return
    for prefix in entry.peers.prefixes:
        yield str(prefix), within(prefix), kinds & _ADDRESSED[prefix.version]


def _kinds_named(protocol: Protocol) -> Names[Kind]:
    return kinds_of(Match(Direction.FROM, port=ELSEWHERE, protocol=protocol))


def _ranges(ports: Iterable[PortRange]) -> Ranges:
    return Ranges.of(*((one.first, one.last) for one in ports), limit=L4.limit) or L4


def _macs_of(endpoint: Endpoint) -> Names[Mac]:
    """Its own; all that is not a neighbour's where none is known."""
    return Names(endpoint.macs) or ~Names(endpoint.neighbours)


def _sent(endpoint: Endpoint, src: Names[Mac], dst: Names[Mac] = ANY_MAC) -> Link:
    here = Names[PortName | None](frozenset([endpoint.attachment.port]))
    return Link(True, here, ~here, src, dst if src.negated else dst & ~src)


def _got(endpoint: Endpoint, dst: Names[Mac]) -> Link:
    here = Names[PortName | None](frozenset([endpoint.attachment.port]))
    return Link(False, ~here, here, ANY_MAC, dst)


def involving(mac: Mac, at: PortName, direction: Direction, endpoint: Endpoint) -> Space:
    """All that another device at `at` exchanges with others than the contained."""
    own, held, here = Names.of(mac), Names(endpoint.macs), Names[PortName | None](frozenset([at]))
    held_at = Names[PortName | None](frozenset([endpoint.attachment.port]))
    ports = (here, ~held_at) if direction is Direction.FROM else (~held_at, here)
    macs = (own, ~held) if direction is Direction.FROM else (~held, own)
    return Space(EVERY_KIND, *ports, *macs, L4, L4, ADDRESSES, ADDRESSES)
