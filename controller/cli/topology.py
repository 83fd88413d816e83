"""`topology`: who is cabled to whom, as a table, or for another program: JSON, GraphML, SVG."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated

import typer
from rich.text import Text

from controller.api.listings import LinkView, NodeView, TopologyView
from controller.cli import output
from controller.cli.options import Json, connect
from controller.cli.tables import Form
from controller.errors import InvalidInput


class Export(StrEnum):
    GRAPHML = "graphml"
    SVG = "svg"


def topology(
    endpoints: Annotated[bool, typer.Option("--endpoints", help="Also everybody who was seen.")] = False,
    export: Annotated[
        Export | None,
        typer.Option(help="For a graph program, or as a picture, on standard output.", show_default="a table"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the network as it is known: switches and their cables, bundles, boxes that nobody manages, routers that were
    seen. The picture has a layer for each hop from the best connected device; where things stand is not known.

    Example: netcordon topology --export svg
    """
    if export is not None and as_json:
        raise InvalidInput("--json and --export are two forms of the same: give one of them")
    with connect() as client:
        known = client.topology(endpoints=endpoints)
    if as_json:
        output.print_json(known)
    elif export is not None:
        sys.stdout.write(_exports()[export](known))
    else:
        _show(known)
    if known.more:
        output.note(f"more endpoints were seen: these are the {_endpoints(known)} heard of last")


def _exports() -> Mapping[Export, Callable[[TopologyView], str]]:
    from controller.cli.graphml import graphml  # it brings networkx
    from controller.cli.picture import svg

    return {Export.GRAPHML: graphml, Export.SVG: svg}


def _endpoints(known: TopologyView) -> int:
    return sum(node.kind == "endpoint" for node in known.nodes)


def _show(known: TopologyView) -> None:
    names = _names(known.nodes)
    cabled: dict[str, list[str]] = defaultdict(list)
    for link in known.links:
        for near, near_port, far, far_port in _both_ways(link):
            cabled[near].append(_cable(near_port, names[far], far_port, link.bundle))
    output.table(
        Form(("NAME", "KIND", "UP", "WHAT", "CABLES"), folds=("CABLES",), spare=("WHAT",)),
        (
            (
                names[node.id],
                node.kind,
                {True: output.said("up", "green"), False: output.said("down", "bold red"), None: "-"}[node.up],
                node.says,
                Text("\n").join(output.said(cable) for cable in cabled[node.id]) or "-",
            )
            for node in known.nodes
        ),
        "no device has connected: point a switch at the OpenFlow port (`netcordon topology` shows it then)",
    )


def _names(nodes: list[NodeView]) -> dict[str, str]:
    """As people call them; what two have in common names neither."""
    count = Counter(node.name for node in nodes)
    return {node.id: node.name if count[node.name] == 1 else f"{node.name} ({node.id})" for node in nodes}


def _both_ways(link: LinkView) -> tuple[tuple[str, str, str, str], tuple[str, str, str, str]]:
    there = link.source, link.source_port, link.target, link.target_port
    back = link.target, link.target_port, link.source, link.source_port
    return there, back


def _cable(port: str, far: str, far_port: str, bundle: str) -> str:
    beyond = f"{far}:{far_port}" if far_port else far
    part = f" (bundle {bundle})" if bundle else ""
    return f"{port} to {beyond}{part}" if port else f"to {beyond}{part}"
