"""One syslog listener: frames from the senders that it knows, through the same intake as posted alerts.

What waits is bounded. Over TCP and TLS a full queue is not read into: the sender waits. UDP cannot wait: what did not fit into the queue,
or into the kernel's buffer before it (SO_MEMINFO, drops), is counted, logged, and told by the doctor. asyncio's own, since the libraries
that there are (aiosyslogd, hat-syslog, kinesyslog) are servers with a store of their own; docs/decisions/0001-dependencies.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING

import structlog

from controller.config import SyslogListener
from controller.errors import InvalidInput, NetcordonError, StoreUnavailable
from controller.intake import RawEvent, Source
from controller.neutralize import neutralize, storable
from controller.syslog.fate import Fate
from controller.syslog.frames import LONGEST_FRAME, Cutter, Frame, body_of
from controller.syslog.handshake import heard

if TYPE_CHECKING:
    from controller.api.service import Service

log = structlog.get_logger("syslog")
MOST_WAITING = 20_000
MOST_WAITING_BYTES = 32 * 1024 * 1024
MOST_CONNECTIONS = 256
_AT_ONCE = 64
_READ = 64 * 1024
_RECEIVE_BUFFER = 8 * 1024 * 1024
_SO_MEMINFO, _WORDS, _DROPS = 55, 9, 8
"""Linux's socket(7) and linux/sock_diag.h: nine 32-bit words, of which the last is what was dropped."""
_AGAIN_AFTER = 1.0
_LOOK_EVERY = 1.0
_LAST_SECONDS = 5.0
_CEF = "cef"


@dataclass(slots=True)
class Waiting:
    """Frames in order, bounded in number and octets."""

    most: int = MOST_WAITING
    most_bytes: int = MOST_WAITING_BYTES
    frames: deque[Frame] = field(default_factory=deque)
    octets: int = 0
    came: asyncio.Event = field(default_factory=asyncio.Event)
    room: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, frame: Frame) -> bool:
        """False when it has no place."""
        if len(self.frames) >= self.most or self.octets + len(frame.data) > self.most_bytes:
            self.room.clear()
            return False
        self.frames.append(frame)
        self.octets += len(frame.data)
        self.came.set()
        return True

    async def put(self, frame: Frame) -> None:
        while not self.offer(frame):
            await self.room.wait()

    def first(self, count: int) -> list[Frame]:
        return [self.frames[i] for i in range(min(count, len(self.frames)))]

    def done(self, count: int) -> None:
        for _ in range(count):
            self.octets -= len(self.frames.popleft().data)
        self.room.set()
        if not self.frames:
            self.came.clear()


