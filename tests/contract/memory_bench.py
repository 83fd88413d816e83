"""The contract suite's bench for the memory driver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from drivers.base import Change, Driver
from drivers.memory import Behaviour, MemoryDevice, MemoryDriver, MemoryOptions
from drivers.rules import Action, Direction, Mac, Match, PortName, Provenance, Rule
from drivers.semantics import ETH_ARP, ETH_IPV4, Crossing, Fate, Frame
from tests.contract.bench import SERVICE, Station, Traffic

EVERYBODY = Mac("ff:ff:ff:ff:ff:ff")


def _station(number: int) -> Station:
    ip = ip_address(f"10.0.0.{number}")
    assert ip.version == 4
    return Station(PortName(f"p{number}"), Mac(f"02:00:00:00:00:0{number}"), ip)


@dataclass
class MemoryBench:
    rogue: Station = field(default_factory=lambda: _station(1))
    neighbour: Station = field(default_factory=lambda: _station(2))
    bystander: Station = field(default_factory=lambda: _station(3))
    flag: str | None = "no_fwd"

    def __post_init__(self) -> None:
        ports = (self.rogue.port, self.neighbour.port, self.bystander.port)
        self.device = MemoryDevice("m1", MemoryOptions(ports=ports))
        self.driver: Driver = MemoryDriver(self.device)

    async def delivers(self, src: Station, dst: Station, traffic: Traffic) -> bool:
        return self.device.forward(Crossing(_frame(src, dst, traffic), src.port, dst.port)).fate is Fate.PASS

    async def whole_state(self) -> object:
        return self.device.state()

    async def lose_session(self) -> None:
        self.device.behave(Behaviour.UNREACHABLE)

    async def restore_session(self) -> None:
        self.device.behave(Behaviour.ACCEPTS)

    def cut_points(self, change: Change) -> Sequence[int]:
        return range(len(change.messages) + 1)

    async def cut_after(self, messages: int) -> None:
        self.device.behave(Behaviour.DIES, dies_after=messages)

    async def wipe(self) -> None:
        self.device.wipe()
        for port in self.device.ports.values():
            port.no_fwd = False

    async def foreign(self) -> None:
        match = Match(Direction.FROM, port=self.neighbour.port)
        self.device.foreign["theirs"] = Rule(match, Action.COUNT, Provenance("somebody"))

    async def set_flag(self, port: PortName, on: bool) -> None:
        self.device.ports[port].no_fwd = on

    async def set_link(self, port: PortName, up: bool) -> None:
        self.device.set_link(port, up)


def _frame(src: Station, dst: Station, traffic: Traffic) -> Frame:
    match traffic:
        case Traffic.ARP:
            return Frame(src.mac, EVERYBODY, ETH_ARP, src.ip, dst.ip)
        case Traffic.PING:
            return Frame(src.mac, dst.mac, ETH_IPV4, src.ip, dst.ip, 1)
        case Traffic.TCP:
            return Frame(src.mac, dst.mac, ETH_IPV4, src.ip, dst.ip, 6, 40000, SERVICE)
