"""Microsoft Defender for Endpoint's alerts, as its own API gives them (`GET /api/alerts?$expand=evidence`).

The format: https://learn.microsoft.com/en-us/defender-endpoint/api/alerts and .../get-alerts. Evidence of entity type `Ip` carries
an address and no role, so each such address is at `src`, and which signatures incriminate it is policy's to say. The machine that
reported (`machineId`) runs Defender and has no address here: it is named in the text alone.

Samples after MicrosoftDocs/defender-docs, defender-endpoint/api/get-alerts.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from controller.intake.body import split_inside
from controller.intake.event import (
    SEVERITIES,
    UNSAID_SEVERITY,
    AddressField,
    Id,
    NotAnAlert,
    Said,
    Signature,
    Techniques,
    of_one_device,
    read_event,
    sentence,
)
from controller.intake.moments import IsoMoment
from controller.model import Address, Alert, End
from controller.neutralize import neutralize

SOURCE = "defender"
split = split_inside("value")
_HARMLESS = ("falsepositive", "informationalexpectedactivity", "benignpositive")


def _addressed(value: object) -> object:
    """Of files, processes and users nothing is read."""
    return value if not isinstance(value, dict) or value.get("entityType") == "Ip" else {}


class _Evidence(BaseModel):
    ip: AddressField | None = Field(default=None, validation_alias="ipAddress")


class _Alert(BaseModel):
    id: Id
    title: Signature
    created: IsoMoment = Field(validation_alias="alertCreationTime")
    last_event: IsoMoment | None = Field(default=None, validation_alias="lastEventTime")
    severity: Said = ""
    status: Said = ""
    classification: Said = ""
    category: Said = ""
    description: Said = ""
    detector: Said = Field(default="", validation_alias="detectorId")
    detected_by: Said = Field(default="", validation_alias="detectionSource")
    threat: Said = Field(default="", validation_alias="threatName")
    machine: Said = Field(default="", validation_alias="computerDnsName")
    techniques: Techniques = Field(default=(), validation_alias="mitreTechniques")
    evidence: tuple[Annotated[_Evidence, BeforeValidator(_addressed)], ...] = ()


def read(raw: Mapping[str, Any], received_at: float) -> tuple[Alert, ...]:
    """An alert for each address that the evidence names. Raises NotAnAlert where it names none, or where people found it harmless or
    resolved it; InvalidInput for what is no alert of this API."""
    event = read_event(raw, _Alert, SOURCE)
    if event.status.lower() == "resolved" or event.classification.lower() in _HARMLESS:
        said = f"{event.status or 'closed'}, classified {event.classification or 'not at all'}"
        raise NotAnAlert(neutralize(f"defender: it is {said}"))
    named = (one.ip for one in event.evidence if one.ip is not None and of_one_device(one.ip))
    suspects = tuple(dict.fromkeys(named))
    if not suspects:
        raise NotAnAlert("defender: no evidence of type Ip: it is about a machine that Defender itself runs on")
    return tuple(_alert(event, suspect, received_at) for suspect in suspects)


def _alert(event: _Alert, suspect: Address, received_at: float) -> Alert:
    when = event.last_event or event.created
    return Alert(
        source=SOURCE,
        key=f"{event.id}/{suspect}",
        observed_at=when.at,
        received_at=received_at,
        signature=event.title,
        signature_id=event.detector or None,
        severity=SEVERITIES.get(event.severity.lower(), UNSAID_SEVERITY),
        src=End(suspect),
        dst=End(),
        category=event.category,
        text=_text(event),
        techniques=event.techniques,
        time_doubt=when.doubt,
    )


def _text(event: _Alert) -> str:
    named = {"reported by": event.machine, "threat": event.threat, "detected by": event.detected_by}
    return sentence((event.description,), named)
