"""The Common Event Format, by itself or in a syslog frame.

The format: Micro Focus/ArcSight, *Implementing ArcSight Common Event Format (CEF)*, version 26: the header's seven parts, its escapes
(\\| and \\\\ in the header; \\=, \\\\, \\n and \\r in the extension) and the extension's dictionary; the frames are those of RFC 5424 and
RFC 3164, with RFC 6587's octet count where there is one. `src` is who sent, `dst` to whom. Severity 0 to 3 is low, to 6 medium, to 8
high, above very high.

A key that stands twice is refused where it says who, since one of the two may be what an attacker wrote into a value that the device
failed to escape. A date without a zone that has one meaning, as RFC 3164's, is doubted.

Samples after ArcSight, Implementing ArcSight Common Event Format, its own examples.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from controller.errors import InvalidInput
from controller.intake.body import RawEvent, limited, split_body
from controller.intake.event import (
    LONGEST_TEXT,
    UNSAID_SEVERITY,
    AddressField,
    DecodedPort,
    MacField,
    NotAnAlert,
    Said,
    Signature,
    digest,
    of_one_device,
    read_event,
    sentence,
)
from controller.intake.moments import NO_OFFSET, When, epoch_moment, iso_moment
from controller.model import Address, Alert, End
from controller.neutralize import neutralize, storable

SOURCE = "cef"
UNSAID_TIME = "the event says no time of its own: when it was seen is not known"
_LONGEST_LINE = 64 * 1024
_PARTS = ("vendor", "product", "version", "class_id", "name", "severity")
_HEADER = re.compile(r"(?:^|(?<=[\s\ufeff]))CEF:\s?[0-9]{1,3}\|")
_KEY = re.compile(r"(?:^|(?<=\s))([A-Za-z0-9_.\[\]-]{1,100})=")
_ONCE = frozenset({"src", "dst", "smac", "dmac", "spt", "dpt", "c6a2", "c6a3", "rt", "end", "start", "externalId"})
_SEVERITY_WORDS = {"unknown": 3, "low": 2, "medium": 3, "high": 4, "very-high": 5}
_LEAST_OF = {5: 9, 4: 7, 3: 4, 2: 0}
_UNESCAPED = {"n": "\n", "r": "\r"}
_MONTHS = {
    name: n
    for n, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}
_DATE = re.compile(
    r"(?P<month>[A-Za-z]{3})\s+(?P<day>\d{1,2})(?:\s+(?P<year>\d{4}))?\s+(?P<hour>\d{2}):(?P<minute>\d{2}):(?P<second>\d{2})"
    r"(?:\.(?P<fraction>\d{1,6}))?(?:\s+(?P<zone>[A-Za-z]{1,5}|[+-]\d{2}:?\d{2}))?"
)
_UTC = ("UTC", "GMT", "Z")
_FRAME_5424 = re.compile(r"(?:\d{1,9} )?<\d{1,3}>1 (?P<time>\S+) (?P<host>\S+) ")
_FRAME_3164 = re.compile(
    r"(?:\d{1,9} )?(?:<\d{1,3}>)?\s*(?P<time>[A-Za-z]{3}\s+\d{1,2}\s+(?:\d{4}\s+)?[\d:.]{8,15}|\d{4}-\d\d-\d\dT\S+) (?P<host>\S+) ?"
)


@dataclass(frozen=True, slots=True)
class _Frame:
    """What syslog said of the line: when and by whom."""

    time: str = ""
    host: str = ""


def _if_any(value: object) -> object:
    return None if value in ("", "-", "N/A") else value


Decoded = Annotated[AddressField | None, BeforeValidator(_if_any)]
DecodedMac = Annotated[MacField | None, BeforeValidator(_if_any)]


class _Extension(BaseModel):
    src: Decoded = None
    dst: Decoded = None
    c6a2: Decoded = None
    c6a3: Decoded = None
    smac: DecodedMac = None
    dmac: DecodedMac = None
    spt: DecodedPort = None
    dpt: DecodedPort = None
    id: Said = Field(default="", validation_alias="externalId")
    category: Said = Field(default="", validation_alias="cat")
    act: Said = ""
    msg: Said = ""
    proto: Said = ""
    dvchost: Said = ""
    dvc: Said = ""


class _Event(BaseModel):
    vendor: Said
    product: Said
    class_id: Said
    name: Signature
    severity: Said
    extension: _Extension


def split(body: bytes) -> list[RawEvent]:
    """One event a line; or JSON whose objects carry the line as `message`, as log shippers send it. Raises InvalidInput for an empty body
    and for too many lines."""
    text = body.decode("utf-8", "replace").removeprefix("\ufeff").strip("\0 \r\n\t")
    if text.startswith(("{", "[")):
        return split_body(body)
    lines = [line for one in text.split("\n") if (line := one.strip("\0 \r\t"))]
    return [RawEvent(storable(line), {"message": line}) for line in limited(lines)]


def parse(raw: Mapping[str, Any], received_at: float) -> Alert:
    """The alert in `raw["message"]`. Raises NotAnAlert for one that names no address, InvalidInput for what is not CEF, and where the
    reason is a field, for that."""
    line = raw.get("message")
    if not isinstance(line, str) or len(line) > _LONGEST_LINE:
        raise InvalidInput(f"cef: message: a line of at most {_LONGEST_LINE} characters")
    start = _HEADER.search(line)
    if start is None:
        raise InvalidInput("cef: message: no `CEF:0|` in the line")
    frame, payload = _frame(line[: start.start()]), line[start.end() :]
    header, extension = _taken_apart(payload)
    event = read_event({**header, "extension": extension}, _Event, SOURCE)
    said = event.extension
    src, dst = _usable(said.src or said.c6a2), _usable(said.dst or said.c6a3)
    if src is None and dst is None and said.smac is None and said.dmac is None:
        raise NotAnAlert("cef: neither src nor dst, smac nor dmac: it is about no address")
    when = _when(extension, frame, received_at)
    sensor = said.dvchost or said.dvc or frame.host
    named = {
        "cat": said.category,
        "act": said.act,
        "proto": said.proto,
        "device": f"{event.vendor} {event.product}",
        "sensor": sensor,
    }
    own = said.id or digest({"said": payload, "at": "" if when.doubt == UNSAID_TIME else when.at})
    return Alert(
        source=SOURCE,
        key="/".join((event.vendor, event.product, event.class_id, sensor, own)),
        observed_at=when.at,
        received_at=received_at,
        signature=event.name,
        signature_id=event.class_id or None,
        severity=_severity(event.severity),
        src=End(src, said.smac, said.spt),
        dst=End(dst, said.dmac, said.dpt),
        category=said.category,
        text=sentence((said.msg,), named),
        time_doubt=when.doubt,
    )


def _usable(address: Address | None) -> Address | None:
    return address if address is not None and of_one_device(address) else None


def _severity(said: str) -> int:
    if said.isascii() and said.isdecimal() and len(said) <= 2:
        return next((ours for ours, least in _LEAST_OF.items() if int(said) >= least), UNSAID_SEVERITY)
    return _SEVERITY_WORDS.get(said.lower(), UNSAID_SEVERITY)


# --- the line -----------------------------------------------------------------------------------------------------------


def _taken_apart(payload: str) -> tuple[dict[str, str], dict[str, str]]:
    """The header's parts after the version, by name, and the extension's. Raises InvalidInput."""
    parts, rest = list[str](), payload
    for name in _PARTS:
        part, found, rest = _until_bar(rest)
        if not found and name != "severity":
            raise InvalidInput(f"cef: the header ends before its {name}: it has seven parts, between bars")
        parts.append(part)
    return dict(zip(_PARTS, parts, strict=True)), _extension(rest)


def _until_bar(text: str) -> tuple[str, bool, str]:
    """The part before the next bar that is not escaped, unescaped; whether there was one; and what follows."""
    part = list[str]()
    at = 0
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text):
            part.append(text[at + 1])
            at += 2
        elif text[at] == "|":
            return "".join(part).strip(), True, text[at + 1 :]
        else:
            part.append(text[at])
            at += 1
    return "".join(part).strip(), False, ""


def _extension(text: str) -> dict[str, str]:
    """Each key's value: all up to the next key. Raises InvalidInput for one of `_ONCE` that stands twice."""
    keys = list(_KEY.finditer(text))
    said: dict[str, str] = {}
    for n, key in enumerate(keys):
        end = keys[n + 1].start() if n + 1 < len(keys) else len(text)
        name = key.group(1)
        if name in said and name in _ONCE:
            raise InvalidInput(
                f"cef: {name}: it stands twice, and one of the two may be somebody else's words in another field"
            )
        said[name] = _unescaped(text[key.end() : end].strip())[:LONGEST_TEXT]
    return said


