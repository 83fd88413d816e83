"""The contract between the brain and one network device: what a driver declares, takes and gives back.

DriverError
├── UnsupportedAction     the driver never declared this; raised before any I/O
├── DeviceUnreachable     no session: nothing was sent
├── DeviceRefused         the device answered, and said no
├── OutcomeUnknown        session lost or deadline passed after something was sent: observe before the next push
└── DriverNotInstalled    the driver exists, but a package that it needs does not (see `registry`)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Any, overload, runtime_checkable
from typing import Protocol as Shape

from drivers.rules import Action, Direction, Mac, Match, PortName, Protocol, Rule, RuleSet

Address = IPv4Address | IPv6Address


class DriverError(Exception):
    """A device could not do as asked."""


class UnsupportedAction(DriverError):
    """Asked for something outside the driver's `Capabilities`. Raised before any I/O."""


class DeviceUnreachable(DriverError):
    """There is no session with the device; nothing was sent."""


class DeviceRefused(DriverError):
    """The device answered, and refused the request as a whole."""


class OutcomeUnknown(DriverError):
    """Something was sent and no answer came in time. What the device holds must be observed before the next push."""


class DriverNotInstalled(DriverError):
    """The driver is known, but a package that it needs is not installed; the message says which extra brings it."""


class Management(StrEnum):
    """How the controller reaches the device. UNKNOWN is never read as 'survives'."""

    OUT_OF_BAND = "oob"
    IN_BAND = "in-band"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DeadMan:
    """A device-side timer that undoes a commit which nobody confirms: its bounds and its step, in seconds."""

    shortest: int
    longest: int
    step: int = 1


@dataclass(frozen=True, slots=True)
class Lack:
    """Rules that are not supported although their fields are: those of one of `protocols` (None: of none) that set any of `fields`."""

    direction: Direction | None
    fields: frozenset[str]
    protocols: frozenset[Protocol | None]

    def speaks_of(self, match: Match) -> bool:
        return (
            self.direction in (None, match.direction)
            and match.protocol in self.protocols
            and not self.fields.isdisjoint(match.fields())
        )

    def __str__(self) -> str:
        way = "both ways" if self.direction is None else self.direction.value
        beside = ", ".join(sorted("any protocol" if one is None else one.value for one in self.protocols))
        return f"{way} on {' or '.join(sorted(self.fields))} of {beside}"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a driver can do. Declared, never discovered by exception.

    `matchable` holds (action, direction, field names): a rule is supported when its fields are a subset of one entry's, has all of
    `always`, and no one of `lacks` speaks of it. `absolute` are directions in which a deny of everything bears no permit beside it.
    `advice`: why it is no more, and what to do who asks for more; a sentence for operators, empty where there is nothing to say.
    """

    matchable: frozenset[tuple[Action, Direction, frozenset[str]]]
    always: frozenset[str] = frozenset()
    lacks: tuple[Lack, ...] = ()
    absolute: frozenset[Direction] = frozenset()
    transactional: bool = False
    dead_man: DeadMan | None = None
    counters: bool = False
    preview: bool = False
    events: bool = False
    advice: str = ""

    def unsupported(self, rules: RuleSet | tuple[Rule, ...]) -> list[str]:
        """One sentence for each rule that this driver cannot render; empty when it can render all of them."""
        asked = [(rule.action, rule.match.direction, rule.match.fields()) for rule in rules]
        lacking = {shape for shape in set(asked) if not self._matches(*shape)}
        said = [
            f"{action.value} {direction.value} on {'+'.join(sorted(fields))}"
            for action, direction, fields in asked
            if lacking and (action, direction, fields) in lacking
        ]
        said += [f"{rule.action.value} {lack}" for rule in rules for lack in self.lacks if lack.speaks_of(rule.match)]
        return said + list(self._excepted(rules))

    def _matches(self, action: Action, direction: Direction, fields: frozenset[str]) -> bool:
        return self.always <= fields and any(
            action is own and direction is way and fields <= matchable for own, way, matchable in self.matchable
        )

    def _excepted(self, rules: RuleSet | tuple[Rule, ...]) -> Iterator[str]:
        if not self.absolute:
            return
        voices = {
            (rule.provenance.containment, rule.match.direction, rule.match.port)
            for rule in rules
            if rule.action is Action.DENY and rule.match.protocol is None
        }
        for rule in rules:
            voice = (rule.provenance.containment, rule.match.direction, rule.match.port)
            if rule.action is Action.PERMIT and rule.match.direction in self.absolute and voice in voices:
                yield f"permit {rule.match.direction.value} beside a deny of everything"

    def require(self, rules: RuleSet) -> None:
        """Raise UnsupportedAction, naming every rule that is outside the declaration."""
        if unsupported := self.unsupported(rules):
            raise UnsupportedAction("; ".join(unsupported))


@dataclass(frozen=True, slots=True)
class Interface:
    """A port: canonical `name`, the device's `number` for it where it has one, its own MAC, whether its link is up."""

    name: PortName
    number: int | None = None
    mac: Mac | None = None
    up: bool = True


