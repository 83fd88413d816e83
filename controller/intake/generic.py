"""Netcordon's own alert in JSON, for detectors that speak no format that we know. Documented in docs/alerts.md.

Samples after docs/alerts.md of this project.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from controller.intake.event import (
    UNSAID_SEVERITY,
    AddressField,
    L4Port,
    MacField,
    Moment,
    Signature,
    Text,
    digest,
    read_event,
)
from controller.mapping_file import REALM
from controller.model import DEFAULT_REALM, Alert, End

SOURCE = "generic"
Name = Annotated[str, StringConstraints(pattern=REALM, max_length=200)]


class GenericEnd(BaseModel):
    """One end of what was seen: by its address, its MAC, or both. `port` is its L4 port."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    ip: AddressField | None = None
    mac: MacField | None = None
    port: L4Port | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.ip is None and self.mac is None:
            raise ValueError("an end has an ip or a mac; leave the whole end out when neither is known")
        return self


class GenericAlert(BaseModel):
    """An unknown key is an error: a mistyped one would otherwise leave an end out. `id` is the sender's own name for
    the event: the same one sent again is a duplicate."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    observed_at: Moment
    signature: Signature
    src: GenericEnd | None = None
    dst: GenericEnd | None = None
    id: Name | None = None
    signature_id: Name | None = None
    severity: Annotated[int, Field(strict=True, ge=1, le=5)] = UNSAID_SEVERITY
    category: Text = ""
    text: Text = ""
    realm: Name = DEFAULT_REALM

    @model_validator(mode="after")
    def _about_somebody(self) -> Self:
        if self.src is None and self.dst is None:
            raise ValueError("an alert names at least one end: src or dst")
        return self


def parse(raw: Mapping[str, Any], received_at: float) -> Alert:
    """The alert that `raw` is. Raises InvalidInput naming the field that does not fit."""
    event = read_event(raw, GenericAlert, SOURCE)
    return Alert(
        source=SOURCE,
        key=event.id or digest(raw),
        observed_at=event.observed_at,
        received_at=received_at,
        signature=event.signature,
        signature_id=event.signature_id,
        severity=event.severity,
        src=_end(event.src),
        dst=_end(event.dst),
        category=event.category,
        text=event.text,
        realm=event.realm,
    )


def _end(end: GenericEnd | None) -> End:
    return End() if end is None else End(end.ip, end.mac, end.port)
