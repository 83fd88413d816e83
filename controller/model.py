"""The brain's vocabulary: frozen values, closed enums. Times are seconds since the epoch (UTC); durations are seconds.

An `Alert` names addresses; `locate` turns one into a `Location` holding an `Endpoint`; `policy` and `guardrails` make a `Decision`
of it; `plan` a `Plan`; `prove` a `Proof`; the store keeps the `Containment`. Values at the edges (HTTP, YAML) are pydantic models in
`controller.config` and `controller.api.schemas`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from drivers.rules import Action, Direction, Mac, Network, PortName, PortRange, Protocol, Rule, RuleSet

Address = IPv4Address | IPv6Address
DEFAULT_REALM = "default"


# --- what is said about the network -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class End:
    """One end of what an alert describes. Any of them may be unknown."""

    ip: Address | None = None
    mac: Mac | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """A detection as every source's intake leaves it. Neither end is presumed guilty.

    `observed_at` is the sensor's time and `received_at` ours. `key` identifies the event for deduplication within `source`. `signature` and
    `text` are the attacker's words or the sensor's about it: neutralize them before showing. `severity` is 1 (info) to 5 (critical).
    `confidence` is the source's own, 0 to 1, where it has one; `techniques` are ids of MITRE ATT&CK (T1021.002). `time_doubt` says why
    `observed_at` may have been another moment (it came without an offset): whom it is about is then for a person to say.
    """

    source: str
    key: str
    observed_at: float
    received_at: float
    signature: str
    signature_id: str | None
    severity: int
    src: End
    dst: End
    category: str = ""
    text: str = ""
    realm: str = DEFAULT_REALM
    id: str = ""
    confidence: float | None = None
    techniques: tuple[str, ...] = ()
    time_doubt: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """The place where a device is plugged in: a managed network device, its edge port, and the VLAN where it is known."""

    device: str
    port: PortName
    vlan: int | None = None

    def __str__(self) -> str:
        return f"{self.device}:{self.port}"

    def same_port(self, other: Attachment) -> bool:
        """A host may tag its frames as it likes: which port it is does not depend on the VLAN."""
        return (self.device, self.port) == (other.device, other.port)


@dataclass(frozen=True, slots=True)
class Binding:
    """(realm, ip) was at `mac` and `attachment` from `first_seen` to `last_seen`, by the word of `source`. `lease`: the
    infrastructure assigned the address, rather than the host claiming it."""

    realm: str
    ip: Address | None
    mac: Mac
    attachment: Attachment
    first_seen: float
    last_seen: float
    source: str
    lease: bool = False


class Managed(StrEnum):
    MANAGED = "managed"
    UNMANAGED = "unmanaged"
    UNDISCOVERED = "undiscovered"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Looks:
    """What a device looks like to a sensor, by what it does and says: shown to people. No guard, rule or budget looks at it; it may choose
    a role profile under which the device opens nothing (`controller.role_match`). `confidence` is 0 to 1, `at` when it was heard
    last by the sensor's clock. `evidence` holds the device's own words: neutralize them before showing."""

    type: str
    role: str
    vendor: str
    confidence: float
    evidence: tuple[str, ...]
    sensor: str
    at: float
    random_mac: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A device on the network. `neighbours` are the other MACs seen on its port: when there are any, the port is shared. `type` and
    `role` are the inventory's word, which knows it by `listed`: "mac", "ip" alone, or not at all; `looks` is what it is taken for."""

    macs: frozenset[Mac]
    ips: frozenset[Address]
    attachment: Attachment
    realm: str = DEFAULT_REALM
    neighbours: frozenset[Mac] = frozenset()
    managed: Managed = Managed.UNKNOWN
    type: str = "unknown"
    role: str = "unknown"
    owner: str = "unknown"
    criticality: str = "unknown"
    looks: Looks | None = field(default=None, compare=False)
    listed: str = ""

    @property
    def id(self) -> str:
        """One name for the device for as long as its MACs stay: realm and lowest MAC, or the port when no MAC is known."""
        return f"{self.realm}/{min(self.macs) if self.macs else self.attachment}"


