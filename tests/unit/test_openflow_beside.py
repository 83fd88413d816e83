"""Rules beside another controller: nothing but drops, which together mean what `drivers.semantics` says, and nothing of theirs touched."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.base import ObservedState, PreState, UnsupportedAction
from drivers.openflow import beside, flows, wire
from drivers.openflow.converge import Renderer
from drivers.openflow.driver import BesideOpenFlowDriver
from drivers.openflow.flows import Flow
from drivers.openflow.layout import BESIDE
from drivers.rules import Action, Direction, Mac, Match, Protocol, Provenance, Rule, RuleSet
from drivers.semantics import ETH_ARP, Crossing, Fate, Frame, matches, verdict
from tests.strategies import MACS, PORTS, crossings, rules
from tests.unit.flow_table import FlowTable
from tests.unit.flow_table import matches as flow_matches

CAPABILITIES = BesideOpenFlowDriver.capabilities
THEIRS = (
    Flow(0, 0, 0, (), None, "controller"),
    Flow(0, 1, 0xFA, (("eth_dst", MACS[0]), ("in_port", 1)), None, "normal"),
    Flow(0, 60_999, 0xFA, (), None, "normal"),
)
P1, P2, P3 = PORTS
ALL_MACS = st.integers(0, 2**48 - 1).map(lambda number: Mac(number.to_bytes(6, "big").hex(":")))


def renderable(rule: Rule) -> bool:
    addressed = rule.match.ip or rule.match.peer
    no_frame = rule.match.protocol is Protocol.ARP and addressed is not None and addressed.version == 6
    return not no_frame and not CAPABILITIES.unsupported(RuleSet([rule]))


def carvable(given_rules: list[Rule]) -> RuleSet:
    """Without the permits that stand behind a flag, or that name a port where a deny of theirs names none."""
    denies = [rule for rule in given_rules if rule.action is Action.DENY]
    return RuleSet(
        rule
        for rule in given_rules
        if rule.action is Action.DENY
        or not any(
            (deny.provenance.containment, deny.match.direction) == (rule.provenance.containment, rule.match.direction)
            and (flows.is_port_flag(deny) or (rule.match.port is not None and deny.match.port is None))
            for deny in denies
        )
    )


some_rules = st.lists(rules((Action.DENY, Action.PERMIT)).filter(renderable), max_size=7).map(carvable)
some_crossings = st.lists(crossings(), min_size=1, max_size=12)


class Switch:
    """A flow table with another controller's flows in it."""

    def __init__(self) -> None:
        self.table = FlowTable(PORTS, BESIDE)
        self.table.flows = {flow.key: flow for flow in THEIRS}
        self.renderer = Renderer("of:1", CAPABILITIES, BESIDE)
        self.baseline = PreState({name: port.settings for name, port in self.observed().ports.items()})

    def observed(self) -> ObservedState:
        """As the speaker answers: of the strangers' flows only those that stand above ours."""
        seen = self.table.observed()
        return replace(
            seen, outranking=tuple(t for t in seen.outranking if Flow.parse(t).priority >= BESIDE.outranked_from[0])
        )

    def converge(self, desired: RuleSet) -> None:
        self.table.take(self.renderer.change(desired, self.observed(), self.baseline).messages)

    def theirs(self) -> list[Flow]:
        return [flow for flow in self.table.flows.values() if not flows.is_ours(flow.cookie)]


def fits(desired: RuleSet, crossing: Crossing) -> bool:
    """A TO rule's port is where its MAC or IP is, as the driver's docstring says."""
    for rule in desired:
        anywhere = replace(rule.match, port=None) if rule.match.mac or rule.match.ip else rule.match
        if rule.match.direction is Direction.TO and matches(anywhere, crossing) != matches(rule.match, crossing):
            return False
    return True


@settings(max_examples=200, deadline=None)
@given(some_rules, some_crossings)
def test_drops_mean_what_the_rules_mean(desired: RuleSet, tried: list[Crossing]) -> None:
    switch = Switch()
    switch.converge(desired)
    for crossing in tried:
        if fits(desired, crossing):
            assert switch.table.forward(crossing) is verdict(desired, crossing).fate


@settings(max_examples=100, deadline=None)
@given(some_rules, some_rules)
def test_only_drops_in_our_band_and_back_to_what_was(first: RuleSet, second: RuleSet) -> None:
    switch = Switch()
    before = switch.table.state()
    for desired in (first, second):
        switch.converge(desired)
        assert switch.theirs() == list(THEIRS)
        ours = [flow for flow in switch.table.flows.values() if flows.is_ours(flow.cookie)]
        assert all(flow.goto is None and flow.output is None and flow.table == 0 for flow in ours)
        assert all(beside.FLOOR <= flow.priority < 65_000 for flow in ours)
        assert switch.renderer.change(desired, switch.observed(), switch.baseline).messages == ()
        held = {rule.rule_id for rule in switch.observed().rules}
        assert {rule.id for rule in desired} <= held
    switch.converge(RuleSet())
    assert switch.table.state() == before


