"""How policy decided, as the API shows it. Pure; what others wrote is neutralized here."""

from __future__ import annotations

from collections.abc import Iterable

from controller.api import listings, views
from controller.durations import show_duration
from controller.explanation import Explanation, Trial
from controller.model import Alert, Considered
from controller.neutralize import neutralize
from controller.policy_desk import Reconsidered
from controller.store import AlertRecord, KeptPolicy

_LONG = 500


def alert_detail(record: AlertRecord) -> listings.AlertDetail:
    told = record.explanation
    return listings.AlertDetail(
        alert=views.alert_view(record), explanation=None if told is None else explanation_view(told)
    )


def explanation_view(told: Explanation) -> listings.ExplanationView:
    return listings.ExplanationView(
        policy=told.policy,
        culprit=told.culprit,
        why=neutralize(told.why, _LONG),
        accusers=considered(told.accusers),
        rule=neutralize(told.rule),
        mode=told.mode,
        profile=neutralize(told.profile),
        duration=told.duration,
        rules=considered(told.rules),
    )


def policy_view(kept: KeptPolicy, present: str) -> listings.PolicyView:
    return listings.PolicyView(
        version=kept.version,
        in_force=kept.version == present,
        first_at=views.moment(kept.first_at),
        policy=dict(kept.written),
    )


def trial_view(index: int, alert: Alert, tried: Trial) -> listings.TrialView:
    return listings.TrialView(
        index=index,
        would=tried.would,
        signature=neutralize(alert.signature, _LONG),
        observed_at=views.moment(alert.observed_at),
        target=tried.target,
        refused=neutralize(tried.refused, _LONG),
        explanation=explanation_view(tried.told),
    )


def replay_row(one: Reconsidered) -> listings.ReplayRow:
    then, now = _then(one), in_words(one.now.would, one.now.told)
    return listings.ReplayRow(
        alert=one.record.alert.id,
        observed_at=views.moment(one.record.alert.observed_at),
        signature=neutralize(one.record.alert.signature, _LONG),
        target=one.now.target,
        then=then,
        now=now,
        differs=then != now,
        why=neutralize(one.now.refused or one.now.told.why, _LONG),
        forgotten=one.forgotten,
    )


def _then(one: Reconsidered) -> str:
    """In the same words; what an earlier version of netcordon took has only its disposition."""
    disposition = one.record.disposition.partition(":")[0]
    if one.then is None:
        return disposition
    would = {"refused": "refuse", "undecided": "ask"}.get(disposition, one.then.mode or "ask")
    return in_words(would, one.then)


def in_words(would: str, told: Explanation) -> str:
    """contain full for 4h, by 'scanners'"""
    if would not in ("contain", "propose"):
        return would
    span = "" if told.duration is None else f" for {show_duration(told.duration)}"
    return f"{would} {neutralize(told.profile)}{span}, by {neutralize(told.rule)!r}"


def considered(rules: Iterable[Considered]) -> list[listings.ConsideredView]:
    return [listings.ConsideredView(rule=neutralize(one.rule), against=neutralize(one.against, _LONG)) for one in rules]
