"""The crew of a modelled network: every host in this process, told and asked the same as an agent (`labs.agent`)."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from labs.crew import AgentError, Crew
from labs.flood import BATCH, invented
from labs.ledger import Ledger
from labs.model.conversation import Address, Packet, Talk, build, read
from topologies.openflow.network import ModelNetwork
from topologies.plan import Host


@dataclass(order=True)
class Beat:
    """Something that is done every `gap` seconds until it is over."""

    due: float
    number: int
    gap: float = field(compare=False)
    act: Callable[[], None] = field(compare=False)
    over: bool = field(default=False, compare=False)


class Clock:
    """Does what is due, in one thread, always with `lock` held: whoever holds it and ends a beat knows that nothing of it follows."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._beats: list[Beat] = []
        self._numbers = count()
        self._news = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)
        self._thread.start()

    def every(self, gap: float, act: Callable[[], None]) -> Beat:
        beat = Beat(time.monotonic(), next(self._numbers), gap, act)
        with self._news:
            heapq.heappush(self._beats, beat)
            self._news.notify()
        return beat

    def close(self) -> None:
        with self._news:
            self._closed = True
            self._news.notify()
        self._thread.join()

    def _run(self) -> None:
        while (beat := self._next()) is not None:
            with self._lock:
                if beat.over:
                    continue
                beat.act()
            beat.due = max(beat.due + beat.gap, time.monotonic())
            with self._news:
                heapq.heappush(self._beats, beat)

    def _next(self) -> Beat | None:
        """The next beat once it is due; None when the clock was closed."""
        with self._news:
            while not self._closed:
                wait = self._beats[0].due - time.monotonic() if self._beats else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._beats)
                self._news.wait(wait)
        return None


@dataclass
class _Stream:
    """One frame after another, each with the next sequence number: `at` is where the tag's phase is, and 3 octets later that number."""

    frame: bytearray
    at: int
    sequence: int = 0
    beat: Beat | None = None


class ModelHost:
    """`by_address`: everybody's MAC, as Mininet's hosts have them as permanent neighbours."""

    def __init__(
        self, host: Host, network: ModelNetwork, nonce: bytes, clock: Clock, by_address: Mapping[Address, str]
    ) -> None:
        self._host, self._network, self._clock, self._by_address = host, network, clock, by_address
        self._mac = bytes.fromhex(host.mac.replace(":", ""))
        self._ledger = Ledger(nonce)
        self._streams: dict[str, _Stream] = {}
        self._flood: tuple[Beat, list[int]] | None = None
        self._talk = Talk(self._speak)
        network.attach(host.name, self._hear)
        self.commands: dict[str, Callable[..., Any]] = {
            "listen": self._talk.listen,
            "send": self.send,
            "connect": self.connect,
            "stream": self.stream,
            "phase": self.phase,
            "stop": self.stop,
            "counts": lambda: {**self._ledger.counts(), "lost": 0},
            "passages": self._ledger.passages,
            "plugged_in": lambda: None,
            "flood": self.flood,
            "end_flood": self.end_flood,
        }

    def send(self, frames: list[str], gap: float) -> None:
        """The gap is for buffers that could overflow: here are none."""
        for frame in frames:
            self._put(bytes.fromhex(frame))

    def connect(self, attempts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [self._talk.converse(self._source, attempt) for attempt in attempts]

    def stream(self, name: str, template: str, at: int, gap: float) -> None:
        stream = self._streams[name] = _Stream(bytearray.fromhex(template), at)
        stream.beat = self._clock.every(gap, lambda: self._next_of(stream))

    def phase(self, phase: int, names: list[str]) -> None:
        """These streams go on in this phase."""
        for name in names:
            stream = self._streams[name]
            stream.frame[stream.at] = phase

    def stop(self, name: str) -> None:
        beat = self._streams.pop(name).beat
        if beat is not None:
            beat.over = True

    def flood(self, target: str, per_second: float) -> None:
        sent, octets = [0], bytes.fromhex(target.replace(":", ""))

        def some() -> None:
            for turn in range(BATCH):
                sent[0] += self._put(invented(octets, arp=turn % 2 == 0))

        self._flood = self._clock.every(BATCH / per_second, some), sent

    def end_flood(self) -> int:
        if self._flood is None:
            raise ValueError("there is no flood")
        beat, sent = self._flood
        beat.over = True
        return sent[0]

    def _next_of(self, stream: _Stream) -> None:
        at = stream.at + 3
        stream.frame[at : at + 4] = stream.sequence.to_bytes(4, "big")
        stream.sequence += self._put(bytes(stream.frame))

    def _put(self, frame: bytes) -> bool:
        """False while the cable is in nobody's port: what did not leave is not counted as sent."""
        if self._network.place_of(self._host.name) is None:
            return False
        self._ledger.note("out", frame, time.time())
        return self._network.send(self._host.name, frame)

    def _hear(self, frame: bytes) -> None:
        self._ledger.note("in", frame, time.time())
        if frame[:6] == self._mac and (packet := read(frame)) is not None and self._is_own(packet.dst):
            self._talk.hear(packet)

    def _speak(self, packet: Packet) -> None:
        mac = self._by_address.get(packet.dst)
        if mac is not None:
            self._put(build((self._host.mac, mac), packet))

    def _is_own(self, address: Address) -> bool:
        return address in (self._host.ip, self._host.ip6, self._host.link_local)

    def _source(self, to: Address) -> Address:
        return self._host.ip if to.version == 4 else self._host.ip6


class ModelCrew(Crew):
    def __init__(self, hosts: Mapping[str, ModelHost], lock: threading.RLock) -> None:
        self._hosts, self._lock = hosts, lock

    def ask_all(self, do: str, by_host: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        return {name: self._ask(name, do, what) for name, what in by_host.items()}

    def everyone(self, do: str, **what: Any) -> dict[str, Any]:
        return self.ask_all(do, dict.fromkeys(self._hosts, what))

    def _ask(self, name: str, do: str, what: Mapping[str, Any]) -> Any:
        with self._lock:
            try:
                return self._hosts[name].commands[do](**what)
            except (KeyError, ValueError) as error:
                raise AgentError(f"{name} could not {do}: {type(error).__name__}: {error}") from error


@contextmanager
def model_crew(network: ModelNetwork, nonce: bytes) -> Iterator[ModelCrew]:
    """All hosts of a modelled network."""
    clock = Clock(network.lock)
    known = _addresses(network.plan.hosts)
    hosts = {host.name: ModelHost(host, network, nonce, clock, known) for host in network.plan.hosts}
    try:
        yield ModelCrew(hosts, network.lock)
    finally:
        clock.close()


def _addresses(hosts: Iterable[Host]) -> dict[Address, str]:
    return {ip: host.mac for host in hosts for ip in (host.ip, host.ip6, host.link_local)}
