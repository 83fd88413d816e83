"""`init`: a first configuration, by asking."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli import output
from controller.cli.options import Json
from controller.errors import ConfigError, InvalidInput

if TYPE_CHECKING:
    from controller.first_configuration import Answers, Switch

STATE, RUN = Path("/var/lib/netcordon"), Path("/run/netcordon")


def init(
    path: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write it; else $NETCORDON_CONFIG or /etc/netcordon.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Keep database, log and sockets in this one folder, as without root.")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where the API listens on 127.0.0.1.")] = 8440,
    openflow: Annotated[str, typer.Option(help="Where switches dial, as ADDRESS:PORT.")] = "127.0.0.1:6653",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take what was found and given.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write a commented configuration, by asking; what this machine shows (gateway, resolvers, addresses, bridges) is
    proposed. A file that is there is never written over unasked.

    Example: netcordon init --yes --output netcordon.yaml --folder ./state
    """
    from controller.config import CONFIG_VARIABLE, DEFAULT_PATH, Config
    from controller.first_configuration import render
    from controller.yaml_source import parse_model

    where = path or Path(os.environ.get(CONFIG_VARIABLE, DEFAULT_PATH))
    asking = not yes
    if asking and not sys.stdin.isatty():
        raise InvalidInput("nobody can be asked here: add --yes to take what was found, or run it on a terminal")
    if where.exists() and not force and not (asking and typer.confirm(f"{where} is there. Write over it?", err=True)):
        raise InvalidInput(f"{where} is there, and was left alone: --force writes over it, --output names another file")
    answers = _found(folder, port, openflow)
    if asking:
        answers = _asked(answers)
    text = render(answers)
    parse_model(
        text, Config, str(where)
    )  # what is written is read back first: a file that is no good is not left behind
    _write(where, text)
    commands = _next(where)
    if as_json:
        output.print_json({"configuration": str(where), "next": commands})
        return
    output.note(f"written: {where}. Look through it, then:")
    for command in commands:
        typer.echo(f"  {command}")


def _found(folder: Path | None, port: int, openflow: str) -> Answers:
    """What can be known without asking."""
    from controller.doctor.host import gateways, own_interfaces, resolvers
    from controller.first_configuration import Answers

    routers, own = gateways(), own_interfaces()
    protected = {one.ip: "this controller's own address" for one in own}
    protected |= {
        one: "DNS, as this machine asks it" for one in resolvers() if one not in protected and one not in routers
    }
    near = [one.network for one in own if any(gateway in one.network for gateway in routers)]
    whole = None if folder is None else folder.expanduser().resolve()
    return Answers(
        state=whole or STATE,
        run=whole or RUN,
        port=port,
        openflow=openflow,
        gateways=routers,
        on_link=tuple(dict.fromkeys(near)),
        protected=tuple(protected.items()),
        switches=_bridges(),
    )


def _bridges() -> tuple[Switch, ...]:
    from controller.doctor.switches import bridges
    from controller.first_configuration import Switch

    try:
        return tuple(Switch(one.device, one.name) for one in bridges())
    except (OSError, subprocess.SubprocessError):
        return ()


def _asked(found: Answers) -> Answers:
    """The same, as a person wants it. Enter takes what was found; a single - takes none."""
    from dataclasses import replace

    output.note(
        "Enter takes what stands in brackets, - takes nothing. Everything can be changed in the file afterwards."
    )
    state = Path(_ask("Folder for the database and logs", str(found.state))).expanduser()
    run = found.run if state == found.state else state
    port = int(_ask("Port of the API on 127.0.0.1", str(found.port), _port))
    openflow = _ask("Where switches dial (ADDRESS:PORT)", found.openflow, _dialled)
    on_link = _several("Prefixes that are plugged in here", found.on_link, ip_network)
    routers = _several("Addresses of routers", found.gateways, ip_address)
    why = dict(found.protected)
    addresses = _several("Addresses never to be contained automatically", list(why), ip_address)
    switches = tuple(
        one
        for one in found.switches
        if typer.confirm(f"Serve bridge {one.name} ({one.device})?", default=True, err=True)
    )
    adopt = typer.confirm("Serve every other switch that connects, too?", default=found.adopt, err=True)
    protected = tuple((one, why.get(one, "listed at init")) for one in addresses)
    return replace(
        found,
        state=state,
        run=run,
        port=port,
        openflow=openflow,
        on_link=on_link,
        gateways=routers,
        protected=protected,
        switches=switches,
        adopt=adopt,
    )


def _ask(question: str, default: str, read: Any = str) -> str:
    """The answer's text, asked again until `read` takes it."""
    while True:
        answer = str(typer.prompt(question, default=default, err=True)).strip()
        try:
            read(answer)
        except ValueError as error:
            output.note(f"that cannot be read: {error}")
        else:
            return answer


def _several(question: str, found: Any, read: Any) -> tuple[Any, ...]:
    def words(text: str) -> tuple[Any, ...]:
        return () if text == "-" else tuple(read(word) for word in text.replace(",", " ").split())

    return words(_ask(question, " ".join(map(str, found)) or "-", words))


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise ValueError(f"{text!r} is no port: 1 to 65535")
    return int(text)


def _dialled(text: str) -> None:
    address, _, port = text.rpartition(":")
    try:
        ip_address(address.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise ValueError(f"{text!r} is no ADDRESS:PORT, as 127.0.0.1:6653 or [::1]:6653") from None
    _port(port)


def _write(path: Path, text: str) -> None:
    """Readable by its owner alone from its first byte: a database's password may come into it. In one piece, or not at all."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        new.replace(path)
    except OSError as error:
        with suppress(OSError):
            new.unlink()
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}): run it as root, or give --output FILE --folder FOLDER"
        ) from error


def _next(path: Path) -> list[str]:
    from controller.config import DEFAULT_PATH

    words = "" if path == DEFAULT_PATH else f" --config {path}"
    return [
        f"netcordon doctor --offline{words}",
        f"netcordon token add me --role admin --offline --save{words}",
        f"netcordon serve{words}",
        f"netcordon doctor{words}",
    ]
