"""Zeek's notices, as JSON and as the tab-separated file, are the same alerts. What the samples are: intake_samples/README.md."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest

from controller.errors import InvalidInput
from controller.intake import SOURCES, NotAnAlert
from controller.model import End
from tests.unit.intake_feed import FOLDER, alerts, events, one

TABLE = (FOLDER / "zeek.log").read_text()
LINES = (FOLDER / "zeek.jsonl").read_text()
SCAN = events("zeek")[0]
CERTIFICATE: dict[str, Any] = {
    "ts": 1617097929.601155,
    "uid": "CmvrSS1wIiuOGYCbfi",
    "id.orig_h": "10.0.0.66",
    "id.orig_p": 48818,
    "id.resp_h": "192.0.2.156",
    "id.resp_p": 443,
    "note": "SSL::Invalid_Server_Cert",
    "msg": "SSL certificate validation failed",
}


def test_a_table_is_read_by_its_header() -> None:
    scan, certificate, signature = alerts("zeek", TABLE)
    assert scan.src == End(ip_address("10.0.0.66"))
    assert scan.dst == End(ip_address("10.0.0.5"))
    assert datetime.fromtimestamp(scan.observed_at, UTC).isoformat() == "2026-01-31T12:00:00.123456+00:00"
    assert (scan.signature, scan.category, scan.severity, scan.time_doubt) == ("Scan::Port_Scan", "Scan", 3, "")
    assert "scanned at least 15 unique ports" in scan.text
    assert "sensor sensor-1" in scan.text
    assert certificate.src == End(ip_address("10.0.0.66"), None, 48818)
    assert certificate.dst == End(ip_address("192.0.2.156"), None, 443)
    assert signature.src == End(ip_address("2001:db8::21"), None, 21), "its src is the connection's responder"
    assert signature.dst == End(ip_address("2001:db8::66"), None, 2217)
    assert "\\x0d\\x0a" in signature.text


def test_both_ways_of_writing_are_one_alert() -> None:
    assert alerts("zeek", LINES)[0] == alerts("zeek", TABLE)[0]


def test_json_in_each_way_of_writing_the_time() -> None:
    times = (1769860800.5, 1769860800500, "2026-01-31T12:00:00.500000Z")
    assert {one("zeek", SCAN | {"ts": ts}).observed_at for ts in times} == {1769860800.5}
    assert one("zeek", SCAN | {"ts": "2026-01-31T12:00:00"}).time_doubt


def test_ends_without_src_and_dst_are_the_connections() -> None:
    alert = one("zeek", CERTIFICATE)
    assert (alert.src, alert.dst) == (
        End(ip_address("10.0.0.66"), None, 48818),
        End(ip_address("192.0.2.156"), None, 443),
    )
    assert one("zeek", SCAN | {"p": 445}).dst.port == 445


@pytest.mark.parametrize(
    "event", [{"_path": "conn", "ts": 1.0}, {"ts": 1769860800.5, "note": "CaptureLoss::Too_Much_Loss"}]
)
def test_other_logs_and_notices_about_no_host_are_not_alerts(event: dict[str, Any]) -> None:
    with pytest.raises(NotAnAlert):
        SOURCES["zeek"].read(event, 0.0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ts": "yesterday"}, "ts: not an ISO 8601 time"),
        ({"ts": -1}, "ts: not a time"),
        ({"ts": None}, "ts: a time is a number"),
        ({"note": ""}, "note: "),
        ({"src": "10.0.0.300"}, "src: "),
        ({"p": 70000}, "p: "),
    ],
)
def test_what_cannot_be_read_says_which_field(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=f"zeek: {reason}"):
        SOURCES["zeek"].read(SCAN | change, 0.0)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("#path\tnotice\n1\t2\n", "before its #fields header"),
        ("#fields\tts\tnote\n1769860800.5\n", "1 values under a #fields header that names 2"),
    ],
)
def test_a_line_that_does_not_fit_its_header_is_a_dead_letter(table: str, reason: str) -> None:
    (event,) = SOURCES["zeek"].split(table.encode())
    assert event.fields is None
    assert reason in event.error


def test_a_table_with_another_separator_and_words_of_its_own() -> None:
    table = "#separator \\x7c\n#unset_field|none\n#path|notice\n#fields|ts|note|src|dst\n1769860800.5|Scan::Port_Scan|10.0.0.66|none\n"
    (alert,) = alerts("zeek", table)
    assert (alert.src.ip, alert.dst.ip) == (ip_address("10.0.0.66"), None)


def test_a_separator_is_one_character_whatever_the_header_says() -> None:
    (event,) = SOURCES["zeek"].split(b"#separator nonsense\n#fieldsnts\n1769860800.5\n")
    assert event.raw.startswith("#separator \\x6e\n")


def test_a_header_alone_is_no_alert_and_says_so() -> None:
    with pytest.raises(InvalidInput, match="no notice after it"):
        SOURCES["zeek"].split(b"#separator \\x09\n#path\tnotice\n")


def test_a_rotated_file_brings_its_new_header() -> None:
    both = TABLE + "#fields\tts\tnote\tsrc\n1769860900.5\tScan::Address_Scan\t10.0.0.67\n"
    assert alerts("zeek", both)[-1].src.ip == ip_address("10.0.0.67")
