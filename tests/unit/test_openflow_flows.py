"""The rendering of rules as flows, held against `drivers.semantics` on a small flow table."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.readback import merged
from drivers.base import ObservedState, PreState, UnsupportedAction
from drivers.openflow import flows
from drivers.openflow.converge import Renderer
from drivers.openflow.driver import OpenFlowDriver
from drivers.openflow.flows import Flow
from drivers.openflow.layout import ALONE
from drivers.rules import Action, Direction, Mac, Match, PortName, PortRange, Protocol, Provenance, Rule, RuleSet
from drivers.semantics import ETH_IPV4, Crossing, Fate, Frame, matches, verdict
from tests.strategies import MACS, PORTS, crossings, rules
from tests.unit.flow_table import FlowTable

CAPABILITIES = OpenFlowDriver.capabilities
NOTHING = RuleSet()
P1, P2, P3 = PORTS


def renderable(rule: Rule) -> bool:
    """Declared, and not the ARP of an IPv6 address, which no frame is."""
    addressed = rule.match.ip or rule.match.peer
    no_frame = rule.match.protocol is Protocol.ARP and addressed is not None and addressed.version == 6
    return not no_frame and not CAPABILITIES.unsupported(RuleSet([rule]))


def _without_permit_behind_flag(given_rules: list[Rule]) -> RuleSet:
    flagged = {rule.provenance.containment for rule in given_rules if flows.is_port_flag(rule)}
    return RuleSet(
        rule
        for rule in given_rules
        if rule.action is not Action.PERMIT
        or rule.match.direction is Direction.FROM
        or rule.provenance.containment not in flagged
    )


def _wishing_for(slots: set[int]) -> list[Rule]:
    """Rules of many containments with few matches, whose ids all name one of these slots."""
    asked = [
        (Match(Direction.FROM, port=PORTS[0]), Action.DENY),
        (Match(Direction.TO, port=PORTS[0]), Action.DENY),
        (Match(Direction.TO, mac=MACS[0]), Action.DENY),
        (Match(Direction.FROM, port=PORTS[0], peer=ip_network("10.0.0.0/24")), Action.PERMIT),
        (Match(Direction.FROM, port=PORTS[0], peer=ip_network("10.0.0.0/24"), protocol=Protocol.ARP), Action.PERMIT),
        (Match(Direction.FROM, port=PORTS[0], peer=ip_network("10.0.0.2")), Action.COUNT),
    ]
    made = (Rule(*what, Provenance(f"c{number}")) for what in asked for number in range(1500))
    return [rule for rule in made if int(rule.id, 16) % flows.SLOTS in slots]


rival_rules = st.lists(st.sampled_from(_wishing_for({0, flows.SLOTS - 1})), max_size=10).map(
    _without_permit_behind_flag
)
some_rules = rival_rules | st.lists(
    rules((Action.DENY, Action.PERMIT, Action.COUNT)).filter(renderable), max_size=7
).map(_without_permit_behind_flag)
crowded_rules = st.lists(
    st.builds(
        Rule,
        st.builds(
            Match,
            st.just(Direction.FROM),
            port=st.just(PORTS[0]),
            mac=st.sampled_from([None, MACS[0]]),
            peer=st.sampled_from([None, ip_network("10.0.0.0/24"), ip_network("10.0.0.2")]),
            protocol=st.sampled_from([None, Protocol.TCP]),
        ),
        st.sampled_from([Action.DENY, Action.PERMIT]),
        st.sampled_from([Provenance("c1"), Provenance("c2"), Provenance("c3")]),
    ),
    min_size=3,
    max_size=9,
).map(RuleSet)
some_crossings = st.lists(crossings(), min_size=1, max_size=12)


class Switch:
    """A flow table, the renderer for it, and the pre-state of its ports."""

    def __init__(self) -> None:
        self.table = FlowTable(PORTS)
        self.renderer = Renderer("of:1", CAPABILITIES)
        self.baseline = PreState({name: port.settings for name, port in self.table.observed().ports.items()})

    def observed(self) -> ObservedState:
        """As the speaker answers: of the strangers' flows only those that could stand in our way."""
        seen, above = self.table.observed(), ALONE.outranked_from
        found = [flow for flow in map(Flow.parse, seen.outranking) if flow.priority >= above.get(flow.table, 1 << 16)]
        return replace(seen, outranking=tuple(flow.text for flow in found))

    def converge(self, desired: RuleSet) -> None:
        self.table.take(self.renderer.change(desired, self.observed(), self.baseline).messages)


