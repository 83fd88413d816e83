"""Microsoft Graph's security alerts of the second generation (`GET /security/alerts_v2`): of Defender for Endpoint and its kin.

The format: https://learn.microsoft.com/en-us/graph/api/resources/security-alert; of its evidence .../security-alertevidence (whose
roles say who did it and to whom it was done), .../security-ipevidence and .../security-deviceevidence (whose `onboardingStatus` says
whether Defender runs there).

Whom the evidence suspects, the first of these that there is: addresses whose role is guilty, and devices that are not onboarded
unless it was done to them; onboarded devices whose role is guilty (Defender can isolate those by itself); addresses of which no role
is said.

Samples after microsoftgraph/microsoft-graph-docs-contrib, api-reference/v1.0/api/security-alert-get.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    Words,
    of_one_device,
    read_event,
    sentence,
)
from controller.intake.moments import IsoMoment
from controller.model import Address, Alert, End
from controller.neutralize import neutralize

SOURCE = "graph"
split = split_inside("value")
_ALERT = "#microsoft.graph.security.alert"
_IP = "#microsoft.graph.security.ipEvidence"
_DEVICE = "#microsoft.graph.security.deviceEvidence"
_GUILTY = frozenset({"attacker", "source", "compromised", "suspicious", "policyviolator"})
_DONE_TO = frozenset({"attacked", "scanned", "destination", "commandandcontrol"})
_NOT_THE_DEVICES = frozenset({"contextual", "created", "added", "edited", "loaded"})
_HARMLESS = frozenset({"falsepositive", "informationalexpectedactivity"})


def _addressed(value: object) -> object:
    """Of files, processes, mailboxes and users nothing is read."""
    return value if not isinstance(value, dict) or value.get("@odata.type") in (_IP, _DEVICE) else {}


def _several(value: object) -> object:
    return () if value is None else value


class _Evidence(BaseModel):
    ip: AddressField | None = Field(default=None, validation_alias="ipAddress")
    interfaces: Annotated[tuple[AddressField, ...], BeforeValidator(_several)] = Field(
        default=(), validation_alias="ipInterfaces"
    )
    roles: Words = ()
    verdict: Said = ""
    onboarding: Said = Field(default="", validation_alias="onboardingStatus")
    name: Said = Field(default="", validation_alias="deviceDnsName")

    @property
    def addresses(self) -> list[Address]:
        every = self.interfaces if self.ip is None else (self.ip, *self.interfaces)
        return [address for address in every if of_one_device(address)]

    @property
    def onboarded(self) -> bool:
        return self.onboarding.lower() == "onboarded"

    @property
    def words(self) -> frozenset[str]:
        return frozenset(role.lower() for role in self.roles)

    @property
    def guilty(self) -> bool:
        return bool(self.words & _GUILTY) and self.verdict.lower() != "nothreatsfound"

    @property
    def suffered(self) -> bool:
        return bool(self.words & _DONE_TO) and not self.words & _GUILTY

    @property
    def unsaid(self) -> bool:
        """Nothing tells on which side it was."""
        sides = _GUILTY | _DONE_TO | _NOT_THE_DEVICES
        return not self.words & sides and self.verdict.lower() != "nothreatsfound"


class _Alert(BaseModel):
    id: Id
    title: Signature
    created: IsoMoment = Field(validation_alias="createdDateTime")
    last_activity: IsoMoment | None = Field(default=None, validation_alias="lastActivityDateTime")
    severity: Said = ""
    status: Said = ""
    classification: Said = ""
    category: Said = ""
    description: Said = ""
    detector: Said = Field(default="", validation_alias="detectorId")
    service: Said = Field(default="", validation_alias="serviceSource")
    detected_by: Said = Field(default="", validation_alias="detectionSource")
    techniques: Techniques = Field(default=(), validation_alias="mitreTechniques")
    evidence: tuple[Annotated[_Evidence, BeforeValidator(_addressed)], ...] = ()


def read(raw: Mapping[str, Any], received_at: float) -> tuple[Alert, ...]:
    """An alert for each address that the evidence suspects. Raises NotAnAlert where it suspects none, or where people found it harmless or
    resolved it; InvalidInput for what is no alert of this API."""
    kind = raw.get("@odata.type", _ALERT)
    if kind != _ALERT:
        raise NotAnAlert(f"graph: {neutralize(str(kind), 60)!r} is not an alert")
    event = read_event(raw, _Alert, SOURCE)
    if event.status.lower() == "resolved" or event.classification.lower() in _HARMLESS:
        said = f"{event.status or 'closed'}, classified {event.classification or 'not at all'}"
        raise NotAnAlert(neutralize(f"graph: it is {said}"))
    suspects = _suspects(event.evidence)
    if not suspects:
        raise NotAnAlert("graph: its evidence suspects no device and no address")
    return tuple(_alert(event, suspect, _other_end(event.evidence, suspects), received_at) for suspect in suspects)


def _suspects(evidence: tuple[_Evidence, ...]) -> tuple[Address, ...]:
    onboarded = set(_addresses(one for one in evidence if one.onboarded))
    undiscovered = [one for one in evidence if not one.onboarded]
    found = _addresses(one for one in undiscovered if one.guilty or (one.unsaid and one.interfaces))
    found = [address for address in found if address not in onboarded]
    found = found or _addresses(one for one in evidence if one.guilty)
    found = found or [
        address for address in _addresses(one for one in undiscovered if one.unsaid) if address not in onboarded
    ]
    return tuple(dict.fromkeys(found))


def _other_end(evidence: tuple[_Evidence, ...], suspects: tuple[Address, ...]) -> End:
    """To whom it was done, where that is one address and no more: by its role, else the onboarded device that told of it."""
    done_to = {address for address in _addresses(one for one in evidence if one.suffered) if address not in suspects}
    told = {address for address in _addresses(one for one in evidence if one.onboarded) if address not in suspects}
    others = done_to or told
    return End(others.pop()) if len(others) == 1 else End()


def _addresses(evidence: Iterable[_Evidence]) -> list[Address]:
    return [address for one in evidence for address in one.addresses]


def _alert(event: _Alert, suspect: Address, other: End, received_at: float) -> Alert:
    when = event.last_activity or event.created
    return Alert(
        source=SOURCE,
        key=f"{event.id}/{suspect}",
        observed_at=when.at,
        received_at=received_at,
        signature=event.title,
        signature_id=event.detector or None,
        severity=SEVERITIES.get(event.severity.lower(), UNSAID_SEVERITY),
        src=End(suspect),
        dst=other,
        category=event.category,
        text=_text(event, suspect),
        techniques=event.techniques,
        time_doubt=when.doubt,
    )


def _text(event: _Alert, suspect: Address) -> str:
    about = [one for one in event.evidence if suspect in one.addresses]
    named = {
        "evidence": ", ".join(role for one in about for role in one.roles),
        "device": ", ".join(one.name for one in about if one.name),
        "onboarding": ", ".join(one.onboarding for one in about if one.onboarding),
        "service": event.service,
        "detected by": event.detected_by,
    }
    return sentence((event.description,), named)
