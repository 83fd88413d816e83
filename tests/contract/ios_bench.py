"""The contract suite's bench for an IOS switch, through NAPALM or by Netmiko's cisco_ios: a virtual switch with real frames, and SSH that
is really cut."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.base import Change
from drivers.napalm_config.commands import unknown
from drivers.napalm_config.driver import NapalmDriver
from drivers.napalm_config.ios_commands import COMMANDS
from drivers.napalm_config.messages import Commands
from drivers.napalm_config.options import IosOptions, Save
from drivers.netmiko_cli.cisco_ios import CiscoIosDriver
from drivers.netmiko_cli.commands import COMMANDS as OF_NETMIKO
from drivers.netmiko_cli.options import CiscoIosOptions
from tests.contract.vendor_bench import HOSTS, VendorBench
from tests.vendor_lab import start_ios
from topologies.vendor.ios import IosSwitch
from topologies.vendor.ios_grammar import LISTS, PORT

CUTS = (13, 17, 21)
"""Of the commands and files that a look (six), a push and its confirmation over a new connection are made of, where nothing is saved: the
timer that starts, the lines that count, the confirmation. What comes before changes nothing there (tests/unit/test_napalm_ios.py)."""

TYPED_FROM = 11
"""The first of the lines that are typed, counted likewise."""


@dataclass
class IosLab:
    """What all tests share, since it takes seconds to start."""

    net: Any
    switch: IosSwitch
    options: IosOptions | CiscoIosOptions

    @asynccontextmanager
    async def bench(self) -> AsyncIterator[IosBench]:
        """A bench on a switch that was just switched on. What a test left of ours is the test's own assertion."""
        self._afresh()
        bench = IosBench(self)
        try:
            yield bench
        finally:
            await bench.driver.close()
            bench.wires.close()
            self._afresh()

    def _afresh(self) -> None:
        """VLANs are no part of the startup configuration: VTP keeps them."""
        self.switch.faults.unreachable, self.switch.faults.sever = False, None
        self.switch.reload()
        self.switch.edit([f"no vlan {number}" for number in self.switch.running.of("vlan")])


@contextmanager
def running_ios(
    folder: Path, hosts: int = HOSTS, kind: type[IosOptions] | type[CiscoIosOptions] = IosOptions
) -> Iterator[IosLab]:
    net, node = start_ios(hosts, folder / "flash")
    try:
        assert node.ios is not None
        assert node.ssh is not None
        secret = folder / "password"
        secret.touch(0o600)
        secret.write_text("admin\n")
        options = kind(
            host="127.0.0.1",
            port=node.ssh.port,
            username="admin",
            password_file=secret,
            known_hosts=node.ssh.write_known_hosts(folder / "known_hosts"),
            port_lists_out=True,
            save=Save.NEVER,
            poll=0.2,
        )
        yield IosLab(net, node.ios, options)
        listed = COMMANDS if kind is IosOptions else OF_NETMIKO[options.platform]
        assert not unknown([line.strip() for line in sorted(node.ssh.heard)], listed), (
            f"not among `netcordon commands {options.platform}`"
        )
    finally:
        net.stop()


class IosBench(VendorBench):
    PORT = PORT

    def __init__(self, lab: IosLab) -> None:
        options = lab.options
        driver = NapalmDriver("ios-1", options) if isinstance(options, IosOptions) else CiscoIosDriver("ios-1", options)
        super().__init__(lab.net, lab.switch.faults, driver)
        self._switch = lab.switch

    async def whole_state(self) -> object:
        """The running configuration with the VLANs that it does not show, and whether a timer is about to undo it."""
        with self._switch.lock:
            return self._switch.text(), self._switch.running.of("vlan"), self._switch.unconfirmed is not None

    def cut_points(self, change: Change) -> Sequence[int]:
        """Commands, from the look that comes first to the confirmation. Each is lost once it is run, before its answer: from the outside
        the next one's being lost before it is run is the same."""
        if isinstance(self.driver, NapalmDriver):
            return CUTS
        end = TYPED_FROM + sum(len(one.lines) for one in change.messages if isinstance(one, Commands))
        return (TYPED_FROM + end) // 2, end + 4

    async def wipe(self) -> None:
        with self._switch.lock:
            sections = self._switch.running.sections
            ours = [name for name in sections if name.startswith(LISTS) and " NETCORDON-" in name]
            bound = [(port, line) for port, lines in sections.items() for line in lines if " NETCORDON-" in line]
        self._switch.edit([word for port, line in bound for word in (port, f"no {line}")])
        self._switch.edit([f"no {name}" for name in ours])

    async def foreign(self) -> None:
        """A list on a port that ours would go to, unless it is there already, one on another, and things that are nobody's business."""
        port = f"interface {PORT}1"
        taken = any("ip access-group" in line for line in self._switch.running.section(port))
        lists = ["ip access-list extended THEIRS", "permit tcp any any eq 8080", "permit ip any any"]
        self._switch.edit([*lists, port, "description meeting room", *([] if taken else ["ip access-group THEIRS in"])])
        self._switch.edit(["mac access-list extended NOLLDP", "deny any any 0x88cc 0x0", "permit any any"])
        self._switch.edit([f"interface {PORT}2", "mac access-group NOLLDP in", "vlan 30", "name guests"])
