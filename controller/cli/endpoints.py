"""`endpoints`: who was seen, and which MACs are one device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from controller.api.schemas import AttachmentView, EndpointView
from controller.cli import arguments, endpoint_view, output
from controller.cli.options import Json, connect
from controller.cli.places import place, switch_names
from controller.cli.tables import Form
from controller.model import Managed
from drivers.rules import parse_mac

endpoints_app = typer.Typer()


@endpoints_app.callback(invoke_without_command=True)
def endpoints(
    context: typer.Context,
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
    if context.invoked_subcommand is not None:
        return
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


@endpoints_app.command()
def join(
    targets: Annotated[list[str], typer.Argument(help="MACs or addresses of one device: two or more.")],
    reason: Annotated[str, typer.Option(help="How you know: it is audited.")],
    as_json: Json = False,
) -> None:
    """Say that several MACs are one device: they are contained, followed and released together from then on. What a
    device says of itself never does that.

    Example: netcordon endpoints join 02:00:00:00:00:01 02:00:00:00:00:02 --reason "laptop, and its dock"
    """
    for target in targets:
        arguments.check(target)
    with connect() as client:
        joined = client.join(targets, reason)
    if as_json:
        output.print_json(joined)
    else:
        output.note(f"one device: {', '.join(joined.macs)} (`netcordon endpoints split MAC` takes one out again)")


@endpoints_app.command()
def split(
    mac: Annotated[str, typer.Argument(help="The MAC that is another device's.")],
    reason: Annotated[str, typer.Option(help="How you know: it is audited.")] = "",
    as_json: Json = False,
) -> None:
    """Take a MAC out of the device that it was joined with.

    Example: netcordon endpoints split 02:00:00:00:00:02
    """
    arguments.check(mac)
    with connect() as client:
        rest = client.split(mac, reason)
    if as_json:
        output.print_json(rest)
    else:
        stays = f"; {', '.join(rest.rest)} stay one" if len(rest.rest) > 1 else ""
        output.note(f"{mac} is a device of its own{stays}")
