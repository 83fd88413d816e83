"""Many at once, and each other's opposite: the last accepted command wins, caps hold, and what comes again changes nothing."""

from __future__ import annotations

import asyncio
import json
import random
from itertools import pairwise
from typing import Any

import pytest

from controller.errors import Conflict
from controller.model import Want
from controller.store import Extension
from tests.fault.rig import Rig, rigged

pytestmark = pytest.mark.fault
ROGUE = 66 - 50
FAR = 116


async def _orders(rig: Rig, host: int) -> list[str]:
    """What was accepted about the host, in the order of the audit log: the store's own."""
    cases = {case.id for case in await rig.store.containments() if rig.ip(host) == case.target}
    records = await rig.store.audit_records(limit=100_000)
    return [one.action for one in records if one.subject in cases and one.action in ("contain", "join", "release")]


@pytest.mark.parametrize("seed", range(5))
async def test_the_last_accepted_of_contain_contain_release_release_wins(rig: Rig, seed: int) -> None:
    """COMPLAINTS 6. The switches answer late, each at its own pace, so that pushes overlap with what is asked meanwhile."""
    order = random.Random(seed)
    for host in (ROGUE, FAR):
        rig.delay(order.uniform(0.0, 0.3), rig.place(host)[0])
    asked = [(host, word) for host in (ROGUE, FAR) for word in ("contain", "contain", "release", "release")]
    order.shuffle(asked)
    answers = await asyncio.gather(
        *(rig.contain(host) if word == "contain" else rig.release(host) for host, word in asked)
    )
    assert {answer.status_code for answer in answers} <= {200, 201, 404}
    await rig.settled()
    for host in (ROGUE, FAR):
        orders = await _orders(rig, host)
        held = [case for case in await rig.held() if case.target == rig.ip(host)]
        assert bool(held) is (orders[-1] != "release")
        assert rig.passes(host) is not bool(held)
    assert (await rig.store.audit_verify()).records


async def test_released_while_the_push_is_under_way_ends_released(rig: Rig) -> None:
    rig.delay(0.3)
    assert (await rig.contain(ROGUE)).status_code == 201
    await rig.until(lambda: rig.switches["s1"].entries, "the push is under way")
    assert (await rig.release(ROGUE)).status_code == 200
    await rig.settled()
    assert rig.passes(ROGUE)
    (case,) = await rig.store.containments()
    assert "installed" not in await _outcomes(rig, case.id), "an answer from before says nothing about after"


async def _outcomes(rig: Rig, case: str) -> list[object]:
    records = await rig.store.audit_records(limit=100_000)
    return [json.loads(one.detail)["to"] for one in records if one.subject == case and one.action == "outcome"]


async def test_contained_again_while_it_is_being_removed_is_held(rig: Rig) -> None:
    await rig.contain(ROGUE)
    await rig.settled()
    rig.delay(0.3)
    await rig.release(ROGUE)
    assert (await rig.contain(ROGUE)).status_code == 201
    await rig.settled()
    assert len(await rig.held()) == 1
    assert not rig.passes(ROGUE)


async def test_two_operators_at_once_make_one_case(rig: Rig) -> None:
    first, second = await asyncio.gather(rig.contain(ROGUE), rig.contain(ROGUE))
    assert sorted((first.status_code, second.status_code)) == [200, 201]
    ids = {answer.json()["containment"]["id"] for answer in (first, second)}
    assert len(ids) == 1
    freed, again = await asyncio.gather(rig.release(ROGUE), rig.release(ROGUE))
    assert {freed.status_code, again.status_code} <= {200, 404}
    await rig.settled()
    assert (await _orders(rig, ROGUE)).count("release") == 1
    assert rig.passes(ROGUE)


async def test_an_extend_at_the_moment_of_expiry_is_refused_or_holds(rig: Rig) -> None:
    """Whichever is accepted first wins, and the other knows."""
    seen = set()
    for number in range(20):
        host = 1 + number if number < 8 else 10 + number
        case = (await rig.contain(host, duration=3600)).json()["containment"]["id"]
        due = (await rig.store.containment(case)).expires_at
        assert due is not None
        extend, expire = rig.store.extend(case, Extension(until=due + 3600), by="ann"), rig.store.expire_due(due)
        answers: list[Any] = list(
            await asyncio.gather(*((expire, extend) if number % 2 else (extend, expire)), return_exceptions=True)
        )
        answers = answers[::-1] if number % 2 else answers
        now = await rig.store.containment(case)
        held = now.want is Want.HELD
        seen.add(held)
        assert isinstance(answers[0], Conflict) is not held
        assert [one.id for one in answers[1]] == ([] if held else [case])
        assert now.expires_at == (due + 3600 if held else due)
        await rig.store.release(case, by="ann", reason="next")
    assert seen == {True, False}, "both ways were tried"


async def test_a_budget_is_never_exceeded_by_alerts_that_race(store_url: str) -> None:
    async with rigged(store_url, budget={"per_minute": 10, "total": 1000}) as rig:
        hosts = [*range(11, 36), *range(111, 136)]
        answers = await asyncio.gather(*(rig.send(rig.alert(host)) for host in hosts))
        results = [answer["results"][0] for answer in answers]
        assert sum(one["disposition"] == "contained" for one in results) == 10
        over = {one["reason"] for one in results if one["disposition"] == "refused"}
        later = {one["reason"] for one in results if one["disposition"] == "proposed"}
        assert over, "none was refused by the budget itself"
        assert all("the budget allows 10" in reason for reason in over)
        assert all("automatic action is paused" in reason for reason in later), "the breaker was quicker than these"
        assert all(one["proposal"] for one in results if one["disposition"] != "contained"), "a person is asked"
        assert {one["disposition"] for one in results} <= {"contained", "refused", "proposed"}
        await rig.settled()
        assert len(await rig.held()) == 10
        assert sum(not rig.passes(host) for host in hosts) == 10
        assert (await rig.contain(36)).status_code == 201, "a person is not bound by it"


async def test_the_same_alert_a_thousand_times_contains_once(rig: Rig) -> None:
    event = rig.alert(ROGUE)
    answers = await asyncio.gather(*(rig.send(*[event] * 50) for _ in range(20)))
    results = [one for answer in answers for one in answer["results"]]
    assert len(results) == 1000
    assert sum(not one["duplicate"] for one in results) == 1
    assert {one["status"] for one in results} == {"taken"}
    await rig.settled()
    assert await _orders(rig, ROGUE) == ["contain"]
    assert (len(await rig.store.alerts(1000)), len(await rig.held())) == (1, 1)
    assert rig.switches["s1"].commits == 1


async def test_revisions_only_grow(rig: Rig) -> None:
    case = (await rig.contain(ROGUE)).json()["containment"]["id"]
    revisions = [(await rig.store.containment(case)).revision]
    for _ in range(5):
        await asyncio.gather(*(rig.contain(ROGUE) for _ in range(4)))
        revisions.append((await rig.store.containment(case)).revision)
    assert all(one + 4 == other for one, other in pairwise(revisions))
