"""What an IOS configuration means for frames.

- Every port is a switchport, in VLAN 1 unless it is configured otherwise. One in mode `dynamic auto` is an access port here, since what is
  plugged in are hosts, which negotiate no trunk. A VLAN that is not there, or is suspended, passes nothing.
- A routed port (`no switchport`) takes no part in switching; this switch does not route.
- "When you apply an undefined ACL to an interface, the switch acts as if the ACL has not been applied and permits all packets" (Catalyst
  3750-X Software Configuration Guide, OL-21521-01, 37-21), and so does a list that has no entry but remarks (see `ios_acl`).
- A packet must pass the lists of its port that are its own kind's: see `ios_acl`.
- `mac address-table static ... drop` drops what is sent to it, and from it (Catalyst 4500 Software Configuration Guide, "Configuring
  Unicast MAC Address Filtering").
"""

from __future__ import annotations

from topologies.vendor.acl_words import Entry, mac
from topologies.vendor.configuration import Configuration
from topologies.vendor.forwarding import Forwarding, List, Port
from topologies.vendor.ios_acl import IMPLICIT_IPV6, read_ip, read_ipv6, read_mac
from topologies.vendor.ios_grammar import LISTS, PORT
from topologies.vendor.kinds import vlan_ids

_LIST = dict(zip(("ip", "ipv6", "mac"), LISTS, strict=True))
_READERS = {"ip": read_ip, "ipv6": read_ipv6, "mac": read_mac}


def entries(configuration: Configuration, family: str, name: str) -> list[Entry]:
    """The list's entries in order, without its remarks."""
    lines = configuration.section(f"{_LIST[family]} {name}")
    found = [_READERS[family](line.split()[1:]) for line in lines]
    return [entry for entry in found if entry.flows]


def bound(lines: list[str]) -> list[tuple[str, str, str]]:
    """Family, name and direction of each list that an interface's lines bind."""
    words = [line.split() for line in lines]
    return [(one[0], one[2], one[3]) for one in words if one[1:2] in (["access-group"], ["traffic-filter"])]


def active_vlans(configuration: Configuration) -> frozenset[int]:
    found = {1}
    for header, lines in configuration.of("vlan").items():
        ids = vlan_ids(header)
        found = found - ids if "state suspend" in lines else found | ids
    return frozenset(found)


def access_vlan(lines: list[str]) -> int | None:
    """The VLAN of a port's untagged frames; None where it is no access port."""
    if "no switchport" in lines or "switchport mode trunk" in lines:
        return None
    return next((int(line.split()[-1]) for line in lines if line.startswith("switchport access vlan")), 1)


def forwarding(configuration: Configuration, numbers: list[int]) -> Forwarding:
    """For a switch whose GigabitEthernet1/0/<n> is port n."""
    vlans = active_vlans(configuration)
    drops, fixed = by_mac(configuration, PORT)
    return Forwarding(tuple(_port(configuration, number, vlans) for number in numbers), drops, fixed)


def by_mac(configuration: Configuration, port: str) -> tuple[frozenset[tuple[int, str]], dict[tuple[int, str], int]]:
    """What `Forwarding` calls `drops` and `fixed`; `port` is what stands before the number of a port's name."""
    drops, fixed = set(), {}
    for line in configuration.lines:
        match line.split():
            case ["mac", "address-table", "static", address, "vlan", vlan, "drop"]:
                drops.add((int(vlan), mac(address)))
            case ["mac", "address-table", "static", address, "vlan", vlan, "interface", name] if name.startswith(port):
                fixed[int(vlan), mac(address)] = int(name.removeprefix(port))
    return frozenset(drops), fixed


def _port(configuration: Configuration, number: int, vlans: frozenset[int]) -> Port:
    lines = configuration.section(f"interface {PORT}{number}")
    lists: dict[str, list[List]] = {"in": [], "out": []}
    for family, name, way in bound(lines):
        found = entries(configuration, family, name)
        if found:
            lists[way].append(_list(family, found))
    return switchport(lines, number, vlans, tuple(lists["in"]), tuple(lists["out"]))


def switchport(
    lines: list[str], number: int, vlans: frozenset[int], lists_in: tuple[List, ...], lists_out: tuple[List, ...] = ()
) -> Port:
    """A port that is configured so; `vlans` are the active ones."""
    shut = "shutdown" in lines
    up = not shut and "no switchport" not in lines
    access = access_vlan(lines)
    if access is not None:
        return Port(number, access if access in vlans else None, frozenset(), up, lists_in, lists_out, shut)
    settings = dict(line.rpartition(" ")[::2] for line in lines)
    allowed = settings.get("switchport trunk allowed vlan", "1-4094")
    tagged = frozenset(vlan_ids(allowed) if allowed != "none" else ()) & vlans
    native = int(settings.get("switchport trunk native vlan", "1"))
    return Port(number, native if native in tagged else None, tagged, up, lists_in, lists_out, shut)


def _list(family: str, found: list[Entry]) -> List:
    if family == "ipv6":
        found = [*found, *(read_ipv6(text.split()) for text in IMPLICIT_IPV6)]
    rules = tuple((entry.permits, flow) for entry in found for flow in entry.flows)
    if family != "mac":
        return List((family,), rules)
    return List(("",), ((True, "ip"), (True, "ipv6"), *rules))
