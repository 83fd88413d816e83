"""A campus grown from a seed: switches, datapath ids, ports, prefix, addresses and places are chance, actors are not.

mn --custom topologies/random_campus.py --topo random,42 --controller remote,ip=127.0.0.1,port=6653
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from random import Random
from typing import Any

from topologies.plan import Host, Link, NetworkPlan, Role, Switch

MOST_SWITCHES = 5
MOST_WORKSTATIONS = 2
HIGHEST_PORT = 999
PRIVATE = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))
NAMES = {
    Role.GATEWAY: "gw",
    Role.DOMAIN_CONTROLLER: "dc",
    Role.FILE_SERVER: "files",
    Role.SENSOR: "sensor",
    Role.ROGUE: "camera",
    Role.VICTIM: "pc1",
    Role.NEIGHBOUR: "pc2",
}
BESIDE_THE_ROGUE = (Role.VICTIM, Role.NEIGHBOUR)


def random_campus(seed: int) -> NetworkPlan:
    """The same plan for the same seed, on every machine. Victim and neighbour are on the rogue's own switch."""
    chance = Random(seed)  # noqa: S311  # reproducible, not secret
    dpids = chance.sample(range(1, 1 << 62), chance.randint(2, MOST_SWITCHES))
    switches = tuple(Switch(f"s{number}", dpid) for number, dpid in enumerate(dpids, start=1))
    free = {switch.name: chance.sample(range(1, HIGHEST_PORT + 1), 32) for switch in switches}
    links = tuple(
        Link(above.name, free[above.name].pop(), switch.name, free[switch.name].pop())
        for number, switch in enumerate(switches[1:], start=1)
        for above in [switches[chance.randrange(number)]]
    )
    actors = _actors(chance, [switch.name for switch in switches])
    prefix = _prefix(chance)
    gateway, *others = _addresses(chance, prefix, len(actors))
    macs = _macs(chance, len(actors))
    hosts = []
    for (name, role, switch), mac in zip(actors, macs, strict=True):
        ip = gateway if role is Role.GATEWAY else others.pop()
        hosts.append(Host(name, role, ip, mac, switch, free[switch].pop(), managed=role is not Role.ROGUE))
    return NetworkPlan(f"random-{seed}", prefix, switches, tuple(hosts), links)


def _actors(chance: Random, switches: list[str]) -> list[tuple[str, Role, str]]:
    """Name, role and switch of each host, workstations included."""
    rogues = chance.choice(switches)
    placed = [
        (name, role, rogues if role is Role.ROGUE or role in BESIDE_THE_ROGUE else chance.choice(switches))
        for role, name in NAMES.items()
    ]
    for switch in switches:
        for _ in range(chance.randint(0, MOST_WORKSTATIONS)):
            placed.append((f"pc{len(placed)}", Role.WORKSTATION, switch))
    return placed


def _prefix(chance: Random) -> IPv4Network:
    private, length = chance.choice(PRIVATE), chance.randint(22, 26)
    step = 1 << (32 - length)
    number = chance.randrange(private.num_addresses // step)
    return IPv4Network((int(private.network_address) + number * step, length))


def _addresses(chance: Random, prefix: IPv4Network, count: int) -> list[IPv4Address]:
    """The prefix's first address (the gateway's), then chance."""
    first = int(prefix.network_address) + 1
    last = int(prefix.broadcast_address) - 1
    return [IPv4Address(first), *map(IPv4Address, chance.sample(range(first + 1, last + 1), count - 1))]


def _macs(chance: Random, count: int) -> list[str]:
    """Locally administered unicast addresses."""
    return [
        ":".join(f"{octet:02x}" for octet in (0x02, *number.to_bytes(5, "big")))
        for number in chance.sample(range(1 << 40), count)
    ]


def random_topo(seed: int = 1) -> Any:
    from topologies.mininet_topo import PlanTopo

    return PlanTopo(random_campus(seed))


topos = {"random": random_topo}
