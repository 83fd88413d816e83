"""The contract suite's bench for the NAPALM driver's platform eos: a virtual switch with real frames, and eAPI that is really cut."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.base import Change
from drivers.napalm_config.commands import unknown
from drivers.napalm_config.driver import NapalmDriver
from drivers.napalm_config.eos_commands import COMMANDS
from drivers.napalm_config.options import EosOptions, Save
from tests.contract.vendor_bench import HOSTS, VendorBench
from tests.vendor_lab import start_eos
from topologies.vendor.eapi import Eapi
from topologies.vendor.eos import TIMED, EosSwitch
from topologies.vendor.eos_grammar import GRAMMAR

CUTS = (0, 3, 4, 6, 7, 8)
"""Of the nine requests that a look, a push and its confirmation are made of, where nothing is saved: the first look, the candidate, a
question before the commit, the commit, a question before its confirmation, and that."""


@dataclass
class EosLab:
    """What all tests share, since it takes seconds to start."""

    net: Any
    switch: EosSwitch
    eapi: Eapi
    options: EosOptions

    @asynccontextmanager
    async def bench(self) -> AsyncIterator[EosBench]:
        """A bench on a switch that was just switched on. What a test left of ours is the test's own assertion."""
        self.switch.faults.unreachable, self.switch.faults.sever = False, None
        self.switch.reload()
        bench = EosBench(self)
        try:
            yield bench
        finally:
            await bench.driver.close()
            bench.wires.close()
            self.switch.reload()


@contextmanager
def running_eos(folder: Path, hosts: int = HOSTS) -> Iterator[EosLab]:
    net, node = start_eos(hosts, folder / "flash")
    try:
        assert node.eos is not None
        assert node.eapi is not None
        secret = folder / "password"
        secret.touch(0o600)
        secret.write_text("admin\n")
        options = EosOptions(
            platform="eos",
            host="127.0.0.1",
            port=node.eapi.port,
            username="admin",
            password_file=secret,
            ca=node.certificate,
            save=Save.NEVER,
            poll=0.2,
            bounce_for=0.5,
        )
        yield EosLab(net, node.eos, node.eapi, options)
        assert not unknown(sorted(node.eapi.heard), COMMANDS), "commands that `netcordon commands eos` does not print"
    finally:
        net.stop()


class EosBench(VendorBench):
    PORT = "Ethernet"

    def __init__(self, lab: EosLab) -> None:
        super().__init__(lab.net, lab.switch.faults, NapalmDriver("eos-1", lab.options))
        self._switch = lab.switch

    async def whole_state(self) -> object:
        """The running configuration, and whether a timer is about to undo it. A session that nobody committed changes nothing."""
        with self._switch.lock:
            timed = [name for name, one in self._switch.sessions.items() if one.state == TIMED]
            return self._switch.running.text(GRAMMAR), timed

    def cut_points(self, change: Change) -> Sequence[int]:
        """Requests, from the look that comes first to the confirmation. Each is lost once it is run, before its answer: from the outside
        the next one's being lost before it is run is the same."""
        return CUTS

    async def wipe(self) -> None:
        with self._switch.lock:
            ours = [name for name in self._switch.running.sections if " NETCORDON-" in name]
            bound = [
                (header, line)
                for header, lines in self._switch.running.sections.items()
                for line in lines
                if "access-group NETCORDON-" in line
            ]
        self._switch.edit([word for header, line in bound for word in (header, f"no {line}")])
        self._switch.edit([f"no {name}" for name in ours])

    async def foreign(self) -> None:
        """A list on a port that ours would go to, unless it is there already, one on another, and things that are nobody's business."""
        lists = ["ip access-list THEIRS", "10 permit tcp any any eq 8080", "20 permit ip any any"]
        taken = any("ip access-group" in line for line in self._switch.running.section("interface Ethernet1"))
        self._switch.edit([*lists, "interface Ethernet1", "description meeting room"])
        if not taken:
            self._switch.edit(["interface Ethernet1", "ip access-group THEIRS in"])
        self._switch.edit(
            ["mac access-list NOLLDP", "10 deny any any lldp", "20 permit any any", "interface Ethernet2"]
        )
        self._switch.edit(["interface Ethernet2", "mac access-group NOLLDP in", "vlan 30", "name guests"])
