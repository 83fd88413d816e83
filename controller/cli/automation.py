"""`status`, `pause`, `resume`: how it stands, and the panic button."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.api.listings import AutomationView, StatusView
from controller.cli import output
from controller.cli.options import Json, connect

Why = Annotated[str, typer.Option("--reason", help="Why: it is audited, and shown to whoever looks.")]


def status(as_json: Json = False) -> None:
    """Say whether automatic action runs or is paused, how much of its budget is used, what is held, and what waits for a person.

    Example: netcordon status
    """
    with connect() as client:
        found = client.status()
    if as_json:
        output.print_json(found)
        return
    output.table(("", ""), _rows(found), "")


def pause(reason: Why, as_json: Json = False) -> None:
    """Stop all automatic action until somebody resumes it, over restarts too. Alerts that come meanwhile become proposals. What is held
    stays held, and people contain and release as ever.

    Example: netcordon pause --reason INC-1234
    """
    with connect() as client:
        _tell(client.pause(reason), as_json=as_json)


def resume(reason: Why, as_json: Json = False) -> None:
    """Let automatic action run again. What became a proposal meanwhile waits for its answer. For the roles approver and admin.

    Example: netcordon resume --reason mended
    """
    with connect() as client:
        _tell(client.resume(reason), as_json=as_json)


def _tell(state: AutomationView, *, as_json: bool) -> None:
    if as_json:
        output.print_json(state)
    else:
        output.stdout().print(
            output.said(f"automatic action {in_words(state)}", "bold red" if state.paused else "green")
        )


def in_words(state: AutomationView) -> str:
    if state.since is None:
        return "runs"
    what = "is PAUSED" if state.paused else "runs"
    return f"{what} since {output.at(state.since)}, by {state.by}: {state.reason}"


def _rows(found: StatusView) -> list[tuple[object, object]]:
    held = ", ".join(f"{number} {outcome}" for outcome, number in found.held.items()) or "nothing"
    used = "; ".join(f"{one.used} of {one.limit} {one.cap}" for one in found.budget)
    state = found.automation
    return [
        ("automatic action", output.said(in_words(state), "bold red" if state.paused else "green", limit=1000)),
        *(
            (
                "FREEZE",
                output.said(f"{one.name}, {one.where}, until {output.at(one.until)}" + f": {one.why}" * bool(one.why)),
            )
            for one in found.freezes
        ),
        ("budget used", used),
        ("held", held),
        ("waiting", f"{found.proposals} proposals, {found.dead_letters} dead letters"),
        *(
            [("to confirm", f"{found.unconfirmed} held, released otherwise: `netcordon show ID` says when")]
            * bool(found.unconfirmed)
        ),
        ("ready", "; ".join(found.troubles) or "yes"),
    ]
