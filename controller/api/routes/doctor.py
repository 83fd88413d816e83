"""What the daemon finds wrong with its configuration and its network."""

from __future__ import annotations

from fastapi import APIRouter

from controller.api.auth import Auditor, TheService
from controller.api.listings import FindingView
from controller.neutralize import neutralize

router = APIRouter(prefix="/api/v1", tags=["health"])


@router.get("/doctor")
async def doctor(service: TheService, token: Auditor) -> list[FindingView]:
    """Each finding with what was seen and what to type. Asks no device."""
    return [
        FindingView(
            check=one.check,
            severity=one.severity.value,
            seen=neutralize(one.seen, 600),
            mend=neutralize(one.mend, 500),
        )
        for one in await service.findings()
    ]
