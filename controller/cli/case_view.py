"""A containment as people see it: one line of a list, or all of it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from controller.api.schemas import ContainmentView
from controller.cli import output
from controller.cli.endpoint_view import UNKNOWN, in_a_sentence
from controller.cli.output import said
from controller.cli.places import Names, place, switch
from controller.cli.plan_view import rule_in_words, show_proof
from controller.cli.tables import Form
from controller.durations import show_duration

WAITING = "expired, waiting for a person"


def show_list(cases: Sequence[ContainmentView], names: Names, empty: str) -> None:
    output.table(
        Form(
            ("ID", "TARGET", "AT", "PROFILE", "WANT", "OUTCOME", "REMAINING", "BY", "REASON"),
            folds=("REASON",),
            spare=("BY", "REASON", "AT", "WANT", "PROFILE"),
        ),
        (
            (
                case.id,
                case.target,
                place(case.endpoint.attachment, names),
                case.profile,
                case.want,
                output.outcome(case.outcome),
                remaining(case),
                case.by,
                said(case.reason, limit=60),
            )
            for case in cases
        ),
        empty,
    )


def show_case(console: Console, case: ContainmentView, names: Names) -> None:
    """Everything that is known of it."""
    endpoint = case.endpoint
    lines: list[tuple[str, object]] = [
        ("target", case.target),
        ("device", ", ".join([*endpoint.macs, *endpoint.ips]) or endpoint.id),
        ("attached at", place(endpoint.attachment, names)),
        ("known as", " ".join(w for w in (endpoint.managed, endpoint.type, endpoint.role) if w != UNKNOWN)),
        ("looks like", in_a_sentence(endpoint)),
        ("profile", case.profile),
        ("want", case.want),
        ("expires", _expires(case) if case.expires_at else "never"),
        ("then", "asks a person, and stays held" if case.on_expiry == "ask" else ""),
        ("confirm", _confirm(case)),
        ("confirmed by", case.confirmed_by or ""),
        ("by", case.by),
        ("override", "it is protected, and somebody insisted" if case.override else ""),
        ("reason", case.reason),
        ("policy rule", _rule(case)),
        ("released by", case.released_by or ""),
        ("alerts", ", ".join(case.alerts)),
    ]
    console.print(Text.assemble(said(case.id, "bold"), "  ", output.outcome(case.outcome)))
    for name, value in lines:
        if value:
            console.print(Text.assemble(f"  {name:<12}", said(value, limit=1000)))
    for sentence in (
        case.weaker and f"weaker than asked for: {case.weaker}",
        case.unproven and f"not proven: {case.unproven}",
    ):
        if sentence:
            console.print(said(f"  {sentence}", "yellow"))
    _show_devices(console, case, names)
    _show_stages(console, case)
    for line in case.evidence:
        console.print(Text.assemble("  evidence    ", said(line)))
    if case.proof is not None:
        show_proof(console, case.proof, names)


def _rule(case: ContainmentView) -> str:
    return f"{case.policy_rule} (policy {case.policy})" if case.policy else case.policy_rule


def _expires(case: ContainmentView) -> str:
    if case.waiting_since is not None:
        return f"{output.at(case.expires_at)}: {WAITING} (`netcordon extend {case.id} --for 4h`, or release)"
    return f"{output.at(case.expires_at)} (in {remaining(case)})"


def _confirm(case: ContainmentView) -> str:
    if case.confirm_by is None or case.want != "held":
        return ""
    return f"by {output.at(case.confirm_by)}, or it is released: `netcordon confirm {case.id}`"


def _show_devices(console: Console, case: ContainmentView, names: Names) -> None:
    for device in case.devices:
        console.print(
            Text.assemble(
                "  ",
                said(switch(device.device, names), "bold"),
                "  ",
                output.outcome(device.outcome),
                "  ",
                said(device.reason),
            )
        )
        for rule in case.rules.get(device.device, []):
            console.print(said(f"    {rule['id']}  {rule_in_words(rule)}"))


def _show_stages(console: Console, case: ContainmentView) -> None:
    for name, milliseconds in case.stages_ms.items():
        console.print(f"  {name.replace('_', ' '):<20} {milliseconds:>10.1f} ms")


def tell_stage(case: ContainmentView) -> None:
    """One line on standard error: the outcome that it came to, and when."""
    after = case.stages_ms.get({"removed": "release_to_removed"}.get(case.outcome, f"alert_to_{case.outcome}"))
    when = "" if after is None else f" after {after:.1f} ms"
    troubles = "; ".join(f"{one.device}: {one.reason}" for one in case.devices if one.reason)
    line = Text.assemble(said(case.id, "bold"), "  ", output.outcome(case.outcome), when)
    if troubles:
        line.append_text(said(f"  ({troubles})"))
    output.stderr().print(line)


def remaining(case: ContainmentView) -> str:
    if case.want != "held":
        return "-"
    if case.waiting_since is not None:
        return WAITING
    return "no end" if case.remaining is None else show_duration(case.remaining)
