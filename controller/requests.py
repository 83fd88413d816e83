"""What the API asks of the daemon, and what it gets back: frozen values between `controller.api` and the spine.

`controller.api.service.Service` is the list of questions; the wire's shape of all this is in `controller.api.schemas`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from controller.conversations import Impact
from controller.crawl import Crawl
from controller.errors import RefusalCode
from controller.freezes import InForce
from controller.model import Containment, Decision, Hop, Location, OnExpiry, Plan, Proof, Reach, Target
from controller.reach import Between
from controller.store import Accepted, Proposal, Totals
from drivers.base import DeviceDiff, Interface, Management, Neighbour


@dataclass(frozen=True, slots=True)
class ContainRequest:
    """An operator's wish, to do or to propose. `duration` is in seconds; None is the configuration's default. `by` is who asks, with
    the token; `person` and `token` are the two by themselves ("": as `by`).
    `key` is the Idempotency-Key: the same key with the same wish answers the same containment. `override` lifts
    protection, and is audited. `automatic`: a program asks, so that the budget, a pause and what else guards automatic action hold."""

    target: Target
    profile: str
    duration: float | None
    reason: str
    by: str
    override: bool = False
    key: str | None = None
    on_expiry: OnExpiry | None = None
    automatic: bool = False
    person: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What `contain` would do, and nothing done. `notes`: what a person should know before the yes (a change freeze, a confirmation that
    will be asked for), `impact` what it would end of what was seen. `refusal` is the guard's code and sentence; what was found out before
    it said no is still there. `changes` is the difference by device id, in the words of its driver; `ways` are those of the packets that
    the proof shows against the plan."""

    location: Location
    decision: Decision | None = None
    plan: Plan | None = None
    proof: Proof | None = None
    refusal: tuple[RefusalCode, str] | None = None
    changes: Mapping[str, DeviceDiff] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    impact: Impact | None = None
    ways: Mapping[Reach, Sequence[Hop]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PathAnswer:
    """`between` is there when both were found."""

    source: Location
    destination: Location
    between: Between | None = None


class Disposition(StrEnum):
    """What became of an alert. The words are part of the API."""

    CONTAINED = "contained"
    JOINED = "joined"
    PROPOSED = "proposed"
    OBSERVED = "observed"
    REFUSED = "refused"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class AlertAnswer:
    """What became of one alert, and why. A duplicate answers what the first one came to, as far as it is known. `code` is the guard's,
    where one said no."""

    alert_id: str
    duplicate: bool
    disposition: Disposition
    reason: str
    containment: Containment | None = None
    proposal: Proposal | None = None
    code: RefusalCode | None = None

    @property
    def proposal_id(self) -> str | None:
        return None if self.proposal is None else self.proposal.id


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's yes: the proposal as it stands now, and, once enough people agreed, the case, with what is no longer as it was when
    it was proposed."""

    proposal: Proposal
    accepted: Accepted | None = None
    since: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """How it stands. `limits` are the budget's caps by name, those of a role as `role NAME`; `freezes` those in force; `troubles` is why
    the daemon cannot do its work just now."""

    totals: Totals
    limits: Mapping[str, int]
    troubles: tuple[str, ...]
    freezes: tuple[InForce, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A device as the daemon sees it now. It is converged when `have_revision` has reached `want_revision`; `rules` is
    how many it should hold."""

    id: str
    driver: str
    description: str
    up: bool
    management: Management
    want_revision: int
    have_revision: int
    rules: int
    error: str | None = None
    neighbours: tuple[Neighbour, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    crawled: Crawl | None = None
