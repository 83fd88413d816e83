"""Policy: which end of an alert is the culprit, how far to contain it, and whether to act, to propose or only to look. Pure.

Both questions are answered by ordered rules, the first match wins, and no match never acts: the culprit is then `undecided`, and the
mode `observe`. A rule proposes until somebody raises it to `contain` by hand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from controller.conditions import DAY, NOTHING_KNOWN, AlertMatch, Circumstances, RuleMatch, Span, times
from controller.durations import parse_duration, show_duration, written_duration
from controller.incrimination import ByEvidence, EndMatch, Ends, in_words, weigh
from controller.model import FULL, Alert, Considered, Culprit, Decision, End, Endpoint, Mode, OnExpiry, Profile
from controller.neutralize import neutralize

DEFAULT_DURATION = 4 * 3600.0
LONGEST_LADDER = 16
VERSION_LENGTH = 12
ESCALATES_WITHIN = 30 * DAY


def _limits(given: object) -> object:
    """A span, or a list of them: the first for a first offence, the second for a second one."""
    several = given if isinstance(given, list | tuple) else (given,)
    return tuple(parse_duration(str(one)) for one in several)


def _written(limits: tuple[float, ...]) -> str | list[str]:
    spans = [written_duration(one) for one in limits]
    return spans[0] if len(spans) == 1 else spans


Limits = Annotated[
    tuple[float, ...],
    BeforeValidator(_limits),
    PlainSerializer(_written),
    Field(min_length=1, max_length=LONGEST_LADDER),
]


class Incrimination(BaseModel):
    """For alerts that match, and whose ends do, the culprit is this end; `evidence`: the one that outweighs the other by what is known of
    both."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    match: AlertMatch = AlertMatch()
    source: EndMatch = EndMatch()
    destination: EndMatch = EndMatch()
    culprit: Culprit | ByEvidence

    @property
    def asks_of_ends(self) -> bool:
        return self.culprit is ByEvidence.EVIDENCE or self.source.asks or self.destination.asks


class PolicyRule(BaseModel):
    """For alerts and devices that match: how far, whether to act, for how long, and what then; `on_expiry` None is the configuration's.
    `approvals`: how many different people must agree to what is proposed. Several `limits` escalate: a device that
    was contained once within `within` before gets the second, and so on; the last stands for all further ones."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    name: str
    match: RuleMatch = RuleMatch()
    profile: str = "full"
    mode: Mode = Mode.PROPOSE
    limits: Limits = Field(default=(DEFAULT_DURATION,), alias="for")
    within: Span | None = None
    on_expiry: OnExpiry | None = None
    approvals: int = Field(default=1, ge=1, le=5)

    @model_validator(mode="after")
    def _within_what(self) -> Self:
        if self.within is not None and len(self.limits) == 1:
            raise ValueError("within goes with several limits: write for: [10m, 1h, 24h, 7d]")
        return self

    @property
    def duration(self) -> float:
        """For a first offence, in seconds."""
        return self.limits[0]

    @property
    def memory(self) -> float:
        """For how long back an offence counts for the limit; 0: none does."""
        return 0.0 if len(self.limits) == 1 else self.within or ESCALATES_WITHIN

    def limit(self, circumstances: Circumstances, at: float) -> tuple[float, str]:
        """How long to hold a device by an alert of the time `at`; and why that long, where it is not always the same."""
        if not self.memory:
            return self.duration, ""
        before = circumstances.within(self.memory, at)
        step = min(before, len(self.limits) - 1)
        which = f"limit {step + 1} of {len(self.limits)}: contained {times(before)} within {show_duration(self.memory)} before"
        return self.limits[step], f"{show_duration(self.limits[step])}, {which}"


class PolicyFile(BaseModel):
    """The policy as written: `incriminate` answers who, `rules` answer what to do."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    incriminate: tuple[Incrimination, ...] = ()
    rules: tuple[PolicyRule, ...] = ()

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        for names in ([i.name for i in self.incriminate], [r.name for r in self.rules]):
            if twice := {name for name in names if names.count(name) > 1}:
                raise ValueError(f"names used twice: {', '.join(sorted(twice))}")
        return self

    @cached_property
    def written(self) -> Mapping[str, Any]:
        """As it could be written: what stands there, without what nobody said. Equal policies are written alike."""
        written = self.model_dump(by_alias=True, exclude_defaults=True)
        return {name: _plain(value) for name, value in written.items()}

    @cached_property
    def version(self) -> str:
        """What every decision names that this policy made: the same for the same rules, whatever the comments and the order of keys."""
        text = json.dumps(self.written, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:VERSION_LENGTH]

    @cached_property
    def memory(self) -> float:
        """For how long back any rule asks what a device did before, in seconds; 0: none does, and nobody need look."""
        return max((max(rule.memory, rule.match.remembers) for rule in self.rules), default=0.0)


