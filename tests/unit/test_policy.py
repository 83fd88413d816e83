"""Who is the culprit, and what is done: the first rule that matches answers, and no rule never acts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from controller.model import FULL, Culprit, Endpoint, Managed, Mode
from controller.policy import PolicyFile, culprit_end, decide, decide_by_operator, incriminate
from controller.profiles import catalogue
from tests.campus import alert, mac, place

DEVICE = Endpoint(frozenset({mac(6)}), frozenset(), place(3), managed=Managed.UNDISCOVERED, role="unknown")


KNOWN = catalogue((), (), ())


def policy(**written: Any) -> PolicyFile:
    return PolicyFile.model_validate(written)


def test_without_a_rule_neither_end_is_guilty_and_nothing_is_done() -> None:
    culprit, why = incriminate(policy(), alert())
    assert culprit is Culprit.UNDECIDED
    assert "no incrimination rule" in why
    assert culprit_end(alert(), culprit) is None
    decision = decide(policy(), alert(), DEVICE, why, KNOWN)
    assert (decision.mode, decision.rule, decision.automatic) == (Mode.OBSERVE, "", True)


@given(st.text(max_size=10), st.text(max_size=10), st.integers(1, 5))
def test_no_alert_makes_an_empty_policy_act(source: str, signature: str, severity: int) -> None:
    given_alert = alert(source=source, signature=signature, severity=severity)
    assert incriminate(policy(), given_alert)[0] is Culprit.UNDECIDED
    assert decide(policy(), given_alert, DEVICE, "", KNOWN).mode is Mode.OBSERVE


def test_the_first_incrimination_that_matches_answers() -> None:
    rules = policy(
        incriminate=[
            {"name": "answers", "match": {"signature": "ET SCAN answer*"}, "culprit": "destination"},
            {"name": "unclear", "match": {"signature": "ET SCAN odd*"}, "culprit": "undecided"},
            {"name": "scans", "match": {"signature": "ET SCAN *"}, "culprit": "source"},
        ]
    )
    seen = alert(signature="ET SCAN answer from trojan")
    assert incriminate(rules, seen) == (Culprit.DESTINATION, "incrimination rule 'answers'")
    assert culprit_end(seen, Culprit.DESTINATION) == seen.dst
    assert incriminate(rules, alert(signature="ET SCAN odd"))[0] is Culprit.UNDECIDED
    assert incriminate(rules, alert(signature="ET SCAN x"))[0] is Culprit.SOURCE
    assert incriminate(rules, alert(signature="et scan x"))[0] is Culprit.UNDECIDED


def test_the_first_rule_that_matches_alert_and_device_decides() -> None:
    rules = policy(
        rules=[
            {"name": "servers", "match": {"role": ["file-server"]}, "mode": "observe"},
            {
                "name": "loud",
                "match": {"min_severity": 4, "managed": ["undiscovered"]},
                "mode": "contain",
                "for": "10m",
            },
            {"name": "rest"},
        ]
    )
    loud = decide(rules, alert(), DEVICE, "x", KNOWN)
    assert (loud.rule, loud.mode, loud.duration, loud.by) == ("loud", Mode.CONTAIN, 600, "alert:suricata")
    assert decide(rules, alert(severity=3), DEVICE, "x", KNOWN).rule == "rest"
    assert decide(rules, alert(severity=3), DEVICE, "x", KNOWN).mode is Mode.PROPOSE
    assert decide(rules, alert(), replace(DEVICE, managed=Managed.MANAGED), "x", KNOWN).rule == "rest"
    assert decide(rules, alert(), replace(DEVICE, role="file-server"), "x", KNOWN).mode is Mode.OBSERVE


def test_a_signature_id_must_be_there_to_match() -> None:
    rules = policy(rules=[{"name": "one", "match": {"signature_id": [2001219]}, "mode": "contain"}])
    assert decide(rules, alert(), DEVICE, "", KNOWN).rule == "one"
    assert decide(rules, alert(signature_id=None), DEVICE, "", KNOWN).mode is Mode.OBSERVE


def test_a_technique_holds_for_its_sub_techniques_and_a_confidence_must_be_said() -> None:
    def held(match: dict[str, Any], **said: Any) -> bool:
        rules = policy(incriminate=[{"name": "a", "match": match, "culprit": "source"}])
        return incriminate(rules, alert(**said))[0] is Culprit.SOURCE

    assert held({"technique": ["T1021"]}, techniques=("T1570", "T1021.002"))
    assert held({"technique": ["T1021.002"]}, techniques=("T1021.002",))
    assert not held({"technique": ["T1021.002"]}, techniques=("T1021", "T1021.001"))
    assert not held({"technique": ["T1021"]})
    assert held({"min_confidence": 0.8}, confidence=0.8)
    assert held({"min_confidence": 0}, confidence=0.0)
    assert not held({"min_confidence": 0.8}, confidence=0.79)
    assert not held({"min_confidence": 0})
    with pytest.raises(ValidationError):
        policy(rules=[{"name": "a", "match": {"technique": ["lateral movement"]}}])
    with pytest.raises(ValidationError):
        policy(rules=[{"name": "a", "match": {"min_confidence": 80}}])


def test_an_operator_is_never_automatic() -> None:
    decision = decide_by_operator(FULL, 60, "seen it", "ann", override=True)
    assert (decision.mode, decision.automatic, decision.override, decision.by) == (Mode.CONTAIN, False, True, "ann")


def test_unknown_keys_are_errors() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        policy(rules=[{"name": "a", "match": {"severity": 3}}])
