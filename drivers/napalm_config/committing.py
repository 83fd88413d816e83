"""A driver for one switch that is configured, whose changes wait for a confirmation where it has a timer. What differs from platform to
platform is its platform's (`platform.py`): also by which library the device is reached."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from drivers.base import (
    EVERYTHING,
    ArpEntry,
    Capabilities,
    Change,
    DeviceDiff,
    DeviceFacts,
    DeviceRefused,
    DiffLine,
    DriverEvent,
    Interface,
    MacEntry,
    ObservedState,
    PreState,
    Receipt,
    ReceiptStatus,
    Scope,
    UnsupportedAction,
)
from drivers.napalm_config.messages import Commands, Confirm, Refusal
from drivers.napalm_config.options import DeviceOptions, Save
from drivers.napalm_config.platform import COMMIT, Platform
from drivers.napalm_config.session import Session
from drivers.rules import PortName, RuleSet, parse_mac
from drivers.watching import watch

READ_DEADLINE = 20.0


class CommittingDriver:
    """A commit stands under the device's own timer until `confirm`, where it has one."""

    def __init__(self, device: str, options: DeviceOptions, platform: Platform) -> None:
        self._device, self._options, self._platform = device, options, platform
        self._session = Session(device, options, platform)
        self._save_after: dict[str, bool] = {}
        self._closed = asyncio.Event()

    @property
    def capabilities(self) -> Capabilities:
        return self._platform.capabilities

    async def facts(self) -> DeviceFacts:
        """By NAPALM's getters, or what answers like them. What is on no port of the device is left out; so are LLDP's neighbours: anybody
        who is plugged in may say that he is a switch, and an uplink is never contained. Which ports are uplinks, the configuration says."""
        told = await self._session.run(self._facts, READ_DEADLINE)
        port_of = self._platform.port_of
        ports = frozenset(name for name in told["interfaces"] if port_of(name) == name)
        named = f"{self._platform.name} {told['facts']['os_version']}"
        return DeviceFacts(
            device=self._device,
            boot_id=told["boot_id"],
            description=f"{told['facts']['hostname']} ({told['facts']['model']}, {named})",
            interfaces=tuple(_interface(name, told["interfaces"][name]) for name in sorted(ports)),
            vlans=tuple(sorted(int(vlan) for vlan in told["vlans"])),
            arp=tuple(_arp(one, ports) for one in told["arp"]),
            macs=tuple(
                MacEntry(parse_mac(one["mac"]), PortName(port_of(one["interface"])), one["vlan"])
                for one in told["macs"]
                if port_of(one["interface"]) in ports
            ),
        )

    async def observe(self, scope: Scope = EVERYTHING) -> ObservedState:
        """The whole running configuration, whatever the scope; only what is asked for is told of it."""
        state = await self._session.run(self._platform.look, READ_DEADLINE)
        rules = tuple(one for one in state.rules if scope.rule_ids is None or one.rule_id in scope.rule_ids)
        ports = {name: port for name, port in state.ports.items() if scope.ports is None or name in scope.ports}
        return replace(state, rules=rules, ports=ports)

    def render(self, desired: RuleSet, observed: ObservedState, baseline: PreState) -> Change:
        """Needs an `observed` of this driver's own."""
        self.capabilities.require(desired)
        return self._platform.render(desired, observed, baseline)

    async def preview(self, change: Change) -> DeviceDiff:
        """The device's own diff, of what is thrown away again."""
        if not self.capabilities.preview:
            raise UnsupportedAction(f"{self._device}: it has no dry run of its own")
        lines = _commands(change)
        if not lines:
            return change.lines
        diff = await self._session.run(lambda napalm: self._platform.compare(napalm, lines), READ_DEADLINE)
        return tuple(DiffLine(line[0] if line[:1] in ("+", "-") else " ", line) for line in diff.splitlines())

    async def apply(self, change: Change, deadline: float) -> Receipt:
        """Commit under a timer, or raise: nothing of it stands when the device refuses any line. A former commit of ours that waits is
        confirmed first: it was read back, so the device was reached after it."""
        refused = {one.rule: one.reason for one in change.messages if isinstance(one, Refusal)}
        confirm = next((one.session for one in change.messages if isinstance(one, Confirm)), None)
        lines = _commands(change)
        if not lines and confirm is None:
            status = ReceiptStatus.REFUSED if refused else ReceiptStatus.UNCHANGED
            return Receipt(self._device, status, refused)
        token = await self._session.run(lambda napalm: self._push(napalm, lines, confirm), deadline)
        if token is None:
            return Receipt(self._device, ReceiptStatus.PARTIAL if refused else ReceiptStatus.APPLIED, refused)
        until = time.time() + self._options.revert_in
        return Receipt(self._device, ReceiptStatus.UNCONFIRMED, refused, until, token)

    async def confirm(self, receipt: Receipt) -> Receipt:
        """The device is reached anew for it. Raises DeviceRefused when the timer has run out already: the commit is undone."""
        token = receipt.token
        if receipt.status is not ReceiptStatus.UNCONFIRMED or token is None:
            return receipt
        if not token.startswith(COMMIT):
            raise DeviceRefused(f"{self._device}: {token!r} is no commit of ours")

        def settle(napalm: Any) -> None:
            self._platform.settle(napalm, token, self._session.sending)
            if self._save_after.pop(token, False):
                self._platform.save(napalm)

        await self._session.run(settle, READ_DEADLINE)
        status = ReceiptStatus.PARTIAL if receipt.refused else ReceiptStatus.APPLIED
        return Receipt(self._device, status, receipt.refused)

    async def events(self) -> AsyncIterator[DriverEvent]:
        """What changes from one look to the next, every `poll` seconds: a switch that is configured reports nothing by itself."""
        async for event in watch(self._device, self._glance, self._options.poll, self._closed):
            yield event

    async def _glance(self) -> DeviceFacts:
        return await self._session.run(self._platform.glance, READ_DEADLINE)

    async def close(self) -> None:
        """Ends `events`."""
        self._closed.set()
        await self._session.close()

    def _push(self, napalm: Any, lines: list[str], confirm: str | None) -> str | None:
        """The token of the commit that waits for its confirmation; None when nothing is left to confirm."""
        wish = self._options.save
        save = wish is Save.ALWAYS or (wish is Save.IF_CLEAN_BEFORE and self._platform.is_clean(napalm))
        if confirm is not None:
            self._platform.settle(napalm, confirm, self._session.sending)
        if not lines:
            return None
        token = self._platform.commit(napalm, lines, self._session.sending)
        if token is not None:
            self._save_after = {token: save}
        elif save:
            self._platform.save(napalm)
        return token

    def _facts(self, napalm: Any) -> dict[str, Any]:
        return {
            "boot_id": self._platform.boot_id(napalm),
            "facts": napalm.get_facts(),
            "interfaces": napalm.get_interfaces(),
            "vlans": napalm.get_vlans(),
            "macs": napalm.get_mac_address_table(),
            "arp": napalm.get_arp_table(),
        }


def _interface(name: str, told: Mapping[str, Any]) -> Interface:
    return Interface(
        PortName(name), mac=parse_mac(mac) if (mac := told["mac_address"]) else None, up=bool(told["is_up"])
    )


def _arp(told: Mapping[str, Any], ports: frozenset[str]) -> ArpEntry:
    """`Vlan10, Ethernet4` is an address of VLAN 10 that was learnt at port 4."""
    port = next((part for part in told["interface"].split(", ") if part in ports), None)
    return ArpEntry(ip_address(told["ip"]), parse_mac(told["mac"]), None if port is None else PortName(port))


def _commands(change: Change) -> list[str]:
    return [line for one in change.messages if isinstance(one, Commands) for line in one.lines]
