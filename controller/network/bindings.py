"""Who was where when: the history of (realm, ip) and (realm, mac), from sightings at edge ports.

The history of a key is a list of `Span`s in the order of time: one holder from its first to its last sighting. A sighting
by the holder of the newest span lengthens it; one by anybody else opens a new span. Nothing is ever corrected backwards, with
one exception: what was seen on a port that turns out to be an uplink was no attachment, and is forgotten. A sighting that comes
late is put where it belongs in time, and changes nothing about the present.

Whoever sits at a port can invent addresses, so what is kept of one port is bounded. What is known already is never pushed out by what
is new, or a flood would wash away the traces of what was there before it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from sys import intern

from controller.model import Address, Attachment, Binding
from drivers.base import Sighting
from drivers.rules import Mac, Network, PortName

Key = tuple[str, str]
SPANS_KEPT = 64
"""Spans kept in memory for one key: an attacker that flips an address back and forth costs no more than this."""
MACS_ON_PORT = 1024
"""MACs kept for one port. A new one beyond them is not taken in until another has not been heard of for `max_age`."""
IPS_OF_MAC = 256
"""Addresses kept for one MAC. Beyond them, only a lease or an address that somebody had before is taken in."""


class Span:
    """One holder's uninterrupted time. Slotted: there may be a million. Equal only to itself."""

    __slots__ = ("device", "first", "ip", "last", "lease", "mac", "port", "source", "vlan")

    def __init__(
        self, ip: str, mac: str, device: str, port: str, vlan: int | None, at: float, source: str, lease: bool
    ) -> None:
        self.ip, self.mac, self.device, self.port = intern(ip), intern(mac), intern(device), intern(port)
        self.vlan, self.first, self.last, self.source, self.lease = vlan, at, at, intern(source), lease

    @property
    def place(self) -> Attachment:
        return Attachment(self.device, PortName(self.port), self.vlan)

    def at(self, device: str, port: str) -> bool:
        return self.device == device and self.port == port

    def after(self, interruption: float) -> Span:
        """Cut this span where somebody else is heard, and give what comes after."""
        rest = Span(self.ip, self.mac, self.device, self.port, self.vlan, self.last, self.source, False)
        self.last = interruption
        return rest

    def same_holder(self, other: Span) -> bool:
        return (self.mac, self.device, self.port) == (other.mac, other.device, other.port)


