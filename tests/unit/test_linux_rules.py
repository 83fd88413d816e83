"""Rules as entries of nftables: they mean what `drivers.semantics` says, the kernel's listing is read back as what was sent, and nothing
that anybody may have invented reaches the script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.base import Change, ObservedRule, PreState
from drivers.netmiko_cli.arrival import Arrival
from drivers.netmiko_cli.linux import LinuxPlatform
from drivers.netmiko_cli.linux_change import change, held
from drivers.netmiko_cli.linux_layout import BASE, chains, entries, name_of
from drivers.netmiko_cli.linux_seen import LinuxState, Seen, SeenPort, SeenTable
from drivers.netmiko_cli.messages import Refusal, Script
from drivers.netmiko_cli.nft import FRAGMENT, FRAGMENT6, Entry, Listed, Term, listed
from drivers.rules import Action, Direction, Mac, Match, PortName, Protocol, Provenance, Rule, RuleSet
from drivers.semantics import ETH_ARP, ETH_IPV4, ETH_IPV6, Crossing, Fate, verdict
from drivers.warm_session import Refused
from tests.strategies import MATCHABLE_ACTIONS, PORTS, crossings, rule_sets

SCRIPT = re.compile(r'[A-Za-z0-9_ ."{}:;,/|!=()&<>-]*')
"""What a script is made of: no quotation but nft's own, nothing that a shell reads within its quotation."""
P1 = PortName("p1")


def seen(*names: str, table: SeenTable | None = None, **more: Any) -> Seen:
    ports = {PortName(name): SeenPort(PortName(name), True, None, 2, "br0") for name in names}
    return Seen("boot", ports, table=table, **more)


def table(rules: RuleSet) -> SeenTable:
    """The table as it is listed once it holds these rules."""
    handles = iter(range(1, 10_000))
    every = {
        name: tuple(Listed(next(handles), entry.comment, entry, 0, 0) for entry in entries)
        for name, entries in chains(rules).items()
    }
    return SeenTable(True, every)


def rule(match: Match, action: Action = Action.DENY, containment: str = "c1") -> Rule:
    return Rule(match, action, Provenance(containment))


# --- what they mean ---------------------------------------------------------------------------------------------------


def fits(term: Term, crossing: Crossing) -> bool:
    """As the kernel looks at a frame: what is not in it fits nothing."""
    frame, (name, value) = crossing.frame, term
    is_ip, later = frame.eth_type in (ETH_IPV4, ETH_IPV6), frame.fragment and frame.l4_src is None
    upper = frame.ip_protocol if is_ip else None
    if term in (FRAGMENT, FRAGMENT6):
        return frame.fragment and frame.eth_type == (ETH_IPV4 if term == FRAGMENT else ETH_IPV6)
    addresses = {"saddr": frame.ip_src, "daddr": frame.ip_dst}
    families = {"ip": ETH_IPV4, "ip6": ETH_IPV6, "arp": ETH_ARP}
    found: object = None
    match name.split():
        case ["iifname"]:
            found = crossing.in_port
        case ["oifname"]:
            found = crossing.out_port
        case ["ether", end]:
            found = frame.eth_src if end == "saddr" else frame.eth_dst
        case ["meta", "protocol"]:
            found = frame.eth_type
        case ["meta", "l4proto"]:
            found = upper
        case ["ip", "protocol"]:
            found = frame.ip_protocol if frame.eth_type == ETH_IPV4 else None
        case ["tcp", "flags"]:
            return upper == 6 and not later and frame.established
        case ["icmpv6", "type"]:
            found = frame.icmp_type if upper == 58 else None
        case ["tcp" | "udp" as protocol, end]:
            found = (
                None if upper != {"tcp": 6, "udp": 17}[protocol] else frame.l4_src if end == "sport" else frame.l4_dst
            )
        case [family, end, *_]:
            address = addresses[end]
            return frame.eth_type == families[family] and address is not None and address in ip_network(str(value))
    if isinstance(value, frozenset):
        return found in value
    if isinstance(value, tuple):
        return isinstance(found, int) and value[0] <= found <= value[1]
    return found == value


def passes(held_chains: Mapping[str, list[Entry]], base: str, crossing: Crossing) -> bool:
    for jump in held_chains[base]:
        for entry in held_chains[jump.verdict.removeprefix("jump ")]:
            if all(fits(term, crossing) for term in entry.terms) and entry.verdict != "count":
                if entry.verdict == "drop":
                    return False
                break
    return True


