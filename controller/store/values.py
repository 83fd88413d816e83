"""What goes into the store and comes out of it, beyond the vocabulary of `controller.model`. Times are seconds since the epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from controller.errors import RefusalCode
from controller.explanation import Explanation
from controller.model import Alert, Containment, Endpoint, OnExpiry, Proof, Stage
from controller.roles import Role
from drivers.base import PreState
from drivers.rules import PortName, Rule, RuleSet

Setting = str | int | bool | None


@dataclass(frozen=True, slots=True)
class AlertOutcome:
    """What became of an alert: `disposition` as it was taken with, and the containment that it made or joined, while that is held."""

    disposition: str
    containment: Containment | None


@dataclass(frozen=True, slots=True)
class Taken:
    """An alert, to be saved as it came (`raw`) together with what became of it. `joined` is what became of it where its device is
    contained already. `decision` is how policy explains it, as `controller.explanation` writes it."""

    alert: Alert
    raw: str
    disposition: str
    joined: str = ""
    decision: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A containment as planned, ready to be accepted. `strictness` is its profile's; `rules` are by device. `baseline` is what its ports
    were set to before anybody of ours touched them, by device, as far as that is known by now. `confirm_by`: it is released then, unless
    somebody confirms it before."""

    id: str
    endpoint: Endpoint
    target: str
    profile: str
    strictness: int
    expires_at: float | None
    created_at: float
    by: str
    reason: str
    policy_rule: str
    automatic: bool
    rules: Mapping[str, RuleSet]
    override: bool = False
    alert_id: str | None = None
    evidence: tuple[str, ...] = ()
    weaker: str | None = None
    proof: Proof | None = None
    stages: Mapping[Stage, float] = field(default_factory=dict)
    baseline: Mapping[str, Mapping[PortName, Mapping[str, Setting]]] = field(default_factory=dict)
    on_expiry: OnExpiry = OnExpiry.RELEASE
    confirm_by: float | None = None
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """A held containment's rules at another port, as decided from its `revision`. `endpoint` is the device at its new place; None: it
    is not known to have left the one before, and both are held. `come_from` and `gone_to` are places in words; `why` shows it."""

    revision: int
    rules: Mapping[str, RuleSet]
    come_from: str
    gone_to: str
    why: str
    endpoint: Endpoint | None = None
    proof: Proof | None = None
    weaker: str | None = None


@dataclass(frozen=True, slots=True)
class Extension:
    """Until when a containment is to be held: `span` seconds from when it is accepted, or `until`. It never ends earlier by that, unless
    `shorten`."""

    span: float | None = None
    until: float | None = None
    shorten: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """Caps for automatic containments: accepted within any 60 s, and held at one time, in all and of the same VLAN, site and role. None,
    or a role that is not named: no cap but the total. `frozen`: which change freeze leaves it to a person just now, in words.
    `then_ask`: seconds for which a device that nobody confirmed in time is left to a person."""

    per_minute: int
    total: int
    per_vlan: int | None = None
    per_site: int | None = None
    per_role: Mapping[str, int] = field(default_factory=dict)
    frozen: str | None = None
    then_ask: float = 0.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """`created`: this request made the case. `joined`: it went into one that was open. Neither: the same request had been
    accepted before, under its idempotency key. `alert_id` is the alert's that was taken with it."""

    containment: Containment
    created: bool
    joined: bool
    alert_id: str | None = None


@dataclass(frozen=True, slots=True)
class Desired:
    """What one device should hold as of `revision`: all rules together, and those of each containment. The removal of those that are
    `leaving` has not been read back yet. `baseline` is what was there before us."""

    revision: int
    rules: RuleSet
    baseline: PreState
    by_containment: Mapping[str, tuple[Rule, ...]]
    leaving: frozenset[str] = frozenset()

    @property
    def containments(self) -> tuple[str, ...]:
        """All that have rules there, and all that leave."""
        return (*self.by_containment, *self.gone)

    @property
    def gone(self) -> list[str]:
        """Those of which nothing is wanted any more."""
        return sorted(self.leaving - self.by_containment.keys())


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A device as the store knows it. It is `dirty` while `have_revision` is behind `want_revision`."""

    id: str
    driver: str
    description: str
    management: str
    options: Mapping[str, object]
    want_revision: int
    have_revision: int
    boot_id: str | None
    owner: str | None
    epoch: int

    @property
    def dirty(self) -> bool:
        return self.have_revision < self.want_revision


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """An alert with its `id`, as it came in (`raw`, cut where it was long), and what became of it: at once (`disposition`), and since
    (`containment`, `proposal`: the newest that has it)."""

    alert: Alert
    raw: str
    disposition: str
    containment: str | None = None
    proposal: str | None = None
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Something that could not be read as an alert. `length` is the whole length of `raw` in characters before it was cut. Once it was
    replayed: when, by whom, and the ids of the alerts that it is (none: it is no alert)."""

    id: str
    source: str
    raw: str
    length: int
    reason: str
    received_at: float
    replayed_at: float | None = None
    replayed_by: str | None = None
    alerts: tuple[str, ...] = ()

    @property
    def cut(self) -> bool:
        return self.length > len(self.raw)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What replaying a dead letter came to: taken or ignored (it was read), malformed or failed (it stays, with this reason)."""

    by: str
    came_to: str
    reason: str
    alerts: tuple[str, ...] = ()

    @property
    def read(self) -> bool:
        return self.came_to in ("taken", "ignored")


class ProposalState(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's answer to a proposal: `by` is the person, `token` the name of the token that it was given with ("": not known)."""

    by: str
    approves: bool
    reason: str
    at: float
    token: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A containment that waits for people: policy (of that version) said `propose`, a guard refused (`refusal`), or somebody asked
    (`proposed_by`, about the device `as_of` then, and on terms of their own: `override`). `duration` is in seconds; `on_expiry` None is the
    configuration's. It needs `approvals` of different people before `expires_at`, and was proposed so many `times`. `containment`: what
    came of it."""

    id: str
    alert_id: str | None
    target: str
    endpoint: Endpoint | None
    profile: str
    duration: float
    rule: str
    reason: str
    refusal: RefusalCode | None
    created_at: float
    state: ProposalState = ProposalState.OPEN
    approvals: int = 1
    expires_at: float | None = None
    times: int = 1
    votes: tuple[Vote, ...] = ()
    containment: str | None = None
    proposed_by: str = ""
    as_of: float | None = None
    override: bool = False
    on_expiry: OnExpiry | None = None
    policy: str = ""

    @property
    def approvers(self) -> list[str]:
        return sorted(vote.by for vote in self.votes if vote.approves)


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token without its secret, which only its bearer has. `bearer` is the person whose it is; "": one who is called as the token."""

    name: str
    role: Role
    created_at: float
    bearer: str = ""

    @property
    def person(self) -> str:
        return self.bearer or self.name

    @property
    def who(self) -> str:
        """The person, and by which token: as the audit log has it."""
        return who(self.person, self.name)


def who(person: str, token: str) -> str:
    return person if token in {person, ""} else f"{person} (token {token})"
