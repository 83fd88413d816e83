"""What a source is: a name, how a body of its is cut into events, and how an event becomes alerts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from controller.intake.body import RawEvent, split_body
from controller.model import Alert

Reader = Callable[[Mapping[str, Any], float], tuple[Alert, ...]]
Splitter = Callable[[bytes], list[RawEvent]]
OneReader = Callable[[Mapping[str, Any], float], Alert]
Heading = Callable[[bytes, bytes], bytes | None]
Absent = Callable[[Mapping[str, Any]], list[str]]


def _nothing_said(raw: Mapping[str, Any]) -> list[str]:
    return []


@dataclass(frozen=True, slots=True)
class Source:
    """`read` is pure: one event to the alerts that it is, one for each device that it suspects and never none. It raises NotAnAlert for
    what the source reports beside alerts, InvalidInput that names the field for all else. `split` raises InvalidInput for a body that
    cannot be cut at all. `absent` says what an event lacks of what the source is told to look for. `heading`, of the heading so far and a
    line: the heading with that line, or None where the line is none of it; a source without has no headings."""

    name: str
    says: str
    read: Reader
    split: Splitter = split_body
    absent: Absent = _nothing_said
    heading: Heading | None = None


def one_each(
    name: str, says: str, parse: OneReader, split: Splitter = split_body, heading: Heading | None = None
) -> Source:
    """A source whose every event is about one thing. `says`: what it is, for people."""

    def read(raw: Mapping[str, Any], received_at: float) -> tuple[Alert, ...]:
        return (parse(raw, received_at),)

    return Source(name, says, read, split, heading=heading)
