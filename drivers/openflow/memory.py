"""What each switch acknowledged of ours, kept by the speaker, so that a switch that lost it gets it back at once, also while no controller
runs. What should be there is the controller's knowledge alone: this is only what it said last. Thread-safe.

Ports are kept by name. A number is the switch's to give anew, for instance to a port that was deleted and added again, and what was meant
for one port must never meet another: the numbers are put in when something is replayed, from the ports as they are then, and what
names a port that is not there waits for it.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Container, Hashable, Iterable, Mapping
from typing import Any

from drivers.openflow.converge import add_order
from drivers.openflow.flows import Flow
from drivers.openflow.layout import ALONE, Layout

Wire = Mapping[str, Any]
Ports = Mapping[int, Wire]
"""A switch's ports as it describes them just now, by number."""


Sent = tuple[int, Hashable, Wire]
"""The index of a message that adds a flow, and how that is kept."""


def flows_of(messages: Iterable[Wire], ports: Ports) -> list[Sent]:
    """What is to be remembered of these messages once the switch has taken them. `ports` are those that they were numbered by. A bulk push
    has tens of thousands: this is done while the switch works on them."""
    added = [(index, _named(one, ports)) for index, one in enumerate(messages) if one["kind"] == "flow"]
    return [(index, _key(kept), kept) for index, kept in added]


class Memory:
    """The flows of one switch. A port's flag is not kept beside them: it is wanted where a flow stands that carries its rule's cookie."""

    def __init__(self, layout: Layout = ALONE) -> None:
        self._layout = layout
        self._lock = threading.Lock()
        self._flows: dict[int, dict[Hashable, Wire]] = defaultdict(dict)

    @property
    def size(self) -> int:
        """How many flows."""
        with self._lock:
            return sum(map(len, self._flows.values()))

    def forget(self, messages: Iterable[Wire], ports: Ports) -> None:
        """Before removals are sent: what they name went away because we asked."""
        with self._lock:
            for message in messages:
                if message["kind"] == "uncookie":
                    self._flows.pop(message["cookie"], None)
                elif message["kind"] == "unflow":
                    self._flows[message["cookie"]].pop(_key(_named(message, ports)), None)

    def remember(self, sent: Iterable[Sent], refused: Container[int]) -> None:
        """After the barrier: what the switch took."""
        with self._lock:
            for index, key, kept in sent:
                if index not in refused:
                    self._flows[kept["cookie"]][key] = kept

    def holds(self, cookie: int, table: int, priority: int, match: Wire, ports: Ports) -> bool:
        """Whether this flow should stand, as far as we know."""
        wanted = _key(_named({"table": table, "priority": priority, "match": match}, ports))
        with self._lock:
            return wanted in self._flows.get(cookie, {})

    def replay(self, ports: Ports) -> list[Wire]:
        """Everything that these ports can carry, containment first and forwarding last."""
        return self._numbered(self._kept(), ports)

    def replay_port(self, name: str, ports: Ports) -> list[Wire]:
        """What speaks of this port, which has just come, perhaps under another number than before."""
        return self._numbered([flow for flow in self._kept() if flow["match"].get("in_port") == name], ports)

    def _kept(self) -> list[Wire]:
        with self._lock:
            return [flow for flows in self._flows.values() for flow in flows.values()]

    def _numbered(self, kept: Iterable[Wire], ports: Ports) -> list[Wire]:
        """The flows as these ports are numbered, and before them the flags of the ports that must be silent."""
        by_name = {port["name"]: port for port in ports.values()}
        flows, flags = [], {}
        for flow in kept:
            name = flow["match"].get("in_port")
            if name is None:
                flows.append(flow)
            elif name in by_name:
                number = by_name[name]["number"]
                flows.append({**flow, "match": {**flow["match"], "in_port": number}})
                if self._layout.is_flag_marker(Flow.from_wire(flow)):
                    address = by_name[name]["hw_addr"]
                    flags[name] = {"kind": "port", "name": name, "number": number, "hw_addr": address, "no_fwd": True}
        return [*flags.values(), *sorted(flows, key=lambda message: add_order(Flow.from_wire(message)))]


def _named(message: Wire, ports: Ports) -> Wire:
    """The flow with its port by name; a number that no port has stays a stranger's."""
    number = message["match"].get("in_port")
    if number is None:
        return message
    name = ports[number]["name"] if number in ports else f"#{number}"
    return {**message, "match": {**message["match"], "in_port": name}}


def _key(message: Wire) -> Hashable:
    return message["table"], message["priority"], tuple(sorted(message["match"].items()))
