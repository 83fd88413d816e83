"""The topology as a picture (SVG). Pure.

Where things stand nobody knows, so the picture shows what is known: each part of the network from its best connected device downwards, a
layer for each hop. Within a layer each node comes near the middle of those that it is cabled to (Sugiyama's barycentre method).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

from controller.api.listings import TopologyView

ACROSS, DOWN, MARGIN = 132, 120, 72
"""Pixels between two nodes of a layer, between two layers, and around it all."""
SWEEPS = 4
COLOURS = {"device": "#2b6cb0", "box": "#b7791f", "router": "#2f855a", "endpoint": "#718096"}
DOWN_COLOUR = "#c53030"
MOST_LETTERS = 17
"""As long as a MAC: cut at 16, all devices of one maker had the same name."""
Around = Mapping[str, Sequence[str]]


def svg(known: TopologyView) -> str:
    """Every node with its name, and all that is known of it as its tooltip; a line for each cable, a thick one in a bundle."""
    at = _places(known)
    width = max((x for x, _ in at.values()), default=0) + MARGIN
    height = max((y for _, y in at.values()), default=0) + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
            '<rect width="100%" height="100%" fill="white"/>',
            *_cables(known, at),
            *_nodes(known, at),
            "</svg>\n",
        ]
    )


def _cables(known: TopologyView, at: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    beside: dict[frozenset[str], int] = {}
    for link in known.links:
        (x1, y1), (x2, y2) = at[link.source], at[link.target]
        pair = frozenset({link.source, link.target})
        which = beside[pair] = beside.get(pair, -1) + 1
        bend = 14 * ((which + 1) // 2) * (1 if which % 2 else -1) + (24 if y1 == y2 else 0)
        says = f"{link.source} {link.source_port} to {link.target} {link.target_port}"
        says += f", bundle {link.bundle}" if link.bundle else ""
        yield (
            f'<path d="M {x1} {y1} Q {(x1 + x2) // 2 + bend} {(y1 + y2) // 2 + bend} {x2} {y2}" fill="none" stroke="#a0aec0"'
            f' stroke-width="{3 if link.bundle else 1.5}"><title>{escape(says)}</title></path>'
        )


def _nodes(known: TopologyView, at: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    for node in known.nodes:
        x, y = at[node.id]
        colour = DOWN_COLOUR if node.up is False else COLOURS.get(node.kind, COLOURS["endpoint"])
        name = node.name if len(node.name) <= MOST_LETTERS else f"{node.name[: MOST_LETTERS - 1]}…"
        state = {True: ", up", False: ", down", None: ""}[node.up]
        says = f"{node.kind} {node.name} ({node.id}){state}" + (f": {node.says}" if node.says else "")
        shape = (
            f'<rect x="{x - 14}" y="{y - 10}" width="28" height="20" rx="3" fill={quoteattr(colour)}/>'
            if node.kind in ("device", "box")
            else f'<circle cx="{x}" cy="{y}" r="8" fill={quoteattr(colour)}/>'
        )
        yield (
            f'<g>{shape}<text x="{x}" y="{y + 25}" font-size="11" font-family="sans-serif" text-anchor="middle">{escape(name)}</text>'
            f"<title>{escape(says)}</title></g>"
        )


def _places(known: TopologyView) -> dict[str, tuple[int, int]]:
    """Pixels of each node: parts of the network that nothing joins stand beside one another."""
    around: dict[str, list[str]] = {node.id: [] for node in known.nodes}
    for link in known.links:
        around[link.source].append(link.target)
        around[link.target].append(link.source)
    at: dict[str, tuple[int, int]] = {}
    left = MARGIN
    for layers in _parts(around):
        widest = max(map(len, layers))
        for depth, layer in enumerate(_ordered(layers, around)):
            first = left + (widest - len(layer)) * ACROSS // 2
            at |= {node: (first + n * ACROSS, MARGIN + depth * DOWN) for n, node in enumerate(layer)}
        left += widest * ACROSS
    return at


def _parts(around: Around) -> Iterator[list[list[str]]]:
    """Each connected part as its layers: the hops from the node with the most cables."""
    seen: set[str] = set()
    for top in sorted(around, key=lambda node: (-len(around[node]), node)):
        if top in seen:
            continue
        layers: list[list[str]] = []
        waiting = deque([(top, 0)])
        seen.add(top)
        while waiting:
            node, depth = waiting.popleft()
            if depth == len(layers):
                layers.append([])
            layers[depth].append(node)
            for beyond in around[node]:
                if beyond not in seen:
                    seen.add(beyond)
                    waiting.append((beyond, depth + 1))
        yield layers


def _ordered(layers: list[list[str]], around: Around) -> list[list[str]]:
    """The same with fewer crossings: each layer in the order of the middles of its neighbours in the layer before, down and up again."""
    layers = [list(layer) for layer in layers]
    for sweep in range(SWEEPS):
        depths = range(1, len(layers)) if sweep % 2 == 0 else range(len(layers) - 2, -1, -1)
        for depth in depths:
            fixed = layers[depth - 1 if sweep % 2 == 0 else depth + 1]
            middle = {node: (n + 0.5) / len(fixed) for n, node in enumerate(fixed)}
            own = {node: (n + 0.5) / len(layers[depth]) for n, node in enumerate(layers[depth])}
            layers[depth].sort(
                key=lambda node: _mean([middle[one] for one in around[node] if one in middle], own[node])
            )
    return layers


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
