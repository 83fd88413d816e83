"""Where a PERMIT of one containment and a DENY of another speak of the same frame. Pure.

A flow table takes the highest priority; `drivers.semantics` lets a permit outweigh only its own containment's deny. So where permits of
different containments meet, what they have in common gets a flow which goes on, one level above theirs, and above it a drop for what a
containment that does not permit it denies of it. Permits of equal match are one from the start, whoever's they are. The highest level at
which a frame is found thus knows all the containments that permit it: with one less known, there would be a level more. Containments
that do not overlap, which is nearly all, get nothing from here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from itertools import chain
from typing import TypeVar

from drivers.base import UnsupportedAction
from drivers.openflow.flows import SLOTS, Band, Field, Flow, is_port_flag, rule_id_of
from drivers.openflow.slots import apart
from drivers.rules import Action, Direction, Rule

DEEPEST = 8
MOST_FLOWS = 4096
T = TypeVar("T")
ANCHORS = ("in_port", "eth_src", "eth_dst")


@dataclass(frozen=True, slots=True)
class Part:
    """Some frames, the rule whose flow they get, and the containments that all permit, or deny, them."""

    fields: Mapping[str, Field]
    rule: Rule
    voices: frozenset[str]


class _Index:
    """Parts by the first exact field that they have, so that ten thousand permits on different ports are not compared in pairs."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self._by: dict[str, dict[Field | None, list[Part]]] = defaultdict(lambda: defaultdict(list))
        for part in parts:
            anchor = next((name for name in ANCHORS if name in part.fields), "")
            self._by[anchor][part.fields.get(anchor)].append(part)

    def near(self, fields: Mapping[str, Field]) -> Iterator[Part]:
        for anchor, parts in self._by.items():
            if anchor in fields:
                yield from parts.get(fields[anchor], ())
            else:
                for some in parts.values():
                    yield from some


def derived(held: Iterable[tuple[Rule, tuple[Flow, ...]]]) -> dict[str, list[Flow]]:
    """The further flows by the id of the rule that they belong to. Raises UnsupportedAction where a permit cannot be kept."""
    rules = list(held)
    _refuse_permit_behind_flag(rule for rule, _ in rules)
    found: dict[str, list[Flow]] = defaultdict(list)
    tables = (_one_table([pair for pair in rules if pair[0].match.direction is way]) for way in Direction)
    for flow in _no_more_than(MOST_FLOWS, chain.from_iterable(tables)):
        found[rule_id_of(flow.cookie) or ""].append(flow)
    return _apart({rule_id: list(dict.fromkeys(flows)) for rule_id, flows in found.items()})


def _apart(found: dict[str, list[Flow]]) -> dict[str, list[Flow]]:
    moved: dict[Flow, Flow] = {}
    for flow, other in apart(chain.from_iterable(found.values())).items():
        if other is None:
            raise UnsupportedAction(f"more than {SLOTS} rules deny or permit the very same of what others permit")
        moved[flow] = other
    return {rule_id: [moved.get(flow, flow) for flow in flows] for rule_id, flows in found.items()} if moved else found


def _refuse_permit_behind_flag(rules: Iterable[Rule]) -> None:
    flagged, permitting = set(), set()
    for rule in rules:
        if is_port_flag(rule):
            flagged.add(rule.provenance.containment)
        elif rule.action is Action.PERMIT and rule.match.direction is Direction.TO:
            permitting.add(rule.provenance.containment)
    if both := flagged & permitting:
        raise UnsupportedAction(
            f"{', '.join(sorted(both))}: deny to a whole port is its NO_FWD flag, and lets no permit through"
        )


