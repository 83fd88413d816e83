"""Policy: which end of an alert is the culprit, how far to contain it, and whether to act, to propose or only to look. Pure.

Both questions are answered by ordered rules, the first match wins, and no match never acts: the culprit is then `undecided`, and the
mode `observe`. A rule proposes until somebody raises it to `contain` by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from controller.durations import parse_duration
from controller.incrimination import ByEvidence, EndMatch, Ends, in_words, weigh
from controller.model import FULL, Alert, Culprit, Decision, End, Endpoint, Managed, Mode, OnExpiry, Profile
from controller.neutralize import neutralize

DEFAULT_DURATION = 4 * 3600.0
TECHNIQUE = r"^T[0-9]{4}(\.[0-9]{3})?$"


class AlertMatch(BaseModel):
    """Conditions on an alert; all that are given must hold. `source` and `signature` are shell patterns, case as written. `technique`: one
    of these of MITRE ATT&CK; T1021 holds for T1021.002 too. `min_confidence` does not hold for an alert whose source says none."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, coerce_numbers_to_str=True
    )  # signature ids look like numbers
    source: str = "*"
    signature: str = "*"
    signature_id: frozenset[str] | None = None
    min_severity: int = Field(default=1, ge=1, le=5)
    technique: frozenset[Annotated[str, Field(pattern=TECHNIQUE)]] | None = None
    min_confidence: float | None = Field(default=None, ge=0, le=1)

    def fits(self, alert: Alert) -> bool:
        return (
            fnmatchcase(alert.source, self.source)
            and fnmatchcase(alert.signature, self.signature)
            and (self.signature_id is None or alert.signature_id in self.signature_id)
            and alert.severity >= self.min_severity
            and (self.technique is None or any(self._covers(one) for one in alert.techniques))
            and (
                self.min_confidence is None
                or (alert.confidence is not None and alert.confidence >= self.min_confidence)
            )
        )

    def _covers(self, technique: str) -> bool:
        return self.technique is not None and bool(self.technique & {technique, technique.partition(".")[0]})


class RuleMatch(AlertMatch):
    """Conditions on the device as well."""

    managed: frozenset[Managed] | None = None
    role: frozenset[str] | None = None

    def fits_endpoint(self, endpoint: Endpoint) -> bool:
        return (self.managed is None or endpoint.managed in self.managed) and (
            self.role is None or endpoint.role in self.role
        )


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
    `approvals`: how many different people must agree to what is proposed."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    name: str
    match: RuleMatch = RuleMatch()
    profile: str = "full"
    mode: Mode = Mode.PROPOSE
    duration: Annotated[float, BeforeValidator(parse_duration)] = Field(default=DEFAULT_DURATION, alias="for")
    on_expiry: OnExpiry | None = None
    approvals: int = Field(default=1, ge=1, le=5)


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


def decide(
    policy: PolicyFile, alert: Alert, endpoint: Endpoint, culprit_reason: str, profiles: Mapping[str, Profile]
) -> Decision:
    """What policy says to do with this device because of this alert. Its rules name none but these profiles: `Config` saw to it."""
    rule = next((r for r in policy.rules if r.match.fits(alert) and r.match.fits_endpoint(endpoint)), None)
    if rule is None:
        return Decision(
            mode=Mode.OBSERVE,
            profile=FULL,
            duration=DEFAULT_DURATION,
            rule="",
            reason="no policy rule matches: observed only",
            by=f"alert:{alert.source}",
            automatic=True,
        )
    return Decision(
        mode=rule.mode,
        profile=profiles[rule.profile],
        duration=rule.duration,
        rule=rule.name,
        reason=f"policy rule {rule.name!r}; culprit by {culprit_reason}",
        by=f"alert:{alert.source}",
        automatic=True,
        on_expiry=rule.on_expiry,
        approvals=rule.approvals,
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
