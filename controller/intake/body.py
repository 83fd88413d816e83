"""A request's or a file's body cut into events: one JSON object, an array of them, or JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from controller.errors import InvalidInput
from controller.neutralize import neutralize, storable

MOST_EVENTS = 10_000
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class RawEvent:
    """One event as it was sent: `fields`, or None with the `error` that says why. `raw` is its text, fit to be
    stored."""

    raw: str
    fields: Mapping[str, Any] | None
    error: str = ""


def split_body(body: bytes) -> list[RawEvent]:
    """The events in `body`, in order, each malformed one as such. Raises InvalidInput for an empty body or for more
    events than one request may carry; never anything else."""
    text = body.decode("utf-8", "replace").removeprefix("\ufeff").strip()
    if not text:
        raise InvalidInput("the body is empty: send one JSON object, an array of them, or one object a line")
    value, error = _read(text)
    if error:
        return _split_lines(text, error)
    if isinstance(value, list):
        return [_event(written(item), item) for item in limited(value)]
    return [_event(text, value)]


def _split_lines(text: str, error: str) -> list[RawEvent]:
    """JSON lines, or one malformed event when no line of it is JSON. Cut at newlines alone: str.splitlines would also
    cut at U+2028, which may stand inside a JSON string."""
    events = []
    for line in limited([stripped for line in text.split("\n") if (stripped := line.strip())]):
        value, problem = _read(line)
        events.append(_event(line, value, problem))
    if all(event.error for event in events):
        return [_event(text, None, error)]
    return events


def limited(items: list[Item]) -> list[Item]:
    """The events as they are. Raises InvalidInput when there are none, or more than one request may carry."""
    if len(items) > MOST_EVENTS:
        raise InvalidInput(f"{len(items)} events in one body: send at most {MOST_EVENTS} at once")
    if not items:
        raise InvalidInput("the array is empty: there is nothing to take")
    return items


def _event(raw: str, value: Any, error: str = "") -> RawEvent:
    if not error and not isinstance(value, dict):
        error = "not a JSON object"
    return RawEvent(storable(raw), None if error else value, error)


def _read(text: str) -> tuple[Any, str]:
    """What `text` says, or why it says nothing."""
    try:
        return json.loads(text), ""
    except RecursionError:
        return None, "not JSON: nested too deeply"
    except ValueError as error:
        return None, neutralize(f"not JSON: {error}")


def written(item: Any) -> str:
    """`item` as JSON text, for what came inside of something else."""
    try:
        return json.dumps(item)
    except (RecursionError, ValueError):
        return "(an event that cannot be written as JSON again)"


def split_inside(*keys: str) -> Callable[[bytes], list[RawEvent]]:
    """As `split_body`, for a source that may also send its events as a list inside of one object, under these keys."""

    def split(body: bytes) -> list[RawEvent]:
        events: list[RawEvent] = []
        for event in split_body(body):
            inner: Any = event.fields
            for key in keys:
                inner = inner.get(key) if isinstance(inner, dict) else None
            events += [_event(written(item), item) for item in inner] if isinstance(inner, list) else [event]
        return limited(events)

    return split
