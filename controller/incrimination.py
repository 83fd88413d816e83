"""Which end of an alert is the bad one, by what is known of both ends. Pure.

A rule names an end, or says `evidence`: then each end is weighed, and the one that outweighs the other by two or more, and has something
against itself, is the culprit. Nobody manages it: +2. It was contained lately: +2. Somebody manages it: -1. Others need its role, and so
talk to it, by the inventory's word of its MAC: -1. Which end stands first is no evidence: sensors name both. An end that is not on this
network, or that cannot be told, weighs nothing. Who is protected is never found guilty by evidence: that is for a person to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from controller.model import Culprit, Managed
from controller.neutralize import neutralize

ENOUGH = 2
LATELY = 30 * 86400.0
"""Seconds for which an earlier case speaks against a device."""
NEEDED = frozenset(
    {"domain-controller", "dns", "dhcp", "file-server", "web-server", "database", "printer", "router", "gateway"}
)
_NOT_MANAGED = (Managed.UNMANAGED, Managed.UNDISCOVERED)


@dataclass(frozen=True, slots=True)
class EndKnown:
    """What is known of one end. `found`: it is one device of this network, as far as could be told. `role` is the inventory's, `listed` by
    what ("mac", "ip" alone, or empty); `cases` how often it was contained within `LATELY`; `protected` by what, in words."""

    found: bool = False
    managed: Managed = Managed.UNKNOWN
    role: str = "unknown"
    listed: str = ""
    cases: int = 0
    protected: str = ""


@dataclass(frozen=True, slots=True)
class Ends:
    source: EndKnown = EndKnown()
    destination: EndKnown = EndKnown()


class EndMatch(BaseModel):
    """Conditions on one end; all that are given must hold, and none holds for an end that was not found. `min_cases`: contained so often
    within 30 days."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    managed: frozenset[Managed] | None = Field(default=None, min_length=1)
    role: frozenset[str] | None = Field(default=None, min_length=1)
    min_cases: int = Field(default=0, ge=0)

    @property
    def asks(self) -> bool:
        return self != EndMatch()

    def fits(self, end: EndKnown) -> bool:
        return not self.asks or (
            end.found
            and (self.managed is None or end.managed in self.managed)
            and (self.role is None or end.role in self.role)
            and end.cases >= self.min_cases
        )


class ByEvidence(StrEnum):
    """In place of an end."""

    EVIDENCE = "evidence"


def in_words(ends: Ends) -> str:
    """What there was to go by: the source is undiscovered; the destination is managed, file-server."""
    told = (f"the {name} is {_told(end)}" for name, end in (("source", ends.source), ("destination", ends.destination)))
    return "; ".join(told)


def weigh(ends: Ends) -> tuple[Culprit, str]:
    """The end that outweighs the other, and the sentence that says by what."""
    scale = {name: list(_weights(end)) for name, end in (("source", ends.source), ("destination", ends.destination))}
    sums = {name: sum(weight for weight, _ in weights) for name, weights in scale.items()}
    said = "; ".join(f"the {name} {_sum(scale[name], sums[name], end)}" for name, end in _named(ends))
    ahead = max(sums, key=lambda name: sums[name])
    behind = min(sums.values())
    if sums[ahead] <= 0 or sums[ahead] - behind < ENOUGH:
        return Culprit.UNDECIDED, f"neither end outweighs the other: {said}"
    guilty = dict(_named(ends))[ahead]
    if guilty.protected:
        return Culprit.UNDECIDED, f"the {ahead} would be it, and is protected by {guilty.protected}: {said}"
    return Culprit(ahead), said


def _named(ends: Ends) -> tuple[tuple[str, EndKnown], ...]:
    return ("source", ends.source), ("destination", ends.destination)


def _weights(end: EndKnown) -> Iterator[tuple[int, str]]:
    if not end.found:
        return
    if end.managed in _NOT_MANAGED:
        yield 2, f"is {end.managed}"
    if end.cases:
        yield 2, f"was contained {_often(end.cases)} within 30 days"
    if end.managed is Managed.MANAGED:
        yield -1, "is managed"
    if end.listed == "mac" and end.role in NEEDED:
        yield -1, f"is a {end.role}, which others need"


def _sum(weights: list[tuple[int, str]], total: int, end: EndKnown) -> str:
    if not weights:
        return "is not told from others" if end.found else "is no device that is known here"
    return f"{', '.join(f'{why} ({weight:+d})' for weight, why in weights)} = {total:+d}"


def _told(end: EndKnown) -> str:
    if not end.found:
        return "no device that is known here"
    known = [str(end.managed), *([neutralize(end.role)] if end.role != "unknown" else [])]
    return ", ".join([*known, *([f"contained {_often(end.cases)} within 30 days"] if end.cases else [])])


def _often(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
