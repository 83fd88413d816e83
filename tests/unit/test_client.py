"""The client: where it connects, what it repeats, and what it keeps to itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from controller.client import (
    Address,
    ApiError,
    Client,
    Conflicting,
    Denied,
    Malformed,
    Missing,
    RequestRefused,
    Unreachable,
)
from controller.connection import Connection
from controller.credentials import find_token
from controller.errors import ConfigError, RefusalCode
from controller.roles import Role

SECRET = "nct_very-secret"
Handler = Callable[[httpx.Request], httpx.Response]


def client(*answers: httpx.Response | Exception, seen: list[httpx.Request] | None = None) -> Client:
    """A client to which the answers come in turn, the last one for ever."""
    requests = [] if seen is None else seen

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        answer = answers[min(len(requests), len(answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    http = httpx.Client(transport=httpx.MockTransport(handle), base_url="http://netcordon")
    return Client(Connection(http, "http://netcordon", sleep=lambda seconds: None))


def problem(status: int, code: str = "x") -> httpx.Response:
    return httpx.Response(status, json={"error": code, "message": "why", "hint": "what next"})


# --- where ------------------------------------------------------------------------------------------------------------


def test_by_default_on_loopback() -> None:
    assert Address.from_environment({"HOME": "/nowhere"}) == Address("http://127.0.0.1:8440", None)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8440", "http://localhost:1", "http://[::1]:8440", "https://soc.example:8440", "unix:/run/x"],
)
def test_urls_that_are_taken(url: str) -> None:
    Address(url, SECRET).open().close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://10.0.0.1:8440", "plain text"),
        ("http://soc.example", "plain text"),
        ("ftp://127.0.0.1", "write http"),
        ("127.0.0.1:8440", "write http"),
        ("http://", "write http"),
        ("http://[::1", "not a URL"),
    ],
)
def test_urls_that_are_not(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        Address(url, SECRET).open()
    assert SECRET not in str(caught.value)


def test_no_proxy_of_the_environment_sees_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with Address("http://127.0.0.1:8440", SECRET).open() as http:
        assert not http._mounts


def test_the_token_shows_in_no_repr() -> None:
    assert SECRET not in repr(Address("http://127.0.0.1:8440", SECRET))


def test_the_token_comes_from_the_environment_or_a_private_file(tmp_path: Path) -> None:
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert find_token(environment) is None
    path = tmp_path / "netcordon" / "token"
    path.parent.mkdir()
    path.write_text(SECRET + "\n")
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        find_token(environment)
    path.chmod(0o600)
    assert find_token(environment) == SECRET
    assert find_token({"HOME": "/nowhere", "NETCORDON_TOKEN": " other "}) == "other"
    with pytest.raises(ConfigError, match="no token") as caught:
        find_token({"NETCORDON_TOKEN": f"{SECRET}\n{SECRET}"})
    assert SECRET not in str(caught.value)


# --- what is repeated -------------------------------------------------------------------------------------------------


def test_a_look_is_repeated() -> None:
    seen: list[httpx.Request] = []
    answers = (
        httpx.ReadError("cut"),
        problem(503, "store-unavailable"),
        httpx.Response(200, json={"containments": []}),
    )
    assert client(*answers, seen=seen).containments() == []
    assert len(seen) == 3


def test_containing_is_repeated_under_the_same_key() -> None:
    seen: list[httpx.Request] = []
    with pytest.raises(Unreachable, match="may have acted"):
        client(httpx.ReadTimeout("late"), seen=seen).contain("10.0.0.1")
    assert len(seen) == 3
    assert len({request.headers["Idempotency-Key"] for request in seen}) == 1


def test_two_containments_have_two_keys() -> None:
    seen: list[httpx.Request] = []
    speaking = client(problem(409, "protected"), seen=seen)
    for _ in range(2):
        with pytest.raises(RequestRefused):
            speaking.contain("10.0.0.1")
    assert seen[0].headers["Idempotency-Key"] != seen[1].headers["Idempotency-Key"]


@pytest.mark.parametrize("error", [httpx.ReadError("cut"), httpx.ReadTimeout("late")])
def test_what_may_not_happen_twice_is_sent_once(error: Exception) -> None:
    seen: list[httpx.Request] = []
    with pytest.raises(Unreachable):
        client(error, seen=seen).add_token("soc", Role.VIEWER)
    assert len(seen) == 1


def test_what_was_never_sent_is_tried_again() -> None:
    seen: list[httpx.Request] = []
    made = httpx.Response(201, json={"name": "soc", "role": "viewer", "token": "t"})
    assert client(httpx.ConnectError("refused"), made, seen=seen).add_token("soc", Role.VIEWER).token == "t"
    assert len(seen) == 2


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "unauthorized", Denied),
        (403, "forbidden", Denied),
        (404, "not-found", Missing),
        (409, "conflict", Conflicting),
        *((409, code.value, RequestRefused) for code in RefusalCode),
        (413, "too-large", Malformed),
        (422, "invalid-input", Malformed),
        (500, "internal", ApiError),
        (503, "store-unavailable", ApiError),
    ],
)
def test_answers_become_exceptions(status: int, code: str, kind: type[ApiError]) -> None:
    with pytest.raises(ApiError, match="why") as caught:
        client(problem(status, code)).devices()
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.hint) == (code, "what next")


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(200, text="<html>"), httpx.Response(200, json={"other": 1}), httpx.Response(200, json=[7])],
)
def test_another_program_at_that_port_is_recognized(answer: httpx.Response) -> None:
    with pytest.raises(ApiError, match="does not speak as this client does"):
        client(answer).devices()


def test_an_error_page_of_something_else_is_an_error() -> None:
    with pytest.raises(ApiError, match="answered 502"):
        client(httpx.Response(502, text="<html>\x1b[2J")).devices()


def test_that_all_alerts_were_malformed_is_an_answer() -> None:
    body = {"taken": 0, "ignored": 0, "malformed": 1, "failed": 0, "results": []}
    assert client(httpx.Response(422, json=body)).send_alerts("generic", b"{").malformed == 1
    with pytest.raises(Malformed):
        client(problem(422, "invalid-input")).send_alerts("generic", b"")


def test_a_certificate_that_nobody_vouches_for_says_what_to_set() -> None:
    failed = httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate")
    with pytest.raises(Unreachable) as caught:
        client(failed).containments()
    assert "SSL_CERT_FILE" in caught.value.hint
