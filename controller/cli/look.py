"""Commands that only look: `list`, `show`, `locate`, `devices`, `endpoints`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from controller.api.schemas import ContainmentView, LocationView
from controller.cli import case_view, completion, output, plan_view
from controller.cli.exit_codes import ExitCode
from controller.cli.options import Json, Limit, Target, connect
from controller.cli.places import place, switch_names
from controller.durations import parse_duration
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
        cases = client.containments(None if everything else "held", device, limit)
        names = {} if as_json else switch_names(client)
    if as_json:
        output.print_json({"containments": [case.model_dump(mode="json") for case in cases]})
    else:
        case_view.show_list(cases, names, "nothing is contained" + ("" if everything else " (--all shows what was)"))


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
    with connect() as client:
        case = find_case(client, id)
        names = {} if as_json else switch_names(client)
    if as_json:
        output.print_json(case)
    else:
        case_view.show_case(output.stdout(), case, names)


def find_case(client: Client, which: str) -> ContainmentView:
    """A containment by its id or its beginning, or the open one that holds a target."""
    return client.containment(which if which.startswith("c-") else _held(client, which))


def _held(client: Client, target: str) -> str:
    """The id of the open containment that holds the target, else the target itself for the API to judge as an id."""
    for case in client.containments(want="held", limit=MOST_SEARCHED):
        names = {case.target, *case.endpoint.macs, *case.endpoint.ips}
        if target in names or target.lower() in names:
            return case.id
    return target


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
    with connect() as client:
        location = client.locate(target, None if at is None else moment(at))
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


def moment(text: str) -> str:
    """What is no span of time goes to the daemon as it is: it says what it accepts."""
    if not re.fullmatch(r"[\d.]+[smhd]", text):
        return text
    return (datetime.now(UTC) - timedelta(seconds=parse_duration(text))).isoformat()


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
        ("ID", "NAME", "DRIVER", "UP", "CONVERGED", "RULES", "MANAGEMENT", "ERROR"),
        (
            (
                one.id,
                one.description,
                one.driver,
                output.said("up", "green") if one.up else output.said("down", "bold red"),
                "yes" if one.converged else f"{one.have_revision} of {one.want_revision}",
                one.rules,
                one.management,
                one.error,
            )
            for one in found
        ),
        "no device has connected: point a switch at the OpenFlow port (`netcordon devices` shows it then)",
    )


def endpoints(as_json: Json = False) -> None:
    """List the devices that were seen on the network.

    Example: netcordon endpoints
    """
    with connect() as client:
        found = client.endpoints()
        names = {} if as_json else switch_names(client)
    if as_json:
        output.print_json(found)
        return
    output.table(
        ("MAC", "IP", "AT", "VLAN", "MANAGED", "TYPE", "ROLE"),
        (
            (
                ", ".join(one.macs),
                ", ".join(one.ips),
                place(one.attachment, names),
                one.attachment.vlan,
                one.managed,
                one.type,
                one.role,
            )
            for one in found
        ),
        "no device was seen yet",
    )
