"""Mappings as people write them in the configuration: how the JSON of a detector that nobody knows becomes alerts. Pure.

intake:
  mappings:
    - name: our-ndr
      says: the NDR in the basement
      events: /findings
      when: {/kind: [detection]}
      fields:
        observed_at: /seen
        signature: /rule/title
        src.ip: /hosts/*/address
        dst.ip: [/target/ip, /peer]
        severity: /level
      time: "%d.%m.%Y %H:%M:%S"
      zone: Europe/Berlin
      severity: {words: {P1: 5, P2: 4}, at_least: {90: 5, 50: 3}}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, model_validator

from controller.model import DEFAULT_REALM

REALM = r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$"
NAME = r"^[a-z0-9][a-z0-9-]{0,40}$"
ISO, EPOCH, EPOCH_MS, EPOCH_US = "iso", "epoch", "epoch-ms", "epoch-us"
PER_SECOND: Mapping[str, int] = {EPOCH: 1, EPOCH_MS: 1000, EPOCH_US: 1_000_000}
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})")


def _place(written: str) -> str:
    """A JSON pointer (RFC 6901) in which a step may be * for each of a list; or = and a text that stands for itself."""
    if written.startswith("="):
        return written
    if not written.startswith("/") or re.search(r"~(?![01])", written):
        raise ValueError(
            f"not a JSON pointer: {written!r}; write /rule/name, /hosts/*/ip, or =a text that is always the same"
        )
    return written


def _steps_alone(written: str) -> str:
    if written.startswith("=") or "*" in _place(written).split("/"):
        raise ValueError(f"not where a list is: {written!r}; write /findings, or /data/alerts")
    return written


def _listed(written: object) -> object:
    return [written] if isinstance(written, str) else written


def _time(written: str) -> str:
    if written in (ISO, *PER_SECOND):
        return written
    if "%" not in written:
        raise ValueError(f"write {ISO}, {EPOCH}, {EPOCH_MS}, {EPOCH_US}, or a format as %d.%m.%Y %H:%M:%S")
    sample = datetime(2026, 1, 31, 12, 0, 1, tzinfo=UTC).strftime(written)
    try:
        read = datetime.strptime(sample, written)  # noqa: DTZ007 (only whether the format can be read back)
    except (
        ValueError,
        re.error,
    ) as error:  # strptime makes a pattern of it: a part that is named twice is re's to refuse
        raise ValueError(f"{written!r} is not a format that can be read: {error}") from error
    if (read.year, read.month, read.day, read.hour, read.minute) != (2026, 1, 31, 12, 0):
        raise ValueError(f"{written!r} does not tell year, month, day, hour and minute")
    return written


def _zone(written: object) -> object:
    """An offset from UTC, or a name of the tz database."""
    if not isinstance(written, str):
        return written
    if found := _OFFSET.fullmatch(written):
        span = timedelta(hours=int(found[2]), minutes=int(found[3]))
        if span >= timedelta(hours=24):
            raise ValueError(f"not an offset from UTC: {written!r}")
        return timezone(-span if found[1] == "-" else span)
    try:
        return ZoneInfo(written)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"no time zone {written!r}: write +01:00, UTC, or a name as Europe/Berlin") from error


Place = Annotated[str, AfterValidator(_place)]
Places = Annotated[tuple[Place, ...], BeforeValidator(_listed), Field(min_length=1, max_length=10)]
Level = Annotated[int, Field(ge=1, le=5)]


class MappedFields(BaseModel):
    """Where an alert's fields are: of several places the first at which there is something."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    observed_at: Places
    signature: Places
    key: Places | None = None
    signature_id: Places | None = None
    severity: Places | None = None
    confidence: Places | None = None
    techniques: Places | None = None
    category: Places | None = None
    text: Places | None = None
    src_ip: Places | None = Field(default=None, alias="src.ip")
    src_mac: Places | None = Field(default=None, alias="src.mac")
    src_port: Places | None = Field(default=None, alias="src.port")
    dst_ip: Places | None = Field(default=None, alias="dst.ip")
    dst_mac: Places | None = Field(default=None, alias="dst.mac")
    dst_port: Places | None = Field(default=None, alias="dst.port")

    @model_validator(mode="after")
    def _about_somebody(self) -> Self:
        if not (self.src_ip or self.src_mac or self.dst_ip or self.dst_mac):
            raise ValueError("an alert names an end: map src.ip, src.mac, dst.ip or dst.mac")
        return self


class SeverityMap(BaseModel):
    """`words`: the sender's word, whatever its case, to 1 (info) to 5 (critical). `at_least`: from this number on."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)
    words: Mapping[str, Level] = {}
    at_least: Mapping[FiniteFloat, Level] = {}


class MappingFile(BaseModel):
    """`events`: where in a body the list of events is (else: each object is one). `when`: an event that has none of these values there is
    no alert. `zone`: of times that say none; without it they are doubted. `confidence_of`: the number that means certainty."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
    name: str = Field(pattern=NAME)
    says: str = Field(default="a mapping of this configuration", max_length=200)
    events: Annotated[str, AfterValidator(_steps_alone)] | None = None
    when: Mapping[Place, tuple[Any, ...]] = {}
    fields: MappedFields
    time: Annotated[str, AfterValidator(_time)] = ISO
    zone: Annotated[tzinfo | None, BeforeValidator(_zone)] = None
    severity: SeverityMap = SeverityMap()
    confidence_of: FiniteFloat = Field(default=100.0, gt=0)
    realm: str = Field(default=DEFAULT_REALM, pattern=REALM, max_length=200)
