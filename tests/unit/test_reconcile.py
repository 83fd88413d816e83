"""One device's loop, against the real store and the memory driver in all its moods: no outcome without a read-back."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from controller.config import Reconciling
from controller.errors import StoreUnavailable
from controller.model import Attachment, Containment, Endpoint, Outcome
from controller.readback import Pass, merged, outcomes_of
from controller.reconcile import DeviceLoop
from controller.store import Desired, Draft, Store
from drivers.base import (
    Change,
    DeadMan,
    DeviceRefused,
    DeviceUnreachable,
    DiffLine,
    ObservedRule,
    ObservedState,
    OutcomeUnknown,
    PortState,
    PreState,
    Receipt,
    ReceiptStatus,
    Scope,
)
from drivers.memory import Behaviour, MemoryDevice, MemoryDriver, MemoryOptions
from drivers.rules import Action, Direction, Match, PortName, Provenance, Rule, RuleSet
from drivers.semantics import Crossing, Fate, Frame
from tests.campus import NOW, mac

SWITCH = "sw"
PORTS = tuple(PortName(f"p{n}") for n in range(1, 6))
SETTINGS = Reconciling(backoff=0.01, backoff_most=0.02, resync=60)


class Spy(MemoryDriver):
    """The memory driver, with its calls written down and one thing that can be made to happen after the next push."""

    def __init__(self, device: MemoryDevice) -> None:
        super().__init__(device)
        self.calls: list[str] = []
        self.rendered = 0
        self.after_push: Callable[[], None] | None = None

    async def observe(self, scope: Scope = Scope()) -> ObservedState:  # noqa: B008 - frozen
        self.calls.append("observe" if scope == Scope() else "read back")
        return await super().observe(scope)

    def render(self, desired: RuleSet, observed: ObservedState, baseline: PreState) -> Change:
        self.rendered += 1
        return super().render(desired, observed, baseline)

    async def apply(self, change: Change, deadline: float) -> Receipt:
        self.calls.append("apply")
        receipt = await super().apply(change, deadline)
        if self.after_push is not None:
            happens, self.after_push = self.after_push, None
            happens()
        return receipt


@dataclass
class Bench:
    store: Store
    device: MemoryDevice
    driver: Spy
    loop: DeviceLoop
    heard: list[tuple[str, Outcome]] = field(default_factory=list)
    now: float = NOW

    async def accept(self, number: int = 1, *, key: str = "") -> str:
        name = f"c-{number}"
        port = PORTS[number - 1]
        provenance = Provenance(name, "it scans", "ann")
        rules = RuleSet(Rule(Match(direction, port=port), Action.DENY, provenance) for direction in Direction)
        endpoint = Endpoint(frozenset({mac(number)}), frozenset(), Attachment(SWITCH, port))
        draft = Draft(name, endpoint, str(port), "full", 100, None, self.now, "ann", "", "", False, {SWITCH: rules})
        await self.store.accept(draft, recheck=lambda: None)
        return name

    async def release(self, number: int = 1) -> None:
        await self.store.release(f"c-{number}", by="ann", reason="clean")

    async def outcome(self, number: int = 1) -> Outcome:
        return (await self.store.containment(f"c-{number}")).outcome

    async def reason(self, number: int = 1) -> str:
        return (await self.store.containment(f"c-{number}")).devices[0].reason

    def passes(self, number: int = 1, to: int = 5) -> bool:
        frame = Frame(mac(number), mac(to), 0x88B5)
        return self.device.forward(Crossing(frame, PORTS[number - 1], PORTS[to - 1])).fate is Fate.PASS

    def pushes(self) -> int:
        return self.driver.calls.count("apply")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.loop.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], Any], what: str) -> None:
    """Wait for a condition, a few seconds at most."""
    for _ in range(500):
        found = holds()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"waited in vain until {what}")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made: list[Bench] = []
    store = await Store.open(f"sqlite:///{tmp_path}/netcordon.db", now=lambda: made[0].now if made else NOW)
    device = MemoryDevice(SWITCH, MemoryOptions(ports=PORTS), clock=lambda: made[0].now)
    driver = Spy(device)
    await store.upsert_device(SWITCH, "memory", "sw", "oob", {})

    def changed(containments: Iterable[Containment]) -> None:
        made[0].heard += [(one.id, one.outcome) for one in containments]

    loop = DeviceLoop(SWITCH, driver, store, SETTINGS, "me", lambda: made[0].now, changed)
    made.append(Bench(store, device, driver, loop))
    yield made[0]
    await store.close()


# --- what is recorded -----------------------------------------------------------------------------------------------


@dataclass
class Recorded:
    """The containments of which something was given to the store to record, pass by pass."""

    passes: list[set[str]] = field(default_factory=list)

    @classmethod
    def at(cls, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Recorded:
        seen, record = cls(), bench.store.record

        async def spied(
            device: str, epoch: int, have: int | None, outcomes: Any, boot_id: str | None = None
        ) -> list[str]:
            seen.passes.append(set(outcomes))
            return await record(device, epoch, have, outcomes, boot_id)

        monkeypatch.setattr(bench.store, "record", spied)
        return seen


async def test_only_what_is_new_is_recorded_after_a_push(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded.at(bench, monkeypatch)
    for number in (1, 2, 3):
        await bench.accept(number)
        await bench.loop.converge()
        assert await bench.outcome(number) is Outcome.INSTALLED
    await bench.release(2)
    await bench.loop.converge()
    assert await bench.outcome(2) is Outcome.REMOVED
    assert recorded.passes == [{"c-1"}, {"c-2"}, {"c-3"}, {"c-2"}]


@pytest.mark.parametrize("what", ["a doubt", "a reboot", "a failure"])
async def test_all_is_recorded_anew_when_all_may_be_otherwise(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    await bench.accept(1)
    await bench.loop.converge()
    recorded = Recorded.at(bench, monkeypatch)
    match what:
        case "a doubt":
            bench.loop.distrust()
        case "a reboot":
            bench.device.reboot()
            bench.loop.distrust()
        case "a failure":
            bench.device.behave(Behaviour.UNREACHABLE)
            await bench.accept(2)
            with pytest.raises(DeviceUnreachable):
                await bench.loop.converge()
            bench.device.behave(Behaviour.ACCEPTS)
    await bench.loop.converge()
    assert recorded.passes[-1] >= {"c-1"}
    assert await bench.outcome(1) is Outcome.INSTALLED


# --- what is about to be wanted ---------------------------------------------------------------------------------------


async def test_what_was_foreseen_is_sent_once_it_is_wanted_and_not_before(bench: Bench) -> None:
    await bench.loop.converge()
    await bench.store.save_baseline(SWITCH, bench.loop.untouched([PORTS[0]]))  # as an accept does
    bench.store.on_foreseen = lambda device, desired, steps: bench.loop.foresee(desired, steps)
    await bench.accept()
    rendered = bench.driver.rendered
    assert (rendered, bench.pushes()) == (2, 0)
    await bench.loop.converge()
    assert bench.driver.rendered == rendered + 1, (
        "what is still lacking after the read-back, and nothing before the push"
    )
    assert await bench.outcome() is Outcome.INSTALLED
    assert not bench.passes()


async def test_what_was_foreseen_of_another_state_is_not_sent(bench: Bench) -> None:
    await bench.accept(1)
    await bench.loop.converge()
    bench.store.on_foreseen = lambda device, desired, steps: bench.loop.foresee(desired, steps)
    await bench.accept(2)
    bench.device.wipe()
    bench.loop.distrust()
    await bench.loop.converge()
    assert not bench.passes(1)
    assert not bench.passes(2)


async def test_what_was_foreseen_and_came_otherwise_is_not_sent(bench: Bench) -> None:
    await bench.loop.converge()
    bench.store.on_foreseen = lambda device, desired, steps: bench.loop.foresee(desired, steps)
    await bench.accept(1)
    bench.store.on_foreseen = None
    await bench.accept(2)
    await bench.loop.converge()
    assert not bench.passes(1)
    assert not bench.passes(2)


@dataclass
class Parcel:
    """A change that lies ready with `Layer`: `sent` once somebody gave the word."""

    sent: bool = False
    dropped: bool = False

    def send(self) -> bool:
        self.sent = self.sent or not self.dropped
        return self.sent

    def drop(self) -> bool:
        self.dropped = not self.sent
        return self.dropped


class Layer(Spy):
    """A spy that lays changes ready as well."""

    def __init__(self, device: MemoryDevice) -> None:
        super().__init__(device)
        self.parcels: list[Parcel] = []

    def lay_ready(self, change: Change) -> Parcel:
        self.parcels.append(Parcel())
        return self.parcels[-1]


@pytest.fixture
async def layer(bench: Bench) -> Layer:
    """Its loop has converged once, and hears what is foreseen and what is durable."""
    driver = Layer(bench.device)
    bench.driver = driver
    bench.loop = DeviceLoop(SWITCH, driver, bench.store, SETTINGS, "me", lambda: bench.now, lambda cases: None)
    await bench.loop.converge()
    await bench.store.save_baseline(SWITCH, bench.loop.untouched(PORTS))
    await bench.store.desired(SWITCH)
    bench.store.on_foreseen = lambda device, desired, steps: bench.loop.foresee(desired, steps)
    bench.store.on_durable = bench.loop.durable
    return driver


def _slow_commit(monkeypatch: pytest.MonkeyPatch, then: Callable[[], None] = lambda: None) -> None:
    """As long as a disk may take: the event loop has laid it ready before."""
    real = sqlalchemy.engine.RootTransaction.commit

    def commit(transaction: sqlalchemy.engine.RootTransaction) -> None:
        time.sleep(0.1)
        then()
        real(transaction)

    monkeypatch.setattr(sqlalchemy.engine.RootTransaction, "commit", commit)


async def test_what_lies_ready_goes_out_as_soon_as_it_is_durable(
    bench: Bench, layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent_before: list[bool] = []
    _slow_commit(monkeypatch, lambda: sent_before.extend(parcel.sent for parcel in layer.parcels))
    await bench.accept()
    assert sent_before == [False], "not while it was not on the disk"
    assert [parcel.sent for parcel in layer.parcels] == [True], "and without a pass"
    await bench.loop.converge()
    assert await bench.outcome() is Outcome.INSTALLED


async def test_a_resync_that_takes_long_holds_no_push_up(bench: Bench, layer: Layer) -> None:
    """And it is had after that: what somebody took away meanwhile is found."""
    bench.loop._settings = SETTINGS.model_copy(update={"resync": 0.05})
    bench.loop._resync_at = time.monotonic()
    go_on, whole, read = asyncio.Event(), Scope(), layer.observe
    looks = 0

    async def slow(scope: Scope = whole) -> ObservedState:
        nonlocal looks
        looks += scope == whole
        if scope == whole:
            await go_on.wait()
        return await read(scope)

    layer.observe = slow  # type: ignore[method-assign]
    async with bench.running():
        await until(lambda: looks == 1, "a resync has begun")
        await bench.accept(1)
        bench.loop.wake()
        await until(lambda: not bench.passes(1), "the push goes before the look")
        await until(lambda: looks == 2, "and the look begins anew after it")
        bench.device.wipe()
        go_on.set()
        await until(lambda: bench.device.state() and not bench.passes(1), "what was lost meanwhile is repaired")
        await until(lambda: bench.pushes() == 2, "by a push of its own")
    assert await bench.outcome(1) is Outcome.INSTALLED


async def test_what_was_not_committed_never_goes_out(
    bench: Bench, layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise sqlalchemy.exc.OperationalError("COMMIT", None, Exception("database or disk is full"))

    _slow_commit(monkeypatch, full)
    with pytest.raises(StoreUnavailable):
        await bench.accept(1)
    monkeypatch.undo()
    assert [parcel.sent for parcel in layer.parcels] == [False]
    await bench.store.desired(SWITCH, anew=True)
    _slow_commit(monkeypatch)
    await bench.accept(2)
    await bench.loop.converge()
    assert not layer.parcels[0].sent, "another commit is no word for it"
    assert bench.passes(1)
    assert not bench.passes(2)


async def test_what_lies_ready_for_a_state_that_is_in_doubt_does_not_go_out(
    bench: Bench, layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    distrusted = asyncio.get_running_loop().call_soon_threadsafe

    def doubt() -> None:
        distrusted(bench.loop.distrust)
        time.sleep(0.1)

    _slow_commit(monkeypatch, doubt)
    await bench.accept()
    assert [(parcel.sent, parcel.dropped) for parcel in layer.parcels] == [(False, True)]
    await bench.loop.converge()
    assert not bench.passes()


async def test_a_port_of_which_is_not_known_what_was_there_before_us_is_not_touched_beforehand(
    bench: Bench, layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.store.drop_baseline(SWITCH, PORTS)
    _slow_commit(monkeypatch)
    await bench.accept()
    assert layer.parcels == []
    await bench.loop.converge()
    assert await bench.outcome() is Outcome.INSTALLED


async def test_nothing_goes_out_beside_a_pass(bench: Bench, layer: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It might go by what was wanted before."""

    def begins() -> None:
        bench.loop._ahead.close()

    _slow_commit(monkeypatch, begins)
    await bench.accept()
    assert [parcel.sent for parcel in layer.parcels] == [False]


