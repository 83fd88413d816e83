"""`profiles`: how far a containment can go."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from controller.api.schemas import EntryView, ProfileView
from controller.cli import completion, output
from controller.cli.options import Json, connect
from controller.cli.output import said
from controller.errors import NotFound

_DEFAULTS = {
    "deny": "everything else is stopped",
    "permit": "everything else passes",
    "count": "nothing is stopped",
}
_WAYS = {"from": "that it opens", "to": "that others open to it", "both": "both ways"}


def profiles(
    name: Annotated[
        str | None, typer.Argument(help="One profile alone.", show_default="all", autocompletion=completion.profiles)
    ] = None,
    as_json: Json = False,
) -> None:
    """List how far a containment can go, the strictest first, and what each profile closes. Where two meet on one device,
    the stricter one wins. One alone is shown with what its default stops, where it names that.

    Example: netcordon profiles role:camera
    """
    with connect() as client:
        found = [one for one in client.profiles() if name in (None, one.name)]
    if not found:
        raise NotFound(f"no profile {name!r}; `netcordon profiles` lists all")
    if as_json:
        output.print_json({"profiles": [one.model_dump(mode="json") for one in found]})
        return
    for one in found:
        _show(one, alone=name is not None)


def _show(one: ProfileView, *, alone: bool) -> None:
    console = output.stdout()
    own = "" if one.built_in else ", configured"
    console.print(
        Text.assemble(said(one.name, "bold"), said(f"  (strictness {one.strictness}{own})  {one.description}"))
    )
    for entry in one.entries:
        console.print(said(f"    {_in_words(entry)}"))
    if one.entries or one.default == "count":
        console.print(said(f"    {_DEFAULTS[one.default]}{', for instance:' if one.closes and alone else ''}", "dim"))
    for entry in one.closes if alone else ():
        console.print(said(f"    {_in_words(entry)}", "dim"))


def _in_words(entry: EntryView) -> str:
    whom = f", with {', '.join(entry.peers)}" if entry.peers else ""
    why = f": {entry.why}" if entry.why else ""
    return f"{entry.action:<7} {entry.what}, {_WAYS[entry.direction]}{whom}{why}"
