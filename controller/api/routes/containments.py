"""Containing, releasing, planning, and looking at what is contained."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from controller.api import views
from controller.api.auth import Container, Reader, Releaser, TheService, allowed
from controller.api.profile_views import profile_view
from controller.api.schemas import (
    AcceptedView,
    ContainBody,
    ContainmentsView,
    ContainmentView,
    ExtendBody,
    PreviewView,
    ProfilesView,
    ProposeBody,
    ReleaseBody,
    ReleasedView,
    ReleaseOneBody,
)
from controller.errors import InvalidInput
from controller.model import Containment, Want
from controller.requests import ContainRequest
from controller.roles import Permission
from controller.store import Extension, TokenRecord
from controller.targets import parse_target

router = APIRouter(prefix="/api/v1", tags=["containments"])
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="the same request sent again under the same key happens once",
    ),
]


@router.post("/containments", responses={201: {"model": AcceptedView}})
async def contain(
    body: ContainBody, response: Response, service: TheService, token: Container, key: Key = None
) -> AcceptedView | PreviewView:
    """Contain a device; 201 for a new case, 200 for one that was joined or known. With `dry_run`, what would happen."""
    request = wish(body, token, key)
    if body.dry_run:
        return views.preview_view(await service.plan(request))
    if body.override:
        allowed(token, Permission.OVERRIDE)
        if not body.reason:
            raise InvalidInput("an override needs a reason: it is audited")
    accepted = await service.contain(request)
    response.status_code = 201 if accepted.created else 200
    response.headers["Location"] = f"/api/v1/containments/{accepted.containment.id}"
    return AcceptedView(
        containment=views.containment_view(accepted.containment, time.time()),
        created=accepted.created,
        joined=accepted.joined,
    )


@router.post("/plan")
async def plan(body: ContainBody, service: TheService, token: Reader) -> PreviewView:
    """What `contain` would do. Nothing is written, nothing is sent; a refusal is part of the answer."""
    return views.preview_view(await service.plan(wish(body, token)))


@router.get("/containments")
async def containments(
    service: TheService,
    token: Reader,
    want: Want | None = None,
    device: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> ContainmentsView:
    """Newest first; all, or only those held or released, or with rules on one device."""
    now = time.time()
    found = await service.store.containments(want, limit, device)
    return ContainmentsView(containments=[views.containment_view(one, now) for one in found])


@router.get("/containments/{id}")
async def containment(id: str, service: TheService, token: Reader) -> ContainmentView:
    """By its id, or by 4 or more of its first characters."""
    return views.containment_view(await service.store.containment(id), time.time())


@router.post("/containments/{id}/release")
async def release_one(
    id: str, service: TheService, token: Releaser, body: ReleaseOneBody | None = None, key: Key = None
) -> ReleasedView:
    """Release one. To release what is released changes nothing."""
    found = await service.store.containment(id)
    reason = "" if body is None else body.reason
    return _released(await service.release(found.id, by=token.who, reason=reason, key=_own(key, token)))


@router.post("/containments/{id}/extend")
async def extend(id: str, body: ExtendBody, service: TheService, token: Container, key: Key = None) -> ContainmentView:
    """Hold it for longer, without a gap. Never shorter, unless `shorten`."""
    found = await service.store.containment(id)
    until = None if body.until is None else body.until.timestamp()
    extension = Extension(body.span, until, body.shorten)
    extended = await service.extend(found.id, extension, by=token.who, key=_own(key, token))
    return views.containment_view(extended, time.time())


@router.post("/containments/{id}/confirm")
async def confirm(id: str, service: TheService, token: Container) -> ContainmentView:
    """Hold what is released at `confirm_by` otherwise. To confirm again changes nothing."""
    found = await service.store.containment(id)
    return views.containment_view(await service.confirm(found.id, by=token.who), time.time())


@router.post("/release")
async def release(body: ReleaseBody, service: TheService, token: Releaser, key: Key = None) -> ReleasedView:
    """Release what holds a target, one containment by its id, or all."""
    if body.target is None:
        return _released(await service.release_all(by=token.who, reason=body.reason, pause=body.pause))
    return _released(await service.release(body.target.strip(), by=token.who, reason=body.reason, key=_own(key, token)))


@router.get("/profiles")
async def profiles(service: TheService, token: Reader) -> ProfilesView:
    """How far a containment can go, the strictest first, and what each closes."""
    return ProfilesView(profiles=[profile_view(profile) for profile in service.profiles()])


def wish(body: ProposeBody, token: TokenRecord, key: str | None = None) -> ContainRequest:
    """What the token's bearer asks for. Raises InvalidInput for what is no target."""
    return ContainRequest(
        target=parse_target(body.target),
        profile=body.profile,
        duration=body.duration,
        reason=body.reason,
        by=token.who,
        person=token.person,
        token=token.name,
        override=body.override,
        on_expiry=body.on_expiry,
        key=_own(key, token),
    )


def _own(key: str | None, token: TokenRecord) -> str | None:
    """Keys are each bearer's own: two who choose the same one do not meet."""
    return None if key is None else f"{token.name}:{key}"


def _released(cases: list[Containment]) -> ReleasedView:
    now = time.time()
    return ReleasedView(released=[views.containment_view(one, now) for one in cases])
