"""What a running daemon can say of itself and of the network that it serves. Pure: what it looks at is handed in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from controller.automation import Automation
from controller.config import NEVER, Config, Protected
from controller.discovery.desk import SensorView
from controller.doctor.finding import Finding, error, info, warning
from controller.doctor.switches import target_for
from controller.durations import show_duration
from controller.freezes import InForce
from controller.model import Address, Endpoint, Mode
from controller.network.inventory import Inventory, describe
from controller.network.view import NetworkView
from controller.roles import Permission, Role
from controller.store import Size, TokenRecord
from controller.syslog.fate import Fate
from drivers.base import Management
from drivers.rules import Mac

VITAL_ROLES = frozenset({"gateway", "router", "dns", "dhcp", "domain-controller"})
"""Roles whose loss everybody on the network feels."""
MOST_ADMINS = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """`gateways` and `resolvers` are those of the daemon's own machine. `speaker` is empty, or why none answers."""

    config: Config
    network: NetworkView
    endpoints: Sequence[Endpoint]
    sensors: Sequence[SensorView]
    tokens: Sequence[TokenRecord]
    speaker: Sequence[str]
    gateways: Sequence[Address]
    resolvers: Sequence[Address]
    store: Size | None = None
    syslog: Mapping[str, Mapping[Fate, int]] = field(default_factory=dict)
    automation: Automation | None = None
    freezes: Sequence[InForce] = ()
    inventory: Sequence[str] = ()
    inventory_notes: Sequence[str] = ()


def examine(seen: Seen) -> list[Finding]:
    """The findings, in the order in which a person would mend them."""
    return [
        *(error("speaker", why, "netcordon serve  # starts one; see openflow.speaker") for why in seen.speaker),
        *_pause(seen.automation),
        *_freezes(seen),
        *(error("inventory", why, "mend it, then kill -HUP the daemon, or wait") for why in seen.inventory),
        *(warning("inventory", note, "mend the row where it is kept") for note in seen.inventory_notes),
        *_devices(seen),
        *_policy(seen.config),
        *_vital(seen),
        *_advertisers(seen),
        *_stale_protection(seen),
        *_sensors(seen),
        *_tokens(seen.tokens),
        *_approvers(seen),
        *_store(seen),
        *_syslog(seen.syslog),
    ]


def _syslog(listeners: Mapping[str, Mapping[Fate, int]]) -> Iterator[Finding]:
    for name, counts in listeners.items():
        if lost := counts[Fate.LOST]:
            yield warning(
                "syslog-lost",
                f"syslog {name}: {lost} frames were lost since the daemon started: they came faster than they could be taken",
                "sysctl -w net.core.rmem_max=8388608  # then restart; or let the sender use TCP or TLS, which waits",
            )
        if refused := counts[Fate.REFUSED]:
            yield warning(
                "syslog-refused",
                f"syslog {name}: {refused} datagrams or connections came from others than its senders, or without a certificate that holds",
                "intake: {syslog: [{senders: [...]}]}  # the daemon's log says from whom, and why",
            )


def _pause(state: Automation | None) -> Iterator[Finding]:
    """A pause outlasts restarts: whoever looks for why nothing is contained by itself is told."""
    if state is not None and state.paused:
        since = f"{datetime.fromtimestamp(state.since, UTC):%Y-%m-%d %H:%M} UTC"
        yield warning(
            "paused",
            f"automatic action is paused since {since}, by {state.by}: {state.reason}",
            "netcordon resume --reason WHY  # when what paused it is understood: see netcordon proposals",
        )


def _freezes(seen: Seen) -> Iterator[Finding]:
    for one in seen.freezes:
        what = f"{one} ({one.freeze.where}): alerts there become proposals, and nothing is held for longer"
        yield warning("frozen", what, "netcordon proposals  # what waits for a person; `freezes` in the configuration")
    known = seen.network.graph.called(seen.network.graph.devices)
    for freeze in seen.config.freezes:
        for name in sorted(freeze.switches - known if known else ()):
            never = f"freeze {freeze.name!r} names switch {name}, which was never seen: mistyped?"
            yield warning("freeze-nowhere", never, "netcordon devices  # lists ids and names")