@dataclass(frozen=True, slots=True)
class MacEntry:
    mac: Mac
    port: PortName
    vlan: int | None = None


@dataclass(frozen=True, slots=True)
class ArpEntry:
    ip: Address
    mac: Mac
    port: PortName | None = None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another managed device on the far side of `port`, by that device's id and its port's name."""

    port: PortName
    device: str
    device_port: PortName


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What the device says of itself. `boot_id` changes whenever the device may have lost what it was given; `since` is when the
    present session began (seconds since the epoch; 0: long ago, or no matter)."""

    device: str
    boot_id: str
    description: str = ""
    management: Management = Management.UNKNOWN
    interfaces: tuple[Interface, ...] = ()
    vlans: tuple[int, ...] = ()
    arp: tuple[ArpEntry, ...] = ()
    macs: tuple[MacEntry, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Scope:
    """What an observation is about. `rule_ids` and `ports` None: everything of ours, and every port."""

    rule_ids: frozenset[str] | None = None
    ports: frozenset[PortName] | None = None


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class ObservedRule:
    """Something of ours that the device holds. `rule_id` names the `Rule` it was rendered from, or is None for an
    orphan; `native` is the driver's own form of it, so that a changed copy is told from a faithful one."""

    rule_id: str | None
    native: str
    packets: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class PortState:
    """The present value of what we would touch on a port (`settings`), its link, and how many frames came in and
    went out."""

    up: bool
    settings: Mapping[str, str | int | bool | None] = field(default_factory=dict)
    rx_packets: int | None = None
    tx_packets: int | None = None


@dataclass(frozen=True, slots=True)
class ObservedState:
    """A read-back: taken at `at` (seconds since the epoch) from the device as booted under `boot_id`. `outranking` holds, in the
    driver's own form, what somebody else put there and what could take frames away from our rules."""

    boot_id: str
    at: float
    rules: tuple[ObservedRule, ...]
    ports: Mapping[PortName, PortState]
    outranking: tuple[str, ...] = ()

    def packets(self, rule_ids: Iterable[str]) -> int:
        """How many frames the named rules have counted, together."""
        wanted = set(rule_ids)
        return sum(rule.packets or 0 for rule in self.rules if rule.rule_id in wanted)


@dataclass(frozen=True, slots=True)
class PreState:
    """What was there before us, by port: stored before a first touch, put back when our last rule on that port goes."""

    ports: Mapping[PortName, Mapping[str, str | int | bool | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DiffLine:
    """`sign` is '+', '-', '~' or ' '; `text` says it in words, `detail` in the device's own form, a line each."""

    sign: str
    text: str
    detail: tuple[str, ...] = ()


DeviceDiff = Sequence[DiffLine]


class LinesWhenAsked(Sequence[DiffLine]):
    """A diff that is worded once somebody reads it: a push of ten thousand rules has as many lines, and hardly ever a reader."""

    def __init__(self, word: Callable[[], tuple[DiffLine, ...]]) -> None:
        self._word = word
        self._worded: tuple[DiffLine, ...] | None = None

    def _lines(self) -> tuple[DiffLine, ...]:
        if self._worded is None:
            self._worded = self._word()
        return self._worded

    @overload
    def __getitem__(self, index: int) -> DiffLine: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[DiffLine, ...]: ...
    def __getitem__(self, index: int | slice) -> DiffLine | tuple[DiffLine, ...]:
        return self._lines()[index]

    def __len__(self) -> int:
        return len(self._lines())

    def __eq__(self, other: object) -> bool:
        return self._lines() == (other._lines() if isinstance(other, LinesWhenAsked) else other)

    def __hash__(self) -> int:
        return hash(self._lines())

    def __repr__(self) -> str:
        return repr(self._lines())


@dataclass(frozen=True, slots=True)
class Change:
    """What would be sent to make a device hold exactly what is desired. `messages` are the driver's own, in order;
    empty means that the device already converged. `rule_ids` are the desired rules that `messages` add; `removed`
    those they take away; `ports` those whose settings they touch. `own` are things of the driver itself that change with
    them, by their id in a read-back. To know what came of a change, read all four back."""

    device: str
    messages: tuple[Any, ...]
    lines: DeviceDiff
    rule_ids: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    ports: frozenset[PortName] = frozenset()
    own: frozenset[str] = frozenset()

    @property
    def empty(self) -> bool:
        return not self.messages

    @property
    def scope(self) -> Scope:
        """What to read back after it was applied."""
        return Scope(self.rule_ids | self.removed | self.own, self.ports)


class ReceiptStatus(StrEnum):
    UNCHANGED = "unchanged"
    APPLIED = "applied"
    PARTIAL = "partial"
    REFUSED = "refused"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the device acknowledged. `refused` maps a rule's id (or a native message's text) to the device's reason.
    UNCONFIRMED: applied under a dead-man timer that ends at `confirm_by` (seconds since the epoch) unless `confirm` is
    called."""

    device: str
    status: ReceiptStatus
    refused: Mapping[str, str] = field(default_factory=dict)
    confirm_by: float | None = None
    token: str | None = None


BELIED = "belied"
"""The `source` of a sighting whose frame contradicts itself on whose the address is: it speaks against a holder, and binds nothing."""
ROUTER_ADVERTISEMENT = "ra"
"""The `source` of a sighting of what sent a router advertisement: a router, or somebody who plays one. It names no address."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """`mac` (and, where known, `ip`) was seen coming in at `port`, at `at` (seconds since the epoch). `lease` is true
    when the infrastructure itself assigned the address (a DHCP ACK, a DHCPv6 Reply), false for what the host says of itself."""

    device: str
    at: float
    mac: Mac
    port: PortName
    ip: Address | None = None
    vlan: int | None = None
    source: str = "arp"
    lease: bool = False


@dataclass(frozen=True, slots=True)
class LinkSeen:
    """`port` is an uplink: behind it is `neighbour`'s `neighbour_port`."""

    device: str
    at: float
    port: PortName
    neighbour: str
    neighbour_port: PortName


@dataclass(frozen=True, slots=True)
class PortStatus:
    """A port came, went (`present` is false), or changed. `number` and `mac` are as in `Interface`, where the device tells them. `since`:
    it may have been so since then, where the device was only looked at; None where it told at once."""

    device: str
    at: float
    port: PortName
    up: bool
    present: bool = True
    number: int | None = None
    mac: Mac | None = None
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Reconnected:
    """A session stands again. The device is not up for us until it was converged."""

    device: str
    at: float
    boot_id: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    device: str
    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class RuleRemoved:
    """Something of ours went away without our asking."""

    device: str
    at: float
    native: str


DriverEvent = Sighting | LinkSeen | PortStatus | Reconnected | Disconnected | RuleRemoved


class Driver(Shape):
    """One device. Every method but `render` may raise DeviceUnreachable or OutcomeUnknown; none retries by itself."""

    @property
    def capabilities(self) -> Capabilities:
        """What this device can hold; known before it is first reached."""

    async def facts(self) -> DeviceFacts:
        """What the device says of itself, read now."""

    async def observe(self, scope: Scope = EVERYTHING) -> ObservedState:
        """Our rules with their counters, and the present value of what `scope` would touch."""

    def render(self, desired: RuleSet, observed: ObservedState, baseline: PreState) -> Change:
        """Pure: the messages that take the device from `observed` to exactly `desired`. Raises UnsupportedAction."""

    async def preview(self, change: Change) -> DeviceDiff:
        """The device's own diff of the change. Raises UnsupportedAction where the device has none."""

    async def apply(self, change: Change, deadline: float) -> Receipt:
        """Send the change and wait, at most `deadline` seconds, until the device acknowledged all of it."""

    async def confirm(self, receipt: Receipt) -> Receipt:
        """End the dead-man timer of an UNCONFIRMED receipt, also one from before a controller crash."""

    def events(self) -> AsyncIterator[DriverEvent]:
        """What the device reports by itself, until the driver is closed. One reader at a time."""

    async def close(self) -> None:
        """Give the session back. What the device holds stays."""


class Laid(Shape):
    """A change that lies ready to be sent at a word."""

    def send(self) -> bool:
        """Send it, from any thread and without waiting; whether it is sent, now or before. What was dropped is not."""

    def drop(self) -> bool:
        """It is not wanted, or not so; whether it stays unsent for good."""


@runtime_checkable
class LaysReady(Shape):
    """A driver that can do all that sending a change takes but send it, while it is not sure yet that it will be wanted."""

    def lay_ready(self, change: Change) -> Laid | None:
        """None where this cannot be done now. What was laid ready before is dropped. `apply` of this very change sends it where it is not
        sent yet, and waits for what comes of it; `apply` of another one drops it."""
