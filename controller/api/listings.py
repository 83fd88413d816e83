"""More words of the API, for looking: the network, alerts, the audit log, tokens. What goes for `schemas` goes for these."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from controller.api.schemas import AttachmentView, ContainmentView, EndpointView, HopView, LocationView, View
from controller.roles import Role


class BindingView(View):
    realm: str
    ip: str | None
    mac: str
    attachment: AttachmentView
    first_seen: datetime
    last_seen: datetime
    source: str
    lease: bool


class ReportedView(View):
    """Of so many devices as were sent, `taken` are kept: a better or newer word stands of the others, or there was no room."""

    taken: int
    sent: int


class JoinedView(View):
    """MACs that are one device by a person's word."""

    realm: str
    macs: list[str]
    by: str
    reason: str
    at: datetime


class SplitView(View):
    """`rest`: the MACs that are one device without it."""

    rest: list[str]


class InterfaceView(View):
    name: str
    number: int | None
    mac: str | None
    up: bool


class NeighbourView(View):
    port: str
    device: str
    device_port: str


class CrawlView(View):
    """One reading of a device's own tables: how many entries each has. `told`: new ARP entries that were placed; `unplaced`: whose MAC's
    port is not known; `error`: why it could not be read."""

    device: str
    at: datetime
    seconds: float
    error: str
    interfaces: int
    vlans: int
    macs: int
    arp: int
    links: int
    told: int
    unplaced: int


class DeviceInfo(View):
    id: str
    driver: str
    description: str
    up: bool
    management: str
    converged: bool
    want_revision: int
    have_revision: int
    rules: int
    error: str | None
    neighbours: list[NeighbourView]
    interfaces: list[InterfaceView]
    crawled: CrawlView | None = None


class NodeView(View):
    """`kind`: device, box, router or endpoint. `says`: what a box is, or whose addresses an endpoint has. `up` is null where nobody can
    tell."""

    id: str
    name: str
    kind: str
    says: str
    up: bool | None


class LinkView(View):
    """Nodes by their ids; a port is empty where the end is no device's. `bundle`: the LAG or MLAG that it is part of."""

    source: str
    source_port: str
    target: str
    target_port: str
    bundle: str


class TopologyView(View):
    """`more`: further endpoints were seen than are listed, which are those heard of last."""

    nodes: list[NodeView]
    links: list[LinkView]
    more: bool


class StopView(HopView):
    """Where frames are dropped, because of which containment, and by which of its rules (the id)."""

    containment: str
    rule: str = ""


class TrafficView(View):
    """One kind of frames, one way. `passage`: passes, partly or blocked. `ports`: what is stopped goes to these, such as "445" or
    "135-139"; `from_ports`: it comes from these. Empty: whatever the port."""

    kind: str
    passage: str
    stops: list[StopView]
    ports: list[str]
    from_ports: list[str]


class PathView(View):
    """`hops` is null when no way is known: no cables that are known lead there, or both are at one port; then nothing is said of what
    passes. `there` is what the source sends, `back` what the destination does."""

    source: LocationView
    destination: LocationView
    hops: list[HopView] | None
    there: list[TrafficView]
    back: list[TrafficView]


class EndView(View):
    ip: str | None
    mac: str | None
    port: int | None


class AlertView(View):
    """`disposition` is what became of it at once; `containment` and `proposal` are the ids of what it is part of by now."""

    id: str
    source: str
    observed_at: datetime
    received_at: datetime
    signature: str
    signature_id: str | None
    severity: int
    category: str
    text: str
    src: EndView
    dst: EndView
    realm: str
    confidence: float | None
    techniques: list[str]
    time_doubt: str
    disposition: str
    containment: str | None = None
    proposal: str | None = None


class ConsideredView(View):
    """A policy rule, and what spoke against it as a sentence; "": it is the one that matched."""

    rule: str
    against: str


class ExplanationView(View):
    """How policy came to what became of an alert. `policy` is its version; `why` says who the culprit is, `accusers` and `rules` what each
    rule came to. Without `mode`, nothing was decided: the culprit is not known, or not where it is."""

    policy: str
    culprit: str
    why: str
    accusers: list[ConsideredView]
    rule: str
    mode: str
    profile: str
    duration: float | None
    rules: list[ConsideredView]


class TrialView(View):
    """What policy would make of an alert: `would` is contain, propose, observe, refuse or ask; "": `problem` says why it cannot be read.
    `refused` is what guard it would not come to that."""

    index: int
    would: str
    signature: str = ""
    observed_at: datetime | None = None
    target: str = ""
    refused: str = ""
    explanation: ExplanationView | None = None
    problem: str = ""


class ReplayRow(View):
    """An alert that came, what was made of it then, and what another policy would. `forgotten`: it is older than what is kept of who
    was where."""

    alert: str
    observed_at: datetime
    signature: str
    target: str
    then: str
    now: str
    differs: bool
    why: str
    forgotten: bool


