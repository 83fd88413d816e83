"""Zeek's notice log, as JSON lines or as the tab-separated file with its `#fields` header.

The fields are those of the record Notice::Info: https://docs.zeek.org/en/master/scripts/base/frameworks/notice/main.zeek.html; the two ways
of writing are those of the ASCII writer: https://docs.zeek.org/en/master/log-formats.html. Zeek gives a notice no severity. `src` and `dst`
are the notice's own; where it has none, they are the connection's originator and responder. What `msg` and `sub` escape stays escaped.

Samples after elastic/integrations, packages/zeek/data_stream/notice/_dev/test/pipeline/test-notice.log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from controller.conversations import Conversation, protocol_number
from controller.errors import InvalidInput
from controller.intake.body import RawEvent, limited, split_body
from controller.intake.event import (
    UNSAID_SEVERITY,
    AddressField,
    L4Port,
    NotAnAlert,
    Signature,
    Text,
    aware_time,
    one_address,
    read_event,
    sentence,
)
from controller.intake.moments import When, epoch_moment, iso_moment
from controller.model import Address, Alert, End
from controller.neutralize import neutralize, storable

SOURCE = "zeek"
_LOGS = ("notice", "notice_alarm")
_MILLISECONDS_FROM = 1e11
_PORTS = frozenset({"id.orig_p", "id.resp_p", "p"})


def _moment(value: object) -> When:
    """As LogAscii::json_timestamps has it: seconds (the default), milliseconds, or ISO 8601. A number of seconds from 1e11 on would be
    beyond the year 5000."""
    if isinstance(value, str):
        return iso_moment(value)
    in_milliseconds = isinstance(value, int | float) and abs(value) >= _MILLISECONDS_FROM
    return epoch_moment(value, 1000 if in_milliseconds else 1)


class _Notice(BaseModel):
    ts: Annotated[When, BeforeValidator(_moment)]
    note: Signature
    uid: Text = ""
    orig_h: AddressField | None = Field(default=None, validation_alias="id.orig_h")
    orig_p: L4Port | None = Field(default=None, validation_alias="id.orig_p")
    resp_h: AddressField | None = Field(default=None, validation_alias="id.resp_h")
    resp_p: L4Port | None = Field(default=None, validation_alias="id.resp_p")
    proto: Text = ""
    msg: Text = ""
    sub: Text = ""
    src: AddressField | None = None
    dst: AddressField | None = None
    p: L4Port | None = None
    peer_descr: Text = ""
    fuid: Text = ""


def parse(raw: Mapping[str, Any], received_at: float) -> Alert:
    """The alert that a notice is. Raises NotAnAlert for Zeek's other logs and for a notice about no host (as of Zeek's own capture loss),
    InvalidInput for what is no notice."""
    log = raw.get("_path", "notice")
    if log not in _LOGS:
        told = connection(raw) if log == "conn" else None
        raise NotAnAlert(f"zeek: log {neutralize(str(log), 40)!r} is not the notice log", told)
    event = read_event(raw, _Notice, SOURCE)
    src, dst = event.src or event.orig_h, event.dst or event.resp_h
    if src is None and dst is None:
        raise NotAnAlert(f"zeek: {neutralize(event.note, 80)} names no host")
    return Alert(
        source=SOURCE,
        key=_key(event),
        observed_at=event.ts.at,
        received_at=received_at,
        signature=event.note,
        signature_id=None,
        severity=UNSAID_SEVERITY,
        src=End(src, None, _port(event, src)),
        dst=End(dst, None, _port(event, dst) or event.p),
        category=event.note.partition("::")[0],
        text=_text(event),
        time_doubt=event.ts.doubt,
    )


def connection(raw: Mapping[str, Any]) -> Conversation | None:
    """What a line of the connection log tells, JSON or tab-separated
    (https://docs.zeek.org/en/master/logs/conn.html). None where it says too little."""
    try:
        client, server = one_address(raw["id.orig_h"]), one_address(raw["id.resp_h"])
        protocol, port = protocol_number(str(raw["proto"])), int(raw["id.resp_p"])
        at = _when(raw["ts"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if protocol is None or not 0 <= port <= 65535:
        return None
    ports = port if protocol in (6, 17) else None
    return Conversation(client, server, protocol, ports, at, SOURCE)


def _when(written: object) -> float:
    """As seconds, or as ISO 8601 (json_timestamps). Raises ValueError."""
    if isinstance(written, str) and "T" in written:
        return aware_time(written)
    at = float(str(written))
    if not 0 < at < _MILLISECONDS_FROM:
        raise ValueError("not seconds since the epoch")
    return at


def _port(event: _Notice, end: Address | None) -> int | None:
    """The notice's `src` may be the connection's responder."""
    return event.orig_p if end == event.orig_h else event.resp_p if end == event.resp_h else None


def _key(event: _Notice) -> str:
    """A notice has no id; the same one, in JSON or in the table, has the same of these."""
    parts = (event.peer_descr, f"{event.ts.at:.6f}", event.note, event.uid, event.src, event.dst, event.p, event.sub)
    return "/".join("-" if part in (None, "") else str(part) for part in parts)


def _text(event: _Notice) -> str:
    named = {"proto": event.proto, "sensor": event.peer_descr, "uid": event.uid, "file": event.fuid}
    return sentence((event.msg, event.sub), named)


# --- the tab-separated file -------------------------------------------------------------------------------------------


class _Header:
    """What the lines that begin with # have said so far. A file that was rotated in the middle says it anew."""

    def __init__(self) -> None:
        self.separator, self.unset, self.empty, self.path = "\t", "-", "(empty)", "notice"
        self.fields: list[str] = []

    def take(self, line: str) -> None:
        if line.startswith("#separator "):
            self.separator = _unescaped(line.removeprefix("#separator ").strip())[:1] or "\t"
            return
        name, _, value = line.removeprefix("#").partition(self.separator)
        if name == "fields":
            self.fields = value.split(self.separator)
        elif name == "path":
            self.path = value
        elif name == "unset_field":
            self.unset = value
        elif name == "empty_field":
            self.empty = value

    def over(self, line: str) -> str:
        """The line as a table of its own, so that what is kept of it can be read again."""
        said = {"unset_field": self.unset, "empty_field": self.empty, "path": self.path}
        lines = [
            f"#separator \\x{ord(self.separator):02x}",
            *(f"#{name}{self.separator}{value}" for name, value in said.items()),
        ]
        fields = self.separator.join(["#fields", *self.fields])
        return storable("\n".join([*lines, fields, line] if self.fields else [*lines, line]))


def heading(so_far: bytes, line: bytes) -> bytes | None:
    """What stands over the lines behind `line`: a file that is read in parts has it over each. None: it is a notice."""
    if not line.startswith(b"#"):
        return None
    return line if line.startswith(b"#separator ") else so_far + line


def split(body: bytes) -> list[RawEvent]:
    """The notices in `body`: JSON as any source's, or the table, which begins with its header. Raises InvalidInput as `split_body` does."""
    text = body.decode("utf-8", "replace").removeprefix("\ufeff")
    if not text.lstrip().startswith("#"):
        return split_body(body)
    header, events = _Header(), []
    for line in text.split("\n"):
        line = line.rstrip("\r")
        if line.startswith("#"):
            header.take(line)
        elif line.strip():
            events.append(_row(line, header))
    if not events:
        raise InvalidInput("zeek: there is a header and no notice after it")
    return limited(events)


def _row(line: str, header: _Header) -> RawEvent:
    if not header.fields:
        return RawEvent(header.over(line), None, "zeek: a line of a table before its #fields header")
    values = line.split(header.separator)
    if len(values) != len(header.fields):
        problem = f"zeek: {len(values)} values under a #fields header that names {len(header.fields)}"
        return RawEvent(header.over(line), None, problem)
    said = {name: value for name, value in zip(header.fields, values, strict=True) if value != header.unset}
    fields: dict[str, Any] = {"_path": header.path}
    for name, value in said.items():
        fields[name] = _typed(name, "" if value == header.empty else value)
    return RawEvent(header.over(line), fields)


def _typed(name: str, value: str) -> Any:
    """As JSON has it. What is no number stays text, for the field to complain of."""
    try:
        if name == "ts":
            return json.loads(value)
        return int(value) if name in _PORTS else value
    except ValueError:
        return value


def _unescaped(text: str) -> str:
    """\\x09 is a tab: the one way in which a header writes its separator."""
    if text.startswith("\\x"):
        try:
            return chr(int(text[2:4], 16)).strip("\n\r#")
        except ValueError:
            return ""
    return text
