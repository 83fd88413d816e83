"""The sensor desk: long polls wake at once, probes are answered or time out, and nothing grows without end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

import pytest

from controller.discovery.desk import LIVE_FOR, SENSORS_MOST, SensorDesk
from controller.discovery.probes import (
    BASELINE_MOST,
    WATCH_MOST,
    BaselineAnswer,
    FrameSeen,
    Probe,
    ProbeAnswer,
    ProbeResult,
    ProbeTarget,
    SensorResults,
    SensorWork,
    Standing,
)
from controller.errors import Conflict
from drivers.rules import Mac

ROGUE_MAC = Mac("02:00:00:00:00:05")
ROGUE = ProbeTarget(ip=ip_address("10.0.0.5"), mac=ROGUE_MAC)
CONTROL = ProbeTarget(ip=ip_address("10.0.0.6"), mac=Mac("02:00:00:00:00:06"))


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(clock: Clock) -> SensorDesk:
    return SensorDesk(clock)


def probe(name: str = "p1") -> Probe:
    return Probe(id=name, target=ROGUE, kinds=("arp",), control=CONTROL)


def found(**what: Any) -> SensorResults:
    return SensorResults(**{"interface": "eth0", "mac": Mac("02:00:00:00:00:01"), "ip": ip_address("10.0.0.1"), **what})


def answered(asked: Probe, at: float | None, *, target: ProbeTarget = ROGUE) -> ProbeResult:
    return ProbeResult(
        id=asked.id,
        target=target,
        answers=[ProbeAnswer(kind="arp", sent_at=999.0, answered_at=at)],
        control_answers=[ProbeAnswer(kind="arp", sent_at=999.0, answered_at=999.5)],
        started_at=999.0,
        ended_at=1000.0,
    )


def target(number: int) -> ProbeTarget:
    return ProbeTarget(ip=ip_address(0x0A000000 + number))


@asynccontextmanager
async def polling(desk: SensorDesk, name: str = "s1") -> AsyncIterator[asyncio.Task[SensorWork]]:
    """A sensor that knows the standing work and waits for more."""
    await desk.work(name, 0)
    task = asyncio.create_task(desk.work(name, 30))
    await asyncio.sleep(0)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_first_call_is_answered_at_once_and_a_second_waits(desk: SensorDesk) -> None:
    assert await desk.work("s1", 30) == SensorWork(standing=Standing())
    began = time.monotonic()
    assert await desk.work("s1", 0.05) == SensorWork(standing=Standing())
    assert time.monotonic() - began >= 0.05


async def test_a_queued_probe_wakes_the_long_poll_and_is_handed_out_once(desk: SensorDesk) -> None:
    async with polling(desk) as waiting:
        asking = asyncio.create_task(desk.probe(probe(), timeout=5))
        work = await asyncio.wait_for(waiting, 1)
        assert work == SensorWork(probes=[probe()], standing=None)
        assert (await desk.work("s1", 0)).probes == []
        desk.post("s1", found(results=[answered(probe(), 999.7)]))
        (result,) = await asyncio.wait_for(asking, 1)
    assert result.answered
    assert result.sensor == "s1"


async def test_all_live_sensors_are_asked_and_what_came_in_time_is_returned(desk: SensorDesk) -> None:
    async with polling(desk, "s1"), polling(desk, "s2"):
        asking = asyncio.create_task(desk.probe(probe(), timeout=0.1))
        await asyncio.sleep(0.01)
        desk.post("s2", found(results=[answered(probe(), None)]))
        assert [one.sensor for one in await asking] == ["s2"]
        desk.post("s1", found(results=[answered(probe(), None)]))  # too late: nobody waits


async def test_without_a_live_sensor_nothing_is_asked(desk: SensorDesk, clock: Clock) -> None:
    assert await desk.probe(probe(), timeout=5) == []
    await desk.work("s1", 0)
    clock.time += LIVE_FOR + 1
    assert await desk.probe(probe(), timeout=5) == []
    assert [view.live for view in desk.sensors()] == [False]


async def test_a_probe_that_nobody_fetched_in_time_is_not_handed_out_later(desk: SensorDesk) -> None:
    await desk.work("s1", 0)
    assert await desk.probe(probe(), timeout=0.02) == []
    assert (await desk.work("s1", 0)).probes == []


async def test_a_newer_poll_takes_over_from_a_dead_connections(desk: SensorDesk) -> None:
    async with polling(desk) as old:
        new = asyncio.create_task(desk.work("s1", 30))
        assert (await asyncio.wait_for(old, 1)).probes == []
        asking = asyncio.create_task(desk.probe(probe(), timeout=1))
        assert (await asyncio.wait_for(new, 1)).probes == [probe()]
        asking.cancel()


async def test_a_poll_that_was_cancelled_leaves_its_probe_for_the_next(desk: SensorDesk) -> None:
    async with polling(desk) as waiting:
        asking = asyncio.create_task(desk.probe(probe(), timeout=1))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert (await desk.work("s1", 1)).probes == [probe()]
        asking.cancel()


async def test_standing_work_wakes_the_poll_only_when_it_changes(desk: SensorDesk) -> None:
    async with polling(desk) as waiting:
        assert desk.set_baseline([ROGUE, CONTROL, ROGUE], 1.5) == []
        work = await asyncio.wait_for(waiting, 1)
    assert work.standing == Standing(baseline=[ROGUE, CONTROL], baseline_interval=1.5)
    async with polling(desk) as waiting:
        desk.set_baseline([ROGUE, CONTROL], 1.5)
        await asyncio.sleep(0.01)
        assert not waiting.done()
        desk.watch([ROGUE_MAC])
        work = await asyncio.wait_for(waiting, 1)
    assert work.standing is not None
    assert work.standing.watch == [ROGUE_MAC]


async def test_standing_work_goes_along_with_probes_only_when_it_is_news(desk: SensorDesk) -> None:
    await desk.work("s1", 0)
    for news in (False, True):
        asking = asyncio.create_task(desk.probe(probe(), timeout=1))
        await asyncio.sleep(0)
        if news:
            desk.watch([ROGUE_MAC])
        work = await desk.work("s1", 0)
        assert work.probes == [probe()]
        assert (work.standing is not None) is news
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def test_closing_lets_every_poll_go(desk: SensorDesk) -> None:
    async with polling(desk) as waiting:
        desk.close()
        await asyncio.wait_for(waiting, 1)
        await asyncio.wait_for(desk.work("s1", 30), 1)


async def test_a_result_counts_for_what_was_asked_of_that_sensor_alone(desk: SensorDesk) -> None:
    async with polling(desk):
        asking = asyncio.create_task(desk.probe(probe(), timeout=0.1))
        await asyncio.sleep(0.01)
        desk.post("s9", found(results=[answered(probe(), None)]))
        desk.post("s1", found(results=[answered(probe("p2"), None)]))
        desk.post("s1", found(results=[answered(probe(), None, target=CONTROL)]))
        assert await asking == []
    assert desk.last_answer(ROGUE_MAC) is None


async def test_an_id_on_its_way_is_not_asked_again(desk: SensorDesk) -> None:
    async with polling(desk):
        asking = asyncio.create_task(desk.probe(probe(), timeout=1))
        await asyncio.sleep(0)
        with pytest.raises(Conflict, match="already on its way"):
            await desk.probe(probe(), timeout=1)
        asking.cancel()


async def test_the_last_answer_is_the_latest_of_baseline_and_probes_and_never_in_the_future(
    desk: SensorDesk, clock: Clock
) -> None:
    desk.set_baseline([ROGUE], 2)
    desk.post("s1", found(baseline=[BaselineAnswer(target=ROGUE, answered_at=900.0)]))
    desk.post("s1", found(baseline=[BaselineAnswer(target=CONTROL, answered_at=900.0)]))
    assert desk.last_answer(ROGUE.ip) == desk.last_answer(ROGUE_MAC) == 900.0
    assert desk.last_answer(CONTROL.ip) is None  # nobody asked it
    async with polling(desk):
        asking = asyncio.create_task(desk.probe(probe(), timeout=1))
        await asyncio.sleep(0.01)
        desk.post("s1", found(results=[answered(probe(), 5000.0)]))
        await asking
    assert desk.last_answer(ROGUE_MAC) == clock.time
    assert desk.last_answer(CONTROL.ip) == 999.5
    desk.post("s1", found(baseline=[BaselineAnswer(target=ROGUE, answered_at=800.0)]))
    assert desk.last_answer(ROGUE_MAC) == clock.time


async def test_frames_of_watched_macs_are_kept_by_sensor_and_forgotten_when_unwatched(desk: SensorDesk) -> None:
    frames = [FrameSeen(mac=ROGUE_MAC, at=at, kind="arp") for at in (10.0, 30.0, 20.0)]
    desk.post("s1", found(seen=frames))
    assert desk.seen_since(ROGUE_MAC, 0) == []
    assert desk.watch([ROGUE_MAC]) == frozenset()
    desk.post("s1", found(seen=frames[:2]))
    desk.post("s2", found(seen=frames[2:]))
    assert [(name, frame.at) for name, frame in desk.seen_since(ROGUE_MAC, 20.0)] == [("s2", 20.0), ("s1", 30.0)]
    desk.unwatch([ROGUE_MAC])
    assert desk.seen_since(ROGUE_MAC, 0) == []
    assert (await desk.work("s3", 0)).standing == Standing()


async def test_a_sensor_is_shown_as_it_last_said(desk: SensorDesk, clock: Clock) -> None:
    desk.post("s1", found(at=clock.time + 7, trouble="interface eth0 is down"))
    (view,) = desk.sensors()
    assert (view.name, view.interface, view.ip) == ("s1", "eth0", ip_address("10.0.0.1"))
    assert (view.last_seen, view.skew, view.trouble, view.live) == (1000.0, 7.0, "interface eth0 is down", True)


async def test_everything_is_bounded(desk: SensorDesk, clock: Clock) -> None:
    left = desk.set_baseline([target(n) for n in range(BASELINE_MOST + 3)], 2)
    assert left == [target(n) for n in range(BASELINE_MOST, BASELINE_MOST + 3)]
    macs = [Mac(f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}") for n in range(WATCH_MOST + 2)]
    assert desk.watch(macs) == frozenset(macs[-2:])
    desk.unwatch(macs[:1])
    assert desk.watch(macs[-2:]) == frozenset(macs[-1:])
    for n in range(200):
        desk.post("s1", found(seen=[FrameSeen(mac=macs[1], at=float(n), kind="udp")]))
    kept = [frame.at for _, frame in desk.seen_since(macs[1], 0)]
    assert kept[-1] == 199.0
    assert len(kept) < 100
    for batch in range(40):
        targets = [target(n) for n in range(batch * 256, batch * 256 + 256)]
        desk.set_baseline(targets, 2)
        desk.post("s1", found(baseline=[BaselineAnswer(target=one, answered_at=900.0) for one in targets]))
    known = [desk.last_answer(target(n).ip) is not None for n in range(40 * 256)]
    assert sum(known) < 40 * 256
    assert known[-1]


async def test_a_dead_sensor_makes_room_and_a_live_one_does_not(desk: SensorDesk, clock: Clock) -> None:
    for n in range(SENSORS_MOST):
        await desk.work(f"s{n}", 0)
    with pytest.raises(Conflict, match="stop one"):
        await desk.work("more", 0)
    clock.time += LIVE_FOR + 1
    await desk.work("more", 0)
    assert len(desk.sensors()) == SENSORS_MOST
