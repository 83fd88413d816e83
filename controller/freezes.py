"""Change freezes: windows in which the network is left as it is, unless a person answers for it. Pure: the moment is handed in.

While one is in force no alert contains anybody by itself, and nothing that is held is held for longer. What undoes is never hindered, nor
is a person who contains and says why: see docs/operators-guide.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from controller.yaml_source import LocatedError

_DAY = timedelta(days=1)
_MOST_DAYS = 8
"""Windows of a week that may follow on one another without a gap: all seven, and the first one again."""


class Day(StrEnum):
    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


_WEEK = tuple(Day)


@dataclass(frozen=True, slots=True)
class InForce:
    """A freeze that is in force, and until when (seconds since the epoch)."""

    freeze: Freeze
    until: float

    def __str__(self) -> str:
        why = f" ({self.freeze.why})" if self.freeze.why else ""
        zone = ZoneInfo(self.freeze.timezone)
        return (
            f"change freeze {self.freeze.name!r}{why} is in force until"
            f" {datetime.fromtimestamp(self.until, zone):%Y-%m-%d %H:%M} {self.freeze.timezone}"
        )


class Freeze(BaseModel):
    """Dated: from `start` to `end`, as 2026-12-20 18:00. Weekly: with `days`, on each of them from `start` to `end`, as 08:00; an end that
    is not after the start is on the next day. Both are by the clock on the wall of `timezone` (an IANA name). `sites` (realms) and
    `switches` (ids or names): where; neither: everywhere. The end does not belong to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Annotated[str, Field(min_length=1, max_length=80)]
    start: str
    end: str
    days: frozenset[Day] = frozenset()
    timezone: str = "UTC"
    sites: frozenset[str] = frozenset()
    switches: frozenset[str] = frozenset()
    why: str = ""

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (OSError, ValueError) as error:  # ZoneInfoNotFoundError is a KeyError where the name can be one
            raise ValueError(_no_zone(name)) from error
        except KeyError:
            raise ValueError(_no_zone(name)) from None
        return name

    @model_validator(mode="after")
    def _readable(self) -> Self:
        for field, text in (("start", self.start), ("end", self.end)):
            try:
                _clock(text) if self.days else _moment(text)
            except ValueError as error:
                shape = (
                    "08:00, as `days` are given" if self.days else "2026-12-20 18:00 (or list `days`, and write 08:00)"
                )
                raise LocatedError((field,), f"{error}; write it as {shape}") from error
        if not self.days and self._dated()[0] >= self._dated()[1]:
            raise LocatedError(("end",), f"it ends at {self.end}, which is not after {self.start}")
        return self

    def covers(self, site: str, switches: Collection[str]) -> bool:
        """`switches`: what is concerned, by ids and names."""
        if not self.sites and not self.switches:
            return True
        return site in self.sites or not self.switches.isdisjoint(switches)

    def until(self, now: float) -> float | None:
        """When it ends, if it is in force at `now`. Days that follow on one another without a gap are one freeze."""
        end = self._end_of_window(now)
        for _ in range(_MOST_DAYS):
            further = None if end is None else self._end_of_window(end)
            if further is None:
                break
            end = further
        return end

    @property
    def where(self) -> str:
        """In words: `everywhere`, or the sites and switches."""
        named = [*(f"site {one}" for one in sorted(self.sites)), *(f"switch {one}" for one in sorted(self.switches))]
        return ", ".join(named) or "everywhere"

    def _end_of_window(self, now: float) -> float | None:
        if not self.days:
            start, end = self._dated()
            return end if start <= now < end else None
        today = datetime.fromtimestamp(now, ZoneInfo(self.timezone)).date()
        ends = [end for day in (today - _DAY, today) for start, end in self._on(day) if start <= now < end]
        return max(ends, default=None)

    def _dated(self) -> tuple[float, float]:
        return self._earliest(_moment(self.start)), self._latest(_moment(self.end))

    def _on(self, day: date) -> list[tuple[float, float]]:
        """The window that begins on this day."""
        if _WEEK[day.weekday()] not in self.days:
            return []
        begins, ends = _clock(self.start), _clock(self.end)
        last = day if ends > begins else day + _DAY
        return [(self._earliest(datetime.combine(day, begins)), self._latest(datetime.combine(last, ends)))]

    def _earliest(self, wall: datetime) -> float:
        """Where the clock is put back and shows a time twice, or forward and leaves it out, the freeze is the longer one."""
        return min(self._both(wall))

    def _latest(self, wall: datetime) -> float:
        return max(self._both(wall))

    def _both(self, wall: datetime) -> tuple[float, float]:
        zone = ZoneInfo(self.timezone)
        first, second = (wall.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1))
        return first, second


def in_force(freezes: Iterable[Freeze], now: float) -> list[InForce]:
    """The one that lasts longest first."""
    found = [InForce(freeze, until) for freeze in freezes if (until := freeze.until(now)) is not None]
    return sorted(found, key=lambda one: -one.until)


def frozen(freezes: Iterable[Freeze], now: float, site: str, switches: Collection[str]) -> InForce | None:
    """What freezes this place now; of several, the one that lasts longest."""
    return next(iter(in_force((one for one in freezes if one.covers(site, switches)), now)), None)


def _clock(text: str) -> time:
    read = time.fromisoformat(text)
    if read.tzinfo is not None or len(text) < len("08:00"):
        raise ValueError(f"{text!r} is not hours and minutes")
    return read


def _moment(text: str) -> datetime:
    read = datetime.fromisoformat(text)
    if read.tzinfo is not None:
        raise ValueError(f"{text!r} has an offset: leave it out, `timezone` says it")
    return read


def _no_zone(name: str) -> str:
    return f"no time zone {name!r}: write an IANA name (Europe/Berlin, America/New_York, UTC); Debian's package tzdata has them"
