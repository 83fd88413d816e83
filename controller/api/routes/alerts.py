"""Alerts come in; and what became of them."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse

from controller.api import policy_views, views
from controller.api.auth import BEARER, Reader, TheService, service_of, signed_or_sent
from controller.api.direct import Direct
from controller.api.listings import AlertDetail, AlertResult, AlertsTaken, AlertView, SourceView
from controller.api.taking import take_all
from controller.errors import InvalidInput, NotFound
from controller.neutralize import storable

router = APIRouter(prefix="/api/v1", tags=["alerts"])
urgent = APIRouter(prefix="/api/v1", tags=["alerts"], route_class=Direct)
Limit = Annotated[int, Query(ge=1, le=1000)]
_BODY = {
    "requestBody": {
        "required": True,
        "description": "one JSON object, an array of them, or JSON lines",
        "content": {"application/json": {"schema": {}}, "application/x-ndjson": {"schema": {"type": "string"}}},
    }
}


@urgent.post(
    "/alerts/{source}", response_model=AlertsTaken, openapi_extra=_BODY, dependencies=[Depends(signed_or_sent)]
)
async def take(request: Request, source: str) -> JSONResponse:
    """Take what a sensor reports. Each event is answered on its own, in order, and where it is about several devices, for each of them; 422
    when all were malformed."""
    await signed_or_sent(source, request, await BEARER(request))
    service = await service_of(request)
    known = service.sources().get(source)
    if known is None:
        raise NotFound(f"no alert source {source!r}; known are {', '.join(service.sources())}")
    received_at = time.time()
    body = await request.body()
    try:
        events = known.split(body)
    except InvalidInput as error:
        await service.store.dead_letter(source, storable(body.decode("utf-8", "replace")), str(error))
        raise
    results = await take_all(service, known, events, received_at)
    taken = _summary(results)
    return JSONResponse(taken.model_dump(mode="json"), 422 if taken.malformed == len(results) else 200)


@router.get("/alerts")
async def alerts(service: TheService, token: Reader, limit: Limit = 100) -> list[AlertView]:
    """Newest first."""
    return [views.alert_view(record) for record in await service.store.alerts(limit)]


@router.get("/alerts/{id}")
async def alert(id: str, service: TheService, token: Reader) -> AlertDetail:
    """One alert, and how policy came to what became of it."""
    return policy_views.alert_detail(await service.store.alert(id))


@router.get("/alert-sources")
async def sources(service: TheService, token: Reader) -> list[SourceView]:
    """How alerts may be written."""
    return [SourceView(name=one.name, says=one.says) for one in service.sources().values()]


def _summary(results: list[AlertResult]) -> AlertsTaken:
    counts = {
        status: sum(one.status == status for one in results) for status in ("taken", "ignored", "malformed", "failed")
    }
    return AlertsTaken(**counts, results=results)
