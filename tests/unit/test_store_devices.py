"""What devices were seen to hold, whose they are for now, and what was there before us."""

from __future__ import annotations

import asyncio

import pytest

from controller.errors import Conflict, NotFound
from controller.model import DeviceOutcome, Outcome, Stage
from controller.store import Store
from drivers.rules import PortName
from tests.unit.store_cases import START, converge, draft, nothing, rules

ETH1 = PortName("eth1")


async def hold_on_two(store: Store) -> str:
    both = {"s1": rules("case-0001", 1), "s2": rules("case-0001", 1)}
    return (await store.accept(draft(1, rules=both), recheck=nothing)).containment.id


async def outcome(store: Store, id: str) -> Outcome:
    return (await store.containment(id)).outcome


# --- outcomes -------------------------------------------------------------------------------------------------------------


async def test_a_containment_is_no_better_than_its_worst_device(store: Store) -> None:
    id = await hold_on_two(store)
    await converge(store, "s1")
    assert await outcome(store, id) is Outcome.REQUESTED
    await converge(store, "s2", Outcome.FAILED)
    assert await outcome(store, id) is Outcome.PARTIAL
    await converge(store, "s2")
    assert await outcome(store, id) is Outcome.INSTALLED


async def test_changes_are_audited_and_repetitions_are_not(store: Store) -> None:
    id = await hold_on_two(store)
    epoch = await store.claim("s1", "me", 30)
    assert epoch is not None
    seen = {id: DeviceOutcome("s1", Outcome.FAILED, "table full", START)}
    assert await store.record("s1", epoch, 1, seen) == [id]
    before = await store.audit_head()
    assert await store.record("s1", epoch, 1, seen) == []
    assert await store.audit_head() == before
    other = {id: DeviceOutcome("s1", Outcome.FAILED, "bad match", START)}
    assert await store.record("s1", epoch, 1, other) == [id]
    assert (await store.containment(id)).devices[0].reason == "bad match"
    assert await store.audit_head() == before
    assert (await store.audit_records())[-1].action == "outcome"


async def test_an_owner_of_an_older_epoch_writes_nothing(store: Store) -> None:
    id = await hold_on_two(store)
    old = await store.claim("s1", "me", 0.0)
    assert old is not None
    new = await store.claim("s1", "other", 30)
    assert new == old + 1
    installed = {id: DeviceOutcome("s1", Outcome.INSTALLED)}
    assert await store.record("s1", old, 1, installed) == []
    assert (await store.device("s1")).have_revision == 0
    assert len(await store.record("s1", new, 1, installed)) == 1
    device = await store.device("s1")
    assert (device.have_revision, device.dirty) == (1, False)
    assert await store.record("nowhere", 1, 1, installed) == []


async def test_a_push_that_began_before_a_change_says_nothing_about_it(store: Store) -> None:
    id = await hold_on_two(store)
    epoch = await store.claim("s1", "test", 30)
    assert epoch is not None
    await store.release(id, by="soc", reason="")
    assert await store.record("s1", epoch, 1, {id: DeviceOutcome("s1", Outcome.INSTALLED)}) == []
    assert (await store.device("s1")).dirty
    await converge(store, "s1")
    await converge(store, "s2")
    assert await outcome(store, id) is Outcome.REMOVED


async def test_proven_needs_all_of_it_installed_and_ends_with_a_reboot(store: Store) -> None:
    id = await hold_on_two(store)
    await converge(store, "s1", boot_id="b1")
    assert (await store.set_proven(id, START + 1, "silence")).outcome is Outcome.REQUESTED
    await converge(store, "s2", boot_id="b1")
    assert (await store.set_unproven(id, "the rogue is silent")).unproven == "the rogue is silent"
    proven = await store.set_proven(id, START + 1, "counted 40, none came out")
    assert (proven.outcome, proven.stages[Stage.PROVEN], proven.unproven) == (Outcome.PROVEN, START + 1, "")
    assert proven.evidence[-1] == "counted 40, none came out"
    await converge(store, "s1", boot_id="b1")
    assert await outcome(store, id) is Outcome.PROVEN, "another look that finds it installed takes nothing back"
    await converge(store, "s1", boot_id="b2")
    assert await outcome(store, id) is Outcome.INSTALLED, "the proof was about the device as it was before"
    assert (await store.set_outcome(id, "s1", DeviceOutcome("s1", Outcome.DRIFTED))).outcome is Outcome.DRIFTED
    await store.release(id, by="soc", reason="")
    assert (await store.set_proven(id, START + 2, "late")).outcome is Outcome.REQUESTED
    with pytest.raises(NotFound):
        await store.set_outcome(id, "s9", DeviceOutcome("s9", Outcome.FAILED))