def fits(desired: RuleSet, crossing: Crossing) -> bool:
    """What the driver's docstring leaves out: a TO rule's port is where its MAC or IP is, and no containment permits one way what it
    denies the other way of the same frame (a device that sends to itself)."""
    for rule in desired:
        anywhere = replace(rule.match, port=None) if rule.match.mac or rule.match.ip else rule.match
        if rule.match.direction is Direction.TO and matches(anywhere, crossing) != matches(rule.match, crossing):
            return False
    hits = [rule for rule in desired if matches(rule.match, crossing)]
    ways = {(rule.provenance.containment, rule.match.direction, rule.action) for rule in hits}
    return not any(
        (name, Direction.FROM, action) in ways and (name, Direction.TO, other) in ways
        for name, _, _ in ways
        for action, other in ((Action.PERMIT, Action.DENY), (Action.DENY, Action.PERMIT))
    )


@settings(max_examples=200, deadline=None)
@given(some_rules, some_crossings)
def test_flows_mean_what_the_rules_mean(desired: RuleSet, tried: list[Crossing]) -> None:
    switch = Switch()
    switch.converge(desired)
    for crossing in tried:
        if fits(desired, crossing):
            assert switch.table.forward(crossing) is verdict(desired, crossing).fate


@settings(max_examples=200, deadline=None)
@given(crowded_rules, some_crossings)
def test_a_permit_outweighs_only_its_own_containment(desired: RuleSet, tried: list[Crossing]) -> None:
    switch = Switch()
    switch.converge(desired)
    for crossing in tried:
        crossing = replace(crossing, in_port=PORTS[0], out_port=PORTS[1])
        assert switch.table.forward(crossing) is verdict(desired, crossing).fate


def permit(containment: str, **fields: object) -> Rule:
    return replace(deny(Direction.FROM, containment, **fields), action=Action.PERMIT)


def hub(macs: list[Mac], contained: list[Mac]) -> RuleSet:
    """Several devices behind one port: each contained one loses the port, and the others there are let through."""
    return RuleSet(
        rule
        for mac in contained
        for rule in (
            deny(Direction.FROM, mac, port=P1),
            deny(Direction.TO, mac, mac=mac),
            *(permit(mac, port=P1, mac=other) for other in macs if other != mac),
        )
    )


@pytest.mark.parametrize("contained", [1, 6, 19, 20])
def test_many_containments_behind_one_port_take_one_flow_more_each(contained: int) -> None:
    macs = [Mac(f"02:00:00:00:01:{number:02x}") for number in range(20)]
    stranger, outside = MACS[0], MACS[1]
    desired, switch = hub(macs, macs[:contained]), Switch()
    switch.converge(desired)
    own = [flow for rule in desired for flow in flows.rule_flows(rule, 1)]
    derived = [
        f for f in switch.table.flows.values() if flows.Band.PERMIT + flows.SLOTS <= f.priority < flows.Band.LLDP
    ]
    assert len(derived) <= contained < len(own)
    for mac in (*macs, stranger):
        for crossing in (
            Crossing(Frame(mac, outside, ETH_IPV4), P1, P2),
            Crossing(Frame(outside, mac, ETH_IPV4), P2, P1),
        ):
            assert switch.table.forward(crossing) is verdict(desired, crossing).fate, crossing
    assert switch.renderer.change(desired, switch.table.observed(), switch.baseline).empty


