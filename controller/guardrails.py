"""What may not happen, whoever asks. Pure: each guard raises `Refused` with a code and a sentence that says what to do, or returns.

Protection can be lifted by an explicit override of somebody who may; a place that cannot be contained (a router's port, an
unknown or doubtful place) and a cut management path cannot. The budget is enforced by the store, inside the transaction that accepts.
"""

from __future__ import annotations

from collections.abc import Iterable

from controller.errors import RefusalCode, Refused
from controller.freezes import InForce
from controller.model import (
    Address,
    Attachment,
    Containment,
    Decision,
    Endpoint,
    Located,
    Location,
    Plan,
    Proof,
    Survival,
)
from controller.network.view import NetworkView
from controller.network.virtual_macs import shared_by

_UNPLACED = {
    Located.AMBIGUOUS: RefusalCode.AMBIGUOUS,
    Located.UNKNOWN: RefusalCode.UNKNOWN_PLACE,
    Located.BEHIND_ROUTER: RefusalCode.BEHIND_ROUTER,
    Located.NOT_AN_ENDPOINT: RefusalCode.NOT_AN_ENDPOINT,
    Located.UNPLACEABLE: RefusalCode.UNPLACEABLE,
}


def answered_for(decision: Decision, frozen: InForce | None) -> None:
    """In a change freeze a person contains what cannot wait, and says why. What is automatic the store stops, as it does in a pause."""
    if frozen is not None and not decision.automatic and not decision.reason.strip():
        raise Refused(RefusalCode.FROZEN, f"{frozen}: say why it cannot wait, with --reason, which is audited")


def not_prolonged(case: Containment, until: float | None, frozen: InForce | None) -> None:
    """In a change freeze nothing is held for longer; that it ends sooner is no harm."""
    if frozen is not None and (case.expires_at is not None and (until is None or until > case.expires_at)):
        raise Refused(
            RefusalCode.FROZEN,
            f"{frozen}, and nothing is held for longer by it; what cannot wait: `netcordon contain {case.target} --reason WHY`",
        )


def placed(location: Location) -> Endpoint:
    """The endpoint that was located. Refused when it was not, with what speaks against it."""
    if location.status is Located.FOUND and location.endpoint is not None:
        return location.endpoint
    raise Refused(_UNPLACED[location.status], "; ".join(location.against))


def not_protected(endpoint: Endpoint, decision: Decision, network: NetworkView, named: Address | None = None) -> None:
    """No protected asset is contained. `named` is the address that was asked for: where it is a protected one, a person has
    to look, whoever was found to be using it. What a person insisted on once is followed; a protected port is not taken with it."""
    ips = endpoint.ips if named is None else endpoint.ips | {named}
    places = network.graph.names(endpoint.attachment)
    if decision.insisted:
        protection = network.inventory.protection((), (), places, "")
    else:
        protection = network.inventory.protection(endpoint.macs, ips, places, endpoint.role)
    if protection is not None and not decision.override:
        raise Refused(
            RefusalCode.PROTECTED,
            f"protected by {protection}. Someone with the approver role can insist with --override, which is audited",
        )
    if network.graph.is_uplink(endpoint.attachment.device, endpoint.attachment.port):
        raise Refused(RefusalCode.BEHIND_ROUTER, f"{network.graph.label(endpoint.attachment)} is an uplink")


def no_virtual_mac(endpoint: Endpoint) -> None:
    """A virtual MAC is nobody's: whoever takes it over next would be held for what another did."""
    for mac in sorted(endpoint.macs):
        if (protocol := shared_by(mac)) is not None:
            raise Refused(
                RefusalCode.AMBIGUOUS, f"{mac} is a virtual MAC ({protocol}), and no device: name the device's own MAC"
            )


def no_protected_port(ports: Iterable[Attachment], decision: Decision, network: NetworkView) -> None:
    """Where a device is held at other ports than its own, none of these is a protected one."""
    for place in ports:
        protection = network.inventory.protection((), (), network.graph.names(place), "")
        if protection is not None and not decision.override:
            raise Refused(RefusalCode.PROTECTED, f"{network.graph.label(place)} is protected by {protection}")


def no_router_at(endpoint: Endpoint, network: NetworkView, now: float) -> None:
    """A port behind which a router speaks is never contained, by whatever name the device is there."""
    for mac in sorted(network.bindings.on_place(endpoint.realm, endpoint.attachment, now - network.max_age)):
        if name := network.is_router(endpoint.realm, mac):
            raise Refused(
                RefusalCode.BEHIND_ROUTER, f"router {name!r} is at {network.graph.label(endpoint.attachment)}"
            )


def nobody_protected_beside(endpoint: Endpoint, decision: Decision, network: NetworkView, now: float) -> None:
    """Whoever else is at the port and gets no permit there is cut off with the device: a MAC that is too new to count as a device of its
    own must not be a protected asset's. When it is one's, a person has to look: it may be there, or be imitated."""
    present = network.bindings.on_place(endpoint.realm, endpoint.attachment, now - network.max_age)
    for mac in sorted(present.keys() - endpoint.macs - endpoint.neighbours):
        ips = network.bindings.ips_held_by(endpoint.realm, mac)
        protection = network.inventory.protection({mac}, ips, (), "")
        if protection is not None and not decision.override:
            raise Refused(RefusalCode.PROTECTED, f"{mac} on the same port is protected by {protection}: look who it is")


def safe(plan: Plan, proof: Proof, decision: Decision, network: NetworkView) -> None:
    """The plan hits nobody else and cuts no management path. Automatic action also needs to know that path, and what is on link here:
    otherwise a device with several addresses may be a router that answers for others. What sends router advertisements is a rogue
    only where the routers are known."""
    cut = [device for device, survival in proof.management.items() if survival is Survival.CUT]
    if cut:
        raise Refused(RefusalCode.MANAGEMENT, f"the plan would cut the controller off from {', '.join(cut)}")
    if proof.collateral and not decision.override:
        hit = ", ".join(sorted({reach.src for reach in proof.collateral}))
        one = proof.collateral[0]
        where = f" at {network.graph.label(Attachment(one.at.device, one.at.in_port))}" if one.at else ""
        raise Refused(RefusalCode.PROTECTED, f"the plan would also stop {hit}: for example {one.witness}{where}")
    inventory = network.inventory
    held = [network.bindings.ips_held_by(plan.endpoint.realm, mac) for mac in plan.endpoint.macs]
    several = sorted(map(str, max(held, key=lambda ips: sum(ip.version == 4 for ip in ips), default=())))
    if decision.automatic and not inventory.network.on_link and len([ip for ip in several if ":" not in ip]) > 1:
        raise Refused(
            RefusalCode.BEHIND_ROUTER,
            f"it holds {', '.join(several[:8])}: it may be a router. List the prefixes that are plugged in here under network.on_link,"
            " or contain by hand",
        )
    advertisers = sorted(
        mac for mac in plan.endpoint.macs if (plan.endpoint.realm, mac) in network.bindings.advertisers
    )
    if decision.automatic and advertisers and not inventory.network.routers:
        raise Refused(
            RefusalCode.BEHIND_ROUTER,
            f"{advertisers[0]} sends router advertisements and no router is listed: it may be the router. List yours under"
            " network.routers, or contain by hand",
        )
    unknown = [device for device, survival in proof.management.items() if survival is Survival.UNKNOWN]
    if unknown and decision.automatic:
        raise Refused(
            RefusalCode.MANAGEMENT,
            f"how the controller reaches {', '.join(unknown)} is not known: set `management: oob` or `in-band` for it under"
            " `devices`, or contain by hand",
        )
