"""What waits for people, and their answers."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query

from controller.api import views
from controller.api.auth import Approver, Container, Reader, TheService, allowed
from controller.api.listings import ApprovalView, ProposalView
from controller.api.routes.containments import wish
from controller.api.schemas import ApproveBody, PreviewView, ProposeBody, RefuseBody
from controller.errors import InvalidInput
from controller.roles import Permission

router = APIRouter(prefix="/api/v1", tags=["proposals"])
Limit = Annotated[int, Query(ge=1, le=1000)]


@router.get("/proposals")
async def proposals(service: TheService, token: Reader, limit: Limit = 100) -> list[ProposalView]:
    """What waits for a person, and what was answered. Newest first."""
    return [views.proposal_view(proposal) for proposal in await service.store.proposals(limit)]


@router.post("/proposals", status_code=201)
async def propose(body: ProposeBody, service: TheService, token: Container) -> ProposalView:
    """Put a containment to an approver, an override too. The same bearer asking the same again joins what waits."""
    if not body.reason:
        raise InvalidInput("a proposal needs a reason: whoever answers it reads that")
    return views.proposal_view(await service.propose(wish(body, token)))


@router.get("/proposals/{id}/plan")
async def plan(
    id: str, service: TheService, token: Reader, device: Annotated[str | None, Query(max_length=100)] = None
) -> PreviewView:
    """What the last approval would do just now, and what it would end of what was seen; nothing is done. `device` as for `approve`."""
    return views.preview_view(await service.plan_proposal(id, device))


@router.post("/proposals/{id}/approve")
async def approve(id: str, service: TheService, token: Approver, body: ApproveBody | None = None) -> ApprovalView:
    """Count the approval of the token's person, once, unless they proposed it. With enough of them the device is
    contained, located and guarded anew. Where nobody could tell which end of the alert is guilty, `device` says it."""
    if (await service.store.proposal(id)).override:
        allowed(token, Permission.OVERRIDE)
    approval = await service.approve_proposal(
        id, by=token.person, token=token.name, device=None if body is None else body.device
    )
    return views.approval_view(approval, time.time())


@router.post("/proposals/{id}/refuse")
async def refuse(id: str, body: RefuseBody, service: TheService, token: Approver) -> ProposalView:
    """One refusal closes it."""
    return views.proposal_view(await service.refuse_proposal(id, by=token.person, token=token.name, reason=body.reason))
