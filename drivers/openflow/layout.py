"""Where the flows of rules stand on a switch: alone, in tables of our own, or beside another controller, in a band of its first table.
Pure. `flows` and `overlaps` hold the one, `beside` the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from drivers.openflow import beside, flows, overlaps
from drivers.openflow.flows import TABLE_TO, Band, Flow
from drivers.rules import Rule

HeldFlows = Iterable[tuple[Rule, tuple[Flow, ...]]]


class Layout(Protocol):
    """`pipeline`: what stands whatever is contained. `outranked_from`: a stranger's flow in table 0 at this priority or a higher one takes
    frames away from ours; None where that is no stranger's table."""

    @property
    def pipeline(self) -> tuple[Flow, ...]: ...
    @property
    def outranked_from(self) -> int | None: ...
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
    outranked_from: ClassVar[None] = None

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
    outranked_from: ClassVar[int] = beside.FLOOR

    def rule_flows(self, rule: Rule, in_port: int | None) -> tuple[Flow, ...]:
        return beside.rule_flows(rule, in_port)

    def witness(self, rule: Rule, in_port: int | None) -> tuple[str, Flow] | None:
        return None

    def together(self, held: HeldFlows) -> Mapping[str, tuple[Flow, ...]]:
        return beside.carved(held)

    def is_flag_marker(self, flow: Flow) -> bool:
        return flow.table == beside.TABLE and beside.FLAG_FLOOR <= flow.priority < beside.PERMIT_FLOOR


ALONE, BESIDE = Alone(), Beside()
