"""The one HTTP client that speaks to both sides: one kept-alive connection, nothing sent again."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

from tests.bench.ground import BenchError

PATIENCE = 120.0
IDLE = 3.0
"""Seconds without a request after which the connection is made anew beforehand: servers close those that are idle for longer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`sent` and `answered`: seconds since the epoch, just before the first and just after the last byte."""

    status: int
    body: bytes
    sent: float
    answered: float

    def json(self) -> Any:
        return json.loads(self.body)


class Http:
    def __init__(self, port: int, token: str = "") -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self._used = -IDLE
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})

    def request(self, method: str, path: str, body: object = None) -> Answer:
        """Raises BenchError for anything but success."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        if time.monotonic() - self._used > IDLE:
            self._connection.close()
            self._connection.connect()
        sent = time.time()
        self._connection.request(method, path, content, self._headers)
        answer = self._connection.getresponse()
        said = answer.read()
        self._used = time.monotonic()
        found = Answer(answer.status, said, sent, time.time())
        if not 200 <= found.status < 300:
            raise BenchError(f"{method} {path} was answered with {found.status}: {said[:500].decode(errors='replace')}")
        return found

    def close(self) -> None:
        self._connection.close()
