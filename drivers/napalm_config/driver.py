"""The NAPALM driver: one switch that is configured. Imports NAPALM when it first reaches the device."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any, ClassVar

from drivers.base import (
    EVERYTHING,
    ArpEntry,
    Capabilities,
    Change,
    DeadMan,
    DeviceDiff,
    DeviceFacts,
    DeviceRefused,
    DiffLine,
    Disconnected,
    DriverError,
    DriverEvent,
    Interface,
    MacEntry,
    ObservedRule,
    ObservedState,
    PortState,
    PreState,
    Receipt,
    ReceiptStatus,
    Reconnected,
    Scope,
)
from drivers.napalm_config import eos_config, eos_render
from drivers.napalm_config.eos_config import EosState, Seen
from drivers.napalm_config.eos_render import Commands, Confirm, Refusal
from drivers.napalm_config.options import NapalmOptions, Save
from drivers.napalm_config.session import LOG, Session
from drivers.napalm_config.watching import differences
from drivers.rules import Action, Direction, Mac, PortName, RuleSet, parse_mac

if find_spec("napalm") is None:  # said when the driver is loaded (see `registry`), not when a device is first reached
    raise ModuleNotFoundError("No module named 'napalm'", name="napalm")
READ_DEADLINE = 20.0
SESSION = "netcordon-"


class NapalmDriver:
    """Arista EOS. Denies by port: what comes in also by protocol and TCP or UDP ports, what goes out as a whole; and moves an access port
    into another VLAN. A commit stands under the device's own timer until `confirm`. `options` are NapalmOptions, or what makes them."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        matchable=frozenset(
            {
                (
                    Action.DENY,
                    Direction.FROM,
                    frozenset({"port", "protocol", "own_ports", "peer_ports", "established"}),
                ),
                (Action.DENY, Direction.TO, frozenset({"port"})),
                (Action.MOVE_VLAN, Direction.FROM, frozenset({"port"})),
            }
        ),
        transactional=True,
        dead_man=DeadMan(shortest=30, longest=3600),
        preview=True,
        events=True,
        advice="a list on a switch's port knows no MAC beside a protocol: contain the whole port, by profile full",
    )

    def __init__(self, device: str, options: NapalmOptions | Mapping[str, Any]) -> None:
        self._device = device
        self._options = options if isinstance(options, NapalmOptions) else NapalmOptions.model_validate(dict(options))
        self._session = Session(device, self._options)
        self._save_after: dict[str, bool] = {}
        self._closed = asyncio.Event()

    async def facts(self) -> DeviceFacts:
        """By NAPALM's getters. What is on no port of the device is left out; so are LLDP's neighbours: anybody who is plugged in may say
        that he is a switch, and an uplink is never contained. Which ports are uplinks, the configuration says."""
        told = await self._session.run(_facts, READ_DEADLINE)
        ports = frozenset(told["interfaces"])
        return DeviceFacts(
            device=self._device,
            boot_id=told["boot_id"],
            description=f"{told['facts']['hostname']} ({told['facts']['model']}, EOS {told['facts']['os_version']})",
            interfaces=tuple(_interface(name, one) for name, one in sorted(told["interfaces"].items())),
            vlans=tuple(sorted(int(vlan) for vlan in told["vlans"])),
            arp=tuple(_arp(one, ports) for one in told["arp"]),
            macs=tuple(
                MacEntry(parse_mac(one["mac"]), PortName(one["interface"]), one["vlan"])
                for one in told["macs"]
                if one["interface"] in ports
            ),
        )

    async def observe(self, scope: Scope = EVERYTHING) -> ObservedState:
        """The whole running configuration, whatever the scope; only what is asked for is told of it."""
        told = await self._session.run(_look, READ_DEADLINE)
        interfaces = told["interfaces"]
        seen = eos_config.read(told["running"], [PortName(name) for name in interfaces], told["ours"])
        rules = tuple(
            ObservedRule(rule, native)
            for rule, native in sorted(eos_config.held(seen).items())
            if scope.rule_ids is None or rule in scope.rule_ids
        )
        ports = {
            name: _port_state(state, interfaces.get(name, {}))
            for name, state in seen.ports.items()
            if scope.ports is None or name in scope.ports
        }
        return EosState(told["boot_id"], told["at"], rules, ports, seen=seen)

    def render(self, desired: RuleSet, observed: ObservedState, baseline: PreState) -> Change:
        """Needs an `observed` of this driver's own."""
        self.capabilities.require(desired)
        seen = observed.seen if isinstance(observed, EosState) else Seen()
        return eos_render.change(self._device, desired, seen, baseline)

    async def preview(self, change: Change) -> DeviceDiff:
        """The device's own diff, of a session that is thrown away again."""
        lines = _commands(change)
        if not lines:
            return change.lines

        def compare(napalm: Any) -> str:
            self._begin(napalm)
            napalm.load_merge_candidate(config=lines)
            diff = str(napalm.compare_config())
            napalm.discard_config()
            return diff

        diff = await self._session.run(compare, READ_DEADLINE)
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
        if not token.startswith(SESSION):
            raise DeviceRefused(f"{self._device}: {token!r} is no commit of ours")

        def settle(napalm: Any) -> None:
            self._settle(napalm, token)
            if self._save_after.pop(token, False):
                self._write(napalm)

        await self._session.run(settle, READ_DEADLINE)
        status = ReceiptStatus.PARTIAL if receipt.refused else ReceiptStatus.APPLIED
        return Receipt(self._device, status, receipt.refused)

    async def events(self) -> AsyncIterator[DriverEvent]:
        """What changes from one look to the next, every `poll` seconds: a switch that is configured reports nothing by itself."""
        before: DeviceFacts | None = None
        away = False
        while not self._closed.is_set():
            try:
                after = await self._glance()
            except DriverError as error:
                if not away and not self._closed.is_set():
                    yield Disconnected(self._device, time.time(), str(error))
                away = True
            else:
                if away:
                    yield Reconnected(self._device, time.time(), after.boot_id)
                for event in differences(self._device, before, after, time.time()):
                    yield event
                before, away = after, False
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), self._options.poll)

    async def _glance(self) -> DeviceFacts:
        """Ports and MACs, in one request: a push waits for it."""
        commands = ("show version", "show interfaces", "show mac address-table")
        version, interfaces, macs = await self._session.run(lambda napalm: _run(napalm, *commands), READ_DEADLINE)
        told = interfaces["interfaces"]
        ports = tuple(
            Interface(PortName(name), mac=_mac(one.get("physicalAddress")), up=one["lineProtocolStatus"] == "up")
            for name, one in sorted(told.items())
        )
        entries = tuple(
            MacEntry(parse_mac(one["macAddress"]), PortName(one["interface"]), one["vlanId"])
            for one in macs.get("unicastTable", {}).get("tableEntries", ())
            if one.get("interface") in told and one.get("entryType") == "dynamic"
        )
        return DeviceFacts(self._device, _boot_id(version), interfaces=ports, macs=entries)

    async def close(self) -> None:
        """Ends `events`."""
        self._closed.set()
        await self._session.close()

    def _begin(self, napalm: Any) -> None:
        """A session name of ours, so that what is left over of it is known; and what is left over of former ones goes."""
        told = _run(napalm, "show configuration sessions detail")[0]["sessions"]
        left = [name for name, one in told.items() if name.startswith(SESSION) and one["state"] == "pending"]
        if left:
            _run(napalm, *(f"configure session {name} abort" for name in left))
        napalm.config_session = SESSION + secrets.token_hex(4)

    def _push(self, napalm: Any, lines: list[str], confirm: str | None) -> str | None:
        """The name of the session that waits for its confirmation; None when nothing is left to confirm."""
        import pyeapi.eapilib
        from napalm.base.exceptions import CommitError

        save = self._options.save is Save.ALWAYS or (self._options.save is Save.IF_CLEAN_BEFORE and _is_clean(napalm))
        if confirm is not None:
            self._settle(napalm, confirm)
        if not lines:
            return None
        self._begin(napalm)
        name = str(napalm.config_session)
        self._session.sent = True
        napalm.load_merge_candidate(config=lines)
        try:
            napalm.commit_config(revert_in=self._options.revert_in)
        except (pyeapi.eapilib.CommandError, CommitError):
            napalm.discard_config()  # it said no; where no answer came, the session may be committed, and stays
            raise
        self._save_after = {name: save}
        return name

    def _settle(self, napalm: Any, name: str) -> None:
        """Confirm the commit that waits under this name. EOS would take a name that it does not know for a new session."""
        if _timed(_run(napalm, "show configuration sessions detail")[0]) != name:
            raise DeviceRefused(f"{self._device}: the commit was not confirmed in time, and the device has undone it")
        self._session.sent = True
        _run(napalm, f"configure session {name} commit")
        napalm.config_session = None

    def _write(self, napalm: Any) -> None:
        """A configuration that could not be saved stands all the same, until the device reboots: then it is pushed again."""
        import pyeapi.eapilib

        try:
            _run(napalm, "write memory")
        except pyeapi.eapilib.CommandError as error:
            LOG.warning("%s: the change stands and could not be saved: %s", self._device, error)


