"""The device behind `drivers.memory`: it holds rules, forwards frames as `drivers.semantics` says, and can be told to
misbehave in every way that the engine has to survive."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from drivers.base import (
    ArpEntry,
    DeviceRefused,
    DriverEvent,
    MacEntry,
    Management,
    Neighbour,
    ObservedRule,
    OutcomeUnknown,
    PortStatus,
    Reconnected,
    RuleRemoved,
)
from drivers.rules import PortName, Rule, rule_to_wire
from drivers.semantics import Crossing, Fate, Verdict, matches, verdict

NO_FWD = "no_fwd"
WITNESS = "witness:"
MARKER = "marker "


class Behaviour(StrEnum):
    """How the device treats what it is asked. The `SHOWS_…` ones hold what they were given and lie in the read-back."""

    ACCEPTS = "accepts"
    REFUSES = "refuses"  # every change, as a whole
    DIES = "dies"  # after `dies_after` messages: what was applied stays, and no answer comes
    LIES = "lies"  # acknowledges all and holds none of it
    SHOWS_OTHER = "shows-other"  # a rule of another name in the place of the first
    SHOWS_ALTERED = "shows-altered"  # the first rule in another form
    SHOWS_FEWER = "shows-fewer"  # all but the first rule
    UNREACHABLE = "unreachable"


class MemoryOptions(BaseModel):
    """`capacity`: the most rules that the table takes. `refused`: rule ids that the device refuses, each with its
    reason. `delay`: seconds from holding a change to acknowledging it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ports: tuple[PortName, ...] = ()
    behaviour: Behaviour = Behaviour.ACCEPTS
    capacity: int | None = Field(default=None, ge=0)
    refused: Mapping[str, str] = {}
    dies_after: int = Field(default=0, ge=0)
    delay: float = Field(default=0.0, ge=0.0)


@dataclass(frozen=True, slots=True)
class Put:
    """Hold `rule` under `name`, in the place of whatever the name held. A `marker` judges no frame: it says whose the
    port's flag is."""

    name: str
    rule: Rule
    marker: bool = False

    @property
    def asked_by(self) -> frozenset[str]:
        return frozenset({self.name})


@dataclass(frozen=True, slots=True)
class Remove:
    name: str


@dataclass(frozen=True, slots=True)
class SetNoFwd:
    """Set the port's flag, for the desired rules named in `asked_by`; for none of them when it is put back."""

    port: PortName
    value: bool
    asked_by: frozenset[str] = frozenset()


Message = Put | Remove | SetNoFwd


@dataclass(slots=True)
class MemoryPort:
    up: bool = True
    no_fwd: bool = False
    rx_packets: int = 0
    tx_packets: int = 0


@dataclass(slots=True)
class Entry:
    """A rule of ours, a witness or a marker, as the device holds it."""

    rule: Rule
    marker: bool = False
    packets: int = 0

    @property
    def native(self) -> str:
        return native(self.rule, self.marker)


