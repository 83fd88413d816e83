"""A switch that nobody manages: it forwards by the MACs that it has learnt, and speaks with no controller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from topologies.openflow.switch import Port


@dataclass
class Box:
    """`deliver` gets what comes out: a port's number, and the frame."""

    name: str
    dpid: int
    deliver: Callable[[int, bytes], None] = lambda port, frame: None
    ports: dict[int, Port] = field(default_factory=dict)
    _learnt: dict[bytes, int] = field(default_factory=dict)

    def add_port(self, port: Port) -> None:
        self.ports[port.number] = port

    def receive(self, number: int, frame: bytes) -> None:
        """To where its destination was heard last; else, and to a group, to everybody but the sender. What 802.1Q reserves for a bridge's
        own neighbours (01:80:c2:00:00:00 to 0f) goes no further."""
        to, source = frame[:6], frame[6:12]
        if not source[0] & 1:
            self._learnt[source] = number
        if to[:5] == b"\x01\x80\xc2\x00\x00" and to[5] < 0x10:
            return
        known = None if to[0] & 1 else self._learnt.get(to)
        for out in self.ports if known is None else (known,):
            if out != number:
                self.deliver(out, frame)
