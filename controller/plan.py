"""Which rules on which devices, and why there. Pure.

At the edge port the port itself is the match, so that a device escapes neither by another address nor by another MAC.
Where others share the port, everything that comes in there is denied but for those neighbours' own MACs, and only what is
addressed to the device is denied on the way out: the port as a whole stays audible, and the plan says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from controller.enforcement import Points
from controller.errors import RefusalCode, Refused
from controller.model import Decision, Endpoint, Plan, Profile
from controller.network.graph import NetworkGraph
from controller.profiles import Addresses, Compiled, compile_rules
from drivers.base import Capabilities
from drivers.rules import Action, Direction, Mac, Provenance, Rule, RuleSet

MOST_NEIGHBOURS = 64
"""Others on a port for each of whom an exception is made. A device that invents more than these gets none of them permitted."""

MOST_NAMED = 3


def make_plan(
    containment: str,
    endpoint: Endpoint,
    decision: Decision,
    until: float | None,
    graph: NetworkGraph,
    capabilities: Capabilities,
    addresses: Addresses = lambda peers: peers.prefixes,
) -> Plan:
    """The rules at the endpoint's edge port. Refused when the device there cannot carry them. `addresses`: whom a profile's peers are."""
    place = endpoint.attachment
    if len(endpoint.neighbours) > MOST_NEIGHBOURS:
        raise Refused(
            RefusalCode.AMBIGUOUS,
            f"{len(endpoint.neighbours)} other MACs are on {graph.label(place)}: a flood of invented ones, or an undeclared switch."
            f" Contain the whole port ({graph.label(place)}), or list it under `uplinks`",
        )
    expires = None if until is None else datetime.fromtimestamp(until, UTC)
    provenance = Provenance(containment, decision.reason, decision.by, expires)
    profile = decision.profile
    if profile.granular and not endpoint.macs:
        raise Refused(
            RefusalCode.UNSUPPORTED,
            f"no MAC at {graph.label(place)} is known, and what goes to it is told by that: only profile full can close the port",
        )

    if profile.vlan is not None and endpoint.neighbours:
        raise Refused(
            RefusalCode.UNSUPPORTED,
            f"{graph.label(place)} is shared with {', '.join(sorted(endpoint.neighbours))}: a VLAN takes along all that is on a port."
            " Contain the device by profile full, or the whole port",
        )

    def supported(rule: Rule) -> bool:
        return not capabilities.unsupported((rule,))

    compiled = _able(compile_rules(profile, endpoint, provenance, addresses, supported), profile, capabilities)
    rules = RuleSet(compiled.rules)
    if unsupported := capabilities.unsupported(rules):
        raise Refused(RefusalCode.UNSUPPORTED, _cannot(profile, graph.label(place), unsupported, capabilities.advice))
    return Plan(
        containment=containment,
        endpoint=endpoint,
        profile=decision.profile,
        rules={place.device: rules},
        why=(f"{graph.label(place)} is the device's edge port: nothing of it gets past its own switch", *compiled.also),
        weaker="; ".join((*compiled.weaker, *_weaker(endpoint, profile))) or None,
    )


def make_plan_at(
    points: Points,
    containment: str,
    endpoint: Endpoint,
    decision: Decision,
    until: float | None,
    graph: NetworkGraph,
    capabilities: Callable[[str], Capabilities | None],
    addresses: Addresses = lambda peers: peers.prefixes,
) -> Plan:
    """The rules where the device's own port is not, or not alone, the place for them. Refused when one of the devices cannot carry them."""
    crowd = len(endpoint.neighbours) > MOST_NEIGHBOURS
    whole = points.whole and not crowd
    rules: dict[str, RuleSet] = {}
    why, weaker = [points.why], [points.weaker]
    for place in points.ports:
        able = capabilities(place.device)
        if able is None:
            raise Refused(RefusalCode.UNKNOWN_PLACE, f"no driver serves {place.device}")
        here = replace(endpoint, attachment=place)
        if whole:
            part = make_plan(containment, here, decision, until, graph, able, addresses)
        else:
            alone = replace(here, neighbours=frozenset())
            part = only_its_own(make_plan(containment, alone, decision, until, graph, able, addresses))
            if lacking := able.unsupported(part.rules[place.device]) or _nothing(part.rules[place.device]):
                raise Refused(
                    RefusalCode.UNSUPPORTED, _cannot(decision.profile, graph.label(place), lacking, able.advice)
                )
        rules[place.device] = rules.get(place.device, RuleSet()) | part.rules[place.device]
        why += part.why[1:]
        weaker.append(part.weaker)
    if crowd and points.whole:
        weaker.append(
            f"{len(endpoint.neighbours)} others are behind the port: under another MAC than its own it passes"
        )
    return Plan(
        containment=containment,
        endpoint=endpoint,
        profile=decision.profile,
        rules=rules,
        why=tuple(dict.fromkeys(why)),
        weaker="; ".join(dict.fromkeys(filter(None, weaker))) or None,
        places=points.ports,
        side=points.side,
    )


