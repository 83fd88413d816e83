"""A typed client of the HTTP API: what a user's program, the command line and the labs reach the daemon with. Its
errors are those of `controller.connection`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, RootModel, ValidationError

from controller.api import listings, schemas
from controller.connection import (
    TIMEOUT,
    Address,
    ApiError,
    Conflicting,
    Connection,
    Denied,
    Malformed,
    Missing,
    RequestRefused,
    Unreachable,
)
from controller.event_stream import EventStream
from controller.model import FULL
from controller.roles import Role

if TYPE_CHECKING:
    from controller.discovery.probes import SensorResults, SensorWork
    from controller.discovery.reports import DeviceReports

__all__ = [
    "Address",
    "ApiError",
    "Client",
    "Conflicting",
    "Denied",
    "Malformed",
    "Missing",
    "RequestRefused",
    "Unreachable",
]

CRAWL_PATIENCE = 300.0
"""Seconds for which all devices' tables may take to be read."""
Model = TypeVar("Model", bound=BaseModel)
Json = Mapping[str, Any]


class Client:
    """Speaks to the daemon. A request that may be repeated without harm is, when no answer came; others never are."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    def connect(cls, address: Address) -> Self:
        """Nothing is sent yet. Raises ConfigError for an address that nothing can be sent to."""
        return cls(Connection(address.open(), address.url))

    @classmethod
    def from_environment(cls) -> Self:
        """By NETCORDON_URL and NETCORDON_TOKEN, or their defaults. Raises ConfigError."""
        return cls.connect(Address.from_environment())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    # --- the case -------------------------------------------------------------------------------------------------

    def contain(
        self,
        target: str,
        *,
        profile: str = FULL.name,
        duration: float | str | None = None,
        reason: str = "",
        override: bool = False,
        on_expiry: str | None = None,
        key: str | None = None,
    ) -> schemas.AcceptedView:
        """Accepted, not yet installed: look at it with `containment`. `key` None makes a new one."""
        body = {**_wish(target, profile, duration, reason, override), **_given(on_expiry=on_expiry)}
        answer = self._send("POST", "/api/v1/containments", json=body, key=key or str(uuid.uuid4()))
        return _read(answer, schemas.AcceptedView)

    def plan(
        self,
        target: str,
        *,
        profile: str = FULL.name,
        duration: float | str | None = None,
        reason: str = "",
        override: bool = False,
    ) -> schemas.PreviewView:
        """What `contain` would do. A refusal is in the answer."""
        body = _wish(target, profile, duration, reason, override)
        answer = self._send("POST", "/api/v1/plan", json=body, repeatable=True)
        return _read(answer, schemas.PreviewView)

    def containments(
        self, want: str | None = None, device: str | None = None, limit: int = 100
    ) -> list[schemas.ContainmentView]:
        parameters = _given(want=want, device=device, limit=limit)
        return self._get("/api/v1/containments", schemas.ContainmentsView, parameters).containments

    def profiles(self) -> list[schemas.ProfileView]:
        return self._get("/api/v1/profiles", schemas.ProfilesView).profiles

    def containment(self, id: str) -> schemas.ContainmentView:
        return self._get(f"/api/v1/containments/{_segment(id)}", schemas.ContainmentView)

    def extend(
        self,
        id: str,
        *,
        duration: float | str | None = None,
        until: str | None = None,
        shorten: bool = False,
        key: str | None = None,
    ) -> schemas.ContainmentView:
        """Hold it for `duration` from now, or until then (ISO 8601 with an offset)."""
        body = {"shorten": shorten, **_given(until=until)} | ({} if duration is None else {"for": duration})
        path = f"/api/v1/containments/{_segment(id)}/extend"
        return _read(self._send("POST", path, json=body, key=key or str(uuid.uuid4())), schemas.ContainmentView)

    def confirm(self, id: str) -> schemas.ContainmentView:
        """Hold to its end what is released otherwise."""
        return _read(self._send("POST", f"/api/v1/containments/{_segment(id)}/confirm"), schemas.ContainmentView)

    def release(self, target_or_id: str, *, reason: str = "", key: str | None = None) -> list[schemas.ContainmentView]:
        """What holds a target, or one containment by its id."""
        return self._release({"target": target_or_id, "reason": reason}, key)

    def release_all(
        self, *, reason: str = "", pause: bool = False, key: str | None = None
    ) -> list[schemas.ContainmentView]:
        """`pause`: automatic action is paused before."""
        return self._release({"all": True, "reason": reason, "pause": pause}, key)

    def status(self) -> listings.StatusView:
        return self._get("/api/v1/status", listings.StatusView)

    def policy(self, version: str = "") -> listings.PolicyView:
        """What is in force, or was by its version."""
        return self._get("/api/v1/policy", listings.PolicyView, {"version": version} if version else None)

    def reload_policy(self) -> listings.ReloadView:
        """Have the daemon read its policy again."""
        return _read(self._send("POST", "/api/v1/policy/reload", repeatable=True), listings.ReloadView)

    def test_policy(self, source: str, body: bytes) -> list[listings.TrialView]:
        """What policy would make of what a sensor wrote, without any effect."""
        answer = self._send("POST", f"/api/v1/policy/test/{_segment(source)}", content=body, repeatable=True)
        return _items(answer, listings.TrialView)

    def replay_policy(self, text: str, since: float) -> list[listings.ReplayRow]:
        """What this policy would have made of the alerts of the last `since` seconds."""
        answer = self._send("POST", "/api/v1/policy/replay", json={"policy": text, "since": since}, repeatable=True)
        return _items(answer, listings.ReplayRow)

    def pause(self, reason: str) -> listings.AutomationView:
        """Stop all automatic action until `resume`."""
        answer = self._send("POST", "/api/v1/pause", json={"reason": reason}, repeatable=True)
        return _read(answer, listings.AutomationView)

    def resume(self, reason: str) -> listings.AutomationView:
        answer = self._send("POST", "/api/v1/resume", json={"reason": reason}, repeatable=True)
        return _read(answer, listings.AutomationView)

    def _release(self, body: Json, key: str | None) -> list[schemas.ContainmentView]:
        answer = self._send("POST", "/api/v1/release", json=body, key=key or str(uuid.uuid4()))
        return _read(answer, schemas.ReleasedView).released

    def events(
        self,
        after: str | None = None,
        *,
        on_lost: Callable[[Unreachable], None] = lambda error: None,
        on_found: Callable[[], None] = lambda: None,
    ) -> EventStream:
        """All changes, for ever: iterate. It begins with a `reset`, or, without a gap, behind the event whose id is `after`."""
        return EventStream(
            self._connection.http, self._connection.where, after, on_lost, on_found, self._connection.sleep
        )

    # --- alerts ---------------------------------------------------------------------------------------------------

    def send_alerts(self, source: str, body: bytes) -> listings.AlertsTaken:
        """One JSON object, an array, or JSON lines. That all were malformed is an answer, not an error. Sent again, an
        alert is a duplicate, so it is repeated when no answer came."""
        path = f"/api/v1/alerts/{_segment(source)}"
        answer = self._send("POST", path, content=body, repeatable=True, fine=_taken)
        return _read(answer, listings.AlertsTaken)

    def alerts(self, limit: int = 100) -> list[listings.AlertView]:
        return self._list("/api/v1/alerts", listings.AlertView, {"limit": limit})

    def alert(self, id: str) -> listings.AlertDetail:
        """With how policy decided about it."""
        return self._get(f"/api/v1/alerts/{_segment(id)}", listings.AlertDetail)

    def alert_sources(self) -> list[listings.SourceView]:
        return self._list("/api/v1/alert-sources", listings.SourceView, {})

    def dead_letters(self, limit: int = 100, replayed: bool = False) -> list[listings.DeadLetterView]:
        parameters = {"limit": limit, **({"replayed": "true"} if replayed else {})}
        return self._list("/api/v1/dead-letters", listings.DeadLetterView, parameters)

    def replay(self, letter: str) -> listings.ReplayView:
        """Take a dead letter's text through the intake again."""
        return _read(
            self._send("POST", f"/api/v1/dead-letters/{_segment(letter)}/replay", json={}), listings.ReplayView
        )

    def replay_all(self) -> Iterator[listings.ReplayView]:
        """Every dead letter that waits, oldest first, some with each request."""
        after: str | None = None
        while True:
            answer = self._send("POST", "/api/v1/dead-letters/replay", json=_given(after=after))
            some = _read(answer, listings.ReplaysView)
            yield from some.replays
            if (after := some.next) is None:
                return

    def propose(
        self,
        target: str,
        *,
        profile: str = FULL.name,
        duration: float | str | None = None,
        reason: str,
        override: bool = False,
        on_expiry: str | None = None,
    ) -> listings.ProposalView:
        """Put it to an approver. Sent again it joins what waits, so it is repeated when no answer came."""
        body = {**_wish(target, profile, duration, reason, override), **_given(on_expiry=on_expiry)}
        return _read(self._send("POST", "/api/v1/proposals", json=body, repeatable=True), listings.ProposalView)

    def plan_proposal(self, id: str, device: str | None = None) -> schemas.PreviewView:
        return self._get(f"/api/v1/proposals/{_segment(id)}/plan", schemas.PreviewView, _given(device=device))

    def approve(self, proposal: str, device: str | None = None) -> listings.ApprovalView:
        """Twice counts once."""
        path = f"/api/v1/proposals/{_segment(proposal)}/approve"
        answer = self._send("POST", path, json=_given(device=device), repeatable=True)
        return _read(answer, listings.ApprovalView)

    def refuse(self, proposal: str, reason: str) -> listings.ProposalView:
        path = f"/api/v1/proposals/{_segment(proposal)}/refuse"
        return _read(self._send("POST", path, json={"reason": reason}), listings.ProposalView)

    def proposals(self, limit: int = 100) -> list[listings.ProposalView]:
        return self._list("/api/v1/proposals", listings.ProposalView, {"limit": limit})

    # --- the network ----------------------------------------------------------------------------------------------

    def locate(self, target: str, at: str | None = None) -> schemas.LocationView:
        """`at` is ISO 8601 with an offset; None is now."""
        return self._get("/api/v1/locate", schemas.LocationView, _given(target=target, at=at))

    def endpoints(self) -> list[schemas.EndpointView]:
        return self._list("/api/v1/endpoints", schemas.EndpointView)

    def join(self, targets: Sequence[str], reason: str) -> listings.JoinedView:
        """They are one device from now on. Sent again it changes nothing."""
        body = {"targets": list(targets), "reason": reason}
        return _read(self._send("POST", "/api/v1/endpoints/join", json=body, repeatable=True), listings.JoinedView)

    def split(self, mac: str, reason: str) -> listings.SplitView:
        body = {"target": mac, "reason": reason}
        return _read(self._send("POST", "/api/v1/endpoints/split", json=body), listings.SplitView)

    def bindings(
        self, ip: str | None = None, mac: str | None = None, at: str | None = None
    ) -> list[listings.BindingView]:
        """`at` (ISO 8601 with an offset): only what had begun by then."""
        return self._list("/api/v1/bindings", listings.BindingView, _given(ip=ip, mac=mac, at=at))

    def devices(self) -> list[listings.DeviceInfo]:
        return self._list("/api/v1/devices", listings.DeviceInfo)

    def crawl(self, device: str | None = None) -> list[listings.CrawlView]:
        """Read its own tables now, or all devices'. Waits for the slowest."""
        answer = self._send("POST", "/api/v1/crawl", json={"device": device}, repeatable=True, timeout=CRAWL_PATIENCE)
        return _items(answer, listings.CrawlView)

    def topology(self, *, endpoints: bool = False) -> listings.TopologyView:
        answer = self._send("GET", "/api/v1/topology", params={"endpoints": endpoints})
        return _read(answer, listings.TopologyView)

    def path(self, source: str, destination: str) -> listings.PathView:
        query = {"source": source, "destination": destination}
        return self._get("/api/v1/path", listings.PathView, query)

    def sensor_work(self, name: str, wait: float) -> SensorWork:
        from controller.discovery.probes import SensorWork

        answer = self._send(
            "GET", f"/api/v1/sensors/{_segment(name)}/work", params={"wait": wait}, timeout=wait + TIMEOUT
        )
        return _read(answer, SensorWork)

    def sensor_results(self, name: str, results: SensorResults) -> None:
        body = results.model_dump(mode="json")
        self._send("POST", f"/api/v1/sensors/{_segment(name)}/results", json=body)

    def report_devices(self, sensor: str, reports: DeviceReports) -> listings.ReportedView:
        """What devices look like. Sent again it changes nothing."""
        path, body = f"/api/v1/sensors/{_segment(sensor)}/devices", reports.model_dump(mode="json")
        return _read(self._send("POST", path, json=body, repeatable=True), listings.ReportedView)

    # --- audit, tokens, health ------------------------------------------------------------------------------------

    def audit_records(self, after: int = 0, limit: int = 1000) -> list[listings.AuditRecordView]:
        return self._list("/api/v1/audit", listings.AuditRecordView, {"after": after, "limit": limit})

    def audit_verify(self, head: str | None = None) -> listings.AuditVerdict:
        """That the chain is broken is an answer, not an error."""
        return self._get("/api/v1/audit/verify", listings.AuditVerdict, _given(head=head))

    def tokens(self) -> list[listings.TokenView]:
        return self._list("/api/v1/tokens", listings.TokenView)

    def add_token(self, name: str, role: Role, person: str = "") -> listings.NewTokenView:
        body = {"name": name, "role": role.value, **_given(person=person or None)}
        answer = self._send("POST", "/api/v1/tokens", json=body)
        return _read(answer, listings.NewTokenView)

    def revoke_token(self, name: str) -> None:
        self._send("DELETE", f"/api/v1/tokens/{_segment(name)}")

    def whoami(self) -> listings.WhoAmI:
        return self._get("/api/v1/whoami", listings.WhoAmI)

    def doctor(self) -> list[listings.FindingView]:
        """What the daemon finds wrong; this machine is looked at by `controller.doctor.machine`."""
        return self._list("/api/v1/doctor", listings.FindingView)

    def readiness(self) -> listings.Readiness:
        """Not to be ready is an answer, not an error. Needs no token."""
        answer = self._send("GET", "/readyz", repeatable=True, fine=lambda answer: answer.status_code in (200, 503))
        return _read(answer, listings.Readiness)

    # --- sending --------------------------------------------------------------------------------------------------

    def _get(self, path: str, model: type[Model], parameters: Json | None = None) -> Model:
        return _read(self._send("GET", path, repeatable=True, params=parameters), model)

    def _list(self, path: str, model: type[Model], parameters: Json | None = None) -> list[Model]:
        """All of a listing's items."""
        return _items(self._send("GET", path, repeatable=True, params=parameters), model)

    def _send(
        self, method: str, path: str, *, key: str | None = None, repeatable: bool = False, **request: Any
    ) -> httpx.Response:
        if key is not None:
            request["headers"] = {"Idempotency-Key": key}
        return self._connection.send(method, path, repeatable=repeatable or key is not None, **request)


def _read(answer: httpx.Response, model: type[Model]) -> Model:
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        raise _strange(error) from error


def _items(answer: httpx.Response, model: type[Model]) -> list[Model]:
    items = _read(answer, RootModel[list[Any]]).root
    try:
        return [model.model_validate(item) for item in items]
    except ValidationError as error:
        raise _strange(error) from error


def _strange(error: ValidationError) -> ApiError:
    what = error.errors(include_url=False, include_input=False)[0]
    return ApiError(
        "strange-answer",
        f"what answers there does not speak as this client does: {'.'.join(map(str, what['loc']))}: {what['msg']}",
        "see that NETCORDON_URL names a Netcordon daemon of the same version",
    )


def _wish(target: str, profile: str, duration: float | str | None, reason: str, override: bool) -> Json:
    return {"target": target, "profile": profile, "for": duration, "reason": reason, "override": override}


def _given(**parameters: object) -> Json:
    return {name: value for name, value in parameters.items() if value is not None}


def _segment(text: str) -> str:
    return quote(text, safe="")


def _taken(answer: httpx.Response) -> bool:
    """Also 422 answers for each alert, when it is not about the whole body."""
    return answer.is_success or (answer.status_code == 422 and b'"results"' in answer.content)
