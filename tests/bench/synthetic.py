"""A made-up campus of any number of switches, the same for the same seed: three tiers, each switch with two ways up; devices at edge ports,
several at some of them; closet switches and MLAGs; an earlier address for each device. Neither a clock nor I/O."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import count

from controller.config import Config
from controller.network.view import NetworkView
from drivers.base import DeviceFacts, Interface, Management, Neighbour, Sighting
from drivers.rules import Mac, PortName

NOW = 1_800_000_000.0
PORTS = 48
DEVICES_A_SWITCH = 50
"""For each switch of the network, of every tier: with two bindings each, a hundred bindings a switch."""
BEFORE = 3600.0
"""Seconds ago when each device had its other address."""


@dataclass(frozen=True, slots=True)
class Plugged:
    """A device, where it is, and its addresses: `ip` now, `old` an hour ago."""

    mac: Mac
    device: str
    port: PortName
    ip: IPv4Address
    old: IPv4Address


@dataclass(frozen=True, slots=True)
class Synthetic:
    """`unserved` takes no rules and has more neighbours that do than one containment may use; `lost` is at it. `guarded` are protected,
    `boxed` and `bundled` behind a closet switch and an MLAG."""

    config: Config
    facts: tuple[DeviceFacts, ...]
    devices: tuple[Plugged, ...]
    guarded: tuple[Plugged, ...]
    boxed: tuple[Plugged, ...]
    bundled: tuple[Plugged, ...]
    lost: Plugged
    unserved: str

    def network(self) -> NetworkView:
        """All switches connected, nobody seen yet."""
        network = NetworkView.from_config(self.config)
        for one in self.facts:
            network.graph.learn(one)
        return network

    def sightings(self) -> Iterator[Sighting]:
        """In the order of time."""
        for n, one in enumerate(self.everybody):
            yield Sighting(one.device, NOW - BEFORE + n * 1e-4, one.mac, one.port, one.old, None, "dhcp", True)
        for n, one in enumerate(self.everybody):
            yield Sighting(one.device, NOW - 200 + n * 1e-4, one.mac, one.port, one.ip, None, "dhcp", True)

    @property
    def everybody(self) -> tuple[Plugged, ...]:
        return (*self.devices, *self.guarded, *self.boxed, *self.bundled, self.lost)


def synthetic(switches: int, seed: int) -> Synthetic:
    """At least 30 switches. Each fiftieth edge switch has a closet switch at its last port, each with its successor an MLAG before that."""
    chance = random.Random(seed)
    core, middle, edge = _tiers(switches)
    cables = _cables(core, middle, edge)
    boxed_at, bundled_at = edge[::50], list(zip(edge[::50], edge[1::50], strict=False))
    boxes = [{"name": f"closet-{n}", "links": [f"{_name(s)}:{PORTS}"]} for n, s in enumerate(boxed_at)]
    bundles = [
        {"name": f"mlag-{n}", "ports": [f"{_name(one)}:{PORTS - 1}", f"{_name(other)}:{PORTS - 1}"]}
        for n, (one, other) in enumerate(bundled_at)
    ]
    number = count(1)
    boxed = [_plugged(next(number), s, PORTS) for s in boxed_at for _ in range(4)]
    bundled = [_plugged(next(number), one, PORTS - 1) for one, _ in bundled_at]
    lost = _plugged(next(number), middle[0], 1)
    left = switches * DEVICES_A_SWITCH - len(boxed) - len(bundled) - 1
    devices = [_plugged(next(number), edge[n % len(edge)], chance.randint(1, PORTS - 2)) for n in range(left)]
    guarded = [devices[-1], devices[-2], devices[-3]]
    config = Config.model_validate(
        {
            "network": {"on_link": ["10.0.0.0/8"], "boxes": boxes, "bundles": bundles},
            "protected": [{"mac": one.mac, "why": "domain controller"} for one in guarded],
            "assets": [{"mac": one.mac, "role": "server"} for one in devices[:: max(1, len(devices) // 5000)]],
        }
    )
    return Synthetic(
        config,
        tuple(_facts(s, cables[s]) for s in (*core, *middle, *edge)),
        tuple(devices[:-3]),
        tuple(guarded),
        tuple(boxed),
        tuple(bundled),
        lost,
        _id(middle[0]),
    )


def _tiers(switches: int) -> tuple[list[int], list[int], list[int]]:
    """Numbers of the core's, the middle's and the edge's switches: one in the middle for twenty."""
    core = list(range(1, 3 + switches // 1000))
    middle = list(range(core[-1] + 1, core[-1] + 3 + switches // 20))
    return core, middle, list(range(middle[-1] + 1, switches + 1))


def _cables(core: list[int], middle: list[int], edge: list[int]) -> dict[int, list[Neighbour]]:
    """By switch: two ways up for each, beyond its edge ports."""
    cables: dict[int, list[Neighbour]] = {one: [] for one in (*core, *middle, *edge)}
    free = {one: count(PORTS + 1) for one in cables}
    for lower, upper in ((edge, middle), (middle, core)):
        for n, one in enumerate(lower):
            for other in (upper[n % len(upper)], upper[(n + 1) % len(upper)]):
                here, there = _port(one, next(free[one])), _port(other, next(free[other]))
                cables[one].append(Neighbour(here, _id(other), there))
                cables[other].append(Neighbour(there, _id(one), here))
    return cables


def _facts(switch: int, cables: list[Neighbour]) -> DeviceFacts:
    ports = (Interface(_port(switch, n), n) for n in range(1, PORTS + 1 + len(cables)))
    return DeviceFacts(
        _id(switch), "boot-1", _name(switch), Management.OUT_OF_BAND, tuple(ports), neighbours=tuple(cables)
    )


def _plugged(number: int, switch: int, port: int) -> Plugged:
    mac = Mac(":".join(f"{byte:02x}" for byte in (0x02 << 40 | number).to_bytes(6)))
    ip, old = IPv4Address(0x0A000000 + number), IPv4Address(0x0A800000 + number)
    return Plugged(mac, _id(switch), _port(switch, port), ip, old)


def _id(switch: int) -> str:
    return f"of:{switch:016x}"


def _name(switch: int) -> str:
    return f"s{switch}"


def _port(switch: int, number: int) -> PortName:
    return PortName(f"s{switch}-eth{number}")
