"""Everything that locating and proving look at, in one hand: graph, bindings and inventory. Reading it is pure; events keep
it up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from itertools import islice

from controller.config import Config
from controller.model import DEFAULT_REALM, Attachment, Endpoint, Peers
from controller.network.bindings import MACS_ON_PORT, Bindings
from controller.network.graph import NetworkGraph
from controller.network.guarded import may_be_protected
from controller.network.inventory import UNKNOWN_ASSET, Inventory
from controller.network.joined import JoinedMacs
from controller.network.looks import LooksBook
from controller.network.segments import declared
from controller.network.spans import Span
from controller.network.virtual_macs import shared_by
from drivers.base import Sighting
from drivers.rules import Mac, Network, PortName

CROSSING = 2.0
"""Seconds within which two switches tell of the same frame."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What is contained at a port: since when (seconds since the epoch), and whom its plans let pass beside it. `silent_since`: since when
    no frame that comes in there reaches anybody; None where some do."""

    since: float
    neighbours: frozenset[Mac] = frozenset()
    silent_since: float | None = None


@dataclass(slots=True)
class NetworkView:
    """`held` are the ports at which somebody is contained, by device and port."""

    graph: NetworkGraph
    bindings: Bindings
    inventory: Inventory
    realms: Mapping[str, str]
    max_age: float = 4 * 3600.0
    neighbour_age: float = 60.0
    held: dict[tuple[str, PortName], Holding] = field(default_factory=dict)
    looks: LooksBook = field(default_factory=LooksBook)
    joined: JoinedMacs = field(default_factory=JoinedMacs)
    _at_boxes_first: dict[tuple[str, Mac], Sighting] = field(default_factory=dict)

    @classmethod
    def from_config(cls, config: Config) -> NetworkView:
        graph = NetworkGraph(declared(config.network.bundles, config.network.boxes))
        for device in config.devices:
            graph.declare(device.id, device.management, device.management_port, device.uplinks)
        inventory = Inventory(config.assets, config.network, config.protected)
        realms = {device.id: device.realm for device in config.devices}
        settings = config.locate
        return cls(graph, Bindings(settings.max_age), inventory, realms, settings.max_age, settings.neighbour_age)

    def see(self, sighting: Sighting) -> None:
        """Take in what a device told. A MAC at an uplink is not attached there, nor is one at a box that it only came across: it sits at an
        edge port of another device behind that box."""
        if self.graph.is_uplink(sighting.device, sighting.port):
            return
        realm = self.realms.get(sighting.device, DEFAULT_REALM)
        if not self.graph.segments:
            self.bindings.see(realm, sighting)
        elif not self._comes_across(realm, sighting):
            self._see_among_segments(realm, sighting)

    def _see_among_segments(self, realm: str, sighting: Sighting) -> None:
        """A frame that crosses boxes is told of by two switches, and the far one may be the first to do so. When its own edge port is told
        of then, in the same moment, the other was no place of it. Had its frames come out of the boxes at this switch as well, they would
        have come from behind them: then it stays in doubt."""
        key = (realm, sighting.mac)
        new, first = not self.bindings.history_of_mac(*key), self._at_boxes_first.get(key)
        transit = self.graph.is_transit(Attachment(sighting.device, sighting.port))
        if not transit:
            self._at_boxes_first.pop(key, None)
            if first is not None and first.device != sighting.device and abs(first.at - sighting.at) <= CROSSING:
                there = self.at_one_place(first)
                self.bindings.forget_at(realm, sighting.mac, Attachment(there.device, there.port))
        elif first is not None and first.device != sighting.device:
            del self._at_boxes_first[key]
        if self.bindings.see(realm, self.at_one_place(sighting)) and new and transit:
            self._at_boxes_first[key] = sighting
            if len(self._at_boxes_first) > MACS_ON_PORT:
                del self._at_boxes_first[next(iter(self._at_boxes_first))]

    def at_one_place(self, sighting: Sighting) -> Sighting:
        """The same at the first port of the segment that it was seen at: between the cables of a bundle nobody moves."""
        if not self.graph.segments:
            return sighting
        here = Attachment(sighting.device, sighting.port)
        place = self.graph.one_place(here)
        return sighting if place is here else replace(sighting, device=place.device, port=place.port)

    def _comes_across(self, realm: str, sighting: Sighting) -> bool:
        """Whether it is known at an edge port of another device, whose frames take the way across these boxes. At an edge port of this very
        device its frames would not come back: that is doubt, and is kept."""
        here = Attachment(sighting.device, sighting.port)
        if not self.graph.is_transit(here):
            return False
        spans = self.bindings.history_of_mac(realm, sighting.mac)
        home = spans[-1].place if spans and spans[-1].last >= sighting.at - self.max_age else here
        return (
            home.device != here.device
            and self.graph.segment_at(home) is not self.graph.segment_at(here)
            and self.graph.port_is_up(home) is not False
        )

    def endpoint_at(
        self, realm: str, macs: frozenset[Mac], place: Attachment, now: float, there: Set[Mac] | None = None
    ) -> Endpoint:
        """The device with these MACs at this place, with all that is known of it as of `now`. `there` are the `separate_devices` of the
        place, where the caller has them: on a flooded port they are a thousand."""
        there = self.separate_devices(realm, place, now) if there is None else there
        ips = frozenset(ip for mac in macs for ip in self.bindings.ips_held_by(realm, mac))
        asset = self.inventory.asset(macs, ips)
        return Endpoint(
            macs=macs,
            ips=ips,
            attachment=place,
            realm=realm,
            neighbours=frozenset(there - macs),
            managed=asset.managed,
            type=asset.type,
            role=asset.role,
            owner=asset.owner,
            criticality=asset.criticality,
            looks=self.looks.of(realm, macs),
            listed="" if asset is UNKNOWN_ASSET else "ip" if asset.mac is None else "mac",
        )

    def separate_devices(self, realm: str, place: Attachment, now: float) -> set[Mac]:
        """The MACs at a place that count as devices of their own: listed as assets, or there for `neighbour_age` already. A MAC that turned
        up a moment ago is as likely the same device under another name, and gets no rights by it; nor does one that turned up while the
        port was held, however long ago that is, and whosever name it took. A virtual MAC (VRRP, HSRP) is another name, too."""
        there = self.bindings.on_place(realm, place, now - self.max_age)
        present = {mac: span for mac, span in there.items() if shared_by(mac) is None}
        held = self.held.get((place.device, place.port))
        if held is None:
            latest = now - self.neighbour_age
            return {mac for mac, span in present.items() if span.first <= latest or self.inventory.lists(mac)}
        latest = min(now, held.since) - self.neighbour_age
        return {mac for mac, span in present.items() if span.first <= latest or mac in held.neighbours}

    def heard_by_others(self, spans: Iterable[Span]) -> list[Span]:
        """Without those that began at a port from which nobody heard anything any more: who goes on speaking there has lost the address
        to whoever took it over."""

        def is_silent(span: Span) -> bool:
            held = self.held.get((span.device, PortName(span.port)))
            return held is not None and held.silent_since is not None and span.first >= held.silent_since

        return [span for span in spans if not is_silent(span)]

    def owners_of_virtual(self, realm: str, place: Attachment, at: float) -> dict[Mac, Span]:
        """Whose own MACs were at the place at that time: who spoke there under a virtual one."""
        found = {}
        for of_realm, name in self.bindings.on_port.get((place.device, place.port), {}):
            mac = Mac(name)
            if of_realm == realm and shared_by(mac) is None:
                before = [span for span in self.bindings.history_of_mac(realm, mac) if span.first <= at]
                if before and before[-1].at(place.device, place.port) and before[-1].last >= at - self.max_age:
                    found[mac] = before[-1]
        return found

    def attached_to(self, realm: str, devices: Iterable[str], now: float, most: int) -> dict[Mac, Attachment]:
        """Who is at the edge ports of these devices now: at most so many, of the first devices first."""
        found: dict[Mac, Attachment] = {}
        for device in devices:
            node = self.graph.devices.get(device)
            ports = () if node is None else [one for one in node.interfaces if (device, one) in self.bindings.on_port]
            for port in ports:
                place = Attachment(device, port)
                found |= dict.fromkeys(self.bindings.on_place(realm, place, now - self.max_age), place)
                if len(found) >= most:
                    return dict(islice(found.items(), most))
        return found

    def devices_of_protected(self, realm: str, now: float) -> frozenset[str]:
        """The devices at which something protected, or a router, is now."""
        histories = ((mac, self.bindings.history_of_mac(realm, mac)) for mac in may_be_protected(self, realm))
        return frozenset(
            spans[-1].device
            for mac, spans in histories
            if spans and spans[-1].last >= now - self.max_age and self._is_protected(realm, mac, spans)
        )

    def _is_protected(self, realm: str, mac: Mac, spans: list[Span]) -> bool:
        ips, place = self.bindings.ips_held_by(realm, mac), spans[-1].place
        role = self.inventory.asset({mac}, ips).role
        return self.inventory.protection({mac}, ips, self.graph.names(place), role) is not None

    def realm_of(self, place: Attachment) -> str:
        """The realm that a place belongs to; sites and VRFs are declared per device."""
        return self.realms.get(place.device, DEFAULT_REALM)

    def is_router(self, realm: str, mac: Mac) -> str | None:
        """The router's name when this MAC is one: listed, or the established holder of a router's listed address."""
        held = next((ip for ip in self.bindings.ips_held_by(realm, mac) if self.inventory.router_name(None, ip)), None)
        return self.inventory.router_name(mac, held)

    def addresses_of(self, realm: str) -> Callable[[Peers], tuple[Network, ...]]:
        """Whom a profile's peers are now: a role is the listed addresses of its assets, and what their listed MACs hold."""

        def known(peers: Peers) -> tuple[Network, ...]:
            found = list(peers.prefixes)
            for role in peers.roles:
                for asset in self.inventory.with_role(role):
                    held = () if asset.mac is None else self.bindings.ips_held_by(realm, asset.mac)
                    own = sorted(str(ip) for ip in {*held, *((asset.ip,) if asset.ip else ())})
                    found += [ip_network(ip) for ip in own]
            return tuple(dict.fromkeys(found))

        return known

    def recent_endpoints(self, now: float, most: int) -> list[Endpoint]:
        """At most `most` devices, those heard of last first; of neighbours nothing is said."""
        nobody: frozenset[Mac] = frozenset()
        return [
            self.endpoint_at(realm, frozenset({Mac(mac)}), span.place, now, nobody)
            for (realm, mac), span in islice(self.bindings.recent(), most)
            if span.last >= now - self.max_age
        ]

    def endpoints(self, now: float) -> Iterator[Endpoint]:
        """Every device that was seen within `max_age`, each at its latest place; one with several MACs where it was heard last."""
        there: dict[tuple[str, Attachment], set[Mac]] = {}
        for (realm, mac), spans in self.bindings.by_mac.items():
            if spans[-1].last >= now - self.max_age:
                macs = self.joined.with_(realm, {Mac(mac)})
                if len(macs) > 1 and mac != self._heard_last(realm, macs):
                    continue
                where = realm, spans[-1].place
                if where not in there:
                    there[where] = self.separate_devices(*where, now)
                yield self.endpoint_at(realm, macs, where[1], now, there[where])

    def _heard_last(self, realm: str, macs: Iterable[Mac]) -> Mac:
        """Of several MACs, of which at least one was seen."""
        last = {mac: spans[-1].last for mac in macs if (spans := self.bindings.history_of_mac(realm, mac))}
        return max(last, key=lambda mac: (last[mac], mac))
