"""The breaker of automatic action: what trips it, what it stops, what it leaves alone, and that nothing is lost meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.api.views import status_view
from controller.automation import Cause, release_order
from controller.breaker import Breaker
from controller.errors import InvalidInput, RefusalCode, Refused
from controller.model import Attachment, Want
from controller.requests import ContainRequest, Disposition, Status
from controller.roles import Permission, Role
from controller.store import Budget, Store
from drivers.rules import PortName
from tests.campus import S1, Campus, ip
from tests.unit.older_database import make_older
from tests.unit.site import SERVERS, Site, servers, site_at
from tests.unit.store_cases import Clock, draft, endpoint, nothing


@pytest.fixture
def net() -> Campus:
    return servers()


@pytest.fixture
async def site(tmp_path: Path, net: Campus) -> AsyncIterator[Site]:
    standing = await site_at(tmp_path, net, [], per_minute=3, total=50)
    yield standing
    await standing.store.close()


# --- the breaker ----------------------------------------------------------------------------------------------------------


async def test_a_storm_of_false_alerts_trips_it_and_every_alert_is_kept(site: Site) -> None:
    """500 alerts in a minute, against every server."""
    answers = await asyncio.gather(*(site.accuse(1 + n % SERVERS, f"a{n}") for n in range(500)))
    assert len(await site.held()) == 3
    (state,) = site.told
    assert (state.paused, state.by, state.cause) == (True, "breaker", Cause.BREAKER)
    assert "budget allows 3" in state.reason
    waiting = await site.store.proposals(1000)
    held = {str(next(iter(one.endpoint.ips))) for one in await site.held()}
    assert {one.target for one in waiting} | held == {f"10.0.1.{n}" for n in range(1, SERVERS + 1)}
    assert len({answer.alert_id for answer in answers}) == 500
    kept = {record.alert.id: record for record in await site.store.alerts(1000)}
    assert len(kept) == 500
    assert all(one.containment or one.proposal for one in kept.values()), "each leads to a case or to a question"


async def test_what_comes_while_it_is_paused_is_a_proposal_that_can_be_approved(site: Site) -> None:
    await site.breaker.pause("ann", "the rule set is wrong")
    answer = await site.accuse(1)
    assert (answer.disposition, answer.code) == (Disposition.PROPOSED, RefusalCode.PAUSED)
    assert "paused by ann (the rule set is wrong)" in answer.reason
    assert answer.proposal is not None
    assert answer.proposal.endpoint is not None
    assert (await site.accuse(1, "again")).proposal_id == answer.proposal_id, "the same device is one question"
    approved = await site.approvals.approve(answer.proposal.id, by="bob")
    assert approved.accepted is not None, "people decide as ever"
    assert (await site.store.automation()).paused


async def test_it_stops_no_person(site: Site) -> None:
    await site.breaker.pause("ann", "drill")
    accepted = await site.containments.contain(ContainRequest(ip("10.0.1.1"), "full", 60, "INC-1", "ann"))
    assert accepted.created
    assert (await site.accuse(1)).disposition is Disposition.JOINED, "what changes no rule joins the case"
    await site.containments.release_all(by="ann", reason="over")
    assert await site.held() == []


async def test_it_outlives_a_restart(tmp_path: Path, net: Campus) -> None:
    first = await site_at(tmp_path, net, [])
    await first.breaker.pause("ann", "x")
    await first.store.close()
    second = await site_at(tmp_path, net, [])
    try:
        state = await second.store.automation()
        assert (state.paused, state.by, state.reason, state.since) == (True, "ann", "x", net.now)
        assert (await second.accuse(1)).code is RefusalCode.PAUSED
        assert await second.held() == []
    finally:
        await second.store.close()


async def test_a_resume_lets_it_act_again_and_begins_the_minute_anew(site: Site) -> None:
    for number in (1, 2, 3, 4):
        await site.accuse(number)
    assert len(await site.held()) == 3
    site.net.now += 1
    await site.breaker.resume("bob", "they were guilty")
    site.net.now += 1
    assert (await site.accuse(5)).disposition is Disposition.CONTAINED
    assert [state.paused for state in site.told] == [True, False]
    said = [(one.actor, one.action) for one in await site.store.audit_records() if one.subject == "automation"]
    assert said == [("breaker", "pause"), ("bob", "resume")]


async def test_the_pause_that_stands_is_not_replaced_and_is_told_once(site: Site) -> None:
    await site.breaker.trip("too many")
    assert (await site.breaker.pause("ann", "me too")).by == "breaker"
    await site.breaker.resume("bob", "fine")
    assert (await site.breaker.resume("ann", "me too")).by == "bob"
    assert len(site.told) == 2


async def test_a_reason_is_asked_for(site: Site) -> None:
    for what in (site.breaker.pause, site.breaker.resume):
        with pytest.raises(InvalidInput, match="--reason"):
            await what("ann", " ")
    assert site.told == []


def test_who_may_contain_may_pause_and_who_may_approve_may_resume() -> None:
    for role in Role:
        assert role.may(Permission.PAUSE) is role.may(Permission.CONTAIN)
        assert role.may(Permission.RESUME) is role.may(Permission.APPROVE)


async def hold(store: Store, number: int, **changes: Any) -> None:
    await store.accept(draft(number, **changes), recheck=nothing)


# --- the budgets ----------------------------------------------------------------------------------------------------------


def placed(number: int, vlan: int | None, site: str = "default", role: str = "unknown") -> dict[str, Any]:
    at = Attachment("s1", PortName(f"eth{number}"), vlan)
    return {"endpoint": replace(endpoint(number), attachment=at, realm=site, role=role), "automatic": True}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path}/netcordon.db", now=Clock())
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("budget", "full", "other", "where"),
    [
        (Budget(99, 99, per_vlan=1), placed(2, 7), placed(3, 8), "VLAN 7 of site default"),
        (Budget(99, 99, per_vlan=1), placed(2, 7), placed(3, 7, "north"), "VLAN 7 of site default"),
        (Budget(99, 99, per_site=1), placed(2, 9), placed(3, 7, "north"), "in site default"),
        (Budget(99, 99, per_role={"dns": 1}), placed(2, 9, role="dns"), placed(3, 7), "of role dns"),
    ],
    ids=["vlan", "the same vlan of another site", "site", "role"],
)
async def test_each_scope_has_a_cap(
    store: Store, budget: Budget, full: dict[str, Any], other: dict[str, Any], where: str
) -> None:
    await store.accept(draft(1, **placed(1, 7, role="dns")), recheck=nothing, budget=budget)
    with pytest.raises(Refused, match=where) as caught:
        await store.accept(draft(2, **full), recheck=nothing, budget=budget)
    assert caught.value.code is RefusalCode.BUDGET
    assert (await store.accept(draft(3, **other), recheck=nothing, budget=budget)).created
    await store.release("case-0001", by="ann", reason="clean")
    assert (await store.accept(draft(2, **full), recheck=nothing, budget=budget)).created, (
        "what is let go counts no more"
    )


async def test_what_has_no_known_vlan_counts_together(store: Store) -> None:
    budget = Budget(99, 99, per_vlan=1)
    await store.accept(draft(1, **placed(1, None)), recheck=nothing, budget=budget)
    with pytest.raises(Refused, match="no known VLAN"):
        await store.accept(draft(2, **placed(2, None)), recheck=nothing, budget=budget)


async def test_what_was_held_before_the_upgrade_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "netcordon.db"
    first = await Store.open(f"sqlite:///{file}", now=Clock())
    await first.accept(draft(1, **placed(1, 7, "north", "dns")), recheck=nothing)
    await first.close()
    make_older(file, "0010")
    store = await Store.open(f"sqlite:///{file}", now=Clock())
    try:
        assert not (await store.automation()).paused
        with pytest.raises(Refused, match="VLAN 7 of site north"):
            await store.accept(draft(2, **placed(2, 7, "north")), recheck=nothing, budget=Budget(99, 99, per_vlan=1))
    finally:
        await store.close()


async def test_nobody_is_held_tighter_while_it_is_paused(store: Store) -> None:
    """An alert that would take a looser containment further is a question too."""
    await hold(store, 1, profile="monitor", strictness=0)
    await Breaker(store).pause("ann", "x")
    with pytest.raises(Refused) as caught:
        await store.accept(draft(1, automatic=True), recheck=nothing, budget=Budget(99, 99))
    assert caught.value.code is RefusalCode.PAUSED
    assert (await store.containment("case-0001")).profile == "monitor"


# --- release --all --------------------------------------------------------------------------------------------------------


async def test_all_are_let_go_in_a_safe_order(store: Store) -> None:
    async def held(number: int, role: str, criticality: str, *, automatic: bool = True, at: float = 0) -> None:
        device = replace(endpoint(number), role=role, criticality=criticality)
        await hold(store, number, endpoint=device, automatic=automatic, created_at=1000.0 + at)

    await held(1, "workstation", "low")
    await held(2, "workstation", "unknown", automatic=False)
    await held(3, "workstation", "unknown", at=1)
    await held(4, "workstation", "unknown", at=2)
    await held(5, "database", "Critical")
    await held(6, "dns", "low")
    order = [int(one.id[-4:]) for one in release_order(await store.containments(want=Want.HELD))]
    assert order == [6, 5, 4, 3, 2, 1]


async def test_release_all_goes_by_that_order(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2, 3):
        await site.accuse(number)
        site.net.now += 1
    released = await site.containments.release_all(by="ann", reason="wrong")
    assert [one.target for one in released] == ["10.0.1.3", "10.0.1.2", "10.0.1.1"]
    assert S1 in {device for one in released for device in {outcome.device for outcome in one.devices}}


async def test_the_status_says_what_is_used_of_each_cap(store: Store) -> None:
    for number, (site, vlan, role) in enumerate((("north", 7, "dns"), ("north", 7, "printer"), ("south", 9, "dns")), 1):
        await store.accept(draft(number, **placed(number, vlan, site, role)), recheck=nothing)
    caps = {"per_minute": 10, "total": 50, "per_site": 5, "per_vlan": 3, "role dns": 2}
    shown = status_view(Status(await store.totals(), caps, ()))
    assert {one.cap: (one.used, one.limit) for one in shown.budget} == {
        "per_minute": (3, 10),
        "total": (3, 50),
        "site north": (2, 5),
        "site south": (1, 5),
        "VLAN 7 of site north": (2, 3),
        "VLAN 9 of site south": (1, 3),
        "role dns": (2, 2),
    }