# --- the plain way ----------------------------------------------------------------------------------------------------


async def test_installed_only_after_a_read_back_in_one_push(bench: Bench) -> None:
    await bench.accept()
    assert await bench.outcome() is Outcome.REQUESTED
    await bench.loop.converge()
    assert bench.driver.calls == ["observe", "apply", "read back"]
    assert bench.heard == [("c-1", Outcome.INSTALLED)]
    assert await bench.outcome() is Outcome.INSTALLED
    assert not bench.passes(1)
    assert not bench.passes(5, to=1)
    assert bench.passes(2), "its neighbour's frames flow"
    record = await bench.store.device(SWITCH)
    assert not record.dirty
    assert bench.loop.up


async def test_what_is_asked_of_a_configured_switch_in_quick_succession_goes_in_one_push(bench: Bench) -> None:
    timed = replace(MemoryDriver.capabilities, dead_man=DeadMan(shortest=60, longest=60))
    bench.driver.capabilities = timed  # type: ignore[misc]  # this one's own
    async with bench.running():
        await until(lambda: bench.driver.calls, "the first look")
        for number in range(1, 6):
            await bench.accept(number)
            bench.loop.wake()

        async def all_installed() -> bool:
            return {await bench.outcome(number) for number in range(1, 6)} == {Outcome.INSTALLED}

        await until(all_installed, "all to be installed")
    assert bench.pushes() == 1


