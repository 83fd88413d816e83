"""The contract suite's bench for the NAPALM driver's platform nxos: a virtual switch with real frames, and SSH that is really cut."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.base import Change
from drivers.napalm_config.commands import unknown
from drivers.napalm_config.driver import NapalmDriver
from drivers.napalm_config.messages import Commands
from drivers.napalm_config.nxos_commands import COMMANDS
from drivers.napalm_config.options import NxosOptions, Save
from tests.contract.vendor_bench import HOSTS, VendorBench
from tests.vendor_lab import start_nxos
from topologies.vendor.nxos import NxosSwitch
from topologies.vendor.nxos_grammar import LISTS, PORT

LOOK = 6
"""Commands of a look: version, uptime, ports, VLANs, room, configuration."""


@dataclass
class NxosLab:
    """What all tests share, since it takes seconds to start."""

    net: Any
    switch: NxosSwitch
    options: NxosOptions

    @asynccontextmanager
    async def bench(self) -> AsyncIterator[NxosBench]:
        """A bench on a switch that was just switched on. What a test left of ours is the test's own assertion."""
        self._afresh()
        bench = NxosBench(self)
        try:
            yield bench
        finally:
            await bench.driver.close()
            bench.wires.close()
            self._afresh()

    def _afresh(self) -> None:
        self.switch.faults.unreachable, self.switch.faults.sever = False, None
        self.switch.reload()


@contextmanager
def running_nxos(folder: Path, hosts: int = HOSTS) -> Iterator[NxosLab]:
    net, node = start_nxos(hosts, folder / "flash")
    try:
        assert node.nxos is not None
        assert node.ssh is not None
        secret = folder / "password"
        secret.touch(0o600)
        secret.write_text("admin\n")
        options = NxosOptions(
            host="127.0.0.1",
            port=node.ssh.port,
            username="admin",
            password_file=secret,
            known_hosts=node.ssh.write_known_hosts(folder / "known_hosts"),
            save=Save.NEVER,
            poll=0.2,
        )
        yield NxosLab(net, node.nxos, options)
        assert unknown(sorted(node.ssh.heard), COMMANDS) == [], "commands that `netcordon commands nxos` does not print"
    finally:
        net.stop()


class NxosBench(VendorBench):
    PORT = PORT

    def __init__(self, lab: NxosLab) -> None:
        super().__init__(lab.net, lab.switch.faults, NapalmDriver("nxos-1", lab.options))
        self._switch = lab.switch

    async def whole_state(self) -> object:
        """The running configuration, and whether a timer is about to undo it."""
        with self._switch.lock:
            return self._switch.text(), self._switch.unconfirmed is not None

    async def restore_session(self) -> None:
        """Not before the timer of a commit has run out whose session was lost: until then the driver sends nothing."""
        self._switch.expire()
        self._switch.faults.unreachable, self._switch.faults.sever = False, None

    def cut_points(self, change: Change) -> Sequence[int]:
        """Commands, from the look that comes first to the confirmation: the first line that is staged, the commit under its timer, the
        confirmation. Each is lost once it is run, before its answer: from the outside the next one's being lost before it is run is the
        same."""
        lines = sum(len(one.lines) for one in change.messages if isinstance(one, Commands))
        staged = LOOK + 2  # the configuration as it is, and the mode
        return staged, staged + lines, staged + lines + 3

    async def wipe(self) -> None:
        with self._switch.lock:
            sections = self._switch.running.sections
            ours = [name for name in sections if name.startswith(tuple(LISTS.values())) and " NETCORDON-" in name]
            bound = [(port, line) for port, lines in sections.items() for line in lines if " NETCORDON-" in line]
        self._switch.edit([word for port, line in bound for word in (port, f"no {line}")])
        self._switch.edit([f"no {name}" for name in ours])

    async def foreign(self) -> None:
        """A list on a port that ours would go to, unless it is there already, one on another, and things that are nobody's business."""
        port = f"interface {PORT}1"
        taken = any("ip port access-group" in line for line in self._switch.running.section(port))
        bind = [] if taken else ["ip port access-group THEIRS in"]
        self._switch.edit(["ip access-list THEIRS", "permit tcp any any eq 8080", "permit ip any any"])
        self._switch.edit([port, "description meeting room", *bind])
        self._switch.edit(["mac access-list NOLLDP", "deny any any 0x88cc", "permit any any"])
        self._switch.edit([f"interface {PORT}2", "mac port access-group NOLLDP", "vlan 30", "name guests"])