def test_more_voices_on_part_of_what_others_permit_together() -> None:
    """Three permit an address; two of them permit its TCP too, each in a flow of its own; a fourth permits nothing."""
    peer, tcp = ip_network("10.0.0.2"), Protocol.TCP
    desired = RuleSet(
        [
            *(deny(Direction.FROM, name, port=P1) for name in ("a", "b", "c")),
            *(permit(name, port=P1, peer=peer) for name in ("a", "b", "c")),
            permit("a", port=P1, protocol=tcp),
            permit("b", port=P1, mac=MACS[0]),
        ]
    )
    frames = [
        Frame(mac, MACS[1], ETH_IPV4, ip_address("10.0.0.1"), ip_address(to), number, 1, 2)
        for mac in (MACS[0], MACS[2])
        for to in ("10.0.0.2", "10.0.1.3")
        for number in (6, 17)
    ]
    for some in (
        desired,
        RuleSet(r for r in desired if r.provenance.containment != "c"),
        desired | RuleSet([deny(Direction.FROM, "d", port=P1)]),
    ):
        switch = Switch()
        switch.converge(some)
        for frame in frames:
            crossing = Crossing(frame, P1, P2)
            assert switch.table.forward(crossing) is verdict(some, crossing).fate, frame


@settings(max_examples=200, deadline=None)
@given(crowded_rules, crowded_rules, some_crossings)
def test_nothing_gets_through_in_between_where_permits_meet(
    before: RuleSet, after: RuleSet, tried: list[Crossing]
) -> None:
    switch, later = Switch(), Switch()
    switch.converge(before)
    later.converge(after)
    placed = [replace(crossing, in_port=P1, out_port=P2) for crossing in tried]
    dropped = [c for c in placed if switch.table.forward(c) is later.table.forward(c) is Fate.DROP]
    for message in switch.renderer.change(after, switch.table.observed(), switch.baseline).messages:
        switch.table.take([message])
        for crossing in dropped:
            assert switch.table.forward(crossing) is Fate.DROP, message


strangers_flows = st.builds(
    Flow,
    st.sampled_from([0, 1]),
    st.sampled_from([0, 2, 20_500, 25_000, 65_000]),
    st.just(0x77),
    st.sampled_from([(), (("in_port", 1),), (("eth_src", MACS[0]),), (("eth_dst", MACS[0]),), (("eth_type", 0x0806),)]),
    st.sampled_from([None, 2]),
    st.sampled_from([None, "normal"]),
)


@settings(max_examples=300, deadline=None)
@given(some_rules, st.lists(strangers_flows, min_size=1, max_size=3), some_crossings)
def test_a_rule_that_a_strangers_flow_takes_frames_from_is_not_called_installed(
    desired: RuleSet, strangers: list[Flow], tried: list[Crossing]
) -> None:
    switch = Switch()
    theirs: dict[object, Flow] = {flow.key: flow for flow in strangers}
    switch.table.flows |= theirs
    switch.converge(desired)
    assert theirs.items() <= switch.table.flows.items(), "what is not ours stays"
    unheld = switch.renderer.change(desired, switch.observed(), switch.baseline).rule_ids
    for crossing in tried:
        wanted = verdict(desired, crossing)
        if fits(desired, crossing) and wanted.fate is Fate.DROP and switch.table.forward(crossing) is Fate.PASS:
            assert unheld, "a frame that should be dropped came out, and nothing is said"


def test_a_colleagues_flow_above_ours_is_named_and_a_drop_or_one_elsewhere_is_not() -> None:
    rules_of_one = RuleSet([deny(Direction.FROM, "c1", port=P1), deny(Direction.TO, "c1", mac=MACS[0])])
    from_it, to_it = (next(r for r in rules_of_one if r.match.direction is way) for way in Direction)
    for flow, unheld in (
        (Flow(0, 30_000, 0x77, (("in_port", 1),), None, "normal"), {from_it.id, to_it.id}),
        (Flow(0, 30_000, 0x77, (("in_port", 1),), 1, None), {from_it.id}),
        (Flow(0, 30_000, 0x77, (("in_port", 1),), None, None), set()),
        (Flow(0, 30_000, 0x77, (("in_port", 2), ("eth_dst", MACS[1])), None, "normal"), set()),
        (Flow(0, 100, 0x77, (("eth_dst", MACS[0]),), None, "normal"), {to_it.id}),
        (Flow(0, 0, 0x77, (), None, "normal"), set()),
        (Flow(1, 30_000, 0x77, (), 2, None), {to_it.id}),
        (Flow(1, 100, 0x77, (), 2, None), set()),
    ):
        switch = Switch()
        switch.table.flows[flow.key] = flow
        switch.converge(rules_of_one)
        change = switch.renderer.change(rules_of_one, switch.observed(), switch.baseline)
        assert change.rule_ids == unheld, flow.text
        assert all(f"somebody else's flow outranks it: {flow.text}" == m["reason"] for m in change.messages)
        del switch.table.flows[flow.key]
        assert switch.renderer.change(rules_of_one, switch.observed(), switch.baseline).empty


