"""What a lab sends and how it knows it again; what it says about the switches; and what a scenario may be."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.attack import Connection, eve
from labs.frames import (
    CONNECTIONS,
    IMPOSTURES,
    Kind,
    Phase,
    Station,
    Surroundings,
    Tag,
    claim,
    encode_tag,
    find_tag,
    frame,
    tag_offset,
)
from labs.incidents import Crash
from labs.ovs_state import steady
from labs.scenario import ScenarioError, SuricataAlert, load, names, trials
from labs.state import State
from topologies.campus import campus
from topologies.plan import NetworkPlan, Role
from topologies.random_campus import random_campus

NONCE = b"\x01\x02\x03\x04"
SENDER = Station("02:00:00:00:00:01", IPv4Address("10.0.0.1"), IPv6Address("fe80::1"), IPv6Address("2001:db8::1"))
RECEIVER = Station("02:00:00:00:00:02", IPv4Address("10.0.0.2"), IPv6Address("fe80::2"), IPv6Address("2001:db8::2"))
GATEWAYS = (IPv6Address("2001:db8::fe"), IPv6Address("fe80::fe"))
AROUND = Surroundings(IPv4Network("10.0.0.0/24"), IPv4Address("10.0.0.254"), IPv4Address("10.0.0.253"), GATEWAYS)
tags = st.builds(Tag, st.sampled_from(Phase), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF))
framed = st.sampled_from([kind for kind in Kind if kind not in CONNECTIONS])


@given(framed, tags, st.integers(0, 1))
def test_a_frame_is_known_again_by_its_tag(kind: Kind, tag: Tag, turn: int) -> None:
    built = frame(kind, SENDER, RECEIVER, AROUND, encode_tag(NONCE, tag), turn=turn)
    assert len(built) >= 60
    assert find_tag(NONCE, built) == tag
    assert find_tag(b"\x04\x03\x02\x01", built) is None


@given(framed, tags)
def test_a_stream_moves_a_frame_on_in_place(kind: Kind, tag: Tag) -> None:
    """The agent writes phase and sequence number at fixed distances from the tag's beginning."""
    built = bytearray(frame(kind, SENDER, RECEIVER, AROUND, encode_tag(NONCE, Tag(Phase.BEFORE, tag.flow, 0))))
    at = tag_offset(NONCE, bytes(built)) + 8
    built[at] = list(Phase).index(tag.phase)
    built[at + 3 : at + 7] = tag.sequence.to_bytes(4, "big")
    assert find_tag(NONCE, bytes(built)) == tag


def test_an_icmp_error_that_quotes_a_frame_is_no_arrival() -> None:
    quoted = encode_tag(NONCE, Tag(Phase.DURING, 1, 1))
    head = bytes(12) + b"\x08\x00" + b"\x45" + bytes(8) + b"\x01" + bytes(10)
    assert find_tag(NONCE, head + quoted) is None


def test_an_attackers_frames_carry_what_it_pretends_to_be() -> None:
    built = {kind: frame(kind, SENDER, RECEIVER, AROUND, b"") for kind in Kind if kind not in CONNECTIONS}
    assert built[Kind.CHANGED_IP][26:30] == AROUND.unused.packed
    assert built[Kind.GATEWAY_IP][26:30] == AROUND.gateway.packed
    assert built[Kind.CHANGED_MAC][6:12] != built[Kind.UDP][6:12]
    assert built[Kind.IPV6_LINK_LOCAL][12:14] == b"\x86\xdd"
    assert built[Kind.NON_IP][12:14] == b"\x88\xb5"


def test_claims_announce_the_pretended_address() -> None:
    claimed = {kind: claim(kind, SENDER, AROUND, b"") for kind in Kind}
    assert {kind for kind, built in claimed.items() if built} == {
        Kind.CHANGED_IP,
        Kind.CHANGED_MAC,
        Kind.GATEWAY_IP,
        Kind.PRIVACY_ADDRESS,
    }
    assert (claimed[Kind.GATEWAY_IP] or b"")[28:32] == AROUND.gateway.packed


FLOWS = """OFPST_FLOW reply (OF1.3) (xid=0x2):
 cookie=0x1, duration=1.5s, table=0, n_packets=7, n_bytes=420, idle_age=1, priority=10,in_port=1 actions=drop
 cookie=0x0, duration=9.1s, table=0, n_packets=0, n_bytes=0, priority=0 actions=NORMAL
"""


