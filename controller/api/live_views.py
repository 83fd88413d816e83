"""The words of the event stream. What goes for `schemas` goes for these."""

from __future__ import annotations

from datetime import datetime

from controller.api import listings, schemas, views
from controller.automation import Automation
from controller.live import AlertTaken, Change, ChangeKind, DeviceChange, LinkChange, PortChange
from controller.model import Attachment, Containment
from controller.neutralize import neutralize
from controller.store import Proposal


class DeviceChangeView(schemas.View):
    device: str
    up: bool
    converged: bool
    error: str | None


class PortChangeView(schemas.View):
    device: str
    port: str
    present: bool
    up: bool


class LinkChangeView(schemas.View):
    """Between two ports, each as device and port; `present` is false when it went."""

    one: schemas.AttachmentView
    other: schemas.AttachmentView
    present: bool


class AlertChangeView(schemas.View):
    """`containment` and `proposal` are the ids of what it came to."""

    id: str
    source: str
    signature: str
    severity: int
    duplicate: bool
    disposition: str
    reason: str
    containment: str | None
    proposal: str | None


class EventView(schemas.View):
    """One change: the field of its `kind` is set. `reset` has none: what came before is not told, load everything; what changes from
    there on follows. `id` is for Last-Event-ID."""

    id: str
    kind: ChangeKind
    at: datetime
    containment: schemas.ContainmentView | None = None
    proposal: listings.ProposalView | None = None
    device: DeviceChangeView | None = None
    port: PortChangeView | None = None
    link: LinkChangeView | None = None
    alert: AlertChangeView | None = None
    automation: listings.AutomationView | None = None


def event_view(change: Change) -> EventView:
    at = views.moment(change.at)
    match change.subject:
        case Containment():
            shown: dict[str, schemas.View] = {"containment": views.containment_view(change.subject, change.at)}
        case Proposal():
            shown = {"proposal": views.proposal_view(change.subject)}
        case DeviceChange(device, up, converged, error):
            said = None if error is None else neutralize(error)
            shown = {"device": DeviceChangeView(device=device, up=up, converged=converged, error=said)}
        case PortChange(place, present, up):
            shown = {"port": PortChangeView(device=place.device, port=place.port, present=present, up=up)}
        case LinkChange(one, other, present):
            shown = {"link": LinkChangeView(one=_place(one), other=_place(other), present=present)}
        case AlertTaken():
            shown = {"alert": _alert_view(change.subject)}
        case Automation():
            shown = {"automation": views.automation_view(change.subject)}
        case None:
            shown = {}
    return EventView.model_validate({"id": change.id, "kind": change.kind, "at": at, **shown})


def event_text(change: Change) -> str:
    """As text/event-stream has it; the JSON has no newline in it."""
    if "sse" not in change.written:
        data = event_view(change).model_dump_json(exclude_unset=True)
        change.written["sse"] = f"id: {change.id}\nevent: {change.kind.value}\ndata: {data}\n\n"
    return change.written["sse"]


def _place(place: Attachment) -> schemas.AttachmentView:
    return views.attachment_view(place)


def _alert_view(taken: AlertTaken) -> AlertChangeView:
    alert, answer = taken.alert, taken.answer
    return AlertChangeView(
        id=answer.alert_id,
        source=neutralize(alert.source),
        signature=neutralize(alert.signature, 1000),
        severity=alert.severity,
        duplicate=answer.duplicate,
        disposition=answer.disposition.value,
        reason=neutralize(answer.reason, 1000),
        containment=None if answer.containment is None else answer.containment.id,
        proposal=answer.proposal_id,
    )
