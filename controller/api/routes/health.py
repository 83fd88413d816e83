"""For supervisors and load balancers; without a token."""

from __future__ import annotations

from fastapi import APIRouter, Response

from controller.api.auth import TheService
from controller.api.listings import Health, Readiness

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Readiness}})
async def readyz(response: Response, service: TheService) -> Readiness:
    """Whether it can do its work: 503 with the reasons when not."""
    reasons = service.ready()
    response.status_code = 503 if reasons else 200
    return Readiness(ready=not reasons, reasons=reasons)
