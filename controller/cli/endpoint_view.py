"""What a device is, as people see it: the inventory's word first, else what it looks like, with a question mark and how sure that is."""

from __future__ import annotations

from controller.api.schemas import EndpointView
from controller.cli import output

UNKNOWN = "unknown"


def role(one: EndpointView, sure: float = 0.0) -> str:
    """The inventory's, else what it looks like from the confidence `sure` on."""
    return one.role if one.role != UNKNOWN else _looks(one, "role", sure)


def type_(one: EndpointView, sure: float = 0.0) -> str:
    return one.type if one.type != UNKNOWN else _looks(one, "type", sure)


def shown_role(one: EndpointView) -> str:
    return one.role if one.role != UNKNOWN else _doubtful(one, role(one))


def shown_type(one: EndpointView) -> str:
    return one.type if one.type != UNKNOWN else _doubtful(one, type_(one))


def in_a_sentence(one: EndpointView) -> str:
    """What it looks like, with the evidence, from whom and when; empty when no sensor has told."""
    looks = one.looks
    if looks is None:
        return ""
    vendor = looks.vendor or ("a random MAC" if looks.random_mac else "")
    what = f"{looks.role} ({looks.confidence:.2f})" if looks.role != UNKNOWN else ""
    told = ", ".join(word for word in (what, vendor) if word) or "nothing in particular"
    because = f": {'; '.join(looks.evidence)}" if looks.evidence else ""
    return f"{told}{because} [sensor {looks.sensor}, {output.at(looks.at)}]"


def _looks(one: EndpointView, name: str, sure: float) -> str:
    return UNKNOWN if one.looks is None or one.looks.confidence < sure else str(getattr(one.looks, name))


def _doubtful(one: EndpointView, word: str) -> str:
    return word if word == UNKNOWN or one.looks is None else f"{word}? ({one.looks.confidence:.2f})"