class Listener:
    """`run` ends by being cancelled; `close` takes what waits, for a few seconds. `tell` counts frames by what became of them."""

    def __init__(
        self,
        how: SyslogListener,
        source: Source,
        service: Service,
        tell: Callable[[str, Fate, int], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self.how, self._source, self._service, self._tell, self._now = how, source, service, tell, now
        self.counts = dict.fromkeys(Fate, 0)
        self.trouble = ""
        self.port = how.port
        self._waiting = Waiting()
        self._udp: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._kernel_lost = 0
        self._said_at: dict[Fate, float] = {}

    @property
    def name(self) -> str:
        return self.how.name

    async def run(self) -> None:
        try:
            await self._listening()
            async with asyncio.TaskGroup() as work:
                work.create_task(self._take_all())
                work.create_task(self._look_for_losses())
        finally:
            self._deaf()

    async def _listening(self) -> None:
        while True:
            try:
                await self.open()
            except (OSError, ssl.SSLError) as error:
                if not self.trouble:
                    log.error("cannot listen, trying again", listener=self.name, error=str(error))
                self.trouble = f"syslog {self.name} cannot listen: {error}"
                await asyncio.sleep(_AGAIN_AFTER)
            else:
                self.trouble = ""
                log.info("listening", listener=self.name, format=self._source.name)
                return

    async def open(self) -> None:
        """Raises OSError."""
        if self.how.protocol == "udp":
            self._open_udp()
            return
        self._server = await asyncio.start_server(
            self._connected, str(self.how.address), self.how.port, ssl=self._tls(), limit=LONGEST_FRAME
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def _tls(self) -> ssl.SSLContext | None:
        tls = self.how.tls
        if tls is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sslobject_class = heard(lambda why: self._count(Fate.REFUSED, 1, why))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.ca is not None:
            context.load_verify_locations(tls.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _open_udp(self) -> None:
        family = socket.AF_INET6 if self.how.address.version == 6 else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            udp.bind((str(self.how.address), self.how.port))
        except OSError:
            udp.close()
            raise
        self._udp, self.port = udp, udp.getsockname()[1]
        asyncio.get_running_loop().add_reader(udp, self._datagrams)

    def _deaf(self) -> None:
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp)
            self._count_kernel_losses()
            self._udp.close()
            self._udp = None
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in self._connections:
            connection.cancel()

    async def close(self) -> None:
        connections = list(self._connections)
        self._deaf()
        await asyncio.gather(*connections, return_exceptions=True)
        with contextlib.suppress(TimeoutError, NetcordonError):
            async with asyncio.timeout(_LAST_SECONDS):
                while self._waiting.frames:
                    await self._take_some()
        if left := len(self._waiting.frames):
            self._count(Fate.LOST, left, "the daemon ended before they were taken")

    # --- in --------------------------------------------------------------------------------------------------------

    def _datagrams(self) -> None:
        """Some at a time, so that the loop has its turn."""
        for _ in range(256):
            if self._udp is None:
                return
            try:
                data, address = self._udp.recvfrom(65536)
            except OSError:  # none is there; or an ICMP error about something else
                return
            if not self._known(address[0]):
                self._count(Fate.REFUSED, 1, f"{address[0]} is none of its senders")
            elif data.strip(b"\0\r\n\t ") and not self._waiting.offer(Frame(data)):
                self._count(Fate.LOST, 1, "more came than could be taken")

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        peer = str(writer.get_extra_info("peername")[0])
        if task is None or not self._known(peer) or len(self._connections) >= MOST_CONNECTIONS:
            self._count(Fate.REFUSED, 1, f"{peer} is none of its senders, or has too many connections")
            writer.close()
            return
        self._connections.add(task)
        cutter = Cutter()
        try:
            with contextlib.suppress(OSError):  # a connection that breaks ends like one that is closed
                while data := await reader.read(_READ):
                    await self._put(cutter.feed(data))
            await self._put(cutter.end())
        finally:
            self._connections.discard(task)
            writer.close()

    async def _put(self, frames: list[Frame]) -> None:
        for frame in frames:
            await self._waiting.put(frame)

    def _known(self, peer: str) -> bool:
        address = ip_address(peer.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        if not self.how.senders:
            return address.is_loopback
        return any(address in senders for senders in self.how.senders)

    # --- on --------------------------------------------------------------------------------------------------------

    async def _take_all(self) -> None:
        while True:
            await self._waiting.came.wait()
            try:
                await self._take_some()
            except StoreUnavailable as error:
                log.warning("frames wait for the database", listener=self.name, error=str(error))
                await asyncio.sleep(_AGAIN_AFTER)

    async def _take_some(self) -> None:
        """Raises StoreUnavailable: the same frames come again, and what was taken of them is known as a duplicate."""
        frames = self._waiting.first(_AT_ONCE)
        try:
            await self._take(frames)
        except StoreUnavailable:
            raise
        except Exception as error:  # a frame that nobody foresaw must not end all that come after
            log.exception("frames could not be taken", listener=self.name)
            await self._keep(frames, f"could not be taken: {type(error).__name__}")
        self._waiting.done(len(frames))

    async def _keep(self, frames: list[Frame], reason: str) -> None:
        for frame in frames:
            await self._service.store.dead_letter(self._source.name, _text(frame.data), reason)
        self._count(Fate.DEAD_LETTER, len(frames))

    async def _take(self, frames: list[Frame]) -> None:
        from controller.api.taking import take_all  # the daemon is to be up before the API's words are imported

        events = [event for frame in frames for event in events_of(frame, self._source)]
        results = await take_all(self._service, self._source, events, self._now())
        malformed = sum(result.status == "malformed" for result in results)
        self._count(Fate.DEAD_LETTER, malformed)
        self._count(Fate.TAKEN, len(events) - malformed)
        for result in results:
            if result.status == "failed":
                log.warning("an alert was kept and not acted upon", listener=self.name, reason=result.reason)

    # --- what was lost ---------------------------------------------------------------------------------------------

    async def _look_for_losses(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            self._count_kernel_losses()

    def _count_kernel_losses(self) -> None:
        if self._udp is None:
            return
        said = self._udp.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _WORDS * 4)
        words = struct.unpack(f"{_WORDS}I", said)
        lost, self._kernel_lost = (words[_DROPS] - self._kernel_lost) % 2**32, words[_DROPS]
        self._count(Fate.LOST, lost, "the kernel's buffer was full: raise net.core.rmem_max")

    def _count(self, fate: Fate, number: int, why: str = "") -> None:
        """A line in the log each few seconds, whatever comes."""
        if number <= 0:
            return
        self.counts[fate] += number
        self._tell(self.name, fate, number)
        if why and time.monotonic() - self._said_at.get(fate, -10.0) >= 10.0:
            self._said_at[fate] = time.monotonic()
            log.warning(
                "frames were not taken",
                fate=fate.value,
                listener=self.name,
                so_far=self.counts[fate],
                why=neutralize(why),
            )


def events_of(frame: Frame, source: Source) -> Iterator[RawEvent]:
    """The frame's events; one that says why where it has none. CEF's reader reads the header as well: the host and the time are there."""
    if frame.problem:
        yield RawEvent(_text(frame.data), None, f"{source.name}: {frame.problem}")
        return
    try:
        yield from source.split(frame.data if source.name == _CEF else body_of(frame.data))
    except InvalidInput as error:
        yield RawEvent(_text(frame.data), None, str(error))


def _text(data: bytes) -> str:
    return storable(data.decode("utf-8", "replace"))
