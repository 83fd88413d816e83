"""The HTTP API over a service that decides nothing: who may what, what comes in, what goes out, and how errors look."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.api.app import create_app
from controller.errors import Conflict, NotFound, RefusalCode, StoreUnavailable
from controller.intake import SOURCES
from controller.roles import Permission, Role
from controller.store import Store
from controller.webhooks import WebhookFile, load
from drivers.base import DeviceUnreachable
from tests.unit.fake_service import HOSTILE, FakeService, refused
from tests.unit.store_cases import START, Clock

RECORDS = (Path(__file__).parent / "suricata_eve.jsonl").read_text().splitlines()
RESULTS = {"interface": "h1-eth0", "mac": "02:00:00:00:00:09"}
GENERIC = {"observed_at": "2026-01-31T12:00:00Z", "signature": "seen", "src": {"ip": "10.0.0.66"}}

ALIVE = {
    "headers": {"request_id": "a"},
    "body": {"openc2": {"request": {"action": "query", "target": {"features": []}}}},
}

ROUTES: Mapping[tuple[str, str], tuple[Permission | None, Any]] = {
    ("POST", "/api/v1/alerts/{source}"): (Permission.ALERT, GENERIC),
    ("GET", "/api/v1/alerts"): (Permission.READ, None),
    ("GET", "/api/v1/alerts/{id}"): (Permission.READ, None),
    ("GET", "/api/v1/alert-sources"): (Permission.READ, None),
    ("GET", "/api/v1/policy"): (Permission.READ, None),
    ("POST", "/api/v1/policy/reload"): (Permission.RESUME, None),
    ("POST", "/api/v1/policy/test/{source}"): (Permission.READ, GENERIC),
    ("POST", "/api/v1/policy/replay"): (Permission.READ, {"policy": "rules: []"}),
    ("GET", "/api/v1/dead-letters"): (Permission.READ, None),
    ("POST", "/api/v1/dead-letters/replay"): (Permission.ALERT, {}),
    ("POST", "/api/v1/dead-letters/{id}/replay"): (Permission.ALERT, {}),
    ("GET", "/api/v1/proposals"): (Permission.READ, None),
    ("POST", "/api/v1/proposals"): (Permission.CONTAIN, {"target": "10.0.0.7", "reason": "it scans"}),
    ("GET", "/api/v1/proposals/{id}/plan"): (Permission.READ, None),
    ("POST", "/api/v1/proposals/{id}/approve"): (Permission.APPROVE, {}),
    ("POST", "/api/v1/proposals/{id}/refuse"): (Permission.APPROVE, {"reason": "ours"}),
    ("POST", "/api/v1/containments"): (Permission.CONTAIN, {"target": "10.0.0.7"}),
    ("GET", "/api/v1/containments"): (Permission.READ, None),
    ("GET", "/api/v1/containments/{id}"): (Permission.READ, None),
    ("POST", "/api/v1/containments/{id}/release"): (Permission.RELEASE, {}),
    ("POST", "/api/v1/containments/{id}/extend"): (Permission.CONTAIN, {"for": "4h"}),
    ("POST", "/api/v1/containments/{id}/confirm"): (Permission.CONTAIN, {}),
    ("POST", "/api/v1/release"): (Permission.RELEASE, {"all": True}),
    ("GET", "/api/v1/profiles"): (Permission.READ, None),
    ("POST", "/api/v1/plan"): (Permission.READ, {"target": "10.0.0.7"}),
    ("GET", "/api/v1/events"): (Permission.READ, None),
    ("GET", "/api/v1/locate"): (Permission.READ, None),
    ("GET", "/api/v1/endpoints"): (Permission.READ, None),
    ("POST", "/api/v1/endpoints/join"): (
        Permission.CONTAIN,
        {"targets": ["02:00:00:00:00:05", "02:00:00:00:00:06"], "reason": "x"},
    ),
    ("POST", "/api/v1/endpoints/split"): (Permission.CONTAIN, {"target": "02:00:00:00:00:05"}),
    ("GET", "/api/v1/bindings"): (Permission.READ, None),
    ("GET", "/api/v1/devices"): (Permission.READ, None),
    ("POST", "/api/v1/crawl"): (Permission.CONTAIN, {}),
    ("GET", "/api/v1/topology"): (Permission.READ, None),
    ("GET", "/api/v1/path"): (Permission.READ, None),
    ("GET", "/api/v1/sensors/{name}/work"): (Permission.SENSE, None),
    ("POST", "/api/v1/sensors/{name}/results"): (Permission.SENSE, RESULTS),
    ("POST", "/api/v1/sensors/{name}/devices"): (Permission.REPORT, {"devices": []}),
    ("GET", "/api/v1/audit"): (Permission.AUDIT, None),
    ("GET", "/api/v1/audit/verify"): (Permission.AUDIT, None),
    ("GET", "/api/v1/tokens"): (Permission.TOKENS, None),
    ("POST", "/api/v1/tokens"): (Permission.TOKENS, {"name": "made", "role": "viewer"}),
    ("DELETE", "/api/v1/tokens/{name}"): (Permission.TOKENS, None),
    ("GET", "/api/v1/whoami"): (None, None),
    ("GET", "/api/v1/doctor"): (Permission.AUDIT, None),
    ("GET", "/api/v1/status"): (Permission.READ, None),
    ("POST", "/api/v1/pause"): (Permission.PAUSE, {"reason": "x"}),
    ("POST", "/api/v1/resume"): (Permission.RESUME, {"reason": "x"}),
    ("GET", "/metrics"): (Permission.READ, None),
    ("POST", "/.well-known/openc2"): (Permission.OPENC2, ALIVE),
}
PUBLIC = {("GET", "/healthz"), ("GET", "/readyz")}


@dataclass
class Api:
    service: FakeService
    http: httpx.AsyncClient
    tokens: Mapping[Role, str]

    async def __call__(self, method: str, path: str, role: Role | None = Role.ADMIN, **request: Any) -> httpx.Response:
        headers = {} if role is None else {"Authorization": f"Bearer {self.tokens[role]}"}
        headers |= request.pop("headers", {})
        return await self.http.request(method, path, headers=headers, **request)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[Role, str]]:
    """A database with a token for each role, to be copied: to make one takes longer than most tests."""
    path = tmp_path_factory.mktemp("api") / "netcordon.db"

    async def make() -> Mapping[Role, str]:
        store = await Store.open(f"sqlite:///{path}", Clock())
        tokens = {role: await store.add_token(role.value, role) for role in Role}
        await store.close()
        return tokens

    return path, asyncio.run(make())


@pytest.fixture(scope="module")
def app() -> FastAPI:
    """Made once, and given each test's own service."""
    return create_app(FakeService.__new__(FakeService))


