"""One modelled switch: its ports, its flow tables, and the forwarding of an ordinary switch that NORMAL means. No I/O.

It does what Open vSwitch does as far as Netcordon can tell the two apart: frames go by the tables; NORMAL learns senders' addresses and
floods what it does not know; nothing comes out of a port with NO_FWD, nothing gets in at one with NO_RECV; without flows it forwards
nothing (fail mode `secure`). A decision holds from the next frame on: there is no cache behind the tables that could lag.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from topologies.openflow.headers import ETH_DST, ETH_SRC, IN_PORT, Fields, read, vlan_of
from topologies.openflow.table import PORT_MOD_FAILED, Entry, FlowTables, Refused

PORT_DOWN, NO_RECV, NO_FWD = 1 << 0, 1 << 2, 1 << 5
LINK_DOWN = 1 << 0
OFPP_MAX, OFPP_IN_PORT, OFPP_TABLE, OFPP_NORMAL, OFPP_FLOOD = 0xFFFFFF00, 0xFFFFFFF8, 0xFFFFFFF9, 0xFFFFFFFA, 0xFFFFFFFB
OFPP_ALL, OFPP_CONTROLLER, OFPP_LOCAL = 0xFFFFFFFC, 0xFFFFFFFD, 0xFFFFFFFE
_GROUP_BIT = 1 << 40
_BRIDGE_GROUP, _BRIDGE_GROUP_MASK = 0x0180C2000000, 0xFFFFFFFFFFF0
"""Addresses that no bridge forwards (IEEE 802.1D table 7-10)."""


@dataclass
class Port:
    """`config` holds OpenFlow's bits (§7.2.1). Counters are of frames and octets."""

    number: int
    name: str
    hw_addr: str
    config: int = 0
    rx: list[int] = field(default_factory=lambda: [0, 0])
    tx: list[int] = field(default_factory=lambda: [0, 0])


class Punt(NamedTuple):
    """A frame for the controller, and by which entry (None: the controller's own packet)."""

    frame: bytes
    in_port: int
    table: int
    cookie: int


class Rate:
    """So many a second, and as many at once; None: any number."""

    def __init__(self) -> None:
        self.per_second: int | None = None
        self._left, self._at = 0.0, 0.0

    def set(self, per_second: int | None) -> None:
        self.per_second, self._left, self._at = per_second, float(per_second or 0), time.monotonic()

    def admits(self) -> bool:
        if self.per_second is None:
            return True
        now = time.monotonic()
        self._left = min(self.per_second, self._left + (now - self._at) * self.per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Switch:
    """`deliver` is called with (port number, frame) for what comes out, `punt` for what the controller gets. Not thread-safe."""

    def __init__(self, name: str, dpid: int) -> None:
        self.name, self.dpid = name, dpid
        self.ports: dict[int, Port] = {}
        self.tables = FlowTables()
        self.punts = Rate()
        self.on = True
        self.deliver: Callable[[int, bytes], None] = lambda port, frame: None
        self.punt: Callable[[Punt], None] = lambda punt: None
        self._learnt: dict[tuple[int, int], int] = {}

    def add_port(self, port: Port) -> None:
        self.ports[port.number] = port

    def remove_port(self, number: int) -> Port:
        self._learnt = {who: where for who, where in self._learnt.items() if where != number}
        return self.ports.pop(number)

    def unused_number(self) -> int:
        """One above the highest."""
        return max(self.ports) + 1

    def forget_everything(self) -> None:
        """What is lost with a restart: flows, meters, learnt addresses, ports' flags and counters."""
        self.tables, self.punts, self._learnt = FlowTables(), Rate(), {}
        for port in self.ports.values():
            port.config, port.rx, port.tx = 0, [0, 0], [0, 0]

    def configure(self, number: int, hw_addr: str, config: int, mask: int) -> None:
        """A port-mod message (§7.3.4.3). Raises Refused."""
        port = self.ports.get(number)
        if port is None:
            raise Refused(PORT_MOD_FAILED, 0)
        if port.hw_addr != hw_addr:
            raise Refused(PORT_MOD_FAILED, 1)
        port.config = port.config & ~mask | config & mask

    def receive(self, number: int, frame: bytes) -> None:
        """A frame comes in at a port."""
        port = self.ports.get(number)
        if port is None or not self.on:
            return
        port.rx[0] += 1
        port.rx[1] += len(frame)
        if not port.config & (NO_RECV | PORT_DOWN):
            self.through_the_tables(number, frame)

    def through_the_tables(self, number: int, frame: bytes) -> None:
        fields: Fields = {IN_PORT: number, **read(frame)}
        outcome = self.tables.become_of(fields)
        for entry in outcome.by:
            entry.packets += 1
            entry.octets += len(frame)
        for port, entry in outcome.outputs:
            self.put_out(port, number, frame, fields, entry)

    def put_out(
        self, port: int, in_port: int, frame: bytes, fields: Fields | None = None, by: Entry | None = None
    ) -> None:
        """One output action. `fields`: what was read in the frame, where that is known."""
        if port == OFPP_NORMAL:
            self._normally(in_port, frame, {IN_PORT: in_port, **read(frame)} if fields is None else fields)
        elif port == OFPP_CONTROLLER:
            if self.punts.admits():
                self.punt(Punt(frame, in_port, by.table if by else 0, by.cookie if by else 0))
        elif port in (OFPP_FLOOD, OFPP_ALL):
            self._flood(in_port, frame)
        elif port == OFPP_TABLE:
            self.through_the_tables(in_port, frame)
        else:
            self._out(in_port if port == OFPP_IN_PORT else port, frame)

    def _normally(self, in_port: int, frame: bytes, fields: Fields) -> None:
        vlan, source, destination = vlan_of(fields), fields.get(ETH_SRC, _GROUP_BIT), fields.get(ETH_DST, 0)
        if not source & _GROUP_BIT:
            self._learnt[vlan, source] = in_port
        if destination & _BRIDGE_GROUP_MASK == _BRIDGE_GROUP:
            return
        known = None if destination & _GROUP_BIT else self._learnt.get((vlan, destination))
        if known is None:
            self._flood(in_port, frame)
        elif known != in_port:
            self._out(known, frame)

    def _flood(self, in_port: int, frame: bytes) -> None:
        for number in [number for number in self.ports if number != in_port]:
            self._out(number, frame)

    def _out(self, number: int, frame: bytes) -> None:
        port = self.ports.get(number)
        if port is None or port.config & (NO_FWD | PORT_DOWN):
            return
        port.tx[0] += 1
        port.tx[1] += len(frame)
        self.deliver(number, frame)
