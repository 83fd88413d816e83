"""Errors as the API answers them: `Problem` as JSON, never a traceback."""

from __future__ import annotations

import secrets
import traceback
from collections.abc import Mapping
from typing import cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from controller.api.hints import hint_for
from controller.errors import (
    AuditBroken,
    Conflict,
    InvalidInput,
    NetcordonError,
    NotFound,
    Refused,
    StoreUnavailable,
)
from controller.misfits import in_words
from controller.neutralize import neutralize
from drivers.base import DriverError, UnsupportedAction

_STATUS: tuple[tuple[type[Exception], int, str], ...] = (
    (InvalidInput, 422, "invalid-input"),
    (NotFound, 404, "not-found"),
    (Conflict, 409, "conflict"),
    (StoreUnavailable, 503, "store-unavailable"),
    (AuditBroken, 409, "audit-broken"),
    (UnsupportedAction, 409, "unsupported"),
    (DriverError, 502, "device"),
    (NetcordonError, 500, "internal"),
)
_HTTP = {401: "unauthorized", 403: "forbidden", 404: "not-found", 405: "method-not-allowed", 413: "too-large"}


def problem(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    body = {"error": code, "message": neutralize(message, 1000), "hint": hint_for(code)}
    return JSONResponse(body, status_code=status, headers=dict(headers or {}))


def add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(NetcordonError, _known)
    app.add_exception_handler(DriverError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _known(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, Refused):
        return problem(409, error.code.value, error.reason)
    status, code = next((status, code) for kind, status, code in _STATUS if isinstance(error, kind))
    return problem(status, code, str(error), {"Retry-After": "1"} if status == 503 else None)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    sentences = []
    for one in cast(RequestValidationError, error).errors()[:5]:
        where = ".".join(str(part) for part in one["loc"][1:]) or str(one["loc"][0])
        sentences.append(f"{where}: {in_words(one)}")
    return problem(422, "invalid-input", "; ".join(sentences))


async def _http(request: Request, error: Exception) -> JSONResponse:
    known = cast(HTTPException, error)
    return problem(known.status_code, _HTTP.get(known.status_code, "invalid-input"), str(known.detail), known.headers)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    """What nobody foresaw: the log has it, the client a name to find it by. The trace is made here, without the values of
    variables, among which a token may be."""
    name = secrets.token_hex(4)
    trace = "".join(traceback.format_exception(error))
    structlog.get_logger("api").error("unexpected error", id=name, path=neutralize(request.url.path), trace=trace)
    return problem(500, "internal", f"something went wrong that nobody foresaw (id {name})")