@settings(max_examples=80, deadline=None)
@given(some_rules, some_rules)
def test_convergence_ends_and_goes_back(one: RuleSet, other: RuleSet) -> None:
    switch = Switch()
    switch.converge(NOTHING)
    untouched = switch.table.state()
    switch.converge(one)
    assert switch.renderer.change(one, switch.table.observed(), switch.baseline).empty
    held = switch.table.state()
    switch.converge(other)
    assert switch.renderer.change(other, switch.table.observed(), switch.baseline).empty
    switch.converge(one)
    assert switch.table.state() == held
    switch.converge(NOTHING)
    assert switch.table.state() == untouched


@settings(max_examples=200, deadline=None)
@given(rival_rules, rival_rules)
def test_equal_matches_of_different_containments_keep_flows_of_their_own(one: RuleSet, other: RuleSet) -> None:
    """Whatever was there before, and with whatever the renderer rendered before."""
    fresh, used = Switch(), Switch()
    fresh.converge(one)
    used.converge(other)
    used.converge(one)
    assert used.table.state() == fresh.table.state()
    assert {rule.id for rule in one} <= {rule.rule_id for rule in used.table.observed().rules}


def test_of_more_equal_matches_than_fit_the_last_are_refused() -> None:
    switch = Switch()
    many = RuleSet(deny(Direction.FROM, f"c{number}", ip=ip_network("10.0.0.1")) for number in range(flows.SLOTS + 2))
    change = switch.renderer.change(many, switch.table.observed(), switch.baseline)
    refused = {name for message in change.messages if message["kind"] == "absent" for name in message["rules"]}
    assert len(refused) == 2
    switch.table.take(change.messages)
    held = {rule.rule_id for rule in switch.table.observed().rules}
    assert {rule.id for rule in many} - refused <= held
    left = switch.renderer.change(many, switch.table.observed(), switch.baseline)
    assert left.rule_ids == refused
    assert {message["kind"] for message in left.messages} == {"absent"}


@settings(max_examples=80, deadline=None)
@given(some_rules, some_rules, some_crossings)
def test_nothing_gets_through_in_between(before: RuleSet, after: RuleSet, tried: list[Crossing]) -> None:
    """What is dropped before and after a change is dropped after every single message of it."""
    switch = Switch()
    switch.converge(before)
    dropped = [crossing for crossing in tried if switch.table.forward(crossing) is Fate.DROP]
    later = Switch()
    later.converge(after)
    dropped = [crossing for crossing in dropped if later.table.forward(crossing) is Fate.DROP]
    for message in switch.renderer.change(after, switch.table.observed(), switch.baseline).messages:
        switch.table.take([message])
        for crossing in dropped:
            assert switch.table.forward(crossing) is Fate.DROP, message


@settings(max_examples=100, deadline=None)
@given(some_rules, some_crossings)
def test_a_bare_switch_lets_nothing_through_that_should_stop(desired: RuleSet, tried: list[Crossing]) -> None:
    switch, whole = Switch(), Switch()
    whole.converge(desired)
    for message in switch.renderer.change(desired, switch.table.observed(), switch.baseline).messages:
        switch.table.take([message])
        for crossing in tried:
            if whole.table.forward(crossing) is Fate.DROP:
                assert switch.table.forward(crossing) is Fate.DROP, message


@given(some_rules)
def test_flow_texts_read_back(desired: RuleSet) -> None:
    switch = Switch()
    switch.converge(desired)
    for flow in switch.table.flows.values():
        assert Flow.parse(flow.text) == flow
        assert flows.cookie_of(flows.rule_id_of(flow.cookie) or "1") & flows.COOKIE_MASK == flows.COOKIE_MARK