class PolicyView(View):
    """A version of policy, as it could be written."""

    version: str
    in_force: bool
    first_at: datetime
    policy: dict[str, Any]


class ReloadView(View):
    """The versions before and after; the same one where the file says nothing new."""

    before: str
    now: str


class AlertDetail(View):
    """One alert; `explanation` is missing where policy never came to it, or an earlier version took it."""

    alert: AlertView
    explanation: ExplanationView | None


class SourceView(View):
    """An alert source that this daemon takes: what follows /api/v1/alerts/, and what it is."""

    name: str
    says: str


class DeadLetterView(View):
    """`raw` is neutralized for reading, `length` its whole length in characters. `alerts` are the ids of what it was replayed as."""

    id: str
    source: str
    reason: str
    raw: str
    length: int
    received_at: datetime
    replayed_at: datetime | None
    replayed_by: str | None
    alerts: list[str]


class ProposalView(View):
    """`refusal` is the guard's code, where one said no to an alert; `proposed_by` who asked, where that was a person, on terms of their own
    (`override`, `on_expiry`). `containment` is what came of it."""

    id: str
    state: str
    target: str
    endpoint: EndpointView | None
    profile: str
    duration: float
    rule: str
    reason: str
    refusal: str | None
    alert_id: str | None
    created_at: datetime
    approvals: int
    approved_by: list[str]
    refused_by: list[str]
    times: int
    expires_at: datetime | None
    containment: str | None
    proposed_by: str
    override: bool
    on_expiry: str | None
    policy: str = ""


class ApprovalView(View):
    """`containment` is there once enough people approved; until then `proposal` says how many did. `since`: what is no longer as it
    was when it was proposed."""

    proposal: ProposalView
    containment: ContainmentView | None
    since: list[str]


# --- alerts, audit, tokens --------------------------------------------------------------------------------------------


class AlertResult(View):
    """`index` is the event's: one about several devices has a result for each. `status`: taken, ignored (not an alert), malformed (kept as
    the dead letter `id`), or failed (read, and not acted upon). `containment` and `proposal` are ids."""

    index: int
    status: str
    id: str | None = None
    duplicate: bool = False
    disposition: str | None = None
    reason: str
    containment: str | None = None
    proposal: str | None = None


class ReplayView(View):
    """What one dead letter came to: `taken` or `ignored` (not an alert), and it left the dead letters; `malformed` or `failed`, and it
    stays; `cut`: not all of it was kept, and nothing was tried. `results` are its events'."""

    id: str
    source: str
    status: str
    reason: str
    results: list[AlertResult]


class ReplaysView(View):
    """`next` is the `after` with which it goes on; None at the end."""

    replays: list[ReplayView]
    next: str | None


class AlertsTaken(View):
    taken: int
    ignored: int
    malformed: int
    failed: int
    results: list[AlertResult]


class AuditRecordView(View):
    seq: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: Any
    prev: str
    hash: str


class AuditVerdict(View):
    """`head` is the chain's last hash: keep it off this host, and give it the next time."""

    verified: bool
    records: int | None
    head: str | None
    problem: str | None


class TokenView(View):
    """`person`: whose it is. Approvals are counted by people."""

    name: str
    role: Role
    created_at: datetime
    person: str = ""


class NewTokenView(View):
    """`token` is shown this once."""

    name: str
    role: Role
    token: str


class WhoAmI(View):
    name: str
    role: Role
    permissions: list[str]
    person: str = ""


class Health(View):
    status: str


class AutomationView(View):
    """Whether automatic action is paused; who paused or resumed it last, when (null: never) and why. `cause`: person, breaker."""

    paused: bool
    by: str
    reason: str
    since: datetime | None
    cause: str


class BudgetView(View):
    """`cap`: per_minute, total, `site NAME`, `VLAN N of site NAME`, `role NAME`. Of sites and VLANs those in which anybody is held."""

    cap: str
    used: int
    limit: int


class FreezeView(View):
    """A change freeze that is in force. `where`: everywhere, or sites and switches."""

    name: str
    why: str
    where: str
    until: datetime


class StatusView(View):
    """`held` counts containments by outcome; `unconfirmed` are released unless a person confirms them;
    `troubles` is why the daemon cannot do its work just now."""

    automation: AutomationView
    budget: list[BudgetView]
    held: dict[str, int]
    proposals: int
    dead_letters: int
    troubles: list[str]
    unconfirmed: int = 0
    freezes: tuple[FreezeView, ...] = ()


class FindingView(View):
    """`severity`: info, warning, error. `mend`: a command, or keys of the configuration."""

    check: str
    severity: str
    seen: str
    mend: str


class Readiness(View):
    ready: bool
    reasons: list[str]
