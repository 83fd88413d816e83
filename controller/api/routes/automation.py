"""Whether automatic action runs, and the panic button."""

from __future__ import annotations

from fastapi import APIRouter

from controller.api import views
from controller.api.auth import Pauser, Reader, Resumer, TheService
from controller.api.listings import AutomationView, StatusView
from controller.api.schemas import AutomationBody

router = APIRouter(prefix="/api/v1", tags=["automation"])


@router.get("/status")
async def status(service: TheService, token: Reader) -> StatusView:
    """How it stands: whether automatic action runs, what is held, and what waits for a person."""
    return views.status_view(await service.status())


@router.post("/pause")
async def pause(body: AutomationBody, service: TheService, token: Pauser) -> AutomationView:
    """Stop all automatic action, at once and over restarts. What is paused already stays paused as it was."""
    return views.automation_view(await service.pause(by=token.who, reason=body.reason))


@router.post("/resume")
async def resume(body: AutomationBody, service: TheService, token: Resumer) -> AutomationView:
    """Let automatic action run again. What became a proposal meanwhile stays one."""
    return views.automation_view(await service.resume(by=token.who, reason=body.reason))
