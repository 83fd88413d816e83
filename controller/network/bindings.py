"""Who was where when: the history of (realm, ip) and (realm, mac), from sightings at edge ports.

The history of a key is a list of `Span`s in the order of time: one holder from its first to its last sighting. A sighting
by the holder of the newest span lengthens it; one by anybody else opens a new span. Nothing is ever corrected backwards, with
one exception: what was seen on a port that turns out to be an uplink was no attachment, and is forgotten. A sighting that comes
late is put where it belongs in time, and changes nothing about the present.

Whoever sits at a port can invent addresses, so what is kept of one port and of one MAC is bounded. What is known already is never pushed
out by what is new, or a flood would wash away the traces of what was there before it; only what nobody said for long makes room, as the
privacy addresses (RFC 8981) that a device has left behind do.

An IPv6 link-local address is unique on its own link alone. So each VLAN has a history of its own for it, and whoever looks one up gets all
of them: one device on each link may rightly have it.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Any

from controller.model import Address, Attachment, Binding
from controller.network.spans import Key, Span, lengthened, put, without
from drivers.base import BELIED, ROUTER_ADVERTISEMENT, Sighting
from drivers.rules import Mac, Network, PortName

MACS_ON_PORT = 1024
"""MACs kept for one port. A new one beyond them is not taken in until another has not been heard of for `max_age`."""
IPS_OF_MAC = 256
"""Addresses kept for one MAC. Beyond them, what it has not said for `max_age` makes room; else only a lease or an address that somebody
had before is taken in."""


class Bindings:
    """The histories and their indexes. Not thread-safe: one event loop owns it."""

    def __init__(self, max_age: float = 4 * 3600.0) -> None:
        self._max_age = max_age
        self._holder: dict[Key, Span] = {}
        self.by_ip: dict[Key, list[Span]] = {}
        self.by_mac: OrderedDict[Key, list[Span]] = OrderedDict()
        self.on_port: dict[tuple[str, str], dict[Key, float]] = {}
        self.ips_of: dict[Key, dict[str, float]] = defaultdict(dict)
        self.advertisers: dict[Key, float] = {}
        """When each of these last sent a router advertisement."""
        self.revision = 0
        self._vlans: set[int | None] = {None}
        self._unsaved: dict[Span, str] = {}
        self._returned: list[Binding] = []

    def see(self, realm: str, sighting: Sighting) -> bool:
        """Take in a sighting at an edge port. True when a holder changed (or is new), rather than being seen once more."""
        key, here = (realm, str(sighting.mac)), (sighting.device, str(sighting.port))
        if key not in self.by_mac and not self._room_at(here, sighting.at):
            return False
        name = self._worth_keeping(key, sighting)
        span, changed = _put(self.by_mac.setdefault(key, []), sighting, "")
        self.by_mac.move_to_end(key)
        if sighting.source == ROUTER_ADVERTISEMENT:
            self.advertisers[key] = sighting.at
        if name:
            self._vlans.add(sighting.vlan)
            span, moved = _put(self.by_ip.setdefault((realm, name), []), sighting, name.partition("%")[0])
            changed = changed or moved
            self.ips_of[key][name] = max(sighting.at, self.ips_of[key].get(name, 0.0))
            self._hold((realm, name), span)
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

    def forget_at(self, realm: str, mac: Mac, place: Attachment) -> None:
        """It was never attached there: its frames only passed."""
        key, there = (realm, str(mac)), (place.device, str(place.port))
        self._forget_at(key, there)
        self.on_port.get(there, {}).pop(key, None)
        self._unsaved = {span: of for span, of in self._unsaved.items() if span.mac != mac or not span.at(*there)}
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
            self.advertisers.pop(key, None)
        return len(old)

    def recent(self) -> Iterator[tuple[Key, Span]]:
        """(realm, mac) and where it is, those heard of last first. Not to be held across a sighting."""
        return ((key, spans[-1]) for key, spans in reversed(self.by_mac.items()))

    def history_of_ip(self, realm: str, ip: Address, vlan: int | None = None) -> list[Span]:
        """Who spoke for the address; `vlan` says on which link, and matters for a link-local address alone."""
        return self.by_ip.get((realm, _name(ip, vlan)), [])

    def histories_of_ip(self, realm: str, ip: Address) -> list[list[Span]]:
        """One for each link on which somebody spoke for it: at most one, but for a link-local address."""
        links = self._vlans if _per_link(ip) else (None,)
        return [history for vlan in links if (history := self.history_of_ip(realm, ip, vlan))]

    def history_of_mac(self, realm: str, mac: Mac) -> list[Span]:
        return self.by_mac.get((realm, mac), [])

    def holder(self, realm: str, ip: Address, vlan: int | None = None) -> Span | None:
        """The established holder of an address (a link-local one: on that VLAN), whoever else claims it."""
        return self._holder.get((realm, _name(ip, vlan)))

    def ips_held_by(self, realm: str, mac: Mac) -> frozenset[Address]:
        """The addresses whose established holder this MAC is."""
        return frozenset(_address(name) for name in self.ips_of.get((realm, mac), ()) if self._holds(realm, name, mac))

    def latest_ips_of(self, realm: str, mac: Mac) -> list[Address]:
        """The addresses whose established holder this MAC is, the one heard of last first."""
        known = self.ips_of.get((realm, mac), {})
        return [
            _address(name)
            for name in sorted(known, key=known.__getitem__, reverse=True)
            if self._holds(realm, name, mac)
        ]

    def ips_claimed_by(self, realm: str, mac: Mac) -> frozenset[Address]:
        """The addresses that this MAC spoke for while another held them. What it gave up before the other came is no claim."""
        return frozenset(
            _address(ip)
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
            return {Mac(history[-1].mac) for history in self.histories_of_ip(realm, network.network_address)}
        return {Mac(spans[-1].mac) for spans in self.histories_within(realm, network)}

    def histories_within(self, realm: str, network: Network) -> Iterator[list[Span]]:
        """Of every address in `network`: a walk over all."""
        for (of_realm, name), spans in self.by_ip.items():
            if of_realm == realm and _address(name) in network:
                yield spans

    def all(self) -> Iterator[Binding]:
        for (realm, _), spans in self.by_ip.items():
            yield from (_binding(realm, span) for span in spans)

    def places_of(self, mac: Mac) -> Iterator[Binding]:
        """Where it was plugged in, whatever address it had or none."""
        for (realm, one), spans in self.by_mac.items():
            if one == mac:
                yield from (_binding(realm, span) for span in spans)

    def load(self, bindings: Iterable[Binding]) -> None:
        """Take in stored history, in the order in which it happened; nothing of it counts as unsaved. The same as to `see` each when it
        began and when it ended, but that most of the latter say nothing that takes a whole look. Each is let go of when it has ended: of a
        million, they and what is made of them need not be there at once."""
        stored: list[Any] = []
        times = array("d")
        for one in bindings:
            stored.append(one)
            times.extend((one.first_seen, one.last_seen))
        for n in sorted(range(len(times)), key=times.__getitem__):
            ended, binding = n & 1, stored[n >> 1]
            if ended:
                stored[n >> 1] = None
            if ended and (times[n - 1] == times[n] or self._went_on(binding)):
                continue  # seen in one moment alone: these two are neighbours in any order of time
            self.see(binding.realm, _sighting(binding, times[n]))
        self._unsaved.clear()

    def _went_on(self, binding: Binding) -> bool:
        """Lengthen the spans in which a stored binding ended, where it does no more than that; else False, and nothing is changed."""
        if binding.source in (BELIED, ROUTER_ADVERTISEMENT):
            return False
        key, place, at = (binding.realm, str(binding.mac)), binding.attachment, binding.last_seen
        plugged = _newest(self.by_mac.get(key), binding)
        if plugged is None:
            return False
        spans = [plugged]
        if binding.ip is not None:
            name = _name(binding.ip, place.vlan)
            claim = _newest(self.by_ip.get((binding.realm, name)), binding)
            known = self.ips_of.get(key, {})
            if claim is None or name not in known or self._holder.get((binding.realm, name)) is not claim:
                return False
            spans.append(claim)
            self._vlans.add(place.vlan)
            known[name] = max(at, known[name])
        for span in spans:
            span.last, span.lease = at, span.lease or binding.lease
        self.by_mac.move_to_end(key)
        there = self.on_port.setdefault((place.device, str(place.port)), {})
        there[key] = max(at, there.pop(key, 0.0))
        return True

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
        """The name that the sighting's address has here, or "" when it is not to be kept: the MAC has named more than any device
        has, or the address is belied and nobody holds it who that could speak against."""
        if sighting.ip is None:
            return ""
        name = _name(sighting.ip, sighting.vlan)
        known, contested = self.ips_of.get(key, {}), (key[0], name) in self.by_ip
        if sighting.source == BELIED and not contested:
            return ""
        full = len(known) >= IPS_OF_MAC and name not in known and not contested
        return "" if full and not sighting.lease and not self._forget_oldest(key, sighting.at) else name

    def _forget_oldest(self, key: Key, now: float) -> bool:
        """Whether an address of this MAC that it has not spoken for in `max_age` made room."""
        known = self.ips_of[key]
        oldest = min(known, key=known.__getitem__)
        if known[oldest] >= now - self._max_age:
            return False
        for place in {(span.device, span.port) for span in self.by_ip[key[0], oldest] if span.mac == key[1]}:
            self._forget_ip_at(key, oldest, place)
        self.ips_of[key].pop(oldest, None)
        return True

    def _forget_at(self, key: Key, place: tuple[str, str]) -> None:
        """Nothing that this MAC was seen doing at this port stays."""
        without(self.by_mac, key, key[1], place)
        for name in list(self.ips_of.get(key, ())):
            self._forget_ip_at(key, name, place)

    def _forget_ip_at(self, key: Key, name: str, place: tuple[str, str]) -> None:
        left = without(self.by_ip, (key[0], name), key[1], place)
        if not any(span.mac == key[1] for span in left):
            del self.ips_of[key][name]
            if not self.ips_of[key]:
                del self.ips_of[key]
        holder = self._holder.get((key[0], name))
        if holder is not None and holder.mac == key[1] and holder.at(*place):
            del self._holder[key[0], name]
            for span in left:
                self._hold((key[0], name), span)

    def _hold(self, key: Key, span: Span) -> None:
        if span.belied:
            return
        holder = self._holder.get(key)
        if holder is None or holder.mac == span.mac or span.lease or holder.last < span.last - self._max_age:
            self._holder[key] = span

    def _holds(self, realm: str, ip: str, mac: str) -> bool:
        holder = self._holder.get((realm, ip))
        return holder is not None and holder.mac == mac


def _per_link(ip: Address) -> bool:
    return ip.version == 6 and ip.is_link_local


def _name(ip: Address, vlan: int | None) -> str:
    """What the address is called in the indexes: a link-local one on a VLAN has that behind it."""
    return f"{ip}%{vlan}" if vlan is not None and _per_link(ip) else str(ip)


def _address(name: str) -> Address:
    return ip_address(name.partition("%")[0])


def _put(history: list[Span], seen: Sighting, ip: str) -> tuple[Span, bool]:
    """The span that the sighting belongs to, and whether it is a new present."""
    if (known := lengthened(history, seen)) is not None:
        return known, False
    return put(history, Span(ip, seen.mac, seen.device, seen.port, seen.vlan, seen.at, seen.source, seen.lease))


def _newest(history: list[Span] | None, binding: Binding) -> Span | None:
    """The newest span, where the binding's end only lengthens it."""
    if not history:
        return None
    newest, place = history[-1], binding.attachment
    goes_on = newest.last <= binding.last_seen and newest.mac == binding.mac and newest.at(place.device, place.port)
    return newest if goes_on and not newest.belied else None


def _sighting(binding: Binding, at: float) -> Sighting:
    place = binding.attachment
    return Sighting(place.device, at, binding.mac, place.port, binding.ip, place.vlan, binding.source, binding.lease)


def _binding(realm: str, span: Span) -> Binding:
    ip = ip_address(span.ip) if span.ip else None
    return Binding(realm, ip, Mac(span.mac), span.place, span.first, span.last, span.source, span.lease)


def _identity(binding: Binding) -> tuple[str, str, str, str, str, float]:
    place = binding.attachment
    return (binding.realm, str(binding.ip), binding.mac, place.device, place.port, binding.first_seen)


def draining(stored: list[Binding]) -> Iterator[Binding]:
    """Each of them, in order, which leaves the list empty: for `Bindings.load`, where nobody needs them any more."""
    stored.reverse()
    while stored:
        yield stored.pop()
