"""Random rules and frames over alphabets so small that they often meet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network

from hypothesis import strategies as st

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
from drivers.semantics import ETH_ARP, ETH_IPV4, ETH_IPV6, Address, Crossing, Frame

PORTS = (PortName("p1"), PortName("p2"), PortName("p3"))
MACS = (Mac("02:00:00:00:00:01"), Mac("02:00:00:00:00:02"), Mac("02:00:00:00:00:03"))
IPV4 = ("10.0.0.1", "10.0.0.2", "10.0.1.3")
IPV6 = ("fd00::1", "fd00::2", "fd00:1::3")
PREFIXES = ("10.0.0.1/32", "10.0.0.0/24", "0.0.0.0/0", "fd00::1/128", "fd00::/64", "::/0")
L4_PORTS = (22, 445, 446, 8080)
LLDP, ETH_VLAN = 0x88CC, 0x8100
MATCHABLE_ACTIONS = (Action.DENY, Action.PERMIT, Action.COUNT)

networks: st.SearchStrategy[Network] = st.sampled_from(PREFIXES).map(ip_network)
port_ranges = st.tuples(st.sampled_from(L4_PORTS), st.integers(0, 2)).map(lambda two: PortRange(two[0], sum(two)))
provenances = st.builds(
    Provenance,
    containment=st.sampled_from(["c1", "c2", "c3"]),
    reason=st.text(max_size=5),
    by=st.text(max_size=5),
    until=st.none() | st.datetimes(min_value=datetime(2020, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - its bound
)


@st.composite
def matches(draw: st.DrawFn, ports: Sequence[PortName] = PORTS, macs: Sequence[Mac] = MACS) -> Match:
    """Any match that `Match` admits; one that would be refused is mended rather than thrown away."""
    protocol = draw(st.none() | st.sampled_from(Protocol))
    l4 = st.none() | port_ranges if protocol in (Protocol.TCP, Protocol.UDP) else st.none()
    ip, peer = draw(st.none() | networks), draw(st.none() | networks)
    if ip is not None and peer is not None and ip.version != peer.version:
        peer = None
    port, mac = draw(st.none() | st.sampled_from(ports)), draw(st.none() | st.sampled_from(macs))
    if port is None and mac is None and ip is None:
        port = draw(st.sampled_from(ports))
    direction = draw(st.sampled_from(Direction))
    flag = st.sampled_from([None, None, None, True])
    if draw(flag):
        return Match(direction, port, mac or macs[0], hidden=True)
    established = draw(flag) if protocol is Protocol.TCP else None
    fragment = draw(flag) if protocol is not Protocol.ARP else None
    if protocol is Protocol.ND:
        ip, peer = (None if end is None or end.version == 4 else end for end in (ip, peer))
        port = port or ports[0]
    return Match(direction, port, mac, ip, peer, protocol, draw(l4), draw(l4), established, fragment)


@st.composite
def rules(
    draw: st.DrawFn,
    actions: Sequence[Action] = tuple(Action),
    ports: Sequence[PortName] = PORTS,
    macs: Sequence[Mac] = MACS,
) -> Rule:
    action = draw(st.sampled_from(actions))
    vlan = draw(st.integers(1, 4094)) if action is Action.MOVE_VLAN else None
    return Rule(draw(matches(ports, macs)), action, draw(provenances), vlan, draw(st.booleans()))


def rule_sets(
    actions: Sequence[Action] = MATCHABLE_ACTIONS, ports: Sequence[PortName] = PORTS, macs: Sequence[Mac] = MACS
) -> st.SearchStrategy[RuleSet]:
    return st.lists(rules(actions, ports, macs), max_size=8).map(RuleSet)


@st.composite
def frames(draw: st.DrawFn, macs: Sequence[Mac] = MACS) -> Frame:
    """An ARP, IPv4, IPv6, LLDP or doubly tagged frame with the header fields that such a frame has, and no others."""
    eth_type = draw(st.sampled_from([ETH_ARP, ETH_IPV4, ETH_IPV4, ETH_IPV6, ETH_IPV6, LLDP, ETH_VLAN]))
    src, dst = draw(st.sampled_from(macs)), draw(st.sampled_from(macs))
    if eth_type in (LLDP, ETH_VLAN):
        return Frame(src, dst, eth_type)
    address: st.SearchStrategy[Address] = st.sampled_from(IPV6 if eth_type == ETH_IPV6 else IPV4).map(ip_address)
    if eth_type == ETH_ARP:
        return Frame(src, dst, eth_type, draw(address), draw(address))
    protocol = draw(st.sampled_from([6, 6, 17, 17, *([58, 44, 60] if eth_type == ETH_IPV6 else [0, 1])]))
    later = protocol == 44 or (protocol != 58 and draw(st.integers(0, 4)) == 0)
    l4 = st.sampled_from(L4_PORTS) if protocol in (6, 17) and not later else st.none()
    established = protocol == 6 and not later and draw(st.booleans())
    icmp_type = draw(st.sampled_from([128, 134, 135, 136])) if protocol == 58 else None
    fragment = later or draw(st.integers(0, 4)) == 0
    ends, ports = (draw(address), draw(address)), (draw(l4), draw(l4))
    return Frame(src, dst, eth_type, *ends, protocol, *ports, fragment, established, icmp_type)


@st.composite
def crossings(draw: st.DrawFn, ports: Sequence[PortName] = PORTS, macs: Sequence[Mac] = MACS) -> Crossing:
    """A frame that comes in at one port and goes out at another."""
    in_port, out_port = draw(st.permutations(list(ports)))[:2]
    return Crossing(draw(frames(macs)), in_port, out_port)