class Bindings:
    """The histories and their indexes. Not thread-safe: one event loop owns it."""

    def __init__(self, max_age: float = 4 * 3600.0) -> None:
        self._max_age = max_age
        self._holder: dict[Key, Span] = {}
        self.by_ip: dict[Key, list[Span]] = {}
        self.by_mac: OrderedDict[Key, list[Span]] = OrderedDict()
        self.on_port: dict[tuple[str, str], dict[Key, float]] = {}
        self.ips_of: dict[Key, dict[str, float]] = defaultdict(dict)
        self.revision = 0
        self._unsaved: dict[Span, str] = {}
        self._returned: list[Binding] = []

    def see(self, realm: str, sighting: Sighting) -> bool:
        """Take in a sighting at an edge port. True when a holder changed (or is new), rather than being seen once more."""
        key, here = (realm, str(sighting.mac)), (sighting.device, str(sighting.port))
        if key not in self.by_mac and not self._room_at(here, sighting.at):
            return False
        ip = self._worth_keeping(key, sighting)
        span, changed = _put(self.by_mac.setdefault(key, []), _span(sighting, ""))
        self.by_mac.move_to_end(key)
        if ip:
            span, moved = _put(self.by_ip.setdefault((realm, ip), []), _span(sighting, ip))
            changed = changed or moved
            self.ips_of[key][ip] = max(sighting.at, self.ips_of[key].get(ip, 0.0))
            self._hold((realm, ip), span)
        there = self.on_port.setdefault(here, {})
        there[key] = max(sighting.at, there.pop(key, 0.0))
        self._unsaved[span] = realm
        if changed:
            self.revision += 1
        return changed

    def forget_port(self, device: str, port: PortName) -> None:
        """The port is an uplink: nothing that was seen there is attached there."""
        for key in self.on_port.pop((device, port), {}):
            self._forget_at(key, (device, port))
        self._unsaved = {span: realm for span, realm in self._unsaved.items() if not span.at(device, port)}
        self.revision += 1

    def forget_before(self, at: float) -> int:
        """Drop every device that has not been heard of since `at`; how many. The store keeps its own history."""
        old = []
        for key, spans in self.by_mac.items():  # those heard of longest ago come first
            if spans[-1].last >= at:
                break
            old.append(key)
        for key in old:
            for place in {(span.device, span.port) for span in self.by_mac[key]}:
                self._forget_at(key, place)
                self.on_port.get(place, {}).pop(key, None)
        return len(old)

    def recent(self) -> Iterator[tuple[Key, Span]]:
        """(realm, mac) and where it is, those heard of last first. Not to be held across a sighting."""
        return ((key, spans[-1]) for key, spans in reversed(self.by_mac.items()))

    def history_of_ip(self, realm: str, ip: Address) -> list[Span]:
        return self.by_ip.get((realm, str(ip)), [])

    def history_of_mac(self, realm: str, mac: Mac) -> list[Span]:
        return self.by_mac.get((realm, mac), [])

    def holder(self, realm: str, ip: Address) -> Span | None:
        """The established holder of an address, whoever else claims it."""
        return self._holder.get((realm, str(ip)))

    def ips_held_by(self, realm: str, mac: Mac) -> frozenset[Address]:
        """The addresses whose established holder this MAC is."""
        return frozenset(ip_address(ip) for ip in self.ips_of.get((realm, mac), ()) if self._holds(realm, ip, mac))

    def ips_claimed_by(self, realm: str, mac: Mac) -> frozenset[Address]:
        """The addresses that this MAC spoke for while another held them. What it gave up before the other came is no claim."""
        return frozenset(
            ip_address(ip)
            for ip, at in self.ips_of.get((realm, mac), {}).items()
            if (holder := self._holder.get((realm, ip))) is not None and holder.mac != mac and at >= holder.first
        )

    def on_place(self, realm: str, place: Attachment, since: float) -> dict[Mac, Span]:
        """The MACs seen there after `since` that have not been seen elsewhere later, with their span at that place."""
        found = {}
        for key, at in self.on_port.get((place.device, place.port), {}).items():
            spans = self.by_mac.get(key)
            if key[0] == realm and at >= since and spans and spans[-1].at(place.device, place.port):
                found[Mac(key[1])] = spans[-1]
        return found

    def macs_within(self, realm: str, network: Network | None) -> set[Mac]:
        """The MACs that spoke last for any address of `network`; a single address is a look-up, a prefix a walk over all."""
        if network is None:
            return set()
        if network.num_addresses == 1:
            return {Mac(s.mac) for s in self.by_ip.get((realm, str(network.network_address)), ())[-1:]}
        return {
            Mac(spans[-1].mac)
            for (of_realm, ip), spans in self.by_ip.items()
            if of_realm == realm and ip_address(ip) in network
        }

    def all(self) -> Iterator[Binding]:
        for (realm, _), spans in self.by_ip.items():
            yield from (_binding(realm, span) for span in spans)

    def load(self, bindings: Iterable[Binding]) -> None:
        """Take in stored history, in the order in which it happened; nothing of it counts as unsaved."""
        moments = [(at, binding) for binding in bindings for at in (binding.first_seen, binding.last_seen)]
        for at, binding in sorted(moments, key=lambda moment: moment[0]):
            self.see(binding.realm, _sighting(binding, at))
        self._unsaved.clear()

    def take_unsaved(self) -> list[Binding]:
        """What changed since the last call, for the store."""
        taken = {_identity(binding): binding for binding in self._returned}
        taken |= {_identity(binding): binding for binding in (_binding(r, span) for span, r in self._unsaved.items())}
        self._unsaved, self._returned = {}, []
        return list(taken.values())

    def put_back(self, bindings: Iterable[Binding]) -> None:
        """The store did not take these: keep them for the next call, unless newer ones stand then."""
        self._returned += bindings

    def _room_at(self, here: tuple[str, str], now: float) -> bool:
        """Whether a MAC that is new may be kept at this port; the one heard of longest ago leaves when it is stale."""
        there = self.on_port.get(here, {})
        if len(there) < MACS_ON_PORT:
            return True
        oldest = next(iter(there))
        if there[oldest] >= now - self._max_age:
            return False
        del there[oldest]
        self._forget_at(oldest, here)
        return True

    def _worth_keeping(self, key: Key, sighting: Sighting) -> str:
        """The sighting's address, or "" when this MAC has named more than any device has."""
        ip = "" if sighting.ip is None else str(sighting.ip)
        known = self.ips_of.get(key, {})
        full = len(known) >= IPS_OF_MAC and ip not in known and (key[0], ip) not in self.by_ip
        return "" if full and not sighting.lease else ip

    def _forget_at(self, key: Key, place: tuple[str, str]) -> None:
        """Nothing that this MAC was seen doing at this port stays."""
        _without(self.by_mac, key, key[1], place)
        for ip in list(self.ips_of.get(key, ())):
            left = _without(self.by_ip, (key[0], ip), key[1], place)
            if not any(span.mac == key[1] for span in left):
                del self.ips_of[key][ip]
            holder = self._holder.get((key[0], ip))
            if holder is not None and holder.mac == key[1] and holder.at(*place):
                del self._holder[key[0], ip]
                for span in left:
                    self._hold((key[0], ip), span)
        if not self.ips_of.get(key, True):
            del self.ips_of[key]

    def _hold(self, key: Key, span: Span) -> None:
        holder = self._holder.get(key)
        if holder is None or holder.mac == span.mac or span.lease or holder.last < span.last - self._max_age:
            self._holder[key] = span

    def _holds(self, realm: str, ip: str, mac: str) -> bool:
        holder = self._holder.get((realm, ip))
        return holder is not None and holder.mac == mac


