"""A plan standing as a modelled network: every frame that a host sends goes through the switches at once, from port to port."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from topologies.openflow.box import Box
from topologies.openflow.session import PORT_ADDED, PORT_DELETED, Session
from topologies.openflow.switch import Port, Switch
from topologies.openflow.table import twice
from topologies.plan import Host, NetworkPlan

HERE = "127.0.0.1"
Place = tuple[str, int]
"""A switch and a port of it."""
Undo = Callable[[], None]


@dataclass
class ModelNetwork:
    """`attach` gives a host its ear. All of it is under one lock; frames that frames give rise to are handed on in the order in which they
    were sent."""

    plan: NetworkPlan
    controller: tuple[str, int]
    lock: threading.RLock = field(default_factory=threading.RLock)
    switches: dict[str, Switch] = field(default_factory=dict)
    boxes: dict[str, Box] = field(default_factory=dict)
    _sessions: dict[str, Session] = field(default_factory=dict)
    _cables: dict[Place, Place] = field(default_factory=dict)
    _hosts: dict[Place, str] = field(default_factory=dict)
    _places: dict[str, Place] = field(default_factory=dict)
    _ears: dict[str, Callable[[bytes], None]] = field(default_factory=dict)
    _under_way: deque[Callable[[], None]] = field(default_factory=deque)
    _delivering: bool = False

    def __post_init__(self) -> None:
        for one in self.plan.switches:
            switch = self.switches[one.name] = Switch(one.name, one.dpid)
            switch.deliver = lambda port, frame, name=one.name: self._come_out((name, port), frame)  # type: ignore[misc]
            self._sessions[one.name] = Session(switch, self.lock, self.controller)
        for box in self.plan.boxes:
            made = self.boxes[box.name] = Box(box.name, box.dpid)
            made.deliver = lambda port, frame, name=box.name: self._come_out((name, port), frame)  # type: ignore[misc]
        for host in self.plan.hosts:
            self._plug_in(host.name, (host.switch, host.port))
        for link in self.plan.links:
            a, b = (link.a, link.a_port), (link.b, link.b_port)
            self._cables |= {a: b, b: a}
            for end in (a, b):
                self._at(end[0]).add_port(self._port(end))

    def _at(self, name: str) -> Switch | Box:
        return self.switches.get(name) or self.boxes[name]

    def _port(self, place: Place, address: str | None = None) -> Port:
        name, number = place
        made = (b"\x02\x4e" + self._at(name).dpid.to_bytes(8, "big")[-2:] + number.to_bytes(2, "big")).hex(":")
        return Port(number, f"{name}-eth{number}", address or made)

    def _plug_in(self, host: str, place: Place) -> None:
        self._sit(host, place)
        self._at(place[0]).add_port(self._port(place))

    def _sit(self, host: str, place: Place) -> None:
        self._hosts[place], self._places[host] = host, place

    def attach(self, host: str, ear: Callable[[bytes], None]) -> None:
        """`ear` gets every frame that comes to this host."""
        self._ears[host] = ear

    def place_of(self, host: str) -> Place | None:
        return self._places.get(host)

    def send(self, host: str, frame: bytes) -> bool:
        """A frame leaves this host; False: its cable is in nobody's port. When this returns (outside of an ear) it is where it comes to."""
        with self.lock:
            place = self.place_of(host)
            if place is None:
                return False
            self._enter(place, frame)
            return True

    def _enter(self, place: Place, frame: bytes) -> None:
        self._under_way.append(lambda: self._at(place[0]).receive(place[1], frame))
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._under_way:
                self._under_way.popleft()()
        finally:
            self._delivering = False

    def _come_out(self, place: Place, frame: bytes) -> None:
        if (far := self._cables.get(place)) is not None:
            self._enter(far, frame)
        elif (host := self._hosts.get(place)) is not None and host in self._ears:
            self._ears[host](frame)

    # --- a hand at the switches themselves ----------------------------------------------------------------------------

    def wipe(self, switch: str) -> None:
        """All flows are gone, by somebody else's hand; the controller is told of each (§6.4)."""
        with self.lock:
            there = self.switches[switch]
            gone, there.tables = there.tables.entries, type(there.tables)()
            self._sessions[switch].tell_removed(gone)

    def restart(self, switch: str, outage: float) -> None:
        with self.lock:
            there = self.switches[switch]
            there.on = False
            there.forget_everything()
            self._sessions[switch].drop()
        time.sleep(outage)
        with self.lock:
            there.on = True

    def readd(self, host: Host) -> Undo:
        place = self._where(host)
        return self._renumber(place, (place[0], self.switches[place[0]].unused_number()))

    def _where(self, host: Host) -> Place:
        place = self.place_of(host.name)
        if place is None:
            raise ValueError(f"{host.name} is plugged in nowhere")
        return place

    def _renumber(self, now: Place, to: Place) -> Undo:
        """The same port, name and address, by another number."""
        with self.lock:
            switch, session = self.switches[now[0]], self._sessions[now[0]]
            gone = switch.remove_port(now[1])
            session.tell_port(PORT_DELETED, gone)
            switch.add_port(Port(to[1], gone.name, gone.hw_addr))
            self._sit(self._hosts.pop(now), to)
            session.tell_port(PORT_ADDED, switch.ports[to[1]])

        def back() -> None:
            self._renumber(to, now)

        return back

    def replug(self, now: Place, to: Place) -> Undo:
        """A host's cable out of one port and into another. What stays behind is a port with nobody at its other end."""
        with self.lock:
            host, cable = self._hosts[now], self._pull(now)
            self._put(now, self._port(now, "02:4e:ff" + cable.hw_addr[8:]))
            self._sit(host, to)
            self._put(to, self._port(to, cable.hw_addr))

        def back() -> None:
            with self.lock:
                self._pull(to)
                self._take_out(now)
                self._sit(host, now)
                self._put(now, self._port(now, cable.hw_addr))

        return back

    def _pull(self, place: Place) -> Port:
        """The host at it hears nothing more."""
        del self._places[self._hosts.pop(place)]
        return self._take_out(place)

    def _take_out(self, place: Place) -> Port:
        port = self.switches[place[0]].remove_port(place[1])
        self._sessions[place[0]].tell_port(PORT_DELETED, port)
        return port

    def _put(self, place: Place, port: Port) -> None:
        self.switches[place[0]].add_port(port)
        self._sessions[place[0]].tell_port(PORT_ADDED, port)

    def lead_over(self, switch: str, port: int) -> Undo:
        """The switch reaches its controller at this port of this machine, by a new session."""
        session = self._sessions[switch]
        before = session.controller
        session.lead_to((HERE, port))
        return lambda: session.lead_to(before)

    # --- what the switches hold ---------------------------------------------------------------------------------------

    def flows_of(self, switch: str, number: int) -> int:
        """How many flows name this port as the one that a frame comes in at."""
        with self.lock:
            return sum(entry.in_port == number for entry in self.switches[switch].tables.entries)

    def silenced(self, switch: str, number: int) -> bool:
        """Whether this port has any flag."""
        with self.lock:
            return bool(self.switches[switch].ports[number].config)

    def doubled(self, switch: str, cookie: int, mask: int) -> list[str]:
        with self.lock:
            return twice(self.switches[switch].tables.entries, cookie, mask)

    def state(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """All that a switch holds, but what changes by itself, as lines by (switch, what it is)."""
        with self.lock:
            found: dict[tuple[str, str], tuple[str, ...]] = {}
            for name, switch in self.switches.items():
                ports = (f"{p.number} {p.name} {p.hw_addr} config={p.config:#x}" for p in switch.ports.values())
                found[name, "flows"] = tuple(sorted(entry.text for entry in switch.tables.entries))
                found[name, "ports"] = tuple(sorted(ports))
                found[name, "meter"] = (f"controller: {switch.punts.per_second}",)
                found[name, "controller"] = (f"{self._sessions[name].controller}",)
            return found

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Its switches seek their controller for as long as the block."""
        for session in self._sessions.values():
            session.start()
        try:
            yield
        finally:
            for session in self._sessions.values():
                session.close()