async def test_nothing_to_change_means_nothing_sent(bench: Bench) -> None:
    await bench.accept()
    await bench.loop.converge()
    commits = bench.device.commits
    await bench.loop.converge()
    assert bench.device.commits == commits
    assert bench.driver.calls == ["observe", "apply", "read back"]


async def test_released_is_removed_only_after_a_read_back_and_all_is_as_before(bench: Bench) -> None:
    before = bench.device.state()
    await bench.accept()
    await bench.loop.converge()
    await bench.release()
    assert await bench.outcome() is not Outcome.REMOVED
    await bench.loop.converge()
    assert bench.driver.calls[-2:] == ["apply", "read back"]
    assert await bench.outcome() is Outcome.REMOVED
    assert bench.device.state() == before
    assert bench.passes(1)


async def test_releasing_one_leaves_the_other(bench: Bench) -> None:
    await bench.accept(1)
    await bench.accept(2)
    await bench.loop.converge()
    await bench.release(1)
    await bench.loop.converge()
    assert await bench.outcome(1) is Outcome.REMOVED
    assert await bench.outcome(2) is Outcome.INSTALLED
    assert bench.passes(1)
    assert not bench.passes(2)


async def test_a_storm_of_wakes_is_one_push(bench: Bench) -> None:
    async with bench.running():
        await until(lambda: bench.loop.up, "the loop has looked")
        for number in range(1, 5):
            await bench.accept(number)
        for _ in range(100):
            bench.loop.wake()
        await until(lambda: len(bench.heard) == 4, "all four are installed")
        for _ in range(100):
            bench.loop.wake()
        await asyncio.sleep(0.05)
    assert bench.pushes() == 1
    assert bench.device.commits == 1


