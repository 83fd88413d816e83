"""What a read-back says: of a device's state after a partial look, and of each containment on it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from controller.model import DeviceOutcome, Outcome
from controller.store import Desired
from drivers.base import EVERYTHING, Change, ObservedState, Scope
from drivers.rules import Rule


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass over a device came to."""

    desired: Desired
    observed: ObservedState
    leftover: Change
    refused: Mapping[str, str]
    drifted: bool


def merged(before: ObservedState, after: ObservedState, scope: Scope) -> ObservedState:
    """`before`, with what `scope` asked about replaced by `after`. Both are of the same boot."""
    if scope == EVERYTHING:
        return after
    asked = scope.rule_ids or frozenset()
    kept = tuple([rule for rule in before.rules if rule.rule_id not in asked])
    if again := {(rule.rule_id, rule.native) for rule in after.rules if rule.rule_id not in asked}:
        kept = tuple(rule for rule in kept if (rule.rule_id, rule.native) not in again)
    ports = {**before.ports, **after.ports}
    return replace(after, rules=kept + after.rules, ports=ports, outranking=before.outranking)


def outcomes_of(done: Pass, of: Set[str] | None = None) -> Iterator[tuple[str, DeviceOutcome]]:
    """What the read-back says of each containment on this device; or `of` these, and of all that leave."""
    desired = done.desired
    for containment in desired.by_containment if of is None else sorted(of & desired.by_containment.keys()):
        yield containment, _held(desired.by_containment[containment], done)
    for containment in desired.gone:
        yield containment, _gone(done)


def _gone(done: Pass) -> DeviceOutcome:
    """What was asked to go cannot be told apart any more: while the device holds anything unwanted, also what
    is nobody's any more and has no name, nothing counts as removed."""
    leftover = done.leftover
    if leftover.removed or leftover.ports or any(line.sign == "-" for line in leftover.lines):
        return DeviceOutcome("", Outcome.FAILED, "the device still holds something that was to be removed")
    return DeviceOutcome("", Outcome.REMOVED)


def _held(rules: Sequence[Rule], done: Pass) -> DeviceOutcome:
    missing = sorted((rule for rule in rules if rule.id in done.leftover.rule_ids), key=lambda rule: rule.id)
    if not missing:
        return DeviceOutcome("", Outcome.INSTALLED)
    reasons = [
        f"{r.action.value} {r.match.direction.value} {r.match.port}: {done.refused.get(r.id, 'not there on read-back')}"
        for r in missing
    ]
    return DeviceOutcome("", _lacking(rules, missing, done), "; ".join(reasons))


def _lacking(rules: Sequence[Rule], missing: Sequence[Rule], done: Pass) -> Outcome:
    """Of a port that the device does not have at the moment nothing was refused: there is nothing to be known until it is back."""
    if len(missing) < len(rules):
        return Outcome.PARTIAL
    away = all(rule.match.port is not None and rule.match.port not in done.observed.ports for rule in missing)
    return Outcome.UNKNOWN if away else Outcome.FAILED


def leftover_reason(done: Pass) -> str:
    lines = "; ".join(f"{line.sign} {line.text}" for line in done.leftover.lines)
    refused = "; ".join(f"{what}: {why}" for what, why in done.refused.items())
    return f"after the push the device still lacks: {lines}" + (f" (it refused: {refused})" if refused else "")
