"""Elastic Security's alerts, and alerts that others write in the Elastic Common Schema.

The formats: https://www.elastic.co/docs/reference/security/fields-and-object-schemas/alert-schema (`kibana.alert.*`) and
https://www.elastic.co/docs/reference/ecs (source, destination, client, server, host, rule, threat). A document comes as the index has
it (`_source`, keys nested or with dots, or both), as the search API's `fields` (every value a list), or bare; a search's whole answer
is taken apart. Risk scores become severities as Elastic's own do: low to 21, medium to 47, high to 73, critical above.
`event.severity` is each product's own scale and is not read.

Samples after elastic/kibana, x-pack/test/functional/es_archives/security_solution/alerts/8.1.0/data.json.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from controller.errors import InvalidInput
from controller.intake.body import split_inside
from controller.intake.event import (
    SEVERITIES,
    UNSAID_SEVERITY,
    AddressField,
    DecodedPort,
    MacField,
    NotAnAlert,
    Said,
    Signature,
    Techniques,
    digest,
    of_one_device,
    read_event,
    sentence,
)
from controller.intake.moments import IsoMoment
from controller.model import Address, Alert, End
from controller.neutralize import neutralize

SOURCE = "elastic"
split = split_inside("hits", "hits")
_MOST_SUSPECTS = 50
_DEEPEST = 12
_LEAST_SCORE_OF = {5: 74, 4: 48, 3: 22, 2: 0}


def _one(value: object) -> object:
    """Every field of the index may hold several values."""
    return value[0] if isinstance(value, list) and value else None if value == [] else value


def _several(value: object) -> object:
    return value if isinstance(value, list) else []


Addresses = Annotated[tuple[AddressField, ...], BeforeValidator(_several)]
Word = Annotated[Said, BeforeValidator(_one)]
Port = Annotated[DecodedPort, BeforeValidator(_one)]
Score = Annotated[float | None, Field(ge=0, le=100), BeforeValidator(_one)]
Mac = Annotated[MacField | None, BeforeValidator(_one)]


class _Alert(BaseModel):
    """Each field is known by its name in the schema: `_fields` has found them, wherever they were nested."""

    name: Annotated[Signature, BeforeValidator(_one)] = Field(validation_alias="kibana.alert.rule.name")
    at: Annotated[IsoMoment, BeforeValidator(_one)] = Field(validation_alias="@timestamp")
    original: Annotated[IsoMoment | None, BeforeValidator(_one)] = Field(
        default=None, validation_alias="kibana.alert.original_time"
    )
    id: Word = Field(default="", validation_alias="kibana.alert.uuid")
    rule: Word = Field(default="", validation_alias="kibana.alert.rule.rule_id")
    severity: Word = Field(default="", validation_alias="kibana.alert.severity")
    score: Score = Field(default=None, validation_alias="kibana.alert.risk_score")
    status: Word = Field(default="", validation_alias="kibana.alert.workflow_status")
    building_block: Word = Field(default="", validation_alias="kibana.alert.building_block_type")
    reason: Word = Field(default="", validation_alias="kibana.alert.reason")
    category: Word = Field(default="", validation_alias="event.category")
    module: Word = Field(default="", validation_alias="event.module")
    host: Word = Field(default="", validation_alias="host.name")
    sources: Addresses = Field(default=(), validation_alias="source.ip")
    source_mac: Mac = Field(default=None, validation_alias="source.mac")
    source_port: Port = Field(default=None, validation_alias="source.port")
    destinations: Addresses = Field(default=(), validation_alias="destination.ip")
    destination_mac: Mac = Field(default=None, validation_alias="destination.mac")
    destination_port: Port = Field(default=None, validation_alias="destination.port")
    hosts: Addresses = Field(default=(), validation_alias="host.ip")
    techniques: Techniques = ()


_ELSEWHERE: Mapping[str, tuple[str, ...]] = {
    "kibana.alert.rule.name": ("rule.name", "message"),
    "kibana.alert.rule.rule_id": ("kibana.alert.rule.parameters.rule_id", "kibana.alert.rule.uuid", "rule.id"),
    "kibana.alert.uuid": ("event.id",),
    "kibana.alert.severity": ("kibana.alert.rule.severity",),
    "kibana.alert.risk_score": ("event.risk_score_norm",),
    "kibana.alert.reason": ("event.reason", "message"),
    "source.ip": ("client.ip",),
    "source.mac": ("client.mac",),
    "source.port": ("client.port",),
    "destination.ip": ("server.ip",),
    "destination.mac": ("server.mac",),
    "destination.port": ("server.port",),
}
"""Where a field may stand instead, the best first: other ways of saying the same, in the schema's own words."""
_THREATS = ("kibana.alert.rule.threat", "kibana.alert.rule.parameters.threat", "threat")