def _run(napalm: Any, *commands: str) -> list[Any]:
    """Commands that NAPALM has no method for, on its own session."""
    answers: list[Any] = napalm.device.run_commands(list(commands))
    return answers


def _is_clean(napalm: Any) -> bool:
    """Whether startup-config is what runs: only then does saving save nobody else's edits."""
    answer = napalm.device.run_commands(["show running-config diffs"], encoding="text")
    return not answer[0]["output"].strip()


def _boot_id(version: Mapping[str, Any]) -> str:
    return f"{version['serialNumber'] or version['systemMacAddress']}-{int(version['bootupTimestamp'])}"


def _look(napalm: Any) -> dict[str, Any]:
    at = time.time()
    version, sessions, interfaces = _run(
        napalm, "show version", "show configuration sessions detail", "show interfaces"
    )
    return {
        "at": at,
        "boot_id": _boot_id(version),
        "ours": _timed(sessions),
        "interfaces": interfaces["interfaces"],
        "running": napalm.get_config(retrieve="running")["running"],
    }


def _timed(sessions: Mapping[str, Any]) -> str | None:
    """The commit of ours that waits for its confirmation; before EOS 4.32 it is told by its state (as NAPALM reads it)."""
    named = sessions.get("commitTimerSessionName")
    waiting = (
        [named] if named else [n for n, one in sessions["sessions"].items() if "pendingCommitTimer" in one["state"]]
    )
    return next((name for name in waiting if name.startswith(SESSION)), None)


