"""Several MACs are one device by a person's word, or are not any more."""

from __future__ import annotations

from fastapi import APIRouter

from controller.api import views
from controller.api.auth import Container, TheService
from controller.api.listings import JoinedView, SplitView
from controller.api.schemas import JoinBody, SplitBody
from controller.targets import parse_target

router = APIRouter(prefix="/api/v1/endpoints", tags=["network"])


@router.post("/join")
async def join(body: JoinBody, service: TheService, token: Container) -> JoinedView:
    """From now on these are contained, followed and released together."""
    targets = [parse_target(target) for target in body.targets]
    return views.joined_view(await service.join(targets, by=token.who, reason=body.reason))


@router.post("/split")
async def split(body: SplitBody, service: TheService, token: Container) -> SplitView:
    """This MAC is a device of its own again."""
    rest = await service.split(parse_target(body.target), by=token.who, reason=body.reason)
    return SplitView(rest=sorted(rest))
