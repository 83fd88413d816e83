"""A small campus: a core switch and two access switches. No agent manages the camera on the first access switch.

mn --custom topologies/campus.py --topo campus --controller remote,ip=127.0.0.1,port=6653
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

from topologies.plan import Host, Link, NetworkPlan, Role, Switch

PREFIX = IPv4Network("10.20.30.0/24")


def campus() -> NetworkPlan:
    def host(name: str, role: Role, last: int, mac: str, place: tuple[str, int], *, managed: bool = True) -> Host:
        return Host(name, role, IPv4Address(int(PREFIX.network_address) + last), mac, *place, managed=managed)

    return NetworkPlan(
        name="campus",
        prefix=PREFIX,
        switches=(Switch("s1", 0x1), Switch("s2", 0x2), Switch("s3", 0x3)),
        hosts=(
            host("gw", Role.GATEWAY, 1, "00:00:5e:00:53:01", ("s1", 1)),
            host("dc", Role.DOMAIN_CONTROLLER, 10, "00:50:56:00:53:10", ("s1", 2)),
            host("files", Role.FILE_SERVER, 20, "00:50:56:00:53:20", ("s1", 3)),
            host("sensor", Role.SENSOR, 30, "00:50:56:00:53:30", ("s1", 4)),
            host("camera", Role.ROGUE, 66, "00:40:8c:00:53:66", ("s2", 1), managed=False),
            host("pc1", Role.VICTIM, 101, "00:14:22:00:53:01", ("s2", 2)),
            host("pc2", Role.NEIGHBOUR, 102, "00:14:22:00:53:02", ("s2", 3)),
            host("pc3", Role.WORKSTATION, 103, "00:14:22:00:53:03", ("s3", 1)),
        ),
        links=(Link("s1", 11, "s2", 11), Link("s1", 12, "s3", 11)),
    )


def campus_topo() -> Any:
    from topologies.mininet_topo import PlanTopo

    return PlanTopo(campus())


topos = {"campus": campus_topo}
