"""CrowdSec's alerts and decisions: who acted, and what a decision does not say. What the samples are: intake_samples/README.md."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from controller.errors import InvalidInput
from controller.intake import SOURCES, NotAnAlert
from controller.model import End
from tests.unit.intake_feed import NOW, events, one

BRUTE, SIX, SINGLE, BAN, LISTED, COUNTRY = events("crowdsec")


def about(scope: str, value: str, *decisions: str) -> dict[str, Any]:
    listed = [{"scope": "Ip", "value": one, "type": "ban", "duration": "4h"} for one in decisions]
    return BRUTE | {"source": {"scope": scope, "value": value}, "decisions": listed}


def test_the_source_is_who_acted() -> None:
    alert = one("crowdsec", BRUTE)
    assert (alert.src, alert.dst) == (End(ip_address("10.0.0.66")), End())
    assert (alert.signature, alert.category, alert.severity) == ("crowdsecurity/ssh-bf", "crowdsecurity", 3)
    assert alert.observed_at == pytest.approx(1769860805.123456)
    assert "decided ban for 3h59m57s" in alert.text
    assert not alert.time_doubt
    assert one("crowdsec", SIX).src.ip == ip_address("2001:db8::66")
    assert one("crowdsec", SINGLE).src.ip == ip_address("10.0.0.67"), "a range of one"


def test_the_notification_and_the_api_tell_of_one_alert() -> None:
    told = {key: value for key, value in BRUTE.items() if key not in ("id", "machine_id", "uuid", "created_at")}
    assert one("crowdsec", told).key == one("crowdsec", BRUTE).key


def test_decisions_may_name_more() -> None:
    read = SOURCES["crowdsec"].read(about("Ip", "10.0.0.66", "10.0.0.67", "10.0.0.66"), NOW)
    assert [str(alert.src.ip) for alert in read] == ["10.0.0.66", "10.0.0.67"]
    assert one("crowdsec", about("Range", "10.0.0.0/24", "10.0.0.67")).src.ip == ip_address("10.0.0.67")


def test_a_decision_alone_does_not_say_when() -> None:
    alert = one("crowdsec", BAN)
    assert alert.src.ip == ip_address("10.0.0.66")
    assert "not when anything was seen" in alert.time_doubt
    assert alert.key == "decision/7/10.0.0.66"


@pytest.mark.parametrize(
    "event",
    [
        LISTED,
        COUNTRY,
        BAN | {"simulated": True},
        BRUTE | {"simulated": True},
        about("username", "root"),
        about("Ip", "127.0.0.1"),
    ],
)
def test_what_is_no_alert(event: dict[str, Any]) -> None:
    with pytest.raises(NotAnAlert):
        SOURCES["crowdsec"].read(event, NOW)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (about("Range", "10.0.0.0/24"), "source.value: '10.0.0.0/24' is a range"),
        (BAN | {"scope": "Range", "value": "10.0.0.0/24"}, "value: '10.0.0.0/24' is a range"),
        (about("Ip", "ten"), "source.value: "),
        (BRUTE | {"stop_at": ""}, "stop_at: "),
        (BRUTE | {"scenario": ""}, "scenario: "),
        ({}, "scenario: "),
    ],
)
def test_what_cannot_be_read_says_which_field(event: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=f"crowdsec: {reason}"):
        SOURCES["crowdsec"].read(event, NOW)
