"""What an EOS configuration means for frames.

- Every Ethernet interface is a switchport in access mode and VLAN 1 unless it is configured otherwise; a VLAN that is not configured, or
  is suspended, passes nothing (User Manual EOS 4.14.3F, "VLANs": `switchport access vlan`, `state`). VLAN 1 always is.
- A routed port (`no switchport`) takes no part in switching; this switch does not route.
- An `access-group` that names no list there is filters nothing (EOS 4.25.0F, "CLI error if a reference is made to an unconfigured
  policy": only with that option is it refused).
- A packet must pass each of the lists of its port: MAC, IPv4 and IPv6 are separate (User Manual EOS 4.14.3F, 18.2 "Access Control Lists").
- A member of a port-channel acts as the port-channel is configured (Arista Configuration Guide, EOS 4.9.3.2: "Ports in a port-channel apply
  the port-channel's ACL"). Of each port-channel the first member alone carries frames: the others pass none.
- A static MAC entry with `drop` drops what is sent to it, and from it (same, `mac address-table static`).

Arista's documents don't say whether a MAC list that is bound beside IP lists filters IP packets too, so a switch can be made either way
(`mac_lists_filter_ip`), and whoever relies on one of them fails on the other.
"""

from __future__ import annotations

from collections.abc import Iterable

from topologies.vendor.acl_words import Entry
from topologies.vendor.configuration import Configuration
from topologies.vendor.eos_acl import read_ip, read_ipv6, read_mac
from topologies.vendor.forwarding import Forwarding, List, Port
from topologies.vendor.kinds import vlan_ids

READERS = {"ip": read_ip, "ipv6": read_ipv6, "mac": read_mac}


def entries(configuration: Configuration, family: str, name: str) -> list[Entry]:
    """The list's entries in order, remarks among them."""
    lines = configuration.section(f"{family} access-list {name}")
    return [READERS[family](line.split()[1:]) for line in lines if line[0].isdigit()]


def active_vlans(configuration: Configuration) -> frozenset[int]:
    found = {1}
    for header, lines in configuration.of("vlan").items():
        ids = vlan_ids(header)
        found = found - ids if "state suspend" in lines else found | ids
    return frozenset(found)


def forwarding(configuration: Configuration, numbers: list[int], mac_lists_filter_ip: bool = True) -> Forwarding:
    """For a switch whose Ethernet<n> is port n."""
    vlans = active_vlans(configuration)
    bundled = channels(configuration, numbers)
    first = {name: min(n for n, other in bundled.items() if other == name) for name in bundled.values()}
    ports = tuple(
        _port(configuration, number, bundled.get(number), vlans, mac_lists_filter_ip)
        for number in numbers
        if number not in bundled or first[bundled[number]] == number
    )
    drops, fixed = set(), {}
    for line in configuration.lines:
        match line.split():
            case ["mac", "address-table", "static", mac, "vlan", vlan, "drop"]:
                drops.add((int(vlan), mac))
            case ["mac", "address-table", "static", mac, "vlan", vlan, "interface", name] if name.startswith(
                "Ethernet"
            ):
                fixed[int(vlan), mac] = int(name.removeprefix("Ethernet"))
    return Forwarding(ports, frozenset(drops), fixed)


def channels(configuration: Configuration, numbers: Iterable[int]) -> dict[int, str]:
    """The port-channel of each port that is in one."""
    groups = (
        (number, line.split()[1])
        for number in numbers
        for line in configuration.section(f"interface Ethernet{number}")
        if line.startswith("channel-group ")
    )
    return {number: f"Port-Channel{group}" for number, group in groups}


def _port(
    configuration: Configuration, number: int, bundled: str | None, vlans: frozenset[int], mac_filters_ip: bool
) -> Port:
    own = configuration.section(f"interface Ethernet{number}")
    lines = own if bundled is None else configuration.section(f"interface {bundled}")
    settings = dict(line.rpartition(" ")[::2] for line in lines)
    shut = "shutdown" in own or "shutdown" in lines
    up = not shut and "no switchport" not in lines
    bound = [line.split() for line in lines if "access-group" in line]
    lists = {
        way: tuple(
            _list(family, entries(configuration, family, name), mac_filters_ip)
            for family, _, name, direction in bound
            if direction == way and f"{family} access-list {name}" in configuration.sections
        )
        for way in ("in", "out")
    }
    if settings.get("switchport mode") != "trunk":
        access = int(settings.get("switchport access vlan", "1"))
        return Port(number, access if access in vlans else None, frozenset(), up, lists["in"], lists["out"], shut)
    allowed = settings.get("switchport trunk allowed vlan", "1-4094")
    tagged = frozenset(vlan_ids(allowed) if allowed != "none" else ()) & vlans
    native = int(settings.get("switchport trunk native vlan", "1"))
    return Port(number, native if native in tagged else None, tagged, up, lists["in"], lists["out"], shut)


def _list(family: str, found: list[Entry], mac_filters_ip: bool) -> List:
    rules = tuple((entry.permits, flow) for entry in found for flow in entry.flows)
    if family != "mac":
        return List((family,), rules)
    passing = () if mac_filters_ip else ((True, "ip"), (True, "ipv6"))
    return List(("",), passing + rules)
