"""`netcordon commands`: what may be sent to a platform, for those who authorize it."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli import output
from controller.cli.options import Json
from controller.errors import NotFound

_HELP = "As anchored regular expressions, one a line: for TACACS+ authorization."


def commands(
    platform: Annotated[str, typer.Argument(help="A platform of the driver napalm or netmiko, as `eos` or `linux`.")],
    regex: Annotated[bool, typer.Option("--regex", help=_HELP)] = False,
    as_json: Json = False,
) -> None:
    """Print every command that Netcordon may send to a platform, and what for. Words in capitals are explained below the list.

    Example: netcordon commands eos --regex
    """
    from drivers.napalm_config.commands import WORDS
    from drivers.napalm_config.eos_commands import COMMANDS as EOS
    from drivers.napalm_config.ios_commands import COMMANDS as IOS
    from drivers.napalm_config.junos_commands import COMMANDS as JUNOS
    from drivers.napalm_config.nxos_commands import COMMANDS as NXOS
    from drivers.netmiko_cli.commands import COMMANDS as OF_HOSTS

    platforms = {"eos": EOS, "ios": IOS, "junos": JUNOS, "nxos": NXOS, **OF_HOSTS}
    if platform not in platforms:
        raise NotFound(f"no platform {platform!r} whose commands are listed; there is {', '.join(platforms)}")
    listed = platforms[platform]
    if as_json:
        told = [{"command": one.pattern, "regex": one.regex, "why": one.why} for one in listed]
        output.print_json({"platform": platform, "commands": told})
        return
    if regex:
        typer.echo("\n".join(one.regex for one in listed))
        return
    width = max(len(one.pattern) for one in listed)
    typer.echo("\n".join(f"{one.pattern:<{width}}  {one.why}" for one in listed))
    used = {word for one in listed for word in one.pattern.split() if word in WORDS}
    typer.echo("\n" + "\n".join(f"{word:<{width}}  {told}" for word, (_, told) in WORDS.items() if word in used))
