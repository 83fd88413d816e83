"""`release`: want it gone, and wait until it was read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli import arguments, case_view, completion, output, waiting
from controller.cli.automation import in_words
from controller.cli.exit_codes import ExitCode
from controller.cli.look import MOST_SEARCHED
from controller.cli.options import Json, Reason, Timeout, Wait, connect
from controller.cli.places import switch_names
from controller.errors import InvalidInput

if TYPE_CHECKING:
    from controller.client import Client


def release(
    target: Annotated[
        str | None,
        typer.Argument(help="An IP, a MAC, switch:port, or a containment's id.", autocompletion=completion.held),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Release all that is held.")] = False,
    reason: Reason = "",
    wait: Wait = False,
    timeout: Timeout = "15s",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; only --all asks.")] = False,
    pause: Annotated[
        bool, typer.Option("--pause/--no-pause", help="With --all: pause automatic action before.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Release a device; what was there before is put back. With --wait it ends well only when the rules were read back
    as gone. --all pauses automatic action first, so that no alert contains anybody again (--no-pause does not), and gives back first what
    others depend on.

    Example: netcordon release 10.0.0.1 --wait
    """
    if (target is None) != everything:
        raise InvalidInput("name one target or containment, or --all; `netcordon list` shows what is held")
    seconds = arguments.seconds(timeout, "--timeout")
    if target is not None:
        arguments.check_case(target)
    elif as_json and not yes:
        raise InvalidInput("--json asks nobody: add --yes; `netcordon list` shows what would be released")
    with connect() as client:
        if target is None and not yes:
            _ask(client)
        cases = (
            client.release_all(reason=reason, pause=pause) if target is None else client.release(target, reason=reason)
        )
        code = ExitCode.OK
        if wait:
            removed = waiting.wanted_outcomes("removed")
            tell = (lambda case: None) if as_json else case_view.tell_stage
            cases = waiting.wait_for(cases, removed, seconds, client.containment, tell)
            code = waiting.exit_code(cases, removed)
        state = client.status().automation if target is None and pause and not as_json else None
        names = {} if as_json else switch_names(client)
    if as_json:
        output.print_json({"released": [case.model_dump(mode="json") for case in cases]})
    else:
        case_view.show_list(cases, names, "nothing was held")
        if not wait and any(case.outcome != "removed" for case in cases):
            output.note(f"asked for; to see it read back as gone: netcordon release {target or '--all'} --wait")
    if state is not None and state.paused:
        output.note(f"automatic action {in_words(state)}; `netcordon resume --reason WHY` ends that")
    raise typer.Exit(code)


def _ask(client: Client) -> None:
    """One word ends every block: what would be let out is shown first."""
    held = client.containments("held", limit=MOST_SEARCHED)
    if held:
        case_view.show_list(held, switch_names(client), "")
        which = "the one that is held" if len(held) == 1 else f"all {len(held)} that are held"
        arguments.ask(f"Release {which}?", "netcordon release --all --yes")
