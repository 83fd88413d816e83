"""What devices should hold, from memory and from the database: never two answers."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy.exc

from controller.errors import RefusalCode, Refused, StoreUnavailable
from controller.model import DeviceOutcome, OnExpiry, Outcome
from controller.store import Desired, Move, Store
from controller.store import current as current_module
from controller.store import desired as desired_module
from controller.store.desired import Known
from drivers.rules import PortName, RuleSet
from tests.unit.store_cases import START, Clock, converge, draft, nothing, rules
from tests.unit.store_cases import endpoint as endpoint_of

DEVICES = ("s1", "s2")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path / 'netcordon.db'}", now=Clock())
    yield opened
    await opened.close()


def shape(wanted: Desired) -> tuple[Any, ...]:
    written = sorted(repr(rule) for rule in wanted.rules)
    return wanted.revision, written, dict(wanted.baseline.ports), sorted(wanted.containments)


async def from_the_database(store: Store, device: str) -> Desired:
    def query(connection: Any) -> Known:
        return desired_module.read(connection, device, Known())

    return (await store._read(query)).desired()


@pytest.mark.parametrize("seed", range(12))
async def test_memory_says_what_the_database_says_whatever_was_written(store: Store, seed: int) -> None:
    """Many writes of all kinds in any order, some of them refused, between two looks."""
    chance = random.Random(seed)
    for device in DEVICES:
        await store.upsert_device(device, "memory", "", "unknown", {})
        await store.desired(device)
    for _ in range(60):
        await _write_something(store, chance)
        if chance.random() < 0.4:
            for device in DEVICES:
                assert store._current.of(device) is not None, "it was read once: nothing has to be read any more"
                assert shape(await store.desired(device)) == shape(await from_the_database(store, device))


async def _write_something(store: Store, chance: random.Random) -> None:
    number, device = chance.randrange(6), chance.choice(DEVICES)
    held = {case.endpoint.id: case for case in reversed(await store.containments())}
    case = held.get(endpoint_of(number).id)
    port = PortName(f"eth{chance.randrange(4)}")
    match chance.choice(["accept", "accept", "stricter", "refused", "release", "converge", "keep", "drop", "move"]):
        case "accept":
            name = f"case-{number}-{chance.randrange(10**9)}"
            one = draft(number, containment=name, baseline={"s1": {port: {"no_fwd": False}}})
            await store.accept(one, recheck=nothing)
        case "stricter":
            level = chance.randrange(101, 10**6)
            wanted = {device: rules(f"x{level}", number)}
            await store.accept(draft(number, containment=f"y-{level}", strictness=level, rules=wanted), recheck=nothing)
        case "refused":
            other = draft(100 + chance.randrange(10**6), containment=f"r-{chance.randrange(10**9)}")
            with pytest.raises(Refused):
                await store.accept(other, recheck=_refuse)
        case "release" if case is not None:
            await store.release(case.id, by="soc", reason="")
        case "converge":
            await converge(store, device)
        case "keep":
            await store.save_baseline("s1", {port: {"no_fwd": chance.random() < 0.5, "vlan": chance.randrange(9)}})
        case "drop":
            await store.drop_baseline("s1", [port])
        case "move" if case is not None and case.released_by is None:
            more = {device: rules(case.id, 50 + chance.randrange(3))}
            move = Move(case.revision, more, "here", "there", "it moved", case.endpoint, case.proof)
            await store.move(case.id, move, nothing)


def _refuse() -> None:
    raise Refused(RefusalCode.CHANGED, "it moved")


async def test_writes_that_share_a_commit_are_all_in_memory(store: Store) -> None:
    await store.desired("s1")
    await asyncio.gather(*(store.accept(draft(n), recheck=nothing) for n in range(40)))
    assert store._current.of("s1") is not None
    assert shape(await store.desired("s1")) == shape(await from_the_database(store, "s1"))


async def test_a_read_that_a_commit_overtook_is_not_taken_for_the_last_word(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on, honest = threading.Event(), threading.Event(), desired_module.read

    def slow(*arguments: Any) -> Known:
        found = honest(*arguments)
        began.set()
        assert go_on.wait(10)
        return found

    monkeypatch.setattr(desired_module, "read", slow)
    looking = asyncio.create_task(store.desired("s1"))
    await asyncio.to_thread(began.wait, 10)
    monkeypatch.setattr(desired_module, "read", honest)
    await store.accept(draft(1), recheck=nothing)
    go_on.set()
    assert (await looking).revision == 0, "as of when it was read"
    assert (await store.desired("s1")).rules == rules("case-0001", 1)


async def test_a_commit_that_may_or_may_not_have_come_about_ends_what_is_known(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.desired("s1")
    commit = sqlalchemy.engine.RootTransaction.commit

    def lost(transaction: Any) -> None:
        commit(transaction)
        raise sqlalchemy.exc.OperationalError("COMMIT", None, Exception("disk I/O error"))

    monkeypatch.setattr(sqlalchemy.engine.RootTransaction, "commit", lost)
    with pytest.raises(StoreUnavailable):
        await store.accept(draft(1), recheck=nothing)
    monkeypatch.undo()
    assert store._current.of("s1") is None
    assert (await store.desired("s1")).rules == rules("case-0001", 1), "it was committed, and nobody had been told"


async def test_what_is_foreseen_is_what_is_then_wanted_and_only_once_it_is_committed(store: Store) -> None:
    foreseen: list[RuleSet] = []
    store.on_foreseen = lambda device, desired, steps: foreseen.append(desired.rules)
    await store.desired("s1")
    await store.accept(draft(1), recheck=nothing)
    assert (await store.desired("s1")).rules is foreseen[0], "worked out once"
    await store.release("case-0001", by="ann", reason="")
    assert (await store.desired("s1")).rules is foreseen[1]
    assert [len(after) for after in foreseen] == [len(rules("case-0001", 1)), 0]


async def test_what_was_foreseen_and_failed_is_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    foreseen: list[str] = []
    store.on_foreseen = lambda device, desired, steps: foreseen.append(device)
    await store.desired("s1")

    def full(transaction: Any) -> None:
        time.sleep(0.05)  # as long as a disk may take: the event loop hears of it before
        raise sqlalchemy.exc.OperationalError("COMMIT", None, Exception("database or disk is full"))

    monkeypatch.setattr(sqlalchemy.engine.RootTransaction, "commit", full)
    with pytest.raises(StoreUnavailable):
        await store.accept(draft(1), recheck=nothing)
    monkeypatch.undo()
    assert foreseen == ["s1"]
    assert not (await store.desired("s1")).rules.ids
    await store.accept(draft(2), recheck=nothing)
    assert (await store.desired("s1")).rules == rules("case-0002", 2)


async def test_a_device_that_nobody_asks_for_costs_no_memory_without_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current_module, "MOST_STEPS", 3)
    await store.desired("s1")
    for n in range(5):
        await store.accept(draft(n), recheck=nothing)
    assert store._current.of("s1") is None
    assert len((await store.desired("s1")).rules) == 10


async def test_anew_is_the_databases_word(store: Store) -> None:
    await store.desired("s1")
    await store.accept(draft(1), recheck=nothing)
    wanted = await store.desired("s1")
    assert await store.desired("s1", anew=True) == wanted
    store._current.keep("s1", replace(Known(), rules=RuleSet()), (-1, -1))
    assert (await store.desired("s1")).rules == wanted.rules


async def test_where_others_commit_too_every_look_is_a_read(store: Store) -> None:
    together = current_module.Current(alone=False)
    known, stood = together.basis("s1")
    together.keep("s1", known, stood)
    assert together.of("s1") is None


async def test_what_expires_leaves_memory_as_well(store: Store) -> None:
    await store.desired("s1")
    await store.accept(draft(1, on_expiry=OnExpiry.RELEASE), recheck=nothing)
    await store.expire_due(START + 10**6)
    wanted = await store.desired("s1")
    assert (len(wanted.rules), wanted.containments) == (0, ("case-0001",))
    epoch = await store.claim("s1", "test", 30)
    assert epoch is not None
    await store.record("s1", epoch, wanted.revision, {"case-0001": DeviceOutcome("s1", Outcome.REMOVED)})
    assert (await store.desired("s1")).containments == ()
    assert shape(await store.desired("s1")) == shape(await from_the_database(store, "s1"))
