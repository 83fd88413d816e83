"""Alerts, dead letters, bindings, proposals, tokens, and the audit log in the database."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from controller.errors import AlertRepeated, AuditBroken, Conflict, InvalidInput, NotFound, RefusalCode, Refused
from controller.model import Attachment, Binding
from controller.roles import Permission, Role
from controller.store import Proposal, ProposalState, Store, Taken
from drivers.rules import PortName, parse_mac
from tests.unit.store_cases import START, Clock, alert, draft, endpoint, nothing

BINDING = Binding(
    "default", ip_address("10.0.0.1"), parse_mac("02:00:00:00:00:01"), Attachment("s1", PortName("p1"), 10), START, START + 5, "arp"
)  # fmt: skip


async def test_an_alert_is_kept_once(store: Store) -> None:
    saved = await asyncio.gather(*(store.save_alert(alert("k"), f"raw {i}") for i in range(10)))
    assert len(set(saved)) == 1
    assert await store.save_alert(alert("k", source="zeek"), "raw") != saved[0]
    assert (await store.alert(saved[0])).disposition == ""
    again = (store.take_alert(Taken(alert("k"), "later", f"contained: {i}")) for i in range(10))
    answers = await asyncio.gather(*again, return_exceptions=True)
    assert answers[0] == saved[0], "one that waited is the first one still"
    assert all(isinstance(one, AlertRepeated) and one.id == saved[0] for one in answers[1:])
    found = await store.alert(saved[0])
    assert (found.alert, found.raw, found.disposition) == (alert("k", id=saved[0]), "raw 0", "contained: 0")
    with pytest.raises(AlertRepeated):
        await store.save_alert(alert("k"), "")
    for unknown in ("nothing", "\0"):
        with pytest.raises(NotFound):
            await store.alert(unknown)


async def test_alerts_that_come_together_are_each_answered_on_their_own(store: Store) -> None:
    """Many are one statement: what is known already, and what no database takes, is still told to its own sender alone."""
    repeated = await store.take_alert(Taken(alert("7"), "first", "observed: before"))
    waiting = await store.save_alert(alert("8"), "first")
    every = [alert(str(number), received_at=float("nan") if number == 5 else START) for number in range(40)]
    jobs = (store.take_alert(Taken(one, f"raw {one.key}", f"observed: {one.key}")) for one in every)
    answers = await asyncio.gather(*jobs, return_exceptions=True)
    assert isinstance(answers[5], ValueError), "a time that is no number"
    assert isinstance(answers[7], AlertRepeated)
    assert answers[7].id == repeated
    assert answers[8] == waiting, "one that had to wait is the first one still"
    kept = {record.alert.key: record for record in await store.alerts(limit=1000)}
    assert kept.keys() == {str(number) for number in range(40)} - {"5"}
    assert {key: record.disposition for key, record in kept.items()} == {
        key: "observed: before" if key == "7" else f"observed: {key}" for key in kept
    }
    assert kept["9"].raw == "raw 9"
    ids = [answer for answer in answers if isinstance(answer, str)]
    became = await asyncio.gather(*map(store.alert_outcome, [*ids, "nobody's"]), return_exceptions=True)
    assert [one.disposition for one in became[:-1] if not isinstance(one, BaseException)] == [
        kept[str(number)].disposition for number in range(40) if number not in (5, 7)
    ]
    assert isinstance(became[-1], NotFound)


async def test_an_alert_and_what_it_leads_to_are_stored_together_or_not_at_all(store: Store) -> None:
    def moved() -> None:
        raise Refused(RefusalCode.CHANGED, "it moved")

    taken = Taken(alert("k"), "{}", "contained: scanners", "joined: scanners")
    with pytest.raises(Refused):
        await store.accept(draft(1), recheck=moved, taken=taken)
    assert (await store.alerts(), await store.containments()) == ([], [])
    accepted = await store.accept(draft(1), recheck=nothing, taken=taken)
    assert accepted.alert_id is not None
    assert accepted.containment.alerts == (accepted.alert_id,)
    assert (await store.alert(accepted.alert_id)).disposition == "contained: scanners"
    with pytest.raises(AlertRepeated) as caught:
        await store.accept(draft(2), recheck=nothing, taken=taken)
    assert caught.value.id == accepted.alert_id
    assert len(await store.containments()) == 1
    became = await store.alert_outcome(accepted.alert_id)
    assert became.disposition == "contained: scanners"
    assert became.containment == accepted.containment
    more = replace(taken, alert=alert("another"))
    joined = await store.accept(draft(1, containment="case-0009"), recheck=nothing, taken=more)
    assert joined.joined
    assert (await store.alert(joined.alert_id or "")).disposition == "joined: scanners"


async def test_alerts_that_others_wrote(store: Store) -> None:
    long = alert("\0" + "k" * 100_000, signature="\0\ud800", received_at=START + 1)
    id = await store.save_alert(long, "\0" * 10)
    assert await store.save_alert(long, "") == id
    await store.save_alert(alert("k"), "x" * 70_000)
    newest, oldest = await store.alerts()
    assert (newest.alert, newest.raw) == (replace(long, id=id), "\ufffd" * 10)
    assert len(oldest.raw) == 65_536
    assert len(await store.alerts(limit=1)) == 1


async def test_what_could_not_be_read_is_kept_with_its_reason(store: Store) -> None:
    await store.dead_letter("suricata", "{", "not JSON")
    id = await store.dead_letter("suricata", "x" * 100_000, "too long")
    letters = {letter.id: letter for letter in await store.dead_letters()}
    assert len(letters) == 2
    assert (len(letters[id].raw), letters[id].length, letters[id].reason) == (65_536, 100_000, "too long")


async def test_bindings_grow_and_come_back(store: Store) -> None:
    later = replace(BINDING, last_seen=START + 50, source="dhcp", lease=True)
    no_ip = replace(BINDING, ip=None)
    await store.save_bindings([BINDING, no_ip])
    await store.save_bindings([later, replace(no_ip, last_seen=START - 5)])
    await store.save_bindings([])
    assert sorted(await store.load_bindings(0), key=str) == sorted([later, no_ip], key=str)
    assert await store.load_bindings(START + 6) == [later]


async def test_proposals_wait_and_are_decided(store: Store) -> None:
    one = Proposal("p1", "a1", "10.0.0.1", endpoint(1), "full", 3600.0, "rule", "scan", RefusalCode.BUDGET, START)
    two = Proposal("p2", None, "10.0.0.2", None, "full", 3600.0, "rule", "scan", None, START + 1)
    await store.save_proposal(one)
    await store.save_proposal(two)
    assert await store.proposals() == [two, one]
    decided = replace(one, state=ProposalState.APPROVED)
    await store.save_proposal(decided)
    assert await store.proposals() == [two, decided]


def _proposed(number: int, **more: Any) -> Proposal:
    alone: dict[str, Any] = {"rule": "scanners", "refusal": None, "approvals": 1, "created_at": START} | more
    target, device = alone.pop("target", "10.0.0.1"), alone.pop("endpoint", endpoint(1))
    return Proposal(f"p{number}", None, target, device, "full", 3600.0, **({"reason": "it scans"} | alone))


async def test_a_noisy_rule_makes_one_proposal(store: Store) -> None:
    first = await store.save_proposal(_proposed(1))
    again = await store.save_proposal(_proposed(2, created_at=START + 5, expires_at=START + 99))
    assert (first.proposal.id, again.proposal.id) == ("p1", "p1")
    assert (await store.proposals())[0].times == 2
    assert (await store.proposals())[0].expires_at == START + 99
    others: list[dict[str, Any]] = [{"rule": "other"}, {"refusal": RefusalCode.BUDGET}, {"endpoint": endpoint(2)}]
    for number, other in enumerate(others, 3):
        assert (await store.save_proposal(_proposed(number, **other))).proposal.id == f"p{number}"
    await store.vote("p1", "bob", approves=False, reason="ours")
    assert (await store.save_proposal(_proposed(9))).proposal.id == "p9"


async def test_a_noisy_signature_that_no_rule_speaks_of_makes_one_proposal(store: Store) -> None:
    """It names no device: what joins two of them is why they were not decided."""
    nobody: dict[str, Any] = {"target": "", "endpoint": None, "rule": "", "refusal": RefusalCode.UNDECIDED}
    for number in (1, 2, 3):
        assert (await store.save_proposal(_proposed(number, **nobody))).proposal.id == "p1"
    assert (await store.save_proposal(_proposed(4, **nobody, reason="it sings"))).proposal.id == "p4"
    assert [one.times for one in await store.proposals()] == [3, 1]


async def test_votes_of_different_people_count(store: Store) -> None:
    await store.save_proposal(_proposed(1, approvals=2))
    assert (await store.vote("p1", "bob", approves=True, reason="")).approvers == ["bob"]
    assert (await store.vote("p1", "bob", approves=True, reason="again")).approvers == ["bob"]
    assert (await store.vote("p1", "eve", approves=True, reason="")).approvers == ["bob", "eve"]
    held = await store.accept(draft(1), recheck=nothing, fulfils="p1")
    done = await store.proposal("p1")
    assert (done.state, done.containment) == (ProposalState.APPROVED, held.containment.id)
    with pytest.raises(Conflict, match=f"approved as {held.containment.id}"):
        await store.vote("p1", "dan", approves=False, reason="too late")
    with pytest.raises(NotFound, match="netcordon proposals"):
        await store.vote("p2", "dan", approves=True, reason="")


async def test_who_approved_may_still_refuse_and_one_refusal_closes(store: Store) -> None:
    await store.save_proposal(_proposed(1, approvals=2))
    await store.vote("p1", "bob", approves=True, reason="")
    assert (await store.vote("p1", "bob", approves=False, reason="a scanner of ours")).state is ProposalState.REFUSED
    with pytest.raises(Conflict, match="refused"):
        await store.vote("p1", "eve", approves=True, reason="")
    said = [record.action for record in await store.audit_records() if record.subject == "p1"]
    assert sorted(said) == ["approve", "refuse"]


async def test_a_proposal_that_nobody_answered_in_time_is_closed(store: Store) -> None:
    await store.save_proposal(_proposed(1, expires_at=START - 1))
    assert (await store.proposal("p1")).state is ProposalState.EXPIRED
    with pytest.raises(Conflict, match="expired"):
        await store.vote("p1", "bob", approves=True, reason="")
    assert (await store.save_proposal(_proposed(2))).proposal.id == "p2"


# --- tokens -------------------------------------------------------------------------------------------------------------------


async def test_a_token_is_good_until_it_is_revoked(store: Store) -> None:
    assert await store.token("nct_wrong") is None
    secret = await store.add_token("sensor-1", Role.SENSOR)
    assert secret.startswith("nct_")
    assert len(secret) == 4 + 43
    found = await store.token(secret)
    assert found is not None
    assert (found.name, found.role) == ("sensor-1", Role.SENSOR)
    assert [token.name for token in await store.tokens()] == ["sensor-1"]
    with pytest.raises(Conflict, match="netcordon token revoke sensor-1"):
        await store.add_token("sensor-1", Role.ADMIN)
    with pytest.raises(InvalidInput):
        await store.add_token(" ", Role.ADMIN)
    await store.revoke_token("sensor-1")
    assert await store.token(secret) is None
    with pytest.raises(NotFound):
        await store.revoke_token("sensor-1")
    assert await store.token("\ud800") is None


async def test_a_token_revoked_elsewhere_is_refused_here_soon(postgresql_url: str, clock: Clock) -> None:
    one, other = await Store.open(postgresql_url, clock), await Store.open(postgresql_url, clock)
    secret = await one.add_token("t", Role.VIEWER)
    assert await other.token(secret) is not None
    await one.revoke_token("t")
    clock.now += 5.0
    assert await other.token(secret) is None
    await one.close()
    await other.close()


def test_roles_grow_from_viewer_to_admin() -> None:
    assert Role.ADMIN.permissions == frozenset(Permission)
    assert Role.VIEWER.permissions < Role.OPERATOR.permissions < Role.APPROVER.permissions < Role.ADMIN.permissions
    assert Role.INTAKE.permissions == {Permission.ALERT, Permission.REPORT}
    assert not Role.SENSOR.may(Permission.READ)
    assert not Role.OPERATOR.may(Permission.OVERRIDE)


# --- audit ----------------------------------------------------------------------------------------------------------------------


async def test_the_log_is_chained_and_verifies(store: Store) -> None:
    await asyncio.gather(
        *(store.audit_append("anna", "try", f"thing-{i}", {"n": i, "ugly": "\0\ud800"}) for i in range(30))
    )
    head = await store.audit_head()
    report = await store.audit_verify(head.hash)
    assert (report.records, report.head) == (30, head.hash)
    assert [record.seq for record in await store.audit_records(after=10, limit=5)] == [11, 12, 13, 14, 15]
    with pytest.raises(AuditBroken, match="hash"):
        await store.audit_verify("f" * 64)
    with pytest.raises(ValueError, match="JSON"):
        await store.audit_append("anna", "try", "x", {"n": float("nan")})
    assert await store.audit_head() == head


async def test_the_log_takes_no_change(store: Store) -> None:
    await store.audit_append("anna", "try", "x", {})
    for change in ("UPDATE audit SET actor = 'ben'", "DELETE FROM audit"):
        with pytest.raises(Exception, match="append-only"):
            await store._write(lambda t, change=change: t.connection.exec_driver_sql(change))  # type: ignore[misc]
    assert (await store.audit_verify()).records == 1
