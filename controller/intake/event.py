"""What every source's parser shares: its signature, its errors, and the fields that mean the same everywhere."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, ValidationError

from controller.conversations import Conversation
from controller.errors import InvalidInput
from controller.misfits import in_words
from controller.model import Address
from controller.neutralize import neutralize, storable
from controller.targets import parse_address
from drivers.rules import Mac, parse_mac

Model = TypeVar("Model", bound=BaseModel)

LONGEST_SIGNATURE = 500
LONGEST_TEXT = 2000
UNSAID_SEVERITY = 3
MOST_TECHNIQUES = 50
SEVERITIES: Mapping[str, int] = {"info": 1, "informational": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
_TECHNIQUE = re.compile(r"T[0-9]{4}(?:\.[0-9]{3})?")


class NotAnAlert(InvalidInput):
    """The source also reports other things (flows, DNS, statistics): this was one of them. It is counted, and is no
    error. `told`: the conversation that it tells of, where it is one."""

    def __init__(self, message: str, told: Conversation | None = None) -> None:
        super().__init__(message)
        self.told = told


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


def one_address(value: object) -> Address:
    """Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("an address is a string")
    return parse_address(value)


def one_mac(value: object) -> Mac:
    """Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("a MAC is a string")
    return parse_mac(value)


def _kept(limit: int) -> BeforeValidator:
    """Cut rather than refused: an attacker who can make a text long must not get the alert thrown away."""
    return BeforeValidator(lambda value: storable(value, limit).strip() if isinstance(value, str) else value)


def _said(value: object) -> object:
    """A text that may be missing, or a number where it is an id."""
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:.60g}" if isinstance(value, float) else _digits(value)
    return storable(value, LONGEST_TEXT).strip() if isinstance(value, str) else value


def _digits(value: int) -> str:
    """Python writes no integer of more than 4,300 digits."""
    return str(value) if value.bit_length() <= 128 else hex(value)[: LONGEST_TEXT - 1]


def _listed(value: object) -> object:
    return () if value is None else value


def port_or_none(value: object) -> int | None:
    """Taken out of a log line it may be anything: what is no port is none, rather than a way to get an alert thrown away."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65535 else None


def attack_ids(value: object) -> tuple[str, ...]:
    """The ids of ATT&CK among them, each once; a source also lists its own words there."""
    words = value if isinstance(value, list | tuple) else [value]
    ids = dict.fromkeys(word for word in words if isinstance(word, str) and _TECHNIQUE.fullmatch(word))
    return tuple(ids)[:MOST_TECHNIQUES]


Moment = Annotated[float, BeforeValidator(aware_time)]
AddressField = Annotated[Address, BeforeValidator(one_address)]
MacField = Annotated[Mac, BeforeValidator(one_mac)]
L4Port = Annotated[int, Field(strict=True, ge=0, le=65535)]
Text = Annotated[str, _kept(LONGEST_TEXT)]
Said = Annotated[str, BeforeValidator(_said)]
Id = Annotated[str, StringConstraints(min_length=1), BeforeValidator(_said)]
Words = Annotated[tuple[Said, ...], BeforeValidator(_listed)]
DecodedPort = Annotated[int | None, BeforeValidator(port_or_none)]
Techniques = Annotated[tuple[str, ...], BeforeValidator(attack_ids)]
Signature = Annotated[str, _kept(LONGEST_SIGNATURE), StringConstraints(min_length=1)]


def read_event(raw: Mapping[str, Any], model: type[Model], source: str) -> Model:
    """`raw` as `model`. Raises InvalidInput that names the first field that does not fit; the event's own words come
    neutralized."""
    try:
        return model.model_validate(dict(raw))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "event"
        raise InvalidInput(neutralize(f"{source}: {where}: {in_words(first, model)}")) from error


def digest(raw: Mapping[str, Any]) -> str:
    """A name for an event that has none of its own: the same event, sent twice, has the same. Raises InvalidInput for
    what JSON cannot hold."""
    try:
        text = json.dumps(dict(raw), sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput("the event is not made of JSON values alone") from error
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def of_one_device(address: Address) -> bool:
    """Whether an address names a device on the network, rather than the host itself, a group, or nobody."""
    return not (address.is_loopback or address.is_multicast or address.is_unspecified or address.is_link_local)


def sentence(words: Iterable[str], named: Mapping[str, object]) -> str:
    """An alert's `text`: the source's own words, then what else it said, each under its name; cut to its longest."""
    said = (f"{name} {value}" for name, value in named.items() if value not in (None, "", ()))
    return "; ".join([*filter(None, words), *said])[:LONGEST_TEXT]