def test_counters_and_ages_are_no_difference() -> None:
    later = FLOWS.replace("=1.5s", "=2.5s").replace("n_packets=7", "n_packets=9").replace("0x2", "0x4")
    assert steady(FLOWS) == steady(later.replace("n_bytes=420", "n_bytes=540"))


@pytest.mark.parametrize(("was", "now"), [("drop", "NORMAL"), ("priority=10", "priority=11"), ("0x1", "0x9")])
def test_anything_else_is_a_difference(was: str, now: str) -> None:
    before = State({("s1", "flows"): steady(FLOWS)}, frozenset())
    after = State({("s1", "flows"): steady(FLOWS.replace(was, now, 1))}, frozenset())
    assert len(before.differences(after)) == 2
    assert before.differences(before) == []


def test_someone_who_is_not_reached_any_more_is_a_difference() -> None:
    before, after = State({}, frozenset({"udp a -> b"})), State({}, frozenset())
    assert before.differences(after) == ["reach: udp a -> b does not arrive any more"]
    assert after.differences(before) == ["reach: udp a -> b did not arrive before"]


SINCE_THE_FIRST = {
    Kind.ARP,
    Kind.BROADCAST_UDP,
    Kind.BROADCAST_L2,
    Kind.TCP,
    Kind.UDP,
    Kind.NON_IP,
    Kind.CHANGED_IP,
    Kind.CHANGED_MAC,
    Kind.GATEWAY_IP,
    Kind.IPV6_LINK_LOCAL,
}
"""What every scenario about the rogue tries."""
SERVICES_ALONE = {Kind.REQUEST, *(kind for kind in Kind if kind.value.startswith("smb"))}
EVERYTHING = set(Kind) - SERVICES_ALONE
"""What `dual-stack` tries: all but what is about one service."""


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("plan", [campus(), random_campus(3)], ids=["campus", "random"])
def test_every_scenario_tries_every_kind_in_both_directions(name: str, plan: NetworkPlan) -> None:
    scenario = load(name)
    assert scenario.name == name
    tried = trials(scenario, plan)
    assert len({trial.number for trial in tried}) == len({trial.name for trial in tried}) == len(tried)
    every, borrowed = (EVERYTHING, set(IMPOSTURES)) if name == "dual-stack" else (SINCE_THE_FIRST, set(IMPOSTURES))
    honest = every - borrowed
    if scenario.contained is not Role.ROGUE:
        return  # one of its own kind: tests/mininet says what it must try

    def kinds(source: Role, to: Role, *, must_stop: bool) -> set[Kind]:
        ends = (source, to)
        return {one.kind for one in tried if one.must_stop is must_stop and (one.source.role, one.to.role) == ends}

    held_too = {role for one in scenario.during if isinstance(one, Crash) for role in one.containing}
    for other in {Role.VICTIM, Role.FILE_SERVER, Role.DOMAIN_CONTROLLER, Role.GATEWAY} - held_too:
        assert kinds(Role.ROGUE, other, must_stop=True) >= every
        assert kinds(other, Role.ROGUE, must_stop=True) >= honest
        assert kinds(Role.NEIGHBOUR, other, must_stop=False) >= honest
        assert kinds(other, Role.NEIGHBOUR, must_stop=False) >= honest
    assert any(trial.every and not trial.must_stop for trial in tried)


def test_a_scenario_that_is_none_is_refused_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"no lab 'nowhere'; there are .*rogue-host, "):
        load("nowhere")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: wrong\ntitel: x\n")
    with pytest.raises(ScenarioError, match="titel: Extra inputs"):
        load(str(wrong))
    wrong.write_text("name: [")
    with pytest.raises(ScenarioError, match="not YAML"):
        load(str(wrong))


def test_the_alert_speaks_of_the_attack_itself() -> None:
    plan = campus()
    seen = Connection(1_700_000_000.25, plan.actor(Role.ROGUE), 40_000, plan.actor(Role.VICTIM), 445)
    alert = SuricataAlert(signature_id=1, signature="x", category="y", severity=1)
    record = eve(alert, seen, "s2-eth1")
    assert record["timestamp"] == "2023-11-14T22:13:20.250000+0000"
    assert (record["src_ip"], record["src_port"]) == ("10.20.30.66", 40_000)
    assert (record["dest_ip"], record["dest_port"]) == ("10.20.30.101", 445)
