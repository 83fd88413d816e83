"""What an NX-OS configuration means for frames.

- Every port is a switchport in mode access, in VLAN 1 unless it is configured otherwise. A VLAN that is not there, or is suspended, passes
  nothing. A routed port (`no switchport`) takes no part in switching; this switch does not route, so lists of routed ports
  (`ip access-group`) are taken and filter nothing here.
- "If you delete the specified ACL from the switch without removing the ACL from an interface, the deleted ACL does not affect traffic on
  the interface" (Nexus 5500 Security Command Reference, OL-27883-02, page 130).
- A packet must pass the lists of its port that are its own kind's: see `nxos_acl`.
- `mac address-table static ... drop` drops what is sent to it, and from it (Nexus 9000 Layer 2 Switching Configuration Guide, "Configuring
  a Static MAC Address").
"""

from __future__ import annotations

from topologies.vendor.acl_words import Entry
from topologies.vendor.configuration import Configuration
from topologies.vendor.forwarding import Forwarding, List, Port
from topologies.vendor.ios_forwarding import active_vlans, by_mac, switchport
from topologies.vendor.nxos_acl import read_ip, read_ipv6, read_mac
from topologies.vendor.nxos_grammar import BINDS, LISTS, PORT

_READERS = {"ip": read_ip, "ipv6": read_ipv6, "mac": read_mac}


def entries(configuration: Configuration, family: str, name: str) -> list[Entry]:
    """The list's entries in order, without its remarks."""
    lines = [line for line in configuration.section(f"{LISTS[family]} {name}") if line[0].isdigit()]
    found = [_READERS[family](line.split()[1:]) for line in lines]
    return [entry for entry in found if entry.flows]


def bound(lines: list[str]) -> list[tuple[str, str]]:
    """Family and name of each list that an interface's lines bind as a port's."""
    return [
        (family, line.split()[3]) for line in lines for family, bind in BINDS.items() if line.startswith(f"{bind} ")
    ]


def entries_needed(configuration: Configuration) -> int:
    """How many of the hardware's entries the bound lists take."""
    held = [one for lines in configuration.of("interface").values() for one in bound(lines)]
    return sum(len(entry.flows) for family, name in held for entry in entries(configuration, family, name))


def forwarding(configuration: Configuration, numbers: list[int]) -> Forwarding:
    """For a switch whose Ethernet1/<n> is port n."""
    vlans = active_vlans(configuration)
    drops, fixed = by_mac(configuration, PORT)
    return Forwarding(tuple(_port(configuration, number, vlans) for number in numbers), drops, fixed)


def _port(configuration: Configuration, number: int, vlans: frozenset[int]) -> Port:
    lines = configuration.section(f"interface {PORT}{number}")
    found = [(family, entries(configuration, family, name)) for family, name in bound(lines)]
    return switchport(lines, number, vlans, tuple(_list(family, one) for family, one in found if one))


def _list(family: str, found: list[Entry]) -> List:
    rules = tuple((entry.permits, flow) for entry in found for flow in entry.flows)
    if family != "mac":
        return List((family,), rules)
    return List(("",), ((True, "ip"), (True, "ipv6"), *rules))
