"""What a plan does, worked out on the model before anything is sent. Pure.

The verdicts come from `drivers.semantics`, the same meaning that every driver is held against. Nothing is sampled: rules of ports and MACs
alone cannot tell the kinds of a device's frames apart, so that one stands for all; of every other plan each question (`questions`) is a
set of frames, of every one of which `answers` says what the rules do. Where a single one passes, the traffic is residual, and shows it.

A rule of a plan can only touch frames that come in or go out where it says, so the parties that could be hit are looked up by the rules'
own ports, MACs and addresses. What is no party to any rule keeps its fate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from controller.answers import Model, Witnesses
from controller.model import BEFORE_A_RULE, BEHIND_THE_PORT, Attachment, Endpoint, Hop, Plan, Proof, Reach, Survival
from controller.network.graph import NetworkGraph
from controller.network.regions import Region, regions, voices
from controller.network.view import NetworkView
from controller.questions import (
    BROADCAST,
    ELSEWHERE,
    SERVICES,
    SOMEBODY_MAC,
    STRANGER_MAC,
    Link,
    Upper,
    involving,
    of_everything,
    of_profile,
)
from drivers.base import Management
from drivers.header_sets import ETH_OTHER, Names
from drivers.rules import Direction, Mac, PortName, Rule
from drivers.semantics import ETH_ARP, ETH_IPV4, ETH_IPV6, Crossing, Fate, Frame, verdict

MOST_NAMED = 256
"""MACs that are named of those at devices on the contained one's side."""
_BLUNT = frozenset({"port", "mac"})
Rules = Sequence[Rule]
_KINDS = (
    ("ARP", ETH_ARP),
    ("TCP", ETH_IPV4),
    ("UDP", ETH_IPV4),
    ("ICMP", ETH_IPV4),
    ("other IPv4", ETH_IPV4),
    ("IPv6", ETH_IPV6),
    ("non-IP", ETH_OTHER),
)


def prove(plan: Plan, network: NetworkView, now: float) -> Proof:
    """What is blocked, what remains, who else is hit, and whether the management path survives."""
    blocked: list[Reach] = []
    residual: list[Reach] = []
    collateral: list[Reach] = []
    for place in plan.enforced_at:
        there = plan if not plan.places else replace(plan, endpoint=replace(plan.endpoint, attachment=place))
        rules = tuple(plan.rules[place.device])
        for reach, passes in _tried(there, rules):
            (residual if passes else blocked).append(reach)
        collateral += _collateral(there.endpoint, rules, network, now)
    residual += _behind_the_port(plan.endpoint)
    if plan.side:
        residual += _before_a_rule(plan, network, now)
    return Proof(
        blocked=_each_once(plan, blocked),
        residual=_each_once(plan, residual),
        collateral=_each_once(plan, collateral),
        management={device: _survival(device, plan, network.graph) for device in plan.rules},
    )


def _each_once(plan: Plan, found: list[Reach]) -> tuple[Reach, ...]:
    """Of several places two may tell the same."""
    return tuple(dict.fromkeys(found)) if len(plan.places) > 1 else tuple(found)


def _tried(plan: Plan, rules: Rules) -> Iterator[tuple[Reach, bool]]:
    blunt = all(rule.match.fields() <= _BLUNT for rule in rules) and not plan.profile.granular
    return _device_traffic(plan.endpoint, rules) if blunt else _every_frame(plan, rules)


def _every_frame(plan: Plan, rules: Rules) -> Iterator[tuple[Reach, bool]]:
    model, witnesses, endpoint = Model(rules), Witnesses(plan.endpoint), plan.endpoint
    for asked in of_profile(endpoint, plan.profile) if plan.profile.granular else of_everything(endpoint):
        passing = model.passing(asked)
        witness = witnesses.of(asked.link, passing or asked.upper)
        at = None if passing is None else _judged_at(endpoint.attachment, asked.link)
        yield Reach(asked.src, asked.dst, asked.kind, witness, at), passing is not None


def _judged_at(place: Attachment, link: Link) -> Hop:
    """The crossing that a witness names."""
    return Hop(place.device, *(port.pick(place.port, ELSEWHERE) or ELSEWHERE for port in (link.in_port, link.out_port)))


def _device_traffic(endpoint: Endpoint, rules: Rules) -> Iterator[tuple[Reach, bool]]:
    """Every kind of traffic of the device, under its own and under borrowed addresses, in both directions."""
    own = min(endpoint.macs, default=STRANGER_MAC)
    guises = [("", own), (" as another MAC", STRANGER_MAC), (" as another IP", own)]
    guises += [(" as a neighbour's MAC", mac) for mac in sorted(endpoint.neighbours)[:1]]
    device, port = endpoint.attachment.device, endpoint.attachment.port
    for name, mac in guises:
        out = _of_each_kind(rules, "device", "anyone", name, _Way(mac, SOMEBODY_MAC, Hop(device, port, ELSEWHERE)))
        into = _of_each_kind(rules, "anyone", "device", name, _Way(SOMEBODY_MAC, mac, Hop(device, ELSEWHERE, port)))
        yield from chain.from_iterable(zip(out, into, strict=True))
    out = _of_each_kind(rules, "device", "everyone", " broadcast", _Way(own, BROADCAST, Hop(device, port, ELSEWHERE)))
    into = _of_each_kind(
        rules, "everyone", "device", " broadcast", _Way(SOMEBODY_MAC, BROADCAST, Hop(device, ELSEWHERE, port))
    )
    yield from chain.from_iterable(zip(out, into, strict=True))


