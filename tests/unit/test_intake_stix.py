"""STIX bundles: what was seen, what is only said to be bad, and patterns. What the samples are: intake_samples/README.md."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.errors import InvalidInput
from controller.intake import SOURCES, NotAnAlert
from controller.model import Alert
from tests.unit.intake_feed import FOLDER, NOW, alerts

BUNDLE = (FOLDER / "stix.json").read_bytes()
OBJECTS: list[dict[str, Any]] = json.loads(BUNDLE)["objects"]
READ = alerts("stix", BUNDLE)
INDICATOR = next(one for one in OBJECTS if one["type"] == "indicator")


def of(kind: str) -> list[Alert]:
    return [alert for alert in READ if alert.key.startswith(kind)]


def named(alert: Alert) -> str:
    return str(alert.src.ip or alert.src.mac)


def pattern(text: str) -> list[str]:
    return [named(alert) for alert in SOURCES["stix"].read(INDICATOR | {"pattern": text}, NOW)]


def test_a_sighting_is_seen_when_it_says() -> None:
    (alert,) = of("sighting")
    assert named(alert) == "10.0.0.66"
    assert str(alert.dst.ip) == "10.0.0.5"
    assert datetime.fromtimestamp(alert.observed_at, UTC).isoformat() == "2026-01-31T12:00:00+00:00"
    assert (alert.time_doubt, alert.confidence, alert.techniques) == ("", 0.85, ("T1021.002",))
    assert (alert.signature, alert.category) == ("IP Address for known C2 channel", "malicious-activity")
    assert alert.signature_id == INDICATOR["id"]


def test_observed_data_is_seen_and_each_address_an_alert() -> None:
    assert [named(alert) for alert in of("observed-data")] == ["2001:db8::66", "02:00:00:00:00:42"]
    assert not any(alert.time_doubt for alert in of("observed-data"))


def test_an_indicator_and_a_lone_address_are_doubted() -> None:
    assert [named(alert) for alert in of("indicator")] == [
        "10.0.0.67",
        "10.0.0.68",
        "2001:db8::67",
        "02:00:00:00:00:69",
    ]
    assert [named(alert) for alert in of("mac-addr")] == ["02:00:00:00:00:67"]
    assert all("not when it was seen" in alert.time_doubt for alert in (*of("indicator"), *of("mac-addr")))


def test_nothing_is_told_twice() -> None:
    assert not of("ipv4-addr")
    assert len(READ) == 8
    assert len({alert.key for alert in READ}) == 8


def test_a_new_version_is_a_new_alert() -> None:
    newer = INDICATOR | {"modified": "2026-02-01T00:00:00Z"}
    assert SOURCES["stix"].read(newer, NOW)[0].key != SOURCES["stix"].read(INDICATOR, NOW)[0].key


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("[ipv4-addr:value = '10.0.0.66/32']", ["10.0.0.66"]),
        ("[ ipv4-addr:value='10.0.0.66' OR file:name = '10.0.0.1' ]", ["10.0.0.66"]),
        (
            "[network-traffic:dst_ref.value = '10.0.0.66' OR network-traffic:src_ref.value = '2001:db8::1']",
            ["10.0.0.66", "2001:db8::1"],
        ),
        ("([mac-addr:value IN ('02:00:00:00:00:42','02:00:00:00:00:43')])", ["02:00:00:00:00:42", "02:00:00:00:00:43"]),
        ("[ipv4-addr:value = '10.0.0.66'] START t'2026-01-01T00:00:00Z' STOP t'2026-02-01T00:00:00Z'", ["10.0.0.66"]),
    ],
)
def test_simple_patterns(text: str, addresses: list[str]) -> None:
    assert pattern(text) == addresses


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[ipv4-addr:value = '10.0.0.66' AND network-traffic:dst_port = 445]", "pattern: only comparisons"),
        ("[ipv4-addr:value LIKE '10.0.0.%']", "pattern: only comparisons"),
        ("[ipv4-addr:value != '10.0.0.66']", "pattern: only comparisons"),
        ("[ipv4-addr:value = '10.0.0.0/24']", "pattern: '10.0.0.0/24' is a range"),
        ("[ipv4-addr:value ISSUBSET '10.0.0.0/24']", "pattern: '10.0.0.0/24' is a range"),
        ("[ipv4-addr:value = 'ten']", "pattern: "),
        ("[ipv4-addr:value = '10.0.0.66", "pattern: not a STIX pattern"),
    ],
)
def test_what_a_pattern_asks_beyond_that_says_so(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=f"stix: {reason}") as caught:
        pattern(text)
    assert not isinstance(caught.value, NotAnAlert)


@pytest.mark.parametrize(
    "change",
    [
        {"revoked": True},
        {"valid_until": "2026-02-01T00:00:00Z"},
        {"pattern": "[file:name = 'x']"},
        {"pattern_type": "sigma"},
        {"type": "malware"},
    ],
)
def test_what_accuses_no_address_now(change: dict[str, Any]) -> None:
    with pytest.raises(NotAnAlert):
        SOURCES["stix"].read(INDICATOR | change, NOW)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (INDICATOR | {"id": None}, "id: "),
        (INDICATOR | {"confidence": 101}, "confidence: "),
        (INDICATOR | {"valid_from": "x"}, "valid_from: "),
        ({"type": "ipv4-addr", "id": "x", "value": "ten"}, "value: "),
    ],
)
def test_what_cannot_be_read_says_which_field(event: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=f"stix: {reason}"):
        SOURCES["stix"].read(event, NOW)


def test_a_bundle_that_accuses_nobody_is_one_event_and_no_alert() -> None:
    (event,) = SOURCES["stix"].split(json.dumps({"type": "bundle", "objects": [OBJECTS[0]]}).encode())
    with pytest.raises(NotAnAlert):
        SOURCES["stix"].read(event.fields or {}, NOW)


def test_observed_data_of_stix_2_0_has_its_objects_inside() -> None:
    old = {"type": "observed-data", "id": "observed-data--1", "last_observed": "2026-01-31T12:00:00Z"}
    old["objects"] = {"0": {"type": "ipv4-addr", "value": "10.0.0.66"}, "1": {"type": "file", "name": "x"}}  # type: ignore[assignment]
    assert [named(alert) for alert in SOURCES["stix"].read(old, NOW)] == ["10.0.0.66"]


def bundle(*objects: dict[str, Any]) -> bytes:
    return json.dumps({"type": "bundle", "objects": objects}).encode()


def test_objects_that_refer_to_each_other_or_themselves_are_not_lost() -> None:
    data = {"type": "observed-data", "last_observed": "2026-01-31T12:00:00Z"}
    one = data | {"id": "observed-data--1", "object_refs": ["observed-data--2", "ipv4-addr--1"]}
    two = data | {"id": "observed-data--2", "object_refs": ["observed-data--1", "observed-data--2", "ipv4-addr--1"]}
    address = {"type": "ipv4-addr", "id": "ipv4-addr--1", "value": "10.0.0.66", "resolves_to_refs": ["ipv4-addr--1"]}
    assert [named(alert) for alert in alerts("stix", bundle(one, two, address))] == ["10.0.0.66", "10.0.0.66"]
    assert [named(alert) for alert in alerts("stix", bundle(address))] == ["10.0.0.66"]


def test_a_sighting_of_what_is_not_in_the_bundle_waits_as_a_dead_letter() -> None:
    sighting = {
        "type": "sighting",
        "id": "sighting--1",
        "last_seen": "2026-01-31T12:00:00Z",
        "sighting_of_ref": "indicator--9",
    }
    with pytest.raises(InvalidInput, match="indicator--9 is not in the bundle"):
        alerts("stix", bundle(sighting))
    with pytest.raises(NotAnAlert):
        SOURCES["stix"].read(sighting | {"sighting_of_ref": "malware--9"}, NOW)


def test_a_bundle_is_cut_in_one_pass() -> None:
    """Ten thousand objects, each referring to the next: not ten thousand times ten thousand."""
    chain = [
        {
            "type": "ipv4-addr",
            "id": f"ipv4-addr--{n}",
            "value": "10.0.0.66",
            "resolves_to_refs": [f"ipv4-addr--{n + 1}"],
        }
        for n in range(9_000)
    ]
    assert len(SOURCES["stix"].split(bundle(*chain))) == 9_000
