"""The audit log."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator

from controller.api import views
from controller.api.auth import Auditor, TheService
from controller.api.listings import AuditRecordView, AuditVerdict
from controller.errors import AuditBroken
from controller.neutralize import neutralize

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])
LAST_RECORD = 2**63 - 1
"""No database counts further."""


def _head_hash(text: str | None) -> str | None:
    if text is not None and not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError("write the 64 hex digits that `netcordon audit verify` showed")
    return text


@router.get("")
async def records(
    service: TheService,
    token: Auditor,
    after: Annotated[int, Query(ge=0, le=LAST_RECORD)] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> list[AuditRecordView]:
    """Oldest first, from the record behind `after`."""
    return [views.audit_view(record) for record in await service.store.audit_records(after, limit)]


@router.get("/verify")
async def verify(
    service: TheService,
    token: Auditor,
    head: Annotated[
        str | None, Query(description="a head hash that was noted earlier"), AfterValidator(_head_hash)
    ] = None,
) -> AuditVerdict:
    """Whether the chain holds. A broken one is an answer, not an error."""
    try:
        report = await service.store.audit_verify(head)
    except AuditBroken as error:
        return AuditVerdict(verified=False, records=None, head=None, problem=neutralize(str(error)))
    return AuditVerdict(verified=True, records=report.records, head=report.head, problem=None)
