"""STIX's bundles, cut into what accuses by itself: each sighting, observed data, indicators and addresses that no other is told with."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.intake.body import RawEvent, limited, split_body, written
from controller.intake.event import attack_ids
from controller.intake.stix_pattern import ADDRESSES
from controller.neutralize import storable

ACCUSING = ("indicator", "sighting", "observed-data", *ADDRESSES)
CONTEXT = "_context"
"""Where an event has its bundle; a sender has no way to write one."""
_MOST_KEPT = 40
"""Objects that are kept with one which refers to them."""


@dataclass(frozen=True, slots=True)
class Context:
    """The other objects of the same bundle by id, and the ATT&CK ids that relationships give some of them."""

    objects: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    techniques: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def split(body: bytes) -> list[RawEvent]:
    """An event for each object of each bundle (or TAXII envelope) that accuses, with the others at hand; a bundle
    without one
    stays whole. Raises InvalidInput as `split_body` does."""
    events: list[RawEvent] = []
    for event in split_body(body):
        objects = None if event.fields is None else event.fields.get("objects")
        is_bundle = isinstance(objects, list) and (event.fields or {}).get("type", "bundle") == "bundle"
        events += _events(objects) or [event] if is_bundle and isinstance(objects, list) else [event]
    return limited(events)


def _events(objects: list[Any]) -> list[RawEvent]:
    known = {one["id"]: one for one in objects if isinstance(one, dict) and isinstance(one.get("id"), str)}
    context = Context(known, _techniques(known))
    broken = [
        RawEvent(storable(written(one)), None, "stix: not an object") for one in objects if not isinstance(one, dict)
    ]
    return [
        *broken,
        *(
            RawEvent(storable(_with_its_own(one, known)), {**one, CONTEXT: context})
            for one in _accusing(objects, known)
        ),
    ]


def _accusing(objects: list[Any], known: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The objects that accuse by themselves, in order: what is told of as part of a sighting, or an address as part of observed data, is
    read there."""
    mine = [one for one in objects if isinstance(one, dict) and one.get("type") in ACCUSING]
    in_sightings = _reached((one for one in mine if one["type"] == "sighting"), known)
    alone = [one for one in mine if one["type"] == "sighting" or one.get("id") not in in_sightings]
    in_data = _reached((one for one in alone if one["type"] == "observed-data"), known)
    return [one for one in alone if one["type"] not in ADDRESSES or one.get("id") not in in_data]


def _reached(
    start: Iterable[Mapping[str, Any]], known: Mapping[str, Mapping[str, Any]], at_most: int | None = None
) -> dict[str, None]:
    """The ids of what these refer to, and of what that refers to, in the order in which they are come to."""
    reached: dict[str, None] = {}
    waiting = deque(ref for one in start for ref in _references(one))
    while waiting and (at_most is None or len(reached) < at_most):
        ref = waiting.popleft()
        if ref in known and ref not in reached:
            reached[ref] = None
            waiting.extend(_references(known[ref]))
    return reached


def _references(one: Mapping[str, Any]) -> list[str]:
    """What is told of as part of something else that accuses. A relationship accuses nobody: an indicator that has some stays."""
    if one.get("type") == "sighting":
        told = [one.get("sighting_of_ref"), *listed(one.get("observed_data_refs"))]
    elif one.get("type") in ("observed-data", "network-traffic", *ADDRESSES):
        told = [
            *listed(one.get("object_refs")),
            *listed(one.get("resolves_to_refs")),
            one.get("src_ref"),
            one.get("dst_ref"),
        ]
    else:
        told = []
    return [ref for ref in told if isinstance(ref, str)]


def _with_its_own(one: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> str:
    """The object as it is kept: as a bundle with what it refers to, so that it can be read again by itself."""
    if one.get("type") in ADDRESSES:
        return written(one)
    kept = [known[ref] for ref in _reached([one], known, _MOST_KEPT)]
    return written({"type": "bundle", "objects": [one, *kept]}) if kept else written(one)


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _techniques(known: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """For each object that relationships tie to attack patterns, the ATT&CK ids of those."""
    found: dict[str, list[str]] = {}
    for one in known.values():
        source, target = one.get("source_ref"), one.get("target_ref")
        if one.get("type") == "relationship" and isinstance(source, str) and isinstance(target, str):
            found.setdefault(source, []).extend(_attack_ids(known.get(target, {})))
    return {source: attack_ids(ids) for source, ids in found.items() if ids}


def _attack_ids(pattern: Mapping[str, Any]) -> list[str]:
    references = listed(pattern.get("external_references")) if pattern.get("type") == "attack-pattern" else []
    mitres = [one for one in references if isinstance(one, dict) and one.get("source_name") == "mitre-attack"]
    return [one["external_id"] for one in mitres if isinstance(one.get("external_id"), str)]