@pytest.fixture
async def api(
    app: FastAPI, prepared: tuple[Path, Mapping[Role, str]], tmp_path: Path, clock: Clock
) -> AsyncIterator[Api]:
    database, tokens = prepared
    shutil.copy(database, tmp_path / "netcordon.db")
    store = await Store.open(f"sqlite:///{tmp_path}/netcordon.db", clock)
    service = app.state.service = FakeService(store)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://netcordon") as http:
        yield Api(service, http, tokens)
    await store.close()


# --- who may what -----------------------------------------------------------------------------------------------------


def test_every_route_is_in_the_table(app: FastAPI) -> None:
    there = {
        (method, path) for path, operations in app.openapi()["paths"].items() for method in map(str.upper, operations)
    }
    assert there == ROUTES.keys() | PUBLIC


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_without_a_good_token_nothing_is_told(api: Api, method: str, path: str) -> None:
    _, body = ROUTES[method, path]
    for headers in ({}, {"Authorization": "Bearer nct_wrong"}, {"Authorization": "Basic YTpi"}):
        answer = await api(method, _filled(path), None, json=body, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json()["error"] == "unauthorized"
        assert "NETCORDON_TOKEN" in answer.json()["hint"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_each_role_may_what_its_permissions_say(api: Api, method: str, path: str) -> None:
    permission, body = ROUTES[method, path]
    for role in Role:
        headers = {"Content-Type": "application/openc2+json;version=1.0"} if "openc2" in path else {}
        answer = await api(method, _filled(path), role, json=body, params=_parameters(path), headers=headers)
        if permission is None or role.may(permission):
            assert answer.status_code in (200, 201, 204, 404), answer.text
            continue
        assert answer.status_code == 403
        message = answer.json()["message"]
        assert f"has role {role.value}" in message
        assert all(other.value in message.split("needed:")[1] for other in Role if other.may(permission))


async def test_the_public_routes_need_no_token(api: Api) -> None:
    assert (await api("GET", "/healthz", None)).json() == {"status": "ok"}
    assert (await api("GET", "/readyz", None)).json() == {"ready": True, "reasons": []}
    api.service.reasons = ["s1 is not connected"]
    answer = await api("GET", "/readyz", None)
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "reasons": ["s1 is not connected"]})


