"""`path A B`: the way from one device to another, and what stops what on it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from controller.api.listings import PathView, TrafficView
from controller.api.schemas import LocationView
from controller.cli import arguments, completion, output
from controller.cli.exit_codes import ExitCode
from controller.cli.options import Json, connect
from controller.cli.places import Names, switch_names
from controller.cli.tables import Form
from controller.model import Located

_STYLES = {"passes": "green", "partly": "yellow", "blocked": "bold red"}
_TARGET = "An IP, a MAC, or a place as switch:port."


def path(
    source: Annotated[str, typer.Argument(help=_TARGET, autocompletion=completion.targets)],
    destination: Annotated[str, typer.Argument(help=_TARGET, autocompletion=completion.targets)],
    as_json: Json = False,
) -> None:
    """Show the way from one device to another, and for every kind of traffic, in both directions, whether it passes, and
    what stops it where. It goes by what the network devices should hold. Exit code 7: one of the two is unknown; 3: one
    is not one device at one port, or no way between them is known.

    Example: netcordon path 10.0.0.1 10.0.0.2
    """
    for target in (source, destination):
        arguments.check(target)
    with connect() as client:
        found = client.path(source, destination)
        names = {} if as_json else switch_names(client)
    if as_json:
        output.print_json(found)
    else:
        _show(found, names)
    raise typer.Exit(_code(found))


def _code(found: PathView) -> ExitCode:
    ends = {Located(found.source.status), Located(found.destination.status)}
    if Located.UNKNOWN in ends:
        return ExitCode.NOT_FOUND
    return ExitCode.OK if ends == {Located.FOUND} and found.hops is not None else ExitCode.REFUSED


def _show(found: PathView, names: Names) -> None:
    lost = [end for end in (found.source, found.destination) if end.endpoint is None]
    for end in lost:
        reasons = f" ({'; '.join(end.against)})" if end.against else ""
        _say(f"{end.target} is {end.status}{reasons}: `netcordon locate {end.target}` shows the evidence")
    if lost:
        return
    if found.hops is None:
        _say(_no_way(found))
        return
    way = " > ".join(f"{hop.in_port} {names.get(hop.device, hop.device)} {hop.out_port}" for hop in found.hops)
    _say(f"{found.source.target} > {way} > {found.destination.target}")
    for title, traffic in (
        (f"from {found.source.target} to {found.destination.target}", found.there),
        (f"from {found.destination.target} to {found.source.target}", found.back),
    ):
        output.stdout().print()
        _say(f"{title}:")
        output.table(
            Form(("TRAFFIC", "PASSES", "WHAT IS STOPPED", "BY", "RULE", "AT"), folds=("BY", "RULE", "AT")),
            (_row(one, names) for one in traffic),
            "",
        )


def _say(text: str) -> None:
    output.stdout().print(output.said(text, limit=2000), soft_wrap=True)


def _no_way(found: PathView) -> str:
    places = [_place(end) for end in (found.source, found.destination)]
    if places[0] == places[1]:
        return f"both are at {places[0]}: what they say to each other comes to no device that takes rules"
    return f"no known cables lead from {places[0]} to {places[1]}: `netcordon topology` shows those that are known"


def _place(end: LocationView) -> str:
    return "" if end.endpoint is None else f"{end.endpoint.attachment.device}:{end.endpoint.attachment.port}"


def _row(traffic: TrafficView, names: Names) -> tuple[object, ...]:
    said = output.said(traffic.passage, _STYLES.get(traffic.passage, ""))
    by = dict.fromkeys(stop.containment for stop in traffic.stops)
    rules = dict.fromkeys(stop.rule for stop in traffic.stops)
    at = dict.fromkeys(f"{names.get(stop.device, stop.device)}:{stop.in_port}" for stop in traffic.stops)
    lines = (Text("\n").join(output.said(one) for one in some) or "-" for some in (by, rules, at))
    return traffic.kind, said, _stopped(traffic), *lines


def _stopped(traffic: TrafficView) -> str:
    if traffic.passage == "passes":
        return "-"
    ports = [f"to {', '.join(traffic.ports)}"] if traffic.ports else []
    ports += [f"from {', '.join(traffic.from_ports)}"] if traffic.from_ports else []
    return " ".join(ports) or ("all" if traffic.passage == "blocked" else "some")
