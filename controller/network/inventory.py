"""What people say of their devices: which are managed, what they are, who owns them, which are routers, and which are protected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from controller.config import Asset, NetworkSection, Protected
from controller.model import Address, Managed
from drivers.rules import Mac

UNKNOWN_ASSET = Asset(mac=Mac("00:00:00:00:00:00"), managed=Managed.UNDISCOVERED)


class Inventory:
    """Look-ups over the configuration's `assets`, `network` and `protected`. A MAC outweighs an address, which anybody can take."""

    def __init__(self, assets: Iterable[Asset], network: NetworkSection, protected: Iterable[Protected]) -> None:
        self.assets = assets = tuple(assets)
        self._by_mac = {asset.mac: asset for asset in assets if asset.mac is not None}
        self._by_ip = {str(asset.ip): asset for asset in assets if asset.ip is not None}
        self._router_by_mac = {mac: router for router in network.routers for mac in router.macs}
        self._router_by_ip = {str(ip): router for router in network.routers for ip in router.ips}
        self.network = network
        self.protected = tuple(protected)

    def asset(self, macs: Iterable[Mac], ips: Iterable[Address]) -> Asset:
        """What is known of the device; what nobody listed is `undiscovered`."""
        for mac in sorted(macs):
            if mac in self._by_mac:
                return self._by_mac[mac]
        for ip in sorted(str(ip) for ip in ips):
            listed = self._by_ip.get(ip)
            if listed is not None and listed.mac is None:
                return listed
        return UNKNOWN_ASSET

    def with_role(self, role: str) -> Iterator[Asset]:
        listed = (*self._by_mac.values(), *(asset for asset in self._by_ip.values() if asset.mac is None))
        return (asset for asset in listed if asset.role == role)

    def lists(self, mac: Mac) -> bool:
        return mac in self._by_mac

    def router_name(self, mac: Mac | None, ip: Address | None) -> str | None:
        """The router whose own MAC or address this is."""
        router = self._router_by_mac.get(mac) if mac is not None else None
        if router is None and ip is not None:
            router = self._router_by_ip.get(str(ip))
        return None if router is None else router.name

    def off_link(self, ip: Address) -> str | None:
        """Why the address cannot be plugged in anywhere here: it is outside every on-link prefix of its
        IP version. None when it may be, or when no such prefix is declared."""
        prefixes = [prefix for prefix in self.network.on_link if prefix.version == ip.version]
        if not prefixes or ip.is_link_local or any(ip in prefix for prefix in prefixes):
            return None
        via = next((r.name for r in self.network.routers if any(ip in prefix for prefix in r.prefixes)), "a router")
        return f"{ip} is outside the on-link prefixes ({', '.join(map(str, prefixes))}): it is behind {via}"

    def not_an_endpoint(self, ip: Address) -> str | None:
        pool = next((prefix for prefix in self.network.not_endpoints if ip in prefix), None)
        return (
            None
            if pool is None
            else f"{ip} is in {pool}, which is declared as not being an endpoint (NAT, proxy, pool)"
        )

    def protection(self, macs: Iterable[Mac], ips: Iterable[Address], places: Iterable[str], role: str) -> str | None:
        """The sentence that says what protects this device, or None. `places` are the names of where it is. An address that the inventory
        gives to one of its MACs counts as its own, whoever holds it on the wire."""
        macs, places = set(macs), set(places)
        listed = [asset.ip for mac in macs if (asset := self._by_mac.get(mac)) is not None]
        ips = {*ips, *(ip for ip in listed if ip is not None)}
        for mac in sorted(macs):
            if mac in self._router_by_mac:
                return f"{mac} is router {self._router_by_mac[mac].name!r}"
        for ip in sorted(str(ip) for ip in ips):
            if ip in self._router_by_ip:
                return f"{ip} is an address of router {self._router_by_ip[ip].name!r}"
        roles = {role, *(asset.role for mac in macs if (asset := self._by_mac.get(mac)) is not None)}
        roles |= {asset.role for ip in ips if (asset := self._by_ip.get(str(ip))) is not None}
        found = next((rule for rule in self.protected if _covers(rule, macs, ips, places, roles)), None)
        return None if found is None else f"{describe(found)}: {found.why}"


def describe(rule: Protected) -> str:
    """The protected asset as the configuration names it: 'ip 10.0.0.1'."""
    name, value = next((n, v) for n in ("ip", "prefix", "mac", "role", "port") if (v := getattr(rule, n)) is not None)
    return f"{name} {value}"


def _covers(rule: Protected, macs: set[Mac], ips: set[Address], places: set[str], roles: set[str]) -> bool:
    return (
        (rule.mac is not None and rule.mac in macs)
        or (rule.ip is not None and rule.ip in ips)
        or (rule.prefix is not None and any(ip in rule.prefix for ip in ips))
        or (rule.role is not None and rule.role in roles)
        or (rule.port is not None and rule.port in places)
    )
