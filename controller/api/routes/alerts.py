"""Alerts come in; and what was taken, proposed, or could not be read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from controller.api import views
from controller.api.auth import Reader, Sender, TheService
from controller.api.listings import AlertResult, AlertsTaken, AlertView, DeadLetterView, SourceView
from controller.api.service import Service
from controller.errors import InvalidInput, NetcordonError, NotFound, StoreUnavailable
from controller.intake import NotAnAlert, RawEvent, Source
from controller.model import Alert
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
    """Take what a sensor reports. Each event is answered on its own, in order, and where it is about several devices, for each of them; 422
    when all were malformed."""
    known = service.sources().get(source)
    if known is None:
        raise NotFound(f"no alert source {source!r}; known are {', '.join(service.sources())}")
    received_at = time.time()
    body = await request.body()
    try:
        events = known.split(body)
    except InvalidInput as error:
        await service.store.dead_letter(source, storable(body[:1000].decode("utf-8", "replace")), str(error))
        raise
    results = await _take_all(service, known, events, received_at)
    taken = _summary(results)
    return JSONResponse(taken.model_dump(mode="json"), 422 if taken.malformed == len(results) else 200)


@router.get("/alerts")
async def alerts(service: TheService, token: Reader, limit: Limit = 100) -> list[AlertView]:
    """Newest first."""
    return [views.alert_view(record) for record in await service.store.alerts(limit)]


@router.get("/alert-sources")
async def sources(service: TheService, token: Reader) -> list[SourceView]:
    """How alerts may be written."""
    return [SourceView(name=one.name, says=one.says) for one in service.sources().values()]


@router.get("/dead-letters")
async def dead_letters(service: TheService, token: Reader, limit: Limit = 100) -> list[DeadLetterView]:
    """What could not be read as an alert, and why. Newest first."""
    return [views.dead_letter_view(letter) for letter in await service.store.dead_letters(limit)]


async def _take_all(
    service: Service, source: Source, events: Sequence[RawEvent], received_at: float
) -> list[AlertResult]:
    """Some at a time, so that they share the store's commits."""
    results: list[AlertResult] = []
    for start in range(0, len(events), _AT_ONCE):
        some = events[start : start + _AT_ONCE]
        jobs = (_take_event(service, source, event, start + i, received_at) for i, event in enumerate(some))
        for of_one_event in await asyncio.gather(*jobs):
            results += of_one_event
    return results


async def _take_event(
    service: Service, source: Source, event: RawEvent, index: int, received_at: float
) -> list[AlertResult]:
    """What became of each alert that the event is."""
    try:
        if event.fields is None:
            raise InvalidInput(event.error)
        read = source.read(event.fields, received_at)
    except NotAnAlert as error:
        return [AlertResult(index=index, status="ignored", reason=str(error))]
    except InvalidInput as error:
        letter = await service.store.dead_letter(source.name, event.raw, str(error))
        return [AlertResult(index=index, status="malformed", id=letter, reason=neutralize(str(error)))]
    return [await _take_one(service, alert, event.raw, index) for alert in read]


async def _take_one(service: Service, alert: Alert, raw: str, index: int) -> AlertResult:
    """StoreUnavailable goes through: the sender is to send again, and what was taken by then is known as a
    duplicate."""
    try:
        answer = await service.take_alert(alert, raw)
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