async def test_the_last_accepted_command_wins(bench: Bench) -> None:
    await bench.accept()
    await bench.release()
    await bench.loop.converge()
    assert await bench.outcome() is Outcome.REMOVED
    assert bench.pushes() == 0


# --- what was there before ---------------------------------------------------------------------------------------------


async def test_the_baseline_is_stored_before_the_first_touch_and_dropped_after_release(bench: Bench) -> None:
    bench.device.behave(Behaviour.DIES, dies_after=1)
    await bench.accept()
    with pytest.raises(OutcomeUnknown):
        await bench.loop.converge()
    assert bench.device.ports[PORTS[0]].no_fwd, "the device was touched"
    stored = (await bench.store.desired(SWITCH)).baseline
    assert stored.ports == {PORTS[0]: {"no_fwd": False}}, "and what was there before was stored"
    bench.device.behave(Behaviour.ACCEPTS)
    await bench.loop.converge()
    assert (await bench.store.desired(SWITCH)).baseline == stored, "ours is never taken for what was there before"
    await bench.release()
    await bench.loop.converge()
    assert not bench.device.ports[PORTS[0]].no_fwd
    assert (await bench.store.desired(SWITCH)).baseline.ports == {}


async def test_a_flag_that_was_there_before_us_stays_after_release(bench: Bench) -> None:
    bench.device.ports[PORTS[0]].no_fwd = True
    before = bench.device.state()
    await bench.accept()
    await bench.loop.converge()
    await bench.release()
    await bench.loop.converge()
    assert await bench.outcome() is Outcome.REMOVED
    assert bench.device.state() == before


# --- a device in a bad mood -------------------------------------------------------------------------------------------


async def test_one_refused_rule_makes_it_partial_with_the_devices_reason(bench: Bench) -> None:
    await bench.accept()
    refused = next(rule for rule in (await bench.store.desired(SWITCH)).rules if rule.match.direction is Direction.TO)
    bench.device.options = replace_options(bench, refused={refused.id: "out of TCAM"})
    with pytest.raises(DeviceRefused, match="out of TCAM"):
        await bench.loop.converge()
    assert await bench.outcome() is Outcome.PARTIAL
    assert await bench.reason() == "deny to p1: out of TCAM"
    assert not bench.passes(1), "partial containment stands"
    bench.device.options = replace_options(bench, refused={})
    await bench.loop.converge()
    assert await bench.outcome() is Outcome.INSTALLED


