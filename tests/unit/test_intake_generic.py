"""Netcordon's own alert format, as docs/alerts.md documents it."""

from __future__ import annotations

import json
import re
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.errors import InvalidInput
from controller.intake import SOURCES, generic
from controller.model import Alert, End
from drivers.rules import parse_mac

NOW = 1_800_000_000.0
DOCS = Path(__file__).parents[2] / "docs" / "alerts.md"
MINIMAL: dict[str, Any] = {
    "observed_at": "2026-01-31T12:00:00Z",
    "signature": "new device that nobody manages",
    "src": {"ip": "10.0.0.66"},
}


def test_the_least_that_makes_an_alert() -> None:
    alert = generic.parse(MINIMAL, NOW)
    assert alert.src == End(ip_address("10.0.0.66"))
    assert alert.dst == End()
    assert (alert.severity, alert.realm, alert.signature_id) == (3, "default", None)
    assert alert.key.startswith("sha256:")


def test_all_fields() -> None:
    alert = generic.parse(
        MINIMAL
        | {
            "id": "hunt-17",
            "dst": {"mac": "0200.0000.0005", "port": 445},
            "signature_id": "SMB-1",
            "severity": 5,
            "category": "lateral movement",
            "text": "copies itself",
            "realm": "site-b",
        },
        NOW,
    )
    assert alert.key == "hunt-17"
    assert alert.dst == End(None, parse_mac("02:00:00:00:00:05"), 445)
    assert (alert.signature_id, alert.severity, alert.category, alert.text, alert.realm) == (
        "SMB-1",
        5,
        "lateral movement",
        "copies itself",
        "site-b",
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"observed_at": "2026-01-31T12:00:00"}, "observed_at: the time has no offset"),
        ({"observed_at": 1700000000}, "observed_at: a time is a string"),
        ({"src": None}, "at least one end"),
        ({"src": {}}, "an end has an ip or a mac"),
        ({"src": {"ip": "10.0.0.0/24"}}, "src.ip"),
        ({"src": {"ip": "10.0.0.1", "hostname": "x"}}, "src.hostname: unknown key"),
        ({"scr": {"ip": "10.0.0.1"}}, "scr: unknown key; did you mean src?"),
        ({"severity": 6}, "severity"),
        ({"severity": "high"}, "severity"),
        ({"signature": "   "}, "signature"),
        ({"id": "a\nb"}, "id: "),
    ],
)
def test_what_cannot_be_read_says_why(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(reason)):
        generic.parse(MINIMAL | change, NOW)


def test_documented_examples_are_alerts() -> None:
    blocks = re.findall(r"```json\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        event = json.loads(block)
        (alert,) = SOURCES["suricata" if "event_type" in event else "generic"].read(event, NOW)
        assert alert.source in SOURCES


def test_documented_fields_are_the_models() -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", DOCS.read_text(), re.MULTILINE))
    assert set(generic.GenericAlert.model_fields) | set(generic.GenericEnd.model_fields) <= documented


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=12,
)


def alert_or_reason(raw: dict[str, Any]) -> Alert | InvalidInput:
    try:
        return generic.parse(raw, NOW)
    except InvalidInput as error:
        return error


@given(st.sampled_from(sorted(generic.GenericAlert.model_fields)), JSON)
def test_any_value_anywhere_gives_an_alert_or_a_reason(field: str, value: object) -> None:
    result = alert_or_reason(MINIMAL | {field: value})
    if isinstance(result, Alert):
        f"{result.signature}{result.category}{result.text}{result.key}".encode()
    else:
        assert str(result).isprintable()