def _able(compiled: Compiled, profile: Profile, capabilities: Capabilities) -> Compiled:
    """Where a device can leave nothing open of what goes to a port that is closed, what comes from it alone: its answers are stopped there
    but for those of what the profile keeps."""
    if (
        profile.default is not Action.DENY
        or not profile.entries
        or not capabilities.unsupported(RuleSet(compiled.rules))
    ):
        return compiled
    coming = tuple(rule for rule in compiled.rules if rule.match.direction is Direction.FROM)
    if profile.vlan is not None or capabilities.unsupported(RuleSet(coming)):
        return compiled
    return replace(compiled, rules=coming, weaker=(*compiled.weaker, _ONLY_COMING))


_ONLY_COMING = (
    "the switch cannot leave something open of what goes to a port: what others send still reaches the device, and of its answers"
    " only those of what is kept get out"
)


def _nothing(rules: RuleSet) -> list[str]:
    return [] if len(rules) else ["moving a port at which others are as well"]


def _cannot(profile: Profile, place: str, unsupported: Iterable[str], advice: str) -> str:
    """What of the profile the driver cannot do, each kind once, and what to do about it."""
    kinds = sorted(set(unsupported), key=lambda kind: (len(kind), kind))
    more = f" (and {len(kinds) - MOST_NAMED} more of the kind)" if len(kinds) > MOST_NAMED else ""
    said = f"{place}: profile {profile.name} asks for what the driver there cannot do: {'; '.join(kinds[:MOST_NAMED])}{more}"
    return f"{said}. {advice[0].upper()}{advice[1:]}" if advice else said


def only_its_own(plan: Plan) -> Plan:
    """The same for the device's own MACs alone, whatever else is at the port: for a port at which it may only seem to be."""
    return replace(
        plan,
        rules={device: RuleSet(_by_mac(rules, plan.endpoint.macs)) for device, rules in plan.rules.items()},
        why=(*plan.why, "of the device's own MACs alone: it may be somebody else who uses them there"),
        weaker="at this port only frames under the device's own MACs are stopped",
    )


def _by_mac(rules: RuleSet, macs: frozenset[Mac]) -> Iterator[Rule]:
    for rule in rules:
        if rule.action is Action.MOVE_VLAN:
            continue  # it would take along whoever is there
        if rule.match.mac is not None:
            yield rule
        else:
            yield from (replace(rule, match=replace(rule.match, mac=mac)) for mac in sorted(macs))


def _weaker(endpoint: Endpoint, profile: Profile) -> Iterator[str]:
    if endpoint.neighbours and profile.default is not Action.COUNT:
        others = ", ".join(sorted(endpoint.neighbours))
        yield (
            f"the port is shared with {others}: the device still reaches those behind the port, still hears broadcasts, and could take"
            " one of their MACs; a device that is new on this port is stopped too"
        )
