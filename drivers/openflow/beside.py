"""Rules as OpenFlow 1.3 flows beside another controller that owns the pipeline (role EQUAL, OpenFlow 1.3.5 §6.3.6). Pure.

A flow of ours in table 0 takes a frame away from every flow of theirs below it. So here every flow drops: one that let a frame on, or
copied it to us, would have to say what *their* pipeline does with it, and would steal the packet. What `drivers.semantics` says of a set
of rules is then the union of its drops, and a PERMIT is carved out of the denies of its own containment: instead of "all that comes in
there, but for these MACs" the table holds the prefixes of the complement of those MACs. Only MACs can be carved: an Ethernet type has no
mask in OpenFlow, and the complement of one would be 65,535 flows.

All flows stand in one band of priorities, `FLOOR` and a little more, and carry the same cookies as in `flows`. Nothing else on the
switch is touched but a port's NO_FWD flag, which also holds for their outputs (tried on Open vSwitch 3.1). A rule that has no frame to
drop (a port flag, a permit) has a marker, which carries its cookie: a drop of frames whose source is a group address, which nobody
may send (IEEE 802.3-2018 §3.2.3: the source is an individual address).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from drivers.base import UnsupportedAction
from drivers.openflow.flows import SLOTS, Field, Flow, is_port_flag, rule_matches
from drivers.rules import Action, Direction, Mac, Match, Rule

FLOOR = 61_000
"""The lowest priority of ours, a multiple of SLOTS. What we drop is outranked by a flow of theirs in table 0 that stands above it."""
FLAG_FLOOR, PERMIT_FLOOR = FLOOR + SLOTS, FLOOR + 2 * SLOTS
MOST_CARVED = 64
"""MACs carved out of one deny; each costs up to 48 flows."""
TABLE = 0
GROUP_BIT = "01:00:00:00:00:00/01:00:00:00:00:00"
_CARVABLE = frozenset({"port", "mac"})

Voice = tuple[str, Direction]


def rule_flows(rule: Rule, in_port: int | None) -> tuple[Flow, ...]:
    """The rule's flows, as if its containment permitted nothing; `carved` says what becomes of them where it does."""
    if is_port_flag(rule):
        return (_marker(FLAG_FLOOR, rule, in_port),)
    if rule.action is Action.PERMIT:
        return (_marker(PERMIT_FLOOR, rule, in_port),)
    return tuple(_drop(rule, fields) for fields in rule_matches(rule.match, in_port))


def carved(held: Iterable[tuple[Rule, tuple[Flow, ...]]]) -> dict[str, tuple[Flow, ...]]:
    """By rule id, the flows of each deny from which permits of its own containment take something away: they take the place of the
    rule's own. Raises UnsupportedAction for a permit that cannot be carved out."""
    rules = list(held)
    permits: dict[Voice, list[Rule]] = defaultdict(list)
    for rule, _ in rules:
        if rule.action is Action.PERMIT:
            permits[_voice(rule)].append(rule)
    return {
        rule.id: tuple(_carve(rule, own, permits[_voice(rule)]))
        for rule, own in rules
        if rule.action is Action.DENY and not is_port_flag(rule) and _voice(rule) in permits
    }


def complement(macs: Iterable[Mac]) -> Iterator[str]:
    """All other MACs, as the fewest masked values: the prefixes that branch off the paths to the given ones."""
    numbers = sorted({int(mac.replace(":", ""), 16) for mac in macs})
    yield from (_masked(value, bits) for value, bits in _others(numbers, 0, 0))


def _others(numbers: list[int], value: int, bits: int) -> Iterator[tuple[int, int]]:
    """The prefixes under (value, bits) that hold none of `numbers`, all of which lie under it."""
    if not numbers:
        yield value, bits
    elif bits < 48:
        middle = value | 1 << (47 - bits)
        yield from _others([one for one in numbers if one < middle], value, bits + 1)
        yield from _others([one for one in numbers if one >= middle], middle, bits + 1)


def _masked(value: int, bits: int) -> str:
    """As a switch reads it back: one that is masked in no bit, or in all, has no mask."""
    text = _mac(value)
    return text if bits == 48 else f"{text}/{_mac(((1 << bits) - 1) << (48 - bits))}"


def _mac(value: int) -> str:
    return value.to_bytes(6, "big").hex(":")


def _carve(rule: Rule, own: tuple[Flow, ...], permits: Iterable[Rule]) -> Iterator[Flow]:
    """What the deny still drops once the permits have taken theirs; a marker where that is nothing."""
    spared = [permit.match for permit in permits if _meet(rule.match, permit.match)]
    if any(_covers(match, rule.match) for match in spared):
        port = dict(own[0].match).get("in_port")
        yield _marker(PERMIT_FLOOR, rule, port if isinstance(port, int) else None)
    elif not spared:
        yield from own
    else:
        name = "eth_src" if rule.match.direction is Direction.FROM else "eth_dst"
        others = list(complement(_macs(rule, spared)))
        yield from (_drop(rule, dict(flow.match) | {name: mac}) for flow in own for mac in others)


def _macs(rule: Rule, spared: Iterable[Match]) -> list[Mac]:
    """The MACs to carve out of a deny that names none."""
    macs = []
    for match in spared:
        if match.mac is None or not match.fields() <= _CARVABLE or match.port not in (None, rule.match.port):
            raise UnsupportedAction(
                f"{rule.provenance.containment}: only a MAC on a port can be excepted beside another controller"
            )
        macs.append(match.mac)
    if len(macs) > MOST_CARVED:
        raise UnsupportedAction(
            f"{rule.provenance.containment}: {len(macs)} exceptions on one port are more than the {MOST_CARVED} that fit beside another"
            " controller"
        )
    return macs


def _covers(permit: Match, deny: Match) -> bool:
    return all(getattr(permit, name) in (None, getattr(deny, name)) for name in permit.fields())


def _meet(deny: Match, permit: Match) -> bool:
    return all(
        getattr(deny, name) is None or getattr(permit, name) is None or getattr(deny, name) == getattr(permit, name)
        for name in _CARVABLE
    )


def _drop(rule: Rule, fields: Mapping[str, Field]) -> Flow:
    number = int(rule.id, 16)
    return Flow.make(TABLE, FLOOR + number % SLOTS, number, fields)


def _marker(floor: int, rule: Rule, in_port: int | None) -> Flow:
    """Never hit. Its match tells nothing of the rule but the port, where it has one."""
    port: dict[str, Field] = {} if in_port is None else {"in_port": in_port}
    number = int(rule.id, 16)
    return Flow.make(TABLE, floor + number % SLOTS, number, port | {"eth_src": GROUP_BIT})


def _voice(rule: Rule) -> Voice:
    return rule.provenance.containment, rule.match.direction
