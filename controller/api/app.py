"""The API put together."""

from __future__ import annotations

from fastapi import FastAPI

from controller.api.errors import add_handlers
from controller.api.limits import BodyLimit
from controller.api.routes import (
    alerts,
    audit,
    automation,
    containments,
    dead_letters,
    doctor,
    events,
    health,
    joining,
    metrics,
    network,
    openc2,
    policy,
    proposals,
    sensors,
    tokens,
)
from controller.api.schemas import Problem
from controller.api.service import Service

_DESCRIPTION = """Contains devices that run no agent, from the network side, and proves that the block holds.

Every route but /healthz and /readyz needs a bearer token (on loopback, /metrics needs none where
the configuration says so). Errors are `Problem` objects."""


def create_app(service: Service) -> FastAPI:
    """The application that answers for `service`. It starts and stops nothing: the daemon does."""
    app = FastAPI(
        title="Netcordon",
        version="1",
        docs_url=None,  # both pages would take their scripts from a CDN; /openapi.json is whole without
        redoc_url=None,
        description=_DESCRIPTION,
        responses={status: {"model": Problem} for status in (401, 403, 404, 409, 413, 422, 500, 503)},
    )
    app.state.service = service
    app.add_middleware(BodyLimit)
    add_handlers(app)
    app.include_router(alerts.urgent)  # first: routes are tried in this order
    for subject in (
        alerts,
        dead_letters,
        openc2,
        containments,
        proposals,
        events,
        network,
        joining,
        sensors,
        audit,
        automation,
        policy,
        tokens,
        health,
        metrics,
        doctor,
    ):
        app.include_router(subject.router)
    return app
