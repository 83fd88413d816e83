"""`netcordon sensor run`: the probing process inside the network."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from controller.errors import ConfigError

DEFAULT_URL = "unix:/run/netcordon/api.sock"

sensor_app = typer.Typer(no_args_is_help=True, help="Probe the network for the daemon, from inside it.")


@sensor_app.callback()
def _group() -> None:
    """Keeps `run` a word of its own although it is the only command."""


@sensor_app.command()
def run(
    name: Annotated[str, typer.Option(help="What the daemon calls this sensor.")],
    interface: Annotated[str, typer.Option(help="Where it asks and listens.")],
    url: Annotated[
        str, typer.Option(envvar="NETCORDON_URL", help="unix:/path, or https://host:port beyond this host.")
    ] = DEFAULT_URL,
) -> None:
    """Ask and listen on an interface until SIGTERM. Needs root or CAP_NET_RAW, and a token of the role sensor, in
    NETCORDON_TOKEN or the token file.

    Example: netcordon sensor run --name floor2 --interface eth0
    """
    from controller.credentials import find_token  # imported here, with the sensor: they cost more than most commands
    from controller.discovery.sensor import main

    token = find_token(os.environ)
    if token is None:
        raise ConfigError("no token: `netcordon token add NAME --role sensor` makes one; give it in NETCORDON_TOKEN")
    main(url, token, name, interface)