def replace_options(bench: Bench, **update: Any) -> MemoryOptions:
    return bench.device.options.model_copy(update=update)


async def test_a_full_table_fails_one_containment_and_not_the_others(bench: Bench) -> None:
    await bench.accept(1)
    await bench.loop.converge()
    bench.device.options = replace_options(bench, capacity=2)
    await bench.accept(2)
    with pytest.raises(DeviceRefused, match="table full"):
        await bench.loop.converge()
    assert await bench.outcome(1) is Outcome.INSTALLED
    assert await bench.outcome(2) in {Outcome.FAILED, Outcome.PARTIAL}
    assert "table full" in await bench.reason(2)


async def test_a_device_that_refuses_everything(bench: Bench) -> None:
    bench.device.behave(Behaviour.REFUSES)
    await bench.accept()
    with pytest.raises(DeviceRefused):
        await bench.loop.converge()
    assert await bench.outcome() is Outcome.FAILED
    assert "the change was refused" in await bench.reason()


async def test_a_lost_answer_is_unknown_and_the_device_is_observed_before_the_next_push(bench: Bench) -> None:
    await bench.accept(1)
    await bench.loop.converge()
    bench.device.behave(Behaviour.DIES, dies_after=99)
    await bench.accept(2)
    with pytest.raises(OutcomeUnknown):
        await bench.loop.converge()
    assert await bench.outcome(2) is Outcome.UNKNOWN
    assert "lost in the middle" in await bench.reason(2)
    bench.device.behave(Behaviour.ACCEPTS)
    bench.driver.calls.clear()
    await bench.loop.converge()
    assert bench.driver.calls == ["observe"], "it had arrived: seen, and not pushed again"
    assert await bench.outcome(2) is Outcome.INSTALLED


@pytest.mark.parametrize("lie", [Behaviour.LIES, Behaviour.SHOWS_FEWER, Behaviour.SHOWS_OTHER, Behaviour.SHOWS_ALTERED])
async def test_a_device_that_lies_is_never_installed(bench: Bench, lie: Behaviour) -> None:
    bench.device.behave(lie)
    await bench.accept()
    for _ in range(3):
        with pytest.raises(DeviceRefused):
            await bench.loop.converge()
    assert ("c-1", Outcome.INSTALLED) not in bench.heard
    assert await bench.outcome() in {Outcome.FAILED, Outcome.PARTIAL}
    assert "not there on read-back" in await bench.reason()


async def test_a_slow_device_is_unknown_after_the_deadline(bench: Bench) -> None:
    bench.device.options = replace_options(bench, delay=5.0)
    loop = DeviceLoop(
        SWITCH,
        bench.driver,
        bench.store,
        SETTINGS.model_copy(update={"deadline": 0.02}),
        "me",
        lambda: NOW,
        lambda changed: None,
    )
    await bench.accept()
    with pytest.raises(OutcomeUnknown):
        await loop.converge()
    assert await bench.outcome() is Outcome.UNKNOWN


async def test_an_unreachable_device_leaves_it_requested_and_says_so(bench: Bench) -> None:
    bench.device.behave(Behaviour.UNREACHABLE)
    await bench.accept()
    with pytest.raises(DeviceUnreachable):
        await bench.loop.converge()
    assert await bench.outcome() is Outcome.REQUESTED
    assert "queued, the device is unreachable" in await bench.reason()
    assert not bench.loop.up
    bench.device.behave(Behaviour.ACCEPTS)
    await bench.loop.converge()
    assert await bench.outcome() is Outcome.INSTALLED
    assert await bench.reason() == ""


async def test_what_was_installed_on_a_device_that_went_away_is_unknown_not_queued(bench: Bench) -> None:
    await bench.accept(1)
    await bench.loop.converge()
    bench.device.behave(Behaviour.UNREACHABLE)
    await bench.loop.lost("cable cut")
    assert await bench.outcome(1) is Outcome.UNKNOWN
    assert "session lost: cable cut" in await bench.reason(1)
    await bench.accept(2)
    with pytest.raises(DeviceUnreachable):
        await bench.loop.converge()
    assert await bench.outcome(1) is Outcome.UNKNOWN
    assert "was installed" in await bench.reason(1)
    assert await bench.outcome(2) is Outcome.REQUESTED


async def test_a_session_lost_between_push_and_read_back_is_unknown_not_queued(bench: Bench) -> None:
    await bench.accept()
    bench.driver.after_push = lambda: bench.device.behave(Behaviour.UNREACHABLE)
    with pytest.raises(OutcomeUnknown, match="pushed, but"):
        await bench.loop.converge()
    assert await bench.outcome() is Outcome.UNKNOWN


