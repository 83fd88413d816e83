"""Commands that only look: `list`, `show`, `locate`, `devices`, `endpoints`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from controller.api.schemas import AttachmentView, ContainmentView, EndpointView, LocationView
from controller.cli import arguments, case_view, completion, endpoint_view, output, plan_view
from controller.cli.exit_codes import ExitCode
from controller.cli.options import Json, Limit, Target, connect
from controller.cli.places import place, switch_names
from controller.cli.tables import Form
from controller.errors import NotFound
from controller.model import Located, Managed
from drivers.rules import parse_mac

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
        device = None if device is None else _device(client, device)
        cases = client.containments(None if everything else "held", device, limit)
        names = {} if as_json else switch_names(client)
    if as_json:
        output.print_json({"containments": [case.model_dump(mode="json") for case in cases]})
    else:
        case_view.show_list(cases, names, "nothing is contained" + ("" if everything else " (--all shows what was)"))


def _device(client: Client, named: str) -> str:
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
            ("ID", "NAME", "DRIVER", "UP", "CONVERGED", "RULES", "MANAGEMENT", "ERROR"),
            folds=("ERROR",),
            spare=("DRIVER", "MANAGEMENT", "RULES"),
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
                one.error,
            )
            for one in found
        ),
        "no device has connected: point a switch at the OpenFlow port (`netcordon devices` shows it then)",
    )


def endpoints(
    role: Annotated[
        str | None,
        typer.Option(help="Only those with this role in the inventory, or, where that has none, that look like it."),
    ] = None,
    kind: Annotated[str | None, typer.Option("--type", help="Likewise: only those of this type.")] = None,
    sure: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Looks count from this confidence on; 1: only the inventory's word.")
    ] = 0.0,
    managed: Annotated[Managed | None, typer.Option(help="Only those that are so.")] = None,
    vendor: Annotated[str | None, typer.Option(help="Only those whose MAC's vendor has this in its name.")] = None,
    at: Annotated[str | None, typer.Option("--at", help="Only those at this switch, or at this switch:port.")] = None,
    as_json: Json = False,
) -> None:
    """List the devices that were seen on the network, all or those that fit every option. What a device looks like to
    a sensor has a question mark, and how sure that is; the inventory's word comes first.

    Example: netcordon endpoints --managed undiscovered --role camera
    """
    with connect() as client:
        found = client.endpoints()
        names = {} if as_json and at is None else switch_names(client)
    found = [
        one
        for one in found
        if role in (None, endpoint_view.role(one, sure))
        and kind in (None, endpoint_view.type_(one, sure))
        and managed in (None, one.managed)
        and (at is None or _is_at(one.attachment, at, names))
        and (vendor is None or _is_of(one, vendor))
    ]
    if as_json:
        output.print_json(found)
        return
    output.table(
        Form(
            ("MAC", "IP", "AT", "VLAN", "MANAGED", "TYPE", "ROLE", "VENDOR"),
            folds=("MAC", "IP"),
            spare=("VENDOR", "VLAN", "TYPE", "MANAGED", "ROLE"),
        ),
        (
            (
                ", ".join(one.macs),
                ", ".join(one.ips),
                place(one.attachment, names),
                one.attachment.vlan,
                one.managed,
                endpoint_view.shown_type(one),
                endpoint_view.shown_role(one),
                "" if one.looks is None else one.looks.vendor or ("(random MAC)" if one.looks.random_mac else ""),
            )
            for one in found
        ),
        "no device was seen yet"
        if (role, kind, managed, vendor, at) == (None,) * 5
        else "no device that was seen is so",
    )


def _is_at(where: AttachmentView, wanted: str, names: Mapping[str, str]) -> bool:
    """By the switch's id or name, alone or with the port."""
    switches = (where.device, names.get(where.device, where.device))
    return wanted in switches or wanted in (f"{switch}:{where.port}" for switch in switches)


def _is_of(one: EndpointView, vendor: str) -> bool:
    if one.looks is not None and one.looks.vendor:
        return vendor.lower() in one.looks.vendor.lower()
    from controller.discovery.fingerprint import vendor_of  # the IEEE's register takes a second to read

    return any(vendor.lower() in vendor_of(parse_mac(mac)).lower() for mac in one.macs)