def read(raw: Mapping[str, Any], received_at: float) -> tuple[Alert, ...]:
    """An alert for each address at the source's side; where there is none, one of which only the other end is known. Raises NotAnAlert for
    events, for building blocks, and for alerts that were closed or name no address; InvalidInput for the rest."""
    document = next((raw[key] for key in ("_source", "fields") if isinstance(raw.get(key), dict)), raw)
    fields = _fields(document)
    if "kibana.alert.rule.name" not in fields:
        raise InvalidInput("elastic: neither kibana.alert.rule.name nor rule.name: not an alert in Elastic's schema")
    kind = next((value for value in _found(document, "event.kind")), "alert")
    if kind not in ("alert", "signal"):
        raise NotAnAlert(f"elastic: event.kind {neutralize(str(kind), 40)!r} is not an alert")
    event = read_event({"kibana.alert.uuid": raw.get("_id")} | fields, _Alert, SOURCE)
    if event.status == "closed" or event.building_block:
        raise NotAnAlert(f"elastic: {'closed' if event.status == 'closed' else 'a building block of other alerts'}")
    sources, others = _usable(event.sources), _usable(event.destinations) or _usable(event.hosts)
    if not (sources or others or event.source_mac or event.destination_mac):
        raise NotAnAlert("elastic: neither source, destination nor host has an address")
    other = End(next(iter(others), None), event.destination_mac, event.destination_port)
    ends = [End(one, event.source_mac if len(sources) == 1 else None, event.source_port) for one in sources]
    key = event.id or digest(raw)
    return tuple(_alert(event, end, other, key, received_at) for end in ends or [End(None, event.source_mac)])


def _usable(addresses: tuple[Address, ...]) -> tuple[Address, ...]:
    return tuple(dict.fromkeys(address for address in addresses if of_one_device(address)))[:_MOST_SUSPECTS]


def _alert(event: _Alert, src: End, dst: End, key: str, received_at: float) -> Alert:
    when = event.original or event.at
    return Alert(
        source=SOURCE,
        key=key if src.ip is None else f"{key}/{src.ip}",
        observed_at=when.at,
        received_at=received_at,
        signature=event.name,
        signature_id=event.rule or None,
        severity=_severity(event),
        src=src,
        dst=dst,
        category=event.category,
        text=sentence((event.reason,), {"host": event.host, "module": event.module, "risk score": event.score}),
        techniques=event.techniques,
        time_doubt=when.doubt,
    )


def _severity(event: _Alert) -> int:
    if event.severity.lower() in SEVERITIES:
        return SEVERITIES[event.severity.lower()]
    score = event.score
    return UNSAID_SEVERITY if score is None else next(o for o, least in _LEAST_SCORE_OF.items() if score >= least)


# --- where a document has a field -----------------------------------------------------------------------------------------


def _fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the model reads, by the schema's names, every value a list."""
    names = [str(field.validation_alias) for field in _Alert.model_fields.values() if field.validation_alias]
    fields: dict[str, Any] = {}
    for name in names:
        for place in (name, *_ELSEWHERE.get(name, ())):
            if values := [value for value in _found(document, place) if value not in (None, "")]:
                fields[name] = values
                break
    inner = ("technique.id", "technique.subtechnique.id")
    ids = [value for threat in _THREATS for part in inner for value in _found(document, f"{threat}.{part}")]
    return fields | {"techniques": ids}


def _found(value: Any, path: str, depth: int = 0) -> Iterator[Any]:
    """The values at `path`, whose keys may be nested or joined by dots, through lists."""
    if isinstance(value, list):
        for inner in value if depth < _DEEPEST else ():
            yield from _found(inner, path, depth + 1)
    elif not path:
        yield value
    elif isinstance(value, dict):
        words = path.split(".")
        for n in range(len(words), 0, -1):
            if (key := ".".join(words[:n])) in value:
                yield from _found(value[key], ".".join(words[n:]), depth + 1)