def deny(direction: Direction, containment: str = "c1", **fields: object) -> Rule:
    return Rule(Match(direction, **fields), Action.DENY, Provenance(containment))  # type: ignore[arg-type]  # by name


def full(port: PortName, containment: str = "c1") -> RuleSet:
    return RuleSet([deny(Direction.FROM, containment, port=port), deny(Direction.TO, containment, port=port)])


def test_contain_goes_flag_first_and_release_flag_last() -> None:
    switch = Switch()
    switch.converge(NOTHING)
    kinds = [m["kind"] for m in switch.renderer.change(full(P1), switch.table.observed(), switch.baseline).messages]
    assert kinds[0] == "port"
    assert set(kinds[1:]) == {"flow"}
    switch.converge(full(P1))
    kinds = [m["kind"] for m in switch.renderer.change(NOTHING, switch.table.observed(), switch.baseline).messages]
    assert kinds[-1] == "port"
    assert "flow" not in kinds


def test_a_flag_without_its_flow_or_the_other_way_round_is_not_the_rule() -> None:
    switch = Switch()
    switch.converge(full(P1))
    flag = deny(Direction.TO, port=P1)
    assert flag.id in {rule.rule_id for rule in switch.table.observed().rules}
    switch.table.no_fwd[P1] = False
    assert flag.id not in {rule.rule_id for rule in switch.table.observed().rules}
    change = switch.renderer.change(full(P1), switch.table.observed(), switch.baseline)
    assert change.rule_ids == {flag.id}
    switch.table.take(change.messages)
    assert flag.id in {rule.rule_id for rule in switch.table.observed().rules}


def test_a_flag_of_a_port_without_pre_state_is_left_alone() -> None:
    switch = Switch()
    switch.table.no_fwd[P2] = True
    assert not switch.renderer.change(NOTHING, switch.table.observed(), PreState()).ports
    assert switch.renderer.change(NOTHING, switch.table.observed(), switch.baseline).ports == {P2}


def test_the_witness_counts_what_got_past_a_deny() -> None:
    switch = Switch()
    switch.converge(full(P1))
    frame = Frame(MACS[0], MACS[1], ETH_IPV4, ip_address("10.0.0.1"), ip_address("10.0.0.2"), 1)
    assert switch.table.forward(Crossing(frame, P1, P2)) is Fate.DROP
    assert switch.table.observed().packets(["witness:p1"]) == 0
    drop = next(flow for flow in switch.table.flows.values() if flow.table == 0 and dict(flow.match) == {"in_port": 1})
    del switch.table.flows[drop.key]
    assert switch.table.forward(Crossing(frame, P1, P2)) is Fate.PASS
    assert switch.table.observed().packets(["witness:p1"]) == 1
    assert switch.renderer.change(full(P1), switch.table.observed(), switch.baseline).rule_ids == {
        deny(Direction.FROM, port=P1).id
    }


def test_a_port_that_is_gone_fails_its_rules_alone() -> None:
    switch = Switch()
    gone = deny(Direction.FROM, port=PortName("p9"))
    change = switch.renderer.change(full(P1) | RuleSet([gone]), switch.table.observed(), switch.baseline)
    absent = [message for message in change.messages if message["kind"] == "absent"]
    assert [message["rules"] for message in absent] == [[gone.id]]
    assert "p9" in absent[0]["reason"]
    switch.table.take(change.messages)
    assert switch.renderer.change(full(P1), switch.table.observed(), switch.baseline).empty


def test_permit_behind_a_port_flag_is_refused() -> None:
    permit = Rule(Match(Direction.TO, mac=MACS[0]), Action.PERMIT, Provenance("c1"))
    with pytest.raises(UnsupportedAction, match="c1"):
        Switch().converge(full(P1) | RuleSet([permit]))
    Switch().converge(full(P1, "c2") | RuleSet([permit]))


@pytest.mark.parametrize("action", [Action.MOVE_VLAN, Action.SHUT, Action.MIRROR])
def test_what_is_not_declared_is_refused(action: Action) -> None:
    rule = Rule(
        Match(Direction.FROM, port=P1), action, Provenance("c1"), vlan=9 if action is Action.MOVE_VLAN else None
    )
    with pytest.raises(UnsupportedAction, match=action.value):
        Switch().converge(RuleSet([rule]))


