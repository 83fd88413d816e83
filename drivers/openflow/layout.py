"""Where the flows of rules stand on a switch: alone, in tables of our own, or beside another controller, in a band of its first table.
Pure. `flows` and `overlaps` hold the one, `beside` the other.

Nobody keeps a colleague, or a script, from adding flows to the same tables. What is not ours is never touched; but where it takes frames
away from a drop of ours, the rule does not hold, and is not called installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from drivers.openflow import beside, flows, overlaps
from drivers.openflow.flows import TABLE_FROM, TABLE_TO, Band, Flow
from drivers.rules import Rule

HeldFlows = Iterable[tuple[Rule, tuple[Flow, ...]]]


class Layout(Protocol):
    """`pipeline`: what stands whatever is contained. `outranked_from`: by table, the lowest priority at which a stranger's flow could take
    frames away from ours."""

    @property
    def pipeline(self) -> tuple[Flow, ...]: ...
    @property
    def outranked_from(self) -> Mapping[int, int]: ...
    def outranks(self, theirs: Flow, ours: Flow) -> bool:
        """Whether a stranger's flow lets on what `ours`, a drop, should have dropped, were they to match the same frame."""

    def rule_flows(self, rule: Rule, in_port: int | None) -> tuple[Flow, ...]:
        """The rule's flows by itself; see `flows.rule_flows`."""

    def witness(self, rule: Rule, in_port: int | None) -> tuple[str, Flow] | None:
        """See `flows.witness`."""

    def together(self, held: HeldFlows) -> Mapping[str, tuple[Flow, ...]]:
        """By id, all the flows of each rule that has others because of the rules beside it. Raises UnsupportedAction."""

    def is_flag_marker(self, flow: Flow) -> bool:
        """Whether the flow does nothing but carry the cookie of a rule that is a port's flag."""


@dataclass(frozen=True)
class Alone:
    """Ours is the only controller: four tables, forwarding by NORMAL."""

    pipeline: tuple[Flow, ...] = flows.pipeline()
    outranked_from: ClassVar[Mapping[int, int]] = {TABLE_FROM: Band.DEFAULT, TABLE_TO: Band.DEFAULT}

    def outranks(self, theirs: Flow, ours: Flow) -> bool:
        """Also one below ours, in the table before it, that does not go on to ours."""
        if theirs.table < ours.table:
            return _lets_on(theirs) and (theirs.goto != ours.table or theirs.output is not None)
        return _is_above(theirs, ours)

    def rule_flows(self, rule: Rule, in_port: int | None) -> tuple[Flow, ...]:
        return flows.rule_flows(rule, in_port)

    def witness(self, rule: Rule, in_port: int | None) -> tuple[str, Flow] | None:
        return flows.witness(rule, in_port)

    def together(self, held: HeldFlows) -> Mapping[str, tuple[Flow, ...]]:
        known = {rule.id: own for rule, own in held}
        more = overlaps.derived((rule, own) for rule, own in held)
        return {name: (*known[name], *further) for name, further in more.items()}

    def is_flag_marker(self, flow: Flow) -> bool:
        return flow.table == TABLE_TO and Band.MARKER <= flow.priority < Band.COUNT


@dataclass(frozen=True)
class Beside:
    """Another controller owns the pipeline: drops in a band of table 0, and nothing else."""

    pipeline: tuple[Flow, ...] = ()
    outranked_from: ClassVar[Mapping[int, int]] = {beside.TABLE: beside.FLOOR}

    def outranks(self, theirs: Flow, ours: Flow) -> bool:
        return _is_above(theirs, ours)

    def rule_flows(self, rule: Rule, in_port: int | None) -> tuple[Flow, ...]:
        return beside.rule_flows(rule, in_port)

    def witness(self, rule: Rule, in_port: int | None) -> tuple[str, Flow] | None:
        return None

    def together(self, held: HeldFlows) -> Mapping[str, tuple[Flow, ...]]:
        return beside.carved(held)

    def is_flag_marker(self, flow: Flow) -> bool:
        return flow.table == beside.TABLE and beside.FLAG_FLOOR <= flow.priority < beside.PERMIT_FLOOR


def _is_above(theirs: Flow, ours: Flow) -> bool:
    """At equal priority a switch takes either (OpenFlow 1.3.5 §5.3)."""
    return theirs.table == ours.table and theirs.priority >= ours.priority and _lets_on(theirs)


def _lets_on(flow: Flow) -> bool:
    return flow.goto is not None or flow.output is not None


ALONE, BESIDE = Alone(), Beside()
