"""Findings in the Open Cybersecurity Schema Framework: class Detection Finding (2004), and the Security Finding (2001) before it.

The format: https://schema.ocsf.io/classes/detection_finding and its objects finding_info, evidences, network_endpoint, device,
observable and attack (github.com/ocsf/ocsf-schema, events/findings). Who sent is `evidences[].src_endpoint`, to whom is its
`dst_endpoint`. Where no evidence has ends, an observable's `name` says which end it is; one that says neither is taken for the sender's.
The other end that is nowhere named is the `device` on which it was seen.

Samples after ocsf/examples, mappings/markdown/AWS, Okta and IBM.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import AliasChoices, AliasPath, BaseModel, BeforeValidator, Field

from controller.errors import InvalidInput
from controller.intake.event import (
    LONGEST_SIGNATURE,
    UNSAID_SEVERITY,
    AddressField,
    DecodedPort,
    Id,
    MacField,
    NotAnAlert,
    Said,
    Techniques,
    Words,
    of_one_device,
    read_event,
    sentence,
)
from controller.intake.moments import IsoMoment, When, epoch_moment
from controller.model import Alert, End
from controller.neutralize import neutralize
from controller.targets import parse_address
from drivers.rules import parse_mac

SOURCE = "ocsf"
_FINDINGS = (2004, 2001)
_CLOSE = 3
_DONE_WITH = (3, 4, 5)
"""Suppressed, resolved, archived."""
_IP, _MAC = 2, 3
_SEVERITIES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 5}
"""Informational, low, medium, high, critical, fatal; 0 and 99 say nothing."""
_CONFIDENCES = {1: 0.25, 2: 0.5, 3: 0.9}
"""Low, medium, high, where no score is given."""
_MOST_SUSPECTS = 50
_AS_SECONDS = 365 * 86400 * 1000
"""The beginning of 1971 in milliseconds; as seconds it is in the year 2969."""
_STATES_DONE_WITH = (3, 4)
"""Of class 2001: suppressed, resolved."""


def _milliseconds(value: object) -> When:
    """`timestamp_t` is milliseconds. What would be before 1971 as such is seconds: Prowler writes these, and Okta's example has them."""
    seconds = not isinstance(value, bool) and isinstance(value, int | float) and value < _AS_SECONDS
    return epoch_moment(value, 1 if seconds else 1000)


def _several(value: object) -> object:
    return () if value is None else value


def _attacks(value: object) -> object:
    """The techniques and sub-techniques that the list names."""
    said = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    inner = [one.get(key) for one in said for key in ("technique", "sub_technique")]
    return [one.get("uid") for one in inner if isinstance(one, dict)]


Epoch = Annotated[When | None, BeforeValidator(lambda value: None if value is None else _milliseconds(value))]


class _Endpoint(BaseModel):
    ip: AddressField | None = None
    mac: MacField | None = None
    port: DecodedPort = None

    @property
    def end(self) -> End:
        return End(self.ip if self.ip is not None and of_one_device(self.ip) else None, self.mac, self.port)


class _Evidence(BaseModel):
    src: _Endpoint | None = Field(default=None, validation_alias="src_endpoint")
    dst: _Endpoint | None = Field(default=None, validation_alias="dst_endpoint")


class _Observable(BaseModel):
    name: Said = ""
    type_id: int | None = None
    value: Said = ""


class _Info(BaseModel):
    uid: Id
    title: Said = ""
    desc: Said = ""
    types: Words = ()
    analytic: Said = Field(default="", validation_alias=AliasPath("analytic", "uid"))
    attacks: Annotated[Techniques, BeforeValidator(_attacks)] = ()
    last_seen_dt: IsoMoment | None = Field(default=None, validation_alias="last_seen_time_dt")
    last_seen: Epoch = Field(default=None, validation_alias="last_seen_time")


class _Finding(BaseModel):
    """`time` is when the finding was made; what it tells of is older. Class 2001 has `finding` for `finding_info`, its analytic beside
    that, and `state_id` for `status_id`."""

    info: _Info = Field(validation_alias=AliasChoices("finding_info", "finding"))
    analytic: Said = Field(default="", validation_alias=AliasPath("analytic", "uid"))
    state: int = Field(default=0, validation_alias="state_id")
    activity: int = Field(default=0, validation_alias="activity_id")
    status: int = Field(default=0, validation_alias="status_id")
    is_alert: bool = True
    end_dt: IsoMoment | None = Field(default=None, validation_alias="end_time_dt")
    end: Epoch = Field(default=None, validation_alias="end_time")
    time_dt: IsoMoment | None = None
    time: Epoch = None
    severity: int = Field(default=0, validation_alias="severity_id")
    confidence_score: Annotated[int | None, Field(ge=0, le=100)] = None
    confidence: int = Field(default=0, validation_alias="confidence_id")
    attacks: Annotated[Techniques, BeforeValidator(_attacks)] = ()
    message: Said = ""
    evidences: Annotated[tuple[_Evidence, ...], BeforeValidator(_several)] = ()
    observables: Annotated[tuple[_Observable, ...], BeforeValidator(_several)] = ()
    device: _Endpoint | None = None
    product: Said = Field(default="", validation_alias=AliasPath("metadata", "product", "name"))
    vendor: Said = Field(default="", validation_alias=AliasPath("metadata", "product", "vendor_name"))


