"""Each device's own tables, read through its driver, on a schedule and on demand: interfaces, VLANs, MACs, ARP entries, links.

The links and interfaces go into the graph, as when the device came. A router's ARP table says which MAC has an address, and not where
that is plugged in: an entry becomes a sighting (`arp-table`) at the edge port where its MAC is known to be. Only what an earlier look did
not show is told, since an entry that stays says nothing of when the device was heard; it is no lease either, for whoever speaks ARP writes
into that table. MACs are told by the drivers themselves, which look at that table every few seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import structlog

from controller.config import Crawling
from controller.errors import NotFound
from controller.model import DEFAULT_REALM
from controller.network.view import NetworkView
from drivers.base import ArpEntry, DeviceFacts, DriverError, Sighting

log = structlog.get_logger("crawl")
SOURCE = "arp-table"
AT_ONCE = 16
"""Devices that are read at the same time."""
ENTRIES_MOST = 65_536
"""Entries of one table that are looked at: a flood of invented addresses must not take the controller down."""
_TICK = 1.0


@dataclass(frozen=True, slots=True)
class Crawl:
    """One reading of one device, begun at `at` (seconds since the epoch). `told`: new entries of its ARP table that were placed;
    `unplaced`: that were not, since no edge port is known for their MACs. `error`: why it could not be read, and the counts are nothing."""

    device: str
    at: float
    seconds: float = 0.0
    error: str = ""
    interfaces: int = 0
    vlans: int = 0
    macs: int = 0
    arp: int = 0
    links: int = 0
    told: int = 0
    unplaced: int = 0


class Crawler:
    """`read` takes a device's facts into the graph, `take` a sighting wherever sightings go; `devices` are those that are served now."""

    def __init__(
        self,
        network: NetworkView,
        settings: Crawling,
        devices: Callable[[], Iterable[str]],
        read: Callable[[str], Awaitable[DeviceFacts]],
        take: Callable[[Sighting], None],
        now: Callable[[], float],
    ) -> None:
        self._network = network
        self._settings = settings
        self._devices = devices
        self._read = read
        self._take = take
        self._now = now
        self._known: dict[str, frozenset[ArpEntry]] = {}
        self._running: dict[str, asyncio.Task[Crawl]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self.last: dict[str, Crawl] = {}

    async def crawl(self, device: str | None = None) -> list[Crawl]:
        """Read one device, or all, now. Raises NotFound for one that is not served."""
        served = sorted(self._devices())
        if device is not None and device not in served:
            raise NotFound(f"there is no device {device!r}: `netcordon devices` lists them")
        return list(await asyncio.gather(*(self._once(one) for one in ([device] if device else served))))

    async def run(self) -> None:
        """A moment's wait, then whoever is due."""
        await asyncio.sleep(_TICK)
        if self._settings.every is None:
            return
        before = self._now() - self._settings.every
        due = [one for one in self._devices() if one not in self.last or self.last[one].at <= before]
        await asyncio.gather(*(self._once(one) for one in due))

    async def close(self) -> None:
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _once(self, device: str) -> Crawl:
        """A device that is being read is not read twice at once: both get that answer, also when one of them goes away."""
        task = self._running.get(device)
        if task is None:
            task = self._running[device] = asyncio.create_task(self._crawl(device), name=f"crawl {device}")
            task.add_done_callback(lambda _: self._running.pop(device, None))
        return await asyncio.shield(task)

    async def _crawl(self, device: str) -> Crawl:
        async with self._room:
            at, began = self._now(), time.monotonic()
            try:
                facts = await self._read(device)
            except DriverError as error:
                found = Crawl(device, at, time.monotonic() - began, str(error) or type(error).__name__)
                if self.last.get(device, found).error != found.error or device not in self.last:
                    log.warning("a device could not be crawled", device=device, reason=found.error)
            else:
                told, unplaced = self._merge(facts)
                found = Crawl(
                    device,
                    at,
                    time.monotonic() - began,
                    interfaces=len(facts.interfaces),
                    vlans=len(facts.vlans),
                    macs=len(facts.macs),
                    arp=len(facts.arp),
                    links=len(facts.neighbours),
                    told=told,
                    unplaced=unplaced,
                )
            self.last[device] = found
            return found

    def _merge(self, facts: DeviceFacts) -> tuple[int, int]:
        """How many entries were told, and how many have no place yet: these are looked at again the next time."""
        entries = frozenset(facts.arp[:ENTRIES_MOST])
        new = entries - self._known.get(facts.device, frozenset())
        realm = self._network.realms.get(facts.device, DEFAULT_REALM)
        placed: Mapping[ArpEntry, Sighting] = dict(self._placed(realm, new))
        for sighting in placed.values():
            self._take(sighting)
        self._known[facts.device] = entries - (new - placed.keys())
        return len(placed), len(new) - len(placed)

    def _placed(self, realm: str, entries: Iterable[ArpEntry]) -> Iterator[tuple[ArpEntry, Sighting]]:
        """At the edge port where the MAC was heard last, unless that is long ago: it may have left since."""
        bindings, now = self._network.bindings, self._now()
        for entry in entries:
            spans = bindings.history_of_mac(realm, entry.mac)
            if spans and spans[-1].last >= now - self._network.max_age:
                at = spans[-1]
                place = at.place
                yield entry, Sighting(place.device, now, entry.mac, place.port, entry.ip, place.vlan, SOURCE)
