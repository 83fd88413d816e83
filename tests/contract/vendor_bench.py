"""What the contract suite's benches of virtual vendor switches have in common: hosts on its ports, and a session that is really cut."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any, ClassVar

from drivers.base import Driver
from drivers.rules import Mac, PortName
from tests.contract.bench import Station, Traffic
from tests.contract.wires import Wires
from topologies.vendor.faults import Faults, Sever

HOSTS = 5
"""Three stations, and two for `Wires`."""


class VendorBench:
    """Host n is on the port whose name ends in n, after `PORT`. What somebody else does to the switch, he types there."""

    flag: str | None = None
    PORT: ClassVar[str]

    def __init__(self, net: Any, faults: Faults, driver: Driver) -> None:
        self._net, self._faults = net, faults
        self.wires = Wires(net.hosts)
        self.driver = driver
        self.rogue, self.neighbour, self.bystander = (self.station(number) for number in (1, 2, 3))

    @classmethod
    def station(cls, number: int) -> Station:
        mac = Mac(f"02:00:00:00:00:{number:02x}")
        return Station(PortName(f"{cls.PORT}{number}"), mac, IPv4Address(f"10.0.0.{number}"))

    async def delivers(self, src: Station, dst: Station, traffic: Traffic) -> bool:
        return self.wires.delivers(src, dst, traffic)

    async def lose_session(self) -> None:
        self._faults.unreachable = True

    async def restore_session(self) -> None:
        self._faults.unreachable, self._faults.sever = False, None

    async def cut_after(self, messages: int) -> None:
        self._faults.sever = (messages, Sever.AFTER)

    async def set_flag(self, port: PortName, on: bool) -> None:
        raise AssertionError("it has no flag")

    async def set_link(self, port: PortName, up: bool) -> None:
        host = self._net.get(f"h{port.removeprefix(self.PORT)}")
        host.cmd(f"ip link set {host.defaultIntf()} {'up' if up else 'down'}")
