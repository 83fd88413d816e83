"""The driver for devices with a command line: what differs from platform to platform is its platform's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from drivers.base import (
    EVERYTHING,
    Capabilities,
    Change,
    DeviceDiff,
    DeviceFacts,
    Driver,
    DriverEvent,
    ObservedState,
    PreState,
    Receipt,
    ReceiptStatus,
    Scope,
    UnsupportedAction,
)
from drivers.netmiko_cli.linux import LinuxPlatform
from drivers.netmiko_cli.messages import Refusal
from drivers.netmiko_cli.options import CiscoIosOptions, Named, NetmikoOptions
from drivers.netmiko_cli.ovs import OvsPlatform
from drivers.netmiko_cli.platform import Platform
from drivers.rules import RuleSet
from drivers.warm_session import WarmSession
from drivers.watching import watch

if TYPE_CHECKING:
    from drivers.netmiko_cli.shell import Shell

if find_spec("netmiko") is None:  # said when the driver is loaded (see `registry`), not when a device is first reached
    raise ModuleNotFoundError("No module named 'netmiko'", name="netmiko")
READ_DEADLINE = 20.0
T = TypeVar("T")


def driver_for(device: str, options: NetmikoOptions | CiscoIosOptions | Mapping[str, Any]) -> Driver:
    """The driver that the options' platform asks for. Raises pydantic's ValidationError."""
    if isinstance(options, Mapping):
        is_cisco = Named.model_validate(dict(options)).platform == "cisco_ios"
        options = (CiscoIosOptions if is_cisco else NetmikoOptions).model_validate(dict(options))
    if isinstance(options, CiscoIosOptions):
        from drivers.netmiko_cli.cisco_ios import CiscoIosDriver

        return CiscoIosDriver(device, options)
    return NetmikoDriver(device, options)


class NetmikoDriver:
    """A host with a shell. What is sent is one script that the device takes as a whole or not at all; nothing waits for a confirmation.
    `options` are NetmikoOptions, or what makes them."""

    def __init__(self, device: str, options: NetmikoOptions | Mapping[str, Any]) -> None:
        self._device = device
        self._options = options if isinstance(options, NetmikoOptions) else NetmikoOptions.model_validate(dict(options))
        self._platform = _platform(device, self._options)
        self._session = Session(device, self._options)
        self._closed = asyncio.Event()

    @property
    def capabilities(self) -> Capabilities:
        return self._platform.capabilities

    async def facts(self) -> DeviceFacts:
        """As of now. What a neighbour says of himself by LLDP or STP is not believed: which ports are uplinks, the configuration says."""
        return self._platform.facts(await self._session.run(self._platform.look, READ_DEADLINE))

    async def observe(self, scope: Scope = EVERYTHING) -> ObservedState:
        """A look at all, whatever the scope; only what is asked for is told of it."""
        return self._platform.observed(await self._session.run(self._platform.look, READ_DEADLINE), scope)

    def render(self, desired: RuleSet, observed: ObservedState, baseline: PreState) -> Change:
        """Needs an `observed` of this driver's own."""
        self.capabilities.require(desired)
        return self._platform.render(desired, observed, baseline)

    async def preview(self, change: Change) -> DeviceDiff:
        """The change line by line, once the device's own tool has judged that it would take it. Raises DeviceRefused."""
        if not self.capabilities.preview:
            raise UnsupportedAction(f"{self._device}: it has no dry run of its own")
        await self._session.run(lambda shell: self._platform.check(shell, change), READ_DEADLINE)
        return change.lines

    async def apply(self, change: Change, deadline: float) -> Receipt:
        """All of it, or DeviceRefused: the device's tool takes a script as a whole."""
        refused = {one.rule: one.reason for one in change.messages if isinstance(one, Refusal)}
        if len(change.messages) == len(refused):
            return Receipt(self._device, ReceiptStatus.REFUSED if refused else ReceiptStatus.UNCHANGED, refused)

        def push(shell: Shell) -> None:
            self._session.sending()
            self._platform.push(shell, change)

        await self._session.run(push, deadline)
        return Receipt(self._device, ReceiptStatus.PARTIAL if refused else ReceiptStatus.APPLIED, refused)

    async def confirm(self, receipt: Receipt) -> Receipt:
        """Nothing waits for one."""
        return receipt

    async def events(self) -> AsyncIterator[DriverEvent]:
        """What changes from one look to the next, every `poll` seconds: such a device reports nothing by itself."""
        async for event in watch(self._device, self.facts, self._options.poll, self._closed):
            yield event

    async def close(self) -> None:
        """Ends `events`."""
        self._closed.set()
        await self._session.close()


class Session(WarmSession["Shell"]):
    """What `run` calls gets the open shell."""

    def __init__(self, device: str, options: NetmikoOptions) -> None:
        super().__init__(device)
        self._options = options

    def _new_line(self) -> Shell:
        from drivers.netmiko_cli.shell import Shell

        return Shell(self._device, self._options)

    def _use(self, line: Shell, work: Callable[[Any], T]) -> T:
        if not line.stands:
            if (
                line.was_open
            ):  # the device ended it while nobody used it: nothing is lost, and the next line is a new one
                self._line = line = self._new_line()
            line.open()
        return work(line)


def _platform(device: str, options: NetmikoOptions) -> Platform:
    if options.bridge is not None:
        return OvsPlatform(device, options.bridge, options.sudo)
    return LinuxPlatform(device, options.sudo)
