"""Each condition of policy: when it holds, and what is said when it does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from controller.conditions import DAY, Circumstances, RuleMatch, circumstances_at
from controller.config import Config, load_config
from controller.durations import parse_duration, written_duration
from controller.errors import ConfigError
from controller.model import Attachment, Endpoint, Managed
from controller.policy import PolicyFile, decide, why_not
from controller.profiles import catalogue
from controller.time_window import TimeWindow
from drivers.rules import PortName
from tests.campus import NOW, S1, alert, mac

AT = Attachment(S1, PortName("s1-eth3"), 20)
DEVICE = Endpoint(
    frozenset({mac(6)}),
    frozenset(),
    AT,
    realm="hamburg",
    managed=Managed.UNMANAGED,
    type="camera",
    role="camera",
    owner="facilities",
    criticality="low",
)
HERE = circumstances_at(S1, "s1", {"s1:s1-eth3", f"{S1}:s1-eth3", "s1:3"}, (NOW - 2 * DAY, NOW - 10 * DAY))
KNOWN = catalogue((), (), ())
FRIDAY_EVENING = datetime(2026, 3, 27, 19, 30, tzinfo=UTC).timestamp()
"""20:30 in Berlin, where summer time begins two nights later."""


def against(match: dict[str, Any], at: float = NOW, **said: Any) -> str:
    """The first thing that speaks against it, "" when it holds."""
    seen = alert(observed_at=at, **said)
    return next(RuleMatch.model_validate(match).against_all(seen, DEVICE, HERE), "")


@pytest.mark.parametrize(
    ("holds", "fails", "found"),
    [
        ({"source": ["zeek", "suri*"]}, {"source": "zeek"}, "its source is suricata, and the rule asks for zeek"),
        ({"signature": "ET SCAN *"}, {"signature": ["ET MALWARE *", "GPL *"]}, "ET MALWARE *, GPL *"),
        ({"signature_id": [2001219]}, {"signature_id": [1]}, "its signature_id is 2001219, and the rule asks for 1"),
        ({"min_severity": 4}, {"min_severity": 5}, "its severity is 4, and the rule asks for 5 or more"),
        ({"min_confidence": 0.5}, {"min_confidence": 0.9}, "its confidence is 0.7, and the rule asks for 0.9 or more"),
        ({"technique": ["T1046"]}, {"technique": ["T1021"]}, "its technique is T1046, and the rule asks for T1021"),
        (
            {"managed": "unmanaged"},
            {"managed": ["managed"]},
            "managed state is unmanaged, and the rule asks for managed",
        ),
        ({"type": "cam*"}, {"type": "printer"}, "the device's type is camera, and the rule asks for printer"),
        ({"role": ["phone", "camera"]}, {"role": "phone"}, "the device's role is camera, and the rule asks for phone"),
        ({"owner": "facil*"}, {"owner": "it"}, "the device's owner is facilities, and the rule asks for it"),
        ({"criticality": "low"}, {"criticality": ["high"]}, "criticality is low, and the rule asks for high"),
        ({"switch": "s1"}, {"switch": "s2"}, "its switch is s1, and the rule asks for s2"),
        ({"switch": "of:1"}, {"switch": "of:2"}, "and the rule asks for of:0000000000000002"),
        ({"port": "s1:3"}, {"port": "s1:4"}, "its port is s1:3, and the rule asks for s1:4"),
        ({"port": "of:1:s1-*"}, {"port": ["*:eth9"]}, "and the rule asks for *:eth9"),
        ({"vlan": [10, 20]}, {"vlan": 10}, "its VLAN is 20, and the rule asks for 10"),
        ({"site": "ham*"}, {"site": "berlin"}, "its site is hamburg, and the rule asks for berlin"),
        (
            {"repeats": {"at_least": 1, "within": "7d"}},
            {"repeats": {"at_least": 2, "within": "7d"}},
            "it was contained once within 7d before, and the rule asks for at least 2 times",
        ),
        ({"repeats": {"at_most": 2}}, {"repeats": {"at_most": 1}}, "it was contained 2 times within 30d before"),
    ],
)
def test_a_condition_holds_or_says_what_was_found(holds: dict[str, Any], fails: dict[str, Any], found: str) -> None:
    said: dict[str, Any] = {"confidence": 0.7, "techniques": ("T1046",)}
    assert against(holds, **said) == ""
    assert found in against(fails, **said)


def test_what_an_attacker_wrote_is_said_back_without_its_control_characters() -> None:
    words = against({"signature": "x"}, signature="\x1b[31m" + "A" * 500)
    assert "\x1b" not in words
    assert len(words) < 200


@pytest.mark.parametrize(
    ("window", "holds"),
    [
        ({"days": "mon-fri", "from": "20:00", "to": "21:00", "zone": "Europe/Berlin"}, True),
        ({"days": "mon-fri", "from": "19:00", "to": "20:30", "zone": "Europe/Berlin"}, False),
        ({"from": "19:30", "to": "19:31"}, True),
        ({"days": ["sat", "sun"]}, False),
        ({"days": "fri-mon"}, True),
        ({"days": "thu", "from": "22:00", "to": "20:00"}, True),
        ({"days": "fri", "from": "22:00", "to": "20:00"}, False),
        ({"days": "fri", "from": "19:00", "to": "06:00"}, True),
        ({"days": "fri", "from": "18:00", "to": "24:00", "zone": "America/New_York"}, False),
    ],
)
def test_a_time_of_day_is_the_alerts_in_the_rules_time_zone(window: dict[str, Any], holds: bool) -> None:
    assert (against({"when": window}, FRIDAY_EVENING) == "") is holds


def test_one_of_several_windows_is_enough_and_none_says_when_it_was() -> None:
    office = {"days": "mon-fri", "from": "08:00", "to": "18:00", "zone": "Europe/Berlin"}
    assert against({"when": [office, {"days": "fri"}]}, FRIDAY_EVENING) == ""
    assert against({"when": office}, FRIDAY_EVENING) == (
        "it was observed on fri 20:30 (Europe/Berlin), and the rule asks for mon, tue, wed, thu, fri 08:00 to 18:00"
        " (Europe/Berlin)"
    )


@given(st.floats(0, 4e9), st.integers(0, 1439), st.integers(1, 1440))
def test_a_window_and_its_complement_never_hold_together(at: float, start: int, end: int) -> None:
    if start == end or (start, end) == (0, 1440):
        return
    one = TimeWindow.model_validate({"from": start, "to": end, "zone": "Europe/Berlin"})
    other = TimeWindow.model_validate({"from": end % 1440, "to": start or 1440, "zone": "Europe/Berlin"})
    assert one.holds(at) != other.holds(at)


@pytest.mark.parametrize(
    ("match", "told"),
    [
        ({"when": {"from": "25:00"}}, "not a time of day"),
        ({"when": {"days": "monday-fri"}}, "not a day of the week"),
        ({"when": {"zone": "Europe/Nowhere"}}, "no time zone"),
        ({"when": {"zone": "../etc/passwd"}}, "no time zone"),
        ({"when": {"from": "08:00", "to": "08:00"}}, "leave out both"),
        ({"when": []}, "at least 1"),
        ({"repeats": {"within": "7d"}}, "at_least, at_most"),
        ({"repeats": {"at_least": 3, "at_most": 1}}, "never holds"),
        ({"port": "s1"}, "under `switch`"),
        ({"vlan": 4095}, "4094"),
        ({"role": []}, "at least 1"),
        ({"severity": 3}, "Extra inputs"),
    ],
)
def test_what_cannot_be_meant_is_refused(match: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        RuleMatch.model_validate(match)


# --- limits that escalate --------------------------------------------------------------------------------------------


def ladder(**more: Any) -> PolicyFile:
    return PolicyFile.model_validate(
        {"rules": [{"name": "scans", "mode": "contain", "for": ["10m", "1h", "24h", "7d"], **more}]}
    )


@pytest.mark.parametrize(("before", "seconds"), [(0, 600), (1, 3600), (2, DAY), (3, 7 * DAY), (9, 7 * DAY)])
def test_each_offence_gets_the_next_limit_and_the_last_one_stands(before: int, seconds: float) -> None:
    known = Circumstances(offences=tuple(NOW - DAY * i for i in range(1, before + 1)))
    decision = decide(ladder(), alert(), DEVICE, "x", KNOWN, known)
    assert decision.duration == seconds
    assert f"limit {min(before, 3) + 1} of 4" in decision.reason


def test_an_offence_that_is_too_long_ago_counts_no_more() -> None:
    known = Circumstances(offences=(NOW - 6 * DAY, NOW - 8 * DAY))
    assert decide(ladder(within="7d"), alert(), DEVICE, "x", KNOWN, known).duration == 3600
    assert (ladder(within="7d").memory, ladder().memory, PolicyFile().memory) == (7 * DAY, 30 * DAY, 0)


def test_one_limit_asks_nobody_about_earlier_offences() -> None:
    one = PolicyFile.model_validate({"rules": [{"name": "a", "mode": "contain", "for": "1h"}]})
    decision = decide(one, alert(), DEVICE, "x", KNOWN, HERE)
    assert (decision.duration, one.memory) == (3600, 0)
    assert "limit" not in decision.reason
    with pytest.raises(ValidationError, match="several limits"):
        PolicyFile.model_validate({"rules": [{"name": "a", "for": "1h", "within": "7d"}]})


# --- why, and by which version ---------------------------------------------------------------------------------------


def test_every_rule_says_why_it_did_not_match_and_those_behind_that_they_came_too_late() -> None:
    policy = PolicyFile.model_validate(
        {
            "incriminate": [
                {"name": "dns", "match": {"signature": "ET DNS *"}, "culprit": "destination"},
                {"name": "all", "culprit": "source"},
                {"name": "late", "culprit": "source"},
            ],
            "rules": [
                {"name": "servers", "match": {"role": "file-server"}},
                {"name": "cameras", "match": {"role": "camera"}, "mode": "contain"},
                {"name": "loud", "match": {"min_severity": 5}},
                {"name": "rest"},
            ],
        }
    )
    decision = decide(policy, alert(), DEVICE, "x", KNOWN, HERE)
    assert [(one.rule, one.against) for one in decision.considered] == [
        ("servers", "the device's role is camera, and the rule asks for file-server"),
        ("cameras", ""),
        ("loud", "its severity is 4, and the rule asks for 5 or more"),
        ("rest", "it would match too, but 'cameras' stands before it"),
    ]
    assert (decision.rule, decision.policy) == ("cameras", policy.version)
    assert [one.against for one in why_not(policy, alert())] == [
        "its signature is ET SCAN rogue, and the rule asks for ET DNS *",
        "",
        "it would match too, but 'all' stands before it",
    ]


def test_a_version_is_of_what_the_rules_say_however_they_are_written() -> None:
    rules: list[dict[str, Any]] = [
        {"name": "a", "for": "1h", "match": {"role": ["x"], "technique": ["T1046", "T1021"]}}
    ]
    one = PolicyFile.model_validate({"rules": rules})
    same = {"match": {"technique": ["T1021", "T1046"], "role": "x"}, "for": "60m", "name": "a", "mode": "propose"}
    assert PolicyFile.model_validate({"rules": [same]}).version == one.version
    assert PolicyFile.model_validate({"rules": [same | {"for": "2h"}]}).version != one.version
    again = PolicyFile.model_validate(one.written)
    assert (again, again.version) == (one, one.version)


@given(st.floats(0.001, 3e8).map(lambda seconds: round(seconds, 3)))
def test_a_written_span_is_read_back(seconds: float) -> None:
    assert parse_duration(written_duration(seconds)) == pytest.approx(seconds, rel=1e-9)


# --- a file, with its lines ------------------------------------------------------------------------------------------


def test_all_that_a_policy_file_gets_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(
        "rules:\n- name: a\n  profile: yours\n- name: b\n  for: [1h, 2h]\n  within: 60d\n"
        "- name: c\n  match:\n    repeats:\n      at_least: 1\n      within: 50d\n"
    )
    (tmp_path / "netcordon.yaml").write_text("policy_file: policy.yaml\nretention: {containments: 40d}\n")
    with pytest.raises(ConfigError) as refused:
        load_config(tmp_path / "netcordon.yaml", {})
    lines = [line.rpartition("policy.yaml:")[2] for line in str(refused.value).splitlines()]
    assert [line.split(": ")[0] for line in lines] == ["3", "6", "11"]
    assert "no profile 'yours'; known are full" in lines[0]
    assert "containments are kept for 40d" in lines[1]


def test_a_wrong_condition_names_its_line_in_the_configuration_too(tmp_path: Path) -> None:
    (tmp_path / "netcordon.yaml").write_text(
        'policy:\n  rules:\n  - name: a\n    match:\n      when: {days: mon, from: "8"}\n      roles: x\n'
    )
    with pytest.raises(ConfigError) as refused:
        load_config(tmp_path / "netcordon.yaml", {})
    assert "netcordon.yaml:5: policy.rules.0.match.when.0.from: not a time of day" in str(refused.value)
    assert "netcordon.yaml:6: policy.rules.0.match.roles: unknown key; did you mean role?" in str(refused.value)


def test_a_device_of_no_known_switch_matches_no_switch() -> None:
    nowhere = Circumstances()
    elsewhere = replace(DEVICE, attachment=Attachment("x", PortName("1")))
    rule = RuleMatch.model_validate({"switch": "*"})
    assert list(rule.against_all(alert(), elsewhere, nowhere)) == ["its switch is x, and the rule asks for *"]
    assert Config().policy.memory == 0
