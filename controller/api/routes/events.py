"""The stream of all changes, as server-sent events."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse

from controller.api.auth import Reader, TheService
from controller.api.live_views import event_text
from controller.api.service import Service
from controller.errors import StoreUnavailable
from controller.live import Change
from controller.store import TokenRecord

router = APIRouter(prefix="/api/v1", tags=["events"])
BEAT = 10.0
"""Seconds of silence after which a comment shows that the stream lives; and how long a revoked token may still read."""


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "`EventView` as JSON in each event's data"}},
)
async def events(
    service: TheService,
    token: Reader,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", max_length=100)] = None,
) -> StreamingResponse:
    """All changes from now on: containments, proposals, devices, ports, links, alerts. With Last-Event-ID, from there on without a gap, as
    far as it is kept. A `reset` event says that it is not, and to load everything: so it comes first without Last-Event-ID."""
    changes = service.live.follow(last_event_id, BEAT, token.name)
    first = await anext(changes, None)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_written(service, token, first, changes), headers=headers, media_type="text/event-stream")


async def _written(
    service: Service, token: TokenRecord, first: Change | None, changes: AsyncGenerator[Change | None, None]
) -> AsyncIterator[str]:
    yield ": netcordon\n\n" if first is None else event_text(first)
    looked = time.monotonic()
    async with contextlib.aclosing(changes):
        async for change in changes:
            if time.monotonic() - looked >= BEAT:
                looked = time.monotonic()
                if not await _still_good(service, token):
                    return
            yield ": beat\n\n" if change is None else event_text(change)


async def _still_good(service: Service, token: TokenRecord) -> bool:
    with contextlib.suppress(StoreUnavailable):
        return token in await service.store.tokens()
    return True
