"""The spine, top to bottom: locate, decide, plan, prove, commit. Everything up to commit is pure; commit is one transaction of the store
that checks again. Pushing is the reconciler's work alone: what is committed here wakes it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import structlog

from controller import guardrails, policy
from controller.config import Config
from controller.errors import AlertRepeated, InvalidInput, NotFound, RefusalCode, Refused, StoreUnavailable
from controller.locate import locate
from controller.logs import about
from controller.model import (
    FULL,
    Alert,
    Attachment,
    Containment,
    Culprit,
    Decision,
    End,
    Endpoint,
    Located,
    Location,
    Mode,
    Plan,
    Proof,
    Stage,
    Target,
    Want,
)
from controller.network.view import NetworkView
from controller.plan import make_plan, only_its_own
from controller.profiles import unknown
from controller.prove import prove
from controller.requests import AlertAnswer, ContainRequest, Disposition, Preview
from controller.store import Accepted, Budget, Draft, Extension, Proposal, Setting, Store, Taken
from controller.targets import parse_target
from drivers.base import Capabilities
from drivers.rules import PortName, RuleSet

log = structlog.get_logger("containment")
Clock = Callable[[], float]
Settings = Mapping[PortName, Mapping[str, Setting]]
EVERY = 2**31 - 1
"""As a limit of a list: none. What holds a target must be found however much else is held."""
REMEMBERED = 65_536
"""Alerts taken lately whose repetition is known by name."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is known before anything is written."""

    location: Location
    endpoint: Endpoint
    decision: Decision
    plan: Plan
    proof: Proof
    stages: Mapping[Stage, float]


