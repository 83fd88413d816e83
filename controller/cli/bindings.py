"""`bindings`: who had an address, or where a MAC was, from when to when, and by whose word. It decides whom an alert is about."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli import arguments, output
from controller.cli.exit_codes import ExitCode
from controller.cli.options import Json, Target, connect
from controller.cli.places import place, switch_names
from controller.cli.tables import Form
from controller.errors import InvalidInput
from controller.targets import parse_target


def bindings(
    target: Target,
    at: Annotated[
        str | None,
        typer.Option(help="Only what had begun by then: 2026-01-31T12:00:00Z, or 10m for ten minutes ago."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say who had an IP, or which addresses and places a MAC had, from when to when and how that is known: the history
    by which `locate --at` and an alert find their device. Exit code 7: nothing is remembered of it.

    Example: netcordon bindings 10.0.0.1 --at 10m
    """
    wanted = parse_target(target)
    if wanted.place is not None:
        raise InvalidInput(f"{target} is a place, and bindings are of an IP or a MAC; try: netcordon locate {target}")
    when = None if at is None else arguments.moment(at, "--at")
    with connect() as client:
        found = client.bindings(ip=None if wanted.ip is None else str(wanted.ip), mac=wanted.mac, at=when)
        names = {} if as_json else switch_names(client)
    if as_json:
        output.print_json(found)
    else:
        output.table(
            Form(
                ("IP", "MAC", "AT", "VLAN", "FROM", "LAST SEEN", "SEEN BY", "LEASE"),
                spare=("LEASE", "VLAN", "SEEN BY", "IP"),
            ),
            (
                (
                    one.ip,
                    one.mac,
                    place(one.attachment, names),
                    one.attachment.vlan,
                    output.at(one.first_seen),
                    output.at(one.last_seen),
                    one.source,
                    "yes" if one.lease else "no",
                )
                for one in found
            ),
            f"nothing is remembered of {target}" + (" from before then" if at else "") + "; try: netcordon endpoints",
        )
    raise typer.Exit(ExitCode.OK if found else ExitCode.NOT_FOUND)
