"""A route whose function reads its request itself, for the one request that something urgent waits for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute


class Direct(APIRoute):
    """The function is called as `function(request, **the path's words)` and gives a response. FastAPI documents it by its signature, and
    does nothing else: to look dependencies and parameters up for each request costs it more than half of the time until an alert is in
    hand. So the function checks by itself who asks; what it declares as a dependency beside that is for the documentation."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def answer(request: Request) -> Response:
            response: Response = await self.endpoint(request, **request.path_params)
            return response

        return answer
