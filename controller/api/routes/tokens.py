"""Tokens: who may ask what."""

from __future__ import annotations

from fastapi import APIRouter

from controller.api import views
from controller.api.auth import Bearer, TheService, TokenKeeper
from controller.api.listings import NewTokenView, TokenView, WhoAmI
from controller.api.schemas import TokenBody

router = APIRouter(prefix="/api/v1", tags=["tokens"])


@router.get("/tokens")
async def tokens(service: TheService, token: TokenKeeper) -> list[TokenView]:
    return [views.token_view(one) for one in await service.store.tokens()]


@router.post("/tokens", status_code=201)
async def add(body: TokenBody, service: TheService, token: TokenKeeper) -> NewTokenView:
    """A new token; its secret is shown this once."""
    secret = await service.store.add_token(body.name, body.role, by=token.who, person=body.person)
    return NewTokenView(name=body.name, role=body.role, token=secret)


@router.delete("/tokens/{name}", status_code=204)
async def revoke(name: str, service: TheService, token: TokenKeeper) -> None:
    """From now on the token is nobody's."""
    await service.store.revoke_token(name, by=token.who)


@router.get("/whoami")
async def whoami(token: Bearer) -> WhoAmI:
    """The token's name, role, and what it may."""
    return WhoAmI(name=token.name, person=token.person, role=token.role, permissions=sorted(token.role.permissions))