def read(raw: Mapping[str, Any], received_at: float) -> tuple[Alert, ...]:
    """An alert for each sender that the finding names; where it names none, one of which only the other end is known. Raises NotAnAlert for
    other classes, for findings that are closed or no alert, and for those about no address; InvalidInput for the rest."""
    kind = raw.get("class_uid")
    if kind not in _FINDINGS:
        raise NotAnAlert(f"ocsf: class_uid {neutralize(str(kind), 20)} is neither 2004 (Detection Finding) nor 2001")
    event = read_event(raw, _Finding, SOURCE)
    done_with = event.status in _DONE_WITH or event.state in _STATES_DONE_WITH
    if event.activity == _CLOSE or done_with or not event.is_alert:
        raise NotAnAlert("ocsf: the finding is closed, suppressed, resolved or archived, or is_alert is false")
    pairs = _pairs(event)
    if not pairs:
        raise NotAnAlert("ocsf: the finding names no address")
    when = _when(event)
    at_one_address = Counter(src.ip for src, _ in pairs)
    return tuple(_alert(event, src, dst, when, received_at, with_mac=at_one_address[src.ip] > 1) for src, dst in pairs)


def _when(event: _Finding) -> When:
    told = (event.end_dt, event.end, event.info.last_seen_dt, event.info.last_seen, event.time_dt, event.time)
    when = next((one for one in told if one is not None), None)
    if when is None:
        raise InvalidInput("ocsf: time: is missing")
    return when


# --- who, and to whom -----------------------------------------------------------------------------------------------------


def _pairs(event: _Finding) -> list[tuple[End, End]]:
    """(sender, other end), each sender once; of one whose evidences name several others, none of these. One address at two MACs is two
    senders: which of them it was is for locating to say."""
    device = End() if event.device is None else event.device.end
    told = [*_of_evidences(event.evidences)] or [*_of_observables(event.observables)]
    macs = {src.ip: src.mac for src, _ in reversed(told) if src.ip is not None and src.mac is not None}
    found: dict[tuple[object, object], tuple[End, set[End]]] = {}
    for src, dst in told:
        whole = replace(src, mac=src.mac or (None if src.ip is None else macs.get(src.ip)))
        found.setdefault((whole.ip, whole.mac), (whole, set()))[1].add(dst if _named(dst) else device)
    pairs = [(src, others.pop() if len(others) == 1 else End()) for src, others in found.values()]
    pairs = [pair for pair in pairs if _named(pair[0]) or _named(pair[1])][:_MOST_SUSPECTS]
    senders = [pair for pair in pairs if _named(pair[0])]
    return senders or pairs or ([(End(), device)] if _named(device) else [])


def _of_evidences(evidences: Iterable[_Evidence]) -> Iterable[tuple[End, End]]:
    for one in evidences:
        src, dst = (End() if end is None else end.end for end in (one.src, one.dst))
        if _named(src) or _named(dst):
            yield src, dst


def _of_observables(observables: Iterable[_Observable]) -> Iterable[tuple[End, End]]:
    """An observable points at the field that it was taken from. Of what cannot be read as an address nothing is made: evidence is where
    findings say who it was."""
    senders, others = list[End](), list[End]()
    for one in observables:
        end = _end_of(one)
        if end is not None:
            (others if "dst_endpoint" in one.name else senders).append(end)
    other = others[0] if len(others) == 1 else End()
    yield from ((sender, other) for sender in senders)
    if not senders and others:
        yield End(), other


def _end_of(observable: _Observable) -> End | None:
    try:
        if observable.type_id == _IP:
            address = parse_address(observable.value)
            return End(address) if of_one_device(address) else None
        return End(mac=parse_mac(observable.value)) if observable.type_id == _MAC else None
    except ValueError:
        return None


def _named(end: End) -> bool:
    return end.ip is not None or end.mac is not None


def _alert(event: _Finding, src: End, dst: End, when: When, received_at: float, *, with_mac: bool) -> Alert:
    product = " ".join(filter(None, (event.vendor, event.product)))
    suspect = "/".join(str(part) for part in (src.ip, src.mac if with_mac or src.ip is None else None) if part)
    return Alert(
        source=SOURCE,
        key="/".join(str(part) for part in (product or "-", event.info.uid, suspect or "-")),
        observed_at=when.at,
        received_at=received_at,
        signature=(event.info.title or event.message or event.info.uid)[:LONGEST_SIGNATURE],
        signature_id=event.info.analytic or event.analytic or None,
        severity=_SEVERITIES.get(event.severity, UNSAID_SEVERITY),
        src=src,
        dst=dst,
        category=", ".join(event.info.types)[:LONGEST_SIGNATURE],
        text=sentence((event.info.desc or event.message,), {"product": product}),
        confidence=_confidence(event),
        techniques=event.info.attacks or event.attacks,
        time_doubt=when.doubt,
    )


def _confidence(event: _Finding) -> float | None:
    if event.confidence_score is not None:
        return event.confidence_score / 100
    return _CONFIDENCES.get(event.confidence)
