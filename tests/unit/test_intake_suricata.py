"""Suricata's EVE records become alerts, and nothing but alerts or InvalidInput comes of anything else.

The records in suricata_eve.jsonl are shaped as the EVE JSON format's documentation shows them (docs.suricata.io, Output
> EVE: "Eve JSON Format" and "Eve JSON Output"): common section, event types alert, flow and stats; `ethernet: yes`,
`community-id: yes`; `flow` with its own ends and `direction` since Suricata 7. Signatures 2018358 and 2001569 are ones
that Emerging Threats publishes.
"""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.errors import InvalidInput
from controller.intake import NotAnAlert, suricata
from controller.model import Alert, End

NOW = 1_800_000_000.0
_RECORDS = (Path(__file__).parent / "suricata_eve.jsonl").read_text().splitlines()
ALERT, SCAN, ICMPV6, FLOW, STATS = (json.loads(line) for line in _RECORDS)


def without(record: dict[str, Any], *path: str) -> dict[str, Any]:
    changed = copy.deepcopy(record)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    del parent[path[-1]]
    return changed


def changed(record: dict[str, Any], value: object, *path: str) -> dict[str, Any]:
    copied = copy.deepcopy(record)
    parent = copied
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return copied


def test_documented_alert() -> None:
    alert = suricata.parse(ALERT, NOW)
    assert alert.source == "suricata"
    assert alert.src == End(ip_address("192.168.2.14"), None, 50096)
    assert alert.dst == End(ip_address("209.53.113.5"), None, 80)
    assert datetime.fromtimestamp(alert.observed_at, UTC).isoformat() == "2017-04-07T21:24:37.251547+00:00"
    assert alert.received_at == NOW
    assert alert.signature == "ET HUNTING GENERIC SUSPICIOUS POST to Dotted Quad with Fake Browser 1"
    assert (alert.signature_id, alert.severity, alert.category) == ("2018358", 4, "Potentially Bad Traffic")
    assert "1:2018358:10" in alert.text


def test_macs_interface_and_community_id_are_kept() -> None:
    alert = suricata.parse(SCAN, NOW)
    assert alert.src.mac == "02:00:00:00:00:42"
    assert alert.dst.mac == "02:00:00:00:00:05"
    assert "interface eth0" in alert.text
    assert "community id 1:LQU9qZlK+B5F3KDmev6m5PMibrg=" in alert.text


def test_ipv6_without_ports_or_flow() -> None:
    alert = suricata.parse(ICMPV6, NOW)
    assert alert.src == End(ip_address("2001:db8::66"))
    assert alert.key.startswith("sha256:")


@pytest.mark.parametrize(("theirs", "ours"), [(1, 5), (2, 4), (3, 3), (4, 2), (5, 1), (255, 1)])
def test_severity_is_turned_round(theirs: int, ours: int) -> None:
    assert suricata.parse(changed(SCAN, theirs, "alert", "severity"), NOW).severity == ours


def test_ends_stay_the_packets_own() -> None:
    """A signature that fires on the server's answer names the server as source: policy knows, intake does not turn
    it."""
    answer = changed(SCAN, "to_client", "direction")
    answer["src_ip"], answer["dest_ip"] = answer["dest_ip"], answer["src_ip"]
    alert = suricata.parse(answer, NOW)
    assert alert.src.ip == ip_address("10.0.0.5")
    assert "direction to_client" in alert.text
    assert "flow from 10.0.0.66" in alert.text


def test_the_same_event_has_the_same_key_and_another_has_another() -> None:
    key = suricata.parse(SCAN, NOW).key
    assert suricata.parse(copy.deepcopy(SCAN), NOW + 60).key == key
    for other in (
        changed(SCAN, "2026-01-31T12:00:00.123457+0000", "timestamp"),
        changed(SCAN, 1, "alert", "signature_id"),
        changed(SCAN, 2, "alert", "gid"),
        changed(SCAN, 1, "flow_id"),
        changed(SCAN, "sensor-2", "host"),
    ):
        assert suricata.parse(other, NOW).key != key
    bare = without(SCAN, "flow_id")
    assert suricata.parse(bare, NOW).key == suricata.parse(copy.deepcopy(bare), NOW).key != key


@pytest.mark.parametrize("record", [FLOW, STATS])
def test_other_event_types_are_not_alerts(record: dict[str, Any]) -> None:
    with pytest.raises(NotAnAlert, match="is not an alert"):
        suricata.parse(record, NOW)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "no event_type"),
        (changed(SCAN, 7, "event_type"), "no event_type"),
        (without(SCAN, "timestamp"), "timestamp: is missing"),
        (changed(SCAN, "2026-01-31T12:00:00", "timestamp"), "no offset"),
        (changed(SCAN, "yesterday", "timestamp"), "not an ISO 8601 time"),
        (changed(SCAN, 1234567890, "timestamp"), "a time is a string"),
        (changed(SCAN, "0001-01-01T00:00:00+1400", "timestamp"), "not a time"),
        (without(SCAN, "alert"), "alert: is missing"),
        (without(SCAN, "alert", "signature"), "alert.signature: is missing"),
        (changed(SCAN, "", "alert", "signature"), "alert.signature"),
        (changed(SCAN, "10.0.0.300", "src_ip"), "src_ip"),
        (changed(SCAN, "fe80::1%eth0", "src_ip"), "zone"),
        (changed(SCAN, 167772161, "src_ip"), "src_ip: an address is a string"),
        (changed(SCAN, 70000, "src_port"), "src_port"),
        (changed(SCAN, "02:00:00:00:00", "ether", "src_mac"), "ether.src_mac"),
        (without(without(ICMPV6, "src_ip"), "dest_ip"), "nobody to look for"),
    ],
)
def test_what_cannot_be_read_says_why(record: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        suricata.parse(record, NOW)
    assert not isinstance(caught.value, NotAnAlert)


def test_a_long_text_is_cut_and_not_a_way_to_hide() -> None:
    alert = suricata.parse(changed(SCAN, "A" * 100_000 + "\0", "alert", "signature"), NOW)
    assert alert.signature == "A" * 500


def test_one_end_is_enough() -> None:
    alert = suricata.parse(without(ICMPV6, "dest_ip"), NOW)
    assert alert.dst == End()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=12,
)
PATHS: list[tuple[str, ...]] = [
    ("timestamp",),
    ("flow_id",),
    ("event_type",),
    ("src_ip",),
    ("src_port",),
    ("dest_ip",),
    ("ether",),
    ("alert",),
    ("flow",),
]
PATHS += [("alert", key) for key in ("signature", "signature_id", "gid", "rev", "severity", "category", "action")]
PATHS += [("ether", "src_mac"), ("flow", "src_ip")]


def alert_or_reason(raw: dict[str, Any]) -> Alert | InvalidInput:
    try:
        return suricata.parse(raw, NOW)
    except InvalidInput as error:
        return error


@given(st.sampled_from(PATHS), JSON)
def test_any_value_anywhere_gives_an_alert_or_a_reason(path: tuple[str, ...], value: object) -> None:
    record = changed({**SCAN, "event_type": "alert"}, value, *path)
    result = alert_or_reason(record)
    if isinstance(result, Alert):
        f"{result.signature}{result.category}{result.text}{result.key}".encode()
    else:
        assert str(result).isprintable()


@given(st.dictionaries(st.text(max_size=12), JSON, max_size=5))
def test_any_object_gives_an_alert_or_a_reason(record: dict[str, Any]) -> None:
    for candidate in (record, {**record, "event_type": "alert"}):
        with pytest.raises(InvalidInput):
            suricata.parse(candidate, NOW)
