"""What people propose, and what they answer: with enough approvals of different people, what was proposed is contained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from controller import guardrails
from controller.alerts import checked_against, target_of
from controller.closed_flow import profile_named
from controller.config import Config
from controller.containment import Containments, Prepared, new_id
from controller.errors import Conflict, InvalidInput, RefusalCode, Refused
from controller.model import Alert, Decision, Endpoint, Located, Location, Mode, Stage, Target
from controller.network.view import NetworkView
from controller.requests import Approval, ContainRequest, Preview
from controller.store import Proposal, Store
from controller.targets import parse_target


class Approvals:
    """Takes proposals, counts answers, and contains by `containments` what enough people approved."""

    def __init__(
        self, config: Config, store: Store, network: NetworkView, containments: Containments, now: Callable[[], float]
    ) -> None:
        self._config = config
        self._store = store
        self._network = network
        self._containments = containments
        self._now = now

    async def propose(self, request: ContainRequest) -> Proposal:
        """Put what an operator asks for to an approver: looked at by every guard now, and again when it is approved. The same person asking
        the same again joins what waits. Raises Refused for what an approval could not contain either, InvalidInput."""
        now = self._now()
        decision = self._containments.operators_decision(request)
        prepared = self._containments.prepare(request.target, now, now, decision)
        proposal = Proposal(
            id=new_id("p"),
            alert_id=None,
            target=str(request.target),
            endpoint=prepared.endpoint,
            profile=decision.profile.name,
            duration=decision.duration,
            rule=decision.rule,
            reason=decision.reason,
            refusal=None,
            created_at=now,
            expires_at=now + self._config.proposal_expires,
            proposed_by=request.person or request.by,
            as_of=now,
            override=decision.override,
            on_expiry=decision.on_expiry,
        )
        return (await self._store.save_proposal(proposal, token=request.token)).proposal

    async def approve(self, id: str, *, by: str, token: str = "", device: str | None = None) -> Approval:
        """Count this person's approval, given by this token; with enough of them, contain the device of the alert's time, where it is now
        and guarded as of now. `device` names the guilty end, where nobody could tell which it is. Raises NotFound, Conflict, InvalidInput,
        and Refused when it may not be contained any more: the proposal then stays open."""
        if device is not None:
            proposal = await self._store.proposal(id)
            await self._store.name_proposed(
                id, await self._end_named(proposal, device), proposal.alert_id or "", by, token
            )
        proposal = await self._store.vote(id, by, approves=True, reason="", token=token)
        if len(proposal.approvers) < proposal.approvals:
            return Approval(proposal)
        prepared, since = await self._prepare(proposal)
        accepted = await self._containments.commit(
            prepared, proposal.target, alert_id=proposal.alert_id, fulfils=proposal.id
        )
        return Approval(await self._store.proposal(id), accepted, since)

    async def preview(self, id: str, device: str | None = None) -> Preview:
        """What the last approval would do just now, were `device` the guilty end where nobody could tell; nothing is done. Raises NotFound,
        Conflict, InvalidInput, and Refused for one that names no device."""
        proposal = await self._store.proposal(id)
        if device is not None:
            proposal = replace(proposal, target=await self._end_named(proposal, device))
        decision = self._decision(proposal)
        try:
            prepared, since = await self._prepare(proposal)
        except Refused as refusal:
            _, location = await self._located(proposal)
            return Preview(location, decision, refusal=(refusal.code, refusal.reason))
        notes = (*since, *self._containments.notes(prepared, self._now()))
        ways = self._containments.ways(prepared)
        return Preview(prepared.location, decision, prepared.plan, prepared.proof, notes=notes, ways=ways)

    async def refuse(self, id: str, *, by: str, reason: str, token: str = "") -> Proposal:
        """One refusal closes it. Raises NotFound, Conflict."""
        return await self._store.vote(id, by, approves=False, reason=reason, token=token)

    async def _prepare(self, proposal: Proposal) -> tuple[Prepared, tuple[str, ...]]:
        """What is to be contained now, and what is no longer as it was at the alert's time. It is always the device of that time: whoever
        took its address since is another one."""
        received = self._now()
        target, location = await self._located(proposal)
        endpoint = guardrails.placed(location)
        if proposal.endpoint is not None and not _same(target, proposal.endpoint, endpoint):
            raise Refused(
                RefusalCode.CHANGED,
                f"{proposal.target} was {_whom(proposal.endpoint)}, and is {_whom(endpoint)} by what is known now",
            )
        since = tuple(self._since(target, proposal, endpoint))
        location = replace(location, against=(*location.against, *since))
        decision = self._decision(proposal)
        stages = {Stage.RECEIVED: received, Stage.LOCATED: self._now()}
        return self._containments.plan_and_prove(location, endpoint, decision, stages), since

    async def _located(self, proposal: Proposal) -> tuple[Target, Location]:
        """Whom it is about, by the alert or by the operator who asked, and where that device is now."""
        if proposal.target and proposal.as_of is not None:
            target = parse_target(proposal.target)
            return target, self._containments.locate(target, proposal.as_of)
        if not proposal.target or proposal.alert_id is None:
            ends = " or ".join(map(str, await self._ends(proposal)))
            guilty = f"say which end of its alert is guilty, {ends}: netcordon approve {proposal.id} --device IT"
            said = guilty if ends else "find out which one it is, and contain that by hand"
            raise Refused(RefusalCode.UNDECIDED, f"{proposal.id} names no device: {said}")
        alert = (await self._store.alert(proposal.alert_id)).alert
        target = replace(parse_target(proposal.target), realm=alert.realm)
        return target, self._then(target, alert)

    async def _end_named(self, proposal: Proposal, device: str) -> str:
        """The end of the alert that a person means. Raises InvalidInput for what is neither, Conflict for another than it is about."""
        asked = parse_target(device)
        if proposal.target:
            if proposal.target != str(asked):
                raise Conflict(f"{proposal.id} is about {proposal.target}, and not about {asked}: contain that by hand")
            return proposal.target
        ends = await self._ends(proposal)
        if str(asked) not in map(str, ends):
            known = " or ".join(map(str, ends)) or "no device at all"
            raise InvalidInput(f"{asked} is no end of the alert that {proposal.id} is about: that names {known}")
        return str(asked)

    async def _ends(self, proposal: Proposal) -> list[Target]:
        """What the ends of its latest alert name."""
        if proposal.alert_id is None:
            return []
        alert = (await self._store.alert(proposal.alert_id)).alert
        named = (target_of(end, alert.realm) for end in (alert.src, alert.dst))
        return [end for end in named if end is not None]

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
        whom = f"{_whom(endpoint)}, which had it then"
        if now.endpoint is not None and now.endpoint.id != endpoint.id:
            holder = f"{_whom(now.endpoint)} on {label(now.endpoint.attachment)}"
            yield f"{target} is another device's by now ({holder}), which is left alone: held is {whom}"
        elif now.status is Located.AMBIGUOUS:
            yield f"{'; '.join(now.against)}, by now: held is {whom}"

    def _decision(self, proposal: Proposal) -> Decision:
        """On the terms that people agreed to."""
        profile = profile_named(proposal.profile, self._config.catalogue)
        if profile is None:
            raise Refused(RefusalCode.CHANGED, f"there is no profile {proposal.profile!r} any more: contain by hand")
        people = ", ".join(proposal.approvers)
        asked = f"proposed by {proposal.proposed_by}" if proposal.proposed_by else ""
        return Decision(
            Mode.CONTAIN,
            profile,
            proposal.duration,
            proposal.rule or "operator",
            "; ".join(filter(None, (proposal.reason, asked, f"{proposal.id} approved by {people}"))),
            people,
            automatic=False,
            override=proposal.override,
            on_expiry=proposal.on_expiry,
            policy=proposal.policy,
        )


def _whom(endpoint: Endpoint) -> str:
    return ", ".join(sorted(endpoint.macs)) or "nobody"


def _same(target: Target, proposed: Endpoint, found: Endpoint) -> bool:
    """Whether who was found is who was proposed. Of a place, all of whom are there: nobody who came since was agreed to."""
    if target.place is not None:
        return found.macs <= proposed.macs and bool(found.macs) == bool(proposed.macs)
    return found.id == proposed.id