async def test_an_override_needs_its_own_permission_and_a_reason(api: Api) -> None:
    body = {"target": "10.0.0.7", "override": True}
    assert (await api("POST", "/api/v1/containments", Role.APPROVER, json=body)).status_code == 422
    assert (await api("POST", "/api/v1/plan", Role.VIEWER, json=body)).status_code == 200
    api.service.requests.clear()
    body["reason"] = "it is really bad"
    assert (await api("POST", "/api/v1/containments", Role.OPERATOR, json=body)).status_code == 403
    assert (await api("POST", "/api/v1/containments", Role.APPROVER, json=body)).status_code == 201
    assert [request.override for request in api.service.requests] == [True]


async def test_what_an_operator_proposes_somebody_else_approves(api: Api) -> None:
    body = {"target": "10.0.0.7", "override": True, "for": "1h", "on_expiry": "ask"}
    assert "needs a reason" in (await api("POST", "/api/v1/proposals", Role.OPERATOR, json=body)).json()["message"]
    body["reason"] = "it is really bad"
    answer = await api("POST", "/api/v1/proposals", Role.OPERATOR, json=body)
    assert answer.status_code == 201
    made = answer.json()
    assert (made["proposed_by"], made["override"], made["on_expiry"], made["duration"]) == (
        "operator",
        True,
        "ask",
        3600,
    )
    again = await api("POST", "/api/v1/proposals", Role.APPROVER, json={"target": "10.0.0.8", "reason": "mine"})
    own = await api("POST", f"/api/v1/proposals/{again.json()['id']}/approve", Role.APPROVER)
    assert own.status_code == 409
    assert "somebody else approves it" in own.json()["message"]
    approved = await api("POST", f"/api/v1/proposals/{again.json()['id']}/approve", Role.ADMIN)
    assert approved.json()["proposal"]["approved_by"] == ["admin"]


async def test_a_revoked_token_is_nobodys(api: Api) -> None:
    assert (await api("DELETE", "/api/v1/tokens/viewer")).status_code == 204
    assert (await api("GET", "/api/v1/whoami", Role.VIEWER)).status_code == 401
    assert (await api("DELETE", "/api/v1/tokens/viewer")).status_code == 404


async def test_a_new_token_works_and_is_not_shown_again(api: Api) -> None:
    made = (await api("POST", "/api/v1/tokens", json={"name": "soc", "role": "operator"})).json()
    who = await api("GET", "/api/v1/whoami", None, headers={"Authorization": f"Bearer {made['token']}"})
    assert (who.json()["name"], who.json()["role"]) == ("soc", "operator")
    assert made["token"] not in (await api("GET", "/api/v1/tokens")).text
    assert (await api("POST", "/api/v1/tokens", json={"name": "soc", "role": "viewer"})).status_code == 409


# --- alerts -----------------------------------------------------------------------------------------------------------


async def test_each_event_is_answered_on_its_own(api: Api) -> None:
    body = "\n".join([*RECORDS, "{broken", '{"event_type": "alert"}'])
    answer = await api("POST", "/api/v1/alerts/suricata", Role.INTAKE, content=body)
    told = answer.json()
    assert answer.status_code == 200
    assert (told["taken"], told["ignored"], told["malformed"], told["failed"]) == (3, 2, 2, 0)
    assert [one["status"] for one in told["results"]] == ["taken"] * 3 + ["ignored"] * 2 + ["malformed"] * 2
    assert [one["index"] for one in told["results"]] == list(range(7))
    assert told["results"][0]["disposition"] == "observed"
    letters = (await api("GET", "/api/v1/dead-letters")).json()
    assert {letter["id"] for letter in letters} == {one["id"] for one in told["results"][5:]}
    assert any("timestamp: is missing" in letter["reason"] for letter in letters)


async def test_an_alert_sent_again_is_a_duplicate(api: Api) -> None:
    first = (await api("POST", "/api/v1/alerts/suricata", content=RECORDS[0])).json()["results"][0]
    again = (await api("POST", "/api/v1/alerts/suricata", content=RECORDS[0])).json()["results"][0]
    assert (first["duplicate"], again["duplicate"]) == (False, True)
    assert first["id"] == again["id"]


