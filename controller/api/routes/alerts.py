"""Alerts come in; and what was taken, proposed, or could not be read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from controller import intake
from controller.api import views
from controller.api.auth import Reader, Sender, TheService
from controller.api.listings import AlertResult, AlertsTaken, AlertView, DeadLetterView
from controller.api.service import Service
from controller.errors import InvalidInput, NetcordonError, NotFound, StoreUnavailable
from controller.intake import NotAnAlert, RawEvent
from controller.neutralize import neutralize, storable

router = APIRouter(prefix="/api/v1", tags=["alerts"])
Limit = Annotated[int, Query(ge=1, le=1000)]
_AT_ONCE = 64
_BODY = {
    "requestBody": {
        "required": True,
        "description": "one JSON object, an array of them, or JSON lines",
        "content": {"application/json": {"schema": {}}, "application/x-ndjson": {"schema": {"type": "string"}}},
    }
}


@router.post("/alerts/{source}", response_model=AlertsTaken, openapi_extra=_BODY)
async def take(source: str, request: Request, service: TheService, token: Sender) -> JSONResponse:
    """Take what a sensor reports. Each event is answered on its own, in order; 422 when all of them were malformed."""
    known = service.sources()
    if source not in known or source not in intake.PARSERS:
        raise NotFound(f"no alert source {source!r}; known are {', '.join(known)}")
    received_at = time.time()
    body = await request.body()
    try:
        events = intake.split_body(body)
    except InvalidInput as error:
        await service.store.dead_letter(source, storable(body[:1000].decode("utf-8", "replace")), str(error))
        raise
    results = await _take_all(service, source, events, received_at)
    taken = _summary(results)
    return JSONResponse(taken.model_dump(mode="json"), 422 if taken.malformed == len(results) else 200)


@router.get("/alerts")
async def alerts(service: TheService, token: Reader, limit: Limit = 100) -> list[AlertView]:
    """Newest first."""
    return [views.alert_view(record) for record in await service.store.alerts(limit)]


@router.get("/dead-letters")
async def dead_letters(service: TheService, token: Reader, limit: Limit = 100) -> list[DeadLetterView]:
    """What could not be read as an alert, and why. Newest first."""
    return [views.dead_letter_view(letter) for letter in await service.store.dead_letters(limit)]


async def _take_all(service: Service, source: str, events: Sequence[RawEvent], received_at: float) -> list[AlertResult]:
    """Some at a time, so that they share the store's commits."""
    results: list[AlertResult] = []
    for start in range(0, len(events), _AT_ONCE):
        some = events[start : start + _AT_ONCE]
        jobs = (_take_one(service, source, event, start + i, received_at) for i, event in enumerate(some))
        results += await asyncio.gather(*jobs)
    return results


async def _take_one(service: Service, source: str, event: RawEvent, index: int, received_at: float) -> AlertResult:
    """StoreUnavailable goes through: the sender is to send again, and what was taken by then is known as a
    duplicate."""
    try:
        if event.fields is None:
            raise InvalidInput(event.error)
        alert = intake.parse(source, event.fields, received_at)
        answer = await service.take_alert(alert, event.raw)
    except NotAnAlert as error:
        return AlertResult(index=index, status="ignored", reason=str(error))
    except InvalidInput as error:
        letter = await service.store.dead_letter(source, event.raw, str(error))
        return AlertResult(index=index, status="malformed", id=letter, reason=neutralize(str(error)))
    except StoreUnavailable:
        raise
    except NetcordonError as error:
        return AlertResult(index=index, status="failed", reason=neutralize(str(error)))
    return AlertResult(
        index=index,
        status="taken",
        id=answer.alert_id,
        duplicate=answer.duplicate,
        disposition=answer.disposition.value,
        reason=neutralize(answer.reason, 1000),
        containment=None if answer.containment is None else answer.containment.id,
        proposal=answer.proposal_id,
    )


def _summary(results: list[AlertResult]) -> AlertsTaken:
    counts = {
        status: sum(one.status == status for one in results) for status in ("taken", "ignored", "malformed", "failed")
    }
    return AlertsTaken(**counts, results=results)
