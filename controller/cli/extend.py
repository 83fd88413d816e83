"""`extend`: hold it for longer, without a gap."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli import arguments, case_view, completion, output
from controller.cli.look import find_case
from controller.cli.options import Json, connect
from controller.cli.places import switch_names
from controller.errors import InvalidInput


def extend(
    target: Annotated[
        str,
        typer.Argument(help="The containment's id, or the target that is held.", autocompletion=completion.held),
    ],
    duration: Annotated[str | None, typer.Option("--for", help="How long from now: 90s, 15m, 4h, 7d.")] = None,
    until: Annotated[str | None, typer.Option(help="Until when: 2026-01-31T12:00:00Z.")] = None,
    shorten: Annotated[bool, typer.Option("--shorten", help="Also when it would end later as it is.")] = False,
    as_json: Json = False,
) -> None:
    """Hold a contained device for longer: its rules stay where they are. It answers a containment that waits for a person, too. What was
    released cannot be extended.

    Example: netcordon extend 10.0.0.1 --for 4h
    """
    if (duration is None) == (until is None):
        raise InvalidInput("say until when, by one of --for (counted from now) and --until")
    arguments.check_case(target)
    if duration is not None:
        arguments.seconds(duration, "--for")
    until = None if until is None else arguments.moment(until, "--until")
    with connect() as client:
        case = client.extend(find_case(client, target).id, duration=duration, until=until, shorten=shorten)
        names = {} if as_json else switch_names(client)
    if as_json:
        output.print_json(case)
    else:
        case_view.show_list([case], names, "")