@settings(max_examples=150, deadline=None)
@given(rule_sets(MATCHABLE_ACTIONS), st.lists(crossings(PORTS), min_size=1, max_size=15))
def test_random_rules_mean_what_semantics_says(rules: RuleSet, every: list[Crossing]) -> None:
    held_chains = chains(rules)
    for crossing in every if held_chains else ():
        on = passes(held_chains, "from", crossing) and passes(held_chains, "to", crossing)
        assert on is (verdict(rules, crossing).fate is Fate.PASS), crossing


@settings(max_examples=30, deadline=None)
@given(rule_sets(MATCHABLE_ACTIONS))
def test_what_counts_alone_stops_nothing_and_is_asked_first(rules: RuleSet) -> None:
    for name, every in chains(rules).items():
        if name.startswith(("count_", "witness_")):
            assert {entry.verdict for entry in every} <= {"count"}
    hooks = {hook: [priority for place, priority in BASE.values() if place == hook] for hook, _ in BASE.values()}
    assert BASE["count_from"][1] == min(hooks["prerouting"])
    assert BASE["count_to"][1] == min(hooks["postrouting"])


# --- converging -------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(rule_sets(MATCHABLE_ACTIONS), rule_sets(MATCHABLE_ACTIONS))
def test_what_is_held_is_not_sent_again_and_what_is_not_is_named(before: RuleSet, after: RuleSet) -> None:
    before, after = (RuleSet(one for one in rules if next(entries(one), None)) for rules in (before, after))
    there = table(before) if before.ids else None
    same, other = (change("h", rules, seen(*PORTS, table=there)) for rules in (before, after))
    assert same.empty, same.lines
    assert (same.rule_ids, same.removed) == (frozenset(), frozenset())
    assert other.removed == before.ids - after.ids
    assert after.ids - before.ids <= other.rule_ids <= after.ids
    assert other.empty is (before == after)


def test_a_permit_never_stands_behind_a_deny() -> None:
    deny = rule(Match(Direction.FROM, port=P1))
    permit = rule(Match(Direction.FROM, port=P1, peer=ip_network("10.0.0.9")), Action.PERMIT)
    lines = _script(change("h", RuleSet([deny, permit]), seen("p1", table=table(RuleSet([deny])))))
    assert all(line.startswith("insert") for line in lines if permit.id in line)
    right = table(RuleSet([deny, permit]))
    chain = name_of("c1", Direction.FROM)
    wrong = replace(right, chains={**right.chains, chain: tuple(reversed(right.chains[chain]))})
    again = change("h", RuleSet([deny, permit]), seen("p1", table=wrong))
    assert again.rule_ids == {deny.id, permit.id}


def test_a_chain_that_nothing_jumps_to_is_not_held() -> None:
    deny = rule(Match(Direction.FROM, port=P1))
    whole = table(RuleSet([deny]))
    cut = replace(whole, chains={**whole.chains, "from": ()})
    assert deny.id not in {one.rule_id for one in held(cut)}
    assert change("h", RuleSet([deny]), seen("p1", table=cut)).rule_ids == {deny.id}


def test_a_table_that_somebody_changed_is_made_anew() -> None:
    deny = rule(Match(Direction.FROM, port=P1))
    switched_off = replace(table(RuleSet([deny])), sound=False)
    assert {one.rule_id for one in held(switched_off)} == {None}
    made = change("h", RuleSet([deny]), seen("p1", table=switched_off))
    assert _script(made)[:2] == ("delete table bridge netcordon", "add table bridge netcordon")
    assert made.rule_ids == {deny.id}


def test_an_entry_that_somebody_edited_is_replaced() -> None:
    deny = rule(Match(Direction.FROM, port=P1))
    whole = table(RuleSet([deny]))
    chain = name_of("c1", Direction.FROM)
    edited = tuple(
        replace(one, entry=Entry(one.entry.terms, "count", one.comment)) for one in whole.chains[chain] if one.entry
    )
    made = change("h", RuleSet([deny]), seen("p1", table=replace(whole, chains={**whole.chains, chain: edited})))
    assert made.rule_ids == {deny.id}
    assert any(line.startswith("delete rule") for line in _script(made))


def test_nothing_desired_leaves_no_table() -> None:
    deny = rule(Match(Direction.FROM, port=P1))
    assert _script(change("h", RuleSet(), seen("p1", table=table(RuleSet([deny]))))) == (
        "delete table bridge netcordon",
    )
    assert change("h", RuleSet(), seen("p1")).empty


