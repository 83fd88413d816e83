"""Containments: accepted once, joined, within a budget, and ended; on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.errors import Conflict, InvalidInput, NotFound, RefusalCode, Refused
from controller.model import OnExpiry, Outcome, Stage, Want
from controller.store import Budget, Extension, Move, Store
from drivers.rules import Action, Direction, Match, PortName, Provenance, Rule, RuleSet, parse_mac
from tests.unit.store_cases import HOUR, START, Clock, converge, draft, endpoint, nothing, rules


async def hold(store: Store, number: int, **changes: object) -> str:
    return (await store.accept(draft(number, **changes), recheck=nothing)).containment.id  # type: ignore[arg-type]


async def test_what_was_accepted_reads_back_equal(store: Store) -> None:
    wanted = draft(1)
    accepted = await store.accept(wanted, recheck=nothing)
    assert (accepted.created, accepted.joined) == (True, False)
    read = await store.containment(wanted.id)
    assert read == accepted.containment
    assert (read.endpoint, read.proof, read.stages) == (wanted.endpoint, wanted.proof, wanted.stages)
    assert (read.want, read.outcome, read.revision) == (Want.HELD, Outcome.REQUESTED, 1)
    assert [rule for _, rule in read.rules] == list(wanted.rules["s1"])
    desired = await store.desired("s1")
    assert (desired.revision, desired.rules, desired.containments) == (1, wanted.rules["s1"], (wanted.id,))


async def test_words_of_attackers_are_kept_without_harm(store: Store) -> None:
    ugly = "nul \0, surrogate \ud800, quote ' \" ; DROP TABLE containment; \u202e"
    await hold(store, 1, reason=ugly, by=ugly, target=ugly, evidence=(ugly,), alert_id=ugly)
    read = await store.containment("case-0001")
    assert read.reason == ugly.replace("\0", "\ufffd").replace("\ud800", "\ufffd")
    assert read.evidence == (ugly,)
    assert (await store.audit_verify()).records == 1


# --- again, and together ------------------------------------------------------------------------------------------------


async def test_the_same_request_under_its_key_happens_once(store: Store, clock: Clock) -> None:
    first = await store.accept(draft(1), recheck=nothing, idempotency_key="k")
    clock.now += 5
    retried = draft(1, containment="another-id", created_at=clock.now, expires_at=clock.now + 4 * HOUR)
    again = await store.accept(retried, recheck=nothing, idempotency_key="k")
    assert (again.created, again.joined, again.containment) == (False, False, first.containment)
    with pytest.raises(Conflict, match="used for another request"):
        await store.accept(draft(2), recheck=nothing, idempotency_key="k")
    with pytest.raises(Conflict):
        await store.release("case-0001", by="soc", reason="", idempotency_key="k")


async def test_a_key_is_kept_a_day_and_not_for_ever(store: Store, clock: Clock) -> None:
    await store.accept(draft(1, expires_at=None), recheck=nothing, idempotency_key="k")
    clock.now += 25 * HOUR
    await store.expire_due(clock.now)
    with pytest.raises(Conflict):
        await store.accept(draft(2), recheck=nothing, idempotency_key="k")
    clock.now += 25 * HOUR
    await store.expire_due(clock.now)
    assert (await store.accept(draft(2), recheck=nothing, idempotency_key="k")).created


async def test_twenty_retries_at_once_make_one_case(store: Store) -> None:
    tries = (store.accept(draft(1, containment=f"try-{i}"), recheck=nothing, idempotency_key="k") for i in range(20))
    accepted = await asyncio.gather(*tries)
    assert sum(one.created for one in accepted) == 1
    assert len({one.containment.id for one in accepted}) == 1
    assert len(await store.containments()) == 1


async def test_what_a_held_device_makes_up_does_not_loosen_its_case(store: Store) -> None:
    first = (await store.accept(draft(1), recheck=nothing)).containment
    invented = replace(endpoint(1), neighbours=frozenset({parse_mac("02:66:66:66:66:66")}))
    port = PortName("eth1")
    looser = RuleSet(
        [
            *rules("case-0009", 1, Direction.FROM),
            Rule(
                Match(Direction.FROM, port=port, mac=parse_mac("02:66:66:66:66:66")),
                Action.PERMIT,
                Provenance("case-0009"),
            ),
        ]
    )
    again = draft(1, containment="case-0009", endpoint=invented, rules={"s1": looser})
    joined = await store.accept(again, recheck=nothing)
    assert joined.joined
    assert {rule.id for _, rule in joined.containment.rules} == {rule.id for _, rule in first.rules}
    assert (await store.desired("s1")).rules == rules("case-0001", 1)


async def test_a_later_alert_joins_the_open_case(store: Store) -> None:
    await hold(store, 1)
    later = draft(1, containment="case-0002", alert_id="alert-2", expires_at=START + 5 * HOUR, evidence=("more",))
    joined = await store.accept(later, recheck=nothing)
    assert (joined.created, joined.joined) == (False, True)
    case = joined.containment
    assert (case.id, case.alerts, case.expires_at) == ("case-0001", ("alert-1", "alert-2"), START + 5 * HOUR)
    assert case.evidence == ("binding seen 2 s before", "more")
    assert case.revision == 2
    assert (await store.desired("s1")).revision == 1, "the same rules on the same device: there is nothing to push"
    never = await store.accept(draft(1, expires_at=None), recheck=nothing)
    assert never.containment.expires_at is None


async def test_the_strictest_profile_and_its_rules_win(store: Store) -> None:
    await hold(store, 1, profile="lateral", strictness=50, rules={"s1": rules("case-0001", 1, Direction.FROM)})
    await converge(store, "s1")
    stricter = (await store.accept(draft(1, containment="x"), recheck=nothing)).containment
    assert (stricter.profile, stricter.outcome) == ("full", Outcome.REQUESTED)
    desired = await store.desired("s1")
    assert desired.rules == rules("case-0001", 1), "the joining draft's rules carry the open case's id"
    assert desired.revision == 2
    weaker = draft(1, profile="lateral", strictness=50, rules={"s1": RuleSet()})
    assert (await store.accept(weaker, recheck=nothing)).containment.profile == "full"
    assert (await store.desired("s1")).rules == desired.rules


async def test_a_stricter_profile_wins_whatever_turned_up_on_the_port_meanwhile(store: Store) -> None:
    """A device under a loose profile must not ward off a stricter one by inventing a neighbour."""
    await hold(store, 1, profile="monitor", strictness=0, rules={"s1": rules("case-0001", 1, Direction.FROM)})
    crowded = replace(endpoint(1), neighbours=frozenset({parse_mac("020000000099")}))
    joined = (await store.accept(draft(1, endpoint=crowded), recheck=nothing)).containment
    assert (joined.profile, joined.endpoint.neighbours) == ("full", crowded.neighbours)
    assert (await store.desired("s1")).rules == rules("case-0001", 1)


async def test_widening_a_persons_containment_automatically_is_within_the_budget(store: Store) -> None:
    for number in (1, 2):
        own = {"s1": rules(f"case-{number:04d}", number, Direction.FROM)}
        await hold(store, number, profile="monitor", strictness=0, automatic=False, rules=own)
    one = Budget(per_minute=1, total=1)
    widened = await store.accept(draft(1, automatic=True), recheck=nothing, budget=one)
    assert (widened.joined, widened.containment.profile) == (True, "full")
    with pytest.raises(Refused) as caught:
        await store.accept(draft(2, automatic=True), recheck=nothing, budget=one)
    assert caught.value.code is RefusalCode.BUDGET
    assert (await store.containment("case-0002")).profile == "monitor"


async def test_a_device_that_moved_takes_its_case_along(store: Store) -> None:
    await hold(store, 1)
    await converge(store, "s1")
    moved = replace(draft(1, "s2"), endpoint=endpoint(1, "s2"))
    case = (await store.accept(moved, recheck=nothing)).containment
    assert case.endpoint.attachment.device == "s2"
    assert {device for device, _ in case.rules} == {"s1", "s2"}
    assert case.places == {("s1", "eth1"), ("s2", "eth1")}
    assert (await store.desired("s1")).revision == 1, "nothing changes where it was: it is not looked at for nothing"
    await converge(store, "s2")
    old = {"s1": (await store.desired("s1")).rules}
    freed = await store.free(case.id, Move(case.revision, old, "s1:eth1", "s2:eth1", "its link went"))
    assert freed.outcome is Outcome.REQUESTED
    old_switch = await store.desired("s1")
    assert (len(old_switch.rules), old_switch.containments, old_switch.revision) == (0, ("case-0001",), 2)
    await converge(store, "s1")
    assert (await store.containment("case-0001")).outcome is Outcome.INSTALLED
    assert (await store.desired("s1")).containments == ()


# --- guards inside the transaction ---------------------------------------------------------------------------------------


async def test_what_changed_since_planning_refuses(store: Store) -> None:
    def changed() -> None:
        raise Refused(RefusalCode.CHANGED, "the address is another's now")

    with pytest.raises(Refused, match="another's now"):
        await store.accept(draft(1), recheck=changed)
    await hold(store, 2, profile="lateral", strictness=50)
    with pytest.raises(Refused):
        await store.accept(draft(2), recheck=changed)
    assert [case.profile for case in await store.containments()] == ["lateral"]
    assert (await store.audit_verify()).records == 1


@pytest.mark.parametrize("budget", [Budget(per_minute=7, total=1000), Budget(per_minute=1000, total=7)])
async def test_fifty_racing_accepts_never_exceed_the_budget(store: Store, budget: Budget) -> None:
    tries = (store.accept(draft(i), recheck=nothing, budget=budget) for i in range(50))
    answers = await asyncio.gather(*tries, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert {refusal.code for refusal in refused} == {RefusalCode.BUDGET}
    assert len(refused) == 43
    assert len(await store.containments(Want.HELD)) == 7


async def test_the_budget_comes_back_with_time_and_with_releases(store: Store, clock: Clock) -> None:
    minute, total = Budget(1, 100), Budget(100, 2)
    await hold(store, 1, automatic=False)
    await store.accept(draft(2), recheck=nothing, budget=minute)
    with pytest.raises(Refused):
        await store.accept(draft(3), recheck=nothing, budget=minute)
    assert (await store.accept(draft(2), recheck=nothing, budget=minute)).joined, "a join contains nobody new"
    clock.now += 61
    await store.accept(draft(3, created_at=clock.now), recheck=nothing, budget=minute)
    with pytest.raises(Refused):
        await store.accept(draft(4), recheck=nothing, budget=total)
    await store.release("case-0002", by="soc", reason="clean")
    assert (await store.accept(draft(4), recheck=nothing, budget=total)).created


# --- the end --------------------------------------------------------------------------------------------------------------


async def test_release_takes_the_rules_out_of_what_should_be(store: Store, clock: Clock) -> None:
    await hold(store, 1)
    await hold(store, 2)
    await converge(store, "s1")
    clock.now += 60
    case = await store.release("case-0001", by="anna", reason="clean")
    assert (case.want, case.outcome, case.revision, case.released_by) == (Want.RELEASED, Outcome.REQUESTED, 2, "anna")
    assert (case.rules, case.stages[Stage.RELEASED]) == ((), clock.now)
    desired = await store.desired("s1")
    assert (desired.rules, set(desired.containments)) == (rules("case-0002", 2), {"case-0001", "case-0002"})
    assert await store.release("case-0001", by="ben", reason="again") == case
    await converge(store, "s1")
    assert (await store.containment("case-0001")).outcome is Outcome.REMOVED
    assert (await store.desired("s1")).containments == ("case-0002",)
    assert (await store.accept(draft(1, containment="case-0009"), recheck=nothing)).created, (
        "a new case, not the old one"
    )


async def test_contain_and_release_at_once_the_last_accepted_wins(store: Store) -> None:
    await hold(store, 1)
    await asyncio.gather(
        store.release("case-0001", by="a", reason=""),
        store.release("case-0001", by="b", reason=""),
        store.accept(draft(1, containment="case-0002"), recheck=nothing),
        store.release("case-0001", by="c", reason=""),
        store.accept(draft(1, containment="case-0003"), recheck=nothing),
    )
    first = await store.containment("case-0001")
    assert (first.want, first.released_by, first.revision) == (Want.RELEASED, "a", 2)
    held = await store.containments(Want.HELD)
    assert [(case.id, case.revision) for case in held] == [("case-0002", 2)]
    assert (await store.desired("s1")).rules == rules("case-0002", 1)


async def test_expiry_ends_what_is_due_and_an_extension_before_it_wins(store: Store, clock: Clock) -> None:
    await hold(store, 1, expires_at=START + 10)
    await hold(store, 2, expires_at=START + 10)
    await hold(store, 3, expires_at=None)
    assert await store.next_expiry() == START + 10
    clock.now = START + 9
    assert await store.expire_due(clock.now) == []
    extended, expired = await asyncio.gather(
        store.extend("case-0001", Extension(until=START + 100), by="anna"), store.expire_due(START + 10)
    )
    assert (extended.expires_at, extended.revision, extended.want) == (START + 100, 2, Want.HELD)
    assert [(case.id, case.released_by, case.want) for case in expired] == [("case-0002", "expiry", Want.RELEASED)]
    assert await store.next_expiry() == START + 100
    with pytest.raises(Conflict, match="released by expiry"):
        await store.extend("case-0002", Extension(until=START + 100), by="anna")
    with pytest.raises(InvalidInput):
        await store.extend("case-0001", Extension(until=START), by="anna")


async def test_an_extension_never_shortens_unasked_and_happens_once_under_its_key(store: Store, clock: Clock) -> None:
    id = await hold(store, 1, expires_at=START + 100)
    with pytest.raises(Conflict, match="--shorten"):
        await store.extend(id, Extension(span=50), by="anna")
    wish = Extension(span=200)
    first = await store.extend(id, wish, by="anna", idempotency_key="k")
    clock.now = START + 50
    again = await store.extend(id, wish, by="anna", idempotency_key="k")
    assert first == again
    assert (again.expires_at, again.revision) == (START + 200, 2)
    with pytest.raises(Conflict, match="idempotency key"):
        await store.extend(id, Extension(span=201), by="anna", idempotency_key="k")
    shorter = await store.extend(id, Extension(span=10, shorten=True), by="anna")
    assert (shorter.expires_at, await store.next_expiry()) == (START + 60, START + 60)
    endless = await hold(store, 2, expires_at=None)
    with pytest.raises(Conflict, match="--shorten"):
        await store.extend(endless, Extension(until=START + HOUR), by="anna")
    assert [one.action for one in await store.audit_records() if one.action == "extend"] == ["extend"] * 2


async def test_what_asks_at_its_end_stays_held_until_a_person_answers(store: Store, clock: Clock) -> None:
    one = await hold(store, 1, expires_at=START + 10, on_expiry=OnExpiry.ASK)
    other = await hold(store, 2, expires_at=START + 10, on_expiry=OnExpiry.ASK)
    await converge(store, "s1")
    wanted = await store.desired("s1")
    clock.now = START + 20
    waiting = await store.expire_due(START + 20)
    assert {(case.id, case.want, case.outcome, case.waiting_since) for case in waiting} == {
        (id, Want.HELD, Outcome.INSTALLED, START + 20) for id in (one, other)
    }
    assert (await store.next_expiry(), await store.expire_due(START + 30)) == (None, [])
    assert await store.desired("s1") == wanted
    extended = await store.extend(one, Extension(span=30), by="anna")
    assert (extended.waiting_since, extended.on_expiry) == (None, OnExpiry.ASK)
    assert await store.next_expiry() == START + 50
    assert (await store.release(other, by="anna", reason="clean")).want is Want.RELEASED


async def test_a_join_that_lasts_longer_answers_and_the_stricter_end_wins(store: Store, clock: Clock) -> None:
    id = await hold(store, 1, expires_at=START + 10, on_expiry=OnExpiry.ASK)
    clock.now = START + 20
    await store.expire_due(START + 20)
    await hold(store, 1, containment="case-0009", expires_at=START + 15)
    assert (await store.containment(id)).waiting_since == START + 20
    await hold(store, 1, containment="case-0009", expires_at=START + 90)
    joined = await store.containment(id)
    assert (joined.waiting_since, joined.expires_at, joined.on_expiry) == (None, START + 90, OnExpiry.ASK)


# --- finding --------------------------------------------------------------------------------------------------------------


async def test_finding_containments(store: Store) -> None:
    await hold(store, 1, containment="abcd1", created_at=START)
    await hold(store, 2, device="s2", containment="abcd2", created_at=START + 1)
    await store.release("abcd1", by="x", reason="")
    assert [case.id for case in await store.containments()] == ["abcd2", "abcd1"]
    assert [case.id for case in await store.containments(limit=1)] == ["abcd2"]
    assert [case.id for case in await store.containments(Want.RELEASED)] == ["abcd1"]
    assert [case.id for case in await store.containments(device="s2")] == ["abcd2"]
    assert (await store.containment("abcd2")).id == "abcd2"
    with pytest.raises(Conflict, match="several"):
        await store.containment("abcd")
    for unknown in ("abc", "abce", "%%%%", "____", "", "\0\0\0\0", "\ud800\ud800\ud800\ud800"):
        with pytest.raises(NotFound):
            await store.containment(unknown)
    with pytest.raises(NotFound):
        await store.release("nothing", by="x", reason="")
    open_case = await store.open_for_endpoint(endpoint(2).id)
    assert open_case is not None
    assert open_case.id == "abcd2"
    assert await store.open_for_endpoint(endpoint(1).id) is None


async def test_more_than_one_query_can_carry(store: Store) -> None:
    await asyncio.gather(*(hold(store, i) for i in range(600)))
    cases = await store.containments(limit=10_000)
    assert {case.id: len(case.rules) for case in cases} == {f"case-{i:04d}": 2 for i in range(600)}
    assert len((await store.desired("s1")).rules) == 1200
