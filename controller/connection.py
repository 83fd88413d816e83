"""How a client reaches the daemon: where it is, the token, one request with its repetitions, and errors as exceptions.

ApiError                 what the daemon answered, or that it did not; `code`, `message`, `hint`, `exit_code`
├── Unreachable          nobody answers there
├── Denied               the token is missing, unknown, or its role may not
├── RequestRefused       a guard said no; `code` is a RefusalCode's word
├── Missing              there is no such thing
├── Conflicting          the state is not what the request supposed
└── Malformed            the request cannot be read
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, ClassVar

import httpx

from controller.cli.exit_codes import ExitCode
from controller.credentials import DEFAULT_URL, URL_VARIABLE, find_token
from controller.errors import ConfigError, NetcordonError, RefusalCode
from controller.neutralize import neutralize

TIMEOUT = 30.0
PAUSES = (0.2, 0.5)
"""Seconds before a request that may be repeated is sent a second and a third time."""


class ApiError(NetcordonError):
    exit_code: ClassVar[ExitCode] = ExitCode.ERROR

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class Unreachable(ApiError):
    exit_code = ExitCode.UNREACHABLE


class Denied(ApiError):
    exit_code = ExitCode.DENIED


class RequestRefused(ApiError):
    exit_code = ExitCode.REFUSED


class Missing(ApiError):
    exit_code = ExitCode.NOT_FOUND


class Conflicting(ApiError):
    exit_code = ExitCode.ERROR


class Malformed(ApiError):
    exit_code = ExitCode.USAGE


_BY_STATUS: Mapping[int, type[ApiError]] = {
    401: Denied,
    403: Denied,
    404: Missing,
    409: Conflicting,
    413: Malformed,
    422: Malformed,
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where the API is, `url` as people write it: http://host:port on loopback, https://host:port, or unix:/path; and
    the token, which no `repr` shows."""

    url: str
    token: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Address:
        return cls(environment.get(URL_VARIABLE) or DEFAULT_URL, find_token(environment))

    def open(self) -> httpx.Client:
        """Raises ConfigError for a URL that nothing can be sent to, or where the token would be readable on the way."""
        base, transport = self._way()
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return httpx.Client(base_url=base, transport=transport, headers=headers, timeout=TIMEOUT)

    def _way(self) -> tuple[str, httpx.BaseTransport]:
        """The transport is made here, so that no proxy of the environment ever sees the token."""
        if self.url.startswith("unix:"):
            path = self.url.removeprefix("unix:").removeprefix("//")
            return "http://netcordon", httpx.HTTPTransport(uds=path, verify=False)
        try:
            url = httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise ConfigError(f"{URL_VARIABLE}: not a URL: {self.url!r} ({error})") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise ConfigError(
                f"{URL_VARIABLE}: write http://127.0.0.1:8440, https://host:port or unix:/path; got {self.url!r}"
            )
        if url.scheme == "http" and not _loopback(url.host):
            raise ConfigError(f"refusing to send a token in plain text to {url.host}: use https")
        return str(url), httpx.HTTPTransport(verify=url.scheme == "https")


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Connection:
    """Sends one request at a time. `http` is handed in opened, and closed here; `where` is how errors call its far
    side."""

    def __init__(self, http: httpx.Client, where: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self.http = http
        self.where = where
        self.sleep = sleep

    def close(self) -> None:
        self.http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        repeatable: bool,
        fine: Callable[[httpx.Response], bool] = lambda answer: answer.is_success,
        **request: Any,
    ) -> httpx.Response:
        """The answer, when it is `fine`; its ApiError otherwise. `repeatable`: it may be sent again when no answer
        came, or 503. What could not even be sent is always tried again."""
        for pause in (*PAUSES, None):
            try:
                answer = self.http.request(method, path, **request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if pause is None:
                    raise self._unreachable(error) from error
            except httpx.TransportError as error:
                if pause is None or not repeatable:
                    raise self._unreachable(error) from error
            else:
                if fine(answer):
                    return answer
                if answer.status_code != 503 or not repeatable or pause is None:
                    raise to_error(answer)
            self.sleep(pause)
        raise AssertionError("unreachable: the last round returns or raises")

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            message = f"the certificate of {self.where} is not trusted: {error}"
            hint = "set SSL_CERT_FILE to the certificate of the authority that signed it"
            return Unreachable("unreachable", neutralize(message), hint)
        if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
            message = f"no daemon answers at {self.where}: {error}"
        else:
            message = f"the daemon at {self.where} did not answer, and may have acted: {type(error).__name__} {error}".rstrip()
        hint = f"start one with `netcordon serve`, or set {URL_VARIABLE} (now {self.where})"
        return Unreachable("unreachable", neutralize(message), hint)


def to_error(answer: httpx.Response) -> ApiError:
    """What an answer that is no success says."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    problem = body if isinstance(body, dict) else {}
    code = str(problem.get("error", f"http-{answer.status_code}"))
    message = neutralize(str(problem.get("message", f"the daemon answered {answer.status_code}")), 1000)
    refused = answer.status_code == 409 and code in set(RefusalCode)
    kind = RequestRefused if refused else _BY_STATUS.get(answer.status_code, ApiError)
    return kind(code, message, neutralize(str(problem.get("hint", ""))))
