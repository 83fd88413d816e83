"""The sensor's way to the daemon: HTTP over a Unix socket or TCP, with backoff while nobody answers."""

from __future__ import annotations

import asyncio
import random
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from types import TracebackType
from typing import Self

import httpx
import structlog
from pydantic import ValidationError

from controller.discovery.probes import SensorResults, SensorWork
from controller.errors import ConfigError

log = structlog.get_logger()

_BACKOFF, _BACKOFF_MOST = 0.1, 5.0
_GRACE = 5.0


@dataclass(frozen=True, slots=True)
class Url:
    """`base` is what HTTP sees; `socket` the path when it goes over one."""

    base: str
    socket: str | None


def parse_url(text: str) -> Url:
    """unix:/run/netcordon/api.sock, https://host:port, or http:// on loopback. ConfigError for plain HTTP beyond it, where the
    token could be read on the way."""
    if text.startswith(("unix:", "/")):
        path = text.removeprefix("unix:")
        path = "/" + path.lstrip("/") if path.startswith("/") else path
        if not path:
            raise ConfigError("unix: needs the path of the daemon's socket, as in unix:/run/netcordon/api.sock")
        return Url("http://netcordon", path)
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ConfigError(f"not a URL: {text!r} ({error})") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError(
            f"not a URL of the daemon: {text!r}; write unix:/path, https://host:port or http://127.0.0.1:port"
        )
    if url.scheme == "http" and not _is_loopback(url.host):
        raise ConfigError(f"refusing to send the token to {url.host} in plain text: use https://")
    return Url(str(url), None)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Link:
    """Both calls go on until the daemon has answered; a change between answering and not is logged once."""

    def __init__(self, url: Url, token: str, name: str) -> None:
        # The proxies of the environment are for the web. Certificates are those of SSL_CERT_FILE or the system.
        transport = httpx.AsyncHTTPTransport(
            uds=url.socket,
            verify=ssl.create_default_context() if url.base.startswith("https") else False,
            limits=httpx.Limits(max_connections=8, keepalive_expiry=60),
        )
        self._http = httpx.AsyncClient(
            base_url=url.base, transport=transport, headers={"Authorization": f"Bearer {token}"}, trust_env=False
        )
        self._where = f"/api/v1/sensors/{name}"
        self._silent = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def work(self, wait: float) -> SensorWork:
        """After a failure it asks without waiting, since what was lost may have been news."""
        backoff = _BACKOFF
        while True:
            try:
                answer = await self._http.get(f"{self._where}/work", params={"wait": wait}, timeout=wait + _GRACE)
                answer.raise_for_status()
                work = SensorWork.model_validate_json(answer.content)
            except (httpx.HTTPError, ValidationError) as error:
                backoff, wait = await self._failed(error, backoff), 0.0
                continue
            self._succeeded()
            return work

    async def post(self, results: SensorResults) -> None:
        """Returns when the daemon has them, or has said that it will never take them (logged)."""
        backoff, body = _BACKOFF, results.model_dump_json()
        while True:
            try:
                answer = await self._http.post(
                    f"{self._where}/results", content=body, headers={"Content-Type": "application/json"}, timeout=_GRACE
                )
                if answer.status_code in (400, 413, 422):
                    log.error("the daemon refused results", status=answer.status_code, answer=answer.text[:300])
                    return
                answer.raise_for_status()
            except httpx.HTTPError as error:
                backoff = await self._failed(error, backoff)
                continue
            self._succeeded()
            return

    async def _failed(self, error: Exception, backoff: float) -> float:
        """Waits; how long to wait the next time."""
        reason = _in_words(error)
        if reason != self._silent:
            log.warning("the daemon does not answer", reason=reason)
            self._silent = reason
        await asyncio.sleep(backoff * random.uniform(0.5, 1.0))  # noqa: S311 (jitter, no secret)
        return min(2 * backoff, _BACKOFF_MOST)

    def _succeeded(self) -> None:
        if self._silent:
            log.info("the daemon answers again")
            self._silent = ""


def _in_words(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        code = error.response.status_code
        hint = {401: ": the token is not known", 403: ": the token's role is not sensor", 404: ": no such API there"}
        return f"HTTP {code}{hint.get(code, '')}"
    if isinstance(error, ValidationError):
        return f"its work cannot be read ({error.error_count()} errors): is it of another version?"
    return f"{type(error).__name__}: {error}"
