"""The dead-man commit: what nobody confirms in time is released, over restarts too."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from controller.config import Config, DeadMan
from controller.errors import Conflict, NotFound, RefusalCode, Refused
from controller.expiry import Expiry
from controller.model import Containment, OnExpiry, Want
from controller.requests import ContainRequest, Disposition
from controller.store import Budget, Extension, Proposal, Store
from tests.campus import ip
from tests.unit.site import servers, site_at
from tests.unit.store_cases import HOUR, START, Clock, draft, nothing


async def hold(store: Store, number: int, **changes: object) -> str:
    return (await store.accept(draft(number, **changes), recheck=nothing)).containment.id  # type: ignore[arg-type]


async def test_what_nobody_confirms_in_time_is_released_whatever_its_end_means(store: Store, clock: Clock) -> None:
    id = await hold(store, 1, confirm_by=START + 60, on_expiry=OnExpiry.ASK)
    kept = await hold(store, 2)
    await store.extend(id, Extension(until=START + 9 * HOUR), by="ann")
    assert await store.next_expiry() == START + 60
    assert (await store.totals()).unconfirmed == 1
    assert await store.expire_due(START + 59) == []
    clock.now = START + 60
    with pytest.raises(Conflict, match="and it is being released"):
        await store.confirm(id, by="ann")
    (ended,) = await store.expire_due(clock.now)
    assert (ended.id, ended.want, ended.released_by) == (id, Want.RELEASED, "dead-man")
    assert (await store.containment(kept)).want is Want.HELD
    assert (await store.desired("s1")).rules == draft(2).rules["s1"]
    assert (await store.totals()).unconfirmed == 0
    assert [one.actor for one in await store.audit_records() if one.action == "release"] == ["dead-man"]
    with pytest.raises(Conflict, match="released already, since nobody confirmed it in time"):
        await store.confirm(id, by="ann")


async def test_two_operators_confirm_at_once_and_the_first_stands(store: Store, clock: Clock) -> None:
    id = await hold(store, 1, confirm_by=START + 60)
    both = await asyncio.gather(store.confirm(id, by="ann"), store.confirm(id, by="bea"))
    assert {(case.confirmed_by, case.confirm_by, case.revision) for case in both} == {("ann", None, 2)}
    assert await store.expire_due(START + HOUR) == []
    assert await store.next_expiry() == START + 4 * HOUR
    assert [one.actor for one in await store.audit_records() if one.action == "confirm"] == ["ann"]


async def test_a_confirmation_at_the_moment_of_the_release_wins_or_is_refused(store: Store, clock: Clock) -> None:
    first, second = await hold(store, 1, confirm_by=START + 60), await hold(store, 2, confirm_by=START + 60)
    confirmed, released = await asyncio.gather(store.confirm(first, by="ann"), store.expire_due(START + 60))
    assert confirmed.want is Want.HELD
    assert [case.id for case in released] == [second]


async def test_an_alert_that_joins_neither_puts_it_off_nor_asks_again(store: Store, clock: Clock) -> None:
    id = await hold(store, 1, confirm_by=START + 60, profile="lateral", strictness=50)
    await hold(store, 1, containment="case-0009", confirm_by=START + 600)
    assert (await store.containment(id)).confirm_by == START + 60
    await store.confirm(id, by="ann")
    await hold(store, 1, containment="case-0010", confirm_by=START + 900, strictness=200)
    joined = await store.containment(id)
    assert (joined.confirm_by, joined.confirmed_by) == (None, "ann")


async def test_a_join_brings_the_time_to_confirm_where_none_was_asked_for(store: Store, clock: Clock) -> None:
    """Its role was not known when it was contained, or none was to be confirmed then."""
    id = await hold(store, 1)
    await hold(store, 1, containment="case-0009", confirm_by=START + 600)
    assert (await store.containment(id)).confirm_by == START + 600
    assert await store.next_expiry() == START + 600
    assert [case.released_by for case in await store.expire_due(START + 600)] == ["dead-man"]


AUTOMATIC = Budget(99, 99, then_ask=24 * HOUR)


async def test_whom_nobody_confirmed_in_time_alerts_do_not_contain_again_for_a_while(
    store: Store, clock: Clock
) -> None:
    id = await hold(store, 1, confirm_by=START + 60, automatic=True)
    clock.now = START + 60
    await store.expire_due(clock.now)
    again = draft(1, containment="case-0002", confirm_by=START + 120, automatic=True)
    with pytest.raises(Refused, match=f"{id} held it and was released, since nobody confirmed") as refused:
        await store.accept(again, recheck=nothing, budget=AUTOMATIC)
    assert refused.value.code is RefusalCode.UNCONFIRMED
    other = draft(2, confirm_by=START + 120, automatic=True)
    assert (await store.accept(other, recheck=nothing, budget=AUTOMATIC)).created, "another device is another matter"
    by_hand = draft(1, containment="case-0003", confirm_by=START + 120)
    assert (await store.accept(by_hand, recheck=nothing)).created, "a person contains it as ever"
    await store.release("case-0003", by="ann", reason="clean")
    clock.now = START + 60 + 24 * HOUR
    later = draft(1, containment="case-0004", confirm_by=clock.now + 60, automatic=True)
    assert (await store.accept(later, recheck=nothing, budget=AUTOMATIC)).created


async def test_whom_somebody_confirmed_since_alerts_contain_again(store: Store, clock: Clock) -> None:
    await hold(store, 1, confirm_by=START + 60, automatic=True)
    clock.now = START + 60
    await store.expire_due(clock.now)
    clock.now += 1
    by_hand = draft(1, containment="case-0002", confirm_by=START + 120, created_at=clock.now)
    await store.accept(by_hand, recheck=nothing)
    await store.confirm("case-0002", by="ann")
    await store.release("case-0002", by="ann", reason="clean")
    again = draft(1, containment="case-0003", confirm_by=START + 180, created_at=clock.now + 1, automatic=True)
    assert (await store.accept(again, recheck=nothing, budget=AUTOMATIC)).created


async def test_whom_a_person_released_in_time_alerts_contain_again(store: Store, clock: Clock) -> None:
    await store.release(await hold(store, 1, confirm_by=START + 60), by="ann", reason="clean")
    again = draft(1, containment="case-0002", confirm_by=START + 120, automatic=True)
    assert (await store.accept(again, recheck=nothing, budget=AUTOMATIC)).created


async def test_the_next_alert_after_a_dead_man_release_is_a_proposal(tmp_path: Path) -> None:
    net = servers()
    site = await site_at(tmp_path, net, [], {"dead_man": {"confirm_within": 60, "roles": ["unknown"]}})
    try:
        first = await site.accuse(1)
        assert first.containment is not None
        assert first.containment.confirm_by == net.now + 60
        preview = site.containments.preview(ContainRequest(ip("10.0.1.2"), "full", HOUR, "look", "ann"))
        assert preview.notes == (
            "it must be confirmed within 1m (`netcordon confirm`), or it is released again (dead_man)",
        )
        net.now += 60
        assert len(await site.store.expire_due(net.now)) == 1
        again = await site.accuse(1, "again")
        assert (again.disposition, again.code) == (Disposition.PROPOSED, RefusalCode.UNCONFIRMED)
        assert not (await site.store.automation()).paused
        assert again.proposal is not None
        approved = await site.approvals.approve(again.proposal.id, by="bob")
        assert approved.accepted is not None
        assert approved.accepted.containment.confirm_by == net.now + 60, "what people approve is to be confirmed too"
    finally:
        await site.store.close()


async def test_what_needs_no_confirmation_says_so(store: Store, clock: Clock) -> None:
    id = await hold(store, 1)
    with pytest.raises(Conflict, match="needs no confirmation"):
        await store.confirm(id, by="ann")
    await store.release(id, by="bea", reason="clean")
    with pytest.raises(Conflict, match="released already, by bea"):
        await store.confirm(id, by="ann")
    with pytest.raises(NotFound):
        await store.confirm("c-none", by="ann")


async def test_a_restart_forgets_no_confirmation_that_is_due(tmp_path: Path) -> None:
    clock, ended = Clock(), list[Containment]()
    store = await Store.open(f"sqlite:///{tmp_path}/netcordon.db", now=clock)
    id = await hold(store, 1, confirm_by=START + 60)
    await store.close()
    clock.now = START + 90
    store = await Store.open(f"sqlite:///{tmp_path}/netcordon.db", now=clock)

    def closed(proposal: Proposal) -> None:
        raise AssertionError(f"there was no proposal: {proposal}")

    await Expiry(store, clock, ended.extend, closed).look()
    assert [(case.id, case.released_by) for case in ended] == [(id, "dead-man")]
    await store.close()


def test_roles_and_criticalities_are_named_and_none_are_by_default() -> None:
    assert not Config().dead_man.covers("domain-controller", "critical")
    named = DeadMan(roles=("dns",), criticality=("critical",))
    assert named.covers("dns", "unknown")
    assert named.covers("unknown", "critical")
    assert not named.covers("printer", "low")
