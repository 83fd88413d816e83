"""Commands that only look: `list`, `show`, `locate`, `devices`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from controller.api.listings import CrawlView
from controller.api.schemas import ContainmentView, LocationView
from controller.cli import arguments, case_view, completion, output, plan_view
from controller.cli.exit_codes import ExitCode
from controller.cli.options import Json, Limit, Target, connect
from controller.cli.places import switch_names
from controller.cli.tables import Form
from controller.errors import NotFound
from controller.model import Located

if TYPE_CHECKING:
    from controller.client import Client

MOST_SEARCHED = 1000


def list_(
    everything: Annotated[bool, typer.Option("--all", help="Also what was released.")] = False,
    device: Annotated[
        str | None, typer.Option(help="Only what has rules on this device.", autocompletion=completion.devices)
    ] = None,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """List what is contained.

    Example: netcordon list --all
    """
    with connect() as client:
        device = None if device is None else device_named(client, device)
        cases = client.containments(None if everything else "held", device, limit)
        names = {} if as_json else switch_names(client)
    if as_json:
        output.print_json({"containments": [case.model_dump(mode="json") for case in cases]})
    else:
        case_view.show_list(cases, names, "nothing is contained" + ("" if everything else " (--all shows what was)"))


def device_named(client: Client, named: str) -> str:
    """The id of a device by its id, or by its name. Raises NotFound."""
    known = client.devices()
    found = [one.id for one in known if named.lower() == one.id] or [
        one.id for one in known if named == one.description
    ]
    if len(found) != 1:
        what = "no device" if not found else "more than one device"
        raise NotFound(f"there is {what} {named!r}: `netcordon devices` lists their ids and names")
    return found[0]


def show(
    id: Annotated[
        str,
        typer.Argument(
            help="The containment's id, or 4 or more of its first characters; or the target that is held.",
            autocompletion=completion.containments,
        ),
    ],
    as_json: Json = False,
) -> None:
    """Show all that is known of one containment.

    Example: netcordon show 10.0.0.1
    """
    arguments.check_case(id)
    with connect() as client:
        case = find_case(client, id)
        names = {} if as_json else switch_names(client)
    if as_json:
        output.print_json(case)
    else:
        case_view.show_case(output.stdout(), case, names)


def find_case(client: Client, which: str) -> ContainmentView:
    """A containment by its id or its beginning, or the open one that holds a target."""
    return client.containment(which if which.startswith(arguments.CONTAINMENT) else _held(client, which))


def _held(client: Client, target: str) -> str:
    """The id of the open containment that holds the target. Raises NotFound."""
    for case in client.containments(want="held", limit=MOST_SEARCHED):
        names = {case.target, *case.endpoint.macs, *case.endpoint.ips}
        if target in names or target.lower() in names:
            return case.id
    raise NotFound(
        f"nothing holds {target} now: `netcordon list --all` shows what did, `netcordon contain {target}` contains it"
    )


def locate(
    target: Target,
    at: Annotated[
        str | None,
        typer.Option(help="As of when: 2026-01-31T12:00:00Z, or 10m for ten minutes ago.", show_default="now"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which device a target is, or was then, with the evidence for it and against it. Exit code 7: nobody has seen
    it; 3: it is not one device at one port (ambiguous, behind a router, a NAT or pool address).

    Example: netcordon locate 10.0.0.1 --at 10m
    """
    arguments.check(target)
    when = None if at is None else arguments.moment(at, "--at")
    with connect() as client:
        location = client.locate(target, when)
        names = {} if as_json else switch_names(client)
    if as_json:
        output.print_json(location)
    else:
        plan_view.show_location(output.stdout(), location, names)
    raise typer.Exit(_located(location))


def _located(location: LocationView) -> ExitCode:
    """Nobody knows it; or it is known, and is no one device at one port."""
    return {Located.FOUND: ExitCode.OK, Located.UNKNOWN: ExitCode.NOT_FOUND}.get(
        Located(location.status), ExitCode.REFUSED
    )


def devices(as_json: Json = False) -> None:
    """List the switches and routers, and whether each holds what it should.

    Example: netcordon devices
    """
    with connect() as client:
        found = client.devices()
    if as_json:
        output.print_json(found)
        return
    output.table(
        Form(
            ("ID", "NAME", "DRIVER", "UP", "CONVERGED", "RULES", "MANAGEMENT", "CRAWLED", "ERROR"),
            folds=("CRAWLED", "ERROR"),
            spare=("CRAWLED", "DRIVER", "MANAGEMENT", "RULES"),
        ),
        (
            (
                one.id,
                one.description,
                one.driver,
                output.said("up", "green") if one.up else output.said("down", "bold red"),
                "yes" if one.converged else f"{one.have_revision} of {one.want_revision}",
                one.rules,
                one.management,
                _crawled(one.crawled),
                one.error,
            )
            for one in found
        ),
        "no device has connected: point a switch at the OpenFlow port (`netcordon devices` shows it then)",
    )


def _crawled(last: CrawlView | None) -> str:
    if last is None:
        return ""
    return f"{output.at(last.at)}: {last.error}" if last.error else output.at(last.at)