def _facts(napalm: Any) -> dict[str, Any]:
    return {
        "boot_id": _boot_id(_run(napalm, "show version")[0]),
        "facts": napalm.get_facts(),
        "interfaces": napalm.get_interfaces(),
        "vlans": napalm.get_vlans(),
        "macs": napalm.get_mac_address_table(),
        "arp": napalm.get_arp_table(),
    }


def _interface(name: str, told: Mapping[str, Any]) -> Interface:
    return Interface(PortName(name), mac=_mac(told["mac_address"]), up=bool(told["is_up"]))


def _mac(address: str | None) -> Mac | None:
    return parse_mac(address) if address else None


def _arp(told: Mapping[str, Any], ports: frozenset[str]) -> ArpEntry:
    """`Vlan10, Ethernet4` is an address of VLAN 10 that was learnt at port 4."""
    port = next((part for part in told["interface"].split(", ") if part in ports), None)
    return ArpEntry(ip_address(told["ip"]), parse_mac(told["mac"]), None if port is None else PortName(port))


def _port_state(state: eos_config.SeenPort, told: Mapping[str, Any]) -> PortState:
    counted = told.get("interfaceCounters", {})
    settings: dict[str, str | int | bool | None] = {"vlan": state.vlan}
    settings |= {" ".join(place): state.bound.get(place) for place in _places()}
    return PortState(
        told.get("lineProtocolStatus") == "up", settings, counted.get("inUcastPkts"), counted.get("outUcastPkts")
    )


def _places() -> Iterator[eos_config.Place]:
    return ((family, way) for family in eos_config.FAMILIES for way in eos_config.WAYS)


def _commands(change: Change) -> list[str]:
    return [line for one in change.messages if isinstance(one, Commands) for line in one.lines]
