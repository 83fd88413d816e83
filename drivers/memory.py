"""The shipped double: a driver for a device that lives in this process. Its registered name is "memory".

Like the OpenFlow driver it renders a DENY of everything TO a port as the port's `no_fwd` setting with a marker that
says whose it is; the read-back names that rule only while both stand. And it keeps a witness for each port with a DENY
of all that the port (or one MAC on it) sends: `ObservedRule(rule_id="witness:<port>")` counts the frames from there
that passed. Witnesses are the driver's own infrastructure, in no `RuleSet` and in no `Change.rule_ids`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, ClassVar

from drivers.base import (
    EVERYTHING,
    Capabilities,
    Change,
    DeviceDiff,
    DeviceFacts,
    DeviceUnreachable,
    DiffLine,
    DriverEvent,
    Interface,
    ObservedState,
    OutcomeUnknown,
    PortState,
    PreState,
    Receipt,
    ReceiptStatus,
    Scope,
)
from drivers.memory_device import (
    MARKER,
    NO_FWD,
    WITNESS,
    Behaviour,
    MemoryDevice,
    MemoryOptions,
    MemoryPort,
    Message,
    Put,
    Remove,
    SetNoFwd,
    native,
)
from drivers.rules import Action, Direction, Match, PortName, Provenance, Rule, RuleSet

__all__ = ["Behaviour", "MemoryDevice", "MemoryDriver", "MemoryOptions", "MemoryPort"]

FIELDS = frozenset(Match.__slots__) - {"direction"}


class MemoryDriver:
    """Implements `drivers.base.Driver` for a `MemoryDevice`. Several drivers may have one device."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        matchable=frozenset(
            (action, direction, FIELDS)
            for action in (Action.DENY, Action.PERMIT, Action.COUNT)
            for direction in Direction
        ),
        counters=True,
        preview=True,
        events=True,
    )

    def __init__(self, device: MemoryDevice) -> None:
        self.device = device
        self._queue: asyncio.Queue[DriverEvent | None] = asyncio.Queue()
        self._open = True
        device.listeners.append(self._queue)

    @classmethod
    def configured(cls, device_id: str, options: Mapping[str, Any]) -> MemoryDriver:
        """A driver and a new device, from configuration. Raises pydantic's ValidationError."""
        return cls(MemoryDevice(device_id, MemoryOptions.model_validate(options)))

    async def facts(self) -> DeviceFacts:
        self._require_session()
        device = self.device
        return DeviceFacts(
            device=device.name,
            boot_id=device.boot_id,
            description="in-process device",
            management=device.management,
            interfaces=tuple(
                Interface(name, number, up=p.up) for number, (name, p) in enumerate(device.ports.items(), 1)
            ),
            arp=device.arp,
            macs=device.macs,
            neighbours=device.neighbours,
        )

    async def observe(self, scope: Scope = EVERYTHING) -> ObservedState:
        self._require_session()
        device, ids, ports = self.device, scope.rule_ids, scope.ports
        return ObservedState(
            boot_id=device.boot_id,
            at=device.clock(),
            rules=tuple(rule for rule in device.shown() if ids is None or rule.rule_id in ids),
            ports={name: _port_state(port) for name, port in device.ports.items() if ports is None or name in ports},
        )

    def render(self, desired: RuleSet, observed: ObservedState, baseline: PreState) -> Change:
        self.capabilities.require(desired)
        flagged = _flagged(desired)
        wanted = _wanted(desired, frozenset().union(*flagged.values()))
        held = {rule.rule_id or rule.native.removeprefix(MARKER): rule.native for rule in observed.rules}
        puts = [put for name, put in wanted.items() if held.get(name) != native(put.rule, put.marker)]
        gone = [Remove(name) for name in held if name not in wanted]
        raised = [SetNoFwd(port, True, ids) for port, ids in flagged.items() if not _has_no_fwd(observed, port)]
        put_back = _put_back(flagged, observed, baseline)
        asking: list[Put | SetNoFwd] = [*raised, *puts]
        asked = {rule_id for message in asking for rule_id in message.asked_by}
        return Change(
            device=self.device.name,
            messages=(*asking, *gone, *put_back),
            lines=_lines([*asking, *gone, *put_back], held),
            rule_ids=frozenset(name for name in asked if not name.startswith(WITNESS)),
            removed=frozenset(message.name for message in gone if not message.name.startswith(WITNESS)),
            ports=frozenset(message.port for message in [*raised, *put_back]),
            own=frozenset(name for name in [*asked, *(m.name for m in gone)] if name.startswith(WITNESS)),
        )

    async def preview(self, change: Change) -> DeviceDiff:
        self._require_session()
        return change.lines

    async def apply(self, change: Change, deadline: float) -> Receipt:
        if change.empty:
            return Receipt(self.device.name, ReceiptStatus.UNCHANGED)
        self._require_session()
        refused = self.device.take(change.messages)
        try:
            async with asyncio.timeout(deadline):
                await asyncio.sleep(self.device.options.delay)
        except TimeoutError:
            raise OutcomeUnknown(f"{self.device.name}: no answer within {deadline:g} s") from None
        return Receipt(self.device.name, _status(change, refused), refused)

    async def confirm(self, receipt: Receipt) -> Receipt:
        """There is no dead-man timer here: the receipt as it was."""
        self._require_session()
        return receipt

    async def events(self) -> AsyncIterator[DriverEvent]:
        while (event := await self._queue.get()) is not None:
            yield event
        self._queue.put_nowait(None)

    async def close(self) -> None:
        if self._open:
            self._open = False
            self.device.listeners.remove(self._queue)
            self._queue.put_nowait(None)

    def _require_session(self) -> None:
        if not self._open or self.device.options.behaviour is Behaviour.UNREACHABLE:
            raise DeviceUnreachable(f"{self.device.name}: no session")