@pytest.mark.parametrize("cut", ["before the answer", "before the read-back"])
async def test_what_was_pushed_and_never_read_back_is_not_queued_while_the_device_is_away(
    bench: Bench, cut: str
) -> None:
    await bench.accept()
    if cut == "before the answer":
        bench.device.behave(Behaviour.DIES, dies_after=99)
    else:
        bench.driver.after_push = lambda: bench.device.behave(Behaviour.UNREACHABLE)
    with pytest.raises(OutcomeUnknown):
        await bench.loop.converge()
    bench.device.behave(Behaviour.UNREACHABLE)
    with pytest.raises(DeviceUnreachable):
        await bench.loop.converge()
    assert not bench.passes(1), "the device holds it"
    assert await bench.outcome() is Outcome.UNKNOWN
    assert "pushed and not read back" in await bench.reason()


async def test_what_was_refused_as_a_whole_is_queued_while_the_device_is_away(bench: Bench) -> None:
    await bench.accept()
    bench.device.behave(Behaviour.REFUSES)
    with pytest.raises(DeviceRefused):
        await bench.loop.converge()
    bench.device.behave(Behaviour.UNREACHABLE)
    with pytest.raises(DeviceUnreachable):
        await bench.loop.converge()
    assert await bench.outcome() is Outcome.REQUESTED


async def test_a_reboot_under_a_push_is_noticed_for_the_other_containments_too(bench: Bench) -> None:
    await bench.accept(1)
    await bench.loop.converge()
    await bench.accept(2)
    bench.driver.after_push = bench.device.reboot
    with pytest.raises(DeviceRefused):
        await bench.loop.converge()
    assert await bench.outcome(1) is Outcome.FAILED, "its rules are gone, and nobody claims otherwise"
    await bench.loop.converge()
    assert await bench.outcome(1) is Outcome.INSTALLED
    assert await bench.outcome(2) is Outcome.INSTALLED


async def test_a_defect_in_a_driver_does_not_end_the_loop(bench: Bench) -> None:
    def defect() -> None:
        raise KeyError("a bug")

    bench.driver.after_push = defect
    async with bench.running():
        await bench.accept()
        bench.loop.wake()
        await until(lambda: ("c-1", Outcome.INSTALLED) in bench.heard, "it is installed after all")


# --- drift and resync ---------------------------------------------------------------------------------------------------


async def test_wiped_rules_are_recorded_as_drift_and_repaired(bench: Bench) -> None:
    await bench.accept()
    await bench.loop.converge()
    bench.device.wipe()
    bench.loop.distrust()
    await bench.loop.converge()
    assert bench.heard == [("c-1", Outcome.INSTALLED), ("c-1", Outcome.DRIFTED), ("c-1", Outcome.INSTALLED)]
    assert not bench.passes(1)
    records = await bench.store.audit_records()
    reasons = [str(record.detail) for record in records if "drifted" in str(record.detail)]
    assert any("changed behind our back" in reason for reason in reasons)


async def test_a_cleared_port_flag_is_drift_too(bench: Bench) -> None:
    await bench.accept()
    await bench.loop.converge()
    bench.device.replug(PORTS[0])
    bench.loop.distrust()
    await bench.loop.converge()
    assert ("c-1", Outcome.DRIFTED) in bench.heard
    assert await bench.outcome() is Outcome.INSTALLED
    assert bench.device.ports[PORTS[0]].no_fwd
    await bench.release()
    await bench.loop.converge()
    assert await bench.outcome() is Outcome.REMOVED


async def test_what_was_wiped_while_another_was_accepted_is_drift_of_the_wiped_one_alone(bench: Bench) -> None:
    await bench.accept(1)
    await bench.loop.converge()
    await bench.store.set_proven("c-1", NOW, "silent")
    bench.device.wipe()
    bench.loop.distrust()
    await bench.accept(2)
    await bench.loop.converge()
    assert [name for name, outcome in bench.heard if outcome is Outcome.DRIFTED] == ["c-1"]
    assert await bench.outcome(1) is Outcome.INSTALLED, "no longer proven: it has to be looked at anew"
    assert await bench.outcome(2) is Outcome.INSTALLED
    details = [str(record.detail) for record in await bench.store.audit_records() if "drifted" in str(record.detail)]
    assert any("changed behind our back" in detail for detail in details)
    assert not any('"c-2"' in detail for detail in details)


async def test_what_was_wiped_while_no_daemon_ran_is_drift_also_when_more_was_accepted_since(bench: Bench) -> None:
    await bench.accept(1)
    await bench.loop.converge()
    bench.device.wipe()
    await bench.accept(2)
    heard: list[tuple[str, Outcome]] = []
    after = DeviceLoop(
        SWITCH,
        bench.driver,
        bench.store,
        SETTINGS,
        "me",
        lambda: NOW,
        lambda changed: heard.extend((one.id, one.outcome) for one in changed),
    )
    await after.converge()
    assert [name for name, outcome in heard if outcome is Outcome.DRIFTED] == ["c-1"]


