"""The topology: managed devices, the cables between them, and every port is an edge port until something managed was found behind it.
Kept up to date as events come in, so that asking is a dictionary look-up; as a networkx graph where algorithms ask for one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from controller.model import Attachment
from controller.network.segments import Segment, Segments
from drivers.base import DeviceFacts, Interface, Management, Neighbour
from drivers.rules import Mac, PortName

if TYPE_CHECKING:
    import networkx as nx

SETTLING = 3.0
"""Seconds that a new session or a port that came up gets for its neighbour to show itself. A neighbour that is ours does so within a
tenth of a second (tried); the rest is margin for a flood."""


@dataclass(slots=True)
class DeviceNode:
    """A managed device as last seen. `declared`: `management` is the configuration's word, and stays. `management_port` is set where
    management is in-band and its port is known. `links` are the far ends by port, as found; `unconfirmed` those of them that a newer
    session, begun at the given time, has not found again. `since`: when the present session began. `up_at`: when a port came up that may
    have a switch behind it; `came_at`, `down_at`: when a port's link came and went last, whatever is behind it;
    `down_since`: since when it may have been down, where the device was only looked at."""

    id: str
    description: str = ""
    management: Management = Management.UNKNOWN
    declared: bool = False
    management_port: PortName | None = None
    boot_id: str = ""
    up: bool = False
    interfaces: dict[PortName, Interface] = field(default_factory=dict)
    declared_uplinks: set[PortName] = field(default_factory=set)
    links: dict[PortName, tuple[str, PortName]] = field(default_factory=dict)
    unconfirmed: dict[PortName, float] = field(default_factory=dict)
    since: float = 0.0
    up_at: dict[PortName, float] = field(default_factory=dict)
    came_at: dict[PortName, float] = field(default_factory=dict)
    was_uplink: set[PortName] = field(default_factory=set)
    down_at: dict[PortName, float] = field(default_factory=dict)
    down_since: dict[PortName, float] = field(default_factory=dict)


class NetworkGraph:
    """Devices, links and ports. Not thread-safe: one event loop owns it."""

    def __init__(self, segments: Segments | None = None) -> None:
        self.devices: dict[str, DeviceNode] = {}
        self.segments = Segments() if segments is None else segments
        self._called: dict[str, set[str]] = defaultdict(set)

    def declare(
        self, device: str, management: Management | None, management_port: str | None, uplinks: Iterable[str]
    ) -> DeviceNode:
        """What the configuration says of a device; it outweighs what is found out later. What is left out stays as it is."""
        node = self._node(device)
        if management is not None:
            node.management, node.declared = management, True
        if management_port is not None:
            node.management_port = PortName(management_port)
        node.declared_uplinks |= {PortName(port) for port in uplinks}
        return node

    def learn(self, facts: DeviceFacts) -> list[Attachment]:
        """Take in a device's own facts. Returns the ports that turned out to be uplinks just now. A link that was found before a new
        session and not again goes: at once with its port, else when `forget_links` finds it not renewed."""
        node = self._node(facts.device)
        before, again = node.interfaces, {neighbour.port for neighbour in facts.neighbours}
        self._call(node, facts.description or node.description)
        node.boot_id = facts.boot_id
        node.since = facts.since
        if not node.declared:
            node.management = facts.management
        node.interfaces = {interface.name: interface for interface in facts.interfaces}
        for port in [port for port in node.links if port not in again]:
            if not _may_be_the_same(before.get(port), node.interfaces.get(port)):
                self._unlink(facts.device, port)
            elif facts.since:
                node.unconfirmed.setdefault(port, facts.since)
        return [
            new
            for neighbour in facts.neighbours
            for new in self.link(facts.device, neighbour.port, neighbour.device, neighbour.device_port)
        ]

    def link(self, a: str, a_port: PortName, b: str, b_port: PortName) -> list[Attachment]:
        """A cable between two managed devices. Returns the ports that became uplinks by it."""
        found = []
        for (device, port), far in (((a, a_port), (b, b_port)), ((b, b_port), (a, a_port))):
            node = self._node(device)
            if not self.is_uplink(device, port):
                found.append(Attachment(device, port))
            if node.links.get(port) != far:
                self._unlink(device, port)
            node.links[port] = far
            node.unconfirmed.pop(port, None)
        return found

    def link_at(self, place: Attachment) -> Attachment | None:
        """The managed port at the other end of the cable there, where one is known."""
        far = self.devices[place.device].links.get(place.port) if place.device in self.devices else None
        return None if far is None else Attachment(*far)

    def forget_links(self, before: float) -> None:
        """Links that have waited since before then to be found again under a new session are no links any more."""
        for node in self.devices.values():
            for port in [port for port, since in node.unconfirmed.items() if since < before]:
                self._unlink(node.id, port)

    def set_port(
        self,
        device: str,
        port: PortName,
        *,
        up: bool,
        at: float,
        number: int | None = None,
        mac: Mac | None = None,
        since: float | None = None,
    ) -> None:
        """A port's link came or went at `at` (seconds since the epoch), or at any moment from `since` on. What was plugged in there may be
        something else now. `number` and `mac` as the device tells them; None leaves what is known."""
        node = self._node(device)
        known = node.interfaces.get(port)
        if not up and (known is None or known.up):
            node.down_at[port] = at
            node.down_since[port] = at if since is None else min(since, at)
            (node.was_uplink.add if port in node.links else node.was_uplink.discard)(port)
            self._unlink(device, port)
        elif not up and since is not None and port in node.down_since:  # a read-back was quicker, and knew less
            node.down_since[port] = min(node.down_since[port], max(since, node.came_at.get(port, since)))
        if up and (known is None or not known.up):
            node.came_at[port] = at
            if known is None or port in node.was_uplink:
                node.up_at[port] = at
        if known is not None:
            number, mac = known.number if number is None else number, known.mac if mac is None else mac
        node.interfaces[port] = Interface(port, number, mac, up)

    def remove_port(self, device: str, port: PortName, *, at: float, since: float | None = None) -> None:
        """The port is no more. One that comes back under its name later is a new one."""
        self.set_port(device, port, up=False, at=at, since=since)
        del self._node(device).interfaces[port]

    def is_uplink(self, device: str, port: PortName) -> bool:
        node = self.devices.get(device)
        if node is None:
            return False
        interface = node.interfaces.get(port)
        number = None if interface is None or interface.number is None else PortName(str(interface.number))
        return port in node.links or port in node.declared_uplinks or number in node.declared_uplinks

    def segment_at(self, place: Attachment) -> Segment | None:
        """The bundle or the boxes that the port leads to, where people declared any."""
        return self.segments.at(self.names(place)) if self.segments else None

    def places_of(self, segment: Segment) -> tuple[Attachment, ...]:
        """The segment's ports as they are written, as far as their devices are known."""
        found: dict[Attachment, None] = {}
        for device, port in segment.ports:
            id = self.find_device(device)
            name = None if id is None else self.find_port(id, port)
            if id is not None and name is not None:
                found[Attachment(id, name)] = None
        return tuple(found)

    def one_place(self, place: Attachment) -> Attachment:
        """The port itself; of one that leads to a segment the segment's first: whoever is there is at one place, whichever of its ports a
        frame came in at."""
        segment = self.segment_at(place)
        places = () if segment is None else self.places_of(segment)
        return replace(places[0], vlan=place.vlan) if places else place

    def is_transit(self, place: Attachment) -> bool:
        """Whether boxes are behind the port that other managed devices are behind as well: who is seen there may sit at any of them."""
        segment = self.segment_at(place)
        return (
            segment is not None
            and not segment.is_bundle
            and any(one.device != place.device for one in self.places_of(segment))
        )

    def unsettled_for(self, place: Attachment, now: float) -> float:
        """For how many seconds more it is open whether a switch is behind the port: its device connected, or the port is new or was an
        uplink and came up again, a moment ago. 0 when enough time has passed; a known edge port that bounces gains none by it."""
        node = self.devices.get(place.device)
        if node is None:
            return 0.0
        return max(0.0, max(node.since, node.up_at.get(place.port, 0.0)) + SETTLING - now)

    def port_is_up(self, place: Attachment) -> bool | None:
        """Whether the link is up; None when the port is not known."""
        node = self.devices.get(place.device)
        interface = None if node is None else node.interfaces.get(place.port)
        return None if interface is None else interface.up

    def link_times(self, place: Attachment) -> tuple[float | None, float | None]:
        """When the port's link came and when it went last (seconds since the epoch), where that was heard."""
        node = self.devices.get(place.device)
        return (None, None) if node is None else (node.came_at.get(place.port), node.down_at.get(place.port))

    def pulled_at(self, place: Attachment) -> float | None:
        """The earliest moment at which the port's link can have gone the last time, where that was heard."""
        node = self.devices.get(place.device)
        return None if node is None else node.down_since.get(place.port)

    def port_is_gone(self, place: Attachment) -> bool:
        """Whether the device, which is here to tell, has no such port."""
        node = self.devices.get(place.device)
        return node is not None and node.up and bool(node.interfaces) and place.port not in node.interfaces

    def went_down_between(self, place: Attachment, start: float, end: float) -> bool:
        """Whether the port's last loss of link lies in [start, end]: a cable that was pulled explains a move."""
        node = self.devices.get(place.device)
        down_at = None if node is None else node.down_at.get(place.port)
        return down_at is not None and start <= down_at <= end

    def find_device(self, name: str) -> str | None:
        """A device by its id or, where that is unique, by what it calls itself ("s1")."""
        if name in self.devices:
            return name
        named = self._called.get(name, set())
        return next(iter(named)) if len(named) == 1 else None

    def find_port(self, device: str, name: str) -> PortName | None:
        """A port by its canonical name or its number."""
        interfaces = self.devices[device].interfaces
        if PortName(name) in interfaces:
            return PortName(name)
        return next((i.name for i in interfaces.values() if name.isdecimal() and i.number == int(name)), None)

    def neighbours(self, device: str) -> list[Neighbour]:
        """The managed devices behind its uplinks."""
        links = self.devices[device].links if device in self.devices else {}
        return [Neighbour(port, far, far_port) for port, (far, far_port) in sorted(links.items())]

    def names(self, place: Attachment) -> set[str]:
        """Every way to write the place: the device by its id or its own name, the port by its name or its number."""
        node = self.devices.get(place.device)
        interface = None if node is None else node.interfaces.get(place.port)
        devices = {place.device, (node and node.description) or place.device}
        ports = {str(place.port), str(interface.number if interface and interface.number is not None else place.port)}
        return {f"{device}:{port}" for device in devices for port in ports}

    def called(self, devices: Collection[str]) -> set[str]:
        """These devices by their ids and by what they call themselves."""
        known = (self.devices.get(device) for device in devices)
        return {*devices, *(node.description for node in known if node is not None and node.description)}

    def label(self, place: Attachment) -> str:
        """The place as a person calls it: s1:s1-eth3."""
        node = self.devices.get(place.device)
        return f"{(node and node.description) or place.device}:{place.port}"

    def topology(self) -> nx.MultiGraph[str]:
        """Devices and boxes are nodes, cables edges, keyed by their two ends, as things stand now: a copy. A node has its `kind` ("device"
        or "boxes"), an edge the port at each end that is a device's (`ends`). Boxes have the name of their segment."""
        import networkx as nx  # a sixth of a start's processor time, and no start needs it

        topology: nx.MultiGraph[str] = nx.MultiGraph()
        topology.add_nodes_from(self.devices, kind="device")
        for device, node in self.devices.items():
            for port, far in node.links.items():  # from its other end again: the same key
                topology.add_edge(device, far[0], key=_key((device, port), far), ends={device: port, far[0]: far[1]})
        for segment in self.segments.all:
            if not segment.is_bundle:
                topology.add_node(segment.name, kind="boxes")
                for place in self.places_of(segment):
                    key = (str(place), segment.name)
                    topology.add_edge(place.device, segment.name, key=key, ends={place.device: place.port})
        return topology

    def _node(self, device: str) -> DeviceNode:
        if device not in self.devices:
            self.devices[device] = DeviceNode(device)
        return self.devices[device]

    def _call(self, node: DeviceNode, description: str) -> None:
        """Ten thousand switches are not walked over for one that somebody wrote by its name."""
        self._called[node.description].discard(node.id)
        node.description = description
        self._called[description].add(node.id)

    def _unlink(self, device: str, port: PortName) -> None:
        far = self.devices[device].links.get(port)
        if far is None:
            return
        for one, at in ((device, port), far):
            self.devices[one].links.pop(at, None)
            self.devices[one].unconfirmed.pop(at, None)


def _key(one: tuple[str, PortName], other: tuple[str, PortName]) -> tuple[str, str]:
    first, second = sorted((f"{one[0]}|{one[1]}", f"{other[0]}|{other[1]}"))
    return first, second


def _may_be_the_same(before: Interface | None, after: Interface | None) -> bool:
    return before is None or (after is not None and before.mac == after.mac)
