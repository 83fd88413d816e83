"""What people answer to proposals: with enough approvals of different people, what was proposed is contained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from controller import guardrails
from controller.alerts import checked_against, target_of
from controller.config import Config
from controller.containment import Containments, Prepared
from controller.errors import RefusalCode, Refused
from controller.model import Alert, Decision, Endpoint, Located, Location, Mode, Stage, Target
from controller.network.view import NetworkView
from controller.requests import Approval
from controller.store import Proposal, Store
from controller.targets import parse_target


class Approvals:
    """Counts answers, and contains by `containments` what enough people approved."""

    def __init__(
        self, config: Config, store: Store, network: NetworkView, containments: Containments, now: Callable[[], float]
    ) -> None:
        self._config = config
        self._store = store
        self._network = network
        self._containments = containments
        self._now = now

    async def approve(self, id: str, *, by: str) -> Approval:
        """Count this person's approval; with enough of them, contain the device of the alert's time, where it is now and guarded as of
        now. Raises NotFound, Conflict, and Refused when it may not be contained any more: the proposal then stays open."""
        proposal = await self._store.vote(id, by, approves=True, reason="")
        if len(proposal.approvers) < proposal.approvals:
            return Approval(proposal)
        prepared, since = await self._prepare(proposal)
        accepted = await self._containments.commit(
            prepared, proposal.target, alert_id=proposal.alert_id, fulfils=proposal.id
        )
        return Approval(await self._store.proposal(id), accepted, since)

    async def refuse(self, id: str, *, by: str, reason: str) -> Proposal:
        """One refusal closes it. Raises NotFound, Conflict."""
        return await self._store.vote(id, by, approves=False, reason=reason)

    async def _prepare(self, proposal: Proposal) -> tuple[Prepared, tuple[str, ...]]:
        """What is to be contained now, and what is no longer as it was at the alert's time. It is always the device of that time: whoever
        took its address since is another one."""
        received = self._now()
        if not proposal.target or proposal.alert_id is None:
            raise Refused(
                RefusalCode.UNDECIDED,
                f"{proposal.id} names no device: find out which one it is, and contain that by hand",
            )
        alert = (await self._store.alert(proposal.alert_id)).alert
        target = replace(parse_target(proposal.target), realm=alert.realm)
        location = self._then(target, alert)
        endpoint = guardrails.placed(location)
        if proposal.endpoint is not None and endpoint.id != proposal.endpoint.id:
            raise Refused(
                RefusalCode.CHANGED,
                f"{proposal.target} was {proposal.endpoint.id}, and is {endpoint.id} by what is known now",
            )
        since = tuple(self._since(target, proposal, endpoint))
        location = replace(location, against=(*location.against, *since))
        decision = self._decision(proposal)
        stages = {Stage.RECEIVED: received, Stage.LOCATED: self._now()}
        return self._containments.plan_and_prove(location, endpoint, decision, stages), since

    def _then(self, target: Target, alert: Alert) -> Location:
        """Who had the address when the alert was seen, by that alert's own word too, and where that device is now."""
        location = self._containments.locate_as_seen(target, alert)
        for end in (alert.src, alert.dst):
            if target_of(end, alert.realm) == target:
                location = checked_against(end, location, self._network)
        return location

    def _since(self, target: Target, proposal: Proposal, endpoint: Endpoint) -> Iterator[str]:
        """What has changed since, for the one who approved and for the case."""
        label = self._network.graph.label
        was = None if proposal.endpoint is None else proposal.endpoint.attachment
        if was is not None and not was.same_port(endpoint.attachment):
            yield f"it moved from {label(was)} to {label(endpoint.attachment)} since it was proposed: it is held where it is"
        now = self._containments.locate(target)
        whom = f"{', '.join(sorted(endpoint.macs))}, which had it at the alert's time"
        if now.endpoint is not None and now.endpoint.id != endpoint.id:
            holder = f"{', '.join(sorted(now.endpoint.macs))} on {label(now.endpoint.attachment)}"
            yield f"{target} is another device's by now ({holder}), which is left alone: held is {whom}"
        elif now.status is Located.AMBIGUOUS:
            yield f"{'; '.join(now.against)}, by now: held is {whom}"

    def _decision(self, proposal: Proposal) -> Decision:
        """On the terms that people agreed to."""
        profile = self._config.catalogue.get(proposal.profile)
        if profile is None:
            raise Refused(RefusalCode.CHANGED, f"there is no profile {proposal.profile!r} any more: contain by hand")
        people = ", ".join(proposal.approvers)
        now = next((one for one in self._config.policy.rules if one.name == proposal.rule), None)
        return Decision(
            Mode.CONTAIN,
            profile,
            proposal.duration,
            proposal.rule or "operator",
            f"{proposal.reason}; {proposal.id} approved by {people}",
            people,
            automatic=False,
            on_expiry=None if now is None else now.on_expiry,
        )