def _put(history: list[Span], span: Span) -> tuple[Span, bool]:
    """The span in `history` that this sighting belongs to, and whether it is a new present."""
    if not history or history[-1].last <= span.first:  # nearly always
        if history and history[-1].same_holder(span):
            history[-1].last = span.last
            history[-1].lease = history[-1].lease or span.lease
            return history[-1], False
        history.append(span)
        del history[:-SPANS_KEPT]
        return span, True
    where = bisect_right(history, span.first, key=lambda known: known.first)
    before, after = (history[where - 1] if where else None), (history[where] if where < len(history) else None)
    for known in (before, after):
        if known is not None and known.same_holder(span):
            known.last = max(known.last, span.last)
            known.lease = known.lease or span.lease
            return known, False
    if before is not None and before.last > span.first:  # it was heard again afterwards
        history.insert(where, before.after(span.first))
    history.insert(where, span)
    del history[:-SPANS_KEPT]
    return span, history[-1] is span


def _span(seen: Sighting, ip: str) -> Span:
    return Span(ip, seen.mac, seen.device, seen.port, seen.vlan, seen.at, seen.source, seen.lease)


def _without(index: dict[Key, list[Span]], key: Key, mac: str, place: tuple[str, str]) -> list[Span]:
    """What is left of a history without the spans of one MAC at one port. The list is replaced, never emptied: others may be reading it."""
    left = [span for span in index.get(key, ()) if span.mac != mac or not span.at(*place)]
    if left:
        index[key] = left
    else:
        index.pop(key, None)
    return left


def _sighting(binding: Binding, at: float) -> Sighting:
    place = binding.attachment
    return Sighting(place.device, at, binding.mac, place.port, binding.ip, place.vlan, binding.source, binding.lease)


def _binding(realm: str, span: Span) -> Binding:
    ip = ip_address(span.ip) if span.ip else None
    return Binding(realm, ip, Mac(span.mac), span.place, span.first, span.last, span.source, span.lease)


def _identity(binding: Binding) -> tuple[str, str, str, str, str, float]:
    place = binding.attachment
    return (binding.realm, str(binding.ip), binding.mac, place.device, place.port, binding.first_seen)
