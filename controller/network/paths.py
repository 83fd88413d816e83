"""The way of a frame from one edge port to another, and what rules do to it on the way. Pure.

Between switches the way is the one with the fewest of them. Where several are as short, or cables are parallel, a spanning tree decides, of
which nothing is known here: the first by name is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from controller.model import Attachment, Hop
from controller.network.graph import NetworkGraph
from controller.network.regions import Voice, regions
from drivers.header_sets import Names, Space
from drivers.rules import PortName, Rule
from drivers.semantics import Fate

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Crossed", "Hop", "along", "path"]


class Crossed(NamedTuple):
    """Frames that all have this fate on their way: dropped at `hop` by `rule`, or (both None) arrived."""

    space: Space
    fate: Fate
    hop: Hop | None = None
    rule: Rule | None = None


def path(graph: NetworkGraph, a: Attachment, b: Attachment) -> tuple[Hop, ...] | None:
    """The hops from one port to another; None: no known cables lead there, or it is the same port, behind which nobody is asked. What
    nobody manages (a box between two devices) takes no rules, and is no hop."""
    if a.same_port(b) or a.device not in graph.devices or b.device not in graph.devices:
        return None
    import networkx  # a sixth of a start's processor time, and no start needs it

    topology = graph.topology()
    try:
        nodes = min(networkx.all_shortest_paths(topology, a.device, b.device))
    except networkx.NetworkXNoPath:
        return None
    cables = [_cable(topology, here, following) for here, following in pairwise(nodes)]
    hops = []
    for number, here in enumerate(nodes):
        if here in graph.devices:
            coming = cables[number - 1][here] if number else a.port
            going = cables[number][here] if number < len(cables) else b.port
            hops.append(Hop(here, coming, going))
    return tuple(hops)


def _cable(topology: nx.MultiGraph[str], here: str, there: str) -> Mapping[str, PortName]:
    """The port at each end that is a device's."""
    found: Mapping[str, PortName] = min(
        (e["ends"] for e in topology[here][there].values()), key=lambda e: sorted(e.items())
    )
    return found


def along(hops: Sequence[Hop], speaking: Mapping[str, Sequence[Voice]], asked: Space) -> Iterator[Crossed]:
    """What becomes of all that is asked, hop by hop; the ports that it names are not looked at."""
    if not hops:
        yield Crossed(asked, Fate.PASS)
        return
    hop, *rest = hops
    here = asked._replace(in_port=_only(hop.in_port), out_port=_only(hop.out_port))
    for region in regions(speaking.get(hop.device, ()), here):
        if region.fate is Fate.DROP:
            yield Crossed(region.space, Fate.DROP, hop, region.rule)
        else:
            yield from along(rest, speaking, region.space)


def _only(port: PortName) -> Names[PortName | None]:
    return Names(frozenset([port]))
