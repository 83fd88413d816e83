"""OpenC2 over HTTPS v1.1: one command a request, one response."""

from __future__ import annotations

import json
import time
from typing import Any

import structlog
from fastapi import APIRouter, Request, Response

from controller.api.auth import Producer, TheService
from controller.errors import NetcordonError, StoreUnavailable
from controller.openc2.command import Reply, Unable, read_command, reply_wanted, unwrap
from controller.openc2.consumer import Answer, Consumer

router = APIRouter(tags=["openc2"])
log = structlog.get_logger("openc2")
MEDIA_TYPE = "application/openc2+json;version=1.0"
_SCHEMA = {"schema": {"type": "object"}}
_BODY = {"requestBody": {"required": True, "content": {MEDIA_TYPE: _SCHEMA}}}


@router.post("/.well-known/openc2", openapi_extra=_BODY, response_class=Response)
async def command(request: Request, service: TheService, token: Producer) -> Response:
    """Carry out a command of the Stateless Packet Filter profile; a response's `status` is also the HTTP status, but for 102, which HTTP
    has no final answer for, and which comes with 200."""
    request_id, raw = unwrap(await request.body(), request.headers.get("X-Request-ID"))
    wanted = reply_wanted(raw)
    try:
        if not _is_openc2(request.headers.get("Content-Type", "")):
            raise Unable(400, f"Validation Error: Content-type: send {MEDIA_TYPE}")
        if isinstance(raw, Unable):
            raise raw
        answer = await _answer(Consumer(service, token.name, request_id or ""), raw, wanted)
    except Unable as unable:
        log.info("not carried out", by=token.name, request=request_id, status=unable.status, reason=str(unable))
        answer = Answer(unable.status, str(unable))
    return _response(request_id, answer, silent=wanted is Reply.NONE, to=token.name)


async def _answer(consumer: Consumer, raw: Any, wanted: Reply) -> Answer:
    parsed = read_command(raw)
    waits = wanted in (Reply.COMPLETE, Reply.STATUS)
    try:
        answer = await consumer.carry_out(parsed, wait=waits)
    except StoreUnavailable as error:
        raise Unable(503, "nothing was accepted: send it again with the same request_id") from error
    except NetcordonError as error:
        raise Unable(500, str(error)) from error
    except Unable as unable:
        if wanted is not Reply.ACK:
            raise
        log.warning("acknowledged, and not carried out", status=unable.status, reason=str(unable))
        return Answer(102)
    return answer if wanted is not Reply.ACK else Answer(102)


def _is_openc2(said: str) -> bool:
    media, *parameters = [part.strip().lower() for part in said.split(";")]
    return media == "application/openc2+json" and all(
        one.replace(" ", "") == "version=1.0" for one in parameters if one.startswith("version")
    )


def _response(request_id: str | None, answer: Answer, *, silent: bool, to: str) -> Response:
    headers = {"Cache-Control": "no-cache"}
    if request_id is not None:
        headers["X-Request-ID"] = request_id
    if silent:
        return Response(status_code=200, headers=headers)
    response: dict[str, Any] = {"status": answer.status}
    if answer.text:
        response["status_text"] = answer.text
    if answer.results:
        response["results"] = answer.results
    about: dict[str, Any] = {"created": int(time.time() * 1000), "from": "netcordon", "to": [to]}
    if request_id is not None:
        about = {"request_id": request_id, **about}
    body = json.dumps({"headers": about, "body": {"openc2": {"response": response}}})
    status = 200 if answer.status == 102 else answer.status
    return Response(body, status, {**headers, "Content-Type": MEDIA_TYPE})
