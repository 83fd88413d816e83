"""`proposals`, `approve`, `refuse`: what waits for people, and their answers."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.api.listings import ProposalView
from controller.cli import case_view, output, plan_view
from controller.cli.exit_codes import ExitCode
from controller.cli.options import Json, Limit, connect
from controller.cli.places import switch_names
from controller.cli.tables import Form
from controller.durations import show_duration

Id = Annotated[str, typer.Argument(help="The proposal's id: `netcordon proposals` lists them.")]


def proposals(limit: Limit = 100, as_json: Json = False) -> None:
    """List what waits for a person: what policy only proposes, what a guard refused to do by itself, and what people put to an approver
    with `contain --propose`.

    Example: netcordon proposals
    """
    with connect() as client:
        found = client.proposals(limit)
    if as_json:
        output.print_json(found)
        return
    _show(found)
    if waiting := [one for one in found if one.state == "open" and one.target]:
        output.note(f"what it would change, and who would lose what: netcordon approve {waiting[0].id} --dry-run")


def approve(
    proposal: Id,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change and who would lose what, and say nothing.")
    ] = False,
    device: Annotated[
        str | None,
        typer.Option(
            help="The guilty end of the alert, by address or MAC, where nobody could tell: the proposal has no TARGET."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say yes to a proposal. Once as many different people did as its policy rule asks for, the device is contained: the one of the
    alert's time, where it is now, and guarded as of now. Nobody approves what they proposed themselves. Where it is undecided which
    end of the alert is guilty, --device says it.

    Example: netcordon approve p-0123456789ab
    """
    if dry_run:
        _plan(proposal, device, as_json)
        return
    with connect() as client:
        answer = client.approve(proposal, device)
        names = switch_names(client) if answer.containment is not None and not as_json else {}
    if as_json:
        output.print_json(answer)
    elif answer.containment is not None:
        for sentence in answer.since:
            output.note(sentence)
        case_view.show_list([answer.containment], names, "")
    else:
        left = answer.proposal.approvals - len(answer.proposal.approved_by)
        people = "person" if left == 1 else "people"
        output.note(f"approved by {', '.join(answer.proposal.approved_by)}; {left} other {people} must approve it too")


def _plan(proposal: str, device: str | None, as_json: bool) -> None:
    with connect() as client:
        preview = client.plan_proposal(proposal, device)
        names = {} if as_json else switch_names(client)
    if as_json:
        output.print_json(preview)
    else:
        plan_view.show_preview(output.stdout(), preview, names, native=False)
        named = "" if device is None else f" --device {device}"
        output.note(f"Nothing was said and nothing was changed. To agree: netcordon approve {proposal}{named}")
    if preview.refusal is not None:
        raise typer.Exit(ExitCode.REFUSED)


def refuse(
    proposal: Id,
    reason: Annotated[str, typer.Option("--reason", help="Why: it is audited.")],
    as_json: Json = False,
) -> None:
    """Say no to a proposal: it is closed, and nothing is contained.

    Example: netcordon refuse p-0123456789ab --reason ours
    """
    with connect() as client:
        refused = client.refuse(proposal, reason)
    if as_json:
        output.print_json(refused)
    else:
        _show([refused])


def _why(one: ProposalView) -> str:
    """A person's own words are shown with their name, and with what they insist on."""
    insists = " (override of protection)" if one.override else ""
    return f"{one.proposed_by}{insists}: {one.reason}" if one.proposed_by else one.reason


def _device(one: ProposalView) -> str:
    """Whom the answer is about, whoever has the address by then."""
    if one.endpoint is None:
        return ""
    return f"{', '.join(one.endpoint.macs)} on {one.endpoint.attachment.device}:{one.endpoint.attachment.port}"


def _show(found: list[ProposalView]) -> None:
    output.table(
        Form(
            ("ID", "STATE", "TARGET", "DEVICE", "PROFILE", "FOR", "WHEN", "TIMES", "APPROVED", "REFUSED", "REASON"),
            folds=("STATE", "APPROVED", "REFUSED", "REASON"),
            spare=("TIMES", "WHEN", "PROFILE", "FOR", "DEVICE", "REFUSED"),
        ),
        (
            (
                one.id,
                one.state if one.containment is None else f"{one.state}: {one.containment}",
                one.target,
                _device(one),
                one.profile,
                show_duration(one.duration),
                output.at(one.created_at),
                one.times,
                f"{', '.join(one.approved_by)} ({len(one.approved_by)} of {one.approvals})".strip(),
                one.refusal or ", ".join(one.refused_by),
                _why(one),
            )
            for one in found
        ),
        "nothing waits for a person",
    )