async def test_all_malformed_is_422_and_kept(api: Api) -> None:
    for body in (b"", b"\xff\xfe\x00", b'[1, "x"]', b"{"):
        answer = await api("POST", "/api/v1/alerts/generic", content=body)
        assert answer.status_code == 422, body
    assert len((await api("GET", "/api/v1/dead-letters")).json()) == 5


async def _bury(api: Api, *texts: str, source: str = "generic") -> list[str]:
    return [await api.service.store.dead_letter(source, text, "an older release could not read it") for text in texts]


async def _waiting(api: Api) -> dict[str, str]:
    """The reason of each dead letter that waits, by its id."""
    return {one["id"]: one["reason"] for one in (await api("GET", "/api/v1/dead-letters")).json()}


async def test_a_dead_letter_that_can_be_read_now_is_replayed_once(api: Api) -> None:
    (id,) = await _bury(api, json.dumps(GENERIC))
    told = (await api("POST", f"/api/v1/dead-letters/{id}/replay", Role.INTAKE)).json()
    (result,) = told["results"]
    assert (told["status"], result["status"], result["disposition"]) == ("taken", "taken", "observed")
    assert [one.signature for one in api.service.taken] == [GENERIC["signature"]]
    assert await _waiting(api) == {}
    (kept,) = (await api("GET", "/api/v1/dead-letters?replayed=true")).json()
    assert (kept["id"], kept["replayed_by"], kept["alerts"]) == (id, "intake", [result["id"]])
    assert kept["reason"] == "an older release could not read it"
    again = await api("POST", f"/api/v1/dead-letters/{id}/replay", Role.INTAKE)
    assert again.status_code == 409
    assert f"was replayed already, by intake, as alert {result['id']}" in again.json()["message"]
    (record,) = [one for one in await api.service.store.audit_records() if one.action == "replay"]
    assert (record.actor, record.subject) == ("intake", id)
    assert result["id"] in record.detail


async def test_a_dead_letter_that_still_cannot_be_read_stays_with_the_reason_of_now(api: Api) -> None:
    good = json.dumps(GENERIC)
    broken, half = await _bury(api, "{", good + "\n{}")
    (foreign,) = await _bury(api, "x", source="snort")
    for id in (broken, half, foreign):
        told = (await api("POST", f"/api/v1/dead-letters/{id}/replay")).json()
        assert (told["id"], told["status"]) == (id, "malformed")
    reasons = await _waiting(api)
    assert set(reasons) == {broken, half, foreign}
    assert "not JSON" in reasons[broken]
    assert "is missing" in reasons[half]
    assert "no alert source 'snort' any more" in reasons[foreign]
    assert len(api.service.taken) == 1  # what could be read of it was, and is a duplicate the next time
    told = (await api("POST", f"/api/v1/dead-letters/{half}/replay")).json()
    assert [one.get("duplicate") for one in told["results"]] == [True, False]


async def test_what_was_cut_when_it_was_kept_is_not_replayed(api: Api) -> None:
    (id,) = await _bury(api, json.dumps({**GENERIC, "text": "x" * 70_000}))
    answer = await api("POST", f"/api/v1/dead-letters/{id}/replay")
    assert answer.status_code == 409
    assert "only the first 65536 of its 70" in answer.json()["message"]
    told = (await api("POST", "/api/v1/dead-letters/replay")).json()
    assert [(one["id"], one["status"]) for one in told["replays"]] == [(id, "cut")]
    assert api.service.taken == []
    assert await _waiting(api) == {id: "an older release could not read it"}
    assert "replay" not in {one.action for one in await api.service.store.audit_records()}


async def test_a_body_that_could_not_be_cut_is_kept_whole(api: Api) -> None:
    body = "[" + ",".join("{}" for _ in range(10_001)) + "]"
    assert (await api("POST", "/api/v1/alerts/generic", content=body)).status_code == 422
    (letter,) = await api.service.store.dead_letters()
    assert (letter.raw, letter.cut) == (body, False)


