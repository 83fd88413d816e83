"""The devices' own tables: an ARP entry is placed where its MAC is plugged in, once; what could not be read says why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest

from controller.config import Config, Crawling, Reconciling
from controller.crawl import SOURCE, Crawler
from controller.errors import NotFound
from controller.fleet import Fleet
from controller.model import Located
from controller.network.view import NetworkView
from controller.store import Store
from drivers.base import ArpEntry, Neighbour, Sighting
from drivers.memory import Behaviour, MemoryDevice, MemoryDriver, MemoryOptions
from drivers.rules import PortName
from tests.campus import NOW, ip, mac
from tests.unit.store_cases import Clock

PC, ROGUE = mac(6), mac(66)
PORTS = tuple(PortName(f"e{n}") for n in range(1, 5))


@dataclass
class Site:
    fleet: Fleet
    network: NetworkView
    crawler: Crawler
    clock: Clock
    switch: MemoryDevice
    router: MemoryDevice
    settings: Config
    told: list[Sighting] = field(default_factory=list)

    def locate(self, address: str) -> tuple[Located, str]:
        from controller.locate import locate

        found = locate(ip(address), self.clock.now, self.clock.now, self.network, self.settings.locate)
        return found.status, "" if found.endpoint is None else str(found.endpoint.attachment)


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    """A switch that tells where MACs are, and a router that alone knows whose addresses they have."""
    monkeypatch.setattr("controller.network.graph.SETTLING", 0.0)
    clock, config = Clock(), Config()
    clock.now = NOW
    store = await Store.open(f"sqlite:///{tmp_path}/netcordon.db", clock)
    network = NetworkView.from_config(config)
    told: list[Sighting] = []
    fleet = Fleet(store, network, Reconciling(resync=300), "me", clock, lambda cases: None, told.append)
    crawler = Crawler(network, Crawling(every=600.0), lambda: tuple(fleet.drivers), fleet.read, fleet.saw, clock)
    switch, router = (MemoryDevice(name, MemoryOptions(ports=PORTS), clock=clock) for name in ("s1", "r1"))
    for device in (switch, router):
        await fleet.add(device.name, "memory", MemoryDriver(device), {})
    router.arp = (ArpEntry(ip_address("10.0.0.6"), PC), ArpEntry(ip_address("10.0.0.99"), mac(99)))
    yield Site(fleet, network, crawler, clock, switch, router, config, told)
    await crawler.close()
    await fleet.close()
    await store.close()


def seen(site: Site, who: str = PC, where: str = "e1") -> None:
    site.network.see(
        Sighting("s1", site.clock.now, mac(6) if who == PC else mac(66), PortName(where), source="mac-table")
    )


async def test_an_address_that_the_router_alone_knows_is_placed_where_its_mac_is(site: Site) -> None:
    seen(site)
    assert site.locate("10.0.0.6")[0] is Located.UNKNOWN, "the switch sees MACs alone"
    (crawl,) = await site.crawler.crawl("r1")
    assert (crawl.error, crawl.interfaces, crawl.arp, crawl.told, crawl.unplaced) == ("", 4, 2, 1, 1)
    assert site.locate("10.0.0.6") == (Located.FOUND, "s1:e1")
    (binding,) = [one for one in site.network.bindings.all() if str(one.ip) == "10.0.0.6"]
    assert (binding.source, binding.first_seen, binding.lease) == (SOURCE, NOW, False)
    assert [one.source for one in site.told] == [SOURCE], "who is held is followed by it, too"


async def test_an_entry_that_stays_is_not_told_again_and_one_without_a_place_is_tried_again(site: Site) -> None:
    seen(site)
    await site.crawler.crawl()
    site.clock.now += 600
    (crawl,) = await site.crawler.crawl("r1")
    assert (crawl.told, crawl.unplaced) == (0, 1)
    (binding,) = [one for one in site.network.bindings.all() if str(one.ip) == "10.0.0.6"]
    assert binding.last_seen == NOW, "that it is still in the table does not say that it was heard"
    site.network.see(Sighting("s1", site.clock.now, mac(99), PortName("e3"), source="mac-table"))
    (crawl,) = await site.crawler.crawl("r1")
    assert (crawl.told, crawl.unplaced) == (1, 0)


async def test_who_left_long_ago_is_not_placed(site: Site) -> None:
    seen(site)
    site.clock.now += site.network.max_age + 1
    (crawl,) = await site.crawler.crawl("r1")
    assert (crawl.told, crawl.unplaced) == (0, 2)


async def test_an_entry_that_a_rogue_wrote_contests_and_does_not_frame(site: Site) -> None:
    """The domain controller speaks for its address; the router's table, poisoned, gives it to the rogue."""
    for _ in range(4):
        site.network.see(Sighting("s1", site.clock.now, PC, PortName("e1"), ip_address("10.0.0.10")))
        seen(site, ROGUE, "e2")
        site.clock.now += 30
    site.router.arp = (ArpEntry(ip_address("10.0.0.10"), ROGUE),)
    await site.crawler.crawl("r1")
    assert site.locate("10.0.0.10")[0] is Located.AMBIGUOUS


async def test_links_are_taken_into_the_graph_and_nobody_is_attached_there(site: Site) -> None:
    seen(site)
    site.switch.neighbours = (Neighbour(PortName("e1"), "r1", PortName("e4")),)
    (crawl,) = await site.crawler.crawl("s1")
    assert crawl.links == 1
    assert site.network.graph.is_uplink("s1", PortName("e1"))
    assert site.network.bindings.history_of_mac("default", PC) == []


async def test_what_could_not_be_read_says_why_and_holds_nobody_up(site: Site) -> None:
    site.router.behave(Behaviour.UNREACHABLE)
    crawls = {one.device: one for one in await site.crawler.crawl()}
    assert crawls["r1"].error
    assert (crawls["r1"].interfaces, crawls["s1"].interfaces) == (0, 4)
    assert site.crawler.last["r1"].error
    site.router.behave(Behaviour.ACCEPTS)
    assert [one.error for one in await site.crawler.crawl("r1")] == [""]
    with pytest.raises(NotFound, match="no device 's9'"):
        await site.crawler.crawl("s9")


async def test_it_reads_whoever_is_due_and_nobody_twice_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.crawl._TICK", 0.0)
    reads: list[str] = []
    going = asyncio.Event()
    read = site.crawler._read

    async def slowly(device: str) -> object:
        reads.append(device)
        await going.wait()
        return await read(device)

    monkeypatch.setattr(site.crawler, "_read", slowly)
    several = asyncio.gather(site.crawler.run(), site.crawler.crawl("s1"), site.crawler.crawl())
    await asyncio.sleep(0.01)
    going.set()
    await several
    assert sorted(reads) == ["r1", "s1"]
    await site.crawler.run()
    assert len(reads) == 2, "nobody is due"
    site.clock.now += 601
    await site.crawler.run()
    assert len(reads) == 4
    site.crawler._settings = Crawling.model_validate({"every": "never"})
    site.clock.now += 601
    await site.crawler.run()
    assert len(reads) == 4, "never, unless somebody asks"
