"""A device's several MACs are joined by a person, and split again: contained together from then on, followed, and released as one. What a
device says of itself (its name, a DHCP client id) joins nothing."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from controller.containment import Containments
from controller.errors import Conflict, InvalidInput
from controller.guardrails import placed
from controller.model import Target
from controller.network.joined import Joined
from controller.network.view import NetworkView
from controller.network.virtual_macs import shared_by
from controller.store import Store
from drivers.rules import Mac

log = structlog.get_logger("joining")


class Joining:
    """The store's word is the network view's from then on."""

    def __init__(self, store: Store, network: NetworkView, containments: Containments) -> None:
        self._store = store
        self._network = network
        self._containments = containments

    async def load(self) -> None:
        self._network.joined.load(await self._store.joined())

    async def join(self, targets: Sequence[Target], *, by: str, reason: str) -> Joined:
        """The device that they are now. A MAC need not have been seen yet. Raises InvalidInput, Refused where an address is not one
        device's, Conflict while one of them is held."""
        realms = {target.realm for target in targets}
        macs = frozenset().union(*(self._macs(target) for target in targets))
        if len(macs) < 2 or len(realms) != 1:
            raise InvalidInput("name two MACs or addresses of one device, or more: these are one MAC's already")
        (realm,) = realms
        for mac in sorted(macs):
            self._is_no_router(realm, mac)
        self._network.joined.load(await self._store.join(realm, macs, by=by, reason=reason))
        joined = self._network.joined.of(realm, min(macs))
        if joined is None:
            raise Conflict("somebody split them at the same moment: look at `netcordon endpoints`, and ask again")
        log.warning("joined", macs=sorted(joined.macs), by=by, reason=reason)
        return joined

    async def split(self, target: Target, *, by: str, reason: str) -> frozenset[Mac]:
        """The MACs that stay one device without it. Raises NotFound when it was joined with none, Conflict while it is held."""
        macs = frozenset({target.mac}) if target.mac is not None else self._macs(target)
        if target.mac is None:
            raise InvalidInput(f"which of them? name the MAC that is another device's: {', '.join(sorted(macs))}")
        before = self._network.joined.of(target.realm, target.mac)
        self._network.joined.load(await self._store.split(target.realm, target.mac, by=by, reason=reason))
        log.warning("split", mac=target.mac, by=by, reason=reason)
        return frozenset() if before is None else before.macs - macs

    def _macs(self, target: Target) -> frozenset[Mac]:
        if target.mac is not None:
            return frozenset({target.mac})
        if target.place is not None:
            raise InvalidInput(f"{target} is a place, where others may be too: name MACs or addresses")
        return placed(self._containments.locate(target)).macs

    def _is_no_router(self, realm: str, mac: Mac) -> None:
        if (protocol := shared_by(mac)) is not None:
            raise InvalidInput(f"{mac} is a virtual MAC ({protocol}), and no device: name the device's own MAC")
        if name := self._network.is_router(realm, mac):
            raise InvalidInput(f"{mac} is router {name!r}: what is seen at it is behind it, and is never contained")