@dataclass(frozen=True, slots=True)
class Target:
    """What a request or an alert's culprit names: an address, a MAC, or a place; exactly one is set."""

    ip: Address | None = None
    mac: Mac | None = None
    place: tuple[str, str] | None = None
    realm: str = DEFAULT_REALM

    def __str__(self) -> str:
        return str(self.ip or self.mac or ":".join(self.place or ()))


# --- locate ---------------------------------------------------------------------------------------------------------


class Located(StrEnum):
    FOUND = "found"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"
    BEHIND_ROUTER = "behind-router"
    NOT_AN_ENDPOINT = "not-an-endpoint"
    UNPLACEABLE = "unplaceable"


@dataclass(frozen=True, slots=True)
class Location:
    """The answer to 'which device was this, then'. `endpoint` is there when FOUND. `revision` is the bindings' revision for this
    target when it was read; commit refuses when it has moved on to another holder. `confidence` is 0 to 1."""

    status: Located
    target: Target
    as_of: float
    endpoint: Endpoint | None = None
    confidence: float = 0.0
    evidence: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    candidates: tuple[Attachment, ...] = ()
    revision: int = 0


# --- decide ---------------------------------------------------------------------------------------------------------


class Mode(StrEnum):
    OBSERVE = "observe"
    PROPOSE = "propose"
    CONTAIN = "contain"


class Culprit(StrEnum):
    SOURCE = "source"
    DESTINATION = "destination"
    UNDECIDED = "undecided"


class Way(StrEnum):
    """Which way an entry of a profile goes, as the contained device sees it: with ports, who opens the connection; without, the frames."""

    FROM = "from"
    TO = "to"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Peers:
    """The other ends that an entry speaks of, together: prefixes as written, roles as far as the inventory knows addresses."""

    prefixes: tuple[Network, ...] = ()
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that a profile denies or permits. `ports` are where the service listens: at the peer's for `from`, at the device's for
    `to`. `protocol` None is everything; `peers` None is everybody. `exact` in place of `ports`: the device's port and the peer's, of the
    packets of this way alone. `why`: in words, where somebody wrote it."""

    action: Action
    way: Way
    name: str = ""
    protocol: Protocol | None = None
    ports: tuple[PortRange, ...] = ()
    peers: Peers | None = None
    exact: tuple[PortRange | None, PortRange | None] | None = None
    why: str = ""

    @property
    def label(self) -> str:
        """`SMB (tcp 445)`, as people read it; `DHCP (udp 68 > 67)` where it is between two ports."""
        ports = ",".join(map(_span, self.ports))
        if self.exact is not None and None not in self.exact:
            own, far = self.exact if self.way is Way.FROM else self.exact[::-1]
            ports = f"{_span(own)} > {_span(far)}"
        what = " ".join(filter(None, (self.protocol.value if self.protocol else "anything", ports)))
        return f"{self.name} ({what})" if self.name else what


def _span(ports: PortRange | None) -> str:
    if ports is None:
        return "any"
    return str(ports.first) if ports.first == ports.last else f"{ports.first}-{ports.last}"


@dataclass(frozen=True, slots=True)
class Profile:
    """How far to contain. `default` is what becomes of traffic that no entry speaks of: DENY, PERMIT, or COUNT, which drops nothing. In a
    profile a permit always outweighs a deny. Of two profiles that meet on one device the one of the higher `strictness` wins. `vlan` is the
    quarantine VLAN that the device's port is moved to, `bounce` whether its link goes down for a moment then. `closes` names some of what
    the default stops, for people and proofs: no rule comes of it."""

    name: str
    strictness: int
    description: str = ""
    default: Action = Action.DENY
    entries: tuple[Entry, ...] = ()
    built_in: bool = False
    vlan: int | None = None
    bounce: bool = False
    closes: tuple[Entry, ...] = ()

    @property
    def granular(self) -> bool:
        """Whether some of the device's traffic passes."""
        return self.default is not Action.DENY or bool(self.entries) or self.vlan is not None


