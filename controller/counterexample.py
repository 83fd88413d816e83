"""The way of each packet that a proof shows against its plan, device by device. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from controller.model import Attachment, Hop, Plan, Proof, Reach
from controller.network.paths import path
from controller.network.view import NetworkView
from drivers.rules import Mac

_MANY = frozenset({"anyone", "everyone"})


def ways(plan: Plan, proof: Proof, network: NetworkView) -> Mapping[Reach, tuple[Hop, ...]]:
    """Of what remains, or hits another: the hops from the sender's own port to where the packet was judged, or from there to the receiver's
    own port. What no rule looks at, and where no known cables lead, has no way here."""
    found: dict[Reach, tuple[Hop, ...]] = {}
    known: dict[tuple[Attachment, Attachment], tuple[Hop, ...] | None] = {}
    for reach in (*proof.residual, *proof.collateral):
        home = _home(reach, plan, network)
        if reach.at is None or home is None:
            continue
        place, sends = home
        if place.device == reach.at.device:
            found[reach] = (reach.at,)
            continue
        far = Attachment(reach.at.device, reach.at.out_port if sends else reach.at.in_port)
        ends = (place, far) if sends else (far, place)
        if ends not in known:
            known[ends] = path(network.graph, *ends)
        if (way := known[ends]) is not None:
            found[reach] = way
    return found


def _home(reach: Reach, plan: Plan, network: NetworkView) -> tuple[Attachment, bool] | None:
    """The port of whom it is about, and whether that one sends."""
    if "device" in (reach.src, reach.dst):
        return plan.endpoint.attachment, reach.src == "device"
    sends = reach.src not in _MANY
    spans = network.bindings.history_of_mac(plan.endpoint.realm, Mac(reach.src if sends else reach.dst))
    return (spans[-1].place, sends) if spans else None
