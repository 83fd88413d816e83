"""What rules mean, held against properties rather than examples."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from drivers.rules import Action, Direction, Match, PortName, PortRange, Protocol, Provenance, Rule, RuleSet
from drivers.semantics import ETH_ARP, ETH_IPV4, Crossing, Fate, Frame, matches, verdict
from tests.strategies import MACS, PORTS, crossings, rule_sets, rules
from tests.strategies import matches as any_match

EVERY_ACTION = rule_sets(tuple(Action))


def fate(rules: RuleSet, crossing: Crossing) -> Fate:
    return verdict(rules, crossing).fate


def of(rules: RuleSet, containment: str) -> RuleSet:
    return RuleSet(rule for rule in rules if rule.provenance.containment == containment)


@given(crossings())
def test_without_rules_everything_passes(crossing: Crossing) -> None:
    assert verdict(RuleSet(), crossing) == verdict([], crossing)
    assert fate(RuleSet(), crossing) is Fate.PASS


@given(EVERY_ACTION, rules([Action.COUNT, Action.MIRROR]), crossings())
def test_count_and_mirror_never_change_a_fate(base: RuleSet, watching: Rule, crossing: Crossing) -> None:
    assert verdict(base | RuleSet([watching]), crossing) == verdict(base, crossing)


@given(rule_sets(), st.sampled_from(Direction), st.booleans(), crossings())
def test_a_permit_outweighs_the_denies_of_its_containment_in_its_direction(
    base: RuleSet, direction: Direction, by_mac: bool, crossing: Crossing
) -> None:
    coming = direction is Direction.FROM
    mac = crossing.frame.eth_src if coming else crossing.frame.eth_dst
    match = Match(direction, port=crossing.in_port if coming else crossing.out_port, mac=mac if by_mac else None)
    permit = Rule(match, Action.PERMIT, Provenance("c1"))
    own = of(base, "c1")
    others_way = [rule for rule in own if rule.match.direction is not direction]
    assert fate(RuleSet([*own, permit]), crossing) is fate(RuleSet(others_way), crossing)


@given(EVERY_ACTION, crossings())
def test_between_containments_the_strictest_wins(base: RuleSet, crossing: Crossing) -> None:
    alone = [fate(of(base, containment), crossing) for containment in ("c1", "c2", "c3")]
    assert fate(base, crossing) is (Fate.DROP if Fate.DROP in alone else Fate.PASS)


@given(EVERY_ACTION, crossings())
def test_the_deciding_rule_speaks_of_the_crossing(base: RuleSet, crossing: Crossing) -> None:
    decided = verdict(base, crossing)
    if decided.fate is Fate.DROP:
        assert decided.rule is not None
        assert decided.rule.action in (Action.DENY, Action.SHUT)
    if decided.rule is not None and decided.rule.action is not Action.SHUT:
        assert matches(decided.rule.match, crossing)


@given(any_match(), crossings())
def test_directions_mirror_each_other(match: Match, crossing: Crossing) -> None:
    frame = crossing.frame
    turned = replace(
        frame,
        eth_src=frame.eth_dst,
        eth_dst=frame.eth_src,
        ip_src=frame.ip_dst,
        ip_dst=frame.ip_src,
        l4_src=frame.l4_dst,
        l4_dst=frame.l4_src,
    )
    other = Direction.TO if match.direction is Direction.FROM else Direction.FROM
    answer = Crossing(turned, crossing.out_port, crossing.in_port)
    assert matches(match, crossing) == matches(replace(match, direction=other), answer)


@given(any_match(), crossings())
def test_a_field_less_never_matches_less(match: Match, crossing: Crossing) -> None:
    for name in match.fields() - {"protocol"}:
        if match.fields() & {"port", "mac", "ip"} - {name}:
            gone: dict[str, Any] = {name: None}
            assert matches(replace(match, **gone), crossing) or not matches(match, crossing)


@given(rules([Action.SHUT]), crossings())
def test_a_shut_port_neither_sends_nor_hears(shut: Rule, crossing: Crossing) -> None:
    expected = shut.match.port is not None and shut.match.port in (crossing.in_port, crossing.out_port)
    assert (fate(RuleSet([shut]), crossing) is Fate.DROP) is expected


@given(rules([Action.MOVE_VLAN]), crossings())
def test_a_move_is_seen_on_its_own_side(move: Rule, crossing: Crossing) -> None:
    moved = verdict([move], crossing)
    expected = move.vlan if matches(move.match, crossing) else None
    sides = (moved.vlan_in, moved.vlan_out)
    assert sides == ((expected, None) if move.match.direction is Direction.FROM else (None, expected))
    assert moved.fate is Fate.PASS


def test_arp_is_held_by_its_protocol_addresses() -> None:
    arp = Frame(MACS[0], MACS[1], ETH_ARP, ip_address("10.0.0.1"), ip_address("10.0.0.2"))
    crossing = Crossing(arp, PORTS[0], PORTS[1])
    assert matches(Match(Direction.FROM, ip=ip_network("10.0.0.1")), crossing)
    assert matches(Match(Direction.TO, ip=ip_network("10.0.0.2"), protocol=Protocol.ARP), crossing)
    assert not matches(Match(Direction.FROM, ip=ip_network("10.0.0.2")), crossing)


def test_an_unknown_port_matches_no_port() -> None:
    frame = Frame(MACS[0], MACS[1], ETH_IPV4, ip_address("10.0.0.1"), ip_address("10.0.0.2"), 6, 1, 445)
    inside = Crossing(frame, None, None)
    deny = Rule(Match(Direction.FROM, port=PortName("p1")), Action.DENY, Provenance("c1"))
    assert fate(RuleSet([deny]), inside) is Fate.PASS
    smb = Match(Direction.FROM, mac=MACS[0], protocol=Protocol.TCP, peer_ports=PortRange(445, 445))
    assert matches(smb, inside)
