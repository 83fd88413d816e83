"""What each switch acknowledged of ours, kept by the speaker, so that a switch that lost it gets it back at once, also while no controller
runs. What should be there is the controller's knowledge alone: this is only what it said last. Thread-safe."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from drivers.openflow.converge import add_order
from drivers.openflow.flows import Flow

Wire = Mapping[str, Any]


class Memory:
    """The flows and port flags of one switch."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flows: dict[int, dict[Hashable, Wire]] = defaultdict(dict)
        self._ports: dict[int, Wire] = {}

    def forget(self, messages: Iterable[Wire]) -> None:
        """Before removals are sent: what they name went away because we asked."""
        with self._lock:
            for message in messages:
                if message["kind"] == "uncookie":
                    self._flows.pop(message["cookie"], None)
                elif message["kind"] == "unflow":
                    self._flows[message["cookie"]].pop(_key(message), None)

    def remember(self, messages: Sequence[Wire], refused: Mapping[int, str]) -> None:
        """After the barrier: what the switch took."""
        with self._lock:
            for index, message in enumerate(messages):
                if index in refused:
                    continue
                if message["kind"] == "flow":
                    self._flows[message["cookie"]][_key(message)] = message
                elif message["kind"] == "port":
                    self._ports[message["number"]] = message

    def forget_port(self, number: int) -> None:
        """A port that was deleted took its flag along; the next one of that number may be another's."""
        with self._lock:
            self._ports.pop(number, None)

    def holds(self, cookie: int, table: int, priority: int, match: Wire) -> bool:
        """Whether this flow should stand, as far as we know."""
        with self._lock:
            return (table, priority, tuple(sorted(match.items()))) in self._flows.get(cookie, {})

    def replay(self) -> list[Wire]:
        """Everything, containment first and forwarding last."""
        with self._lock:
            ports = [message for message in self._ports.values() if message["no_fwd"]]
            flows = [message for kept in self._flows.values() for message in kept.values()]
        return ports + sorted(flows, key=lambda message: add_order(Flow.from_wire(message)))


def _key(message: Wire) -> Hashable:
    return message["table"], message["priority"], tuple(sorted(message["match"].items()))
