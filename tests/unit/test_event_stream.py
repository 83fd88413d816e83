"""The stream of events over real sockets: who may read, what is on the wire, and a client that outlives its daemon."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from controller.api.app import create_app
from controller.api.live_views import event_text, event_view
from controller.api.server import ApiServers
from controller.client import Address, ApiError, Client, Unreachable
from controller.config import Listen
from controller.event_stream import EventStream
from controller.live import AlertTaken, Change, DeviceChange, LinkChange, Live, PortChange
from controller.model import Attachment
from controller.requests import AlertAnswer, Disposition
from controller.roles import Role
from controller.store import Proposal, Store
from drivers.rules import PortName
from tests.unit.fake_service import HOSTILE, FakeService
from tests.unit.store_cases import START, Clock, alert, draft, endpoint, nothing
from tests.unit.test_live import until_readers

_DEADLINE = 30.0
PLACE = Attachment("s1", PortName("eth1"))


@dataclass
class Served:
    service: FakeService
    servers: ApiServers
    socket: Path
    token: str

    async def restart(self) -> None:
        """Another daemon at the same place, with a history of its own."""
        await self.stop()
        self.service.live = Live()
        self.servers = ApiServers(create_app(self.service), Listen(port=0, socket=self.socket))
        await self.servers.start()

    async def stop(self) -> None:
        self.service.live.close()
        await self.servers.stop()

    async def published(self, *numbers: int) -> None:
        await until_readers(self.service.live)
        for number in numbers:
            self.service.live.publish(DeviceChange(f"s{number}", up=True, converged=True))


@pytest.fixture
async def served(tmp_path: Path, clock: Clock) -> AsyncIterator[Served]:
    store = await Store.open(f"sqlite:///{tmp_path}/netcordon.db", clock)
    service = FakeService(store, live=Live())
    socket = tmp_path / "api.sock"
    servers = ApiServers(create_app(service), Listen(port=0, socket=socket))
    await servers.start()
    one = Served(service, servers, socket, await store.add_token("eye", Role.VIEWER))
    yield one
    await one.stop()
    await store.close()


def reader(served: Served) -> Client:
    return Client.connect(Address(f"unix:{served.socket}", served.token))


async def test_a_client_goes_on_where_it_was_and_is_reset_by_another_daemon(served: Served) -> None:
    outages: list[str] = []
    found: list[bool] = []

    def read(after: str | None, count: int) -> list[tuple[str, str]]:
        with reader(served) as client:
            stream = client.events(
                after, on_lost=lambda error: outages.append(str(error)), on_found=lambda: found.append(True)
            )
            return [
                (event.id, event.device.device if event.device else event.kind.value)
                for event in itertools.islice(stream, count)
            ]

    reading = asyncio.create_task(asyncio.to_thread(read, None, 2))
    await served.published(1, 2, 3)
    first = await asyncio.wait_for(reading, _DEADLINE)
    assert [what for _, what in first] == ["reset", "s1"]
    reading = asyncio.create_task(asyncio.to_thread(read, first[-1][0], 4))
    await until_readers(served.service.live)
    await asyncio.sleep(0.1)
    await served.restart()
    await served.published(9)
    assert [what for _, what in await asyncio.wait_for(reading, _DEADLINE)] == ["s2", "s3", "reset", "s9"]
    assert (len(outages), found) == (1, [True])
    assert "trying again" in outages[0]


async def test_shutting_down_ends_a_stream_that_nobody_reads_any_more(served: Served) -> None:
    async with (
        httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(served.socket)),
            base_url="http://x",
            headers={"Authorization": f"Bearer {served.token}"},
        ) as http,
        http.stream("GET", "/api/v1/events") as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        await asyncio.wait_for(served.stop(), _DEADLINE)
        text = (await asyncio.wait_for(answer.aread(), _DEADLINE)).decode()
    assert "event: reset" in text


def test_a_stream_is_not_tried_again_with_a_token_that_may_not() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(403, json={"error": "forbidden", "message": "no", "hint": ""})

    http = httpx.Client(transport=httpx.MockTransport(handle), base_url="http://x")
    with pytest.raises(ApiError, match="no"):
        next(iter(EventStream(http, "x")))


def test_what_cannot_be_known_yet_is_passed_over_and_what_is_strange_is_said() -> None:
    pieces = [
        b': beat\n\nid: a-1\nevent: tomorrow\ndata: {"id": "a-1", "kind": "tomorrow", "at": "2026-01-01T00:00:00Z"}\n',
        b"\nid: a-2\nevent: reset\nda",
        b'ta: {"id": "a-2", "kind": "reset", "at": "2026-01-01T00:00:00Z"}\n\n',
        b"data: 7\n\n",
    ]
    http = httpx.Client(
        transport=httpx.MockTransport(lambda request: httpx.Response(200, content=iter(pieces))), base_url="http://x"
    )
    stream = iter(EventStream(http, "x"))
    assert next(stream).id == "a-2"
    with pytest.raises(ApiError, match="does not speak"):
        next(stream)


def test_an_outage_is_told_once_and_the_place_is_kept() -> None:
    seen: list[httpx.Request] = []
    good = b'id: a-7\nevent: reset\ndata: {"id": "a-7", "kind": "reset", "at": "2026-01-01T00:00:00Z"}\n\n'

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if len(seen) in (2, 3, 4):
            raise httpx.ConnectError("refused")
        return httpx.Response(200, content=good)

    outages: list[Unreachable] = []
    pauses: list[float] = []
    http = httpx.Client(transport=httpx.MockTransport(handle), base_url="http://x")
    stream = EventStream(http, "x", on_lost=outages.append, sleep=pauses.append)
    assert [event.id for event in itertools.islice(stream, 2)] == ["a-7", "a-7"]
    assert len(outages) == 1
    assert pauses == sorted(pauses)
    assert "Last-Event-ID" not in seen[0].headers
    assert seen[-1].headers["Last-Event-ID"] == "a-7"


async def test_every_kind_is_on_one_line_and_nothing_in_it_acts(store: Store) -> None:
    case = (await store.accept(draft(1, reason=HOSTILE), recheck=nothing)).containment
    hostile = replace(alert("k"), signature=HOSTILE)
    answer = AlertAnswer("a-1", False, Disposition.CONTAINED, HOSTILE, case)
    proposal = Proposal("p-1", None, "10.0.0.1", endpoint(1), "full", 60.0, "r", HOSTILE, None, START)
    subjects = (
        case,
        proposal,
        DeviceChange("s1", up=False, converged=False, error=HOSTILE),
        PortChange(PLACE, present=True, up=False),
        LinkChange(PLACE, Attachment("s2", PortName("eth2")), present=True),
        AlertTaken(hostile, answer),
        None,
    )
    for number, subject in enumerate(subjects):
        change = Change(f"a-{number}", number, START, subject)
        id, event, data, *end = event_text(change).split("\n")
        assert end == ["", ""]
        assert (id, event) == (f"id: a-{number}", f"event: {change.kind.value}")
        shown = json.loads(data.removeprefix("data: "))
        assert shown.keys() == {"id", "kind", "at"} | ({change.kind.value} if subject is not None else set())
        assert not {"\x1b", "\u202e"} & set(json.loads(json.dumps(data)))
        assert event_view(change).id == change.id
