"""Tokens belong to people: approvals count people, and the audit log names the person and the token."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from controller.doctor.network import examine
from controller.errors import Conflict
from controller.roles import Role
from controller.store import Proposal, Store
from tests.unit.older_database import make_older
from tests.unit.store_cases import HOUR, START, Clock, endpoint
from tests.unit.test_api import Api, api, app, prepared
from tests.unit.test_doctor_network import network

__all__ = ["api", "app", "prepared"]  # fixtures


async def waiting(store: Store, proposed_by: str = "", token: str = "") -> Proposal:
    made = Proposal(
        id="p-1",
        alert_id=None,
        target="10.0.0.1",
        endpoint=endpoint(1),
        profile="full",
        duration=HOUR,
        rule="scanners",
        reason="it scans",
        refusal=None,
        created_at=START,
        approvals=2,
        proposed_by=proposed_by,
        as_of=START,
    )
    return (await store.save_proposal(made, token=token)).proposal


async def test_two_tokens_of_one_person_are_one_approver(store: Store) -> None:
    made = await waiting(store)
    for token in ("ann-laptop", "ann-phone"):
        voted = await store.vote(made.id, "ann", approves=True, reason="", token=token)
    assert (voted.approvers, [vote.token for vote in voted.votes]) == (["ann"], ["ann-laptop"])
    assert (await store.vote(made.id, "bob", approves=True, reason="", token="bob")).approvers == ["ann", "bob"]
    said = [one.actor for one in await store.audit_records() if one.action == "approve"]
    assert said == ["ann (token ann-laptop)", "bob"]


async def test_nobody_approves_by_another_token_what_they_proposed(store: Store) -> None:
    made = await waiting(store, "ann", "ann-laptop")
    with pytest.raises(Conflict, match="ann proposed p-1: somebody else approves it"):
        await store.vote(made.id, "ann", approves=True, reason="", token="ann-phone")
    assert [one.actor for one in await store.audit_records() if one.action == "propose"] == ["ann (token ann-laptop)"]


async def test_a_person_is_the_same_however_written_and_by_default_called_as_the_token(store: Store) -> None:
    for name, person in (("ann", ""), ("phone", " Ann "), ("bob-laptop", "Bob"), ("bob", "")):
        await store.add_token(name, Role.APPROVER, person=person)
    assert {one.name: one.person for one in await store.tokens()} == {
        "ann": "ann",
        "phone": "ann",
        "bob-laptop": "Bob",
        "bob": "Bob",
    }


async def test_tokens_and_answers_of_before_are_their_own_people(tmp_path: Path) -> None:
    file = tmp_path / "netcordon.db"
    store = await Store.open(f"sqlite:///{file}", now=Clock())
    secret = await store.add_token("ann", Role.APPROVER)
    made = await waiting(store)
    await store.vote(made.id, "ann", approves=True, reason="", token="ann")
    await store.close()
    make_older(file, "0014")
    with sqlite3.connect(file) as database:
        assert "person" not in [column[1] for column in database.execute("PRAGMA table_info(token)")]
    store = await Store.open(f"sqlite:///{file}", now=Clock())
    try:
        known = await store.token(secret)
        assert known is not None
        assert (known.person, known.who) == ("ann", "ann")
        again = await store.vote(made.id, "ann", approves=True, reason="", token="phone")
        assert again.approvers == ["ann"]
    finally:
        await store.close()


async def test_over_the_api_the_person_votes_and_both_are_named(api: Api) -> None:
    asked = {"target": "10.0.0.8", "reason": "mine"}
    proposal = (await api("POST", "/api/v1/proposals", Role.OPERATOR, json=asked)).json()
    for name in ("laptop", "phone"):
        body = {"name": f"ann-{name}", "role": "approver", "person": "ann"}
        secret = (await api("POST", "/api/v1/tokens", json=body)).json()["token"]
        bearer = {"headers": {"Authorization": f"Bearer {secret}"}}
        assert (await api("GET", "/api/v1/whoami", None, **bearer)).json()["person"] == "ann"
        approved = await api("POST", f"/api/v1/proposals/{proposal['id']}/approve", None, **bearer)
        assert approved.json()["proposal"]["approved_by"] == ["ann"]
    held = await api("POST", "/api/v1/containments", None, json={"target": "10.0.0.3"}, **bearer)
    assert held.json()["containment"]["by"] == "ann (token ann-phone)"
    listed = {one["name"]: one["person"] for one in (await api("GET", "/api/v1/tokens")).json()}
    assert (listed["ann-phone"], listed["viewer"]) == ("ann", "viewer")


def test_the_doctor_says_when_a_rule_asks_for_more_people_than_may_approve() -> None:
    rule = {"name": "careful", "mode": "propose", "approvals": 2}
    _, good = network(policy={"rules": [rule]})
    one = good.tokens[0]
    twice = replace(good, tokens=[replace(one, bearer="ann"), replace(one, name="b", bearer="ann")])
    assert "asks for 2 people, and 1 may approve: ann" in {f.check: f.seen for f in examine(twice)}["approvers"]
    both = replace(good, tokens=[replace(one, bearer="ann"), replace(one, name="b", bearer="bob")])
    assert "approvers" not in {f.check for f in examine(both)}
