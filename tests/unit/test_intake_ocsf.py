"""OCSF's findings: the sender, to whom it was done, and what is no alert. What the samples are: intake_samples/README.md."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest

from controller.errors import InvalidInput
from controller.intake import SOURCES, NotAnAlert
from controller.model import Alert, End
from drivers.rules import parse_mac
from tests.unit.intake_feed import NOW, events, one

SMB, LOGIN, BEACON, HOST, API, IN_SECONDS, OLDER = events("ocsf")
ROGUE = parse_mac("02:00:00:00:00:42")


def endpoint(**said: Any) -> dict[str, Any]:
    return {"src_endpoint": said}


def ends(*evidences: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    finding = {key: value for key, value in SMB.items() if key not in ("evidences", "observables")}
    read = SOURCES["ocsf"].read(finding | {"evidences": list(evidences)} | more, NOW)
    return [(str(alert.src.ip or alert.src.mac), str(alert.dst.ip or alert.dst.mac)) for alert in read]


def test_a_finding_with_evidence() -> None:
    alert = one("ocsf", SMB)
    assert alert.src == End(ip_address("10.0.0.66"), ROGUE, 40312)
    assert alert.dst == End(), "it reached several"
    assert datetime.fromtimestamp(alert.observed_at, UTC).isoformat() == "2026-01-31T12:00:09+00:00"
    assert (alert.signature, alert.signature_id, alert.severity) == ("SMB connections to many hosts", "smb-fanout", 4)
    assert (alert.confidence, alert.techniques) == (0.9, ("T1021", "T1021.002"))
    assert alert.key == "Example NDR/finding-0001/10.0.0.66"
    assert "A host connects" in alert.text


def test_each_sender_is_an_alert_of_its_own() -> None:
    first, second = SOURCES["ocsf"].read(LOGIN, NOW)
    assert (first.src.ip, first.dst) == (ip_address("10.0.0.66"), End())
    assert (second.src.ip, second.dst) == (ip_address("2001:db8::67"), End(ip_address("2001:db8::5"), None, 22))
    assert first.severity == 3


def test_an_address_at_two_macs_is_two_senders_and_one_mac_is_the_addresss_everywhere() -> None:
    first, other, bare = (
        {"ip": "10.0.0.66"} | ({"mac": mac} if mac else {}) for mac in (str(ROGUE), "02:00:00:00:00:43", "")
    )

    def read(*senders: dict[str, str]) -> list[Alert]:
        return list(SOURCES["ocsf"].read(SMB | {"evidences": [endpoint(**one) for one in senders]}, NOW))

    assert [alert.src.mac for alert in read(bare, first)] == [ROGUE]
    two = read(first, other, bare)
    assert [alert.src.mac for alert in two] == [ROGUE, parse_mac("02:00:00:00:00:43")]
    assert len({alert.key for alert in two}) == 2


def test_observables_say_which_end_they_are() -> None:
    by_ip, by_mac = SOURCES["ocsf"].read(BEACON, NOW)
    assert (by_ip.src, by_ip.dst) == (End(ip_address("10.0.0.66")), End(ip_address("192.0.2.9")))
    assert by_mac.src == End(mac=ROGUE)


def test_a_finding_about_a_device_has_it_at_dst() -> None:
    alert = one("ocsf", HOST)
    assert (alert.src, alert.dst.ip, alert.dst.mac) == (End(), ip_address("10.0.0.8"), parse_mac("02:00:00:00:00:08"))
    assert alert.confidence == 0.8


def test_who_and_to_whom() -> None:
    assert ends(endpoint(ip="10.0.0.66"), device={"ip": "10.0.0.8"}) == [("10.0.0.66", "10.0.0.8")]
    assert ends(endpoint(ip="127.0.0.1"), {"dst_endpoint": {"ip": "10.0.0.5"}}) == [("None", "10.0.0.5")]
    assert ends(endpoint(mac="02-00-00-00-00-42")) == [("02:00:00:00:00:42", "None")]
    odd = [{"name": "x", "type_id": 2, "value": "no address"}, {"name": "x", "type_id": 2, "value": "10.0.0.66"}]
    assert ends(observables=odd) == [("10.0.0.66", "None")]


def test_the_time_is_the_most_recent_events() -> None:
    at = 1769860800.0
    assert one("ocsf", HOST | {"end_time": int(at * 1000)}).observed_at == at
    info = {"uid": "x", "title": "t", "last_seen_time": int(at * 1000)}
    assert one("ocsf", HOST | {"finding_info": info}).observed_at == at
    made = HOST | {"finding_info": {"uid": "x"}, "time_dt": None, "time": int(at * 1000)}
    assert (one("ocsf", made).observed_at, one("ocsf", made).signature) == (at, "x")
    assert one("ocsf", HOST | {"end_time_dt": "2026-01-31T12:00:00"}).time_doubt


def test_seconds_are_told_from_milliseconds() -> None:
    """As Prowler's and Okta's examples in github.com/ocsf/examples have them."""
    assert one("ocsf", IN_SECONDS).observed_at == 1769860800.0
    only = {key: value for key, value in IN_SECONDS.items() if key != "time_dt"}
    assert one("ocsf", only).observed_at == 1769860800.0
    assert one("ocsf", only | {"time": 1769860800123}).observed_at == 1769860800.123


def test_a_security_finding_of_the_first_version() -> None:
    """Class 2001, as Falco's, QRadar's and Security Hub's examples there: `finding`, and an analytic and a state of the event."""
    alert = one("ocsf", OLDER)
    assert (alert.src.ip, alert.signature, alert.signature_id) == (ip_address("10.0.0.66"), "SMB fan-out", "100079")
    assert (alert.observed_at, alert.severity, alert.confidence) == (1769860801.0, 4, 0.2)
    with pytest.raises(NotAnAlert, match="resolved"):
        SOURCES["ocsf"].read(OLDER | {"state_id": 4}, NOW)
    with pytest.raises(InvalidInput, match=r"finding\.uid|finding_info"):
        SOURCES["ocsf"].read(OLDER | {"finding": {}}, NOW)


@pytest.mark.parametrize(("id", "ours"), [(0, 3), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 5), (99, 3)])
def test_severities(id: int, ours: int) -> None:
    assert one("ocsf", HOST | {"severity_id": id}).severity == ours


@pytest.mark.parametrize(
    "event",
    [API, SMB | {"activity_id": 3}, SMB | {"status_id": 4}, SMB | {"is_alert": False}, SMB | {"class_uid": 4001}, {}],
)
def test_what_is_no_alert(event: dict[str, Any]) -> None:
    with pytest.raises(NotAnAlert):
        SOURCES["ocsf"].read(event, NOW)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"finding_info": {}}, "finding_info.uid: "),
        ({"evidences": [{}, endpoint(ip="ten")]}, "evidences.1.src_endpoint.ip: "),
        ({"end_time": 1723564}, "end_time: not a time"),
        ({"confidence_score": 101}, "confidence_score: "),
        ({"finding_info": {"uid": "x"}, "time": None, "time_dt": None}, "time: is missing"),
    ],
)
def test_what_cannot_be_read_says_which_field(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=f"ocsf: {reason}"):
        SOURCES["ocsf"].read(SMB | change, NOW)
