"""The samples of each source, and what must hold for whatever comes in: an alert that can be kept, or a reason that can be shown."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from controller.errors import InvalidInput
from controller.intake import NotAnAlert, RawEvent, Source, with_mappings
from controller.intake.event import LONGEST_SIGNATURE, LONGEST_TEXT
from controller.mapping_file import MappingFile
from controller.model import Alert
from controller.store import codec

NOW = 1_800_000_000.0
MAPPING = MappingFile.model_validate(
    {
        "name": "mapped",
        "events": "/findings",
        "when": {"/kind": ["detection"]},
        "fields": {
            "observed_at": "/seen",
            "key": "/id",
            "signature": ["/rule/title", "=a finding"],
            "signature_id": "/rule/id",
            "src.ip": "/attackers/*/address",
            "src.mac": "/attackers/*/mac",
            "src.port": "/sport",
            "dst.ip": ["/target/ip", "/peer"],
            "dst.mac": "/target/mac",
            "dst.port": "/dport",
            "severity": "/score",
            "confidence": "/sure",
            "techniques": "/attack/*/id",
            "category": "/kind",
            "text": "/summary",
        },
        "severity": {"words": {"P1": 5}, "at_least": {"90": 5, "50": 3, "0": 2}},
    }
)
KNOWN: Mapping[str, Source] = with_mappings([MAPPING])
"""The sources, and a mapping among them."""
FOLDER = Path(__file__).parent / "intake_samples"
EVE = Path(__file__).parent / "suricata_eve.jsonl"


def samples(source: str) -> list[bytes]:
    """Each of the source's files, whole."""
    return [path.read_bytes() for path in ([EVE] if source == "suricata" else sorted(FOLDER.glob(f"{source}.*")))]


def events(source: str) -> list[dict[str, Any]]:
    """The events in them."""
    found = [event for body in samples(source) for event in KNOWN[source].split(body)]
    assert not [event.error for event in found if event.error]
    return [dict(event.fields or {}) for event in found]


def alerts(source: str, body: bytes | str, at: float = NOW) -> list[Alert]:
    """All the alerts in `body`, none of which may be unreadable; what is no alert is left out."""
    found: list[Alert] = []
    known = KNOWN[source]
    for event in known.split(body.encode() if isinstance(body, str) else body):
        assert event.fields is not None, event.error
        try:
            found += known.read(event.fields, at)
        except NotAnAlert:
            continue
    return found


def one(source: str, event: dict[str, Any]) -> Alert:
    """The alert that the event is."""
    (alert,) = KNOWN[source].read(event, NOW)
    return alert


def feed(source: Source, fields: dict[str, Any]) -> None:
    """Alerts fit to be kept, or a reason fit to be shown; anything else is a defect."""
    reason, read = "", tuple[Alert, ...]()
    try:
        read = source.read(fields, NOW)
    except InvalidInput as error:
        reason = str(error)
    assert reason.isprintable()
    assert bool(read) != bool(reason)
    assert len({alert.key for alert in read}) == len(read)
    for alert in read:
        fit(alert, source)


def cut(source: Source, body: bytes) -> list[RawEvent]:
    """The body's events, of which there are some; none when it is refused as a whole, with a reason."""
    reason, events = "", list[RawEvent]()
    try:
        events = source.split(body)
    except InvalidInput as error:
        reason = str(error)
    assert reason.isprintable()
    assert bool(events) != bool(reason)
    return events


def fit(alert: Alert, source: Source) -> None:
    assert (alert.source, alert.received_at, alert.id) == (source.name, NOW, "")
    assert alert.key
    assert alert.signature
    assert len(alert.signature) <= LONGEST_SIGNATURE
    assert len(alert.category) <= LONGEST_TEXT
    assert len(alert.text) <= 4 * LONGEST_TEXT
    assert alert.severity in range(1, 6)
    assert math.isfinite(alert.observed_at)
    assert alert.confidence is None or 0 <= alert.confidence <= 1
    for text in (alert.key, alert.signature, alert.signature_id or "", alert.category, alert.text, *alert.techniques):
        assert "\0" not in text
        text.encode()
    assert codec.load_alert("", codec.dump_alert(alert)) == alert
    json.dumps([str(alert.src.ip), alert.src.mac, alert.src.port, alert.dst.port])
