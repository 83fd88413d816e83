"""The daemon's side of its sensors: hands out work, collects what they find. On one event loop, without I/O.

Everything here is bounded; what a bound leaves out is returned to the caller or, for what sensors send, dropped. A sensor's word is
taken only for what it was asked: a result for another probe, another target, or a MAC that nobody watches is ignored.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from controller.discovery.probes import (
    BASELINE_MOST,
    PROBES_MOST,
    WATCH_MOST,
    Address,
    FrameSeen,
    Probe,
    ProbeResult,
    ProbeTarget,
    SensorResults,
    SensorWork,
    Standing,
)
from controller.errors import Conflict
from drivers.rules import Mac

SENSORS_MOST = 64
LIVE_FOR = 2.0
WAIT_MOST = 60.0
_ANSWERS_MOST = 8192
_ASKED_MOST = 1024
_SEEN_MOST = 64


@dataclass(frozen=True, slots=True)
class SensorView:
    """`live`: it waits for work now, or did a moment ago. `skew`: its clock's time when it last posted less ours when that came, so
    on one clock minus the way's few milliseconds; None when it didn't say. `trouble`: why it cannot see just now."""

    name: str
    last_seen: float
    interface: str = ""
    ip: Address | None = None
    mac: Mac | None = None
    live: bool = True
    skew: float | None = None
    trouble: str = ""


@dataclass(slots=True, eq=False)
class _Station:
    """One sensor. `told` is the revision of the standing work that it was last given."""

    name: str
    last_seen: float
    queue: deque[Probe] = field(default_factory=deque)
    told: int = -1
    waiter: asyncio.Event | None = None
    last: SensorResults | None = None
    skew: float | None = None

    def wake(self) -> None:
        if self.waiter is not None:
            self.waiter.set()


@dataclass(slots=True, eq=False)
class _Asked:
    """A probe on its way. `silent`: the sensors that have not yet said."""

    probe: Probe
    silent: set[str]
    results: list[ProbeResult] = field(default_factory=list)
    complete: asyncio.Event = field(default_factory=asyncio.Event)


class SensorDesk:
    """`now` gives seconds since the epoch. Nothing here is safe from other threads."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._stations: dict[str, _Station] = {}
        self._asked: dict[str, _Asked] = {}
        self._answers: OrderedDict[Address | Mac, float] = OrderedDict()
        self._seen: dict[Mac, dict[str, deque[FrameSeen]]] = {}
        self._baseline: list[ProbeTarget] = []
        self._expected: frozenset[ProbeTarget] = frozenset()
        self._interval = 2.0
        self._revision = 0
        self._closed = False

    # --- for the API ---------------------------------------------------------------------------------------------------

    async def work(self, name: str, wait: float) -> SensorWork:
        """What the sensor is to do, as soon as there is something new, or after `wait` seconds. A second call under the same name
        takes over from the first, which then returns at once: a dead connection must not swallow probes. Raises Conflict when there
        are too many sensors."""
        station = self._station(name)
        station.wake()
        station.waiter = mine = asyncio.Event()
        try:
            if not (station.queue or station.told != self._revision or self._closed):
                async with asyncio.timeout(min(max(wait, 0.0), WAIT_MOST)):
                    await mine.wait()
        except TimeoutError:
            pass
        finally:
            current = station.waiter is mine
            if current:
                station.waiter = None
                station.last_seen = self._now()
        return self._hand_out(station) if current else SensorWork(standing=self._standing())

    def post(self, name: str, results: SensorResults) -> None:
        """Takes a sensor's findings: what it saw before what it concludes, so that whoever awaits a result finds both."""
        station = self._station(name)
        station.last = results
        station.skew = None if results.at is None else results.at - station.last_seen
        for frame in results.seen:
            if frame.mac in self._seen:
                self._seen[frame.mac].setdefault(name, deque(maxlen=_SEEN_MOST)).append(frame)
        for answer in results.baseline:
            if answer.target in self._expected:
                self._note(answer.target, answer.answered_at)
        for result in results.results:
            self._conclude(name, result)

    def close(self) -> None:
        """Lets every waiting sensor go, so that the server can stop."""
        self._closed = True
        for station in self._stations.values():
            station.wake()

    # --- for verifying -------------------------------------------------------------------------------------------------

    async def probe(self, probe: Probe, timeout: float) -> list[ProbeResult]:
        """Asks all live sensors at once and returns what came within `timeout` seconds; nothing when there are none. Allow
        `probe.duration` and some 50 ms. Raises Conflict for an id that is already on its way, or when too many are."""
        if probe.id in self._asked:
            raise Conflict(f"probe {probe.id} is already on its way: give each its own id")
        if len(self._asked) >= _ASKED_MOST:
            raise Conflict(f"{_ASKED_MOST} probes are on their way already: wait for some to end")
        stations = [s for s in self._stations.values() if self._is_live(s) and len(s.queue) < PROBES_MOST]
        if not stations:
            return []
        asked = self._asked[probe.id] = _Asked(probe, {station.name for station in stations})
        for station in stations:
            station.queue.append(probe)
            station.wake()
        try:
            async with asyncio.timeout(timeout):
                await asked.complete.wait()
        except TimeoutError:
            pass
        finally:
            del self._asked[probe.id]
            for station in stations:
                if probe in station.queue:
                    station.queue.remove(probe)
        return asked.results

    def last_answer(self, who: Mac | Address) -> float | None:
        """When it last answered a sensor, on the sensor's clock but never later than ours. By MAC, only answers that were asked of
        that MAC count."""
        return self._answers.get(who)

    def seen_since(self, mac: Mac, at: float) -> list[tuple[str, FrameSeen]]:
        """Frames of a watched MAC that reached a sensor at `at` or later, oldest first: each sensor's latest 64 reports."""
        found = [
            (name, frame) for name, frames in self._seen.get(mac, {}).items() for frame in frames if frame.at >= at
        ]
        return sorted(found, key=lambda one: one[1].at)

    def set_baseline(self, targets: Sequence[ProbeTarget], interval: float) -> Sequence[ProbeTarget]:
        """Whom every sensor asks each `interval` seconds; returns those beyond the first 256, who will not be asked."""
        wanted = list(dict.fromkeys(targets))
        taken, left = wanted[:BASELINE_MOST], wanted[BASELINE_MOST:]
        if (taken, interval) != (self._baseline, self._interval):
            self._baseline, self._expected, self._interval = taken, frozenset(taken), interval
            self._renew()
        return left

    def watch(self, macs: Iterable[Mac]) -> frozenset[Mac]:
        """From now on sensors report frames from these; returns those that there is no room for."""
        new = sorted(set(macs) - self._seen.keys())
        room = WATCH_MOST - len(self._seen)
        self._seen.update((mac, {}) for mac in new[:room])
        if new[:room]:
            self._renew()
        return frozenset(new[room:])

    def unwatch(self, macs: Iterable[Mac]) -> None:
        """Forgets what was seen of them, too."""
        gone = [mac for mac in set(macs) if self._seen.pop(mac, None) is not None]
        if gone:
            self._renew()

    def sensors(self) -> list[SensorView]:
        return [self._view(station) for _, station in sorted(self._stations.items())]

    # --- inside --------------------------------------------------------------------------------------------------------

    def _station(self, name: str) -> _Station:
        station = self._stations.get(name)
        if station is None:
            if len(self._stations) >= SENSORS_MOST:
                self._make_room()
            station = self._stations[name] = _Station(name, self._now())
        station.last_seen = self._now()
        return station

    def _make_room(self) -> None:
        oldest = min(self._stations.values(), key=lambda station: station.last_seen)
        if self._is_live(oldest):
            raise Conflict(f"there are {SENSORS_MOST} sensors already: stop one first")
        del self._stations[oldest.name]

    def _is_live(self, station: _Station) -> bool:
        return station.waiter is not None or self._now() - station.last_seen < LIVE_FOR

    def _hand_out(self, station: _Station) -> SensorWork:
        probes, told = list(station.queue), station.told == self._revision
        station.queue.clear()
        station.told = self._revision
        return SensorWork(probes=probes, standing=None if probes and told else self._standing())

    def _standing(self) -> Standing:
        return Standing(baseline=self._baseline, baseline_interval=self._interval, watch=sorted(self._seen))

    def _renew(self) -> None:
        self._revision += 1
        for station in self._stations.values():
            station.wake()

    def _conclude(self, name: str, result: ProbeResult) -> None:
        asked = self._asked.get(result.id)
        if asked is None or name not in asked.silent or result.target != asked.probe.target:
            return
        asked.silent.discard(name)
        asked.results.append(result.model_copy(update={"sensor": name}))
        for target, answers in ((result.target, result.answers), (asked.probe.control, result.control_answers)):
            times = [answer.answered_at for answer in answers if answer.answered_at is not None]
            if target is not None and times:
                self._note(target, max(times))
        if not asked.silent:
            asked.complete.set()

    def _note(self, target: ProbeTarget, at: float) -> None:
        at = min(at, self._now())
        for who in (target.ip, target.mac):
            if who is not None:
                self._answers[who] = max(at, self._answers.get(who, 0.0))
                self._answers.move_to_end(who)
        while len(self._answers) > _ANSWERS_MOST:
            self._answers.popitem(last=False)

    def _view(self, station: _Station) -> SensorView:
        live = self._is_live(station)
        if station.last is None:
            return SensorView(station.name, station.last_seen, live=live)
        last = station.last
        return SensorView(
            station.name, station.last_seen, last.interface, last.ip, last.mac, live, station.skew, last.trouble
        )
