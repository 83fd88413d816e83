"""`token`: who may ask the daemon what."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from controller.cli import output
from controller.cli.options import Config, Json, Offline, connect
from controller.errors import InvalidInput
from controller.roles import Role

token_app = typer.Typer(no_args_is_help=True, help="Make, list and revoke the API's tokens.")


@token_app.command()
def add(
    name: Annotated[str, typer.Argument(help="What it is called: shown in the audit log.")],
    role: Annotated[Role, typer.Option(help="What it may.")],
    person: Annotated[
        str,
        typer.Option(help="Whose it is: approvals are counted by people, not by tokens.", show_default="as the token"),
    ] = "",
    offline: Offline = False,
    config: Config = None,
    save: Annotated[bool, typer.Option("--save", help="Keep it as your own, instead of showing it.")] = False,
    as_json: Json = False,
) -> None:
    """Make a token. The very first one is made with --offline, before the daemon is started.

    Example: netcordon token add ann-laptop --person ann --role approver
    """
    if offline:
        from controller.cli.offline import add_token

        secret = add_token(config, name, role, person)
    else:
        with connect() as client:
            secret = client.add_token(name, role, person).token
    shown = {"name": name, "person": person or name, "role": role.value, "token": secret}
    if save:
        shown["saved"] = str(_save(secret))
        del shown["token"]
    if as_json:
        output.print_json(shown)
    elif save:
        output.note(f"saved in {shown['saved']}")
    else:
        typer.echo(secret)
        output.note("shown this once: put it into NETCORDON_TOKEN, or (mode 0600) into ~/.config/netcordon/token")


@token_app.command("list")
def list_(as_json: Json = False) -> None:
    """List the tokens, without their secrets.

    Example: netcordon token list
    """
    with connect() as client:
        found = client.tokens()
    if as_json:
        output.print_json(found)
        return
    rows = ((one.name, one.person, one.role.value, output.at(one.created_at)) for one in found)
    output.table(("NAME", "PERSON", "ROLE", "MADE"), rows, "there are no tokens")


@token_app.command()
def revoke(name: Annotated[str, typer.Argument(help="As `token list` shows it.")], as_json: Json = False) -> None:
    """Revoke a token: from now on it is nobody's.

    Example: netcordon token revoke me
    """
    with connect() as client:
        client.revoke_token(name)
    if as_json:
        output.print_json({"revoked": name})
    else:
        output.note(f"{name} is revoked")


def _save(secret: str) -> Path:
    """Into the caller's token file, readable by its owner alone from its first byte."""
    from controller.credentials import token_file

    path = token_file(os.environ)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secret + "\n")
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be written ({error.strerror}): the token is lost; revoke it, and make one without saving it"
        ) from error
    return path
