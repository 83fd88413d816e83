"""Events become alerts, and each of them is answered: for what sensors send, and for dead letters that are replayed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from controller.api.listings import AlertResult
from controller.api.service import Service
from controller.errors import InvalidInput, NetcordonError, StoreUnavailable
from controller.intake import NotAnAlert, RawEvent, Source
from controller.model import Alert
from controller.neutralize import neutralize

_AT_ONCE = 64


async def take_all(
    service: Service, source: Source, events: Sequence[RawEvent], received_at: float, *, letter: str | None = None
) -> list[AlertResult]:
    """What became of each alert that the events are, in order; some at a time, so that they share the store's commits. What cannot be read
    becomes a dead letter, unless it came from one: `letter`. StoreUnavailable goes through: the sender is to send again, and what was
    taken by then is known as a duplicate."""
    if len(events) == 1:
        return await _take_event(
            service, source, events[0], 0, received_at, letter
        )  # gathered, it would wait for another turn
    results: list[AlertResult] = []
    for start in range(0, len(events), _AT_ONCE):
        some = events[start : start + _AT_ONCE]
        jobs = (_take_event(service, source, event, start + i, received_at, letter) for i, event in enumerate(some))
        for of_one_event in await asyncio.gather(*jobs):
            results += of_one_event
    return results


async def _take_event(
    service: Service, source: Source, event: RawEvent, index: int, received_at: float, letter: str | None
) -> list[AlertResult]:
    """What became of each alert that the event is."""
    try:
        if event.fields is None:
            raise InvalidInput(event.error)
        read = source.read(event.fields, received_at)
    except NotAnAlert as error:
        if error.told is not None:
            service.conversed(error.told)
        return [AlertResult(index=index, status="ignored", reason=str(error))]
    except InvalidInput as error:
        kept = letter or await service.store.dead_letter(source.name, event.raw, str(error))
        return [AlertResult(index=index, status="malformed", id=kept, reason=neutralize(str(error)))]
    return [await _take_one(service, alert, event.raw, index) for alert in read]


async def _take_one(service: Service, alert: Alert, raw: str, index: int) -> AlertResult:
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