class _Way(NamedTuple):
    """From whom to whom, in at a port and out at another: all that rules which ask for ports and MACs alone go by."""

    src: Mac
    dst: Mac
    hop: Hop


def _of_each_kind(rules: Rules, src: str, dst: str, name: str, way: _Way) -> list[tuple[Reach, bool]]:
    """Whether frames pass on this way under such rules: one is judged for those of every kind."""
    frame = Frame(way.src, way.dst, ETH_OTHER)
    passes = verdict(rules, Crossing(frame, way.hop.in_port, way.hop.out_port)).fate is Fate.PASS
    who, where = f"{way.src} > {way.dst}", f"in {way.hop.in_port} out {way.hop.out_port}"
    at = way.hop if passes else None
    return [
        (Reach(src, dst, f"{kind}{name}", f"{who} type 0x{eth_type:04x} {where}", at), passes)
        for kind, eth_type in _KINDS
    ]


def _behind_the_port(endpoint: Endpoint) -> list[Reach]:
    return [Reach("device", neighbour, BEHIND_THE_PORT) for neighbour in sorted(endpoint.neighbours)]


def _before_a_rule(plan: Plan, network: NetworkView, now: float) -> Iterator[Reach]:
    """What carries its frames before they come to a rule, and who is attached to a device that does."""
    for name in plan.side:
        yield Reach("device", name, BEFORE_A_RULE)
    known = plan.endpoint.macs | plan.endpoint.neighbours
    attached = network.attached_to(plan.endpoint.realm, plan.side, now, MOST_NAMED + len(known))
    for mac in sorted(attached.keys() - known)[:MOST_NAMED]:
        yield Reach("device", mac, BEFORE_A_RULE, network.graph.label(attached[mac]))


def _collateral(endpoint: Endpoint, rules: Rules, network: NetworkView, now: float) -> Iterator[Reach]:
    for mac, place in _parties(endpoint, rules, network, now):
        at = place.port if place.device == endpoint.attachment.device else ELSEWHERE
        speaking = voices(rule for rule in rules if rule.match.mac in (None, mac))
        for direction in Direction:
            asked = involving(mac, at, direction, endpoint)
            stopped = [region for region in regions(speaking, asked) if region.fate is Fate.DROP]
            kinds = ", ".join(name for name, kinds, _ in SERVICES if any(kinds & one.space.kinds for one in stopped))
            if kinds:
                src, dst = (mac, "anyone") if direction is Direction.FROM else ("anyone", mac)
                ips = frozenset(network.bindings.ips_held_by(endpoint.realm, mac))
                here = Attachment(endpoint.attachment.device, at)
                party = replace(endpoint, macs=frozenset([mac]), ips=ips, attachment=here)
                yield _shown(Reach(src, dst, kinds), stopped[0], party, direction)


def _shown(reach: Reach, stopped: Region, party: Endpoint, direction: Direction) -> Reach:
    """With a frame of the party's, or to it, that is stopped, and by which rule. It goes out at another port than it came in."""
    space, coming, here = stopped.space, direction is Direction.FROM, party.attachment
    far = space.out_port if coming else space.in_port
    others = far & ~Names[PortName | None](frozenset([here.port])) or far
    ports = (space.in_port, others) if coming else (others, space.out_port)
    link = Link(coming, *ports, space.eth_src, space.eth_dst)
    witness = Witnesses(party).of(link, Upper(space.kinds, *space[5:]))
    return replace(reach, witness=witness, at=_judged_at(here, link), rule=stopped.rule.id if stopped.rule else "")


def _parties(endpoint: Endpoint, rules: Rules, network: NetworkView, now: float) -> Iterator[tuple[Mac, Attachment]]:
    """Other devices that some rule could speak of: those on its port, and the present places of its MAC and of its address."""
    bindings, device = network.bindings, endpoint.attachment.device
    seen = set(endpoint.macs)
    for rule in rules:
        if rule.match.port is not None:
            here = Attachment(device, rule.match.port)
            macs = network.separate_devices(endpoint.realm, here, now)
        elif rule.match.mac is not None:
            macs = {rule.match.mac}
        else:
            macs = bindings.macs_within(endpoint.realm, rule.match.ip)
        for mac in sorted(macs - seen):
            seen.add(mac)
            spans = bindings.history_of_mac(endpoint.realm, mac)
            if spans:
                yield mac, spans[-1].place


def _survival(device: str, plan: Plan, graph: NetworkGraph) -> Survival:
    node = graph.devices.get(device)
    if node is None or node.management is Management.UNKNOWN:
        return Survival.UNKNOWN
    if node.management is Management.OUT_OF_BAND:
        return Survival.OUT_OF_BAND
    port = None if node.management_port is None else graph.find_port(device, node.management_port)
    if port is None:
        return Survival.UNKNOWN
    to_it = [
        rule
        for rule in plan.rules[device]
        if rule.match.direction is Direction.TO and rule.match.mac in plan.endpoint.macs
    ]
    touched = {rule.match.port for rule in plan.rules[device] if rule not in to_it}
    return Survival.CUT if touched & {None, port} else Survival.SURVIVES
