"""STIX 2.1: what a bundle accuses of IPv4, IPv6 and MAC addresses.

The format: https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html: Indicator and its patterns (chapter 9), Sighting, Observed
Data, the observables ipv4-addr, ipv6-addr, mac-addr and network-traffic, and Relationship. One alert is one address of one object:

- a sighting, seen at its `last_seen`, of what its indicator's pattern names and its observed data holds;
- observed data that no sighting refers to, seen at its `last_observed`;
- an indicator that no sighting refers to, and an observable that nothing refers to. They say what is bad and not that it was seen here,
  so their time is doubted.

Of patterns the simple ones are read: comparisons of an address with `=` or `IN`, joined by OR. A pattern that asks for two things at once
accuses nobody by itself.

Samples after oasis-open/cti-stix2-json-schemas, examples/indicator-for-c2-ip-address.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field

from controller.errors import InvalidInput
from controller.intake.event import (
    LONGEST_SIGNATURE,
    UNSAID_SEVERITY,
    Id,
    NotAnAlert,
    Said,
    Words,
    read_event,
    sentence,
)
from controller.intake.moments import IsoMoment, When
from controller.intake.stix_bundle import ACCUSING, CONTEXT, Context
from controller.intake.stix_pattern import ADDRESSES, addresses_in, end_of
from controller.model import Alert, End
from controller.neutralize import neutralize

SOURCE = "stix"
NOT_SEEN = "STIX says here what is bad, not when it was seen on this network: send a sighting"
NOBODY = End()
_MOST_SUSPECTS = 200


class _Object(BaseModel):
    """What the kinds of objects that accuse have in common, and what each has of its own."""

    id: Id
    type: Said
    name: Said = ""
    description: Said = ""
    modified: Said = ""
    revoked: bool | None = None
    confidence: Annotated[int | None, Field(ge=0, le=100)] = None
    indicator_types: Words = ()
    pattern: str | None = None
    pattern_type: Said = "stix"
    valid_from: IsoMoment | None = None
    valid_until: IsoMoment | None = None
    first_seen: IsoMoment | None = None
    last_seen: IsoMoment | None = None
    last_observed: IsoMoment | None = None
    sighting_of_ref: Said = ""
    observed_data_refs: Words = ()
    object_refs: Words = ()
    objects: Mapping[str, Any] | None = None
    value: Said = ""


@dataclass(frozen=True, slots=True)
class _Seen:
    """One address, and the other end of its traffic where that is told."""

    suspect: End
    other: End = NOBODY


# --- one object --------------------------------------------------------------------------------------------------------------


def read(raw: Mapping[str, Any], received_at: float) -> tuple[Alert, ...]:
    """An alert for each address that the object accuses. Raises NotAnAlert for what accuses no address, was revoked or is over;
    InvalidInput that names the field for a pattern or an address that cannot be read."""
    kind = raw.get("type")
    if kind not in ACCUSING:
        raise NotAnAlert(
            f"stix: {neutralize(str(kind), 40)!r} accuses nobody: no indicator, sighting, observed data or address"
        )
    others = raw.get(CONTEXT)
    context = others if isinstance(others, Context) else Context()
    event = read_event({key: value for key, value in raw.items() if key != CONTEXT}, _Object, SOURCE)
    if event.revoked or (event.valid_until is not None and event.valid_until.at <= received_at):
        raise NotAnAlert("stix: it was revoked, or its valid_until is past")
    subject = _subject(event, context.objects)
    seen = _accused(event, subject, context.objects)
    if not seen and event.type == "sighting" and subject is event and event.sighting_of_ref.startswith("indicator--"):
        raise InvalidInput(neutralize(f"stix: sighting_of_ref: {event.sighting_of_ref} is not in the bundle"))
    if not seen:
        raise NotAnAlert(f"stix: the {kind} is about no address")
    when = _when(event, received_at)
    techniques = context.techniques.get(subject.id, ())
    return tuple(_alert(event, subject, one, when, techniques, received_at) for one in seen)


def _subject(event: _Object, known: Mapping[str, Any]) -> _Object:
    """The indicator that a sighting is of, where the bundle has it; else the object itself."""
    sighted = known.get(event.sighting_of_ref) if event.type == "sighting" else None
    if not isinstance(sighted, dict) or sighted.get("type") != "indicator":
        return event
    return read_event(sighted, _Object, f"{SOURCE}: sighting_of_ref")


def _when(event: _Object, received_at: float) -> When:
    if event.type == "sighting" and (event.last_seen or event.first_seen) is not None:
        return event.last_seen or event.first_seen or When(received_at, NOT_SEEN)
    if event.type == "observed-data" and event.last_observed is not None:
        return event.last_observed
    return When(received_at if event.valid_from is None else event.valid_from.at, NOT_SEEN)


def _accused(event: _Object, subject: _Object, known: Mapping[str, Any]) -> tuple[_Seen, ...]:
    """Each address once: what was observed first, since that also tells the other end."""
    data = [known.get(ref) for ref in event.observed_data_refs]
    observed = [read_event(one, _Object, f"{SOURCE}: observed_data_refs") for one in data if isinstance(one, dict)]
    found = [seen for one in (event, *observed) if one.type == "observed-data" for seen in _of_observed(one, known)]
    if subject.type == "indicator":
        found += [_Seen(end) for end in addresses_in(subject.pattern_type, subject.pattern)]
    if event.type in ADDRESSES:
        found += [_Seen(end) for end in end_of(event.type, event.value, "value")]
    once: dict[tuple[object, object], _Seen] = {}
    for one in found:
        once.setdefault((one.suspect.ip, one.suspect.mac), one)
    return tuple(once.values())[:_MOST_SUSPECTS]


def _of_observed(event: _Object, known: Mapping[str, Any]) -> list[_Seen]:
    """The addresses of what was observed: of traffic its source, with its destination as the other end; else each address."""
    inner = {} if event.objects is None else event.objects  # STIX 2.0's way: numbered, inside
    within = {**known, **inner}
    objects = [*inner.values(), *(within.get(ref) for ref in event.object_refs)]
    traffic = [one for one in objects if isinstance(one, dict) and one.get("type") == "network-traffic"]
    found = []
    for one in traffic:
        src, dst = (_referred(one.get(key), within) for key in ("src_ref", "dst_ref"))
        found += [_Seen(sender, dst[0] if len(dst) == 1 else NOBODY) for sender in src]
    if traffic:
        return found
    return [_Seen(end) for one in objects if isinstance(one, dict) for end in _end_of(one, "objects")]


def _referred(ref: object, within: Mapping[str, Any]) -> list[End]:
    one = within.get(ref) if isinstance(ref, str) else None
    return _end_of(one, "network-traffic") if isinstance(one, dict) else []


def _end_of(observable: Mapping[str, Any], where: str) -> list[End]:
    """The address that an observable is; none for other kinds and for what names no device."""
    kind, value = observable.get("type"), observable.get("value")
    return end_of(str(kind), value, where) if kind in ADDRESSES else []


# --- the alert -------------------------------------------------------------------------------------------------------------


def _alert(
    event: _Object, subject: _Object, seen: _Seen, when: When, techniques: tuple[str, ...], received_at: float
) -> Alert:
    said = subject.name or subject.description or f"STIX {subject.type}"
    confidence = event.confidence if event.confidence is not None else subject.confidence
    return Alert(
        source=SOURCE,
        key="/".join(filter(None, (event.id, event.modified, str(seen.suspect.ip or seen.suspect.mac)))),
        observed_at=when.at,
        received_at=received_at,
        signature=said[:LONGEST_SIGNATURE],
        signature_id=subject.id,
        severity=UNSAID_SEVERITY,
        src=seen.suspect,
        dst=seen.other,
        category=", ".join(subject.indicator_types)[:LONGEST_SIGNATURE],
        text=sentence((subject.description, event.description if event is not subject else ""), {"from": event.id}),
        confidence=None if confidence is None else confidence / 100,
        techniques=techniques,
        time_doubt=when.doubt,
    )