async def test_the_first_time_of_a_stage_wins(store: Store) -> None:
    id = await hold_on_two(store)
    for at in (START + 1, START + 2):
        store.note_stage(id, Stage.COMMITTED, at)
        await store.save_stages()
    assert (await store.containment(id)).stages[Stage.COMMITTED] == START + 1


async def test_a_noted_stage_is_written_with_what_is_recorded_next(store: Store) -> None:
    await store.accept(draft(1), recheck=nothing)
    store.note_stage("case-0001", Stage.COMMITTED, START + 1)
    await converge(store, "s1")
    stages = (await store.containment("case-0001")).stages
    assert stages[Stage.COMMITTED] == START + 1
    assert stages[Stage.INSTALLED] == START, "as of the read-back, in the transaction that records it"
    store.note_stage("nothing", Stage.COMMITTED, START)
    await store.save_stages()


# --- desired --------------------------------------------------------------------------------------------------------------


async def test_desired_is_the_same_from_memory_and_from_the_database(store: Store) -> None:
    for i in range(4):
        await store.accept(draft(i), recheck=nothing)
        await store.desired("s1")
    await store.release("case-0001", by="soc", reason="")
    await store.accept(draft(2, profile="fuller", strictness=101, rules={"s2": rules("x", 2)}), recheck=nothing)
    remembered = [await store.desired(device) for device in ("s1", "s2")]
    store._current.doubt()
    for known, read in zip(remembered, [await store.desired(device) for device in ("s1", "s2")], strict=True):
        assert (known.revision, known.rules, known.baseline) == (read.revision, read.rules, read.baseline)
        assert sorted(known.containments) == sorted(read.containments)
    assert remembered[0].rules == rules("case-0000", 0) | rules("case-0003", 3)
    assert sorted(remembered[0].containments) == ["case-0000", "case-0001", "case-0002", "case-0003"]
    assert remembered[1].rules == rules("case-0002", 2)


async def test_a_device_that_nobody_spoke_of_should_hold_nothing(store: Store) -> None:
    wanted = await store.desired("nowhere")
    assert (wanted.revision, len(wanted.rules), wanted.containments) == (0, 0, ())


async def test_what_was_there_before_us_is_never_overwritten(store: Store) -> None:
    await store.upsert_device("s1", "memory", "", "oob", {})
    await store.save_baseline("s1", {ETH1: {"vlan": 10}, PortName("eth2"): {"vlan": 20, "acl": None}})
    await store.save_baseline("s1", {ETH1: {"vlan": 666, "no_flood": True}})
    baseline = (await store.desired("s1")).baseline
    assert baseline.ports == {"eth1": {"vlan": 10, "no_flood": True}, "eth2": {"vlan": 20, "acl": None}}
    await store.drop_baseline("s1", [ETH1])
    await store.drop_baseline("s1", [])
    assert (await store.desired("s1")).baseline.ports == {"eth2": {"vlan": 20, "acl": None}}
    with pytest.raises(Conflict):
        await store.save_baseline("nowhere", {ETH1: {"vlan": 1}})


# --- devices and leases -----------------------------------------------------------------------------------------------------


async def test_a_devices_record(store: Store) -> None:
    await store.accept(draft(1), recheck=nothing)
    await store.upsert_device("s1", "openflow", "edge", "oob", {"dpid": 1, "tables": [0, 1]})
    (device,) = await store.devices()
    assert (device.driver, device.options, device.want_revision) == ("openflow", {"dpid": 1, "tables": [0, 1]}, 1)
    assert await store.device("s1") == device
    for unknown in ("s2", "\0", "\ud800"):
        with pytest.raises(NotFound):
            await store.device(unknown)


async def test_one_owner_at_a_time_by_the_databases_clock(store: Store) -> None:
    await store.upsert_device("s1", "memory", "", "oob", {})
    epochs = await asyncio.gather(*(store.claim("s1", f"controller-{i}", 30.0) for i in range(10)))
    won = [(i, epoch) for i, epoch in enumerate(epochs) if epoch is not None]
    assert won == [(0, 1)]
    assert await store.claim("s1", "controller-0", -1.0) == 2, "its own, begun anew; and over at once"
    assert await store.claim("s1", "controller-2", 30.0) == 3
    assert await store.claim("s1", "controller-1", 30.0) is None
    assert await store.claim("nowhere", "controller-2", 30.0) is None
