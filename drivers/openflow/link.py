"""The controller's end of the speaker's socket: requests with deadlines, events by switch, and a connection that comes back."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import secrets
import socket
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from drivers.base import DeviceRefused, DeviceUnreachable, DriverError, OutcomeUnknown
from drivers.openflow.laid import LaidPush

PROTOCOL = 3
ANOTHER_SPEAKER = 3  # exit code of a speaker whose socket another one serves
DEFAULT_LISTEN = "127.0.0.1:6653"
LONGEST_LINE = 1 << 28
MOST_EVENTS = 10_000
CHANGING = frozenset({"push", "packet_out"})
BACKOFF = (0.05, 5.0)
GREETING_TIME = 5.0
LOG = logging.getLogger("netcordon.openflow")
Json = dict[str, Any]


class ProtocolMismatch(DriverError):
    """The speaker that runs is of another version."""


class SpeakerLink:
    """One connection to a speaker, shared by the drivers of all its switches. It reconnects by itself; `start` only waits for the first."""

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self.speaker: Json = {}
        self._writer: asyncio.StreamWriter | None = None
        self._name = secrets.token_hex(8)
        self._words: socket.socket | None = None
        self._waiting: dict[int, tuple[str, asyncio.Future[Json]]] = {}
        self._numbers = itertools.count(1)
        self._queues: dict[int, list[Events]] = defaultdict(list)
        self._switches: set[int] = set()
        self._arrivals: list[asyncio.Queue[int]] = []
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect, or raise DeviceUnreachable or ProtocolMismatch."""
        reader = await self._connect()
        self._task = asyncio.create_task(self._run(reader), name=f"speaker link {self._path}")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._lost("the link was closed")

    @property
    def connected(self) -> bool:
        return self._writer is not None

    async def request(self, op: str, deadline: float, **arguments: Any) -> Json:
        """The speaker's result within `deadline` seconds. Raises DeviceUnreachable when nothing was sent (or nothing was to be changed),
        OutcomeUnknown when a change was sent and no answer came, DeviceRefused when the speaker would not take the request."""
        if self._writer is None:
            raise DeviceUnreachable(f"no speaker answers on {self._path}")
        number = next(self._numbers)
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[number] = op, answer
        try:
            async with asyncio.timeout(deadline):
                self._writer.write(json.dumps({"id": number, "op": op, **arguments}).encode() + b"\n")
                return await answer
        except TimeoutError:
            raise _no_answer(op, f"no answer to {op} within {deadline} s") from None
        finally:
            self._waiting.pop(number, None)

    def lay(self, **arguments: Any) -> LaidPush | None:
        """A push that the speaker makes ready and sends at a word; None where it takes none. `finish` is to wait for what comes of it."""
        words = self._speaking()
        if self._writer is None or words is None:
            return None
        number = next(self._numbers)
        key = f"{self._name}-{number}"
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(_heard)
        self._waiting[number] = "push", answer
        self._writer.write(json.dumps({"id": number, "op": "lay", "key": key, **arguments}).encode() + b"\n")
        answer.add_done_callback(lambda _: self._waiting.pop(number, None))
        return LaidPush(key, answer, words, lambda: self._drop(key, answer))

    async def finish(self, laid: LaidPush, deadline: float) -> Json:
        """As `request` for a push; for one that was sent."""
        try:
            async with asyncio.timeout(deadline):
                return await laid.answer
        except TimeoutError:
            raise _no_answer("push", f"no answer to push within {deadline} s") from None

    def _drop(self, key: str, answer: asyncio.Future[Json]) -> None:
        answer.cancel()
        if self._writer is not None:
            self._writer.write(json.dumps({"id": 0, "op": "drop", "key": key}).encode() + b"\n")

    def _speaking(self) -> socket.socket | None:
        """The connection for single words, which any thread may use; nothing is read from it but the greeting, and that by nobody."""
        if self._words is None and self._writer is not None:
            words = socket.socket(socket.AF_UNIX)
            words.setblocking(False)
            try:
                words.connect(str(self._path))
                words.send(json.dumps({"hello": {"protocol": PROTOCOL}}).encode() + b"\n")
            except OSError:
                words.close()
            else:
                self._words = words
        return self._words

    def subscribe(self, dpid: int) -> Events:
        """The switch's events from now on, until they are closed. After a lost connection: "down", then "up"."""
        queue = Events(lambda: self._queues[dpid].remove(queue))
        self._queues[dpid].append(queue)
        return queue

    def arrivals(self) -> asyncio.Queue[int]:
        """A queue that gets the datapath id of every switch that comes up from now on, known or not."""
        queue: asyncio.Queue[int] = asyncio.Queue()
        self._arrivals.append(queue)
        return queue

    async def _connect(self) -> asyncio.StreamReader:
        try:
            async with asyncio.timeout(GREETING_TIME):
                reader, writer = await asyncio.open_unix_connection(self._path, limit=LONGEST_LINE)
                writer.write(json.dumps({"hello": {"protocol": PROTOCOL}}).encode() + b"\n")
                answer = json.loads(await reader.readline() or b"{}")
        except (OSError, ValueError, TimeoutError) as error:
            raise DeviceUnreachable(
                f"no speaker answers on {self._path}: {str(error) or type(error).__name__}"
            ) from error
        if answer.get("error") == "protocol":
            raise ProtocolMismatch(str(answer["text"]))
        if answer.get("hello", {}).get("protocol") != PROTOCOL:
            raise ProtocolMismatch(f"what answers on {self._path} is no speaker of protocol {PROTOCOL}")
        self.speaker, self._writer = answer["hello"], writer
        writer.write(json.dumps({"id": 0, "op": "subscribe"}).encode() + b"\n")
        return reader

    async def _run(self, reader: asyncio.StreamReader) -> None:
        """Whatever goes wrong on a connection ends that connection, and never the link."""
        while True:
            try:
                await self._serve(reader)
            except Exception:  # the link's outermost loop: whatever a speaker sends, the link comes back
                LOG.exception("the connection to the speaker on %s is given up", self._path)
            self._lost("the connection to the speaker was lost")
            reader = await self._reconnect()

    async def _serve(self, reader: asyncio.StreamReader) -> None:
        """Until the connection ends, or the switches cannot be asked for."""
        async with asyncio.TaskGroup() as tasks:
            announcing = tasks.create_task(self._announce())
            await self._read(reader)
            announcing.cancel()

    async def _reconnect(self) -> asyncio.StreamReader:
        pause, longest = BACKOFF
        while True:
            await asyncio.sleep(pause)
            try:
                return await self._connect()
            except DriverError:
                pass
            except Exception:  # as above: a stranger on the socket is tried again, not the end of the link
                LOG.exception("what answers on %s cannot be understood", self._path)
            pause = min(2 * pause, longest)

    async def _announce(self) -> None:
        """Tell every switch that the speaker has: also to those who lost it with the last connection."""
        for switch in (await self.request("switches", GREETING_TIME))["switches"]:
            up = {"event": "up", "dpid": switch["dpid"], "at": switch["connected_at"], "boot_id": switch["boot_id"]}
            self._deliver(up)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Until the connection ends; half a line is such an end."""
        with contextlib.suppress(OSError, ValueError):
            while line := await reader.readline():
                message = json.loads(line)
                if "event" in message:
                    self._deliver(message)
                else:
                    self._answer(message)

    def _answer(self, message: Mapping[str, Any]) -> None:
        op, answer = self._waiting.get(message["id"], ("", None))
        if answer is None or answer.done():
            return
        if "result" in message:
            answer.set_result(message["result"])
        elif message["error"] == "unreachable":
            answer.set_exception(DeviceUnreachable(message["text"]))
        elif message["error"] == "lost":
            answer.set_exception(_no_answer(op, message["text"]))
        else:
            answer.set_exception(DeviceRefused(message["text"]))

    def _deliver(self, event: Json) -> None:
        dpid = event["dpid"]
        if event["event"] == "up":
            self._switches.add(dpid)
            for arrivals in self._arrivals:
                arrivals.put_nowait(dpid)
        elif event["event"] == "down":
            self._switches.discard(dpid)
        for queue in self._queues.get(dpid, ()):
            queue.put(event)

    def _lost(self, reason: str) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None
        if self._words is not None:
            self._words.close()
            self._words = None
        for op, answer in list(self._waiting.values()):
            if not answer.done():
                answer.set_exception(_no_answer(op, reason))
        for dpid in list(self._switches):
            self._deliver({"event": "down", "dpid": dpid, "at": time.time(), "reason": reason})


class Events:
    """A bounded queue of one reader; when it is full the oldest sighting goes, or else the oldest event."""

    def __init__(self, forget: Callable[[], None]) -> None:
        self._forget = forget
        self._open = True
        self._kept: deque[Json] = deque()
        self._filled = asyncio.Event()

    def put(self, event: Json) -> None:
        if len(self._kept) >= MOST_EVENTS:
            oldest = next((kept for kept in self._kept if kept["event"] == "sighting"), self._kept[0])
            self._kept.remove(oldest)
        self._kept.append(event)
        self._filled.set()

    def close(self) -> None:
        """The reader gets nothing more; twice is as good as once."""
        if self._open:
            self._open = False
            self._forget()
            self._filled.set()

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Json:
        while self._open and not self._kept:
            self._filled.clear()
            await self._filled.wait()
        if not self._open:
            raise StopAsyncIteration
        return self._kept.popleft()


def _heard(answer: asyncio.Future[Json]) -> None:
    """That nobody waited for it is no mistake."""
    if not answer.cancelled():
        answer.exception()


def _no_answer(op: str, text: str) -> DriverError:
    return OutcomeUnknown(text) if op in CHANGING else DeviceUnreachable(text)
