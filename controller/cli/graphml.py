"""The topology as GraphML (http://graphml.graphdrawing.org/), which networkx, yEd and Gephi read. Several cables between two are several
edges. Pure."""

from __future__ import annotations

import networkx as nx

from controller.api.listings import TopologyView


def graphml(known: TopologyView) -> str:
    """Nodes have `name`, `kind`, `says`, and `up` where that is known; edges `source_port`, `target_port`, `bundle`. GraphML's edges have
    no direction here, but a reader keeps which end is the source."""
    graph: nx.MultiGraph[str] = nx.MultiGraph()
    for node in known.nodes:
        up = {} if node.up is None else {"up": node.up}
        graph.add_node(node.id, name=node.name, kind=node.kind, says=node.says, **up)
    for link in known.links:
        graph.add_edge(
            link.source, link.target, source_port=link.source_port, target_port=link.target_port, bundle=link.bundle
        )
    return "\n".join(nx.generate_graphml(graph, named_key_ids=True)) + "\n"