class Containments:
    """Contains, previews and releases. `wake` is called with the devices whose desired state changed, after the commit; `note`
    keeps the time of a stage, in its own time. `untouched` tells what ports of a device are set to while nothing of ours is on them."""

    def __init__(
        self,
        config: Config,
        store: Store,
        network: NetworkView,
        capabilities: Callable[[str], Capabilities | None],
        wake: Callable[[Iterable[str]], None],
        note: Callable[[str, Stage, float], None],
        now: Clock,
        untouched: Callable[[str, Iterable[PortName]], Settings] = lambda device, ports: {},
    ) -> None:
        self._config = config
        self._store = store
        self._network = network
        self._capabilities = capabilities
        self._wake = wake
        self._note = note
        self._now = now
        self._budget = Budget(config.budget.per_minute, config.budget.total)
        self._untouched = untouched
        self._in_hand: dict[tuple[str, str], asyncio.Future[AlertAnswer]] = {}
        self._taken: dict[tuple[str, str], str] = {}

    async def contain(self, request: ContainRequest) -> Accepted:
        """Contain what an operator named. Raises Refused, InvalidInput, StoreUnavailable, Conflict."""
        received = self._now()
        decision = self._operators_decision(request)
        if known := await self._known(request, decision):
            return Accepted(known, created=False, joined=False)
        prepared = self._prepare(request.target, received, received, decision)
        return await self._commit(prepared, str(request.target), key=request.key)

    async def _known(self, request: ContainRequest, decision: Decision) -> Containment | None:
        """What the same request came to before, whatever became of the device since."""
        if request.key is None:
            return None
        name, span, target = decision.profile.name, decision.duration, str(request.target)
        return await self._store.accepted_before(
            request.key, target, name, span, decision.by, decision.reason, decision.rule
        )

    def preview(self, request: ContainRequest) -> Preview:
        """What `contain` would do. Nothing is written and nothing is sent; the device's own changes are added by the daemon."""
        now = self._now()
        location = self.locate(request.target, now)
        decision = self._operators_decision(request)
        try:
            prepared = self._prepare(request.target, now, now, decision)
        except Refused as refusal:
            return Preview(location, decision, refusal=(refusal.code, refusal.reason))
        return Preview(prepared.location, decision, prepared.plan, prepared.proof)

    async def take_alert(self, alert: Alert, raw: str) -> AlertAnswer:
        """Decide what the alert means, and act as far as policy lets it. The alert and what became of it are stored in one transaction,
        before anybody is answered or anything is pushed. A repeated alert changes nothing: while the first one is dealt with, it waits
        for what that comes to."""
        name = alert.source, alert.key
        first = self._in_hand.get(name)
        if first is not None:
            return replace(await asyncio.shield(first), duplicate=True)
        job = self._in_hand[name] = asyncio.ensure_future(self._take(alert, raw))
        job.add_done_callback(lambda _: self._in_hand.pop(name, None))
        return await asyncio.shield(job)

    async def _take(self, alert: Alert, raw: str) -> AlertAnswer:
        kept = False
        try:
            if (again := await self._taken_before(alert)) is None:
                answer = await self._answer(replace(alert, id=secrets.token_hex(8)), raw)
                self._remember(alert, answer.alert_id)
            kept = True
            return answer if again is None else again
        except AlertRepeated as repeated:
            kept = True
            self._remember(alert, repeated.id)
            return await self._repeated(repeated.id)
        finally:
            if not kept:  # whatever went wrong: an alert that came in is not lost by it
                with contextlib.suppress(StoreUnavailable, AlertRepeated):
                    await self._store.save_alert(alert, raw)

    async def release(
        self, which: str, target: Target | None, *, by: str, reason: str, key: str | None
    ) -> list[Containment]:
        """Release a containment by its id, or all that hold the target. NotFound when there is nothing to release."""
        if target is None:
            return [await self._release((await self._store.containment(which)).id, by, reason, key)]
        known = [] if key is None else [await self._store.containment(id) for id in await self._store.asked_before(key)]
        asked_at = min((one.stages.get(Stage.RELEASED, math.inf) for one in known), default=math.inf)
        found = [one for one in await self._holding(target) if one not in known and one.created_at < asked_at]
        if not known and not found:
            raise NotFound(f"nothing holds {which}; `netcordon list` shows what is contained")
        keys = {one.id: None if key is None else f"{key}/{one.id}" for one in [*known, *found]}
        return [await self._release(id, by, reason, own) for id, own in keys.items()]

    async def extend(self, id: str, extension: Extension, *, by: str, key: str | None) -> Containment:
        """Move a containment's end; its rules are not touched. Raises NotFound, Conflict, InvalidInput."""
        extended = await self._store.extend(id, extension, by=by, idempotency_key=key)
        self._wake(())
        log.info("extended", containment=extended.id, by=by, until=extended.expires_at)
        return extended

    async def release_all(self, *, by: str, reason: str) -> list[Containment]:
        return [await self._release(one.id, by, reason, None) for one in await self._held()]

    async def _release(self, id: str, by: str, reason: str, key: str | None) -> Containment:
        """One release, and its devices woken at once: what fails after it must not hold it up."""
        released = await self._store.release(id, by=by, reason=reason, idempotency_key=key)
        self._wake({outcome.device for outcome in released.devices})
        log.info("released", containment=released.id, by=by, reason=reason)
        return released

    def locate(self, target: Target, at: float | None = None) -> Location:
        now = self._now()
        return locate(target, now if at is None else at, now, self._network, self._config.locate)

    def prepare_at(self, case: Containment, place: Attachment, *, whole: bool) -> Prepared:
        """A held case planned and proven anew at another port, for `follow`: of all that comes in there (`whole`), or only of what uses the
        device's MACs. Every guard looks again; but what keeps using a held MAC stays held, whatever it says of itself meanwhile: a second
        address, a protected one, a router advertisement would else be its way out. Raises Refused."""
        now, held = self._now(), case.endpoint
        endpoint = self._network.endpoint_at(held.realm, held.macs, place, now)
        left = self._config.duration if case.expires_at is None else max(1.0, case.expires_at - now)
        profile = self._config.catalogue.get(case.profile, FULL)  # no longer configured: held tighter rather than not
        by_hand = case.policy_rule == "operator"
        decision = Decision(Mode.CONTAIN, profile, left, case.policy_rule, case.reason, case.by, automatic=not by_hand)
        location = Location(Located.FOUND, Target(mac=min(held.macs), realm=held.realm), now, endpoint)
        if whole:
            guardrails.no_router_at(endpoint, self._network, now)
            return self._plan_and_prove(location, endpoint, decision, {})
        alone = replace(endpoint, neighbours=frozenset(), ips=frozenset())
        stands = replace(decision, automatic=False)
        return self._plan_and_prove(location, alone, stands, {}, only_its_own)

    def still_at(self, prepared: Prepared) -> None:
        """`prepare_at`'s recheck, for the accepting transaction: raises Refused when the device was heard elsewhere since."""
        self._still_there(prepared.endpoint, prepared.decision)

    # --- the steps ------------------------------------------------------------------------------------------------

    def _prepare(self, target: Target, as_of: float, received: float, decision: Decision) -> Prepared:
        location = self.locate(target, as_of)
        endpoint = guardrails.placed(location)
        located = self._now()
        return self._plan_and_prove(location, endpoint, decision, {Stage.RECEIVED: received, Stage.LOCATED: located})

    def _plan_and_prove(
        self,
        location: Location,
        endpoint: Endpoint,
        decision: Decision,
        stages: Mapping[Stage, float],
        narrowed: Callable[[Plan], Plan] | None = None,
    ) -> Prepared:
        guardrails.not_protected(endpoint, decision, self._network, location.target.ip)
        if narrowed is None:
            guardrails.nobody_protected_beside(endpoint, decision, self._network, self._now())
        capabilities = self._capabilities(endpoint.attachment.device)
        if capabilities is None:
            raise Refused(RefusalCode.UNKNOWN_PLACE, f"no driver serves {endpoint.attachment.device}")
        until = self._now() + decision.duration
        known = self._network.addresses_of(endpoint.realm)
        plan = make_plan(_new_id(), endpoint, decision, until, self._network.graph, capabilities, known)
        plan = plan if narrowed is None else narrowed(plan)
        proof = prove(plan, self._network, self._now())
        guardrails.safe(plan, proof, decision, self._network)
        return Prepared(location, endpoint, decision, plan, proof, {**stages, Stage.DECIDED: self._now()})

    async def _commit(
        self,
        prepared: Prepared,
        target: str,
        *,
        key: str | None = None,
        taken: Taken | None = None,
        fulfils: str | None = None,
    ) -> Accepted:
        decision = prepared.decision
        now = self._now()
        draft = Draft(
            id=prepared.plan.containment,
            endpoint=prepared.endpoint,
            target=target,
            profile=decision.profile.name,
            strictness=decision.profile.strictness,
            expires_at=now + decision.duration,
            created_at=now,
            by=decision.by,
            reason=decision.reason,
            policy_rule=decision.rule,
            automatic=decision.automatic,
            override=decision.override,
            rules=prepared.plan.rules,
            evidence=(*prepared.location.evidence, *prepared.location.against),
            weaker=prepared.plan.weaker,
            proof=prepared.proof,
            stages=prepared.stages,
            baseline={device: self._untouched(device, _ports(rules)) for device, rules in prepared.plan.rules.items()},
            on_expiry=decision.on_expiry or self._config.on_expiry,
        )
        accepted = await self._store.accept(
            draft,
            recheck=lambda: self._still_there(prepared.endpoint, decision),
            budget=self._budget if decision.automatic else None,
            idempotency_key=key,
            taken=taken,
            fulfils=fulfils,
        )
        self._wake(prepared.plan.rules)
        if accepted.created:
            self._note(accepted.containment.id, Stage.COMMITTED, self._now())
        await asyncio.sleep(0)  # the push begins now: the answer is made while the store is read for it
        _log_accepted(accepted, prepared)
        return accepted

    def _still_there(self, endpoint: Endpoint, decision: Decision) -> None:
        """Runs inside the accepting transaction, on the store's thread: reads single values only."""
        for mac in endpoint.macs:
            spans = self._network.bindings.history_of_mac(endpoint.realm, mac)
            if spans and not spans[-1].place.same_port(endpoint.attachment):
                moved_to = self._network.graph.label(spans[-1].place)
                raise Refused(RefusalCode.CHANGED, f"{mac} moved to {moved_to} while this was being decided: try again")
        guardrails.not_protected(endpoint, decision, self._network)

    # --- alerts ---------------------------------------------------------------------------------------------------

    async def _answer(self, alert: Alert, raw: str) -> AlertAnswer:
        culprit, why = policy.incriminate(self._config.policy, alert)
        end = policy.culprit_end(alert, culprit)
        target = None if end is None else _target_of(end, alert.realm)
        if culprit is Culprit.UNDECIDED or end is None or target is None:
            return await self._ask(alert, raw, None, None, Disposition.UNDECIDED, RefusalCode.UNDECIDED, why)
        location = await self._locate_when_settled(target, alert, raw)
        decision = None
        try:
            endpoint = guardrails.placed(_checked_against(end, location, self._network))
            decision = policy.decide(self._config.policy, alert, endpoint, why, self._config.catalogue)
            if decision.mode is Mode.OBSERVE:
                taken = Taken(alert, raw, _words(Disposition.OBSERVED, decision.reason))
                return AlertAnswer(await self._store.take_alert(taken), False, Disposition.OBSERVED, decision.reason)
            stages = {Stage.RECEIVED: alert.received_at, Stage.LOCATED: self._now()}
            prepared = self._plan_and_prove(location, endpoint, decision, stages)
            if decision.mode is Mode.PROPOSE:
                return await self._ask(
                    alert, raw, target, decision, Disposition.PROPOSED, None, decision.reason, prepared.endpoint
                )
            contained, joined = (_words(one, decision.reason) for one in (Disposition.CONTAINED, Disposition.JOINED))
            accepted = await self._commit(prepared, str(target), taken=Taken(alert, raw, contained, joined))
        except Refused as refusal:
            return await self._ask(alert, raw, target, decision, Disposition.REFUSED, refusal.code, refusal.reason)
        disposition = Disposition.JOINED if accepted.joined else Disposition.CONTAINED
        return AlertAnswer(accepted.alert_id or "", False, disposition, decision.reason, accepted.containment)

    async def _locate_when_settled(self, target: Target, alert: Alert, raw: str) -> Location:
        """Where it is; an alert about a port whose neighbour may still show itself waits for that, rather than being refused. It is kept
        before it waits. Raises AlertRepeated."""
        at = alert.observed_at
        location = self.locate(target, at)
        if location.status is not Located.AMBIGUOUS or not location.candidates:
            return location
        left = max(self._network.graph.unsettled_for(place, self._now()) for place in location.candidates)
        if left > 0:
            await self._store.save_alert(alert, raw)
            await asyncio.sleep(left)
            location = self.locate(target, at)
        return location

    async def _ask(
        self,
        alert: Alert,
        raw: str,
        target: Target | None,
        decision: Decision | None,
        disposition: Disposition,
        code: RefusalCode | None,
        reason: str,
        endpoint: Endpoint | None = None,
    ) -> AlertAnswer:
        """Put it to people: what was decided or refused stands as a proposal, on the terms of what was decided until then."""
        proposal = Proposal(
            id=_new_id("p"),
            alert_id=None,
            target="" if target is None else str(target),
            endpoint=endpoint,
            profile="full" if decision is None else decision.profile.name,
            duration=self._config.duration if decision is None else decision.duration,
            rule="" if decision is None else decision.rule,
            reason=reason,
            refusal=code,
            created_at=self._now(),
            approvals=1 if decision is None else decision.approvals,
            expires_at=self._now() + self._config.proposal_expires,
        )
        made = await self._store.save_proposal(proposal, Taken(alert, raw, _words(disposition, reason)))
        return AlertAnswer(made.alert_id, False, disposition, reason, None, made.proposal.id, code)

    # --- what people approve ------------------------------------------------------------------------------------------

    async def approve(self, id: str, *, by: str) -> tuple[Proposal, Containment | None]:
        """Count this person's approval; with enough of them, contain: located as of the alert's time, and guarded as of now. Raises
        NotFound, Conflict, and Refused when it may not be contained any more: the proposal then stays open."""
        proposal = await self._store.vote(id, by, approves=True, reason="")
        if len(proposal.approvers) < proposal.approvals:
            return proposal, None
        prepared = await self._prepare_proposed(proposal)
        accepted = await self._commit(prepared, proposal.target, fulfils=id)
        return await self._store.proposal(id), accepted.containment

    async def refuse(self, id: str, *, by: str, reason: str) -> Proposal:
        return await self._store.vote(id, by, approves=False, reason=reason)

    async def _prepare_proposed(self, proposal: Proposal) -> Prepared:
        if not proposal.target or proposal.alert_id is None:
            raise Refused(
                RefusalCode.UNDECIDED,
                f"{proposal.id} names no device: find out which one it is, and contain that by hand",
            )
        alert = (await self._store.alert(proposal.alert_id)).alert
        location = self.locate(replace(parse_target(proposal.target), realm=alert.realm), alert.observed_at)
        endpoint = guardrails.placed(location)
        if proposal.endpoint is not None and endpoint.id != proposal.endpoint.id:
            raise Refused(
                RefusalCode.CHANGED,
                f"{proposal.target} was {proposal.endpoint.id}, and is {endpoint.id} by what is known now",
            )
        profile = self._config.catalogue.get(proposal.profile)
        if profile is None:
            raise Refused(RefusalCode.CHANGED, f"there is no profile {proposal.profile!r} any more: contain by hand")
        people = ", ".join(proposal.approvers)
        rule = proposal.rule or "operator"
        why = f"{proposal.reason}; {proposal.id} approved by {people}"
        now = next((one for one in self._config.policy.rules if one.name == proposal.rule), None)
        decision = Decision(
            Mode.CONTAIN,
            profile,
            proposal.duration,
            rule,
            why,
            people,
            automatic=False,
            on_expiry=None if now is None else now.on_expiry,
        )
        stages = {Stage.RECEIVED: self._now(), Stage.LOCATED: self._now()}
        return self._plan_and_prove(location, endpoint, decision, stages)

    def _remember(self, alert: Alert, alert_id: str) -> None:
        """As whose repetition the same alert is to be known. The oldest one is forgotten: the store knows it all the same."""
        self._taken[alert.source, alert.key] = alert_id
        if len(self._taken) > REMEMBERED:
            del self._taken[next(iter(self._taken))]

    async def _taken_before(self, alert: Alert) -> AlertAnswer | None:
        """What is answered to one that was taken lately: it need not be located, planned and proven to find out. What is remembered only
        says where to look; one that the store does not have is new."""
        alert_id = self._taken.get((alert.source, alert.key))
        if alert_id is None:
            return None
        try:
            return await self._repeated(alert_id)
        except NotFound:
            return None

    async def _repeated(self, alert_id: str) -> AlertAnswer:
        """What the first one came to, as far as it is known."""
        disposition, _, reason = (await self._store.alert(alert_id)).disposition.partition(": ")
        held = await self._store.held_by_alert(alert_id)
        return AlertAnswer(alert_id, True, Disposition(disposition), f"taken before: {reason}", held)

    # --- small things ---------------------------------------------------------------------------------------------

    def _operators_decision(self, request: ContainRequest) -> Decision:
        profile = self._config.catalogue.get(request.profile)
        if profile is None:
            raise InvalidInput(unknown(request.profile, self._config.catalogue))
        duration = self._config.duration if request.duration is None else request.duration
        return policy.decide_by_operator(
            profile,
            duration,
            request.reason,
            request.by,
            override=request.override,
            on_expiry=request.on_expiry,
        )

    async def _holding(self, target: Target) -> list[Containment]:
        return [one for one in await self._held() if self._is_about(one, target)]

    async def _held(self) -> list[Containment]:
        return await self._store.containments(want=Want.HELD, limit=EVERY)

    def _is_about(self, containment: Containment, target: Target) -> bool:
        endpoint = containment.endpoint
        if target.place is not None:
            device = self._network.graph.find_device(target.place[0])
            port = None if device is None else self._network.graph.find_port(device, target.place[1])
            return (
                device is not None
                and port is not None
                and endpoint.attachment.device == device
                and endpoint.attachment.port == port
            )
        return containment.target == str(target) or target.mac in endpoint.macs or target.ip in endpoint.ips