def test_a_witness_counts_all_that_a_closed_port_sends_on() -> None:
    observed = {one.rule_id: one for one in held(table(RuleSet([rule(Match(Direction.FROM, port=P1))])))}
    assert isinstance(witness := observed["witness:p1"], ObservedRule)
    assert witness.packets == 0
    assert {part.partition(":")[0] for part in witness.native.split("; ")} == {"witness_forwarded", "witness_taken"}


# --- what is refused --------------------------------------------------------------------------------------------------


def test_a_port_that_is_not_to_be_touched_refuses_with_its_reason() -> None:
    trunk = SeenPort(P1, True, None, 2, "br0", unfit="it is a trunk: it has tagged VLANs")
    deny = rule(Match(Direction.FROM, port=P1))
    made = change("h", RuleSet([deny]), Seen("boot", {P1: trunk}))
    assert made.messages == (Refusal(deny.id, "p1: it is a trunk: it has tagged VLANs"),)
    assert made.rule_ids == {deny.id}


def test_what_would_cut_the_controller_off_is_refused() -> None:
    mac = Mac("02:00:00:00:00:09")
    arrival = Arrival(network=ip_network("192.0.2.7"), interface="br0", port=PortName("p9"), mac=mac)
    by_ip = rule(Match(Direction.FROM, ip=ip_network("192.0.2.0/24")))
    by_mac = rule(Match(Direction.TO, mac=mac))
    other = rule(Match(Direction.FROM, ip=ip_network("192.0.3.0/24")))
    made = change("h", RuleSet([by_ip, by_mac, other]), seen("p1", arrival=arrival))
    refused = {one.rule: one.reason for one in made.messages if isinstance(one, Refusal)}
    assert refused.keys() == {by_ip.id, by_mac.id}
    assert all("cut itself off" in reason for reason in refused.values())
    assert other.id in "".join(_script(made))


def test_a_rule_that_no_frame_fits_is_refused() -> None:
    arp_of_ipv6 = rule(Match(Direction.FROM, ip=ip_network("fd00::1"), protocol=Protocol.ARP))
    assert [type(one) for one in change("h", RuleSet([arp_of_ipv6]), seen("p1")).messages] == [Refusal]


def test_a_port_that_is_away_keeps_its_entries_and_is_not_called_held() -> None:
    deny = rule(Match(Direction.FROM, port=P1))
    made = change("h", RuleSet([deny]), seen("p2", table=table(RuleSet([deny]))))
    assert made.messages == (Refusal(deny.id, "there is no port 'p1' on this host"),)


# --- what an attacker says --------------------------------------------------------------------------------------------

HOSTILE = st.text(max_size=30) | st.sampled_from(
    [
        "'; reboot; '",
        '"; flush ruleset; "',
        "$(reboot)",
        "`reboot`",
        "p1\nflush ruleset",
        "\x03",
        "a\\",
        "{",
        "p*",
        "' | sh #",
    ]
)


