"""What one switch's punted frames amount to: at most so many a second from each port, none twice within a second, and never more memory
than a fixed amount, whatever a host sends. Not thread-safe: one thread feeds it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TypeVar

from drivers.openflow.heard import Heard
from drivers.rules import Mac

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

PORT_RATE = 100.0
REPEAT = 1.0
MOST_RECENT = 4096
MOST_MACS = 10_000


class Bucket:
    """A token bucket: `rate` a second, as many at once."""

    def __init__(self, rate: float) -> None:
        self._rate, self._left, self._at = rate, rate, 0.0

    def take(self, now: float) -> bool:
        self._left = min(self._rate, self._left + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Buckets:
    """One bucket a key (a port: a switch says how many there are)."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._buckets: dict[Hashable, Bucket] = {}

    def take(self, key: Hashable, now: float) -> bool:
        if (bucket := self._buckets.get(key)) is None:
            bucket = self._buckets[key] = Bucket(self._rate)
        return bucket.take(now)


@dataclass(frozen=True, slots=True)
class Located:
    """`heard`, and the port at which the device that it speaks of is; `from_port` is where it was heard."""

    heard: Heard
    port: int
    from_port: int


class Tracker:
    def __init__(self) -> None:
        self._ports = Buckets(PORT_RATE)
        self._recent: OrderedDict[Hashable, float] = OrderedDict()
        self._places: OrderedDict[Mac, int] = OrderedDict()

    def admits(self, port: int, now: float) -> bool:
        """Whether a frame from `port` is worth parsing at all; `now` is seconds on any clock."""
        return self._ports.take(port, now)

    def locate(self, heard: Heard, port: int, now: float) -> Located | None:
        """None for a repetition, and for a lease of a client that this switch never heard."""
        at = self._places.get(heard.mac) if heard.lease else port
        if at is None:
            return None
        if not heard.lease:
            _keep(self._places, heard.mac, port, MOST_MACS)
        what = (heard.mac, heard.ip, heard.vlan, at, port, heard.lease)
        if now - self._recent.get(what, now - 2 * REPEAT) < REPEAT:
            return None
        _keep(self._recent, what, now, MOST_RECENT)
        return Located(heard, at, port)


def _keep(kept: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > most:
        kept.popitem(last=False)
