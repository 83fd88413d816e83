"""How policy decided about an alert, as people read it."""

from __future__ import annotations

from collections.abc import Iterator

from controller.api.listings import AlertDetail, ConsideredView, ExplanationView
from controller.cli import output
from controller.cli.tables import Form
from controller.durations import show_duration

MATCHED = "matched"


def show_alert(found: AlertDetail) -> None:
    alert = found.alert
    output.table(
        Form(("ALERT", alert.id), folds=(alert.id,)),
        (
            ("seen", output.at(alert.observed_at)),
            ("source", alert.source),
            ("signature", f"{alert.signature} ({alert.signature_id})" if alert.signature_id else alert.signature),
            ("severity", alert.severity),
            ("from", alert.src.ip or alert.src.mac or "not said"),
            ("to", alert.dst.ip or alert.dst.mac or "not said"),
            ("came to", alert.disposition),
            *([("see", alert.containment or alert.proposal)] if alert.containment or alert.proposal else []),
            *summary(found.explanation),
        ),
        "",
    )
    if found.explanation is None:
        output.note(
            "how policy decided is not kept: policy never came to it, or an earlier version of netcordon took it"
        )
    else:
        show_explanation(found.explanation)


def show_explanation(told: ExplanationView) -> None:
    """Rule by rule: which one matched, and why each other did not."""
    output.table(
        Form(("POLICY", "RULE", "WHY"), folds=("WHY",)),
        [*_rows("who", told.accusers), *_rows("what", told.rules)],
        "the policy has no rule",
    )


def summary(told: ExplanationView | None) -> list[tuple[str, str]]:
    if told is None:
        return []
    return [
        ("culprit", f"{told.culprit}: {told.why}"),
        ("decided", decision(told)),
        ("policy", told.policy),
    ]


def decision(told: ExplanationView) -> str:
    """contain: full for 10m, by rule 'scanners'"""
    if not told.mode:
        return "nothing was decided by the rules of what to do: the culprit, or where it is, is not known"
    if not told.rule:
        return "observe: no rule matches"
    span = "" if told.duration is None else f" for {show_duration(told.duration)}"
    what = "" if told.mode == "observe" else f": {told.profile}{span}"
    return f"{told.mode}{what}, by rule {told.rule!r}"


def _rows(kind: str, rules: list[ConsideredView]) -> Iterator[tuple[object, object, object]]:
    for one in rules:
        yield kind, one.rule, one.against or output.said(MATCHED, "green")