@settings(max_examples=100, deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_nothing_from_an_alert_reaches_the_command_line(port: str, containment: str, reason: str, by: str) -> None:
    said = Provenance(containment, reason, by)
    here, there = (Rule(Match(Direction.FROM, port=PortName(name)), Action.DENY, said) for name in ("p1", port))
    for ports in ({"p1"}, {"p1", port}):
        made = change("h", RuleSet([here, there]), seen(*ports))
        for line in _script(made):
            assert SCRIPT.fullmatch(line), line
        if not re.fullmatch(r"[A-Za-z0-9_.@+-]{1,15}", port):
            assert there.id in {one.rule for one in made.messages if isinstance(one, Refusal)}


def test_a_port_whose_name_is_no_plain_one_is_refused() -> None:
    from drivers.netmiko_cli.linux_seen import read
    from tests.unit.test_linux_seen import answers, link

    name = 'p1"; flush ruleset; "'
    made = change(
        "h", RuleSet([rule(Match(Direction.FROM, port=PortName(name)))]), read(answers([link(name, master="br0")]))
    )
    assert [type(one) for one in made.messages] == [Refusal]


class Heard:
    """A shell that writes down what it is asked to run."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def run(self, command: str) -> str:
        self.sent.append(command)
        return ""


def sending(line: str) -> Change:
    return Change("h", (Script((line,)),), ())


@pytest.mark.parametrize("line", ["it's", "a\\b", "a\tb", "naïve", "a\x1b[2J"])
def test_what_belongs_into_no_script_is_not_sent(line: str) -> None:
    heard = Heard()
    with pytest.raises(Refused, match="nothing was sent"):
        LinuxPlatform("h", sudo=False).push(heard, sending(line))  # type: ignore[arg-type]  # all that is asked of it
    assert heard.sent == []


def test_commands_that_need_root_go_through_sudo_where_asked() -> None:
    heard = Heard()
    LinuxPlatform("h", sudo=True).push(heard, sending("add table bridge netcordon"))  # type: ignore[arg-type]  # all that is asked of it
    assert heard.sent == ["printf '%s\\n' 'add table bridge netcordon' | sudo -n nft -f -"]


# --- the kernel's listing ---------------------------------------------------------------------------------------------


def payload(protocol: str, field: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": field}}


LISTED: list[tuple[Any, Any, str, Term]] = [
    ({"meta": {"key": "iifname"}}, "p1", "==", ("iifname", "p1")),
    (payload("ether", "saddr"), "02:00:00:00:00:01", "==", ("ether saddr", "02:00:00:00:00:01")),
    ({"meta": {"key": "protocol"}}, 1544, "==", ("meta protocol", ETH_ARP)),
    ({"meta": {"key": "protocol"}}, 0x0806, "==", ("meta protocol", ETH_ARP)),
    ({"meta": {"key": "protocol"}}, {"set": [129, 34887]}, "==", ("meta protocol", frozenset({0x8100, 0x8847}))),
    (payload("arp", "saddr ip"), {"prefix": {"addr": "10.0.0.0", "len": 8}}, "==", ("arp saddr ip", "10.0.0.0/8")),
    (payload("ip6", "daddr"), "fd00::1", "==", ("ip6 daddr", "fd00::1")),
    ({"meta": {"key": "l4proto"}}, {"set": [0, 43]}, "==", ("meta l4proto", frozenset({0, 43}))),
    (payload("tcp", "dport"), {"range": [1, 2]}, "==", ("tcp dport", (1, 2))),
    (payload("tcp", "flags"), [4, 16], "in", ("tcp flags", frozenset({4, 16}))),
    ({"&": [payload("tcp", "flags"), {"|": [4, 16]}]}, 0, "!=", ("tcp flags", frozenset({4, 16}))),
    ({"&": [payload("ip", "frag-off"), 16383]}, 0, "!=", FRAGMENT),
    ({"exthdr": {"name": "frag"}}, True, "==", FRAGMENT6),
    (payload("icmpv6", "type"), {"set": [133, 135]}, "==", ("icmpv6 type", frozenset({133, 135}))),
]
"""As nftables 1.0.6 lists them with -j -nn (tried), two of them as later ones do too."""


@pytest.mark.parametrize(("left", "right", "op", "term"), LISTED)
def test_a_listed_term_is_read_as_what_was_sent(left: Any, right: Any, op: str, term: Term) -> None:
    counter = {"counter": {"packets": 7, "bytes": 70}}
    expr = [{"match": {"op": op, "left": left, "right": right}}, counter, {"drop": None}]
    found = listed({"handle": 5, "comment": "abc", "expr": expr})
    assert found == Listed(5, "abc", Entry((term,), "drop", "abc"), 7, 70)
    for unknown in ({"match": {"op": "!=", "left": left, "right": ["other"]}}, {"accept": None}, {"log": None}):
        assert listed({"handle": 5, "comment": "abc", "expr": [*expr, unknown]}).entry is None


def test_a_protocol_that_another_term_implies_may_be_left_out() -> None:
    arp: Term = ("arp saddr ip", "10.0.0.1")
    assert Entry((("meta protocol", ETH_ARP), arp), "drop", "").form == Entry((arp,), "drop", "").form
    alone = rule(Match(Direction.FROM, port=P1, protocol=Protocol.ARP))
    assert Entry((("iifname", "p1"),), "drop", "").form != chains([alone])[name_of("c1", Direction.FROM)][0].form


def test_observed_and_rendered_by_the_platform() -> None:
    platform, deny = LinuxPlatform("h", sudo=False), rule(Match(Direction.FROM, port=P1))
    state = platform.observed(seen("p1", table=table(RuleSet([deny]))))
    assert isinstance(state, LinuxState)
    assert platform.render(RuleSet([deny]), state, PreState()).empty


def _script(made: Any) -> tuple[str, ...]:
    return next((one.lines for one in made.messages if isinstance(one, Script)), ())
