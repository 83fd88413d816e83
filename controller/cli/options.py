"""Options and arguments that several commands share, and the client that they talk through."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli import completion

if TYPE_CHECKING:
    from controller.client import Client

Json = Annotated[bool, typer.Option("--json", help="One JSON value on standard output.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")]
Target = Annotated[
    str, typer.Argument(help="An IP, a MAC, or a place as switch:port.", autocompletion=completion.targets)
]
Reason = Annotated[str, typer.Option(help="Why; kept with the case and in the audit log.")]
Config = Annotated[Path | None, typer.Option(help="The configuration file; else $NETCORDON_CONFIG.")]
Offline = Annotated[bool, typer.Option("--offline", help="On the database itself, while no daemon runs.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until it was seen to be so.")]
Timeout = Annotated[str, typer.Option(help="How long --wait waits at most.")]


def connect() -> Client:
    """The client by NETCORDON_URL and NETCORDON_TOKEN. Imported here: httpx costs more than most commands."""
    from controller.client import Client

    return Client.from_environment()