async def test_all_are_replayed_oldest_first_some_at_a_time(api: Api, clock: Clock) -> None:
    ids = []
    for number in range(7):
        clock.now += 1
        text = "{" if number == 3 else '{"event_type": "flow"}' if number == 4 else RECORDS[0]
        ids += await _bury(api, text, source="suricata")
    replays, after = [], None
    for _ in range(4):
        told = (await api("POST", "/api/v1/dead-letters/replay", json={"limit": 2, "after": after})).json()
        replays += told["replays"]
        after = told["next"]
    assert after is None
    assert [one["id"] for one in replays] == ids
    assert [one["status"] for one in replays] == ["taken"] * 3 + ["malformed", "ignored"] + ["taken"] * 2
    assert list(await _waiting(api)) == [ids[3]]
    assert (await api.service.store.totals()).dead_letters == 1
    assert (await api("POST", "/api/v1/dead-letters/replay", json={"after": "nowhere"})).status_code == 404


async def test_while_the_store_is_away_a_dead_letter_stays_one(api: Api) -> None:
    (id,) = await _bury(api, json.dumps(GENERIC))
    api.service.refuse = StoreUnavailable("the database is full")
    assert (await api("POST", f"/api/v1/dead-letters/{id}/replay")).status_code == 503
    api.service.refuse = Conflict("not now")
    assert (await api("POST", f"/api/v1/dead-letters/{id}/replay")).json()["status"] == "failed"
    assert await _waiting(api) == {id: "not now"}


async def test_an_unknown_source_names_the_known(api: Api) -> None:
    answer = await api("POST", "/api/v1/alerts/snort", json={})
    assert answer.status_code == 404
    assert "suricata, generic" in answer.json()["message"]


async def test_an_alert_that_the_store_cannot_take_is_to_be_sent_again(api: Api) -> None:
    api.service.refuse = StoreUnavailable("the database is full")
    answer = await api("POST", "/api/v1/alerts/generic", json=GENERIC)
    assert (answer.status_code, answer.json()["error"]) == (503, "store-unavailable")
    assert answer.headers["Retry-After"]


async def test_what_fails_for_one_alert_is_said_of_that_one(api: Api) -> None:
    api.service.refuse = Conflict("not now")
    told = (await api("POST", "/api/v1/alerts/generic", json=GENERIC)).json()
    assert (told["failed"], told["results"][0]["reason"]) == (1, "not now")


