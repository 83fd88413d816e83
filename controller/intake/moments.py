"""When it was seen, as sources write it. A time that could mean two moments is kept, and says so: nobody is contained by it alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator

NO_OFFSET = "the alert's time has no offset from UTC: the moment that it means is not known"
_EARLIEST = datetime(1971, 1, 1, tzinfo=UTC).timestamp()
_LATEST = datetime(9998, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class When:
    """Seconds since the epoch. `doubt` says why it may have been another moment; empty when there is none."""

    at: float
    doubt: str = ""


def iso_moment(value: object) -> When:
    """An ISO 8601 date and time; one without an offset is taken as UTC, and doubted. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("a time is a string as 2026-01-31T12:00:00.123456Z")
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError as error:
        raise ValueError(f"not an ISO 8601 time: {value[:40]!r}") from error
    if moment.tzinfo is not None:
        return When(_seen(moment))
    return When(_seen(moment.replace(tzinfo=UTC)), NO_OFFSET)


def epoch_moment(value: object, per_second: int = 1) -> When:
    """A number of seconds since the epoch, or of parts of one: `per_second` 1000 for milliseconds. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a time is a number since the epoch")
    try:
        seconds = value / per_second
    except OverflowError as error:
        raise ValueError("not a time that anything was seen at") from error
    if not (math.isfinite(seconds) and _EARLIEST <= seconds < _LATEST):
        raise ValueError(f"not a time that anything was seen at: {value!r:.40}")
    return When(seconds)


def _seen(moment: datetime) -> float:
    if not 1970 < moment.year < 9998:
        raise ValueError(f"not a time that anything was seen at: {moment.isoformat()}")
    return moment.timestamp()


IsoMoment = Annotated[When, BeforeValidator(iso_moment)]