def _flagged(desired: RuleSet) -> dict[PortName, frozenset[str]]:
    """Ports that are to hear nothing at all, with the rules that say so. A containment that permits anything needs
    rules: the flag knows no exception."""
    permitting = {rule.provenance.containment for rule in desired if rule.action is Action.PERMIT}
    flagged: dict[PortName, frozenset[str]] = {}
    for rule in desired:
        port, match = rule.match.port, rule.match
        whole = rule.action is Action.DENY and match.direction is Direction.TO and match.fields() == {"port"}
        if port is not None and whole and rule.provenance.containment not in permitting:
            flagged[port] = flagged.get(port, frozenset()) | {rule.id}
    return flagged


def _wanted(desired: RuleSet, by_flag: frozenset[str]) -> dict[str, Put]:
    """What the table should hold, by name: permits first, so that what is kept is never cut off in between."""
    rules = sorted(desired, key=lambda rule: rule.action is not Action.PERMIT)
    puts = [Put(rule.id, rule, marker=rule.id in by_flag) for rule in rules]
    witnesses = [Put(name, _witness(rule.match)) for rule in rules if (name := _witness_name(rule))]
    return {put.name: put for put in [*puts, *witnesses]}


def _witness_name(rule: Rule) -> str | None:
    match = rule.match
    if rule.action is not Action.DENY or match.direction is not Direction.FROM or match.port is None:
        return None
    if not match.fields() <= {"port", "mac"}:
        return None
    return f"{WITNESS}{match.port}" if match.mac is None else f"{WITNESS}{match.port}/{match.mac}"


def _witness(match: Match) -> Rule:
    return Rule(match, Action.COUNT, Provenance("", reason="witness"))


def _put_back(flagged: Iterable[PortName], observed: ObservedState, baseline: PreState) -> list[SetNoFwd]:
    """The flags to release: only where the device still holds ours, and it was not there before us."""
    return [
        SetNoFwd(port, False)
        for port, settings in baseline.ports.items()
        if port not in flagged and settings.get(NO_FWD) is False and _has_no_fwd(observed, port)
    ]


def _has_no_fwd(observed: ObservedState, port: PortName) -> bool:
    state = observed.ports.get(port)
    return state is not None and state.settings.get(NO_FWD) is True


def _port_state(port: MemoryPort) -> PortState:
    return PortState(port.up, {NO_FWD: port.no_fwd}, port.rx_packets, port.tx_packets)


def _lines(messages: Iterable[Message], held: Mapping[str, str]) -> DeviceDiff:
    lines = []
    for message in messages:
        match message:
            case Put(name, rule, marker):
                lines += [DiffLine("-", held[name])] if name in held else []
                lines.append(DiffLine("+", native(rule, marker)))
            case Remove(name):
                lines.append(DiffLine("-", held[name]))
            case SetNoFwd(port, value):
                lines.append(DiffLine("~", f"port {port} {NO_FWD} {'on' if value else 'off'}"))
    return tuple(lines)


def _status(change: Change, refused: Mapping[str, str]) -> ReceiptStatus:
    """REFUSED when the device took nothing of the change but a witness, PARTIAL when it took some."""
    if not refused:
        return ReceiptStatus.APPLIED
    taken = [message for message in change.messages if not _is_refused(message, refused)]
    own = [message for message in taken if isinstance(message, Put) and message.name.startswith(WITNESS)]
    return ReceiptStatus.PARTIAL if len(taken) > len(own) else ReceiptStatus.REFUSED


def _is_refused(message: Message, refused: Mapping[str, str]) -> bool:
    return not isinstance(message, Remove) and bool(message.asked_by & refused.keys())
