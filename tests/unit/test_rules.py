"""The vocabulary: what is written is read back, and a rule keeps its name."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.rules import (
    Action,
    Direction,
    Match,
    PortName,
    PortRange,
    Protocol,
    Provenance,
    Rule,
    RuleSet,
    parse_mac,
    rule_from_wire,
    rule_to_wire,
)
from tests.strategies import provenances, rules

PORT = PortName("s1-eth1")
RULE = Rule(Match(Direction.FROM, port=PORT), Action.DENY, Provenance("c1"))


@given(rules())
def test_wire_round_trip(rule: Rule) -> None:
    back = rule_from_wire(json.loads(json.dumps(rule_to_wire(rule))))
    assert (back, back.provenance, back.bounce) == (rule, rule.provenance, rule.bounce)


@pytest.mark.parametrize(
    "damage",
    [
        {"action": "explode"},
        {"vlan": 7},
        {"match": None},
        {"match": {**rule_to_wire(RULE)["match"], "ip": "10.0.0.1/24"}},
        {"match": {**rule_to_wire(RULE)["match"], "mac": 7}},
        {"match": {**rule_to_wire(RULE)["match"], "protocol": "tcp", "own_ports": [1, 2, 3]}},
        {"match": {**rule_to_wire(RULE)["match"], "protocol": "tcp", "own_ports": ["1", 2]}},
        {"match": {**rule_to_wire(RULE)["match"], "port": None}},
        {"match": {}},
        {"provenance": {**rule_to_wire(RULE)["provenance"], "until": "tomorrow"}},
    ],
)
def test_wire_that_is_no_rule(damage: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError)):
        rule_from_wire(rule_to_wire(RULE) | damage)


@given(st.binary(min_size=6, max_size=6), st.booleans())
def test_parse_mac_reads_every_usual_form(octets: bytes, upper: bool) -> None:
    digits = octets.hex()
    forms = [octets.hex(":"), octets.hex("-"), digits, ".".join((digits[:4], digits[4:8], digits[8:]))]
    assert {parse_mac(form.upper() if upper else form) for form in forms} == {octets.hex(":")}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "02:00:00:00:00",
        "02:00:00:00:00:01:02",
        "02:00:00:00:00:0g",
        "02:00-00:00-00:01",
        "0200.0000:0001",
        " 02:00:00:00:00:01",
        "02:00:00:00:00:01\n",
        "020000000001; reload",
        "０２:00:00:00:00:01",  # noqa: RUF001 - full-width digits are what it is about
    ],
)
def test_parse_mac_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="not a MAC"):
        parse_mac(text)


@given(rules(), provenances)
def test_id_follows_match_action_vlan_and_containment_only(rule: Rule, other: Provenance) -> None:
    same = replace(rule, bounce=not rule.bounce, provenance=replace(other, containment=rule.provenance.containment))
    assert same.id == rule.id == rule_from_wire(rule_to_wire(rule)).id
    moved = replace(rule, provenance=replace(rule.provenance, containment="another"))
    assert moved.id != rule.id


@given(rules(), rules())
def test_ids_are_distinct(one: Rule, two: Rule) -> None:
    equal = one == two and one.provenance.containment == two.provenance.containment
    assert (one.id == two.id) is equal


def test_id_does_not_change_between_releases() -> None:
    assert RULE.id == "454181812bb3", "devices hold rules under these names: a changed id orphans every one of them"


@given(st.lists(rules(), max_size=12), st.randoms(use_true_random=False))
def test_rule_set_has_one_order_and_no_twins(some: list[Rule], random: Any) -> None:
    shuffled = random.sample(some, len(some)) + some[:1]
    assert RuleSet(some) == RuleSet(shuffled)
    assert (
        [rule.id for rule in RuleSet(some)] == [rule.id for rule in RuleSet(shuffled)] == sorted({r.id for r in some})
    )


@given(st.lists(rules(), max_size=12), st.lists(rules(), max_size=12))
def test_what_is_changed_is_exactly_that(some: list[Rule], others: list[Rule]) -> None:
    whole, more = RuleSet(some), RuleSet(others)
    both = whole | more
    assert both.ids == whole.ids | more.ids
    assert all(whole.get(rule.id) == rule for rule in some)
    left = both.changed(gone=more, new=())
    assert left.ids == whole.ids - more.ids
    assert left.changed(gone=(), new=more) == both


@given(st.lists(rules(), max_size=8), st.lists(rules(), max_size=4), st.integers(0, 8))
def test_a_changed_set_is_the_one_that_is_made_anew(some: list[Rule], new: list[Rule], kept: int) -> None:
    before = RuleSet(some)
    after = before.changed(some[kept:], new)
    gone = {rule.id for rule in some[kept:]}
    anew = RuleSet([*(rule for rule in some if rule.id not in gone), *new])
    assert [rule.id for rule in after] == [rule.id for rule in anew]
    assert [rule.id for rule in before] == [rule.id for rule in RuleSet(some)]


def test_match_refuses_what_cannot_be_meant() -> None:
    from ipaddress import ip_network

    with pytest.raises(ValueError, match="at least a port"):
        Match(Direction.TO, peer=ip_network("10.0.0.0/8"))
    with pytest.raises(ValueError, match="L4 ports"):
        Match(Direction.TO, port=PORT, protocol=Protocol.ICMP, own_ports=PortRange(1, 2))
    with pytest.raises(ValueError, match="IP versions"):
        Match(Direction.TO, ip=ip_network("10.0.0.1"), peer=ip_network("fd00::1"))


@pytest.mark.parametrize(("first", "last"), [(-1, 5), (5, 4), (1, 65536)])
def test_port_range_refuses(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="not a range"):
        PortRange(first, last)


@pytest.mark.parametrize(("action", "vlan"), [(Action.DENY, 5), (Action.MOVE_VLAN, None), (Action.MOVE_VLAN, 4095)])
def test_vlan_goes_with_a_move(action: Action, vlan: int | None) -> None:
    with pytest.raises(ValueError, match="VLAN"):
        Rule(RULE.match, action, RULE.provenance, vlan)


def test_fields_names_what_is_set() -> None:
    match = Match(Direction.TO, port=PORT, protocol=Protocol.TCP, peer_ports=PortRange(445, 445))
    assert match.fields() == {"port", "protocol", "peer_ports"}
