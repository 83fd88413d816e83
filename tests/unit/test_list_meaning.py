"""What the lists that are rendered for an EOS or IOS switch mean, by a parser that nobody here wrote, is what the rules mean.

`cisco-acl` reads IPv4 lists: those of IOS, and the form that NX-OS and EOS share (a prefix length, no wildcard). An IPv6 list is given to
it with IPv4 addresses that relate to each other in the same way; the types of ICMPv6, which it does not know, are compared here, as are MAC
lists.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from ipaddress import ip_address, ip_network

import pytest
from cisco_acl import Ace
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.base import PreState
from drivers.napalm_config import render
from drivers.napalm_config.dialect import Dialect
from drivers.napalm_config.eos_device import CAPABILITIES
from drivers.napalm_config.eos_dialect import EOS
from drivers.napalm_config.ios_device import IosPlatform
from drivers.napalm_config.ios_dialect import IOS
from drivers.napalm_config.messages import Commands
from drivers.napalm_config.options import IosOptions
from drivers.napalm_config.seen import Seen, SeenPort
from drivers.rules import (
    Action,
    Direction,
    Mac,
    Match,
    Network,
    PortName,
    PortRange,
    Protocol,
    Provenance,
    Rule,
    RuleSet,
)
from drivers.semantics import ETH_ARP, ETH_IPV4, ETH_IPV6, Address, Crossing, Fate, Frame, verdict
from tests.strategies import PREFIXES, crossings, port_ranges

PORTS = [PortName(f"Ethernet{number}") for number in (1, 2)]
KINDS = {
    "router-solicitation": 133,
    "neighbor-solicitation": 135,
    "neighbor-advertisement": 136,
    "nd-ns": 135,
    "nd-na": 136,
}
AS_IPV4 = {
    "fd00::1": "10.0.0.1", "fd00::2": "10.0.0.2", "fd00:1::3": "10.0.1.3", "fd00::/64": "10.0.0.0/24", "ipv6": "ip", "icmpv6": "58",
    "icmp": "58",
}  # fmt: skip
ETHERTYPES = {"arp": ETH_ARP, "ip": ETH_IPV4, "0x86dd": ETH_IPV6, "0x806": ETH_ARP}
Lists = dict[tuple[PortName, str, str], list[str]]


def rendered(desired: RuleSet, dialect: Dialect = EOS) -> Lists:
    """The entries of each list that is bound, by port, family and way, as they are sent."""
    made: dict[str, list[str]] = {}
    bound: Lists = {}
    change = render.change("sw", desired, Seen(dialect, dict.fromkeys(PORTS, SeenPort())), PreState())
    (commands,) = [one for one in change.messages if isinstance(one, Commands)] or [Commands(())]
    into: list[str] = []
    port = PORTS[0]
    for line in commands.lines:
        match line.split():
            case [family, "access-list", *_, name]:
                into = made[f"{family} {name}"] = []
            case ["interface", name]:
                port = PortName(name)
            case [family, "access-group" | "traffic-filter", name, way]:
                bound[port, family, way] = made[f"{family} {name}"]
            case ["permit" | "deny", *_]:
                into.append(line.strip())
    return bound


@cache
def ace(line: str, platform: str) -> Ace:
    return Ace(line, platform=platform)


def hits(line: str, frame: Frame, platform: str) -> bool:
    """Whether an entry of an IP list speaks of the frame, whose addresses are those of IPv4."""
    read_as = ace(line, platform)
    if read_as.protocol.number not in (0, frame.ip_protocol) or frame.ip_src is None or frame.ip_dst is None:
        return False
    ends = (
        (read_as.srcaddr, read_as.srcport, frame.ip_src, frame.l4_src),
        (read_as.dstaddr, read_as.dstport, frame.ip_dst, frame.l4_dst),
    )
    for address, ports, ip, number in ends:
        if (
            address.ipnet is None
            or ip not in address.ipnet
            or (ports.line and (number is None or not _within(number, ports.sport)))
        ):
            return False
    return "established" not in read_as.option.flags or frame.established


def _within(number: int, spans: str) -> bool:
    return any(
        int(first) <= number <= int(last or first)
        for first, _, last in (one.partition("-") for one in spans.split(","))
    )


def permits(family: str, lines: list[str], frame: Frame, platform: str) -> bool:
    """The first entry that matches decides, and a frame that none matches is dropped."""
    for line in lines:
        words = line.split()
        if family == "mac":
            found = len(words) == 3 or ETHERTYPES[words[3]] == frame.eth_type
        elif family == "ip":
            found = hits(line, frame, platform)
        else:
            kind = KINDS.get(words[-1])
            told = " ".join(AS_IPV4.get(word, word) for word in (words if kind is None else words[:-1]))
            told = told.replace("10.0.0.0/24", "10.0.0.0 0.0.0.255") if platform == "ios" else told
            found = hits(told, _as_ipv4(frame), platform) and kind in (None, frame.icmp_type)
        if found:
            return words[0] == "permit"
    return False


def _as_ipv4(frame: Frame) -> Frame:
    return replace(frame, ip_src=_mapped(frame.ip_src), ip_dst=_mapped(frame.ip_dst))


def _mapped(address: Address | None) -> Address:
    return ip_address(AS_IPV4[str(address)])


def passes(lists: Lists, crossing: Crossing, *, mac_lists_filter_ip: bool, platform: str = "nxos") -> bool:
    frame = crossing.frame
    own = {ETH_IPV4: ["ip"], ETH_IPV6: ["ipv6"]}.get(frame.eth_type, [])
    families = own + (["mac"] if not own or mac_lists_filter_ip else [])
    for port, way in ((crossing.in_port, "in"), (crossing.out_port, "out")):
        for family in families:
            lines = lists.get((port or PORTS[0], family, way))
            if lines is not None and not permits(family, lines, frame, platform):
                return False
    return True


@st.composite
def some_rules(draw: st.DrawFn) -> Rule:
    """Such as the platform has words for."""
    protocol = draw(st.sampled_from([None, *Protocol, Protocol.TCP, Protocol.TCP, Protocol.UDP]))
    ends: list[Network | None] = [None, None]
    if protocol not in (None, Protocol.ARP):
        prefixes = [one for one in PREFIXES if protocol is not Protocol.ND or ":" in one]
        ends = [
            None if end is None else ip_network(end)
            for end in draw(st.tuples(*[st.sampled_from([None, None, *prefixes])] * 2))
        ]
    if ends[0] is not None and ends[1] is not None and ends[0].version != ends[1].version:
        ends[1] = None
    l4 = st.none() | port_ranges if protocol in (Protocol.TCP, Protocol.UDP) else st.none()
    established = protocol is Protocol.TCP and draw(st.booleans())
    port, direction = draw(st.sampled_from(PORTS)), draw(st.sampled_from(Direction))
    match = Match(direction, port, None, ends[0], ends[1], protocol, draw(l4), draw(l4), established or None)
    return Rule(
        match,
        draw(st.sampled_from([Action.DENY, Action.PERMIT])),
        Provenance(draw(st.sampled_from(["c1", "c2", "c3"]))),
    )


@st.composite
def supported(draw: st.DrawFn) -> RuleSet:
    drawn = draw(st.lists(some_rules(), min_size=1, max_size=8))
    kept = RuleSet(rule for rule in drawn if not CAPABILITIES.unsupported(RuleSet([rule])))
    if CAPABILITIES.unsupported(kept):
        kept = RuleSet(r for r in kept if r.action is Action.DENY or r.match.direction is Direction.FROM)
    return kept


@settings(max_examples=200, deadline=None, derandomize=True)
@given(supported(), st.lists(crossings(PORTS), min_size=8, max_size=24), st.booleans())
def test_random_lists_mean_what_their_rules_mean(desired: RuleSet, tried: list[Crossing], filters_ip: bool) -> None:
    assert not CAPABILITIES.unsupported(desired)
    lists = rendered(desired)
    for crossing in tried:
        meant = verdict(desired, crossing).fate is Fate.PASS
        assert passes(lists, crossing, mac_lists_filter_ip=filters_ip) is meant, (crossing, lists, list(desired))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(supported(), st.lists(crossings(PORTS), min_size=8, max_size=24))
def test_random_lists_for_ios_mean_what_their_rules_mean(desired: RuleSet, tried: list[Crossing]) -> None:
    """There MAC lists filter no IP, by Cisco's word, and what is permitted is not repeated in them."""
    options = IosOptions(host="ios", username="ios", port_lists_out=True)
    assert not IosPlatform("sw", options).capabilities.unsupported(desired)
    lists = rendered(desired, IOS)
    for crossing in tried:
        meant = verdict(desired, crossing).fate is Fate.PASS
        told = passes(lists, crossing, mac_lists_filter_ip=False, platform="ios")
        assert told is meant, (crossing, lists, list(desired))


@pytest.mark.parametrize("filters_ip", [True, False])
def test_the_parser_is_really_asked(filters_ip: bool) -> None:
    """What the test above says, once by hand."""
    service = Match(Direction.FROM, port=PORTS[0], protocol=Protocol.TCP, peer_ports=PortRange(440, 450))
    lists = rendered(RuleSet([Rule(service, Action.DENY, Provenance("c1"))]))
    ends = (ip_address("10.0.0.1"), ip_address("10.0.0.2"))
    frame = Frame(Mac("02:00:00:00:00:01"), Mac("02:00:00:00:00:02"), ETH_IPV4, *ends, 6, 5000, 445)
    for number, meant in ((445, False), (451, True)):
        crossing = Crossing(replace(frame, l4_dst=number), *PORTS)
        assert passes(lists, crossing, mac_lists_filter_ip=filters_ip) is meant
