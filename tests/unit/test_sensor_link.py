"""How a sensor reaches its daemon: which URLs and tokens it takes, and that it goes on asking."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from controller.cli.sensor import sensor_app
from controller.discovery.link import Link, Url, parse_url
from controller.discovery.probes import SensorResults, SensorWork
from controller.errors import ConfigError
from drivers.rules import Mac

GREETING = SensorResults(interface="eth0", mac=Mac("02:00:00:00:00:01"))


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("unix:/run/n.sock", Url("http://netcordon", "/run/n.sock")),
        ("unix:///run/n.sock", Url("http://netcordon", "/run/n.sock")),
        ("/run/n.sock", Url("http://netcordon", "/run/n.sock")),
        ("https://n.example:8440", Url("https://n.example:8440", None)),
        ("http://127.0.0.1:8440", Url("http://127.0.0.1:8440", None)),
        ("http://[::1]:8440", Url("http://[::1]:8440", None)),
    ],
)
def test_urls_of_the_daemon(text: str, url: Url) -> None:
    assert parse_url(text) == url


@pytest.mark.parametrize("text", ["http://n.example:8440", "http://10.0.0.1", "ftp://n", "n.example:8440", "unix:", ""])
def test_other_urls_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_url(text)


def link_to(monkeypatch: pytest.MonkeyPatch, *answers: httpx.Response | Exception) -> tuple[Link, list[httpx.Request]]:
    """A link whose daemon gives these answers in turn; it does not wait between tries."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        found = answers[len(requests) - 1]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr("controller.discovery.link._BACKOFF", 0.0)
    link = Link(Url("http://netcordon", None), "t0ken", "s1")
    link._http = httpx.AsyncClient(
        transport=httpx.MockTransport(answer), base_url="http://netcordon", headers=link._http.headers
    )
    return link, requests


async def test_work_is_asked_for_until_it_comes_and_after_a_failure_without_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = httpx.Response(200, content=SensorWork().model_dump_json())
    broken = httpx.Response(200, content=b"<html>")
    link, requests = link_to(monkeypatch, httpx.ConnectError("away"), httpx.Response(401), broken, good)
    assert await link.work(10) == SensorWork()
    assert [request.url.params["wait"] for request in requests] == ["10", "0.0", "0.0", "0.0"]
    assert requests[0].headers["authorization"] == "Bearer t0ken"


async def test_results_are_posted_until_taken_or_refused_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    link, requests = link_to(
        monkeypatch, httpx.ReadError("gone"), httpx.Response(503), httpx.Response(204), httpx.Response(422)
    )
    await link.post(GREETING)
    assert len(requests) == 3
    await link.post(GREETING)
    assert len(requests) == 4


def test_without_a_token_the_command_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETCORDON_TOKEN", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    done = CliRunner().invoke(sensor_app, ["run", "--name", "s1", "--interface", "eth0"])
    assert isinstance(done.exception, ConfigError)
    assert "--role sensor" in str(done.exception)


def test_the_command_says_what_it_needs() -> None:
    shown = CliRunner().invoke(sensor_app, ["run", "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert shown.exit_code == 0
    for word in ("--name", "--interface", "--url", "CAP_NET_RAW"):
        assert word in shown.stdout
