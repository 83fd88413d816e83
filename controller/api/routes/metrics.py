"""What Prometheus scrapes."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials

from controller.api.auth import BEARER, TheService, allowed, bearer
from controller.metrics import CONTENT_TYPE
from controller.roles import Permission

router = APIRouter(tags=["health"])


async def _scraper(
    request: Request,
    service: TheService,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
) -> None:
    """A token that may read; or, where the configuration says so, nobody in particular on loopback."""
    if credentials is None and service.metrics_without_token and _from_loopback(request):
        return
    try:
        allowed(await bearer(request, credentials), Permission.READ)
    except HTTPException as error:
        if service.metrics_without_token and error.status_code == 401:
            error.detail = f"{error.detail}: without one, only 127.0.0.1 may read the metrics"
        raise


@router.get(
    "/metrics",
    dependencies=[Depends(_scraper)],
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus's text format"}},
)
async def metrics(service: TheService) -> Response:
    """Stages, containments, devices, budget, store: as Prometheus reads them."""
    return Response(await service.metrics(), headers={"Content-Type": CONTENT_TYPE})


def _from_loopback(request: Request) -> bool:
    """By the connection's own other end. A request that some proxy passed on is not from here, whatever its address is."""
    if request.client is None or {"x-forwarded-for", "forwarded", "x-real-ip", "via"} & set(request.headers):
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:  # a Unix socket's other end has no address
        return False
