"""What is old leaves the database, and what something open names does not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from controller import retention as loop
from controller.config import Retention
from controller.model import Attachment, Binding, Outcome, Want
from controller.retention import Pruning
from controller.store import Proposal, Prunable, Replayed, Store, Taken
from controller.store import retention as rows
from drivers.rules import PortName, parse_mac
from tests.unit.store_cases import START, Clock, alert, converge, draft, endpoint, nothing

DAY = 86400.0


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "PAUSE", 0.0)


def pruning(store: Store, clock: Clock, **ages: Any) -> Pruning:
    everything: dict[str, Any] = dict.fromkeys(
        ("alerts", "dead_letters", "proposals", "containments", "bindings"), "10d"
    )
    return Pruning(store, Retention.model_validate(everything | ages), clock)


def binding(number: int, seen: float) -> Binding:
    device, name = Attachment("s1", PortName(f"eth{number}")), parse_mac(f"02{number:010x}")
    return Binding("default", min(endpoint(number).ips, key=str), name, device, seen - 60, seen, "arp")


async def taken(store: Store, key: str, **more: Any) -> str:
    return await store.take_alert(Taken(alert(key, **more), "{}", "observed: only looked at"))


async def proposed(store: Store, number: int, key: str, **more: Any) -> Proposal:
    """A proposal about the `number`-th endpoint, from an alert of its own."""
    text = f"10.0.0.{number}"
    terms: dict[str, Any] = {"created_at": START, "expires_at": START + DAY} | more
    new = Proposal(f"p-{number}", None, text, endpoint(number), "full", 60.0, "r", "scan", None, **terms)
    return (await store.save_proposal(new, Taken(alert(key), "{}", "proposed: r"))).proposal


async def test_what_is_old_goes_and_what_is_not_stays(store: Store, clock: Clock) -> None:
    await taken(store, "old")
    kept = await taken(store, "new", received_at=START + 5 * DAY)
    await store.dead_letter("generic", "{", "not JSON")
    read = await store.dead_letter("generic", "{}", "not JSON")
    await store.letter_replayed(read, Replayed("ann", "ignored", "no alert"))
    await store.save_bindings([binding(1, START), binding(2, START + 5 * DAY)])
    records = len(await store.audit_records())
    clock.now = START + 12 * DAY
    young = await store.dead_letter("generic", "[", "not JSON")
    gone = await pruning(store, clock).prune()
    assert gone == dict.fromkeys(Prunable, 0) | {Prunable.ALERTS: 1, Prunable.DEAD_LETTERS: 2, Prunable.BINDINGS: 1}
    assert [one.alert.id for one in await store.alerts()] == [kept]
    assert [one.id for one in await store.dead_letters()] == [young]
    assert await store.dead_letters(replayed=True) == []
    assert await store.load_bindings(0.0) == [binding(2, START + 5 * DAY)]
    assert len(await store.audit_records()) == records
    assert (await store.audit_verify()).records == records
    assert set((await pruning(store, clock).prune()).values()) == {0}


async def test_what_is_kept_for_ever_is_never_pruned(store: Store, clock: Clock) -> None:
    await taken(store, "old")
    await store.save_bindings([binding(1, START)])
    clock.now = START + 3000 * DAY
    gone = await pruning(store, clock, alerts="never", bindings="never").prune()
    assert set(gone) == set(Prunable) - {Prunable.ALERTS, Prunable.BINDINGS}
    assert len(await store.alerts()) == len(await store.load_bindings(0.0)) == 1


async def test_an_open_case_keeps_its_alerts_and_the_bindings_of_its_device(store: Store, clock: Clock) -> None:
    id = await taken(store, "k")
    case = (await store.accept(draft(1, alert_id=id), recheck=nothing)).containment
    await store.save_bindings([binding(1, START), binding(2, START)])
    clock.now = START + 20 * DAY
    assert (await pruning(store, clock).prune())[Prunable.ALERTS] == 0
    assert await store.load_bindings(0.0) == [binding(1, START)]
    await store.release(case.id, by="ann", reason="clean")
    assert (await pruning(store, clock).prune())[Prunable.ALERTS] == 0, "not read back as gone yet"
    await converge(store, "s1", Outcome.REMOVED)
    gone = await pruning(store, clock).prune()
    assert (gone[Prunable.ALERTS], gone[Prunable.CONTAINMENTS], gone[Prunable.BINDINGS]) == (1, 1, 1)
    assert await store.containments() == []


async def _contained(store: Store, number: int, **more: Any) -> str:
    return (
        await store.accept(draft(number, alert_id=more.pop("alert_id", None)), recheck=nothing, **more)
    ).containment.id


async def test_a_case_goes_once_its_devices_were_long_without_it_and_its_audit_stays(
    store: Store, clock: Clock
) -> None:
    """Not one that is held, that was removed of late, whose request may come again, or that a kept alert or proposal names."""
    alerted = await taken(store, "k")
    gone, keyed, named = (
        await _contained(store, 1),
        await _contained(store, 2, idempotency_key="k"),
        await _contained(store, 3, alert_id=alerted),
    )
    asked = await proposed(store, 4, "k4", created_at=START + 15 * DAY, expires_at=START + 16 * DAY)
    approved = await _contained(store, 4, fulfils=asked.id)
    for case in (gone, keyed, named, approved):
        await store.release(case, by="ann", reason="clean")
    assert await _pruned(store, clock, forget=False) == [], "not read back as gone yet"
    await converge(store, "s1", Outcome.REMOVED)
    late, held = await _contained(store, 5), await _contained(store, 6)
    await store.release(late, by="ann", reason="clean")
    await converge(store, "s1", at=START + 15 * DAY)
    assert await _pruned(store, clock, forget=False) == [gone]
    records = len(await store.audit_records())
    assert await _pruned(store, clock, alerts="never") == [keyed]
    assert await _pruned(store, clock) == [named]
    assert {case.id for case in await store.containments()} == {approved, late, held}
    assert len(await store.audit_records()) == records == (await store.audit_verify()).records
    assert next(one.action for one in await store.audit_records() if one.subject == gone) == "contain"
    again = await _contained(store, 1)
    assert (await store.containment(again)).want is Want.HELD


async def _pruned(store: Store, clock: Clock, *, forget: bool = True, **ages: Any) -> list[str]:
    """The cases that go when ten days is old, 20 days after the start."""
    before = {case.id for case in await store.containments()}
    clock.now = START + 20 * DAY
    if forget:
        await pruning(store, clock, **ages).prune()
    else:
        keys, _ = await store.old(Prunable.CONTAINMENTS, clock.now - 10 * DAY)
        await store.prune(Prunable.CONTAINMENTS, clock.now - 10 * DAY, keys)
    clock.now = START
    return sorted(before - {case.id for case in await store.containments()})


async def test_a_proposal_goes_with_its_votes_once_it_is_over_and_keeps_its_alert_until_then(
    store: Store, clock: Clock
) -> None:
    waits = await proposed(store, 1, "k1", approvals=2, expires_at=None)
    await store.vote(waits.id, "bob", approves=True, reason="")
    refused = await proposed(store, 2, "k2")
    await store.vote(refused.id, "bob", approves=False, reason="ours")
    late = await proposed(store, 3, "k3")
    approved = await proposed(store, 4, "k4")
    await store.vote(approved.id, "bob", approves=True, reason="")
    await store.accept(draft(4, alert_id=None), recheck=nothing, fulfils=approved.id)
    await store.save_bindings([binding(1, START), binding(2, START)])
    clock.now = START + 20 * DAY
    gone = await pruning(store, clock).prune()
    assert gone[Prunable.PROPOSALS] == 1
    assert await store.load_bindings(0.0) == [binding(1, START)]
    assert {one.id for one in await store.proposals()} == {waits.id, late.id, approved.id}, "late is not closed yet"
    assert {one.alert.key for one in await store.alerts()} == {"k1", "k3", "k4"}
    assert (await store.proposal(waits.id)).approvers == ["bob"]
    await store.expire_proposals(clock.now)
    assert (await pruning(store, clock).prune())[Prunable.PROPOSALS] == 1
    assert {one.alert.key for one in await store.alerts()} == {"k1", "k4"}


async def test_many_go_some_at_a_time_and_all_of_them(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "BATCH", 7)
    every = [alert(f"k{n}", received_at=START + n % 3) for n in range(50)]
    await asyncio.gather(*(store.take_alert(Taken(one, "{}", "observed: x")) for one in every))
    await store.save_bindings(
        [binding(n % 5, START + n % 2) for n in range(60)] + [binding(n, START) for n in range(9, 40)]
    )
    held = await taken(store, "held")
    await store.accept(draft(1, alert_id=held), recheck=nothing)
    clock.now = START + 20 * DAY
    told: list[tuple[Prunable, int]] = []
    one = Pruning(store, Retention(), clock, lambda what, count: told.append((what, count)))
    one._ages = dict.fromkeys(Prunable, DAY)
    gone = await one.prune()
    assert [record.alert.id for record in await store.alerts()] == [held]
    assert {b.mac for b in await store.load_bindings(0.0)} == endpoint(1).macs
    assert gone[Prunable.ALERTS] == 50
    assert max(count for _, count in told) <= 7
    for what in (Prunable.ALERTS, Prunable.BINDINGS):
        assert sum(count for named, count in told if named is what) == gone[what]


async def test_what_was_seen_or_named_meanwhile_is_looked_at_again_before_it_goes(store: Store, clock: Clock) -> None:
    id = await taken(store, "k")
    await store.save_bindings([binding(1, START)])
    clock.now = START + 20 * DAY
    before = clock.now - DAY
    (alerts, _), (bindings, _) = [await store.old(what, before) for what in (Prunable.ALERTS, Prunable.BINDINGS)]
    assert (alerts, len(bindings)) == ([(id,)], 1)
    await store.accept(draft(1, alert_id=id), recheck=nothing)
    await store.save_bindings([replace(binding(1, START), last_seen=clock.now)])
    assert await store.prune(Prunable.ALERTS, before, alerts) == 0
    assert await store.prune(Prunable.BINDINGS, before, bindings) == 0
    assert len(await store.alerts()) == len(await store.load_bindings(0.0)) == 1


async def test_the_size_of_the_database_is_told(store: Store, clock: Clock) -> None:
    empty = await store.size()
    assert empty.bytes > 0
    assert empty.oldest_alert is None
    await taken(store, "k")
    assert (await store.size()).oldest_alert == START
    assert (await store.totals()).store.bytes >= empty.bytes