def _devices(seen: Seen) -> Iterator[Finding]:
    graph = seen.network.graph
    if not graph.devices:
        listen = seen.config.openflow.speaker.listen
        yield error(
            "no-switch", f"no switch has connected to {listen}", f"ovs-vsctl set-controller BRIDGE {target_for(listen)}"
        )
    listed = {device.id for device in seen.config.devices}
    for id, node in sorted(graph.devices.items()):
        name = f"{node.description} ({id})" if node.description else id
        if not node.up and not node.boot_id:
            dial = f"ovs-vsctl set-controller BRIDGE {target_for(seen.config.openflow.speaker.listen)}"
            yield error(
                "never-connected", f"{name} is {'listed' if id in listed else 'known'} and never connected", dial
            )
        elif not node.up:
            yield error("disconnected", f"{name} was connected and is gone", "netcordon devices")
        if node.management is Management.UNKNOWN:
            yield warning(
                "management",
                f"{name}: how it is managed is unknown, which stops automatic action there",
                f"devices: [{{id: {id}, management: oob}}]  # or in-band, with management_port",
            )


def _store(seen: Seen) -> Iterator[Finding]:
    if seen.store is None:
        return
    size, kept = seen.store, seen.config.retention
    free = f", {size.free / 1e6:.1f} MB of it free for reuse" if size.free else ""
    since = (
        "" if size.oldest_alert is None else f", alerts since {datetime.fromtimestamp(size.oldest_alert, UTC):%Y-%m-%d}"
    )
    ages = ", ".join(
        f"{name.replace('_', ' ')} {NEVER if age is None else show_duration(age)}"
        for name, age in kept.model_dump().items()
    )
    never = [name for name, age in kept.model_dump().items() if age is None]
    mend = f"retention: {{{never[0]}: 90d}}  # or see that the disk is large enough" if never else ""
    yield info("store", f"{size.bytes / 1e6:.1f} MB{free}{since}; deleted after: {ages}", mend)


def _policy(config: Config) -> Iterator[Finding]:
    acting = [rule.name for rule in config.policy.rules if rule.mode is Mode.CONTAIN]
    if acting and not config.protected:
        yield error(
            "nothing-protected",
            f"policy contains by itself ({', '.join(acting)}) and nothing is protected",
            'protected: [{ip: ADDRESS, why: "the domain controller"}]',
        )
    if not config.network.on_link:
        yield warning(
            "on-link",
            "the prefixes that are plugged in here are not declared: a MAC with several addresses is never contained automatically",
            "network: {on_link: [PREFIX]}",
        )


def _vital(seen: Seen) -> Iterator[Finding]:
    inventory = seen.network.inventory
    for address in seen.gateways:
        if _matters(address, seen) and not _protected(inventory, address, seen):
            mend = f"network: {{routers: [{{name: gw, ips: [{address}]}}]}}"
            yield error("gateway", f"{address} is this machine's gateway, and is not protected", mend)
    for address in seen.resolvers:
        if _matters(address, seen) and not _protected(inventory, address, seen):
            mend = f"protected: [{{ip: {address}, why: DNS}}]"
            yield warning("dns", f"{address} is this machine's resolver, and is not protected", mend)
    for asset in inventory.assets:
        macs, ips = [asset.mac] if asset.mac else [], [asset.ip] if asset.ip else []
        ips += sorted({ip for one in seen.endpoints if asset.mac in one.macs for ip in one.ips}, key=str)
        if asset.role in VITAL_ROLES and inventory.protection(macs, ips, (), asset.role) is None:
            what = asset.name or asset.mac or asset.ip
            yield error(
                "role",
                f"{what} has the role {asset.role}, and is not protected",
                f"protected: [{{role: {asset.role}}}]",
            )
    for device in seen.config.devices:
        for port in sorted(device.dhcp_ports):
            yield from _behind(seen, device.id, port)


def _behind(seen: Seen, device: str, port: str) -> Iterator[Finding]:
    """Whoever is plugged in where a DHCP server is said to be."""
    for endpoint in seen.endpoints:
        place = endpoint.attachment
        if (place.device, place.port) == (device, port) and not _is_protected(seen, endpoint):
            mac = min(endpoint.macs)
            yield error(
                "dhcp",
                f"{mac} at the DHCP server's port {port} is not protected",
                f'protected: [{{mac: "{mac}", why: DHCP}}]',
            )