async def test_the_attackers_words_come_out_neutralized(api: Api) -> None:
    hostile = {**GENERIC, "signature": HOSTILE, "text": HOSTILE}
    told = await api("POST", "/api/v1/alerts/generic", json=hostile)
    accepted = await api("POST", "/api/v1/containments", json={"target": "10.0.0.7", "reason": HOSTILE})
    seen = [told.text, accepted.text]
    looks = (
        "alerts",
        "endpoints",
        "devices",
        "topology?endpoints=true",
        "path?source=10.0.0.7&destination=10.0.0.8",
        "containments",
        "locate?target=10.0.0.7",
        "audit",
    )
    for path in looks:
        seen.append((await api("GET", f"/api/v1/{path}")).text)
    for text in seen:
        assert all(value.isprintable() for value in _strings(json.loads(text)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(body=st.binary(max_size=200), source=st.sampled_from(sorted(SOURCES)))
async def test_any_bytes_are_answered(api: Api, body: bytes, source: str) -> None:
    answer = await api("POST", f"/api/v1/alerts/{source}", content=body)
    assert answer.status_code in (200, 422)
    assert answer.json()


async def test_a_signature_lets_its_own_source_in_without_a_token(api: Api) -> None:
    how = WebhookFile(source="generic", secret_env="S")
    api.service.signing = load((how,), {"S": "It's a Secret to Everybody"})
    body = json.dumps(GENERIC).encode()
    signature = "sha256=" + hmac.new(b"It's a Secret to Everybody", body, hashlib.sha256).hexdigest()
    signed = {how.header: signature}
    for path, headers, status in (
        ("generic", signed, 200),
        ("generic", {}, 401),
        ("generic", {how.header: signature[:-1] + "x"}, 401),
        ("suricata", signed, 401),
        ("generic", signed | {"Authorization": "Bearer nct_wrong"}, 401),
    ):
        answer = await api("POST", f"/api/v1/alerts/{path}", None, content=body, headers=headers)
        assert (path, answer.status_code) == (path, status)
    assert (await api("GET", "/api/v1/alerts", None, headers=signed)).status_code == 401
    assert (await api("POST", "/api/v1/alerts/generic", Role.INTAKE, content=body)).status_code == 200
    assert (await api("POST", "/api/v1/alerts/generic", Role.VIEWER, content=body, headers=signed)).status_code == 403
    too_long = b"[" + b" " * (9 * 1024 * 1024)
    assert (await api("POST", "/api/v1/alerts/generic", None, content=too_long, headers=signed)).status_code == 413


# --- containing -------------------------------------------------------------------------------------------------------


async def test_a_containment_is_made_once_under_its_key(api: Api) -> None:
    body = {"target": "10.0.0.7", "for": "30m", "reason": "by hand"}
    first = await api("POST", "/api/v1/containments", json=body, headers={"Idempotency-Key": "k1"})
    again = await api("POST", "/api/v1/containments", json=body, headers={"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["created"]
    assert not again.json()["created"]
    case = first.json()["containment"]
    assert again.json()["containment"]["id"] == case["id"]
    assert first.headers["Location"] == f"/api/v1/containments/{case['id']}"
    other = {**body, "reason": "another"}
    clash = await api("POST", "/api/v1/containments", json=other, headers={"Idempotency-Key": "k1"})
    assert (clash.status_code, clash.json()["error"]) == (409, "conflict")
    wish = api.service.requests[0]
    assert (str(wish.target), wish.duration, wish.by, wish.reason) == ("10.0.0.7", 1800.0, "admin", "by hand")


async def test_two_bearers_who_choose_the_same_key_do_not_meet(api: Api) -> None:
    for role, target in ((Role.ADMIN, "10.0.0.7"), (Role.OPERATOR, "10.0.0.8")):
        key = {"Idempotency-Key": "same"}
        answer = await api("POST", "/api/v1/containments", role, json={"target": target}, headers=key)
        assert answer.status_code == 201


async def test_what_a_containment_shows(api: Api, clock: Clock) -> None:
    made = (await api("POST", "/api/v1/containments", json={"target": "10.0.0.7"})).json()["containment"]
    case = (await api("GET", f"/api/v1/containments/{made['id'][:8]}")).json()
    assert case["id"] == made["id"]
    assert case["endpoint"]["ips"] == ["10.0.0.7", "fd00::7"]
    assert case["endpoint"]["attachment"] == {"device": "s1", "port": "eth7", "vlan": None}
    assert (case["want"], case["outcome"], case["profile"]) == ("held", "requested", "full")
    assert case["stages_ms"] == {"alert_to_located": 1.0, "alert_to_decided": 2.0}
    assert datetime.fromisoformat(case["expires_at"]).timestamp() == START + 4 * 3600
    assert [one["device"] for one in case["devices"]] == ["s1"]
    assert {rule["match"]["direction"] for rule in case["rules"]["s1"]} == {"from", "to"}
    assert case["proof"]["management"] == {"s1": "oob"}
    assert case["remaining"] == 0.0  # the store's clock stands in the past


async def test_a_dry_run_does_nothing(api: Api) -> None:
    for path, body in (("containments", {"dry_run": True}), ("plan", {})):
        seen = (await api("POST", f"/api/v1/{path}", json={"target": "10.0.0.1"} | body)).json()
        assert [line["sign"] for line in seen["changes"]["s1"]] == ["+", "~", "-"]
        assert seen["location"]["endpoint"]["ips"][0] == "10.0.0.1"
        assert seen["refusal"] is None
    assert (await api("GET", "/api/v1/containments")).json() == {"containments": []}


async def test_a_refusal_is_409_with_its_code_and_a_plan_just_says_so(api: Api) -> None:
    api.service.refuse = refused()
    answer = await api("POST", "/api/v1/containments", json={"target": "10.0.0.1"})
    assert answer.status_code == 409
    assert answer.json()["error"] == "protected"
    assert "--override" in answer.json()["hint"]
    assert "\x1b" not in answer.json()["message"]
    planned = await api("POST", "/api/v1/plan", json={"target": "10.0.0.1"})
    assert (planned.status_code, planned.json()["refusal"]["code"]) == (200, "protected")


async def test_listing_by_want_device_and_limit(api: Api) -> None:
    for number in (1, 2, 3):
        await api("POST", "/api/v1/containments", json={"target": f"10.0.0.{number}"})
    released = (await api("POST", "/api/v1/release", json={"target": "10.0.0.2"})).json()["released"]
    assert [one["want"] for one in released] == ["released"]

    async def count(**parameters: object) -> int:
        return len((await api("GET", "/api/v1/containments", params=parameters)).json()["containments"])

    assert (await count(), await count(want="held"), await count(want="released"), await count(limit=1)) == (3, 2, 1, 1)
    assert (await count(device="s1"), await count(device="nowhere")) == (3, 0)
    assert len((await api("POST", "/api/v1/release", json={"all": True})).json()["released"]) == 2


async def test_releasing_one_by_the_beginning_of_its_id(api: Api) -> None:
    made = (await api("POST", "/api/v1/containments", json={"target": "10.0.0.7"})).json()["containment"]
    path = f"/api/v1/containments/{made['id'][:10]}/release"
    assert (await api("POST", path)).json()["released"][0]["released_by"] == "admin"
    assert (await api("POST", "/api/v1/containments/nothing/release", json={})).status_code == 404


async def test_locating_as_of_a_time(api: Api) -> None:
    for at in ("2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00"):
        # The second one's '+' arrives as a space, as it does from whoever does not encode it.
        answer = await api("GET", f"/api/v1/locate?target=10.0.0.7&at={at}")
        assert answer.status_code == 200, answer.text
    assert {at for _, at in api.service.located} == {1769860800.0}
    assert (await api("GET", "/api/v1/locate?target=10.0.0.99")).json()["candidates"][1]["vlan"] == 7


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "says"),
    [
        ("POST", "/api/v1/containments", {"target": "printer"}, "give an IP"),
        ("POST", "/api/v1/containments", {"target": "10.0.0.0/8"}, "is a prefix"),
        ("POST", "/api/v1/containments", {}, "target: is missing"),
        ("POST", "/api/v1/containments", {"target": "10.0.0.1", "fro": "4h"}, "fro: unknown key"),
        ("POST", "/api/v1/containments", {"target": "10.0.0.1", "for": "soon"}, "write it as 90s"),
        ("POST", "/api/v1/containments", {"target": "10.0.0.1", "for": "0s"}, "not a span of time"),
        ("POST", "/api/v1/release", {}, "give a target, or all: true"),
        ("POST", "/api/v1/release", {"target": "10.0.0.1", "all": True}, "give a target, or all: true"),
        ("POST", "/api/v1/tokens", {"name": "a\nb", "role": "viewer"}, "name: a token's name is made of letters"),
        ("GET", "/api/v1/audit/verify?head=abc", None, "head: write the 64 hex digits"),
        ("GET", "/api/v1/audit?after=99999999999999999999", None, "after: at most 9223372036854775807"),
        ("POST", "/api/v1/tokens", {"name": "a", "role": "root"}, "role"),
        ("GET", "/api/v1/containments?limit=0", None, "limit"),
        ("GET", "/api/v1/containments?want=maybe", None, "want"),
        ("GET", "/api/v1/locate", None, "target"),
        ("GET", "/api/v1/locate?target=10.0.0.1&at=2026-01-31T12:00:00", None, "no offset"),
        ("GET", "/api/v1/bindings?ip=nowhere", None, "not an address"),
        ("GET", "/api/v1/bindings?mac=nowhere", None, "not a MAC"),
        ("GET", "/api/v1/audit/verify?head=short", None, "head"),
        ("GET", "/api/v1/sensors/%0A/work", None, "name"),
    ],
)
async def test_what_cannot_be_read_says_why(api: Api, method: str, path: str, body: Any, says: str) -> None:
    answer = await api(method, path, json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json().keys() == {"error", "message", "hint"}
    assert answer.json()["error"] == "invalid-input"
    assert says in answer.json()["message"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound("no such"), 404, "not-found"),
        (Conflict("moved on"), 409, "conflict"),
        (StoreUnavailable("locked"), 503, "store-unavailable"),
        *((refused(code), 409, code.value) for code in RefusalCode),
    ],
)
async def test_the_error_tree_has_its_statuses(api: Api, error: Any, status: int, code: str) -> None:
    api.service.refuse = error
    answer = await api("POST", "/api/v1/containments", json={"target": "10.0.0.1"})
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    says_it_itself = code in ("not-found", "conflict")  # its message names what there is, or what stands now
    assert bool(answer.json()["hint"]) != says_it_itself


@pytest.mark.parametrize("error", [RuntimeError("secret detail"), DeviceUnreachable("s1 is away")])
async def test_never_a_traceback(api: Api, error: Any) -> None:
    api.service.refuse = error
    answer = await api("POST", "/api/v1/containments", json={"target": "10.0.0.1"})
    assert answer.status_code in (500, 502)
    assert answer.json().keys() == {"error", "message", "hint"}
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text


async def test_a_long_body_is_413_announced_or_not(api: Api) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b"[" * 1024 * 1024

    for content in (b"x" * (8 * 1024 * 1024 + 1), pieces()):
        answer = await api("POST", "/api/v1/alerts/generic", content=content)
        assert (answer.status_code, answer.json()["error"]) == (413, "too-large")


async def test_unknown_routes_and_methods_are_problems_too(api: Api) -> None:
    assert (await api("GET", "/nowhere")).json()["error"] == "not-found"
    assert (await api("PATCH", "/healthz")).json()["error"] == "method-not-allowed"


# --- sensors, audit, documentation ------------------------------------------------------------------------------------


async def test_a_sensor_takes_work_and_brings_results(api: Api) -> None:
    work = await api("GET", "/api/v1/sensors/north/work?wait=0", Role.SENSOR)
    assert work.json()["probes"] == []
    assert (await api("POST", "/api/v1/sensors/north/results", Role.SENSOR, json=RESULTS)).status_code == 204
    ((name, results),) = api.service.results
    assert (name, results.mac) == ("north", "02:00:00:00:00:09")


async def test_the_audit_log_is_read_and_verified(api: Api) -> None:
    records = (await api("GET", "/api/v1/audit", params={"limit": 2})).json()
    assert [record["seq"] for record in records] == [1, 2]
    assert (await api("GET", "/api/v1/audit", params={"after": 2})).json()[0]["seq"] == 3
    verdict = (await api("GET", "/api/v1/audit/verify")).json()
    assert verdict["verified"]
    assert (await api("GET", "/api/v1/audit/verify", params={"head": verdict["head"]})).json()["verified"]
    other = (await api("GET", "/api/v1/audit/verify", params={"head": "0" * 63 + "1"})).json()
    assert not other["verified"]
    assert "the tail was cut" in other["problem"]


async def test_the_documentation_serves(api: Api) -> None:
    for page in ("/docs", "/redoc"):  # they would take scripts from a CDN
        assert (await api("GET", page, None)).status_code == 404
    spec = (await api("GET", "/openapi.json", None)).json()
    assert spec["components"]["securitySchemes"]


def _filled(path: str) -> str:
    return path.format(source="generic", id="none-such", name="none-such")


def _parameters(path: str) -> dict[str, str]:
    if path.endswith("/path"):
        return {"source": "10.0.0.7", "destination": "10.0.0.8"}
    return {"target": "10.0.0.7"} if path.endswith("locate") else {"wait": "0"} if path.endswith("work") else {}


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = [*value, *value.values()]
    return [text for item in value for text in _strings(item)] if isinstance(value, list) else []


# --- metrics ----------------------------------------------------------------------------------------------------------


async def test_metrics_are_text_for_prometheus(api: Api) -> None:
    answer = await api("GET", "/metrics", Role.VIEWER)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize(
    ("client", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("192.0.2.7", {}, 401),
        ("127.0.0.1", {"X-Forwarded-For": "192.0.2.7"}, 401),
        ("127.0.0.1", {"Authorization": "Bearer nct_wrong"}, 401),
    ],
)
async def test_metrics_without_a_token_are_for_loopback_alone(
    api: Api, app: FastAPI, client: str, headers: dict[str, str], status: int
) -> None:
    api.service.metrics_without_token = True
    transport = httpx.ASGITransport(app, client=(client, 5000))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        assert (await http.get("/metrics", headers=headers)).status_code == status
        assert (await http.get("/api/v1/devices", headers=headers)).status_code == 401


async def test_profiles_say_what_each_closes(api: Api) -> None:
    found = (await api("GET", "/api/v1/profiles", Role.VIEWER)).json()["profiles"]
    assert [one["name"] for one in found] == ["full", "lateral", "custom"]
    lateral = found[1]
    assert (lateral["default"], lateral["built_in"], lateral["strictness"]) == ("permit", True, 40)
    smb = {
        "action": "deny",
        "direction": "both",
        "what": "SMB and admin shares, T1021.002 (tcp 139,445)",
        "peers": [],
        "why": "",
    }
    assert smb in lateral["entries"]
    assert "\x1b" not in found[2]["description"]
