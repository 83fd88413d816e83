"""`confirm`: keep the containment of something critical, which is released otherwise."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli import arguments, case_view, completion, output
from controller.cli.look import find_case
from controller.cli.options import Json, connect
from controller.cli.places import switch_names


def confirm(
    target: Annotated[
        str,
        typer.Argument(help="The containment's id, or the target that is held.", autocompletion=completion.held),
    ],
    as_json: Json = False,
) -> None:
    """Say that a containment of something critical (`dead_man` in the configuration) does what it should: nobody having said so in time, it
    is released. `netcordon status` says whether any waits for that, `netcordon show` by when.

    Example: netcordon confirm c-0123456789ab
    """
    arguments.check_case(target)
    with connect() as client:
        case = client.confirm(find_case(client, target).id)
        names = {} if as_json else switch_names(client)
    if as_json:
        output.print_json(case)
    else:
        output.note(f"{case.id}  confirmed by {case.confirmed_by}; it is held until its end")
        case_view.show_list([case], names, "")
