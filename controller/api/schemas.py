"""The words of the API: what comes in and what goes out. Times are ISO 8601 in UTC, spans are seconds unless the name
says otherwise. Texts that others wrote (alerts, reasons, host names) come out neutralized. `views` makes these of the
brain's values."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from controller.durations import parse_duration
from controller.model import FULL, OnExpiry
from controller.neutralize import storable
from controller.roles import Role

LONGEST_REASON = 500

Span = Annotated[float, BeforeValidator(parse_duration), Field(description="90s, 15m, 4h, 7d, or seconds")]
Reason = Annotated[str, BeforeValidator(lambda v: storable(v).strip() if isinstance(v, str) else v)]


class Body(BaseModel):
    """What comes in: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class View(BaseModel):
    model_config = ConfigDict(frozen=True)


# --- in ---------------------------------------------------------------------------------------------------------------


class ProposeBody(Body):
    """`target` is an IP, a MAC or switch:port. `override` contains what is protected: it needs a reason and a role."""

    target: str = Field(max_length=200)
    profile: str = Field(default=FULL.name, max_length=100)
    duration: Span | None = Field(default=None, alias="for")
    reason: Reason = Field(default="", max_length=LONGEST_REASON)
    override: bool = False
    on_expiry: OnExpiry | None = None


class ContainBody(ProposeBody):
    """`dry_run`: say what would happen, and do nothing."""

    dry_run: bool = False


class ExtendBody(Body):
    """Either `for`, counted from now, or `until`. `shorten`: also when that is earlier than it would end now."""

    span: Span | None = Field(default=None, alias="for")
    until: AwareDatetime | None = None
    shorten: bool = False

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.span is None) == (self.until is None):
            raise ValueError("give one of for and until")
        return self


class AutomationBody(Body):
    """Why automatic action is paused or resumed: it is audited, and shown to whoever looks."""

    reason: str = Field(min_length=1, max_length=1000)


class PolicyReplayBody(Body):
    """A policy as its file has it, and for how long back: 30d."""

    policy: str = Field(max_length=1_000_000)
    since: Span = 30 * 86400.0


class JoinBody(Body):
    """MACs or addresses of one device, and how one knows: it is audited."""

    targets: list[Annotated[str, Field(max_length=200)]] = Field(min_length=2, max_length=16)
    reason: Reason = Field(min_length=1, max_length=LONGEST_REASON)


class CrawlBody(Body):
    """`device` by its id; left out: all."""

    device: str | None = Field(default=None, max_length=200)


class SplitBody(Body):
    """The MAC that is another device's."""

    target: str = Field(max_length=200)
    reason: Reason = Field(default="", max_length=LONGEST_REASON)


class ApproveBody(Body):
    """`device`: the guilty end of the alert, by its address or MAC, where the proposal names none."""

    device: str | None = Field(default=None, max_length=100)


class RefuseBody(Body):
    """Why a proposal is refused: it is audited."""

    reason: str = Field(min_length=1, max_length=1000)


class ReplayBody(Body):
    """`limit` dead letters, behind the one with the id `after`."""

    after: str | None = Field(default=None, max_length=100)
    limit: int = Field(default=100, ge=1, le=1000)


class ReleaseOneBody(Body):
    reason: Reason = Field(default="", max_length=LONGEST_REASON)


class ReleaseBody(ReleaseOneBody):
    """Either `target` (an IP, a MAC, switch:port, or a containment's id) or `all`; `pause` pauses automatic action before
    all are released, so that no alert contains anybody again meanwhile."""

    target: str | None = Field(default=None, max_length=200)
    all: bool = False
    pause: bool = False

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.target is None) != self.all:
            raise ValueError("give a target, or all: true")
        if self.pause and not self.all:
            raise ValueError("pause goes with all: true; POST /api/v1/pause pauses alone")
        return self


def _token_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}", text):
        raise ValueError(
            "a token's name is made of letters, digits and . _ @ -, begins with one of the first two, and has at most 63"
        )
    return text


class TokenBody(Body):
    """`person`: whose it is; "": one who is called as the token."""

    name: Annotated[str, AfterValidator(_token_name)]
    role: Role
    person: Annotated[str, Field(max_length=200)] = ""


# --- out: profiles ---------------------------------------------------------------------------------------------------


class EntryView(View):
    """`what` is the service in words; `peers` empty is everybody. `why` is empty where nobody wrote it."""

    action: str
    direction: str
    what: str
    peers: list[str]
    why: str = ""


class ProfileView(View):
    """`default` is what becomes of what no entry speaks of: deny, permit or count. `closes` names some of what it stops."""

    name: str
    description: str
    strictness: int
    default: str
    built_in: bool
    entries: list[EntryView]
    closes: list[EntryView] = []


class ProfilesView(View):
    profiles: list[ProfileView]


