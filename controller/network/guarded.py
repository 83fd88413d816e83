"""Whose protection is worth a look: all MACs that anything in the configuration could protect, found from what it lists and not by a walk
over all that is known. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from controller.config import Protected
from controller.model import Address, Attachment
from drivers.rules import Mac, Network

if TYPE_CHECKING:
    from controller.network.view import NetworkView

MOST_ASKED = 65_536
"""Addresses of a prefix that are asked for one by one; of a wider one all that are known are looked at."""


def may_be_protected(network: NetworkView, realm: str) -> set[Mac]:
    """More than are, and never fewer: each is looked at by whoever asks."""
    inventory = network.inventory
    found = {mac for router in inventory.network.routers for mac in router.macs}
    ips = {ip for router in inventory.network.routers for ip in router.ips}
    roles = {rule.role for rule in inventory.protected if rule.role is not None}
    own = ips | {rule.ip for rule in inventory.protected if rule.ip is not None}
    prefixes = [rule.prefix for rule in inventory.protected if rule.prefix is not None]
    for asset in inventory.assets:
        known = asset.ip is not None and (asset.ip in own or any(asset.ip in prefix for prefix in prefixes))
        if known or asset.role in roles:
            found |= {asset.mac} if asset.mac is not None else set()
            ips |= {asset.ip} if asset.ip is not None else set()
    for rule in inventory.protected:
        found |= {rule.mac} if rule.mac is not None else set()
        ips |= {rule.ip} if rule.ip is not None else set()
        found |= set(_at_port(network, realm, rule))
        found |= set() if rule.prefix is None else set(_within(network, realm, rule.prefix))
    return found | set(_holders(network, realm, ips))


def _holders(network: NetworkView, realm: str, ips: Iterable[Address]) -> Iterator[Mac]:
    """A link-local address may have one on each VLAN."""
    for ip in ips:
        for history in network.bindings.histories_of_ip(realm, ip):
            yield from (Mac(span.mac) for span in history)


def _within(network: NetworkView, realm: str, prefix: Network) -> Iterator[Mac]:
    if prefix.num_addresses <= MOST_ASKED:
        yield from _holders(network, realm, prefix)
    else:
        for spans in network.bindings.histories_within(realm, prefix):
            yield from (Mac(span.mac) for span in spans)


def _at_port(network: NetworkView, realm: str, rule: Protected) -> Iterator[Mac]:
    """Whoever was ever seen there, by any way to write the port."""
    device, _, port = (rule.port or "").rpartition(":")
    id = network.graph.find_device(device)
    name = None if id is None else network.graph.find_port(id, port)
    if id is not None and name is not None:
        yield from network.bindings.on_place(realm, Attachment(id, name), float("-inf"))
