"""A part of the week, as a policy rule asks for it: days, a time of day, and the time zone that both are meant in. Pure, but for the time
zone's own rules, which are read from the system's database (or the package tzdata)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, field_validator, model_validator

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ALL_DAY = 24 * 60
_CLOCK = re.compile(r"([01]?[0-9]|2[0-4]):([0-5][0-9])")


def _minutes(text: object) -> int:
    """08:30 as minutes since midnight; 24:00 is the day's end."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text  # as it was read before
    found = _CLOCK.fullmatch(str(text).strip())
    minutes = _ALL_DAY + 1 if found is None else int(found[1]) * 60 + int(found[2])
    if minutes > _ALL_DAY:
        raise ValueError(f'not a time of day: {text!r}; write it as "08:30", or "24:00" for the end of the day')
    return minutes


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _days(given: object) -> object:
    """`mon`, `mon-fri`, `[sat, sun]`: as whole days, in the order of the week."""
    words = given if isinstance(given, list | tuple) else [given]
    found: set[str] = set()
    for word in words:
        first, dash, last = str(word).strip().lower().partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(f"not a day of the week: {word!r}; write mon, sat or mon-fri ({', '.join(DAYS)})")
        start, end = DAYS.index(first), DAYS.index(last if dash else first)
        found |= {DAYS[i % 7] for i in range(start, end + 1 if end >= start else end + 8)}
    return tuple(day for day in DAYS if day in found)


Clock = Annotated[int, BeforeValidator(_minutes), PlainSerializer(_clock)]


class TimeWindow(BaseModel):
    """From one time of day to another on these days: up to, and without, the second. One that ends before it begins goes on past midnight,
    and belongs to the day on which it began."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    days: Annotated[tuple[str, ...], BeforeValidator(_days), Field(min_length=1)] = DAYS
    start: Clock = Field(default=0, alias="from")
    end: Clock = Field(default=_ALL_DAY, alias="to")
    zone: str = "UTC"

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"no time zone {zone!r}; write one as Europe/Berlin or UTC (is the system's tzdata installed?)"
            ) from None
        return zone

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.start == self.end or self.start == _ALL_DAY:
            raise ValueError(
                f"from {_clock(self.start)} to {_clock(self.end)} is no time: leave out both for whole days"
            )
        return self

    def holds(self, at: float) -> bool:
        """Whether `at` (seconds since the epoch) lies in it."""
        local = datetime.fromtimestamp(at, ZoneInfo(self.zone))
        day, minute = local.weekday(), local.hour * 60 + local.minute
        if self.start < self.end:
            return DAYS[day] in self.days and self.start <= minute < self.end
        began_today = DAYS[day] in self.days and minute >= self.start
        return began_today or (DAYS[day - 1] in self.days and minute < self.end)

    def read(self, at: float) -> str:
        """A moment as people in that zone read it: sat 14:03 (Europe/Berlin)."""
        local = datetime.fromtimestamp(at, ZoneInfo(self.zone))
        return f"{DAYS[local.weekday()]} {local:%H:%M} ({self.zone})"

    @property
    def words(self) -> str:
        days = "every day" if self.days == DAYS else ", ".join(self.days)
        return f"{days} {_clock(self.start)} to {_clock(self.end)} ({self.zone})"
