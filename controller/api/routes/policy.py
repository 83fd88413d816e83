"""Policy: what is in force, what it would make of an alert, a changed file, and what another would have made of those that came."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query, Request

from controller.api import policy_views
from controller.api.auth import Reader, Resumer, TheService
from controller.api.listings import PolicyView, ReloadView, ReplayRow, TrialView
from controller.api.schemas import PolicyReplayBody
from controller.errors import InvalidInput, NotFound
from controller.intake import NotAnAlert

router = APIRouter(prefix="/api/v1/policy", tags=["policy"])
MOST_TESTED = 1000
"""Events of one test."""


@router.get("")
async def show(service: TheService, token: Reader, version: Annotated[str, Query(max_length=64)] = "") -> PolicyView:
    """The policy in force, or one that was, by its version."""
    return policy_views.policy_view(await service.policy.kept(version), service.policy.present.version)


@router.post("/reload")
async def reload(service: TheService, token: Resumer) -> ReloadView:
    """Read it again from where the daemon has it. One that is broken changes nothing."""
    done = await service.policy.reload(token.who)
    return ReloadView(before=done.before, now=done.now)


@router.post("/test/{source}")
async def test(request: Request, source: str, service: TheService, token: Reader) -> list[TrialView]:
    """What policy would make of what a sensor reports, without any effect. What cannot be read is said in its place."""
    known = service.sources().get(source)
    if known is None:
        raise NotFound(f"no alert source {source!r}; known are {', '.join(service.sources())}")
    events = known.split(await request.body())
    if len(events) > MOST_TESTED:
        raise InvalidInput(f"{len(events)} events: a test takes at most {MOST_TESTED}")
    found = []
    for index, event in enumerate(events):
        try:
            if event.fields is None:
                raise InvalidInput(event.error)
            for alert in known.read(event.fields, time.time()):
                found.append(policy_views.trial_view(index, alert, await service.policy.test(alert)))
        except (NotAnAlert, InvalidInput) as error:
            found.append(TrialView(index=index, would="", problem=str(error)))
    return found


@router.post("/replay")
async def replay(body: PolicyReplayBody, service: TheService, token: Reader) -> list[ReplayRow]:
    """What this policy would have made of the alerts of the last `since` seconds, beside what was made of them then; the oldest first."""
    return [policy_views.replay_row(one) async for one in service.policy.replay(body.policy, time.time() - body.since)]
