"""What people answer to proposals: with enough approvals of different people, what was proposed is contained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from controller import guardrails
from controller.config import Config
from controller.containment import Containments, Prepared
from controller.errors import RefusalCode, Refused
from controller.model import Containment, Decision, Mode, Stage
from controller.store import Proposal, Store
from controller.targets import parse_target


class Approvals:
    """Counts answers, and contains by `containments` what enough people approved."""

    def __init__(self, config: Config, store: Store, containments: Containments, now: Callable[[], float]) -> None:
        self._config = config
        self._store = store
        self._containments = containments
        self._now = now

    async def approve(self, id: str, *, by: str) -> tuple[Proposal, Containment | None]:
        """Count this person's approval; with enough of them, contain: located as of the alert's time, and guarded as of now. Raises
        NotFound, Conflict, and Refused when it may not be contained any more: the proposal then stays open."""
        proposal = await self._store.vote(id, by, approves=True, reason="")
        if len(proposal.approvers) < proposal.approvals:
            return proposal, None
        prepared = await self._prepare(proposal)
        accepted = await self._containments.commit(prepared, proposal.target, fulfils=id)
        return await self._store.proposal(id), accepted.containment

    async def refuse(self, id: str, *, by: str, reason: str) -> Proposal:
        return await self._store.vote(id, by, approves=False, reason=reason)

    async def _prepare(self, proposal: Proposal) -> Prepared:
        if not proposal.target or proposal.alert_id is None:
            raise Refused(
                RefusalCode.UNDECIDED,
                f"{proposal.id} names no device: find out which one it is, and contain that by hand",
            )
        alert = (await self._store.alert(proposal.alert_id)).alert
        location = self._containments.locate_as_seen(replace(parse_target(proposal.target), realm=alert.realm), alert)
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
        return self._containments.plan_and_prove(location, endpoint, decision, stages)