# --- out: the case ------------------------------------------------------------------------------------------------------


class AttachmentView(View):
    device: str
    port: str
    vlan: int | None


class LooksView(View):
    """What a device looks like to a sensor, by what it does and says. `role` and `type` are unknown where nothing told."""

    type: str
    role: str
    vendor: str
    random_mac: bool
    confidence: float
    evidence: list[str]
    sensor: str
    at: datetime


class EndpointView(View):
    """`managed` to `criticality` are the inventory's word; `looks` is what a sensor takes it for, null where none has told."""

    id: str
    realm: str
    macs: list[str]
    ips: list[str]
    attachment: AttachmentView
    neighbours: list[str]
    managed: str
    type: str
    role: str
    owner: str
    criticality: str
    looks: LooksView | None = None


class OutcomeView(View):
    device: str
    outcome: str
    reason: str
    at: datetime | None


class HopView(View):
    """Through one device: in at a port, out at another."""

    device: str
    in_port: str
    out_port: str


class ReachView(View):
    """`witness` is a packet that shows it. In a preview, of what remains or hits another: `path` is its way, as far as a rule looks at it,
    and `stopped_by` the id of the rule that stops what should pass."""

    src: str
    dst: str
    kind: str
    witness: str
    path: list[HopView] = []
    stopped_by: str = ""


class ProofView(View):
    """`still_reaches`: whom it reaches without meeting a rule, by MAC; boxes by name and devices by id, with all that is at them."""

    holds: bool
    blocked: list[ReachView]
    residual: list[ReachView]
    collateral: list[ReachView]
    management: dict[str, str]
    still_reaches: list[str] = []


class ContainmentView(View):
    """`remaining` is in seconds, None without an end. `stages_ms` counts from the alert's (or request's) reception.
    `rules` are by device, as `drivers.rules.rule_to_wire` writes them. `unproven` says why `installed` is not
    `proven`. `waiting_since`: its time was over then, and it is held until a person extends or releases it.
    `confirm_by`: it is released then, unless a person confirms it; `confirmed_by`: who did."""

    id: str
    target: str
    profile: str
    want: str
    outcome: str
    endpoint: EndpointView
    devices: list[OutcomeView]
    stages_ms: dict[str, float]
    created_at: datetime
    expires_at: datetime | None
    remaining: float | None
    by: str
    reason: str
    policy_rule: str
    released_by: str | None
    rules: dict[str, list[dict[str, Any]]]
    proof: ProofView | None
    weaker: str | None
    unproven: str
    evidence: list[str]
    alerts: list[str]
    revision: int
    on_expiry: str = "release"
    waiting_since: datetime | None = None
    automatic: bool = False
    override: bool = False
    confirm_by: datetime | None = None
    confirmed_by: str | None = None
    policy: str = ""


class AcceptedView(View):
    """`created`: this request made the case. `joined`: it went into an open one. Neither: it was accepted before."""

    containment: ContainmentView
    created: bool
    joined: bool


class ContainmentsView(View):
    containments: list[ContainmentView]


class ReleasedView(View):
    released: list[ContainmentView]


# --- out: where a device is, and what would be done -------------------------------------------------------------------


class LocationView(View):
    status: str
    target: str
    as_of: datetime
    endpoint: EndpointView | None
    confidence: float
    evidence: list[str]
    against: list[str]
    candidates: list[AttachmentView]


class DecisionView(View):
    mode: str
    profile: str
    duration: float
    rule: str
    reason: str
    override: bool


class DiffLineView(View):
    """`text` in words; `detail` in the device's own form."""

    sign: str
    text: str
    detail: list[str] = []


class RefusalView(View):
    code: str
    reason: str
    hint: str


class TalkView(View):
    """`way`: from, the device opened it; to, the peer did. `service`: tcp 445."""

    peer: str
    way: str
    service: str
    times: int
    last: datetime


class ImpactView(View):
    """Of the device's conversations that `sources` told of since `since`: which the plan would end, and which not. No sources: nothing is
    known. What no sensor saw is not in it."""

    since: datetime
    sources: list[str]
    lost: list[TalkView]
    kept: list[TalkView]


class PreviewView(View):
    """`changes` is the difference by device; `rules` what it should then hold because of this; `why` the plan's own
    words; `notes` what a person should know before the yes (a change freeze, a confirmation that will be asked for)."""

    location: LocationView
    decision: DecisionView | None
    why: list[str]
    weaker: str | None
    rules: dict[str, list[dict[str, Any]]]
    proof: ProofView | None
    refusal: RefusalView | None
    changes: dict[str, list[DiffLineView]]
    notes: tuple[str, ...] = ()
    impact: ImpactView | None = None


class Problem(View):
    """Every error's body. `error` is a word to act upon, `message` says what is wrong, `hint` what to do next."""

    error: str
    message: str
    hint: str
