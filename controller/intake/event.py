"""What every source's parser shares: its signature, its errors, and the fields that mean the same everywhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, ValidationError

from controller.errors import InvalidInput
from controller.model import Address
from controller.neutralize import neutralize, storable
from controller.targets import parse_address
from drivers.rules import Mac, parse_mac

Model = TypeVar("Model", bound=BaseModel)

LONGEST_SIGNATURE = 500
LONGEST_TEXT = 2000
UNSAID_SEVERITY = 3


class NotAnAlert(InvalidInput):
    """The source also reports other things (flows, DNS, statistics): this was one of them. It is counted, and is no
    error."""


def aware_time(value: object) -> float:
    """Seconds since the epoch of an ISO 8601 time with an offset. Raises ValueError: a naive time would be guessed at,
    and the time decides who is contained."""
    if not isinstance(value, str):
        raise ValueError("a time is a string as 2026-01-31T12:00:00.123456+00:00")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"not an ISO 8601 time: {value[:40]!r}") from error
    if moment.tzinfo is None:
        raise ValueError("the time has no offset from UTC: write it with one, as +00:00 or Z")
    if not 1970 < moment.year < 9999:
        raise ValueError(f"not a time that anything was seen at: {moment.isoformat()}")
    return moment.timestamp()


def _address(value: object) -> Address:
    if not isinstance(value, str):
        raise ValueError("an address is a string")
    return parse_address(value)


def _mac(value: object) -> Mac:
    if not isinstance(value, str):
        raise ValueError("a MAC is a string")
    return parse_mac(value)


def _kept(limit: int) -> BeforeValidator:
    """Cut rather than refused: an attacker who can make a text long must not get the alert thrown away."""
    return BeforeValidator(lambda value: storable(value, limit).strip() if isinstance(value, str) else value)


Moment = Annotated[float, BeforeValidator(aware_time)]
AddressField = Annotated[Address, BeforeValidator(_address)]
MacField = Annotated[Mac, BeforeValidator(_mac)]
L4Port = Annotated[int, Field(strict=True, ge=0, le=65535)]
Text = Annotated[str, _kept(LONGEST_TEXT)]
Signature = Annotated[str, _kept(LONGEST_SIGNATURE), StringConstraints(min_length=1)]


def read_event(raw: Mapping[str, Any], model: type[Model], source: str) -> Model:
    """`raw` as `model`. Raises InvalidInput that names the first field that does not fit; the event's own words come
    neutralized."""
    try:
        return model.model_validate(dict(raw))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "event"
        what = first["msg"].removeprefix("Value error, ")
        raise InvalidInput(neutralize(f"{source}: {where}: {what}")) from error


def digest(raw: Mapping[str, Any]) -> str:
    """A name for an event that has none of its own: the same event, sent twice, has the same. Raises InvalidInput for
    what JSON cannot hold."""
    try:
        text = json.dumps(dict(raw), sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput("the event is not made of JSON values alone") from error
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:32]}"
