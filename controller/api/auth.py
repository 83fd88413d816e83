"""Who asks, and whether they may: a bearer token, and one permission a route."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Annotated, cast

from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from controller.api.service import Service
from controller.roles import Permission, Role
from controller.store import TokenRecord
from controller.webhooks import SignatureRefused

BEARER = HTTPBearer(auto_error=False, description="a token as `netcordon token add` makes it")
_CHALLENGE = 'Bearer realm="netcordon"'


async def service_of(request: Request) -> Service:
    """A coroutine, though it waits for nothing: FastAPI calls a plain function in another thread, for each request."""
    return _service(request)


def _service(request: Request) -> Service:
    return cast(Service, request.app.state.service)


TheService = Annotated[Service, Depends(service_of)]
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]


async def bearer(request: Request, credentials: Credentials) -> TokenRecord:
    """The token that the request bears; 401 without one, or with one that is nobody's."""
    if credentials is None:
        raise HTTPException(401, "this needs a token", {"WWW-Authenticate": _CHALLENGE})
    token = await _service(request).store.token(credentials.credentials)
    if token is None:
        raise HTTPException(
            401, "the token is unknown or was revoked", {"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'}
        )
    return token


Bearer = Annotated[TokenRecord, Depends(bearer)]


def allowed(token: TokenRecord, permission: Permission) -> TokenRecord:
    """403, naming the roles that may, when the token's may not."""
    if not token.role.may(permission):
        roles = ", ".join(role.value for role in Role if role.may(permission))
        raise HTTPException(
            403,
            f"token {token.name!r} has role {token.role.value}, which may not {permission.words}; needed: {roles}",
            {"WWW-Authenticate": f'{_CHALLENGE}, error="insufficient_scope", scope="{permission.value}"'},
        )
    return token


def _needs(permission: Permission) -> Callable[..., Awaitable[TokenRecord]]:
    async def check(request: Request, credentials: Credentials) -> TokenRecord:
        return allowed(await bearer(request, credentials), permission)

    return check


async def signed_or_sent(source: str, request: Request, credentials: Credentials) -> None:
    """Whether alerts of this source may be sent: with a token that may send any, or, without one, signed as its webhook signs."""
    webhook = _service(request).webhooks().get(source) if credentials is None else None
    if webhook is None:
        allowed(await bearer(request, credentials), Permission.ALERT)
        return
    try:
        webhook.check(request.headers)
        webhook.verify(request.headers, await request.body(), time.time())
    except SignatureRefused as refused:
        raise HTTPException(401, str(refused), {"WWW-Authenticate": _CHALLENGE}) from refused


Reader = Annotated[TokenRecord, Depends(_needs(Permission.READ))]
Sender = Annotated[TokenRecord, Depends(_needs(Permission.ALERT))]
Container = Annotated[TokenRecord, Depends(_needs(Permission.CONTAIN))]
Releaser = Annotated[TokenRecord, Depends(_needs(Permission.RELEASE))]
Approver = Annotated[TokenRecord, Depends(_needs(Permission.APPROVE))]
Pauser = Annotated[TokenRecord, Depends(_needs(Permission.PAUSE))]
Resumer = Annotated[TokenRecord, Depends(_needs(Permission.RESUME))]
Auditor = Annotated[TokenRecord, Depends(_needs(Permission.AUDIT))]
TokenKeeper = Annotated[TokenRecord, Depends(_needs(Permission.TOKENS))]
Sensor = Annotated[TokenRecord, Depends(_needs(Permission.SENSE))]
Reporter = Annotated[TokenRecord, Depends(_needs(Permission.REPORT))]
Producer = Annotated[TokenRecord, Depends(_needs(Permission.OPENC2))]
