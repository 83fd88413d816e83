"""CrowdSec's alerts and decisions, as its local API gives them and its http notification sends them.

The format: pkg/models/localapi_swagger.yaml of github.com/crowdsecurity/crowdsec (Alert, Source, Decision), which
https://docs.crowdsec.net/docs/next/local_api/intro shows; the notification is the list of alerts as JSON (cmd/notification-http/http.yaml).
The `source` of an alert is who acted; its decisions may name more. A decision by itself says until when it holds and not when anything
was seen, so its time is doubted; one of a block list (origin CAPI, lists) was not made for anything seen here. CrowdSec gives no
severity.

Samples after crowdsecurity/crowdsec, pkg/apiserver/tests/alert_ssh-bf.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from controller.errors import InvalidInput
from controller.intake.body import split_inside
from controller.intake.event import (
    UNSAID_SEVERITY,
    Id,
    NotAnAlert,
    Said,
    Signature,
    of_one_device,
    read_event,
    sentence,
)
from controller.intake.moments import IsoMoment, When
from controller.model import Address, Alert, End
from controller.neutralize import neutralize
from controller.targets import unmapped

SOURCE = "crowdsec"
NO_TIME = "a CrowdSec decision says until when it holds, not when anything was seen: send the alert instead"
split = split_inside("new")
"""Of a decision stream's answer (`new`, `deleted`) the new ones."""
_NOT_SEEN_HERE = ("capi", "lists")
_MOST_SUSPECTS = 50


def _several(value: object) -> object:
    return () if value is None else value


class _Scoped(BaseModel):
    """What a source or a decision is about: `scope` Ip, Range, or something that is no address (Country, AS, username)."""

    scope: Said = ""
    value: Said = ""
    simulated: bool | None = None
    type: Said = ""
    duration: Said = ""


class _Alert(BaseModel):
    scenario: Signature
    source: _Scoped
    start_at: IsoMoment
    stop_at: IsoMoment
    message: Said = ""
    events_count: int | None = None
    machine: Said = Field(default="", validation_alias="machine_id")
    simulated: bool | None = None
    kind: Said = ""
    decisions: Annotated[tuple[_Scoped, ...], BeforeValidator(_several)] = ()


class _Decision(_Scoped):
    id: Id
    scenario: Signature
    origin: Said = ""


def read(raw: Mapping[str, Any], received_at: float) -> tuple[Alert, ...]:
    """An alert for each address that it is about. Raises NotAnAlert in simulation mode and for other scopes than addresses; InvalidInput
    for a range, which is nobody in particular, and for the rest."""
    if "source" not in raw and "scope" in raw:
        return _of_decision(read_event(raw, _Decision, SOURCE), received_at)
    event = read_event(raw, _Alert, SOURCE)
    if event.simulated:
        raise NotAnAlert("crowdsec: the scenario runs in simulation mode")
    suspects = _addresses(event)
    if not suspects:
        raise NotAnAlert(f"crowdsec: {_said(event.source)} is no device's address")
    return tuple(_of_alert(event, suspect, received_at) for suspect in suspects)


def _addresses(event: _Alert) -> tuple[Address, ...]:
    """The source's, and what its decisions name besides; a range is refused unless somebody else is named."""
    named = [("source", event.source), *((f"decisions.{n}", one) for n, one in enumerate(event.decisions))]
    found, refused = list[Address](), list[str]()
    for where, scoped in named:
        if scoped.simulated:
            continue
        try:
            address = _address(scoped)
        except ValueError as error:
            refused.append(f"crowdsec: {where}.value: {error}")
            continue
        found += [] if address is None or not of_one_device(address) else [address]
    if refused and not found:
        raise InvalidInput(neutralize(refused[0]))
    return tuple(dict.fromkeys(found))[:_MOST_SUSPECTS]


def _address(scoped: _Scoped) -> Address | None:
    """None for other scopes. Raises ValueError for what is no address, and for a range of several."""
    if scoped.scope.lower() not in ("ip", "range"):
        return None
    network = ip_network(str(unmapped(scoped.value)), strict=False)
    if network.num_addresses > 1:
        raise ValueError(f"{scoped.value!r} is a range, and one device is contained at a time")
    return network.network_address


def _said(scoped: _Scoped) -> str:
    return f"scope {neutralize(scoped.scope, 40)!r}, value {neutralize(scoped.value, 40)!r}"


def _of_alert(event: _Alert, suspect: Address, received_at: float) -> Alert:
    """One that is read back from the API, and the same one in a notification, have the same times: not always the same id."""
    span = f"{event.start_at.at:.3f}/{event.stop_at.at:.3f}"
    decided = [f"{one.type} for {one.duration}" for one in event.decisions if one.type]
    named = {
        "events": event.events_count,
        "decided": ", ".join(decided[:3]),
        "machine": event.machine,
        "kind": event.kind,
    }
    return _made(
        f"{event.scenario}/{suspect}/{span}",
        suspect,
        event.scenario,
        sentence((event.message,), named),
        event.stop_at,
        received_at,
    )


def _of_decision(event: _Decision, received_at: float) -> tuple[Alert, ...]:
    if event.simulated:
        raise NotAnAlert("crowdsec: the decision is simulated")
    if event.origin.lower() in _NOT_SEEN_HERE:
        raise NotAnAlert(f"crowdsec: a decision of {event.origin} is a list's: nothing was seen here")
    try:
        address = _address(event)
    except ValueError as error:
        raise InvalidInput(neutralize(f"crowdsec: value: {error}")) from error
    if address is None or not of_one_device(address):
        raise NotAnAlert(f"crowdsec: {_said(event)} is no device's address")
    text = sentence((f"{event.type} for {event.duration}",), {"origin": event.origin})
    when = When(received_at, NO_TIME)
    return (_made(f"decision/{event.id}/{address}", address, event.scenario, text, when, received_at),)


def _made(key: str, suspect: Address, scenario: str, text: str, when: When, received_at: float) -> Alert:
    return Alert(
        source=SOURCE,
        key=key,
        observed_at=when.at,
        received_at=received_at,
        signature=scenario,
        signature_id=None,
        severity=UNSAID_SEVERITY,
        src=End(suspect),
        dst=End(),
        category=scenario.partition("/")[0] if "/" in scenario else "",
        text=text,
        time_doubt=when.doubt,
    )
