"""The active probe: who is there, and what does it answer to? Off unless the configuration names a range and somebody asks.

Each address is asked for by ARP or neighbour discovery; whoever answers gets an echo request and a SYN on each port of a short list, which
this host's kernel resets. Answers are heard by the listener, as everything is. Nothing is sent outside the configured ranges, off this
link, or faster than the configured rate: each frame has its own moment, and none is caught up.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from controller.config import Probing
from controller.discovery.frames import Path, Question, answer_key, ask_echo, ask_neighbour, ask_tcp
from controller.discovery.interface import Interface
from controller.discovery.seen import mac_of
from controller.errors import InvalidInput
from controller.model import Address
from drivers.rules import Mac, Network

ADDRESSES_MOST = 65_536
PATIENCE = 2.0
"""Seconds after the last question in which answers still count."""


@dataclass(frozen=True, slots=True)
class Aim:
    """The addresses to ask, in order."""

    addresses: tuple[Address, ...]
    rate: float

    @property
    def seconds(self) -> float:
        """That asking for them takes at least."""
        return len(self.addresses) / self.rate


def aim(settings: Probing, wanted: Sequence[Network], interface: Interface) -> Aim:
    """Of the configured ranges, or of what is `wanted` of them, every address on this link that is not excluded. Raises InvalidInput for
    what is outside, too wide or elsewhere."""
    if not settings.ranges:
        raise InvalidInput(
            "active probing is off: name what may be probed in the configuration, discovery: {probe: {ranges: [PREFIX]}}"
        )
    for one in wanted:
        if not any(_holds(known, one) for known in settings.ranges):
            named = ", ".join(map(str, settings.ranges))
            raise InvalidInput(f"{one} is outside discovery.probe.ranges ({named}): nothing was sent")
    networks = tuple(wanted) or settings.ranges
    for network in networks:
        if network.num_addresses > ADDRESSES_MOST:
            raise InvalidInput(f"{network} has more than {ADDRESSES_MOST} addresses: name a narrower one with --within")
        if not (interface.on_link(network[0]) and interface.on_link(network[-1])):
            raise InvalidInput(f"{network} is not on {interface.name}'s own link: probe it from a sensor that is on it")
    own = {one.ip for one in interface.addresses}
    every = dict.fromkeys(ip for network in networks for ip in network.hosts())
    left = tuple(ip for ip in every if ip not in own and not any(ip in out for out in settings.exclude))
    return Aim(left, settings.rate)


def _holds(known: Network, one: Network) -> bool:
    return known.version == one.version and known[0] <= one[0] and one[-1] <= known[-1]  # type: ignore[operator]


class Prober:
    """`begin` once somebody listens; `hear` every frame that arrives, from any. `sent` counts frames, `trouble` is why it gave up."""

    def __init__(
        self,
        interface: Interface,
        aim: Aim,
        ports: Sequence[int],
        send: Callable[[bytes], object],
        ended: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._interface = interface
        self._aim = aim
        self._ports = ports
        self._send = send
        self._ended = ended
        self._clock = clock
        self._sleep = sleep
        self._asked = frozenset(aim.addresses)
        self._own = bytes.fromhex(interface.mac.replace(":", ""))
        self._answered: set[Address] = set()
        self._found: queue.SimpleQueue[tuple[Address, Mac]] = queue.SimpleQueue()
        self._next = 0.0
        self._begun = False
        self.sent = 0
        self.trouble = ""
        self.done = threading.Event()

    def hear(self, frame: bytes) -> None:
        """An answer to an address that was asked for brings its sender the other questions, once."""
        if frame[:6] != self._own or frame[12:14] not in (b"\x08\x06", b"\x86\xdd"):
            return
        try:
            key = answer_key(frame)
        except Exception:  # noqa: BLE001 (a frame made to break a dissector is no answer)
            return
        if key is None or key[0] not in ("arp", "nd"):
            return
        ip = ip_address(str(key[1]))
        if ip in self._asked and ip not in self._answered:
            self._answered.add(ip)
            self._found.put((ip, mac_of(frame[6:12])))

    def begin(self) -> bool:
        """Run in a thread of its own, from the first call on; whether it is over."""
        if not self._begun:
            self._begun = True
            threading.Thread(target=self.run, name="prober", daemon=True).start()
        return self.done.is_set()

    def run(self) -> None:
        try:
            for ip in self._aim.addresses:
                if self._ended():
                    return
                self._put([ask_neighbour(self._interface.mac, self._interface.source_for(ip), ip, None)])
                self._follow_up()
            until = self._clock() + PATIENCE
            while self._clock() < until and not self._ended():
                self._follow_up()
                self._sleep(0.05)
        except OSError as error:
            self.trouble = f"{self._interface.name}: {error.strerror or error}"
        finally:
            self.done.set()

    def _follow_up(self) -> None:
        while not self._found.empty() and not self._ended():
            ip, mac = self._found.get()
            own = self._interface.source_for(ip)
            if own is not None:
                self._put(self._questions(Path(self._interface.mac, own, mac), ip))

    def _questions(self, path: Path, ip: Address) -> Iterator[Question]:
        yield ask_echo(path, ip)
        for port in self._ports:
            yield ask_tcp(path, ip, port)

    def _put(self, questions: Iterable[Question]) -> None:
        """Each in its own moment: whoever was late sends no faster for it."""
        for question in questions:
            wait = self._next - self._clock()
            if wait > 0:
                self._sleep(wait)
            if self._ended():
                return
            self._next = max(self._next, self._clock()) + 1 / self._aim.rate
            self._send(question.frame)
            self.sent += 1
