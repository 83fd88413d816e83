"""The spine, top to bottom: locate, decide, plan, prove, commit. Everything up to commit is pure; commit is one transaction of the store
that checks again. Pushing is the reconciler's work alone: what is committed here wakes it."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import structlog

from controller import guardrails, policy
from controller.automation import release_order
from controller.closed_flow import profile_named
from controller.config import Config
from controller.counterexample import ways
from controller.durations import show_duration
from controller.enforcement import Points, enforcement_points
from controller.errors import InvalidInput, NotFound, RefusalCode, Refused
from controller.freezes import InForce, frozen
from controller.locate import locate
from controller.logs import about
from controller.model import (
    FULL,
    Alert,
    Attachment,
    Containment,
    Decision,
    Endpoint,
    Hop,
    Located,
    Location,
    Mode,
    Plan,
    Proof,
    Reach,
    Stage,
    Target,
    Want,
)
from controller.network.view import NetworkView
from controller.plan import make_plan, make_plan_at, only_its_own
from controller.profiles import unknown
from controller.prove import prove
from controller.requests import ContainRequest, Preview
from controller.role_match import by_role
from controller.store import Accepted, Budget, Draft, Extension, Setting, Store, Taken
from drivers.base import Capabilities
from drivers.rules import Mac, PortName, RuleSet

log = structlog.get_logger("containment")
Clock = Callable[[], float]
Settings = Mapping[PortName, Mapping[str, Setting]]
EVERY = 2**31 - 1
"""As a limit of a list: none. What holds a target must be found however much else is held."""


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
        self._budget = Budget(**dict(config.budget), then_ask=config.dead_man.then_ask)
        self._untouched = untouched

    async def contain(self, request: ContainRequest) -> Accepted:
        """Contain what an operator named. Raises Refused, InvalidInput, StoreUnavailable, Conflict."""
        received = self._now()
        decision = self.operators_decision(request)
        if known := await self._known(request, decision):
            return Accepted(known, created=False, joined=False)
        prepared = self.prepare(request.target, received, received, decision)
        return await self.commit(prepared, str(request.target), key=request.key)

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
        decision = self.operators_decision(request)
        try:
            prepared = self.prepare(request.target, now, now, decision)
        except Refused as refusal:
            return Preview(location, decision, refusal=(refusal.code, refusal.reason))
        return Preview(
            prepared.location,
            prepared.decision,
            prepared.plan,
            prepared.proof,
            notes=tuple(self.notes(prepared, now)),
            ways=self.ways(prepared),
        )

    def ways(self, prepared: Prepared) -> Mapping[Reach, tuple[Hop, ...]]:
        """Of the packets that the proof shows against the plan. For a person's eyes: nothing is decided by them."""
        return ways(prepared.plan, prepared.proof, self._network)

    def notes(self, prepared: Prepared, now: float) -> Iterator[str]:
        """What a person should know before the yes, beside what changes."""
        if (stops := self._frozen(prepared.endpoint, prepared.plan.rules)) is not None:
            yield f"{stops}: you contain in spite of it, and answer for it by your reason"
        if (due := self._confirm_by(prepared.endpoint, now)) is not None:
            span = show_duration(due - now)
            yield f"it must be confirmed within {span} (`netcordon confirm`), or it is released again (dead_man)"

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
        """Move a containment's end; its rules are not touched. Raises NotFound, Conflict, InvalidInput, and Refused in a change freeze."""
        case, now = await self._store.containment(id), self._now()
        until = extension.until if extension.span is None else now + extension.span
        stops = self._frozen(case.endpoint, {device for device, _ in case.rules})
        guardrails.not_prolonged(case, until, None if case.want is Want.RELEASED else stops)
        extended = await self._store.extend(id, extension, by=by, idempotency_key=key)
        self._wake(())
        log.info("extended", containment=extended.id, by=by, until=extended.expires_at)
        return extended

    async def confirm(self, id: str, *, by: str) -> Containment:
        """Hold what would be released unless a person confirms it. Raises NotFound, Conflict."""
        confirmed = await self._store.confirm(id, by=by)
        log.info("confirmed", containment=confirmed.id, by=confirmed.confirmed_by)
        return confirmed

    async def release_all(self, *, by: str, reason: str) -> list[Containment]:
        """In a safe order: see `release_order`."""
        return [await self._release(one.id, by, reason, None) for one in release_order(await self._held())]

    async def _release(self, id: str, by: str, reason: str, key: str | None) -> Containment:
        """One release, and its devices woken at once: what fails after it must not hold it up."""
        released = await self._store.release(id, by=by, reason=reason, idempotency_key=key)
        self._wake({outcome.device for outcome in released.devices})
        log.info("released", containment=released.id, by=by, reason=reason)
        return released

    def locate(self, target: Target, at: float | None = None) -> Location:
        now = self._now()
        return locate(target, now if at is None else at, now, self._network, self._config.locate)

    def locate_as_seen(self, target: Target, alert: Alert) -> Location:
        """Who it was when the alert was seen; which is not known when that time is not."""
        if alert.time_doubt:
            return Location(Located.AMBIGUOUS, target, alert.observed_at, against=(alert.time_doubt,))
        return self.locate(target, alert.observed_at)

    def prepare_at(self, case: Containment, place: Attachment, *, whole: bool) -> Prepared:
        """A held case planned and proven anew at another port, for `follow`: of all that comes in there (`whole`), or only of what uses the
        device's MACs. Every guard looks again; but what keeps using a held MAC stays held, whatever it says of itself meanwhile: a second
        address, a protected one, a router advertisement would else be its way out. Raises Refused."""
        now, held = self._now(), case.endpoint
        endpoint = self._network.endpoint_at(held.realm, held.macs, place, now)
        left = self._config.duration if case.expires_at is None else max(1.0, case.expires_at - now)
        profile = (
            profile_named(case.profile, self._config.catalogue) or FULL
        )  # no longer configured: held tighter rather than not
        decision = Decision(
            Mode.CONTAIN,
            profile,
            left,
            case.policy_rule,
            case.reason,
            case.by,
            automatic=case.automatic,
            insisted=case.override,
        )
        location = Location(Located.FOUND, Target(mac=min(held.macs), realm=held.realm), now, endpoint)
        if whole:
            guardrails.no_router_at(endpoint, self._network, now)
            return self.plan_and_prove(location, endpoint, decision, {})
        alone = replace(endpoint, neighbours=frozenset(), ips=frozenset())
        stands = replace(decision, automatic=False)
        return self.plan_and_prove(location, alone, stands, {}, only_its_own)

    def ports_for(self, place: Attachment) -> tuple[Attachment, ...]:
        """All ports at which a device at this place is held: more than one where it is behind several cables, or where rules are put around
        what takes none. The place alone where it cannot be held."""
        try:
            points = self._points(place, lambda: frozenset())
        except Refused:
            return (place,)
        return (place,) if points is None else points.ports

    def still_at(self, prepared: Prepared) -> None:
        """`prepare_at`'s recheck, for the accepting transaction: raises Refused when the device was heard elsewhere since."""
        self._still_there(prepared.endpoint, prepared.decision)

    # --- the steps ------------------------------------------------------------------------------------------------

    def prepare(self, target: Target, as_of: float, received: float, decision: Decision) -> Prepared:
        """What containing the device that `target` was at `as_of` comes to; nothing is written. Raises Refused."""
        location = self.locate(target, as_of)
        endpoint = guardrails.placed(location)
        located = self._now()
        return self.plan_and_prove(location, endpoint, decision, {Stage.RECEIVED: received, Stage.LOCATED: located})

    def plan_and_prove(
        self,
        location: Location,
        endpoint: Endpoint,
        decision: Decision,
        stages: Mapping[Stage, float],
        narrowed: Callable[[Plan], Plan] | None = None,
    ) -> Prepared:
        """What was located and decided, guarded, planned and proven on the model; nothing is written. Raises Refused."""
        decision = by_role(decision, endpoint, self._config.roles)
        guardrails.no_virtual_mac(endpoint)
        guardrails.not_protected(endpoint, decision, self._network, location.target.ip)
        if narrowed is None:
            guardrails.nobody_protected_beside(endpoint, decision, self._network, self._now())
        plan = self._plan(endpoint, decision)
        if narrowed is not None:
            plan = self._carried(narrowed(plan))
        guardrails.answered_for(decision, self._frozen(endpoint, plan.rules))
        proof = prove(plan, self._network, self._now())
        guardrails.safe(plan, proof, decision, self._network)
        return Prepared(location, endpoint, decision, plan, proof, {**stages, Stage.DECIDED: self._now()})

    def _plan(self, endpoint: Endpoint, decision: Decision) -> Plan:
        """At the device's own port; else where `enforcement_points` says."""
        graph, realm = self._network.graph, endpoint.realm
        until, known = self._now() + decision.duration, self._network.addresses_of(realm)
        points = self._points(endpoint.attachment, lambda: self._network.devices_of_protected(realm, self._now()))
        if points is not None:
            guardrails.no_protected_port(points.ports, decision, self._network)
            return make_plan_at(points, new_id(), endpoint, decision, until, graph, self._capabilities, known)
        capabilities = self._capabilities(endpoint.attachment.device)
        if capabilities is None:
            raise Refused(RefusalCode.UNKNOWN_PLACE, f"no driver serves {endpoint.attachment.device}")
        return make_plan(new_id(), endpoint, decision, until, graph, capabilities, known)

    def _points(self, place: Attachment, protected: Callable[[], Iterable[str]]) -> Points | None:
        def served(device: str) -> bool:
            return self._capabilities(device) is not None

        return enforcement_points(place, self._network.graph, served, protected)

    def _carried(self, plan: Plan) -> Plan:
        """A narrowed plan, if every device can still carry it."""
        for place in plan.enforced_at:
            rules, capabilities = plan.rules[place.device], self._capabilities(place.device)
            lacking = [] if capabilities is None else capabilities.unsupported(rules)
            if lacking := lacking or ["moving a port whose device it may not be"] * (not rules):
                said = f"{self._network.graph.label(place)}: the driver there cannot do {lacking[0]}"
                raise Refused(RefusalCode.UNSUPPORTED, said)
        return plan

    async def commit(
        self,
        prepared: Prepared,
        target: str,
        *,
        key: str | None = None,
        taken: Taken | None = None,
        alert_id: str | None = None,
        fulfils: str | None = None,
    ) -> Accepted:
        """Hold what was prepared, durably, and wake its devices. `taken` is the alert that it came from (`alert_id`: one that is kept
        already), `fulfils` the proposal that it answers: both are written with it or not at all. Raises Refused, Conflict, AlertRepeated,
        StoreUnavailable."""
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
            policy=decision.policy,
            automatic=decision.automatic,
            override=decision.override,
            rules=prepared.plan.rules,
            alert_id=alert_id,
            evidence=(*prepared.location.evidence, *prepared.location.against),
            weaker=prepared.plan.weaker,
            proof=prepared.proof,
            stages=prepared.stages,
            baseline={device: self._untouched(device, _ports(rules)) for device, rules in prepared.plan.rules.items()},
            on_expiry=decision.on_expiry or self._config.on_expiry,
            confirm_by=self._confirm_by(prepared.endpoint, now),
        )
        accepted = await self._store.accept(
            draft,
            recheck=lambda: self._still_there(prepared.endpoint, decision),
            budget=self._limits(prepared) if decision.automatic else None,
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

    def _frozen(self, endpoint: Endpoint, devices: Collection[str]) -> InForce | None:
        return frozen(self._config.freezes, self._now(), endpoint.realm, self._network.graph.called(devices))

    def _limits(self, prepared: Prepared) -> Budget:
        """What holds automatic action back just now."""
        stops = self._frozen(prepared.endpoint, prepared.plan.rules)
        return self._budget if stops is None else replace(self._budget, frozen=str(stops))

    def _confirm_by(self, endpoint: Endpoint, now: float) -> float | None:
        dead_man = self._config.dead_man
        return now + dead_man.confirm_within if dead_man.covers(endpoint.role, endpoint.criticality) else None

    def _still_there(self, endpoint: Endpoint, decision: Decision) -> None:
        """Runs inside the accepting transaction, on the store's thread: reads single values only. Of a device with several MACs some may be
        elsewhere, and are followed there."""
        elsewhere: dict[Mac, Attachment] = {}
        for mac in endpoint.macs:
            spans = self._network.bindings.history_of_mac(endpoint.realm, mac)
            if spans and self._network.graph.one_place(spans[-1].place).same_port(endpoint.attachment):
                break
            if spans:
                elsewhere[mac] = spans[-1].place
        else:
            for mac, place in elsewhere.items():
                moved_to = self._network.graph.label(place)
                raise Refused(RefusalCode.CHANGED, f"{mac} moved to {moved_to} while this was being decided: try again")
        guardrails.not_protected(endpoint, decision, self._network)

    # --- small things ---------------------------------------------------------------------------------------------

    def operators_decision(self, request: ContainRequest) -> Decision:
        """What an operator's word comes to, before any guard. Raises InvalidInput for a profile that is not there."""
        profile = profile_named(request.profile, self._config.catalogue)
        if profile is None:
            raise InvalidInput(unknown(request.profile, self._config.catalogue))
        duration = self._config.duration if request.duration is None else request.duration
        decision = policy.decide_by_operator(
            profile,
            duration,
            request.reason,
            request.by,
            override=request.override,
            on_expiry=request.on_expiry,
        )
        return replace(decision, automatic=True) if request.automatic else decision

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


def _ports(rules: RuleSet) -> set[PortName]:
    return {rule.match.port for rule in rules if rule.match.port is not None}


def new_id(prefix: str = "c") -> str:
    return f"{prefix}-{secrets.token_hex(6)}"