async def test_what_is_sent_again_because_another_came_is_no_drift(bench: Bench) -> None:
    class Entangled(Spy):
        def render(self, desired: RuleSet, observed: ObservedState, baseline: PreState) -> Change:
            change = super().render(desired, observed, baseline)
            entangled = not change.empty and len(desired) > 2
            return replace(change, rule_ids=frozenset(desired.ids)) if entangled else change

    bench.loop.driver = Entangled(bench.device)
    await bench.accept(1)
    await bench.loop.converge()
    bench.loop.distrust()
    await bench.accept(2)
    await bench.loop.converge()
    assert Outcome.DRIFTED not in {outcome for _, outcome in bench.heard}
    assert await bench.outcome(2) is Outcome.INSTALLED


async def test_what_is_missing_after_a_push_with_no_answer_is_no_drift(bench: Bench) -> None:
    await bench.accept()
    await bench.loop.converge()
    bench.device.wipe()
    bench.loop.distrust()
    bench.device.behave(Behaviour.DIES)
    with pytest.raises(OutcomeUnknown):
        await bench.loop.converge()
    bench.device.behave(Behaviour.ACCEPTS)
    await bench.loop.converge()
    assert [outcome for _, outcome in bench.heard] == [
        Outcome.INSTALLED,
        Outcome.DRIFTED,
        Outcome.UNKNOWN,
        Outcome.INSTALLED,
    ]


async def test_a_flag_cleared_just_before_the_release_does_not_make_the_release_fail(bench: Bench) -> None:
    await bench.accept()
    await bench.loop.converge()
    bench.device.replug(PORTS[0])
    bench.loop.distrust()
    await bench.release()
    await bench.loop.converge()
    assert await bench.outcome() is Outcome.REMOVED


async def test_a_first_push_is_no_drift(bench: Bench) -> None:
    await bench.accept()
    await bench.loop.converge()
    assert Outcome.DRIFTED not in {outcome for _, outcome in bench.heard}


async def test_a_resync_finds_what_nobody_reported(bench: Bench) -> None:
    hasty = SETTINGS.model_copy(update={"resync": 0.05})
    bench.loop._settings = hasty
    await bench.accept()
    async with bench.running():
        await until(lambda: ("c-1", Outcome.INSTALLED) in bench.heard, "it is installed")
        bench.device.listeners.clear()
        bench.device.wipe()
        await until(lambda: bench.heard.count(("c-1", Outcome.INSTALLED)) == 2, "it was repaired")
    assert ("c-1", Outcome.DRIFTED) in bench.heard
    assert not bench.passes(1)


async def test_wakes_do_not_put_the_resync_off(bench: Bench) -> None:
    bench.loop._settings = SETTINGS.model_copy(update={"resync": 0.05})
    async with bench.running():
        for _ in range(40):
            bench.loop.wake()
            await asyncio.sleep(0.005)
    assert bench.driver.calls.count("observe") >= 2


async def test_a_doubt_that_comes_up_during_a_pass_is_not_lost(bench: Bench) -> None:
    await bench.accept(1)
    await bench.loop.converge()
    await bench.accept(2)

    def meanwhile() -> None:
        bench.device.entries.pop(next(name for name in bench.device.entries if not name.startswith("witness")))
        bench.loop.distrust()

    bench.driver.after_push = meanwhile
    with contextlib.suppress(DeviceRefused):
        await bench.loop.converge()
    bench.driver.calls.clear()
    await bench.loop.converge()
    assert bench.driver.calls[0] == "observe"
    assert not bench.passes(1)
    assert not bench.passes(2)


async def test_another_owner_is_left_alone(bench: Bench) -> None:
    await bench.accept()
    assert await bench.store.claim(SWITCH, "another controller", 60) is not None
    await bench.loop.converge()
    assert bench.driver.calls == []
    assert await bench.outcome() is Outcome.REQUESTED


async def test_a_preview_shows_what_would_change_and_changes_nothing(bench: Bench) -> None:
    await bench.accept(1)
    await bench.loop.converge()
    before = bench.device.state()
    rules = RuleSet([Rule(Match(Direction.FROM, port=PORTS[1]), Action.DENY, Provenance("c-2"))])
    lines = [f"{line.sign} {line.text}" for line in await bench.loop.would_change(rules)]
    assert any(line.startswith("+ deny direction=from port=p2") for line in lines)
    assert bench.device.state() == before


