"""What the findings of one look say: whether the device's silence is shown, or why it is not. Pure.

A switch's flow counters lag: Open vSwitch sums its datapath's up about twice a second (tried: at most 0.55 s), while a frame that takes the
slow path is counted at once. So counts are compared within one look, and evidence needs a further window in which nothing came past.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

from controller.discovery.probes import ProbeResult
from controller.model import Endpoint
from drivers.base import ObservedState
from drivers.rules import Action, Direction, Rule

COUNTERS_LAG = 0.6
"""Seconds by which a switch's counters may be behind."""


@dataclass(frozen=True, slots=True)
class Look:
    """What speaks for silence (`evidence`), or why nothing does (`reason`)."""

    evidence: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """One read-back of the contained port. `missing` are rules of the containment that are not there. `denied` and `passed` are
    frames of the port that the switch counted into the deny rules, and past them; None where it keeps no such count. `up` None: no
    such port."""

    boot_id: str
    missing: frozenset[str]
    denied: int | None
    passed: int | None
    up: bool | None


def never_silent(rules: Iterable[Rule]) -> str:
    """Why these rules, all that one containment has on a device, leave it audible, so that silence can prove nothing; "" when they
    close it as a whole but for its neighbours."""
    rules = list(rules)
    if not any(rule.action is Action.DENY for rule in rules):
        if any(rule.action is Action.MOVE_VLAN for rule in rules):
            return "it is in the quarantine VLAN, where nothing of it is stopped: that its port was moved was read back, and no more"
        return "it only counts: nothing is stopped, so there is nothing to prove"
    coming = [rule for rule in rules if rule.match.direction is Direction.FROM]
    closed = any(rule.action is Action.DENY and rule.match.fields() <= {"port", "mac"} for rule in coming)
    opened = any(rule.action is Action.PERMIT and rule.match.fields() != {"port", "mac"} for rule in rules)
    if closed and not opened:
        return ""
    return "its profile leaves some traffic open, so it is not silent: that its rules stand was read back, and no more"


def so_far(observed: ObservedState, rules: Iterable[Rule]) -> str:
    """What such rules counted until this read-back: all of the device's frames where nothing is stopped, else those that were."""
    rules = list(rules)
    stopping = any(rule.action is Action.DENY for rule in rules)
    told = []
    for direction, way in ((Direction.FROM, "from"), (Direction.TO, "to")):
        wanted = {
            rule.id
            for rule in rules
            if rule.match.direction is direction and rule.action is (Action.DENY if stopping else Action.COUNT)
        }
        frames = count(observed, wanted) if wanted else None
        told += [] if frames is None else [f"{frames} {way} it"]
    return f"{'stopped' if stopping else 'counted'} so far: {', '.join(told) or 'unknown, the switch keeps no count'}"


def count(observed: ObservedState, names: Set[str]) -> int | None:
    """The frames that these counted together; None when one of them is not there, or keeps no count."""
    packets = {rule.rule_id: rule.packets for rule in observed.rules if rule.rule_id in names}
    counts = [packets.get(name) for name in names]
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def doubt(endpoint: Endpoint, before: Counts, after: Counts, *, flapped: bool, leak: str) -> str:
    """What forbids to take the silence since `before` for proof, whatever else was seen; "" when nothing does. `flapped`: the link went
    down meanwhile; `leak`: a witness saw a frame of the device."""
    if before.up is None or after.up is None:
        return "the switch does not show the port any more"
    if not before.up and not after.up:
        return "the port's link is down: an absent device shows nothing"
    if not before.up or not after.up or flapped:
        return "the port's link went down meanwhile: an absent device shows nothing"
    if before.boot_id != after.boot_id:
        return "the switch restarted meanwhile"
    if before.missing or after.missing:
        return "not all of its rules are there on read-back"
    if leak:
        return leak
    if before.passed is not None and after.passed is not None and after.passed > before.passed:
        shared = ", its neighbours' among them" if endpoint.neighbours else ""
        return f"{after.passed - before.passed} frames of its port still got past the rules{shared}"
    return ""


def continues(last: Counts, now: Counts) -> bool:
    """Whether `now` was counted by the very rules that `last` was, which stood and let nothing past in between."""
    return (
        (last.boot_id, last.up, last.missing, last.passed) == (now.boot_id, True, frozenset(), now.passed)
        and not now.missing
        and last.denied is not None
        and now.denied is not None
        and last.denied <= now.denied
    )


def counted(denied_before: int | None, after: Counts) -> Look:
    """Whether the device's own frames ran into the rules. `denied_before` is the count that is not news."""
    if denied_before is None or after.denied is None or after.passed is None:
        return Look(reason="the switch does not count what runs into the rules and what gets past them")
    if after.denied <= denied_before:
        return Look(reason="the deny rule counted no frame of it since the last look")
    return Look(evidence=f"the switch dropped {after.denied - denied_before} of its frames and let none past")


def probed(
    probes: Iterable[ProbeResult],
    *,
    answered_before: float | None,
    answered_last: float | None,
    pushed: float,
    installed: float,
    opened: float,
    fresh: float,
) -> Look:
    """Whether sensors found it silent that had heard it shortly before. Times are seconds since the epoch: its last answer before the rules
    stood (at most `fresh` seconds older than the push), its last one of all, the push, when the rules were read back, and the beginning
    of this look."""
    probes = list(probes)
    if answered_before is None or not pushed - fresh <= answered_before <= installed:
        return Look(reason="it answered no sensor shortly before the push")
    if any(probe.answered for probe in probes) or (answered_last is not None and answered_last > opened):
        return Look(reason="it still answers a sensor")
    silent = next((probe for probe in probes if probe.silent and probe.control_answered), None)
    if silent is None:
        trouble = next((probe.trouble for probe in probes if probe.trouble), "")
        return Look(
            reason=f"the sensor had trouble: {trouble}"
            if trouble
            else "no control host answered a sensor, so silence says nothing"
        )
    ago = max(0.0, pushed - answered_before)
    return Look(
        evidence=f"sensor {silent.sensor}: {silent.target.ip} answered {ago:.2f} s before the push and is silent now, while a"
        " control host answers"
    )
