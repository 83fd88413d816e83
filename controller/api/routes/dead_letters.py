"""What could not be read as an alert: looked at, and taken through the same intake once more."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query

from controller.api import views
from controller.api.auth import Reader, Sender, TheService
from controller.api.listings import AlertResult, DeadLetterView, ReplaysView, ReplayView
from controller.api.schemas import ReplayBody
from controller.api.service import Service
from controller.api.taking import take_all
from controller.errors import Conflict, InvalidInput, NotFound
from controller.neutralize import neutralize
from controller.store import DeadLetter, Replayed, replayed_before

router = APIRouter(prefix="/api/v1", tags=["alerts"])


@router.get("/dead-letters")
async def dead_letters(
    service: TheService,
    token: Reader,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    replayed: bool = False,
) -> list[DeadLetterView]:
    """What could not be read as an alert, and why; or what was replayed since, and as which alerts. Newest first."""
    return [views.dead_letter_view(letter) for letter in await service.store.dead_letters(limit, replayed=replayed)]


@router.post("/dead-letters/replay")
async def replay_all(service: TheService, token: Sender, body: ReplayBody | None = None) -> ReplaysView:
    """Replay what waits, oldest first: at most `limit` letters, behind `after`. `next` is the `after` for the rest, None at the end."""
    wanted = body or ReplayBody()
    letters = await service.store.waiting_letters(wanted.after, wanted.limit)
    replays = [await _replay(service, letter, token.who) for letter in letters]
    return ReplaysView(replays=replays, next=letters[-1].id if len(letters) == wanted.limit else None)


@router.post("/dead-letters/{id}/replay")
async def replay(id: str, service: TheService, token: Sender) -> ReplayView:
    """Take its text through the intake again. What can be read now leaves the dead letters, and is an alert like any other; what cannot
    stays, with the reason. 409 for what was cut when it was kept, and for what was replayed before."""
    letter = await service.store.letter(id)
    if letter.replayed_at is not None:
        raise Conflict(replayed_before(letter))
    if letter.cut:
        raise Conflict(_cut(letter))
    return await _replay(service, letter, token.who)


async def _replay(service: Service, letter: DeadLetter, by: str) -> ReplayView:
    if letter.cut:  # nothing is tried, so nothing is written down
        return _view(letter, "cut", _cut(letter), [])
    results: list[AlertResult] = []
    try:
        results = await _through_intake(service, letter)
        status, reason = _together(results)
    except InvalidInput as error:
        status, reason = "malformed", str(error)
    alerts = tuple(one.id for one in results if one.status == "taken" and one.id is not None)
    try:
        await service.store.letter_replayed(letter.id, Replayed(by, status, reason or letter.reason, alerts))
    except (Conflict, NotFound) as error:  # somebody else did it meanwhile: each alert was taken once all the same
        reason = str(error)
    return _view(letter, status, reason, results)


async def _through_intake(service: Service, letter: DeadLetter) -> list[AlertResult]:
    source = service.sources().get(letter.source)
    if source is None:
        raise InvalidInput(f"no alert source {letter.source!r} any more; known are {', '.join(service.sources())}")
    events = source.split(letter.raw.encode())
    return await take_all(service, source, events, time.time(), letter=letter.id)


def _together(results: list[AlertResult]) -> tuple[str, str]:
    """The worst of what its events came to, and the first reason for that; a letter that was read has none."""
    for status in ("malformed", "failed"):
        if reasons := [one.reason for one in results if one.status == status]:
            return status, reasons[0]
    if any(one.status == "taken" for one in results):
        return "taken", ""
    return "ignored", results[0].reason


def _cut(letter: DeadLetter) -> str:
    return (
        f"only the first {len(letter.raw)} of its {letter.length} characters were kept: send dead letter {letter.id} again from where it"
        " came"
    )


def _view(letter: DeadLetter, status: str, reason: str, results: list[AlertResult]) -> ReplayView:
    return ReplayView(
        id=letter.id, source=neutralize(letter.source), status=status, reason=neutralize(reason, 1000), results=results
    )
