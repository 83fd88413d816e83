"""CEF: its escapes, the frames around it, and what its dates do not say. What the samples are: intake_samples/README.md."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from controller.errors import InvalidInput
from controller.intake import SOURCES, NotAnAlert
from controller.model import Alert, End
from drivers.rules import parse_mac
from tests.unit.intake_feed import FOLDER, alerts, one

NEAR = datetime(2026, 1, 31, 12, 5, tzinfo=UTC).timestamp()
WORM, BAR, SLASH, SIX = alerts("cef", (FOLDER / "cef.log").read_bytes(), NEAR)
HEAD = "CEF:0|v|p|1|100|name|5|"


def read(line: str) -> Alert:
    (alert,) = SOURCES["cef"].read({"message": line}, NEAR)
    return alert


def at(alert: Alert) -> str:
    return datetime.fromtimestamp(alert.observed_at, UTC).isoformat()


def test_an_rfc_3164_line() -> None:
    assert (WORM.src, WORM.dst) == (End(ip_address("10.0.0.66"), None, 1232), End(ip_address("10.0.0.5")))
    assert (WORM.signature, WORM.signature_id, WORM.severity) == ("worm successfully stopped", "100", 5)
    assert "device Security threatmanager" in WORM.text
    assert at(WORM) == "2026-01-31T12:00:00+00:00"
    assert "no offset" in WORM.time_doubt


def test_an_rfc_5424_line_with_a_bar_in_header_and_extension() -> None:
    assert BAR.signature == "detected a | in message"
    assert BAR.src == End(ip_address("10.0.0.66"), parse_mac("02:00:00:00:00:42"))
    assert BAR.dst == End(ip_address("10.0.0.5"), parse_mac("02:00:00:00:00:05"), 445)
    assert "act blocked a |" in BAR.text
    assert (at(BAR), BAR.time_doubt, BAR.severity) == ("2026-01-31T12:00:00.500000+00:00", "", 4)
    assert BAR.key == "security/threatmanager/100/sensor-1/4711"
    assert BAR.category == "/Attack/Worm"


def test_no_frame_and_every_escape() -> None:
    assert SLASH.signature == "detected a \\ in packet"
    assert "Detected a threat.\n No action needed, a=b, C:\\x" in SLASH.text
    assert (at(SLASH), SLASH.time_doubt, SLASH.severity) == ("2026-01-31T12:00:02.250000+00:00", "", 5)


def test_ipv6_stands_in_keys_of_its_own() -> None:
    assert (SIX.src.ip, SIX.dst.ip) == (ip_address("2001:db8::66"), ip_address("2001:db8::5"))
    assert (at(SIX), SIX.time_doubt) == ("2026-01-31T12:00:03+00:00", "")


def test_a_log_shippers_object_is_the_same_line() -> None:
    assert alerts("cef", (FOLDER / "cef.json").read_bytes(), NEAR) == [WORM]


@pytest.mark.parametrize(
    ("said", "moment", "doubted"),
    [
        ("1769860800500", "2026-01-31T12:00:00.500000+00:00", False),
        ("Jan 31 2026 12:00:00 GMT", "2026-01-31T12:00:00+00:00", False),
        ("Jan 31 2026 12:00:00.5 +0100", "2026-01-31T11:00:00.500000+00:00", False),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+00:00", False),
        ("Jan 31 2026 12:00:00 CST", "2026-01-31T12:00:00+00:00", True),
        ("Jan 31 2026 12:00:00", "2026-01-31T12:00:00+00:00", True),
        ("Jan 31 12:00:00", "2026-01-31T12:00:00+00:00", True),
        ("Dec 31 23:59:59 UTC", "2025-12-31T23:59:59+00:00", False),
    ],
)
def test_times(said: str, moment: str, doubted: bool) -> None:
    alert = read(f"{HEAD}src=10.0.0.66 rt={said} act=x")
    assert (at(alert), bool(alert.time_doubt)) == (moment, doubted)


def test_an_event_without_any_time_is_doubted_and_its_repetition_known() -> None:
    (later,) = SOURCES["cef"].read({"message": f"{HEAD}src=10.0.0.66"}, NEAR + 9)
    assert "no time of its own" in later.time_doubt
    assert later.key == read(f"{HEAD}src=10.0.0.66").key != read(f"{HEAD}src=10.0.0.67").key


def test_octets_are_counted_and_a_relays_iso_time_is_read() -> None:
    assert at(read(f"99 <134>1 2026-01-31T12:00:01Z h a 1 - - {HEAD}src=10.0.0.66")) == "2026-01-31T12:00:01+00:00"
    assert not read(f"<134>2026-01-31T12:00:01+01:00 h {HEAD}src=10.0.0.66").time_doubt


@pytest.mark.parametrize(
    ("said", "ours"),
    [("0", 2), ("3", 2), ("4", 3), ("6", 3), ("7", 4), ("8", 4), ("9", 5), ("High", 4), ("", 3), ("x", 3)],
)
def test_severities(said: str, ours: int) -> None:
    assert read(f"CEF:0|v|p|1|100|name|{said}|src=10.0.0.66").severity == ours


def test_a_value_with_spaces_ends_at_the_next_key_and_a_bad_port_loses_nothing() -> None:
    alert = read(f"{HEAD}msg=tried a\\=1 and b src=10.0.0.66 spt=none")
    assert "tried a=1 and b" in alert.text
    assert alert.src == End(ip_address("10.0.0.66"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("<13>Jan 31 12:00:00 h sshd: hello", "no `CEF:0|`"),
        ("CEF:0|v|p|1|100|name", "header ends before its name"),
        ("CEF:0|v|p|1|100||5|src=10.0.0.66", "name: "),
        (f"{HEAD}src=ten", "extension.src: "),
        (f"{HEAD}src=10.0.0.66 rt=soon", "rt: not an ISO 8601 time"),
        (f"{HEAD}src=10.0.0.66 rt=Foo 31 2026 12:00:00", "rt: no month 'Foo'"),
        (f"{HEAD}src=10.0.0.66 rt=Feb 30 2026 12:00:00", "rt: not a date"),
        (f"{HEAD}msg=x src=10.0.0.5 src=10.0.0.66", "src: it stands twice"),
        ("x" * 70_000, "a line of at most"),
    ],
)
def test_what_cannot_be_read_says_which_field(line: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason.replace("|", r"\|")):
        read(line)


def test_a_line_about_no_address_is_no_alert() -> None:
    with pytest.raises(NotAnAlert):
        one("cef", {"message": f"{HEAD}src=127.0.0.1 act=x"})