def _advertisers(seen: Seen) -> Iterator[Finding]:
    inventory = seen.network.inventory
    for realm, mac in sorted(seen.network.bindings.advertisers):
        ips = seen.network.bindings.ips_held_by(realm, Mac(mac))
        if inventory.protection([Mac(mac)], ips, (), "") is None:
            yield warning(
                "router-advertisements",
                f"{mac} sends router advertisements and is no router that is listed: yours, or a rogue",
                f'network: {{routers: [{{name: gw6, macs: ["{mac}"]}}]}}   or   netcordon contain {mac}',
            )


def _stale_protection(seen: Seen) -> Iterator[Finding]:
    """Entries that match nothing that was ever seen: a typing error protects nobody."""
    for entry in seen.config.protected:
        if not _matches_anything(entry, seen):
            yield warning(
                "protects-nothing",
                f"protected {describe(entry)} ({entry.why}) matches nothing that was ever seen",
                "netcordon endpoints",
            )


def _matches_anything(entry: Protected, seen: Seen) -> bool:
    bindings, graph = seen.network.bindings, seen.network.graph
    if entry.ip is not None:
        return any(ip == str(entry.ip) for _, ip in bindings.by_ip)
    if entry.mac is not None:
        return any(mac == entry.mac for _, mac in bindings.by_mac)
    if entry.prefix is not None:
        return any(ip in entry.prefix for endpoint in seen.endpoints for ip in endpoint.ips)
    if entry.role is not None:
        return any(entry.role == asset.role for asset in seen.network.inventory.assets)
    device, _, port = (entry.port or "").rpartition(":")
    found = graph.find_device(device)
    return found is not None and graph.find_port(found, port) is not None


def _sensors(seen: Seen) -> Iterator[Finding]:
    run = "netcordon sensor run --name NAME --interface INTERFACE  # inside the network"
    if not seen.sensors:
        yield warning(
            "no-sensor", "no sensor ever asked for work: nothing can be proven for hosts that keep quiet", run
        )
    for sensor in seen.sensors:
        if not sensor.live:
            yield warning("sensor-gone", f"sensor {sensor.name} stopped asking for work", run)
        if sensor.trouble:
            yield warning("sensor-blind", f"sensor {sensor.name} cannot see: {sensor.trouble}")
        if sensor.skew is not None and abs(sensor.skew) > seen.config.locate.skew:
            yield error(
                "clock",
                f"sensor {sensor.name}'s clock is {sensor.skew:+.1f} s off ours: who held an address when is then guessed",
                "timedatectl set-ntp true  # on both machines",
            )


def _tokens(tokens: Sequence[TokenRecord]) -> Iterator[Finding]:
    admins = sorted(token.name for token in tokens if token.role is Role.ADMIN)
    if len(admins) > MOST_ADMINS:
        yield warning("tokens", f"{len(admins)} tokens may do all: {', '.join(admins)}", "netcordon token revoke NAME")
    if admins and len(admins) == len(tokens):
        yield info(
            "tokens", "every token is an admin's", "netcordon token add NAME --role operator  # or intake, viewer"
        )


def _approvers(seen: Seen) -> Iterator[Finding]:
    """A rule that asks for more people than there are waits for ever."""
    people = sorted({token.person for token in seen.tokens if token.role.may(Permission.APPROVE)})
    asking = [rule for rule in seen.config.policy.rules if rule.mode is not Mode.OBSERVE]
    named = ", ".join(people) or "nobody"
    for rule in asking:
        if rule.approvals > 1 and rule.approvals > len(people):
            yield warning(
                "approvers",
                f"policy rule {rule.name!r} asks for {rule.approvals} people, and {len(people)} may approve: {named}",
                "netcordon token add NAME --role approver --person WHO  # one for each person",
            )


def _matters(address: Address, seen: Seen) -> bool:
    """It is one that could be contained here: plugged in by declaration, or seen."""
    on_link = any(address in prefix for prefix in seen.config.network.on_link)
    return on_link or any(ip == str(address) for _, ip in seen.network.bindings.by_ip)


def _protected(inventory: Inventory, address: Address, seen: Seen) -> bool:
    holders = [endpoint for endpoint in seen.endpoints if address in endpoint.ips]
    if inventory.protection((), [address], (), "") is not None:
        return True
    return bool(holders) and all(_is_protected(seen, endpoint) for endpoint in holders)


def _is_protected(seen: Seen, endpoint: Endpoint) -> bool:
    places: Iterable[str] = seen.network.graph.names(endpoint.attachment)
    return seen.network.inventory.protection(endpoint.macs, endpoint.ips, places, endpoint.role) is not None
