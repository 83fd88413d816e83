"""How much one request may bring along."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.api.errors import problem

MOST_BYTES = 8 * 1024 * 1024


class BodyLimit:
    """Answers 413 to a longer body: by its announced length before reading any of it, else when the limit is passed."""

    def __init__(self, app: ASGIApp, most: int = MOST_BYTES) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdigit() and int(announced) > self._most:
            await problem(413, "too-large", self._sentence)(scope, receive, send)
            return
        await self._app(scope, self._counted(receive), send)

    @property
    def _sentence(self) -> str:
        return f"the body is longer than {self._most} bytes"

    def _counted(self, receive: Receive) -> Receive:
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > self._most:
                raise HTTPException(413, self._sentence)
            return message

        return counted
