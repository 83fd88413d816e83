"""What may not happen, whoever asks. Pure: each guard raises `Refused` with a code and a sentence that says what to do, or returns.

Protection can be lifted by an explicit override of somebody who may; a place that cannot be contained (a router's port, an
unknown or doubtful place) and a cut management path cannot. The budget is enforced by the store, inside the transaction that accepts.
"""

from __future__ import annotations

from controller.errors import RefusalCode, Refused
from controller.model import Address, Decision, Endpoint, Located, Location, Plan, Proof, Survival
from controller.network.view import NetworkView

_UNPLACED = {
    Located.AMBIGUOUS: RefusalCode.AMBIGUOUS,
    Located.UNKNOWN: RefusalCode.UNKNOWN_PLACE,
    Located.BEHIND_ROUTER: RefusalCode.BEHIND_ROUTER,
    Located.NOT_AN_ENDPOINT: RefusalCode.NOT_AN_ENDPOINT,
}


def placed(location: Location) -> Endpoint:
    """The endpoint that was located. Refused when it was not, with what speaks against it."""
    if location.status is Located.FOUND and location.endpoint is not None:
        return location.endpoint
    raise Refused(_UNPLACED[location.status], "; ".join(location.against))


def not_protected(endpoint: Endpoint, decision: Decision, network: NetworkView, named: Address | None = None) -> None:
    """No protected asset is contained. `named` is the address that was asked for: where it is a protected one, a person has
    to look, whoever was found to be using it."""
    ips = endpoint.ips if named is None else endpoint.ips | {named}
    places = network.graph.names(endpoint.attachment)
    protection = network.inventory.protection(endpoint.macs, ips, places, endpoint.role)
    if protection is not None and not decision.override:
        raise Refused(
            RefusalCode.PROTECTED,
            f"protected by {protection}. Someone with the approver role can insist with --override, which is audited",
        )
    if network.graph.is_uplink(endpoint.attachment.device, endpoint.attachment.port):
        raise Refused(RefusalCode.BEHIND_ROUTER, f"{network.graph.label(endpoint.attachment)} is an uplink")


def safe(plan: Plan, proof: Proof, decision: Decision) -> None:
    """The plan hits nobody else and cuts no management path; automatic action also needs to know that path."""
    cut = [device for device, survival in proof.management.items() if survival is Survival.CUT]
    if cut:
        raise Refused(RefusalCode.MANAGEMENT, f"the plan would cut the controller off from {', '.join(cut)}")
    if proof.collateral and not decision.override:
        hit = ", ".join(sorted({reach.src for reach in proof.collateral}))
        raise Refused(RefusalCode.PROTECTED, f"the plan would also stop {hit}")
    unknown = [device for device, survival in proof.management.items() if survival is Survival.UNKNOWN]
    if unknown and decision.automatic:
        raise Refused(
            RefusalCode.MANAGEMENT,
            f"how the controller reaches {', '.join(unknown)} is not known: set `management: oob` or `in-band` for it under"
            " `devices`, or contain by hand",
        )