def _one_table(rules: list[tuple[Rule, tuple[Flow, ...]]]) -> Iterator[Flow]:
    permits = _merged(_parts(rules, Action.PERMIT, Band.PERMIT))
    denies = _Index(_parts(rules, Action.DENY, Band.DENY))
    more, level, depth = _Index(permits), permits, 1
    while level:
        if depth > DEEPEST:
            raise UnsupportedAction(f"more than {DEEPEST} containments permit the same frames")
        band = Band.PERMIT + 2 * SLOTS * (depth - 1)
        for part in level:
            if depth > 1:
                yield _flow(part, band, part.rule.match.direction)
            for deny in _meeting(part, denies):
                yield _flow(deny, band + SLOTS, None)
        deeper = (found for part in level for found in _meeting(part, more))
        level = _merged(_no_more_than(DEEPEST * MOST_FLOWS, deeper))  # each is found from up to `depth` others
        depth += 1


def _parts(rules: list[tuple[Rule, tuple[Flow, ...]]], action: Action, band: Band) -> list[Part]:
    return [
        Part(dict(flow.match), rule, frozenset({rule.provenance.containment}))
        for rule, flows in rules
        if rule.action is action and not is_port_flag(rule)
        for flow in flows
        if band <= flow.priority < band + SLOTS
    ]


def _merged(parts: Iterable[Part]) -> list[Part]:
    """One part for all of equal match, with the voices of all and the rule of the lowest id."""
    found: dict[frozenset[tuple[str, Field]], Part] = {}
    for part in parts:
        same = frozenset(part.fields.items())
        if (known := found.get(same)) is not None:
            rule = min(known.rule, part.rule, key=lambda rule: rule.id)
            found[same] = Part(known.fields, rule, known.voices | part.voices)
        else:
            found[same] = part
    return list(found.values())


def _no_more_than(most: int, some: Iterable[T]) -> Iterator[T]:
    for number, one in enumerate(some):
        if number >= most:
            raise UnsupportedAction(f"permits of different containments overlap in more than {most} ways")
        yield one


def _meeting(part: Part, index: _Index) -> Iterator[Part]:
    """What `part` has in common with those whose voices it does not have."""
    for other in index.near(part.fields):
        if not other.voices <= part.voices and (fields := intersect(part.fields, other.fields)) is not None:
            yield Part(fields, other.rule, part.voices | other.voices)


def _flow(part: Part, band: int, onward: Direction | None) -> Flow:
    number = int(part.rule.id, 16)
    table = 0 if part.rule.match.direction is Direction.FROM else 1
    return Flow.make(table, band + number % SLOTS, number, part.fields, None if onward is None else table + 1)


def intersect(one: Mapping[str, Field], other: Mapping[str, Field]) -> dict[str, Field] | None:
    """The match of the frames that both matches speak of; None when there are none."""
    merged = dict(one)
    for name, value in other.items():
        meet = _meet(name, merged[name], value) if name in merged else value
        if meet is None:
            return None
        merged[name] = meet
    return merged


def _meet(name: str, one: Field, other: Field) -> Field | None:
    if one == other:
        return one
    if name.startswith(("ipv4_", "ipv6_", "arp_")):
        a, b = ip_network(one), ip_network(other)
        if not a.overlaps(b):
            return None
        return one if a.prefixlen > b.prefixlen else other
    if name == "tcp_flags":
        (a_value, a_mask), (b_value, b_mask) = _bits(one), _bits(other)
        return f"{a_value | b_value:#06x}/{a_mask | b_mask:#06x}"  # they ask for flags that are set, never for one that is not
    if name.startswith(("tcp_", "udp_")) or name in ("eth_src", "eth_dst"):
        (a_value, a_mask), (b_value, b_mask) = _bits(one), _bits(other)
        if (a_value ^ b_value) & a_mask & b_mask:
            return None
        return one if a_mask & b_mask == b_mask else other
    return None


def _bits(value: Field) -> tuple[int, int]:
    if isinstance(value, int):
        return value, 0xFFFF
    bits, _, mask = value.replace(":", "").partition("/")
    return int(bits, 16), int(mask or "ffffffffffff", 16)
