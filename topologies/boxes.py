"""Two networks with a switch that nobody manages: at the edge behind one port, and in the middle between two managed switches.

mn --custom topologies/boxes.py --topo behind-a-port --controller remote,ip=127.0.0.1,port=6653
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

from topologies.plan import Host, Link, NetworkPlan, Role, Switch

PREFIX = IPv4Network("10.20.50.0/24")
UPLINK = 50
BOX = "b1"
_CORE = (
    ("gw", Role.GATEWAY, 1),
    ("dc", Role.DOMAIN_CONTROLLER, 10),
    ("files", Role.FILE_SERVER, 11),
    ("sensor", Role.SENSOR, 12),
)
_SWITCHES, _BOXES = (Switch("s1", 1), Switch("s2", 2)), (Switch(BOX, 0xB1),)


def behind_a_port() -> NetworkPlan:
    """The camera and two PCs share one port of the access switch, by a box of somebody's own. A third PC has a port to itself."""
    links = (Link("s1", UPLINK, "s2", UPLINK), Link("s2", 1, BOX, UPLINK))
    return NetworkPlan("behind-a-port", PREFIX, _SWITCHES, _hosts(), links, _BOXES)


def in_the_middle() -> NetworkPlan:
    """The box joins core and access switch, and the camera and two PCs are plugged into it."""
    links = (Link("s1", UPLINK, BOX, UPLINK), Link("s2", UPLINK, BOX, UPLINK + 1))
    return NetworkPlan("in-the-middle", PREFIX, _SWITCHES, _hosts(), links, _BOXES)


def _hosts() -> tuple[Host, ...]:
    core = (_host(name, role, last, ("s1", 1 + place)) for place, (name, role, last) in enumerate(_CORE))
    return (
        *core,
        _host("camera", Role.ROGUE, 66, (BOX, 1), managed=False),
        _host("pc2", Role.NEIGHBOUR, 102, (BOX, 2)),
        _host("pc3", Role.WORKSTATION, 103, (BOX, 3)),
        _host("pc1", Role.VICTIM, 101, ("s2", 2)),
    )


def _host(name: str, role: Role, last: int, place: tuple[str, int], *, managed: bool = True) -> Host:
    address = IPv4Address(int(PREFIX.network_address) + last)
    return Host(name, role, address, f"00:14:22:00:55:{last:02x}", *place, managed=managed)


def behind_a_port_topo() -> Any:
    from topologies.mininet_topo import PlanTopo

    return PlanTopo(behind_a_port())


def in_the_middle_topo() -> Any:
    from topologies.mininet_topo import PlanTopo

    return PlanTopo(in_the_middle())


topos = {"behind-a-port": behind_a_port_topo, "in-the-middle": in_the_middle_topo}
