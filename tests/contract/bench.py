"""What the contract suite needs of a driver's surroundings, and the least engine that uses a driver as the brain does.

A new driver passes the suite by giving a `Bench` of its own: write `tests/contract/<name>_bench.py`, and name it in
`conftest.py`. What a bench is asked to do, it does to the real device, by another way than the driver under test.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, ip_network
from typing import Protocol as Shape

from drivers.base import Change, Driver, ObservedState, PreState, Receipt, ReceiptStatus
from drivers.rules import Action, Direction, Mac, Match, PortName, PortRange, Protocol, Provenance, Rule, RuleSet

SERVICE = 8080
"""The TCP port that `Traffic.TCP` goes to."""
DEADLINE = 5.0
"""Seconds that a push may take, for any driver."""


class Traffic(StrEnum):
    ARP = "arp"  # a request for the receiver's address, to everybody
    PING = "ping"  # an ICMP echo request to the receiver's MAC and IP
    TCP = "tcp"  # a SYN to the receiver's port SERVICE


@dataclass(frozen=True, slots=True)
class Station:
    """A host on the device under test."""

    port: PortName
    mac: Mac
    ip: IPv4Address


class Bench(Shape):
    """One driver, its device, and three hosts on it. Every test gets a bench whose device was converged to no rules at all:
    what the driver itself needs there stands, every frame flows, no port's flag is set, and nothing foreign is left
    over."""

    driver: Driver
    rogue: Station
    neighbour: Station
    bystander: Station
    flag: str | None
    """The port setting that stands for 'hears nothing'; None when the driver renders that as a rule."""

    async def delivers(self, src: Station, dst: Station, traffic: Traffic) -> bool:
        """Whether a frame that `src` sends now comes out at `dst`'s port. One way: no answer is needed."""

    async def whole_state(self) -> object:
        """All that the device is set to, ours and other people's; counters and times left out. Equal means equal."""

    async def lose_session(self) -> None:
        """From now on the driver does not reach the device; the device goes on."""

    async def restore_session(self) -> None:
        """The driver reaches the device again; returns when it does."""

    def cut_points(self, change: Change) -> Sequence[int]:
        """After how many of the change's messages this bench can cut the session."""

    async def cut_after(self, messages: int) -> None:
        """Let the next push lose its session after that many messages, before any answer."""

    async def wipe(self) -> None:
        """Somebody removes everything of ours."""

    async def foreign(self) -> None:
        """Somebody adds configuration of his own, which lets the hosts' frames through."""

    async def set_flag(self, port: PortName, on: bool) -> None:
        """Somebody sets `flag` himself. Never called when it is None."""

    async def set_link(self, port: PortName, up: bool) -> None:
        """Somebody pulls or plugs the cable."""


@dataclass
class Loop:
    """Converges as the engine does: look, keep what was there before a first touch, render, push, confirm."""

    driver: Driver
    before: dict[PortName, Mapping[str, str | int | bool | None]] = field(default_factory=dict)

    async def render(self, desired: RuleSet) -> Change:
        return self.rendered(desired, await self.driver.observe())

    def rendered(self, desired: RuleSet, observed: ObservedState) -> Change:
        change = self.driver.render(desired, observed, PreState(self.before))
        for port in change.ports - self.before.keys():
            self.before[port] = observed.ports[port].settings
        return change

    async def converge(self, desired: RuleSet) -> Receipt:
        receipt = await self.driver.apply(await self.render(desired), DEADLINE)
        return await self.driver.confirm(receipt) if receipt.status is ReceiptStatus.UNCONFIRMED else receipt

    async def stands(self, desired: RuleSet) -> bool:
        """The engine's word `installed`: nothing is left to change, by the device's own read-back."""
        return (await self.render(desired)).empty

    async def packets(self, *rules: Rule) -> int:
        return (await self.driver.observe()).packets(rule.id for rule in rules)

    async def counted(self, rule: Rule, at_least: int) -> int:
        """What the rule has counted, once it is as much as that: a device may add its counters up a little later."""
        ends = time.monotonic() + DEADLINE
        while (count := await self.packets(rule)) < at_least:
            assert time.monotonic() < ends, f"{rule} counted {count} of {at_least} frames"
            await asyncio.sleep(0.01)
        return count


def deny_from(station: Station, containment: str = "c1") -> Rule:
    return Rule(Match(Direction.FROM, port=station.port), Action.DENY, Provenance(containment))


def deny_to(station: Station, containment: str = "c1") -> Rule:
    return Rule(Match(Direction.TO, port=station.port), Action.DENY, Provenance(containment))


def full(station: Station, containment: str = "c1") -> RuleSet:
    """Nothing in, nothing out."""
    return RuleSet([deny_from(station, containment), deny_to(station, containment)])


def closed(bench: Bench, station: Station, containment: str = "c1") -> RuleSet:
    """As `full`, or as much of it as the driver declares: there are switches whose ports filter what comes in alone."""
    asked = full(station, containment)
    unsupported = bench.driver.capabilities.unsupported
    return RuleSet(rule for rule in asked if not unsupported(RuleSet([rule])))


def sample(action: Action, direction: Direction, fields: frozenset[str], station: Station) -> Rule | None:
    """Some rule that sets exactly these fields; None when `Match` admits no such rule."""
    values = {
        "port": station.port,
        "mac": station.mac,
        "ip": ip_network(station.ip),
        "peer": ip_network("10.99.0.0/16"),
        "protocol": Protocol.TCP,
        "own_ports": PortRange(1024, 2047),
        "peer_ports": PortRange(445, 445),
        "fragment": True,
        "hidden": True,
        "established": True,
    }
    try:
        match = Match(direction, **{name: values[name] for name in fields})  # type: ignore[arg-type]  # each by its name
    except ValueError:
        return None
    return Rule(match, action, Provenance("c1"), vlan=999 if action is Action.MOVE_VLAN else None)