def _log_accepted(accepted: Accepted, prepared: Prepared) -> None:
    """After the commit and the waking, so that it holds nothing up."""
    with about({accepted.containment.id}):
        rules = {device: len(rules) for device, rules in prepared.plan.rules.items()}
        log.info("planned", rules=rules, weaker=prepared.plan.weaker, holds=prepared.proof.holds)
        log.info(
            "accepted",
            target=accepted.containment.target,
            profile=prepared.decision.profile.name,
            by=prepared.decision.by,
            reason=prepared.decision.reason,
            created=accepted.created,
            joined=accepted.joined,
        )


def _words(disposition: Disposition, reason: str) -> str:
    """As an alert keeps it; `_repeated` reads it back."""
    return f"{disposition.value}: {reason}"


def _ports(rules: RuleSet) -> set[PortName]:
    return {rule.match.port for rule in rules if rule.match.port is not None}


def _checked_against(end: End, location: Location, network: NetworkView) -> Location:
    """The alert's own word on the culprit's MAC, where it has one: a router's means that the device is behind it, another one is doubt."""
    if location.endpoint is None or end.mac is None or end.mac in location.endpoint.macs:
        return location
    router = network.is_router(location.endpoint.realm, end.mac)
    status = Located.BEHIND_ROUTER if router else Located.AMBIGUOUS
    why = f"router {router!r}" if router else "another device than the one that held the address then"
    return replace(location, status=status, against=(f"the alert saw {end.mac}, which is {why}",))


def _target_of(end: End, realm: str) -> Target | None:
    if end.ip is not None:
        return Target(ip=end.ip, realm=realm)
    return None if end.mac is None else Target(mac=end.mac, realm=realm)


def _new_id(prefix: str = "c") -> str:
    return f"{prefix}-{secrets.token_hex(6)}"