FULL = Profile("full", 100, "nothing in or out", built_in=True)


@dataclass(frozen=True, slots=True)
class Considered:
    """A policy rule that was looked at, and what spoke `against` it, as a sentence; "": it matched, and no rule before it did."""

    rule: str
    against: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What policy says of an alert, or an operator of a target. `rule` is the policy rule's name, or 'operator'. `policy` is the version of
    the policy that says so, and `considered` what it came to for each of its rules ("" and none for an operator's word).
    `on_expiry` None is the configuration's default. `override`: a person who may insists, whatever is protected; `insisted`: somebody
    did so when this very device was contained, which says nothing of other places and devices."""

    mode: Mode
    profile: Profile
    duration: float
    rule: str
    reason: str
    by: str
    automatic: bool
    override: bool = False
    insisted: bool = False
    on_expiry: OnExpiry | None = None
    approvals: int = 1
    policy: str = ""
    considered: tuple[Considered, ...] = ()


class OnExpiry(StrEnum):
    """What the end of a containment's time means: it is released, or it stays held and a person is asked."""

    RELEASE = "release"
    ASK = "ask"


# --- plan and prove ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plan:
    """Which rules on which devices, and why there. `weaker` says in which way it is less than was asked for (None: it is not). `places` are
    the ports at which it is enforced, where these are others than the endpoint's own; `side` is what carries its frames before they come to
    one: boxes as people call them, devices by their id."""

    containment: str
    endpoint: Endpoint
    profile: Profile
    rules: Mapping[str, RuleSet]
    why: tuple[str, ...]
    weaker: str | None = None
    places: tuple[Attachment, ...] = ()
    side: tuple[str, ...] = ()

    @property
    def enforced_at(self) -> tuple[Attachment, ...]:
        return self.places or (self.endpoint.attachment,)


class Survival(StrEnum):
    OUT_OF_BAND = "oob"
    SURVIVES = "in-band, survives"
    CUT = "in-band, cut"
    UNKNOWN = "unknown"


class Hop(NamedTuple):
    """Through one device: in at a port, out at another."""

    device: str
    in_port: PortName
    out_port: PortName


@dataclass(frozen=True, slots=True)
class Reach:
    """One kind of traffic between two parties, by the evaluator's word. `witness` is a packet in words that shows it. Of what is not as
    asked, `at` is where that packet was judged, and `rule` the id of the rule that stops what should pass; neither is stored."""

    src: str
    dst: str
    kind: str
    witness: str = ""
    at: Hop | None = field(default=None, compare=False)
    rule: str = field(default="", compare=False)


BEHIND_THE_PORT, BEFORE_A_RULE = "anything, behind the same port", "anything, before the first rule"
UNCHECKED = frozenset({BEHIND_THE_PORT, BEFORE_A_RULE})
"""Kinds of reach that no rule of the plan looks at."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What the plan does on the model: `blocked` holds what was asked, `residual` what the device can still do, `collateral`
    who else is hit. `management` is by device. It `holds` when nobody else is hit and no management path is cut; what is residual is for
    people to judge, and `Plan.weaker` says it in words."""

    blocked: tuple[Reach, ...]
    residual: tuple[Reach, ...]
    collateral: tuple[Reach, ...]
    management: Mapping[str, Survival]

    @property
    def still_reaches(self) -> tuple[str, ...]:
        """Whom it reaches without meeting a rule: MACs, and boxes and devices with all that is at them."""
        return tuple(
            sorted({reach.dst for reach in self.residual if reach.src == "device" and reach.kind in UNCHECKED})
        )

    @property
    def holds(self) -> bool:
        return not self.collateral and Survival.CUT not in self.management.values()


# --- the case --------------------------------------------------------------------------------------------------------


class Want(StrEnum):
    HELD = "held"
    RELEASED = "released"


class Outcome(StrEnum):
    """What is known of the observed side, from a device or of a whole containment. `REMOVED` is a release that was read back."""

    REQUESTED = "requested"
    INSTALLED = "installed"
    PROVEN = "proven"
    DRIFTED = "drifted"
    PARTIAL = "partial"
    FAILED = "failed"
    UNKNOWN = "unknown"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class DeviceOutcome:
    """How far one device has come with one containment, and the reason in words when it is not where it should be."""

    device: str
    outcome: Outcome
    reason: str = ""
    at: float = 0.0


class Stage(StrEnum):
    """Moments of a containment's way; kept as seconds since the epoch, shown as milliseconds since `RECEIVED`."""

    RECEIVED = "received"
    LOCATED = "located"
    DECIDED = "decided"
    COMMITTED = "committed"
    INSTALLED = "installed"
    PROVEN = "proven"
    RELEASED = "released"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Containment:
    """The case as the store holds it. `revision` grows with every accepted change of what is wanted.
    `waiting_since`: its time was over then, it stays held, and a person is asked. `automatic`: nobody asked for it by name. `override`: a
    person insisted although it is protected. `confirm_by`: it is released then, unless a person confirms it before (None: it needs no
    confirmation, or has one: `confirmed_by`). `policy` is the version of the policy that decided it ("": a person did)."""

    id: str
    endpoint: Endpoint
    target: str
    profile: str
    want: Want
    outcome: Outcome
    expires_at: float | None
    revision: int
    created_at: float
    by: str
    reason: str
    policy_rule: str
    alerts: tuple[str, ...] = ()
    devices: tuple[DeviceOutcome, ...] = ()
    rules: tuple[tuple[str, Rule], ...] = ()
    stages: Mapping[Stage, float] = field(default_factory=dict)
    proof: Proof | None = None
    weaker: str | None = None
    unproven: str = ""
    released_by: str | None = None
    evidence: tuple[str, ...] = ()
    on_expiry: OnExpiry = OnExpiry.RELEASE
    waiting_since: float | None = None
    automatic: bool = False
    override: bool = False
    confirm_by: float | None = None
    confirmed_by: str | None = None
    policy: str = ""

    @property
    def places(self) -> frozenset[tuple[str, PortName]]:
        """(device, port) of every port at which it is held: more than one while it is not known where the device is."""
        at = self.endpoint.attachment
        held = {(device, rule.match.port) for device, rule in self.rules if rule.match.port is not None}
        return frozenset({(at.device, at.port), *held})

    def silences(self, place: tuple[str, PortName]) -> bool:
        """Whether nothing that comes in there reaches anybody of its VLAN: all of it is stopped without an exception, or moved away."""
        here = [rule for device, rule in self.rules if (device, rule.match.port) == place]
        sent = [rule for rule in here if rule.match.direction is Direction.FROM]
        whole = {rule.action for rule in sent if rule.match.fields() == {"port"}}
        excepted = any(rule.action is Action.PERMIT for rule in sent)
        return not excepted and not whole.isdisjoint({Action.DENY, Action.MOVE_VLAN})


_WORST_FIRST = (
    Outcome.FAILED,
    Outcome.UNKNOWN,
    Outcome.PARTIAL,
    Outcome.DRIFTED,
    Outcome.REQUESTED,
    Outcome.INSTALLED,
    Outcome.PROVEN,
    Outcome.REMOVED,
)


def overall(outcomes: list[Outcome]) -> Outcome:
    """A containment is no better than its worst device, except that where some devices hold and others failed it is PARTIAL."""
    if not outcomes:
        return Outcome.REQUESTED
    holding = {Outcome.INSTALLED, Outcome.PROVEN}
    bad = {Outcome.FAILED, Outcome.UNKNOWN}
    if bad & set(outcomes) and holding & set(outcomes):
        return Outcome.PARTIAL
    return min(outcomes, key=_WORST_FIRST.index)