def test_to_a_port_by_protocol_is_refused() -> None:
    with pytest.raises(UnsupportedAction, match="port"):
        Switch().converge(RuleSet([deny(Direction.TO, port=P1, protocol=Protocol.TCP)]))


@given(st.integers(0, 65535), st.integers(0, 65535))
def test_a_range_of_ports_becomes_masks_that_cover_it_exactly(one: int, other: int) -> None:
    wanted = PortRange(min(one, other), max(one, other))
    masked = flows._masked(wanted)
    assert len(masked) <= 30
    covered = []
    for value in masked:
        bits, _, mask = str(value).partition("/")
        start, care = (0, 0) if value is None else (int(bits, 16), int(mask, 16)) if mask else (int(bits), 0xFFFF)
        assert start & ~care == 0
        covered.append((start, start + 0xFFFF - care))
    assert covered[0][0] == wanted.first
    assert covered[-1][1] == wanted.last
    assert all(before[1] + 1 == after[0] for before, after in pairwise(covered))


asked_in_turn = st.lists(
    st.tuples(
        some_rules | crowded_rules,
        st.sampled_from(["nothing", "pushed", "pushed in part", "read again", "a port went", "a port came"]),
    ),
    min_size=2,
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(asked_in_turn)
def test_what_is_rendered_depends_on_nothing_that_was_asked_before(asked: list[tuple[RuleSet, str]]) -> None:
    """A renderer that keeps up with what changes says what one says that sees all for the first time. What is read in part is merged into
    what was known, as the reconciler does it: most of it is the same objects as before."""
    switch = Switch()
    known = switch.observed()
    for desired, then in asked:
        fresh = Renderer("of:1", CAPABILITIES)
        change, first = (one.change(desired, known, switch.baseline) for one in (switch.renderer, fresh))
        assert (change, tuple(change.lines)) == (first, tuple(first.lines))
        if then.startswith("pushed"):
            switch.table.take(change.messages[: None if then == "pushed" else len(change.messages) // 2])
            known = merged(known, switch.observed(), change.scope)
        elif then == "read again":
            known = switch.observed()
        elif then.startswith("a port"):
            others = {name: port for name, port in switch.observed().ports.items() if name != P1}
            known = replace(known, ports=others if then == "a port went" else switch.observed().ports)


def test_one_in_ten_thousand_is_rendered_alone() -> None:
    switch = Switch()
    many = RuleSet(deny(Direction.FROM, f"c{n}", ip=ip_network((0x0A000000 + n, 32))) for n in range(1000))
    switch.converge(many)
    change = switch.renderer.change(many | full(P1, "new"), switch.table.observed(), switch.baseline)
    assert change.rule_ids == {rule.id for rule in full(P1, "new")}
    assert len(change.messages) == 8


@pytest.mark.parametrize("ports", [PortRange(0, 0), PortRange(0, 1023), PortRange(0, 65535)])
def test_ports_that_include_0_speak_of_no_fragment(ports: PortRange) -> None:
    """Open vSwitch reads a port of 0 in every fragment."""
    match = Match(Direction.FROM, port=PortName("p1"), protocol=Protocol.TCP, peer_ports=ports)
    rules = RuleSet([Rule(match, Action.DENY, Provenance("c1"))])
    table = FlowTable((PortName("p1"), PortName("p2")))
    table.take(Renderer("of:1", OpenFlowDriver.capabilities).change(rules, table.observed(), PreState()).messages)
    whole = Frame(MACS[0], MACS[1], ETH_IPV4, ip_address("10.0.0.1"), ip_address("10.0.0.2"), 6, 40000, 0)
    piece = replace(whole, l4_src=None, l4_dst=None, fragment=True)
    for frame, fate in ((whole, Fate.DROP), (piece, Fate.PASS)):
        crossing = Crossing(frame, PortName("p1"), PortName("p2"))
        assert table.forward(crossing) is verdict(rules, crossing).fate is fate
