"""The brain's values as the API shows them. Pure: `now` is handed in. What others wrote is neutralized here, once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from controller.api import listings, schemas
from controller.api.hints import hint_for
from controller.audit import AuditRecord
from controller.automation import Automation
from controller.conversations import Impact, Talk
from controller.crawl import Crawl
from controller.model import (
    Attachment,
    Binding,
    Containment,
    Decision,
    End,
    Endpoint,
    Location,
    Looks,
    Proof,
    Reach,
    Stage,
    Want,
)
from controller.network.chart import Chart
from controller.network.joined import Joined
from controller.network.paths import Hop
from controller.neutralize import neutralize
from controller.reach import Traffic
from controller.requests import Approval, DeviceView, PathAnswer, Preview, Status
from controller.store import AlertRecord, DeadLetter, Proposal, TokenRecord
from drivers.rules import Rule, RuleSet, rule_to_wire

_FROM_RECEPTION = {
    "alert_to_located": Stage.LOCATED,
    "alert_to_decided": Stage.DECIDED,
    "alert_to_committed": Stage.COMMITTED,
    "alert_to_installed": Stage.INSTALLED,
    "alert_to_proven": Stage.PROVEN,
}
_LONG = 2000


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def stages_ms(stages: Mapping[Stage, float]) -> dict[str, float]:
    """Milliseconds since reception, of the stages that were reached; and from the release to its read-back."""
    received = stages.get(Stage.RECEIVED)
    shown = {}
    if received is not None:
        shown = {name: stages[stage] - received for name, stage in _FROM_RECEPTION.items() if stage in stages}
    if Stage.RELEASED in stages and Stage.REMOVED in stages:
        shown["release_to_removed"] = stages[Stage.REMOVED] - stages[Stage.RELEASED]
    return {name: round(seconds * 1000, 3) for name, seconds in shown.items()}


def attachment_view(place: Attachment) -> schemas.AttachmentView:
    return schemas.AttachmentView(device=place.device, port=place.port, vlan=place.vlan)


def endpoint_view(endpoint: Endpoint) -> schemas.EndpointView:
    return schemas.EndpointView(
        id=endpoint.id,
        realm=endpoint.realm,
        macs=sorted(endpoint.macs),
        ips=[str(ip) for ip in sorted(endpoint.ips, key=lambda ip: (ip.version, int(ip)))],
        attachment=attachment_view(endpoint.attachment),
        neighbours=sorted(endpoint.neighbours),
        managed=endpoint.managed.value,
        type=neutralize(endpoint.type),
        role=neutralize(endpoint.role),
        owner=neutralize(endpoint.owner),
        criticality=neutralize(endpoint.criticality),
        looks=None if endpoint.looks is None else _looks_view(endpoint.looks),
    )


def _looks_view(looks: Looks) -> schemas.LooksView:
    return schemas.LooksView(
        type=neutralize(looks.type),
        role=neutralize(looks.role),
        vendor=neutralize(looks.vendor),
        random_mac=looks.random_mac,
        confidence=looks.confidence,
        evidence=[neutralize(one) for one in looks.evidence],
        sensor=neutralize(looks.sensor),
        at=moment(looks.at),
    )


def joined_view(joined: Joined) -> listings.JoinedView:
    return listings.JoinedView(
        realm=joined.realm,
        macs=sorted(joined.macs),
        by=neutralize(joined.by),
        reason=neutralize(joined.reason, _LONG),
        at=moment(joined.at),
    )


def proof_view(proof: Proof, ways: Mapping[Reach, Sequence[Hop]] | None = None) -> schemas.ProofView:
    shown = ways or {}
    return schemas.ProofView(
        holds=proof.holds,
        blocked=_reaches(proof.blocked, shown),
        residual=_reaches(proof.residual, shown),
        collateral=_reaches(proof.collateral, shown),
        management={device: survival.value for device, survival in proof.management.items()},
        still_reaches=[neutralize(name) for name in proof.still_reaches],
    )


def _reaches(reaches: Iterable[Reach], ways: Mapping[Reach, Sequence[Hop]]) -> list[schemas.ReachView]:
    return [
        schemas.ReachView(
            src=r.src,
            dst=r.dst,
            kind=r.kind,
            witness=neutralize(r.witness),
            path=[schemas.HopView(**_hop(hop)) for hop in ways.get(r, ())],
            stopped_by=r.rule,
        )
        for r in reaches
    ]


def containment_view(case: Containment, now: float) -> schemas.ContainmentView:
    return schemas.ContainmentView(
        id=case.id,
        target=neutralize(case.target),
        profile=case.profile,
        want=case.want.value,
        outcome=case.outcome.value,
        endpoint=endpoint_view(case.endpoint),
        devices=[
            schemas.OutcomeView(
                device=one.device,
                outcome=one.outcome.value,
                reason=neutralize(one.reason),
                at=moment(one.at) if one.at else None,
            )
            for one in case.devices
        ],
        stages_ms=stages_ms(case.stages),
        created_at=moment(case.created_at),
        expires_at=None if case.expires_at is None else moment(case.expires_at),
        remaining=None if case.expires_at is None else max(0.0, round(case.expires_at - now, 1)),
        by=neutralize(case.by),
        reason=neutralize(case.reason, _LONG),
        policy_rule=case.policy_rule,
        released_by=None if case.released_by is None else neutralize(case.released_by),
        rules=_rules(case.rules),
        proof=None if case.proof is None else proof_view(case.proof),
        weaker=case.weaker,
        unproven=neutralize(case.unproven),
        evidence=[neutralize(line) for line in case.evidence],
        alerts=list(case.alerts),
        revision=case.revision,
        on_expiry=case.on_expiry.value,
        waiting_since=None if case.waiting_since is None else moment(case.waiting_since),
        automatic=case.automatic,
        override=case.override,
        confirm_by=None if case.confirm_by is None else moment(case.confirm_by),
        confirmed_by=None if case.confirmed_by is None else neutralize(case.confirmed_by),
        policy=case.policy,
    )


def _rules(rules: Iterable[tuple[str, Rule]]) -> dict[str, list[dict[str, Any]]]:
    by_device: dict[str, list[dict[str, Any]]] = {}
    for device, rule in rules:
        wire = rule_to_wire(rule)
        wire["provenance"]["reason"] = neutralize(wire["provenance"]["reason"])
        by_device.setdefault(device, []).append({"id": rule.id} | wire)
    return by_device


def _of_sets(rules: Mapping[str, RuleSet]) -> Iterable[tuple[str, Rule]]:
    return ((device, rule) for device, held in rules.items() for rule in held)


def location_view(location: Location) -> schemas.LocationView:
    return schemas.LocationView(
        status=location.status.value,
        target=str(location.target),
        as_of=moment(location.as_of),
        endpoint=None if location.endpoint is None else endpoint_view(location.endpoint),
        confidence=round(location.confidence, 3),
        evidence=[neutralize(line) for line in location.evidence],
        against=[neutralize(line) for line in location.against],
        candidates=[attachment_view(place) for place in location.candidates],
    )


def _decision_view(decision: Decision) -> schemas.DecisionView:
    return schemas.DecisionView(
        mode=decision.mode.value,
        profile=decision.profile.name,
        duration=decision.duration,
        rule=decision.rule,
        reason=neutralize(decision.reason, _LONG),
        override=decision.override,
    )


_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}


def _impact_view(impact: Impact) -> schemas.ImpactView:
    def talks(found: Sequence[Talk]) -> list[schemas.TalkView]:
        return [
            schemas.TalkView(
                peer=str(one.peer),
                way=one.way.value,
                service=f"{_PROTOCOLS[one.protocol]}{'' if one.port is None else f' {one.port}'}",
                times=one.times,
                last=moment(one.last),
            )
            for one in found
        ]

    return schemas.ImpactView(
        since=moment(impact.since), sources=list(impact.sources), lost=talks(impact.lost), kept=talks(impact.kept)
    )


def preview_view(preview: Preview) -> schemas.PreviewView:
    plan, refusal = preview.plan, preview.refusal
    return schemas.PreviewView(
        location=location_view(preview.location),
        decision=None if preview.decision is None else _decision_view(preview.decision),
        why=[] if plan is None else [neutralize(line) for line in plan.why],
        weaker=None if plan is None else plan.weaker,
        notes=tuple(neutralize(line, _LONG) for line in preview.notes),
        impact=None if preview.impact is None else _impact_view(preview.impact),
        rules={} if plan is None else _rules(_of_sets(plan.rules)),
        proof=None if preview.proof is None else proof_view(preview.proof, preview.ways),
        refusal=None
        if refusal is None
        else schemas.RefusalView(code=refusal[0].value, reason=neutralize(refusal[1]), hint=hint_for(refusal[0].value)),
        changes={
            device: [
                schemas.DiffLineView(
                    sign=line.sign, text=neutralize(line.text), detail=[neutralize(part) for part in line.detail]
                )
                for line in lines
            ]
            for device, lines in preview.changes.items()
        },
    )


def binding_view(binding: Binding) -> listings.BindingView:
    return listings.BindingView(
        realm=binding.realm,
        ip=None if binding.ip is None else str(binding.ip),
        mac=binding.mac,
        attachment=attachment_view(binding.attachment),
        first_seen=moment(binding.first_seen),
        last_seen=moment(binding.last_seen),
        source=binding.source,
        lease=binding.lease,
    )


def topology_view(drawn: Chart) -> listings.TopologyView:
    return listings.TopologyView(
        nodes=[
            listings.NodeView(
                id=neutralize(node.id),
                name=neutralize(node.name),
                kind=node.kind.value,
                says=neutralize(node.says),
                up=node.up,
            )
            for node in drawn.nodes
        ],
        links=[
            listings.LinkView(
                source=neutralize(link.source),
                source_port=neutralize(link.source_port),
                target=neutralize(link.target),
                target_port=neutralize(link.target_port),
                bundle=neutralize(link.bundle),
            )
            for link in drawn.links
        ],
        more=drawn.more,
    )


def path_view(answer: PathAnswer) -> listings.PathView:
    found = answer.between
    return listings.PathView(
        source=location_view(answer.source),
        destination=location_view(answer.destination),
        hops=None if found is None or found.hops is None else [schemas.HopView(**_hop(hop)) for hop in found.hops],
        there=[_traffic_view(one) for one in ([] if found is None else found.there)],
        back=[_traffic_view(one) for one in ([] if found is None else found.back)],
    )


def _hop(hop: Hop) -> dict[str, str]:
    return {"device": hop.device, "in_port": neutralize(hop.in_port), "out_port": neutralize(hop.out_port)}


def _traffic_view(traffic: Traffic) -> listings.TrafficView:
    return listings.TrafficView(
        kind=traffic.kind,
        passage=traffic.passage.value,
        stops=[
            listings.StopView(**_hop(stop.hop), containment=stop.containment, rule=stop.rule) for stop in traffic.stops
        ],
        ports=[_span(*span) for span in traffic.ports],
        from_ports=[_span(*span) for span in traffic.from_ports],
    )


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def crawl_view(crawl: Crawl) -> listings.CrawlView:
    return listings.CrawlView(
        device=crawl.device,
        at=moment(crawl.at),
        seconds=round(crawl.seconds, 3),
        error=neutralize(crawl.error),
        interfaces=crawl.interfaces,
        vlans=crawl.vlans,
        macs=crawl.macs,
        arp=crawl.arp,
        links=crawl.links,
        told=crawl.told,
        unplaced=crawl.unplaced,
    )


def device_info(device: DeviceView) -> listings.DeviceInfo:
    return listings.DeviceInfo(
        id=device.id,
        driver=device.driver,
        description=neutralize(device.description),
        up=device.up,
        management=device.management.value,
        converged=device.have_revision >= device.want_revision,
        want_revision=device.want_revision,
        have_revision=device.have_revision,
        rules=device.rules,
        error=None if device.error is None else neutralize(device.error),
        neighbours=[
            listings.NeighbourView(port=n.port, device=n.device, device_port=n.device_port) for n in device.neighbours
        ],
        interfaces=[
            listings.InterfaceView(name=i.name, number=i.number, mac=i.mac, up=i.up) for i in device.interfaces
        ],
        crawled=None if device.crawled is None else crawl_view(device.crawled),
    )


def _end_view(end: End) -> listings.EndView:
    return listings.EndView(ip=None if end.ip is None else str(end.ip), mac=end.mac, port=end.port)


def alert_view(record: AlertRecord) -> listings.AlertView:
    alert = record.alert
    return listings.AlertView(
        id=alert.id,
        source=alert.source,
        observed_at=moment(alert.observed_at),
        received_at=moment(alert.received_at),
        signature=neutralize(alert.signature, _LONG),
        signature_id=None if alert.signature_id is None else neutralize(alert.signature_id),
        severity=alert.severity,
        category=neutralize(alert.category, _LONG),
        text=neutralize(alert.text, _LONG),
        src=_end_view(alert.src),
        dst=_end_view(alert.dst),
        realm=alert.realm,
        confidence=alert.confidence,
        techniques=list(alert.techniques),
        time_doubt=alert.time_doubt,
        disposition=neutralize(record.disposition, _LONG),
        containment=record.containment,
        proposal=record.proposal,
    )


def dead_letter_view(letter: DeadLetter) -> listings.DeadLetterView:
    return listings.DeadLetterView(
        id=letter.id,
        source=neutralize(letter.source),
        reason=neutralize(letter.reason),
        raw=neutralize(letter.raw, _LONG),
        length=letter.length,
        received_at=moment(letter.received_at),
        replayed_at=None if letter.replayed_at is None else moment(letter.replayed_at),
        replayed_by=letter.replayed_by,
        alerts=list(letter.alerts),
    )


def proposal_view(proposal: Proposal) -> listings.ProposalView:
    return listings.ProposalView(
        id=proposal.id,
        state=proposal.state.value,
        target=neutralize(proposal.target),
        endpoint=None if proposal.endpoint is None else endpoint_view(proposal.endpoint),
        profile=proposal.profile,
        duration=proposal.duration,
        rule=proposal.rule,
        reason=neutralize(proposal.reason, _LONG),
        refusal=None if proposal.refusal is None else proposal.refusal.value,
        alert_id=proposal.alert_id,
        created_at=moment(proposal.created_at),
        approvals=proposal.approvals,
        approved_by=proposal.approvers,
        refused_by=sorted(vote.by for vote in proposal.votes if not vote.approves),
        times=proposal.times,
        expires_at=None if proposal.expires_at is None else moment(proposal.expires_at),
        containment=proposal.containment,
        proposed_by=proposal.proposed_by,
        override=proposal.override,
        on_expiry=None if proposal.on_expiry is None else proposal.on_expiry.value,
        policy=proposal.policy,
    )


def approval_view(approval: Approval, now: float) -> listings.ApprovalView:
    accepted = approval.accepted
    return listings.ApprovalView(
        proposal=proposal_view(approval.proposal),
        containment=None if accepted is None else containment_view(accepted.containment, now),
        since=[neutralize(sentence, _LONG) for sentence in approval.since],
    )


def audit_view(record: AuditRecord) -> listings.AuditRecordView:
    return listings.AuditRecordView(
        seq=record.seq,
        at=moment(record.at),
        actor=neutralize(record.actor),
        action=record.action,
        subject=neutralize(record.subject),
        detail=_neutralized(json.loads(record.detail)),
        prev=record.prev,
        hash=record.hash,
    )


def _neutralized(value: Any) -> Any:
    if isinstance(value, str):
        return neutralize(value, _LONG)
    if isinstance(value, list):
        return [_neutralized(item) for item in value]
    return {neutralize(key): _neutralized(item) for key, item in value.items()} if isinstance(value, dict) else value


def automation_view(state: Automation) -> listings.AutomationView:
    return listings.AutomationView(
        paused=state.paused,
        by=neutralize(state.by),
        reason=neutralize(state.reason, _LONG),
        since=moment(state.since) if state.since else None,
        cause=state.cause.value,
    )


def status_view(status: Status) -> listings.StatusView:
    totals = status.totals
    return listings.StatusView(
        automation=automation_view(totals.automation),
        budget=list(_budget(status)),
        held={
            outcome.value: number
            for (want, outcome), number in sorted(totals.containments.items())
            if want is Want.HELD and number
        },
        proposals=totals.open_proposals,
        dead_letters=totals.dead_letters,
        unconfirmed=totals.unconfirmed,
        troubles=[neutralize(sentence) for sentence in status.troubles],
        freezes=tuple(
            listings.FreezeView(
                name=neutralize(one.freeze.name),
                why=neutralize(one.freeze.why, _LONG),
                where=neutralize(one.freeze.where, _LONG),
                until=moment(one.until),
            )
            for one in status.freezes
        ),
    )


def _budget(status: Status) -> Iterator[listings.BudgetView]:
    """Each cap with what is used of it; of those by place, the places in which anybody is held by automatic action."""
    totals, limits = status.totals, status.limits
    for cap, used in (("per_minute", totals.automatic_recent), ("total", totals.automatic_held)):
        yield listings.BudgetView(cap=cap, used=used, limit=limits[cap])
    alike = Counter[str]()
    for (site, vlan, role), number in totals.automatic_alike.items():
        alike["role " + role] += number
        if "per_site" in limits:
            alike[f"site {site}"] += number
        if "per_vlan" in limits:
            alike[f"{f'VLAN {vlan}' if vlan else 'no known VLAN'} of site {site}"] += number
    for name, number in sorted(alike.items()):
        limit = limits.get(name, limits.get("per_site" if name.startswith("site ") else "per_vlan"))
        if limit is not None and (name in limits or not name.startswith("role ")):
            yield listings.BudgetView(cap=neutralize(name), used=number, limit=limit)


def token_view(token: TokenRecord) -> listings.TokenView:
    return listings.TokenView(
        name=token.name, role=token.role, created_at=moment(token.created_at), person=neutralize(token.person)
    )
