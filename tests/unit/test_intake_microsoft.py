"""Whom Defender's and Graph's alerts suspect: the undiscovered device, before the one on which Defender runs. What the samples are:
intake_samples/README.md."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest

from controller.errors import InvalidInput
from controller.intake import SOURCES, NotAnAlert
from controller.model import End
from tests.unit.intake_feed import NOW, events, one

REMOTE, LOCAL = events("defender")
LATERAL, SCANS, HIDDEN = events("graph")
GRAPH = "#microsoft.graph.security."


def ip_evidence(address: str, *roles: str, verdict: str = "unknown") -> dict[str, Any]:
    return {"@odata.type": f"{GRAPH}ipEvidence", "ipAddress": address, "roles": list(roles), "verdict": verdict}


def device(status: str, *addresses: str, roles: tuple[str, ...] = ()) -> dict[str, Any]:
    kind = f"{GRAPH}deviceEvidence"
    return {"@odata.type": kind, "onboardingStatus": status, "ipInterfaces": list(addresses), "roles": list(roles)}


def ends(*evidence: dict[str, Any]) -> tuple[list[str], set[str]]:
    """Who is at `src`, and at `dst`, of the alerts that come of it."""
    found = SOURCES["graph"].read(LATERAL | {"evidence": list(evidence)}, NOW)
    return [str(alert.src.ip) for alert in found], {str(alert.dst.ip) for alert in found}


# --- Defender for Endpoint ---------------------------------------------------------------------------------------------


def test_an_address_in_the_evidence_is_the_suspect() -> None:
    alert = one("defender", REMOTE)
    assert (alert.src, alert.dst) == (End(ip_address("10.0.0.66")), End())
    assert alert.key == "da637472900382838869_1364969609/10.0.0.66"
    assert datetime.fromtimestamp(alert.observed_at, UTC).isoformat() == "2026-01-31T12:00:03.057732+00:00"
    assert (alert.severity, alert.category) == (4, "LateralMovement")
    assert alert.techniques == ("T1021.002", "T1570")
    assert alert.signature_id == "17e10bbc-3a68-474a-8aad-faef14d43952"
    assert "reported by ws5.example.net" in alert.text


def test_each_address_is_an_alert_of_its_own() -> None:
    several = copy.deepcopy(REMOTE)
    several["evidence"] += [{"entityType": "Ip", "ipAddress": address} for address in ("10.0.0.67", "10.0.0.66", "::1")]
    found = SOURCES["defender"].read(several, NOW)
    assert [str(alert.src.ip) for alert in found] == ["10.0.0.66", "10.0.0.67"]
    assert len({alert.key for alert in found}) == 2


@pytest.mark.parametrize("change", [{"status": "Resolved"}, {"classification": "FalsePositive"}, {"evidence": []}])
def test_what_people_closed_or_what_is_about_a_managed_machine_is_no_alert(change: dict[str, Any]) -> None:
    with pytest.raises(NotAnAlert):
        SOURCES["defender"].read(REMOTE | change, NOW)


@pytest.mark.parametrize(
    ("word", "ours"), [("Informational", 1), ("Low", 2), ("Medium", 3), ("High", 4), ("UnSpecified", 3)]
)
def test_severities_are_words(word: str, ours: int) -> None:
    assert one("defender", REMOTE | {"severity": word}).severity == ours
    assert one("graph", LATERAL | {"severity": word.lower()}).severity == ours


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": ""}, "id: "),
        ({"title": None}, "title: "),
        ({"lastEventTime": "soon"}, "lastEventTime: not an ISO 8601 time"),
        (
            {"evidence": [{"entityType": "User"}, {"entityType": "Ip", "ipAddress": "10.0.0"}]},
            r"evidence.1.ipAddress: ",
        ),
    ],
)
def test_what_cannot_be_read_says_which_field(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=f"defender: {reason}"):
        SOURCES["defender"].read(REMOTE | change, NOW)


# --- Graph ---------------------------------------------------------------------------------------------------------------


def test_the_attackers_address_is_the_suspect_and_the_attacked_device_the_other_end() -> None:
    alert = one("graph", LATERAL)
    assert (alert.src, alert.dst) == (End(ip_address("10.0.0.66")), End(ip_address("10.0.0.5")))
    assert alert.key == "da637578995287051192_756343937/10.0.0.66"
    assert (alert.severity, alert.signature_id) == (4, "e0da400f-affd-43ef-b1d5-afc2eb6f2756")
    assert alert.techniques == ("T1021.002", "T1570")
    assert "evidence attacker, source" in alert.text


def test_an_undiscovered_device_is_suspected_by_each_of_its_addresses() -> None:
    found = SOURCES["graph"].read(SCANS, NOW)
    assert [str(alert.src.ip) for alert in found] == ["10.0.0.67", "2001:db8::67"]
    assert {alert.dst.ip for alert in found} == {ip_address("10.0.0.5")}
    assert "onboarding canBeOnboarded" in found[0].text


def test_an_onboarded_device_is_suspected_where_nobody_else_is() -> None:
    assert one("graph", HIDDEN).src.ip == ip_address("10.0.0.8")


def test_who_is_suspected() -> None:
    me, victim = device("onboarded", "10.0.0.8"), device("onboarded", "10.0.0.5", roles=("attacked",))
    attacker, rogue = ip_evidence("10.0.0.66", "Attacker"), device("unsupported", "10.0.0.67")
    assert ends(attacker, rogue, victim) == (["10.0.0.66", "10.0.0.67"], {"10.0.0.5"})
    assert ends(ip_evidence("10.0.0.8", "source"), me) == (["10.0.0.8"], {"None"}), "its own address, if no other"
    assert ends(ip_evidence("10.0.0.8", "source"), me, rogue) == (["10.0.0.67"], {"10.0.0.8"}), (
        "the onboarded is not first"
    )
    assert ends(ip_evidence("10.0.0.66"), victim) == (["10.0.0.66"], {"10.0.0.5"}), "no role is said of it"
    assert ends(ip_evidence("10.0.0.66"), attacker | {"ipAddress": "10.0.0.9"}) == (["10.0.0.9"], {"None"})
    assert ends(attacker, ip_evidence("192.0.2.9", "commandAndControl")) == (["10.0.0.66"], {"192.0.2.9"})
    assert ends(attacker, ip_evidence("10.0.0.4", "scanned"), victim) == (["10.0.0.66"], {"None"}), "done to two"


@pytest.mark.parametrize(
    "evidence",
    [
        [],
        [ip_evidence("10.0.0.66", "attacked")],
        [ip_evidence("10.0.0.66", "attacker", verdict="noThreatsFound")],
        [ip_evidence("10.0.0.66", "contextual")],
        [device("canBeOnboarded", "10.0.0.66", roles=("scanned",))],
        [device("canBeOnboarded")],
        [device("onboarded", "10.0.0.5"), ip_evidence("10.0.0.5")],
        [{"@odata.type": f"{GRAPH}userEvidence", "ipAddress": "10.0.0.66"}],
    ],
)
def test_nobody_is_suspected(evidence: list[dict[str, Any]]) -> None:
    with pytest.raises(NotAnAlert, match="suspects no device"):
        ends(*evidence)


@pytest.mark.parametrize(
    "change", [{"status": "resolved"}, {"classification": "falsePositive"}, {"@odata.type": f"{GRAPH}incident"}]
)
def test_what_people_closed_or_what_is_no_alert(change: dict[str, Any]) -> None:
    with pytest.raises(NotAnAlert):
        SOURCES["graph"].read(LATERAL | change, NOW)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"createdDateTime": None}, "createdDateTime: "),
        ({"evidence": [device("onboarded", "10.0.0.5", "ten")]}, "evidence.0.ipInterfaces.1: "),
        ({"evidence": None}, "evidence: "),
        ({"title": " "}, "title: "),
    ],
)
def test_what_graph_says_and_cannot_be_read_says_which_field(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=f"graph: {reason}"):
        SOURCES["graph"].read(LATERAL | change, NOW)


def test_a_time_without_an_offset_is_doubted() -> None:
    assert "no offset" in one("graph", LATERAL | {"lastActivityDateTime": "2026-01-31T12:00:03"}).time_doubt
    assert one("defender", REMOTE | {"lastEventTime": "2026-01-31T12:00:03"}).time_doubt