def test_a_partial_read_back_takes_the_place_of_what_it_asked_about() -> None:
    def state(*rules: tuple[str, str], **ports: bool) -> ObservedState:
        held = tuple(ObservedRule(name, native) for name, native in rules)
        return ObservedState("boot", NOW, held, {PortName(name): PortState(up) for name, up in ports.items()})

    before = state(("a", "1"), ("b", "1"), ("c", "1"), p1=True, p2=True)
    scope = Scope(frozenset({"b", "c"}), frozenset({PortName("p1")}))
    after = merged(before, state(("b", "2"), p1=False), scope)
    assert {(rule.rule_id, rule.native) for rule in after.rules} == {("a", "1"), ("b", "2")}
    assert {name: port.up for name, port in after.ports.items()} == {"p1": False, "p2": True}


@pytest.mark.parametrize(("sign", "outcome"), [("-", Outcome.FAILED), ("+", Outcome.REMOVED)])
def test_nothing_is_removed_while_the_device_holds_an_orphan(sign: str, outcome: Outcome) -> None:
    """An orphan has no rule's id: only its line in the diff tells of it."""
    desired = Desired(2, RuleSet(), PreState(), {}, frozenset({"c-1"}))
    observed = ObservedState("boot", NOW, (ObservedRule(None, "orphan"),), {})
    leftover = Change(SWITCH, ("a message",), (DiffLine(sign, "orphan (nobody's)"),))
    found = dict(outcomes_of(Pass(desired, observed, leftover, {}, drifted=False)))
    assert found["c-1"].outcome is outcome


@pytest.mark.parametrize(
    ("there", "outcome"),
    [({1, 2}, Outcome.FAILED), ({2}, Outcome.UNKNOWN), (set(), Outcome.UNKNOWN)],
    ids=["the port is there", "the port is away", "all ports are away"],
)
def test_nothing_has_failed_on_a_port_that_is_away(there: set[int], outcome: Outcome) -> None:
    provenance = Provenance("c-1", "it scans", "ann")
    rules = RuleSet(Rule(Match(direction, port=PORTS[0]), Action.DENY, provenance) for direction in Direction)
    observed = ObservedState("boot", NOW, (), {PORTS[number - 1]: PortState(True) for number in there})
    leftover = Change(SWITCH, ("a message",), (), frozenset(rule.id for rule in rules))
    refused = {rule.id: "there is no such port" for rule in rules}
    desired = Desired(2, rules, PreState(), {"c-1": tuple(rules)})
    (one,) = dict(outcomes_of(Pass(desired, observed, leftover, refused, drifted=False))).values()
    assert one.outcome is outcome
    assert "no such port" in one.reason


# --- a clock that is set back ---------------------------------------------------------------------------------------------


async def test_a_clock_set_back_does_not_put_the_resync_off(bench: Bench) -> None:
    bench.loop._settings = SETTINGS.model_copy(update={"resync": 0.05})
    await bench.accept()
    async with bench.running():
        await until(lambda: ("c-1", Outcome.INSTALLED) in bench.heard, "it is installed")
        bench.now -= 3600
        looks = bench.driver.calls.count("observe")
        await until(lambda: bench.driver.calls.count("observe") >= looks + 2, "it is looked at again")


async def test_a_clock_set_back_does_not_put_the_next_try_off(bench: Bench) -> None:
    bench.device.behave(Behaviour.UNREACHABLE)
    await bench.accept()
    async with bench.running():
        await until(lambda: bench.loop.error, "a try has failed")
        bench.now -= 3600
        bench.device.behave(Behaviour.ACCEPTS)
        await until(lambda: ("c-1", Outcome.INSTALLED) in bench.heard, "it is installed")


async def test_a_clock_set_back_does_not_let_the_lease_lapse_nor_a_changed_flag_pass_for_our_own(bench: Bench) -> None:
    passed = 0.0
    bench.loop._monotonic = lambda: passed
    await bench.accept()
    await bench.loop.converge()
    epoch = bench.loop._epoch
    bench.loop.flags_changed()
    assert bench.loop._known is not None, "our own echo"
    bench.now -= 3600
    passed = SETTINGS.lease
    await bench.loop.converge()
    assert bench.loop._epoch != epoch, "claimed anew"
    bench.loop.flags_changed()
    assert bench.loop._known is None, "somebody else's doing"


async def test_a_receipt_that_cannot_be_confirmed_is_unknown(bench: Bench) -> None:
    class WithTimer(Spy):
        async def apply(self, change: Change, deadline: float) -> Receipt:
            return replace(await super().apply(change, deadline), status=ReceiptStatus.UNCONFIRMED)

        async def confirm(self, receipt: Receipt) -> Receipt:
            raise DeviceUnreachable("gone")

    bench.loop.driver = WithTimer(bench.device)
    await bench.accept()
    with pytest.raises(OutcomeUnknown, match="before it was confirmed"):
        await bench.loop.converge()
    assert await bench.outcome() is Outcome.UNKNOWN
