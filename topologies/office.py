"""Two networks larger than the campus: an office of forty PCs on four access switches, and a server room with as many servers as wanted.

mn --custom topologies/office.py --topo office --controller remote,ip=127.0.0.1,port=6653
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

from topologies.plan import Host, Link, NetworkPlan, Role, Switch

PREFIX = IPv4Network("10.20.40.0/24")
ACCESS_SWITCHES, PCS_EACH = 4, 10
UPLINK = 50
FIRST_SERVER, FIRST_PC = 20, 101
_CORE = (("gw", Role.GATEWAY, 1), ("dc", Role.DOMAIN_CONTROLLER, 10), ("files", Role.FILE_SERVER, 11))
_ACTORS = (Role.ROGUE, Role.VICTIM, Role.NEIGHBOUR)


def office() -> NetworkPlan:
    """Forty PCs, ten on each access switch: the first is the rogue. A domain controller, a file server and a sensor are on the core."""
    switches = tuple(Switch(f"s{number}", number) for number in range(1, ACCESS_SWITCHES + 2))
    pcs = [
        _host(
            f"pc{number + 1}", _role(number), FIRST_PC + number, (f"s{2 + number // PCS_EACH}", 1 + number % PCS_EACH)
        )
        for number in range(ACCESS_SWITCHES * PCS_EACH)
    ]
    links = tuple(Link("s1", UPLINK + place, one.name, UPLINK) for place, one in enumerate(switches[1:]))
    return NetworkPlan("office", PREFIX, switches, (*_core(), *pcs), links)


def server_room(servers: int) -> NetworkPlan:
    """So many servers on a switch of their own; three PCs on another."""
    room = [
        _host(f"srv{number + 1}", Role.SERVER, FIRST_SERVER + number, ("s2", 1 + number)) for number in range(servers)
    ]
    pcs = [_host(f"pc{number + 1}", _role(number), FIRST_PC + number, ("s3", 1 + number)) for number in range(3)]
    switches = (Switch("s1", 1), Switch("s2", 2), Switch("s3", 3))
    links = (Link("s1", UPLINK, "s2", UPLINK), Link("s1", UPLINK + 1, "s3", UPLINK))
    return NetworkPlan("server-room", PREFIX, switches, (*_core(), *room, *pcs), links)


def _core() -> list[Host]:
    rest = [*_CORE, ("sensor", Role.SENSOR, 12)]
    return [_host(name, role, last, ("s1", 1 + place)) for place, (name, role, last) in enumerate(rest)]


def _role(number: int) -> Role:
    return _ACTORS[number] if number < len(_ACTORS) else Role.WORKSTATION


def _host(name: str, role: Role, last: int, place: tuple[str, int]) -> Host:
    address = IPv4Address(int(PREFIX.network_address) + last)
    return Host(name, role, address, f"00:14:22:00:54:{last:02x}", *place)


def office_topo() -> Any:
    from topologies.mininet_topo import PlanTopo

    return PlanTopo(office())


topos = {"office": office_topo}
