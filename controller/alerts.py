"""What becomes of an alert: who is meant, where that is, what policy says of it, and a containment, a proposal or a note of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace

from controller import guardrails, policy
from controller.breaker import Breaker
from controller.conditions import Circumstances, circumstances_at
from controller.config import Config
from controller.containment import Containments, new_id
from controller.errors import AlertRepeated, NotFound, RefusalCode, Refused, StoreUnavailable
from controller.explanation import Explanation, Trial, dump
from controller.incrimination import LATELY, EndKnown, Ends
from controller.model import Alert, Culprit, Decision, End, Endpoint, Located, Location, Mode, Stage, Target
from controller.network.view import NetworkView
from controller.policy import PolicyFile
from controller.policy_in_force import PolicyInForce
from controller.random_names import RandomNames
from controller.requests import AlertAnswer, Disposition
from controller.role_match import by_role
from controller.store import Proposal, Store, Taken

_PUT_TO_PEOPLE = {
    RefusalCode.PAUSED: Disposition.PROPOSED,
    RefusalCode.FROZEN: Disposition.PROPOSED,
    RefusalCode.UNCONFIRMED: Disposition.PROPOSED,
}
"""What no guard has anything against, and what only waits for a person."""
REMEMBERED = 65_536
"""Alerts taken lately whose repetition is known by name."""


class Alerts:
    """Takes alerts, and acts by `containments` as far as policy lets it."""

    def __init__(
        self,
        config: Config,
        store: Store,
        network: NetworkView,
        containments: Containments,
        breaker: Breaker,
        now: Callable[[], float],
        in_force: PolicyInForce | None = None,
    ) -> None:
        self._config = config
        self._in_force = in_force or PolicyInForce(config.policy)
        self._store = store
        self._network = network
        self._containments = containments
        self._breaker = breaker
        self._now = now
        self._in_hand: dict[tuple[str, str], asyncio.Future[AlertAnswer]] = {}
        self._taken: dict[tuple[str, str], str] = {}
        self._names = RandomNames()

    async def take(self, alert: Alert, raw: str) -> AlertAnswer:
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
                answer = await self._answer(replace(alert, id=self._names.fresh()), raw)
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

    async def _answer(self, alert: Alert, raw: str) -> AlertAnswer:
        rules = self._in_force.policy
        told, end, target = await self._accused(alert, rules)
        why = told.why
        if end is None or target is None:
            return await self._ask(alert, raw, told, None, None, Disposition.UNDECIDED, RefusalCode.UNDECIDED, why)
        location = await self._locate_when_settled(target, alert, raw)
        decision = endpoint = None
        try:
            endpoint = guardrails.placed(checked_against(end, location, self._network))
            decision = await self._decided(alert, endpoint, why, rules)
            if decision.mode is Mode.OBSERVE:
                words = _words(Disposition.OBSERVED, decision.reason)
                taken = Taken(alert, raw, words, decision=dump(told.decided(decision)))
                return AlertAnswer(await self._store.take_alert(taken), False, Disposition.OBSERVED, decision.reason)
            stages = {Stage.RECEIVED: alert.received_at, Stage.LOCATED: self._now()}
            prepared = self._containments.plan_and_prove(location, endpoint, decision, stages)
            if decision.mode is Mode.PROPOSE:
                return await self._ask(
                    alert, raw, told, target, decision, Disposition.PROPOSED, None, decision.reason, prepared.endpoint
                )
            contained, joined = (_words(one, decision.reason) for one in (Disposition.CONTAINED, Disposition.JOINED))
            accepted = await self._containments.commit(
                prepared, str(target), taken=Taken(alert, raw, contained, joined, dump(told.decided(decision)))
            )
        except Refused as refusal:
            if refusal.code is RefusalCode.BUDGET:
                await self._breaker.trip(refusal.reason)
            why = _PUT_TO_PEOPLE.get(refusal.code, Disposition.REFUSED)
            return await self._ask(alert, raw, told, target, decision, why, refusal.code, refusal.reason, endpoint)
        disposition = Disposition.JOINED if accepted.joined else Disposition.CONTAINED
        return AlertAnswer(accepted.alert_id or "", False, disposition, decision.reason, accepted.containment)

    async def explain(self, alert: Alert, rules: PolicyFile) -> Trial:
        """What these rules would make of it, with what is known now of where its device was then. Nothing is stored, and nobody is held."""
        told, end, target = await self._accused(alert, rules)
        if end is None or target is None:
            return Trial(told)
        location = self._containments.locate_as_seen(target, alert)
        decision, refused = None, ""
        try:
            endpoint = guardrails.placed(checked_against(end, location, self._network))
            decision = await self._decided(alert, endpoint, told.why, rules)
            if decision.mode is not Mode.OBSERVE:
                self._containments.plan_and_prove(location, endpoint, decision, {})
        except Refused as refusal:
            refused = refusal.reason
        return Trial(told if decision is None else told.decided(decision), str(target), refused)

    async def _accused(self, alert: Alert, rules: PolicyFile) -> tuple[Explanation, End | None, Target | None]:
        """Who is the culprit and why, the end that it is, and what that names; None where a person is to say."""
        ends = await self._ends(alert) if policy.asks_of_ends(rules, alert) else None
        culprit, why = policy.incriminate(rules, alert, ends)
        told = Explanation(rules.version, culprit.value, why, tuple(policy.why_not(rules, alert, ends)))
        end = None if culprit is Culprit.UNDECIDED else policy.culprit_end(alert, culprit)
        return told, end, None if end is None else target_of(end, alert.realm)

    async def _decided(self, alert: Alert, endpoint: Endpoint, why: str, rules: PolicyFile) -> Decision:
        known = await self._circumstances(endpoint, alert, rules.memory)
        decision = policy.decide(rules, alert, endpoint, why, self._config.catalogue, known)
        return by_role(decision, endpoint, self._config.roles)

    async def _ends(self, alert: Alert) -> Ends:
        """What is known of both, as of the alert's time."""
        return Ends(await self._end(alert.src, alert), await self._end(alert.dst, alert))

    async def _end(self, end: End, alert: Alert) -> EndKnown:
        target = target_of(end, alert.realm)
        if target is None:
            return EndKnown()
        location = checked_against(end, self._containments.locate_as_seen(target, alert), self._network)
        endpoint = location.endpoint
        if location.status is not Located.FOUND or endpoint is None:
            return EndKnown()
        names = {endpoint.id, *(f"{endpoint.realm}/{mac}" for mac in endpoint.macs)}
        ips = endpoint.ips if target.ip is None else endpoint.ips | {target.ip}
        places = self._network.graph.names(endpoint.attachment)
        return EndKnown(
            found=True,
            managed=endpoint.managed,
            role=endpoint.role,
            listed=endpoint.listed,
            cases=await self._store.cases_since(names, alert.observed_at - LATELY),
            protected=self._network.inventory.protection(endpoint.macs, ips, places, endpoint.role) or "",
        )

    async def _circumstances(self, endpoint: Endpoint, alert: Alert, memory: float) -> Circumstances:
        """What policy asks besides; earlier offences only where a rule asks for them."""
        place, graph = endpoint.attachment, self._network.graph
        node = graph.devices.get(place.device)
        offences: tuple[float, ...] = ()
        if memory:
            names = {endpoint.id, *(f"{endpoint.realm}/{mac}" for mac in endpoint.macs)}
            offences = await self._store.offences(names, alert.observed_at - memory)
        return circumstances_at(place.device, node.description if node else "", graph.names(place), offences)

    async def _locate_when_settled(self, target: Target, alert: Alert, raw: str) -> Location:
        """Where it is; an alert about a port whose neighbour may still show itself waits for that, rather than being refused. It is kept
        before it waits. Raises AlertRepeated."""
        location = self._containments.locate_as_seen(target, alert)
        if location.status is not Located.AMBIGUOUS or not location.candidates:
            return location
        left = max(self._network.graph.unsettled_for(place, self._now()) for place in location.candidates)
        if left > 0:
            await self._store.save_alert(alert, raw)
            await asyncio.sleep(left)
            location = self._containments.locate_as_seen(target, alert)
        return location

    async def _ask(
        self,
        alert: Alert,
        raw: str,
        told: Explanation,
        target: Target | None,
        decision: Decision | None,
        disposition: Disposition,
        code: RefusalCode | None,
        reason: str,
        endpoint: Endpoint | None = None,
    ) -> AlertAnswer:
        """Put it to people: what was decided or refused stands as a proposal, on the terms of what was decided until then."""
        proposal = Proposal(
            id=new_id("p"),
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
            on_expiry=None if decision is None else decision.on_expiry,
            policy=told.policy,
        )
        told = told if decision is None else told.decided(decision)
        made = await self._store.save_proposal(
            proposal, Taken(alert, raw, _words(disposition, reason), decision=dump(told))
        )
        return AlertAnswer(made.alert_id, False, disposition, reason, None, made.proposal, code)

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
        became = await self._store.alert_outcome(alert_id)
        disposition, _, reason = became.disposition.partition(": ")
        return AlertAnswer(alert_id, True, Disposition(disposition), f"taken before: {reason}", became.containment)


def _words(disposition: Disposition, reason: str) -> str:
    """As an alert keeps it; `_repeated` reads it back."""
    return f"{disposition.value}: {reason}"


def checked_against(end: End, location: Location, network: NetworkView) -> Location:
    """The alert's own word on the culprit's MAC, where it has one: a router's means that the device is behind it, another one is doubt."""
    if location.endpoint is None or end.mac is None or end.mac in location.endpoint.macs:
        return location
    router = network.is_router(location.endpoint.realm, end.mac)
    status = Located.BEHIND_ROUTER if router else Located.AMBIGUOUS
    why = f"router {router!r}" if router else "another device than the one that held the address then"
    return replace(location, status=status, against=(f"the alert saw {end.mac}, which is {why}",))


def target_of(end: End, realm: str) -> Target | None:
    """What an end of an alert names: its address, else its MAC."""
    if end.ip is not None:
        return Target(ip=end.ip, realm=realm)
    return None if end.mac is None else Target(mac=end.mac, realm=realm)
