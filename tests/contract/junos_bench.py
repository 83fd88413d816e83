"""The contract suite's bench for the NAPALM driver's platform junos: a virtual switch with real frames, and NETCONF that is really cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ncclient.transport.session

from drivers.base import Change
from drivers.napalm_config.commands import unknown
from drivers.napalm_config.driver import NapalmDriver
from drivers.napalm_config.junos_commands import COMMANDS
from drivers.napalm_config.options import JunosOptions
from tests.contract.vendor_bench import HOSTS, VendorBench
from tests.openflow_lab import wait_for
from tests.vendor_lab import start_junos
from topologies.vendor.junos import ACTIVE, JunosSwitch
from topologies.vendor.junos_forwarding import SWITCHED, below, value
from topologies.vendor.junos_grammar import PORT
from topologies.vendor.ssh_front import SshFront

CUTS = (5, 6, 7, 12)
"""Of the requests that a look (four), a push and its confirmation are made of: the lock, the load, the commit under a timer, the check
that confirms."""


@dataclass
class JunosLab:
    """What all tests share, since it takes seconds to start."""

    net: Any
    switch: JunosSwitch
    front: SshFront
    options: JunosOptions
    start: str

    @asynccontextmanager
    async def bench(self) -> AsyncIterator[JunosBench]:
        """A bench on a switch as it came. What a test left of ours is the test's own assertion."""
        self._afresh()
        bench = JunosBench(self)
        try:
            yield bench
        finally:
            await bench.driver.close()
            bench.wires.close()
            self._afresh()

    def _afresh(self) -> None:
        self.switch.faults.unreachable, self.switch.faults.sever = False, None
        (self.switch.flash / ACTIVE).write_text(self.start)
        self.switch.reload()


@contextmanager
def running_junos(folder: Path, hosts: int = HOSTS) -> Iterator[JunosLab]:
    net, node = start_junos(hosts, folder / "flash")
    tick, ncclient.transport.session.TICK = ncclient.transport.session.TICK, 0.005  # else each request waits for it
    try:
        assert node.junos is not None
        assert node.ssh is not None
        secret = folder / "password"
        secret.touch(0o600)
        secret.write_text("admin\n")
        options = JunosOptions(
            host="127.0.0.1",
            port=node.ssh.port,
            username="admin",
            password_file=secret,
            known_hosts=node.ssh.write_known_hosts(folder / "known_hosts"),
            poll=0.2,
            bounce_for=0.5,
        )
        yield JunosLab(net, node.junos, node.ssh, options, node.junos.text())
        assert not unknown(sorted(node.ssh.heard), COMMANDS), "requests that `netcordon commands junos` does not print"
    finally:
        ncclient.transport.session.TICK = tick
        net.stop()


class JunosBench(VendorBench):
    PORT = PORT

    def __init__(self, lab: JunosLab) -> None:
        super().__init__(lab.net, lab.switch.faults, NapalmDriver("junos-1", lab.options))
        self._lab, self._switch = lab, lab.switch

    async def whole_state(self) -> object:
        """What is committed, what is not yet, and whether a timer is about to undo it."""
        with self._switch.lock:
            return self._switch.text(), self._switch.is_changed, self._switch.before is not None

    async def lose_session(self) -> None:
        self._switch.faults.unreachable = True
        await asyncio.to_thread(wait_for, "hanging up", lambda: self._lab.front.connections == 0)

    def cut_points(self, change: Change) -> Sequence[int]:
        """Requests, from the look that comes first to the confirmation. Each is lost once it is run, before its answer: from the outside
        the next one's being lost before it is run is the same."""
        return CUTS

    async def wipe(self) -> None:
        with self._switch.lock:
            filters = below(self._switch.committed, ("firewall",), SWITCHED)
            ours = [key[1] for key in filters if key[0] == "filter" and key[1].startswith("NETCORDON-")]
            bound = [
                f"interfaces {name[0]} unit 0 family ethernet-switching filter {way}"
                for name, inside in below(self._switch.committed, ("interfaces",)).items()
                for way in ("input", "output")
                if value(below(inside, ("unit", "0"), SWITCHED, ("filter",)), way) in ours
            ]
        gone = [*bound, *(f"firewall family ethernet-switching filter {name}" for name in ours)]
        self._switch.edit([f"delete {one}" for one in gone])

    async def foreign(self) -> None:
        """A filter on another port, and things that are nobody's business."""
        theirs = "set firewall family ethernet-switching filter THEIRS term"
        self._switch.edit(
            [
                f"{theirs} lldp from ether-type 0x88cc",
                f"{theirs} lldp then discard",
                f"{theirs} rest then accept",
                f'set interfaces {PORT}1 description "meeting room"',
                f"set interfaces {PORT}4 unit 0 family ethernet-switching filter input THEIRS",
                "set vlans guests vlan-id 30",
            ]
        )
