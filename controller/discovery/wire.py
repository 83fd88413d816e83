"""The sensor's one raw socket: questions go out, a thread reads every frame that arrives, and the event loop books answers.

The thread only compares bytes; a frame is parsed when it is sent to us and comes from an address that was asked. What it finds goes
to the loop by `call_soon_threadsafe`, so that nothing here but `_watched`, `_asked` and `_seen` is shared between the two.
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog
from scapy.config import conf

from controller.discovery.frames import Key, Question, answer_key, kind_of, source_of, speaks_for
from controller.discovery.interface import why_deaf
from controller.discovery.kernel_filter import apply_filter
from controller.discovery.probes import FrameKind, FrameSeen
from drivers.rules import Mac

log = structlog.get_logger()

_REOPEN_AFTER = 0.25
_BUFFER = 8 << 20
_SO_RCVBUFFORCE, _SOL_PACKET, _PACKET_STATISTICS = 33, 263, 6


def packed_mac(mac: Mac) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def _mac_of(packed: bytes) -> Mac:
    return Mac(packed.hex(":"))


@dataclass(slots=True, eq=False)
class Asked:
    """A question on its way. `mac`: only that sender's answer counts. `by` is whose answer it was."""

    question: Question
    mac: bytes | None
    sent_at: float
    answered_at: float | None = None
    by: Mac | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)


class Wire:
    """Use within a running loop: `start`, then `ask` and `forget`, then `close`. `on_seen` is called on the loop when there is
    something for `take_seen`."""

    def __init__(self, interface: str, own_mac: Mac, on_seen: Callable[[], None]) -> None:
        self.interface = interface
        self._trouble = "not started"
        self._own_mac = packed_mac(own_mac)
        self._on_seen = on_seen
        self._loop = asyncio.get_running_loop()
        self._open: dict[Key, list[Asked]] = defaultdict(list)
        self._asked: Counter[bytes] = Counter()
        self._watched: frozenset[bytes] = frozenset()
        self._seen: dict[tuple[bytes, FrameKind], tuple[float, bytes]] = {}
        self._seen_lock = threading.Lock()
        self._lost = 0
        self._busy = False
        self._socket: Any = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._listen, name=f"wire {interface}", daemon=True)

    def start(self) -> None:
        """Raises PermissionError without the right to raw sockets. An interface that is down or away is waited for."""
        try:
            self._socket = self._connect()
        except PermissionError:
            raise
        except OSError as error:
            self._trouble = str(error)
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        self._thread.join(2)

    def trouble(self) -> str:
        """Why nothing can be sent or heard just now; empty when all is well."""
        return why_deaf(self.interface) or self._trouble

    def move(self, own_mac: Mac) -> None:
        self._own_mac = packed_mac(own_mac)
        self._narrow(self._socket)

    def watch(self, macs: Iterable[Mac]) -> None:
        self._watched = frozenset(packed_mac(mac) for mac in macs)
        self._narrow(self._socket)

    def ask(self, question: Question, mac: Mac | None) -> Asked:
        """Send it now. Raises OSError when it cannot leave. The caller forgets it in the end."""
        handle = self._socket
        if (trouble := self.trouble()) or handle is None:
            raise OSError(trouble or "the raw socket is being opened again")
        asked = Asked(question, packed_mac(mac) if mac else None, time.time())
        self._open[question.key].append(asked)
        self._asked[question.asked] += 1
        try:
            handle.outs.send(question.frame)
        except OSError:
            self.forget(asked)
            raise
        return asked

    def forget(self, asked: Asked) -> None:
        key, address = asked.question.key, asked.question.asked
        waiting = self._open.get(key, [])
        if asked not in waiting:
            return
        waiting.remove(asked)
        if not waiting:
            del self._open[key]
        self._asked[address] -= 1
        if not self._asked[address]:
            del self._asked[address]

    def take_seen(self) -> list[FrameSeen]:
        with self._seen_lock:
            taken, self._seen = self._seen, {}
        return [
            FrameSeen(mac=_mac_of(mac), ip=source_of(frame), at=at, kind=kind)
            for (mac, kind), (at, frame) in taken.items()
        ]

    def lost(self) -> int:
        """Frames since the start that the kernel threw away because we read too slowly. It forgets its count when asked."""
        if self._socket is not None:
            try:
                counts = self._socket.ins.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
                self._lost += struct.unpack("II", counts)[1]
            except (OSError, ValueError):
                pass  # closed under us by the reading thread: `trouble()` says so
        return self._lost

    async def caught_up(self, patience: float = 0.25) -> bool:
        """Waits until every frame that has arrived was looked at: whether that came true within `patience` seconds."""
        deadline = time.monotonic() + patience
        while self._behind():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)  # what the thread handed over is booked in the loop's next round
        return True

    def _behind(self) -> bool:
        try:
            return bool(self._socket and select.select([self._socket.ins], [], [], 0)[0]) or self._busy
        except (OSError, ValueError):
            return False

    def _narrow(self, handle: Any) -> None:
        if handle is not None and not apply_filter(handle.ins, self._own_mac, self._watched):
            log.warning("the kernel cannot filter for us: a busy link may be too much", watched=len(self._watched))

    # --- on the loop ---------------------------------------------------------------------------------------------------

    def _settle(self, key: Key, sender: bytes, at: float) -> None:
        """The latest question that is open and may be answered by this sender: ARP does not say which one it answers."""
        for asked in reversed(self._open.get(key, [])):
            if asked.answered_at is None and asked.mac in (None, sender):
                asked.answered_at, asked.by = max(at, asked.sent_at), _mac_of(sender)
                asked.settled.set()
                return

    # --- in the thread -------------------------------------------------------------------------------------------------

    def _connect(self) -> Any:
        handle = conf.L2socket(iface=self.interface)
        try:
            handle.ins.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        except PermissionError:
            handle.ins.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._narrow(handle)
        self._trouble = ""
        return handle

    def _listen(self) -> None:
        while not self._ending.is_set():
            try:
                if self._socket is None:
                    self._socket = self._connect()
                self._read(self._socket)
            except (OSError, ValueError) as error:
                self._hang_up(f"interface {self.interface}: {error}")
                self._ending.wait(_REOPEN_AFTER)
        self._hang_up("closed")

    def _hang_up(self, trouble: str) -> None:
        self._trouble = trouble
        handle, self._socket = self._socket, None
        if handle is not None:
            handle.close()

    def _read(self, handle: Any) -> None:
        while not self._ending.is_set():
            if not select.select([handle.ins], [], [], 0.2)[0]:
                continue
            self._busy = True
            try:
                _, frame, at = handle.recv_raw(2048)
                if frame is not None and len(frame) >= 14:
                    self._look(frame, at)
            finally:
                self._busy = False

    def _look(self, frame: bytes, at: float) -> None:
        sender = frame[6:12]
        if sender in self._watched:
            self._witness(sender, frame, at)
        if frame[:6] != self._own_mac or speaks_for(frame) not in self._asked:
            return
        try:
            key = answer_key(frame)
        except Exception as error:  # noqa: BLE001 (the thread's outermost: a frame made to break a dissector must not deafen us)
            log.warning("a frame could not be read", sender=_mac_of(sender), error=type(error).__name__)
            return
        if key is not None:
            self._loop.call_soon_threadsafe(self._settle, key, sender, at)

    def _witness(self, sender: bytes, frame: bytes, at: float) -> None:
        with self._seen_lock:
            first = not self._seen
            self._seen[sender, kind_of(frame)] = (at, frame[:80])
        if first:
            self._loop.call_soon_threadsafe(self._on_seen)
