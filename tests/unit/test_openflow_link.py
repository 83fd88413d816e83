"""The controller's end of the speaker's socket, against speakers that die or talk nonsense."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.base import DeviceUnreachable, OutcomeUnknown
from drivers.openflow.link import PROTOCOL, SpeakerLink

SWITCH = {"dpid": 1, "connected_at": 1.0, "boot_id": "b1"}
Behaviour = Callable[[dict[str, Any], asyncio.StreamWriter], None]


def tell(writer: asyncio.StreamWriter, message: object) -> None:
    writer.write(json.dumps(message).encode() + b"\n")


async def speaker(path: Path, behave: Behaviour) -> asyncio.Server:
    """Greets, knows one switch, and leaves every other request to `behave`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        tell(writer, {"hello": {"protocol": PROTOCOL, "pid": 1}})
        while line := await reader.readline():
            request = json.loads(line)
            if request["op"] == "switches":
                tell(writer, {"id": request["id"], "result": {"switches": [SWITCH]}})
            elif request["op"] != "subscribe":
                behave(request, writer)
        writer.close()

    path.unlink(missing_ok=True)
    return await asyncio.start_unix_server(serve, path)


def says_and_dies(last: bytes) -> Behaviour:
    def behave(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        if request["op"] == "push":  # what came before it is in flight too
            writer.write(last)
            writer.close()

    return behave


def answers(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    tell(writer, {"id": request["id"], "result": {"pong": True}})


async def _failure(asked: Awaitable[object]) -> BaseException:
    with pytest.raises((DeviceUnreachable, OutcomeUnknown)) as caught:
        await asked
    return caught.value


@pytest.mark.parametrize(
    "last", [b'{"id": 2, "res', b'{"id"\n', b"[]\n", b'{"event": "up"}\n', b'{"id": 3}\n', b"\xff\n", b""]
)
async def test_a_speaker_that_ends_badly_fails_what_is_in_flight_and_is_replaced(tmp_path: Path, last: bytes) -> None:
    path = tmp_path / "speaker.sock"
    first = await speaker(path, says_and_dies(last))
    link = SpeakerLink(path)
    await link.start()
    events = link.subscribe(1)
    try:
        async with asyncio.timeout(5):
            assert (await anext(events))["event"] == "up"
            observed = asyncio.create_task(link.request("observe", 60.0, dpid=1))
            await asyncio.sleep(0)
            first.close()
            pushed = asyncio.create_task(link.request("push", 60.0, dpid=1, messages=[]))
            assert isinstance(await _failure(observed), DeviceUnreachable)
            assert isinstance(await _failure(pushed), OutcomeUnknown)
            assert (await anext(events))["event"] == "down"
            assert not link.connected
            second = await speaker(path, answers)
            assert (await anext(events))["event"] == "up"
            assert await link.request("ping", 5.0) == {"pong": True}
            second.close()
    finally:
        await link.close()


async def test_nonsense_in_place_of_a_greeting_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "speaker.sock"
    first = await speaker(path, says_and_dies(b""))
    link = SpeakerLink(path)
    await link.start()
    events, greeted = link.subscribe(1), asyncio.Event()

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tell(writer, [])
        writer.close()
        greeted.set()

    try:
        async with asyncio.timeout(5):
            assert (await anext(events))["event"] == "up"
            first.close()
            path.unlink(missing_ok=True)
            stranger = await asyncio.start_unix_server(nonsense, path)
            await _failure(link.request("push", 60.0, dpid=1, messages=[]))
            await greeted.wait()
            stranger.close()
            second = await speaker(path, answers)
            assert [(await anext(events))["event"] for _ in range(2)] == ["down", "up"]
            second.close()
    finally:
        await link.close()