@dataclass
class MemoryDevice:
    """The device itself; it outlives drivers and its own reboots. `foreign` are other people's rules: they judge frames
    as ours do, and no driver changes them. `options` may be replaced at any time. Not for use across threads."""

    name: str
    options: MemoryOptions = field(default_factory=MemoryOptions)
    clock: Callable[[], float] = time.time
    management: Management = Management.UNKNOWN
    ports: dict[PortName, MemoryPort] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    foreign: dict[str, Rule] = field(default_factory=dict)
    arp: tuple[ArpEntry, ...] = ()
    macs: tuple[MacEntry, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    boots: int = 1
    commits: int = 0
    listeners: list[asyncio.Queue[DriverEvent | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ports = {port: MemoryPort() for port in self.options.ports} | self.ports

    @property
    def boot_id(self) -> str:
        return f"{self.name}-boot-{self.boots}"

    def behave(self, behaviour: Behaviour, *, dies_after: int = 0) -> None:
        self.options = self.options.model_copy(update={"behaviour": behaviour, "dies_after": dies_after})

    def state(self) -> tuple[object, ...]:
        """All that the device is set to, comparable; what it counted is left out."""
        held = frozenset((name, entry.native) for name, entry in self.entries.items())
        ports = frozenset((name, port.up, port.no_fwd) for name, port in self.ports.items())
        return self.boot_id, held, ports, frozenset((name, native(rule)) for name, rule in self.foreign.items())

    def emit(self, event: DriverEvent) -> None:
        for listener in self.listeners:
            listener.put_nowait(event)

    def reboot(self) -> None:
        """Everything of ours is lost, the port flags too; `foreign` is in the startup configuration and comes back."""
        self.boots += 1
        self.entries.clear()
        self.ports = {name: MemoryPort() for name in self.ports}
        self.emit(Reconnected(self.name, self.clock(), self.boot_id))

    def replug(self, port: PortName) -> None:
        """The port goes and comes back, as OpenFlow has it without its flag."""
        self.ports[port] = MemoryPort()
        self.emit(PortStatus(self.name, self.clock(), port, up=True))

    def set_link(self, port: PortName, up: bool) -> None:
        self.ports[port].up = up
        self.emit(PortStatus(self.name, self.clock(), port, up))

    def wipe(self) -> None:
        """Someone removes every entry that carries our mark; a port's flag carries none, and stays."""
        lost = [entry.native for entry in self.entries.values()]
        self.entries.clear()
        for text in lost:
            self.emit(RuleRemoved(self.name, self.clock(), text))

    def forward(self, crossing: Crossing) -> Verdict:
        """What becomes of one frame on one way through; the ports and every rule that speaks of it count it."""
        arriving, leaving = (self.ports.get(port) if port else None for port in (crossing.in_port, crossing.out_port))
        if arriving is not None and not arriving.up:
            return Verdict(Fate.DROP)
        ours = (entry.rule for entry in self.entries.values() if not entry.marker)
        judged = verdict([*ours, *self.foreign.values()], crossing)
        if judged.fate is Fate.PASS and leaving is not None and (leaving.no_fwd or not leaving.up):
            judged = Verdict(Fate.DROP)
        if arriving is not None:
            arriving.rx_packets += 1
        if leaving is not None and judged.fate is Fate.PASS:
            leaving.tx_packets += 1
        self._count(crossing, judged.fate)
        return judged

    def _count(self, crossing: Crossing, fate: Fate) -> None:
        for name, entry in self.entries.items():
            witnessed = fate is Fate.PASS or not name.startswith(WITNESS)
            entry.packets += witnessed and matches(entry.rule.match, crossing)

    def take(self, messages: Iterable[Message]) -> dict[str, str]:
        """Do as `messages` say, as far as this device's behaviour goes; the rules refused, each with the reason."""
        behaviour = self.options.behaviour
        if behaviour is Behaviour.REFUSES:
            raise DeviceRefused(f"{self.name}: the change was refused")
        self.commits += 1
        if behaviour is Behaviour.LIES:
            return {}
        if behaviour is Behaviour.DIES:
            for message in list(messages)[: self.options.dies_after]:
                self._perform(message)
            raise OutcomeUnknown(f"{self.name}: the session was lost in the middle of a push")
        return {rule_id: why for message in messages for rule_id, why in self._perform(message).items()}

    def _perform(self, message: Message) -> dict[str, str]:
        if isinstance(message, Remove):
            self.entries.pop(message.name, None)
            return {}
        if why := self._refusal(message):
            return dict.fromkeys(message.asked_by, why)
        if isinstance(message, SetNoFwd):
            self.ports[message.port].no_fwd = message.value
        else:
            self.entries[message.name] = Entry(message.rule, message.marker)
        return {}

    def _refusal(self, message: Put | SetNoFwd) -> str | None:
        port = message.port if isinstance(message, SetNoFwd) else message.rule.match.port
        if port is not None and port not in self.ports:
            return f"no such port: {port}"
        if named := [why for rule_id, why in self.options.refused.items() if rule_id in message.asked_by]:
            return named[0]
        if isinstance(message, SetNoFwd) or message.name.startswith(WITNESS) or message.name in self.entries:
            return None
        used = sum(not name.startswith(WITNESS) for name in self.entries)
        if self.options.capacity is not None and used >= self.options.capacity:
            return f"table full: {used} rules"
        return None

    def shown(self) -> list[ObservedRule]:
        """The read-back of every entry, as far as this device tells the truth."""
        rules = [self._shown(name, entry) for name, entry in sorted(self.entries.items())]
        first = next((i for i, rule in enumerate(rules) if not str(rule.rule_id).startswith(WITNESS)), None)
        if first is None:
            return rules
        truth = rules[first]
        match self.options.behaviour:
            case Behaviour.SHOWS_FEWER:
                del rules[first]
            case Behaviour.SHOWS_OTHER:
                rules[first] = replace(truth, rule_id="0" * 12)
            case Behaviour.SHOWS_ALTERED:
                rules[first] = replace(truth, native=f"{truth.native} altered")
        return rules

    def _shown(self, name: str, entry: Entry) -> ObservedRule:
        if not entry.marker:
            return ObservedRule(name, entry.native, entry.packets)
        port = entry.rule.match.port
        stands = port is not None and port in self.ports and self.ports[port].no_fwd
        return ObservedRule(name, entry.native) if stands else ObservedRule(None, MARKER + name)


def native(rule: Rule, marker: bool = False) -> str:
    """The rule in the device's own form, with the containment that it belongs to."""
    whose = f"for {json.dumps(rule.provenance.containment)}"
    if marker:
        return f"port {rule.match.port} {NO_FWD} {whose}"
    match = rule_to_wire(rule)["match"].items()
    return f"{rule.action.value} {' '.join(f'{name}={_plain(value)}' for name, value in match if value)} {whose}"


def _plain(value: object) -> str:
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)