def _unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: _UNESCAPED.get(found.group(1), found.group(1)), value)


def _frame(before: str) -> _Frame:
    for shape in (_FRAME_5424, _FRAME_3164):
        if found := shape.match(before):
            return _Frame(found["time"], "" if found["host"] == "-" else storable(found["host"], 255))
    return _Frame()


# --- when -----------------------------------------------------------------------------------------------------------------


def _when(extension: Mapping[str, str], frame: _Frame, received_at: float) -> When:
    """When it ended, else when the device took note, else when it began, else what syslog says. Raises InvalidInput that names the
    field."""
    for name in ("end", "rt", "start"):
        if said := extension.get(name, ""):
            try:
                return _moment(said, received_at)
            except ValueError as error:
                raise InvalidInput(neutralize(f"cef: {name}: {error}")) from error
    if frame.time not in ("", "-"):
        try:
            return _moment(frame.time, received_at)
        except ValueError as error:
            raise InvalidInput(neutralize(f"cef: the syslog frame's time: {error}")) from error
    return When(received_at, UNSAID_TIME)


def _moment(said: str, near: float) -> When:
    """Milliseconds since the epoch, ISO 8601, or `Jan 31 [2026] 12:00:00[.250] [UTC]`. Raises ValueError."""
    if said.isascii() and said.isdecimal() and len(said) <= 16:
        return epoch_moment(int(said), 1000)
    found = _DATE.fullmatch(said)
    if found is None:
        return iso_moment(said)
    month = _MONTHS.get(found["month"].lower())
    if month is None:
        raise ValueError(f"no month {found['month']!r}")
    offset = _offset(found["zone"])
    years = [int(found["year"])] if found["year"] else [datetime.fromtimestamp(near, UTC).year + n for n in (-1, 0, 1)]
    time = f"{found['hour']}:{found['minute']}:{found['second']}.{found['fraction'] or '0'}"
    clock = f"{month:02}-{int(found['day']):02}T{time}{offset or '+00:00'}"
    read = [when for year in years if (when := _dated(year, clock)) is not None]
    if not read:
        raise ValueError(f"not a date: {said[:40]!r}")
    nearest = min(read, key=lambda when: abs(when.at - near))
    return When(nearest.at, "" if offset else NO_OFFSET)


def _dated(year: int, clock: str) -> When | None:
    """None on the 29th of a February that had none."""
    try:
        return iso_moment(f"{year:04}-{clock}")
    except ValueError:
        return None


def _offset(zone: str | None) -> str | None:
    """None for a zone that is not said, or by letters that several zones have (CST, IST)."""
    if zone in _UTC:
        return "+00:00"
    return zone if zone is not None and zone[0] in "+-" else None
