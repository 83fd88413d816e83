"""The topology as a networkx graph: managed devices are nodes, cables between them are edges, and every port is an edge port until
something managed was found behind it. Kept up to date as events come in, so that asking is a dictionary look-up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import networkx as nx

from controller.model import Attachment
from drivers.base import DeviceFacts, Interface, Management, Neighbour
from drivers.rules import PortName


@dataclass(slots=True)
class DeviceNode:
    """A managed device as last seen. `declared`: `management` is the configuration's word, and stays. `management_port` is set where
    management is in-band and its port is known."""

    id: str
    description: str = ""
    management: Management = Management.UNKNOWN
    declared: bool = False
    management_port: PortName | None = None
    boot_id: str = ""
    up: bool = False
    interfaces: dict[PortName, Interface] = field(default_factory=dict)
    uplinks: set[PortName] = field(default_factory=set)
    down_at: dict[PortName, float] = field(default_factory=dict)


class NetworkGraph:
    """Devices, links and ports. Not thread-safe: one event loop owns it."""

    def __init__(self) -> None:
        self.graph: nx.MultiGraph[str] = nx.MultiGraph()
        self.devices: dict[str, DeviceNode] = {}

    def declare(
        self, device: str, management: Management | None, management_port: str | None, uplinks: Iterable[str]
    ) -> DeviceNode:
        """What the configuration says of a device; it outweighs what is found out later. What is left out stays as it is."""
        node = self._node(device)
        if management is not None:
            node.management, node.declared = management, True
        if management_port is not None:
            node.management_port = PortName(management_port)
        node.uplinks |= {PortName(port) for port in uplinks}
        return node

    def learn(self, facts: DeviceFacts) -> list[Attachment]:
        """Take in a device's own facts. Returns the ports that turned out to be uplinks just now."""
        node = self._node(facts.device)
        node.description = facts.description or node.description
        node.boot_id = facts.boot_id
        if not node.declared:
            node.management = facts.management
        node.interfaces = {interface.name: interface for interface in facts.interfaces}
        return [
            new
            for neighbour in facts.neighbours
            for new in self.link(facts.device, neighbour.port, neighbour.device, neighbour.device_port)
        ]

    def link(self, a: str, a_port: PortName, b: str, b_port: PortName) -> list[Attachment]:
        """A cable between two managed devices. Returns the ports that became uplinks by it."""
        key = tuple(sorted((f"{a}|{a_port}", f"{b}|{b_port}")))
        self._node(a), self._node(b)
        self.graph.add_edge(a, b, key=key)
        found = []
        for device, port in ((a, a_port), (b, b_port)):
            if port not in self.devices[device].uplinks:
                self.devices[device].uplinks.add(port)
                found.append(Attachment(device, port))
        return found

    def set_port(self, device: str, port: PortName, *, up: bool, at: float) -> None:
        """A port's link came or went at `at` (seconds since the epoch)."""
        node = self._node(device)
        known = node.interfaces.get(port)
        if not up and (known is None or known.up):
            node.down_at[port] = at
        number, mac = (known.number, known.mac) if known else (None, None)
        node.interfaces[port] = Interface(port, number, mac, up)

    def is_uplink(self, device: str, port: PortName) -> bool:
        node = self.devices.get(device)
        return node is not None and port in node.uplinks

    def port_is_up(self, place: Attachment) -> bool | None:
        """Whether the link is up; None when the port is not known."""
        node = self.devices.get(place.device)
        interface = None if node is None else node.interfaces.get(place.port)
        return None if interface is None else interface.up

    def went_down_between(self, place: Attachment, start: float, end: float) -> bool:
        """Whether the port's last loss of link lies in [start, end]: a cable that was pulled explains a move."""
        node = self.devices.get(place.device)
        down_at = None if node is None else node.down_at.get(place.port)
        return down_at is not None and start <= down_at <= end

    def find_device(self, name: str) -> str | None:
        """A device by its id or, where that is unique, by what it calls itself ("s1")."""
        if name in self.devices:
            return name
        named = [node.id for node in self.devices.values() if node.description == name]
        return named[0] if len(named) == 1 else None

    def find_port(self, device: str, name: str) -> PortName | None:
        """A port by its canonical name or its number."""
        interfaces = self.devices[device].interfaces
        if PortName(name) in interfaces:
            return PortName(name)
        return next((i.name for i in interfaces.values() if name.isdecimal() and i.number == int(name)), None)

    def neighbours(self, device: str) -> list[Neighbour]:
        """The managed devices behind its uplinks."""
        found = []
        for _, other, key in self.graph.edges(device, keys=True):
            ends = dict(end.split("|", 1) for end in key)
            found.append(Neighbour(PortName(ends[device]), other, PortName(ends[other])))
        return found

    def names(self, place: Attachment) -> set[str]:
        """Every way to write the place: the device by its id or its own name, the port by its name or its number."""
        node = self.devices.get(place.device)
        interface = None if node is None else node.interfaces.get(place.port)
        devices = {place.device, (node and node.description) or place.device}
        ports = {str(place.port), str(interface.number if interface and interface.number is not None else place.port)}
        return {f"{device}:{port}" for device in devices for port in ports}

    def label(self, place: Attachment) -> str:
        """The place as a person calls it: s1:s1-eth3."""
        node = self.devices.get(place.device)
        return f"{(node and node.description) or place.device}:{place.port}"

    def _node(self, device: str) -> DeviceNode:
        if device not in self.devices:
            self.devices[device] = DeviceNode(device)
            self.graph.add_node(device)
        return self.devices[device]