@given(st.lists(ALL_MACS, max_size=6, unique=True), ALL_MACS)
def test_the_complement_holds_every_mac_but_those(macs: list[Mac], other: Mac) -> None:
    masked = list(beside.complement(macs))
    assert len(masked) <= max(1, 48 * len(macs))
    for mac in (*macs, other):
        hits = [one for one in masked if _holds(one, mac)]
        assert len(hits) == (0 if mac in macs else 1)


def _holds(masked: str, mac: Mac) -> bool:
    return flow_matches({"eth_src": masked} if masked else {}, Frame(mac, mac, ETH_ARP), 1)


def test_a_shared_port_spares_its_neighbours() -> None:
    """What `full` asks for on a shared port: everything that comes in but the known neighbours' frames."""
    provenance = Provenance("c1")
    desired = RuleSet(
        [
            Rule(Match(Direction.FROM, port=P1), Action.DENY, provenance),
            *(Rule(Match(Direction.FROM, port=P1, mac=mac), Action.PERMIT, provenance) for mac in MACS[1:]),
            Rule(Match(Direction.TO, port=P1, mac=MACS[0]), Action.DENY, provenance),
        ]
    )
    switch = Switch()
    switch.converge(desired)
    for mac in MACS:
        fate = switch.table.forward(Crossing(Frame(mac, Mac("02:00:00:00:00:09"), ETH_ARP), P1, P2))
        assert fate is (Fate.DROP if mac == MACS[0] else Fate.PASS)


def test_a_strangers_flow_above_ours_is_named() -> None:
    switch = Switch()
    above = Flow(0, 65_535, 0xFA, (("in_port", 1),), None, "normal")
    elsewhere = Flow(0, 65_535, 0xFA, (("in_port", 2),), None, "normal")
    switch.table.flows |= {flow.key: flow for flow in (above, elsewhere)}
    rule = Rule(Match(Direction.FROM, port=P1), Action.DENY, Provenance("c1"))
    switch.converge(RuleSet([rule]))
    change = switch.renderer.change(RuleSet([rule]), switch.observed(), switch.baseline)
    assert change.rule_ids == {rule.id}
    assert [m["kind"] for m in change.messages] == ["absent"]
    assert "outranks it" in change.messages[0]["reason"]
    assert above.text in change.messages[0]["reason"]


def test_what_cannot_be_carved_is_refused() -> None:
    provenance = Provenance("c1")
    deny = Rule(Match(Direction.FROM, mac=MACS[0]), Action.DENY, provenance)
    permit = Rule(Match(Direction.FROM, port=P1, mac=MACS[0]), Action.PERMIT, provenance)
    with pytest.raises(UnsupportedAction, match="only a MAC on a port"):
        Switch().converge(RuleSet([deny, permit]))
    many = [Mac(f"02:00:00:00:01:{number:02x}") for number in range(beside.MOST_CARVED + 1)]
    crowd = [Rule(Match(Direction.FROM, port=P1, mac=mac), Action.PERMIT, provenance) for mac in many]
    with pytest.raises(UnsupportedAction, match="more than the 64"):
        Switch().converge(RuleSet([Rule(Match(Direction.FROM, port=P1), Action.DENY, provenance), *crowd]))


@pytest.mark.parametrize("action", [Action.COUNT, Action.MIRROR])
def test_what_would_steal_a_frame_is_not_declared(action: Action) -> None:
    rule = Rule(Match(Direction.FROM, port=P1), action, Provenance("c1"))
    assert CAPABILITIES.unsupported(RuleSet([rule]))


@given(ALL_MACS, st.integers(1, 47))
def test_a_masked_mac_survives_the_wire(mac: Mac, bits: int) -> None:
    mask = (((1 << bits) - 1) << (48 - bits)).to_bytes(6, "big").hex(":")
    field = f"{mac}/{mask}"
    encoded = wire.encode({"kind": "flow", **Flow.make(0, 1, 0x12345, {"eth_src": field}).wire()})
    assert wire.decode_match(encoded, 48)[0] == {"eth_src": field}


def test_carved_parts_are_disjoint() -> None:
    parts = list(beside.complement(MACS))
    for one, other in combinations(parts, 2):
        assert not _holds(one, Mac(other.partition("/")[0]))
