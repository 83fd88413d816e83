"""A daemon that decides nothing: the API's `Service` over a real store, with answers made for each test."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import cast

from controller.alerts import Alerts
from controller.api.service import Service
from controller.automation import Automation, Cause
from controller.config import Config, OpenC2
from controller.conversations import Conversation
from controller.crawl import Crawl
from controller.discovery.probes import SensorResults, SensorWork
from controller.discovery.reports import DeviceReports
from controller.doctor.finding import Finding
from controller.errors import AlertRepeated, InvalidInput, NetcordonError, NotFound, RefusalCode, Refused
from controller.explanation import Explanation, Trial
from controller.freezes import InForce
from controller.intake import SOURCES, Source
from controller.live import Live
from controller.model import (
    FULL,
    Address,
    Alert,
    Attachment,
    Binding,
    Considered,
    Containment,
    Decision,
    Endpoint,
    Located,
    Location,
    Mode,
    Outcome,
    Plan,
    Profile,
    Proof,
    Reach,
    Stage,
    Survival,
    Target,
    Want,
)
from controller.network.chart import Chart, Link, Node, NodeKind
from controller.network.joined import Joined
from controller.network.paths import Hop
from controller.policy import PolicyFile
from controller.policy_desk import PolicyDesk
from controller.policy_in_force import PolicyInForce
from controller.profiles import LATERAL, MONITOR
from controller.reach import Between, Passage, Stop, Traffic
from controller.requests import (
    AlertAnswer,
    Approval,
    ContainRequest,
    DeviceView,
    Disposition,
    PathAnswer,
    Preview,
    Status,
)
from controller.store import Accepted, Extension, Proposal, Store, Taken
from controller.targets import parse_target
from controller.webhooks import Webhook
from drivers.base import DiffLine, Interface, Management, Neighbour
from drivers.rules import Mac, PortName
from tests.unit.store_cases import START, converge, draft, endpoint, nothing, rules

HOSTILE = "\x1b[31mred\u202e [bold]not markup[/bold]\nnext"
"""What an attacker might call itself."""


class Trying:
    async def explain(self, alert: Alert, rules: PolicyFile) -> Trial:
        told = Explanation(rules.version, "source", HOSTILE, (Considered("who", ""),))
        return Trial(replace(told, mode="observe", profile="full", rules=(Considered("what", HOSTILE),)), "10.0.0.1")


@dataclass
class FakeService:
    """`refuse` is raised by what would change something. `then` is what a change comes to on the device, a moment
    later; without, it is never pushed. `results` and `requests` are what came in. Target 10.0.0.N is the N-th endpoint
    of `store_cases`, alone at its port."""

    store: Store
    refuse: NetcordonError | None = None
    then: Outcome | None = None
    found: list[Finding] = field(default_factory=list)
    metrics_without_token: bool = False
    live: Live = field(default_factory=lambda: _ended())
    reasons: list[str] = field(default_factory=list)
    freezes: tuple[InForce, ...] = ()
    conversations: list[Conversation] = field(default_factory=list)
    results: list[tuple[str, SensorResults]] = field(default_factory=list)
    reported: list[tuple[str, DeviceReports]] = field(default_factory=list)
    requests: list[ContainRequest] = field(default_factory=list)
    taken: list[Alert] = field(default_factory=list)
    signing: Mapping[str, Webhook] = field(default_factory=dict)
    located: list[tuple[Target, float | None]] = field(default_factory=list)
    pushing: asyncio.Task[None] | None = None

    async def contain(self, request: ContainRequest) -> Accepted:
        self.requests.append(request)
        self._guard()
        made = draft(
            _number(request.target),
            containment=f"c-{len(self.requests):012x}",
            by=request.by,
            reason=request.reason,
            profile=request.profile,
            strictness=100 if request.profile == "full" else 10,
            stages={stage: START + i * 0.001 for i, stage in enumerate((Stage.RECEIVED, Stage.LOCATED, Stage.DECIDED))},
            evidence=(HOSTILE,),
        )
        accepted = await self.store.accept(made, recheck=nothing, idempotency_key=request.key)
        self._push()
        return accepted

    async def plan(self, request: ContainRequest) -> Preview:
        self.requests.append(request)
        location = self.locate(request.target, None)
        if isinstance(self.refuse, Refused):
            return Preview(location, refusal=(self.refuse.code, self.refuse.reason))
        number = _number(request.target)
        decision = Decision(Mode.CONTAIN, FULL, 3600.0, "operator", request.reason, request.by, automatic=False)
        planned = Plan("c-1", endpoint(number), FULL, {"s1": rules("c-1", number)}, ("its own edge port",))
        proof = Proof((Reach("10.0.0.1", "any", "arp", "who-has"),), (), (), {"s1": Survival.UNKNOWN})
        changes = {
            "s1": (
                DiffLine("+", "deny from eth1", ("table=0 in_port=1",)),
                DiffLine("~", "port eth1: flood"),
                DiffLine("-", HOSTILE),
            )
        }
        return Preview(location, decision, planned, proof, changes=changes)

    async def plan_proposal(self, id: str, device: str | None = None) -> Preview:
        proposal = await self.store.proposal(id)
        return await self.plan(
            ContainRequest(parse_target(device or proposal.target), "full", 3600.0, proposal.reason, "nobody")
        )

    @property
    def policy(self) -> PolicyDesk:
        """Over the store; the alerts that are tried would all be observed."""
        nothing = PolicyFile()
        trying = cast(Alerts, Trying())
        return PolicyDesk(
            Config(),
            self.store,
            trying,
            PolicyInForce(nothing),
            lambda: nothing,
            lambda bindings, now: trying,
            lambda: START,
        )

    async def take_alert(self, alert: Alert, raw: str) -> AlertAnswer:
        self._guard()
        self.taken.append(alert)
        try:
            id, duplicate = await self.store.take_alert(Taken(alert, raw, "observed: only looked at")), False
        except AlertRepeated as again:
            id, duplicate = again.id, True
        return AlertAnswer(id, duplicate, Disposition.OBSERVED, f"only looked at {alert.signature}")

    def conversed(self, told: Conversation) -> None:
        self.conversations.append(told)

    async def release(self, target_or_id: str, *, by: str, reason: str, key: str | None) -> list[Containment]:
        self._guard()
        held = await self.store.containments(want=Want.HELD)
        found = [one for one in held if target_or_id in (one.id, one.target)]
        if not found:
            raise NotFound(f"nothing holds {target_or_id}")
        released = [await self.store.release(one.id, by=by, reason=reason, idempotency_key=key) for one in found]
        self._push()
        return released

    async def extend(self, id: str, extension: Extension, *, by: str, key: str | None) -> Containment:
        self._guard()
        return await self.store.extend(id, extension, by=by, idempotency_key=key)

    async def confirm(self, id: str, *, by: str) -> Containment:
        self._guard()
        return await self.store.confirm(id, by=by)

    async def propose(self, request: ContainRequest) -> Proposal:
        self.requests.append(request)
        self._guard()
        proposal = Proposal(
            f"p-{len(self.requests)}",
            None,
            str(request.target),
            endpoint(_number(request.target)),
            request.profile,
            request.duration or 3600.0,
            "operator",
            request.reason,
            None,
            START,
            proposed_by=request.person or request.by,
            as_of=START,
            override=request.override,
            on_expiry=request.on_expiry,
        )
        return (await self.store.save_proposal(proposal, token=request.token)).proposal

    async def approve_proposal(self, id: str, *, by: str, token: str, device: str | None = None) -> Approval:
        self._guard()
        if device is not None:
            await self.store.name_proposed(id, device, (await self.store.proposal(id)).alert_id or "", by, token)
        return Approval(await self.store.vote(id, by, approves=True, reason="", token=token))

    async def refuse_proposal(self, id: str, *, by: str, token: str, reason: str) -> Proposal:
        self._guard()
        return await self.store.vote(id, by, approves=False, reason=reason, token=token)

    async def status(self) -> Status:
        return Status(await self.store.totals(), {"per_minute": 10, "total": 50}, tuple(self.reasons), self.freezes)

    async def pause(self, *, by: str, reason: str) -> Automation:
        return (await self.store.pause_automation(by, reason, Cause.PERSON))[0]

    async def resume(self, *, by: str, reason: str) -> Automation:
        return (await self.store.resume_automation(by, reason))[0]

    async def release_all(self, *, by: str, reason: str, pause: bool) -> list[Containment]:
        if pause:
            await self.pause(by=by, reason="release --all")
        held = await self.store.containments(want=Want.HELD)
        return [await self.store.release(one.id, by=by, reason=reason) for one in held]

    def locate(self, target: Target, at: float | None) -> Location:
        self.located.append((target, at))
        if target.ip == ip_address("10.0.0.99"):
            places = (Attachment("s1", PortName("eth1")), Attachment("s2", PortName("eth2"), 7))
            return Location(Located.AMBIGUOUS, target, START, against=("two holders",), candidates=places)
        return Location(Located.FOUND, target, START, endpoint(_number(target)), 0.98, ("ARP 2 s before", HOSTILE))

    def endpoints(self) -> list[Endpoint]:
        return [replace(endpoint(1), type=HOSTILE), endpoint(2)]

    async def join(self, targets: Sequence[Target], *, by: str, reason: str) -> Joined:
        macs = frozenset(target.mac for target in targets if target.mac is not None)
        return Joined("default", macs, by, reason, START)

    async def split(self, target: Target, *, by: str, reason: str) -> frozenset[Mac]:
        if target.mac is None:
            raise InvalidInput(f"{target} is no MAC")
        return frozenset({Mac("02:00:00:00:00:09")})

    def bindings(self, ip: Address | None, mac: Mac | None) -> list[Binding]:
        one = endpoint(1)
        return [Binding("default", min(one.ips, key=str), min(one.macs), one.attachment, START, START + 1, "arp")]

    async def path(self, source: Target, destination: Target) -> PathAnswer:
        """Two switches on the way; the first stops TCP to 445 and all ARP. 10.0.0.98 is behind cables that nobody knows."""
        ends = self.locate(source, None), self.locate(destination, None)
        if ends[0].endpoint is None or ends[1].endpoint is None:
            return PathAnswer(*ends)
        if destination.ip == ip_address("10.0.0.98"):
            return PathAnswer(*ends, Between(ends[0].endpoint, ends[1].endpoint, None))
        first, second = Hop("s1", PortName("eth1"), PortName(HOSTILE)), Hop("s2", PortName("eth9"), PortName("eth2"))
        stop = (Stop(first, "c-0000000000000001", "0a1b2c3d4e5f"),)
        there = (
            Traffic("ARP", Passage.BLOCKED, stop),
            Traffic("TCP", Passage.PARTLY, stop, ((445, 445), (135, 139))),
            Traffic("UDP", Passage.PASSES),
        )
        back = (Traffic("TCP", Passage.PARTLY, stop, (), ((445, 445),)),)
        return PathAnswer(*ends, Between(ends[0].endpoint, ends[1].endpoint, (first, second), there, back))

    async def crawl(self, device: str | None) -> list[Crawl]:
        if device not in (None, "s1"):
            raise NotFound(f"there is no device {device}")
        return [Crawl("s1", START, 0.5, HOSTILE if device is None else "", 8, 2, 5, 4, 1, 3, 1)]

    def topology(self, *, endpoints: bool) -> Chart:
        nodes = [
            Node("s1", HOSTILE, NodeKind.DEVICE, "management oob", True),
            Node("box/closet", "closet", NodeKind.BOX, "hub"),
        ]
        links = [Link("s1", "eth1", "box/closet")]
        if endpoints:
            nodes.append(Node("default/02:00:00:00:00:05", HOSTILE, NodeKind.ENDPOINT, HOSTILE))
            links.append(Link("box/closet", "", "default/02:00:00:00:00:05"))
        return Chart(tuple(nodes), tuple(links))

    async def devices(self) -> list[DeviceView]:
        port = PortName("eth1")
        return [
            DeviceView(
                id="s1",
                driver="memory",
                description=HOSTILE,
                up=True,
                management=Management.UNKNOWN,
                want_revision=3,
                have_revision=2,
                rules=2,
                error="refused one rule",
                neighbours=(Neighbour(port, "s2", port),),
                interfaces=(Interface(port, 1),),
            )
        ]

    def ready(self) -> list[str]:
        return self.reasons

    async def sensor_work(self, name: str, wait: float) -> SensorWork:
        return SensorWork()

    async def sensor_results(self, name: str, results: SensorResults) -> None:
        self.results.append((name, results))

    def report_devices(self, sensor: str, reports: DeviceReports) -> int:
        self.reported.append((sensor, reports))
        return len(reports.devices)

    async def findings(self) -> list[Finding]:
        return self.found

    async def metrics(self) -> bytes:
        return b"netcordon_up 1\n"

    def profiles(self) -> list[Profile]:
        return [FULL, LATERAL, replace(MONITOR, name="custom", description=HOSTILE, built_in=False)]

    def sources(self) -> Mapping[str, Source]:
        return SOURCES

    def openc2(self) -> OpenC2:
        return OpenC2(asset_id="30", named_groups=("perimeter", "network"))

    def webhooks(self) -> Mapping[str, Webhook]:
        return self.signing

    def _push(self) -> None:
        if self.then is not None:
            self.pushing = asyncio.create_task(self._pushed(self.then))

    async def _pushed(self, outcome: Outcome) -> None:
        await asyncio.sleep(0.05)
        await converge(self.store, "s1", outcome)

    def _guard(self) -> None:
        if self.refuse is not None:
            raise self.refuse


def _ended() -> Live:
    """Whoever follows it comes to its end at once: a test that wants more gives one of its own."""
    live = Live()
    live.close()
    return live


def refused(code: RefusalCode = RefusalCode.PROTECTED) -> Refused:
    return Refused(code, f"it is the gateway {HOSTILE}")


def _number(target: Target) -> int:
    return 1 if target.ip is None else int(target.ip) & 0xFF


def _is_a_service(service: FakeService) -> Service:
    """mypy compares the two."""
    return service
