"""Elastic Security's alerts and those of ECS, however the document is nested. What the samples are: intake_samples/README.md."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest

from controller.errors import InvalidInput
from controller.intake import SOURCES, NotAnAlert
from controller.model import End
from drivers.rules import parse_mac
from tests.unit.intake_feed import NOW, events, one

SMB, HOST, FIELDS, ECS, EVENT = events("elastic")


def changed(**source: Any) -> dict[str, Any]:
    """The first alert's document, with these fields as well."""
    return {"_id": "x", "_source": copy.deepcopy(SMB["_source"]) | source}


def test_an_alert_of_the_index() -> None:
    alert = one("elastic", SMB)
    assert alert.src == End(ip_address("10.0.0.66"), parse_mac("02:00:00:00:00:42"), 40312)
    assert alert.dst == End(ip_address("10.0.0.5"), parse_mac("02:00:00:00:00:05"), 445)
    assert datetime.fromtimestamp(alert.observed_at, UTC).isoformat() == "2026-01-31T12:00:03.376000+00:00"
    assert alert.signature == "SMB (Windows File Sharing) Activity from a new host"
    assert (alert.signature_id, alert.severity) == ("53000028-120c-4e55-a8c0-db092e05aef4", 4)
    assert alert.techniques == ("T1021", "T1021.002")
    assert alert.key == f"{SMB['_id']}/10.0.0.66"


def test_an_alert_about_a_host_has_it_at_dst() -> None:
    alert = one("elastic", HOST)
    assert (alert.src, alert.dst) == (End(), End(ip_address("10.0.0.8")))
    assert alert.severity == 2


def test_fields_of_a_search_and_several_sources() -> None:
    first, second = SOURCES["elastic"].read(FIELDS, NOW)
    assert [str(one.src.ip) for one in (first, second)] == ["10.0.0.66", "10.0.0.67"]
    assert (first.severity, first.techniques, first.dst) == (5, ("T1021", "T1021.002"), End())
    assert first.signature_id == "eb079c62-4481-4d6e-9643-3ca499df7aaa"


def test_an_alert_in_the_common_schema() -> None:
    alert = one("elastic", ECS)
    assert (alert.src, alert.dst) == (End(ip_address("10.0.0.66"), None, 5555), End(ip_address("10.0.0.6"), None, 22))
    assert (alert.signature, alert.signature_id, alert.key) == (
        "ET SCAN Potential SSH Scan",
        "2001219",
        "alert-77/10.0.0.66",
    )
    assert (alert.severity, alert.techniques) == (4, ("T1046",))


def test_nested_and_dotted_are_the_same() -> None:
    dotted = {key: value for key, value in SMB["_source"].items() if key not in ("source", "destination")}
    dotted |= {f"{end}.{key}": value for end in ("source", "destination") for key, value in SMB["_source"][end].items()}
    assert one("elastic", {"_source": dotted}) == one("elastic", SMB)
    nested = {
        "kibana": {"alert": {"rule": {"name": "n"}, "uuid": "u", "severity": "low"}},
        "@timestamp": "2026-01-31T12:00:00Z",
    }
    assert one("elastic", nested | {"client.ip": "10.0.0.66"}).key == "u/10.0.0.66"


@pytest.mark.parametrize(
    ("score", "ours"), [(0, 2), (21, 2), (22, 3), (47, 3), (48, 4), (73, 4), (74, 5), (100, 5), (None, 3)]
)
def test_risk_scores(score: int | None, ours: int) -> None:
    event = copy.deepcopy(ECS)
    event["event"]["risk_score_norm"] = score
    assert one("elastic", event).severity == ours


@pytest.mark.parametrize(
    "event",
    [
        EVENT,
        changed(**{"kibana.alert.workflow_status": "closed"}),
        changed(**{"kibana.alert.building_block_type": "default"}),
        changed(source={}, destination={}),
        changed(source={"ip": "127.0.0.1"}, destination={"ip": "ff02::1"}),
    ],
)
def test_what_is_no_alert(event: dict[str, Any]) -> None:
    with pytest.raises(NotAnAlert):
        SOURCES["elastic"].read(event, NOW)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({}, "neither kibana.alert.rule.name nor rule.name"),
        (changed(source={"ip": "ten"}), r"source.ip.0: "),
        (changed(source={"mac": "x"}), "source.mac: "),
        (changed(**{"@timestamp": "now", "kibana.alert.original_time": None}), "@timestamp: "),
        (changed(**{"kibana.alert.risk_score": 101}), "kibana.alert.risk_score: "),
    ],
)
def test_what_cannot_be_read_says_which_field(event: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=f"elastic: {reason}"):
        SOURCES["elastic"].read(event, NOW)
