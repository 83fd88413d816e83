"""Alerts out of any JSON, as a mapping of the configuration says (`controller.mapping_file`; docs/intake.md)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, TypeVar

from controller.errors import InvalidInput
from controller.intake.body import split_body, split_inside, written
from controller.intake.event import (
    LONGEST_SIGNATURE,
    LONGEST_TEXT,
    SEVERITIES,
    UNSAID_SEVERITY,
    NotAnAlert,
    attack_ids,
    digest,
    of_one_device,
    one_address,
    one_mac,
    port_or_none,
)
from controller.intake.moments import When, epoch_moment, iso_moment
from controller.intake.source import Source
from controller.mapping_file import ISO, PER_SECOND, MappingFile, Places
from controller.model import Alert, End
from controller.neutralize import neutralize, storable

_MOST_VALUES = 200
AMBIGUOUS_ZONE = "the alert's time stood on the clock twice that day, when summer time ended"
Read = TypeVar("Read")


def source_of(mapping: MappingFile) -> Source:
    """The source that the mapping describes."""
    reader = _Reader(mapping)
    split = split_body if mapping.events is None else split_inside(*_steps(mapping.events))
    return Source(mapping.name, mapping.says, reader.read, split, reader.absent)


@dataclass(frozen=True, slots=True)
class _Reader:
    mapping: MappingFile

    def read(self, raw: Mapping[str, Any], received_at: float) -> tuple[Alert, ...]:
        """An alert for each address (or MAC) at `src`. Raises NotAnAlert for what `when` excludes, InvalidInput that names the field and
        where it was looked for."""
        for place, wanted in self.mapping.when.items():
            if not any(value in wanted for value in _values(raw, place)):
                raise NotAnAlert(neutralize(f"{self.mapping.name}: nothing at {place} is what `when` asks for"))
        fields = self.mapping.fields
        when = self._one(raw, "observed_at", fields.observed_at, self._moment)
        signature = self._one(raw, "signature", fields.signature, _text)
        if when is None or not signature:
            field, places = ("observed_at", fields.observed_at) if when is None else ("signature", fields.signature)
            raise InvalidInput(neutralize(f"{self.mapping.name}: {field}: nothing at {' or '.join(places)}"))
        suspects, other = self._suspects(raw), self._other(raw)
        if not suspects and not (other.ip or other.mac):
            raise InvalidInput(f"{self.mapping.name}: neither end has an address: there is nobody to look for")
        key = self._one(raw, "key", fields.key, _text) or digest(raw)
        ends = suspects or (End(),)
        return tuple(
            Alert(
                source=self.mapping.name,
                key=f"{key}/{src.ip or src.mac}" if len(ends) > 1 else key,
                observed_at=when.at,
                received_at=received_at,
                signature=signature[:LONGEST_SIGNATURE],
                signature_id=self._one(raw, "signature_id", fields.signature_id, _text) or None,
                severity=self._severity(raw),
                src=src,
                dst=other,
                category=(self._one(raw, "category", fields.category, _text) or "")[:LONGEST_SIGNATURE],
                text=self._one(raw, "text", fields.text, _text) or "",
                realm=self.mapping.realm,
                confidence=self._one(raw, "confidence", fields.confidence, self._confidence),
                techniques=attack_ids(self._all(raw, fields.techniques)),
                time_doubt=when.doubt,
            )
            for src in ends
        )

    def absent(self, raw: Mapping[str, Any]) -> list[str]:
        """The mapped fields for which there is nothing, and where they were looked for."""
        mapped = [
            (info.alias or name, getattr(self.mapping.fields, name))
            for name, info in type(self.mapping.fields).model_fields.items()
        ]
        nothing = [
            f"{name}: nothing at {' or '.join(places)}"
            for name, places in mapped
            if places and not self._all(raw, places)
        ]
        unmapped = [f"severity: {value!r:.40} is not mapped: 3" for value in self._unmapped(raw)]
        return [neutralize(one) for one in (*nothing, *unmapped)]

    # --- values -------------------------------------------------------------------------------------------------------------

    def _all(self, raw: Mapping[str, Any], places: Places | None) -> list[Any]:
        """The values at the first of the places that has any."""
        return next((found for place in places or () if (found := list(_values(raw, place)))), [])

    def _one(
        self, raw: Mapping[str, Any], name: str, places: Places | None, parse: Callable[[Any], Read]
    ) -> Read | None:
        every = self._each(raw, name, places, parse, at_most=1)
        return every[0] if every else None

    def _each(
        self,
        raw: Mapping[str, Any],
        name: str,
        places: Places | None,
        parse: Callable[[Any], Read],
        at_most: int = _MOST_VALUES,
    ) -> list[Read]:
        try:
            return [parse(value) for value in self._all(raw, places)[:at_most]]
        except (ValueError, OverflowError) as error:
            where = " or ".join(places or ())
            raise InvalidInput(neutralize(f"{self.mapping.name}: {name} ({where}): {error}")) from error

    def _suspects(self, raw: Mapping[str, Any]) -> tuple[End, ...]:
        fields = self.mapping.fields
        addresses = [one for one in self._each(raw, "src.ip", fields.src_ip, one_address) if of_one_device(one)]
        macs = self._each(raw, "src.mac", fields.src_mac, one_mac)
        port = self._one(raw, "src.port", fields.src_port, port_or_none)
        if not addresses:
            return tuple(End(mac=mac, port=port) for mac in dict.fromkeys(macs))
        mac = macs[0] if len(macs) == 1 and len(addresses) == 1 else None
        return tuple(End(address, mac, port) for address in dict.fromkeys(addresses))

    def _other(self, raw: Mapping[str, Any]) -> End:
        fields = self.mapping.fields
        address = self._one(raw, "dst.ip", fields.dst_ip, one_address)
        mac = self._one(raw, "dst.mac", fields.dst_mac, one_mac)
        usable = address if address is not None and of_one_device(address) else None
        return End(usable, mac, self._one(raw, "dst.port", fields.dst_port, port_or_none))

    def _moment(self, value: Any) -> When:
        shape = self.mapping.time
        if shape in PER_SECOND:
            number = float(value) if isinstance(value, str) else value
            return epoch_moment(number, PER_SECOND[shape])
        if shape != ISO:
            if not isinstance(value, str):
                raise ValueError(f"a time is a text as {shape}")
            value = datetime.strptime(value.strip(), shape).isoformat()  # noqa: DTZ007 (its zone is looked at below)
        when = iso_moment(value)
        return _zoned(value, self.mapping.zone) if when.doubt and self.mapping.zone is not None else when

    def _confidence(self, value: Any) -> float:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
        share = number / self.mapping.confidence_of
        if not 0 <= share <= 1:
            raise ValueError(f"not between 0 and {self.mapping.confidence_of:g}: {value!r:.40}")
        return share

    def _severity(self, raw: Mapping[str, Any]) -> int:
        for value in self._all(raw, self.mapping.fields.severity)[:1]:
            return self._level(value) or UNSAID_SEVERITY
        return UNSAID_SEVERITY

    def _unmapped(self, raw: Mapping[str, Any]) -> list[Any]:
        return [value for value in self._all(raw, self.mapping.fields.severity)[:1] if self._level(value) is None]

    def _level(self, value: Any) -> int | None:
        """By its word, by its number, else as the words that everybody uses, else 1 to 5 as they are."""
        words = {word.lower(): level for word, level in self.mapping.severity.words.items()}
        word = _text(value).lower()
        if word in words:
            return words[word]
        number = _number(value)
        steps = sorted(self.mapping.severity.at_least.items(), reverse=True)
        if steps:
            return next((level for least, level in steps if number >= least), None)
        if word in SEVERITIES and not words:
            return SEVERITIES[word]
        return int(number) if not words and number in (1, 2, 3, 4, 5) else None


def _number(value: Any) -> float:
    """Not a number where it is none."""
    try:
        return float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return math.nan


def _text(value: Any) -> str:
    return storable(value if isinstance(value, str) else written(value), LONGEST_TEXT).strip()


def _zoned(value: str, zone: tzinfo) -> When:
    """A time without an offset, by a zone's clock; the hour that stands on it twice is doubted."""
    moment = datetime.fromisoformat(value.strip()).replace(tzinfo=zone)
    twice = moment.utcoffset() != moment.replace(fold=1).utcoffset()
    return When(moment.timestamp(), AMBIGUOUS_ZONE if twice else "")


# --- places ---------------------------------------------------------------------------------------------------------------


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _values(raw: Mapping[str, Any], place: str) -> Iterator[Any]:
    """What is there, but nulls and empty texts; a place that begins with = is its own value."""
    if place.startswith("="):
        yield place[1:]
        return
    level: list[Any] = [raw]
    for step in _steps(place):
        level = [inner for value in level for inner in _inner(value, step)][:_MOST_VALUES]
    yield from (value for value in level if value not in (None, ""))


def _inner(value: Any, step: str) -> list[Any]:
    if isinstance(value, Mapping):
        return [value[step]] if step in value else []
    if isinstance(value, list):
        if step == "*":
            return value
        return (
            [value[int(step)]]
            if step.isascii() and step.isdecimal() and len(step) < 7 and int(step) < len(value)
            else []
        )
    return []
