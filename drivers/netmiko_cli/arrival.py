"""By which way the controller reaches a host that forwards for others, and what would cut it off from there. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from drivers.base import ArpEntry, MacEntry, Management
from drivers.rules import Action, Mac, PortName, Rule

QUESTIONS: Mapping[str, str] = {
    "neighbours": "ip -j neigh show",
    "arrival": 'echo "$SSH_CONNECTION"',
    "route": '{ ip -j route get "${SSH_CONNECTION%% *}" || echo "[]"; } 2>/dev/null',
}


@dataclass(frozen=True, slots=True)
class Arrival:
    """`network` is the controller's own address, `port` the bridge's port behind which it is, or its router, whose MAC is `mac`. `port`
    None: not known, or not through a bridge of this host's."""

    management: Management = Management.UNKNOWN
    network: IPv4Network | IPv6Network | None = None
    interface: str | None = None
    port: PortName | None = None
    mac: Mac | None = None


UNKNOWN = Arrival()


def arrival(
    told: str,
    route: Sequence[Mapping[str, Any]],
    bridges: Container[object],
    macs: Iterable[MacEntry],
    arp: Iterable[ArpEntry],
) -> Arrival:
    """`told` is $SSH_CONNECTION, `route` the host's way back to who is named there, `bridges` the interfaces that lead into one."""
    client = next(iter(told.split()), "")
    if not client or not route or "dev" not in route[0]:
        return Arrival()
    address = ip_address(client.partition("%")[0])
    network, interface = ip_network(address), str(route[0]["dev"])
    if interface not in bridges:
        return Arrival(Management.OUT_OF_BAND, network, interface)
    hop = ip_address(route[0].get("gateway", str(address)))
    mac = next((entry.mac for entry in arp if entry.ip == hop), None)
    port = next((entry.port for entry in macs if entry.mac == mac), None)
    return Arrival(Management.IN_BAND, network, interface, port, mac)


def cuts_off(rule: Rule, came: Arrival) -> str | None:
    """Of a rule that is about no port: whether it is about who we are, or the router behind which we are. Why it is refused then."""
    match, own = rule.match, came.network
    if rule.action is not Action.DENY or match.port is not None:
        return None
    if match.mac is not None and match.mac == came.mac:
        return f"{match.mac} is where the controller is, or the router to it: it would cut itself off"
    if own is None or match.mac is not None or match.ip is None or own.version != match.ip.version:
        return None
    if own.subnet_of(match.ip):  # type: ignore[arg-type]  # of the same version
        return f"{match.ip} is the controller's own: it would cut itself off"
    return None