def asks_of_ends(policy: PolicyFile, alert: Alert) -> bool:
    """Whether a rule that may answer wants to know who both ends are: they need not be looked up for others."""
    for rule in policy.incriminate:
        if rule.match.fits(alert):
            return rule.asks_of_ends
    return False


def incriminate(policy: PolicyFile, alert: Alert, ends: Ends | None = None) -> tuple[Culprit, str]:
    """The guilty end and the sentence that says why. `ends` None: nobody could look them up; a rule that asks for them leaves it
    open."""
    for rule in policy.incriminate:
        if not rule.match.fits(alert):
            continue
        named = f"incrimination rule {rule.name!r}"
        if not rule.asks_of_ends:
            return Culprit(rule.culprit), named
        if ends is None:
            return Culprit.UNDECIDED, f"{named} asks who both ends are, which the daemon knows when the alert comes"
        if not (rule.source.fits(ends.source) and rule.destination.fits(ends.destination)):
            continue
        if rule.culprit is not ByEvidence.EVIDENCE:
            return Culprit(rule.culprit), f"{named}: {in_words(ends)}"
        culprit, why = weigh(ends)
        return culprit, f"{named}: {why}"
    return (
        Culprit.UNDECIDED,
        f"no incrimination rule speaks of {alert.source} alerts with the signature {neutralize(alert.signature)!r}",
    )


def culprit_end(alert: Alert, culprit: Culprit) -> End | None:
    return {Culprit.SOURCE: alert.src, Culprit.DESTINATION: alert.dst}.get(culprit)


def why_not(policy: PolicyFile, alert: Alert, ends: Ends | None = None) -> Iterator[Considered]:
    """Of each incrimination rule, what of the alert, or of its ends, speaks against it."""
    reached = ""
    for rule in policy.incriminate:
        against = next(rule.match.against(alert), "") or _against_ends(rule, ends)
        yield Considered(rule.name, _unless_reached(against, reached))
        reached = reached or ("" if against else rule.name)


def consider(
    policy: PolicyFile, alert: Alert, endpoint: Endpoint, circumstances: Circumstances = NOTHING_KNOWN
) -> tuple[PolicyRule | None, tuple[Considered, ...]]:
    """The first rule that holds; and of every rule the first condition that does not, in words."""
    chosen: PolicyRule | None = None
    considered = []
    for rule in policy.rules:
        against = next(rule.match.against_all(alert, endpoint, circumstances), "")
        considered.append(Considered(rule.name, _unless_reached(against, "" if chosen is None else chosen.name)))
        chosen = chosen or (None if against else rule)
    return chosen, tuple(considered)


def decide(
    policy: PolicyFile,
    alert: Alert,
    endpoint: Endpoint,
    culprit_reason: str,
    profiles: Mapping[str, Profile],
    circumstances: Circumstances = NOTHING_KNOWN,
) -> Decision:
    """What policy says to do with this device because of this alert. Its rules name none but these profiles: `Config` saw to it."""
    rule, considered = consider(policy, alert, endpoint, circumstances)
    if rule is None:
        return Decision(
            mode=Mode.OBSERVE,
            profile=FULL,
            duration=DEFAULT_DURATION,
            rule="",
            reason="no policy rule matches: observed only",
            by=f"alert:{alert.source}",
            automatic=True,
            policy=policy.version,
            considered=considered,
        )
    limit, why = rule.limit(circumstances, alert.observed_at)
    return Decision(
        mode=rule.mode,
        profile=profiles[rule.profile],
        duration=limit,
        rule=rule.name,
        reason=f"policy rule {rule.name!r}; culprit by {culprit_reason}" + f"; held for {why}" * bool(why),
        by=f"alert:{alert.source}",
        automatic=True,
        on_expiry=rule.on_expiry,
        approvals=rule.approvals,
        policy=policy.version,
        considered=considered,
    )


def decide_by_operator(
    profile: Profile, duration: float, reason: str, by: str, *, override: bool, on_expiry: OnExpiry | None = None
) -> Decision:
    """An operator's word."""
    return Decision(
        Mode.CONTAIN,
        profile,
        duration,
        "operator",
        reason,
        by,
        automatic=False,
        override=override,
        on_expiry=on_expiry,
    )


def _against_ends(rule: Incrimination, ends: Ends | None) -> str:
    if ends is None or (rule.source.fits(ends.source) and rule.destination.fits(ends.destination)):
        return ""
    return f"{in_words(ends)}; the rule asks for other ends"


def _unless_reached(against: str, reached: str) -> str:
    """What is said of a rule behind the one that matched."""
    return against or (f"it would match too, but {reached!r} stands before it" if reached else "")


def _plain(value: Any) -> Any:
    """As JSON and YAML have it; what has no order of its own is sorted."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=str)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value
