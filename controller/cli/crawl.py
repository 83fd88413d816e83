"""`crawl`: read the devices' own tables now."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli import completion, output
from controller.cli.exit_codes import ExitCode
from controller.cli.look import device_named
from controller.cli.options import Json, connect
from controller.cli.places import switch, switch_names
from controller.cli.tables import Form


def crawl(
    device: Annotated[
        str | None,
        typer.Argument(help="The switch or router, by id or name. Left out: all.", autocompletion=completion.devices),
    ] = None,
    as_json: Json = False,
) -> None:
    """Read a device's interfaces, VLANs, MAC and ARP tables and links now, and not when it is next due. Exit code 4:
    one of them could not be read.

    Example: netcordon crawl s1
    """
    with connect() as client:
        found = client.crawl(None if device is None else device_named(client, device))
        names = {} if as_json else switch_names(client)
    if as_json:
        output.print_json(found)
    else:
        output.table(
            Form(
                ("DEVICE", "INTERFACES", "VLANS", "MACS", "ARP", "NEW", "UNPLACED", "LINKS", "TOOK", "ERROR"),
                folds=("ERROR",),
                spare=("VLANS", "LINKS", "TOOK", "UNPLACED", "INTERFACES"),
            ),
            (
                (
                    switch(one.device, names),
                    *(
                        (one.interfaces, one.vlans, one.macs, one.arp, one.told, one.unplaced, one.links)
                        if not one.error
                        else ("",) * 7
                    ),
                    f"{one.seconds:.1f} s",
                    one.error,
                )
                for one in found
            ),
            "no device has connected: `netcordon devices` shows those that have",
        )
    raise typer.Exit(ExitCode.PARTIAL if any(one.error for one in found) else ExitCode.OK)
