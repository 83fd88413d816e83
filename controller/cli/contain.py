"""`contain` and `plan`: show what would happen, ask, act, and wait until it is seen."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from controller.api.schemas import AcceptedView, ContainmentView, PreviewView
from controller.cli import arguments, case_view, completion, output, plan_view, waiting
from controller.cli.exit_codes import ExitCode
from controller.cli.options import Json, Reason, Target, Timeout, Wait, connect
from controller.cli.places import switch_names
from controller.client import Client
from controller.errors import InvalidInput
from controller.model import OnExpiry


class Until(StrEnum):
    PROVEN = "proven"
    INSTALLED = "installed"


Profile = Annotated[
    str,
    typer.Option(
        help="How far: full lets nothing in or out; `netcordon profiles` shows all.", autocompletion=completion.profiles
    ),
]
For = Annotated[str | None, typer.Option("--for", help="For how long: 90s, 15m, 4h, 7d.", show_default="as configured")]
Override = Annotated[bool, typer.Option("--override", help="Also what is protected; needs the role and a reason.")]


def contain(
    target: Target,
    profile: Profile = "full",
    duration: For = None,
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, and do nothing.")] = False,
    wait: Wait = False,
    until: Annotated[
        Until | None,
        typer.Option(help="What --wait waits for; installed is the read-back alone.", show_default="proven"),
    ] = None,
    timeout: Timeout = "15s",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    override: Override = False,
    on_expiry: Annotated[
        OnExpiry | None,
        typer.Option(help="When its time is over: release it, or ask and go on.", show_default="as configured"),
    ] = None,
    propose: Annotated[
        bool, typer.Option("--propose", help="Put it to an approver instead, an --override too; needs a --reason.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Contain a device: shows where it is and what would change, asks, and acts. With --wait it ends well only when the
    block was proven on the wire; a device that keeps quiet stays installed, which is exit code 8.
    With --propose nothing is contained until somebody else, with the role approver, says `netcordon approve`.

    Example: netcordon contain 10.0.0.1 --for 1h --wait
    """
    arguments.check(target, duration)
    if until is not None and not wait:
        raise InvalidInput("--until says what --wait waits for: add --wait")
    if propose:
        if dry_run or wait:
            raise InvalidInput(
                "--propose contains nothing yet: leave out --wait, and --dry-run shows the plan without it"
            )
        _propose(target, profile, duration, reason, override, on_expiry, as_json)
        return
    if dry_run:
        plan(target, profile, duration, reason, override, as_json)
        return
    seconds = arguments.seconds(timeout, "--timeout")
    if as_json and not yes:
        raise InvalidInput("--json asks nobody: add --yes, or --dry-run to see the plan first")
    with connect() as client:
        if not as_json:
            preview = client.plan(target, profile=profile, duration=duration, reason=reason, override=override)
            _show(preview, target, client)
            if not yes:
                arguments.ask(f"Contain {target}?", f"netcordon contain {target} --yes")
        accepted = client.contain(
            target,
            profile=profile,
            duration=duration,
            reason=reason,
            override=override,
            on_expiry=None if on_expiry is None else on_expiry.value,
        )
        if not as_json:
            _tell_accepted(accepted)
        code = _finish(client, accepted, (until or Until.PROVEN) if wait else None, seconds, as_json)
    raise typer.Exit(code)


def _propose(
    target: str,
    profile: str,
    duration: str | None,
    reason: str,
    override: bool,
    on_expiry: OnExpiry | None,
    as_json: bool,
) -> None:
    """Nobody is asked: nothing is contained by it."""
    if not reason:
        raise InvalidInput("a proposal needs a --reason: whoever answers it reads that")
    with connect() as client:
        if not as_json:
            preview = client.plan(target, profile=profile, duration=duration, reason=reason, override=override)
            _show(preview, target, client)
        proposal = client.propose(
            target,
            profile=profile,
            duration=duration,
            reason=reason,
            override=override,
            on_expiry=None if on_expiry is None else on_expiry.value,
        )
    if as_json:
        output.print_json(proposal)
    else:
        again = "" if proposal.times == 1 else f" (asked {proposal.times} times)"
        output.note(
            f"{proposal.id}  proposed{again}, nothing is contained yet; an approver says: netcordon approve {proposal.id}"
        )


def plan(
    target: Target,
    profile: Profile = "full",
    duration: For = None,
    reason: Reason = "",
    override: Override = False,
    as_json: Json = False,
) -> None:
    """Show what `contain` would do, and do nothing.

    Example: netcordon plan 10.0.0.1
    """
    arguments.check(target, duration)
    with connect() as client:
        preview = client.plan(target, profile=profile, duration=duration, reason=reason, override=override)
        names = {} if as_json else switch_names(client)
    if as_json:
        output.print_json(preview)
        raise typer.Exit(ExitCode.OK if preview.refusal is None else ExitCode.REFUSED)
    plan_view.show_preview(output.stdout(), preview, names)
    _refused(preview, target)
    output.note(f"Nothing was changed. To do it: netcordon contain {target}")


def _show(preview: PreviewView, target: str, client: Client) -> None:
    """Before somebody is asked: what would change in a few lines. Raises typer.Exit when it is refused."""
    plan_view.show_preview(output.stdout(), preview, switch_names(client), native=False)
    _refused(preview, target)
    if any(line.detail for lines in preview.changes.values() for line in lines):
        output.note(f"Each rule as the switch will hold it: netcordon plan {target}")


def _refused(preview: PreviewView, target: str) -> None:
    """The reason stands under the location already; what to do next comes here."""
    if preview.refusal is not None:
        output.show_hint(preview.refusal.hint.replace("TARGET", target))
        raise typer.Exit(ExitCode.REFUSED)


def _tell_accepted(accepted: AcceptedView) -> None:
    case = accepted.containment
    how = (
        "accepted" if accepted.created else "joined the open containment" if accepted.joined else "was accepted before"
    )
    output.note(f"{case.id}  {how}; release it with: netcordon release {case.id}")
    if case.confirm_by is not None:
        output.note(
            f"it is released at {output.at(case.confirm_by)}, unless somebody says: netcordon confirm {case.id}"
        )


def _finish(client: Client, accepted: AcceptedView, until: Until | None, timeout: float, as_json: bool) -> ExitCode:
    case, code = accepted.containment, ExitCode.OK
    if until is not None:
        wanted = waiting.wanted_outcomes(until.value)
        tell = _silent if as_json else case_view.tell_stage
        if not as_json and case.outcome != "requested":
            tell(case)
        (case,) = waiting.wait_for([case], wanted, timeout, client.containment, tell)
        code = waiting.exit_code([case], wanted)
    if as_json:
        output.print_json(accepted.model_copy(update={"containment": case}))
    elif code is ExitCode.UNPROVEN:
        output.note(f"{case.id} is {case.outcome} and not {until}: {case.unproven or 'nothing more was seen in time'}")
    return code


def _silent(case: ContainmentView) -> None:
    """With --json, the end alone is told."""
