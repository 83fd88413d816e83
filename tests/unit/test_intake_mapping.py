"""A mapping of the configuration reads any JSON, and says what it did not find."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest

from controller.config import Config
from controller.errors import ConfigError, InvalidInput
from controller.intake import NotAnAlert, Source
from controller.intake.mapping import source_of
from controller.intake.trial import tried
from controller.mapping_file import MappingFile
from controller.model import Alert, Culprit, End
from controller.yaml_source import parse_model
from drivers.rules import parse_mac
from tests.unit.intake_feed import FOLDER, KNOWN, MAPPING, NOW, events

FIRST, SECOND, STATISTICS = events("mapped")
LEAST: dict[str, Any] = {"name": "n", "fields": {"observed_at": "/t", "signature": "=s", "src.ip": "/ip"}}
EVENT: dict[str, Any] = {"t": "2026-01-31T12:00:00Z", "ip": "10.0.0.66"}


def mapped(**changes: Any) -> Source:
    fields = changes.pop("fields", {})
    return source_of(MappingFile.model_validate(LEAST | changes | {"fields": LEAST["fields"] | fields}))


def read(source: Source, **event: Any) -> Alert:
    (alert,) = source.read(EVENT | event, NOW)
    return alert


def at(alert: Alert) -> str:
    return datetime.fromtimestamp(alert.observed_at, UTC).isoformat()


def test_each_field_is_found_where_it_was_said_to_be() -> None:
    (alert,) = KNOWN["mapped"].read(FIRST, NOW)
    assert alert == Alert(
        source="mapped",
        key="f-1",
        observed_at=datetime(2026, 1, 31, 11, tzinfo=UTC).timestamp(),
        received_at=NOW,
        signature="SMB fan-out",
        signature_id="17",
        severity=5,
        src=End(ip_address("10.0.0.66"), parse_mac("02:00:00:00:00:42"), 40312),
        dst=End(ip_address("10.0.0.5"), parse_mac("02:00:00:00:00:05"), 445),
        category="detection",
        text="212 SYNs",
        confidence=0.8,
        techniques=("T1021.002",),
    )


def test_several_suspects_and_a_time_without_an_offset() -> None:
    first, second = KNOWN["mapped"].read(SECOND, NOW)
    assert [str(one.src.ip) for one in (first, second)] == ["10.0.0.66", "2001:db8::67"]
    assert (first.key, first.signature, str(first.dst.ip), first.severity) == (
        "f-2/10.0.0.66",
        "a finding",
        "10.0.0.6",
        5,
    )
    assert first.time_doubt


def test_what_when_excludes_is_no_alert() -> None:
    with pytest.raises(NotAnAlert, match="/kind"):
        KNOWN["mapped"].read(STATISTICS, NOW)


@pytest.mark.parametrize(
    ("time", "zone", "said", "moment", "doubted"),
    [
        ("iso", None, "2026-01-31T12:00:00+01:00", "2026-01-31T11:00:00+00:00", False),
        ("iso", "+0100", "2026-01-31T12:00:00", "2026-01-31T11:00:00+00:00", False),
        ("iso", "Europe/Berlin", "2026-07-31T12:00:00", "2026-07-31T10:00:00+00:00", False),
        ("iso", "Europe/Berlin", "2026-10-25T02:30:00", "2026-10-25T00:30:00+00:00", True),
        ("epoch", None, 1769860800, "2026-01-31T12:00:00+00:00", False),
        ("epoch", None, "1769860800.5", "2026-01-31T12:00:00.500000+00:00", False),
        ("epoch-ms", None, 1769860800500, "2026-01-31T12:00:00.500000+00:00", False),
        ("epoch-us", None, 1769860800500000, "2026-01-31T12:00:00.500000+00:00", False),
        ("%d.%m.%Y %H:%M:%S", "UTC", "31.01.2026 12:00:00", "2026-01-31T12:00:00+00:00", False),
        ("%d.%m.%Y %H:%M:%S", None, "31.01.2026 12:00:00", "2026-01-31T12:00:00+00:00", True),
        ("%Y/%m/%d %H:%M:%S %z", None, "2026/01/31 12:00:00 -0100", "2026-01-31T13:00:00+00:00", False),
    ],
)
def test_times(time: str, zone: str | None, said: object, moment: str, doubted: bool) -> None:
    alert = read(mapped(time=time, zone=zone), t=said)
    assert (at(alert), bool(alert.time_doubt)) == (moment, doubted)


@pytest.mark.parametrize(
    ("severity", "said", "ours"),
    [
        ({}, "High", 4),
        ({}, 5, 5),
        ({}, "2", 2),
        ({}, 2.5, 3),
        ({}, "P1", 3),
        ({"words": {"p1": 5}}, "P1", 5),
        ({"words": {"p1": 5}}, "high", 3),
        ({"words": {"1": 5}}, 1, 5),
        ({"at_least": {"90": 5, "50": 4}}, 90, 5),
        ({"at_least": {"90": 5, "50": 4}}, "89.9", 4),
        ({"at_least": {"90": 5, "50": 4}}, 10, 3),
    ],
)
def test_severities(severity: dict[str, Any], said: object, ours: int) -> None:
    assert read(mapped(severity=severity, fields={"severity": "/s"}), s=said).severity == ours


def test_pointers() -> None:
    source = mapped(fields={"signature": ["/none", "/a~1b/~0c/1"], "dst.ip": "/d/*/e/*"})
    alert = read(source, **{"a/b": {"~c": ["no", {"x": 1}]}, "d": [{"e": []}, 7, {"e": ["10.0.0.5", "10.0.0.6"]}]})
    assert (alert.signature, str(alert.dst.ip)) == ('{"x": 1}', "10.0.0.5")


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"t": None}, "observed_at: nothing at /t"),
        ({"t": "soon"}, r"observed_at \(/t\): not an ISO 8601 time"),
        ({"ip": "10.0.0.0/24"}, r"src.ip \(/ip\): "),
        ({"ip": None}, "neither end has an address"),
        ({"ip": "127.0.0.1"}, "neither end has an address"),
    ],
)
def test_what_cannot_be_read_says_which_field_and_where_it_was_looked_for(event: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=f"n: {reason}"):
        read(mapped(), **event)


def test_a_confidence_beyond_certainty_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"confidence \(/c\): not between 0 and 10"):
        read(mapped(fields={"confidence": "/c"}, confidence_of=10), c=11)


@pytest.mark.parametrize(
    ("change", "line", "problem"),
    [
        ("time: soon", 8, "time: write iso"),
        ('time: "%H:%M"', 8, "time: '%H:%M' does not tell"),
        ("zone: Mars/Olympus", 8, "zone: no time zone"),
        ("events: findings", 8, "events: not a JSON pointer"),
        ("events: /a/*", 8, "events: not where a list is"),
        ("severity: {words: {P1: 6}}", 8, "severity.words.P1: "),
        ("severity: {at_least: {nan: 5}}", 8, "severity.at_least.nan"),
        ("confidence_of: .inf", 8, "confidence_of: "),
        ("realm: a b", 8, "realm: "),
        ("when: {kind: [x]}", 8, "when.kind"),
        ("zonne: UTC", 8, "zonne: unknown key; did you mean zone?"),
    ],
)
def test_a_mistake_in_a_mapping_is_named_with_its_line(change: str, line: int, problem: str) -> None:
    text = "intake:\n  mappings:\n    - name: our-ndr\n      fields:\n        observed_at: /t\n        signature: =s\n        src.ip: /ip\n"
    with pytest.raises(ConfigError) as caught:
        parse_model(f"{text}      {change}\n", Config, "netcordon.yaml")
    assert f"netcordon.yaml:{line}: intake.mappings.0.{problem}" in str(caught.value)


def test_a_name_that_is_taken_and_an_alert_about_nobody_are_mistakes() -> None:
    with pytest.raises(ConfigError, match="there is a source 'zeek' already"):
        parse_model(str({"intake": {"mappings": [LEAST | {"name": "zeek"}]}}), Config, "x")
    with pytest.raises(ConfigError, match="there is a source 'n' already"):
        parse_model(str({"intake": {"mappings": [LEAST, LEAST]}}), Config, "x")
    with pytest.raises(ConfigError, match="an alert names an end"):
        parse_model(
            str({"intake": {"mappings": [{"name": "n", "fields": {"observed_at": "/t", "signature": "=s"}}]}}),
            Config,
            "x",
        )


def test_a_trial_says_what_would_be_read_and_what_is_missing() -> None:
    policy = Config.model_validate(
        {"policy": {"incriminate": [{"name": "all", "match": {"source": "mapped"}, "culprit": "source"}]}}
    ).policy
    body = (FOLDER / "mapped.json").read_bytes()
    first, second, third, ignored = tried(KNOWN["mapped"], body, policy, NOW)
    assert (first.status, first.missing, first.culprit) == ("taken", (), Culprit.SOURCE)
    assert "incrimination rule 'all'" in first.why
    assert second.index == third.index == 1
    assert "src.mac: nothing at /attackers/*/mac" in second.missing
    assert any("it will be ambiguous" in one for one in second.missing)
    assert (ignored.status, ignored.alert) == ("ignored", None)


def test_a_trial_says_that_the_culprit_would_have_no_address_and_what_is_malformed() -> None:
    policy = Config.model_validate({"policy": {"incriminate": [{"name": "all", "culprit": "destination"}]}}).policy
    taken, malformed = tried(mapped(), b'{"t": "2026-01-31T12:00:00Z", "ip": "10.0.0.66"}\n{"t": 7}', policy, NOW)
    assert any("destination has no address" in one for one in taken.missing)
    assert malformed.status == "malformed"
    assert "observed_at (/t)" in malformed.reason


def test_a_severity_that_is_not_mapped_is_said() -> None:
    assert MAPPING.severity.words == {"P1": 5}
    assert KNOWN["mapped"].absent(FIRST | {"score": "P9"}) == ["severity: 'P9' is not mapped: 3"]
