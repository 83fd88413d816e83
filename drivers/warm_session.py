"""One warm session with a device whose library blocks: its calls in a thread of their own, one at a time, with a deadline."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, Protocol, TypeVar

from drivers.base import DeviceRefused, DeviceUnreachable, DriverError, OutcomeUnknown


class Lost(Exception):
    """The connection failed; the message is the reason, in one line."""


class Refused(Exception):
    """The device answered, and said no; the message is its reason, in one line. The connection is good."""


class Line(Protocol):
    """The way to a device, as something that can be cut from another thread. Once it is cut, nothing more is sent on it."""

    def cut(self) -> None: ...


IMPORTING = threading.Lock()
"""Each device has a thread. Where several import NAPALM and Netmiko for the first time at once, one of them may find a module half made, or
the table of them changed while it walks it."""
L = TypeVar("L", bound=Line)
T = TypeVar("T")


class WarmSession(ABC, Generic[L]):
    """`sending` is called by what runs once something may have changed the device: from then on a lost connection leaves its state
    unknown. Before that, a line that had served others and fails is no more than one that ended while nobody used it (the device's idle
    time-out, a firewall that forgot it): the work begins again, once, on a new one. `run` takes callers in turn. A driver's own session
    says how a line is made, and how it is used."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._line: L | None = None
        self._served: L | None = None
        self._turn = asyncio.Lock()
        self._thread = self._new_thread()
        self.sent = False

    @abstractmethod
    def _new_line(self) -> L:
        """A line that is not open yet, with all imported that opening it takes. In the session's thread, one thread at a time."""

    @abstractmethod
    def _use(self, line: L, work: Callable[[Any], T]) -> T:
        """Open the line where it is not, and do the work on it. Raises Lost, Refused, or a DriverError. In the session's thread."""

    async def run(self, work: Callable[[Any], T], deadline: float) -> T:
        """What `work` gives for the open line. Raises DeviceUnreachable, OutcomeUnknown or DeviceRefused; a session that failed
        is not used again. `deadline` in seconds, from when it is this call's turn."""
        async with self._turn:
            self.sent = False
            call = asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, work)
            try:
                return await asyncio.wait_for(asyncio.shield(call), deadline)
            except (TimeoutError, asyncio.CancelledError) as late:
                self._give_up()
                call.add_done_callback(lambda done: done.cancelled() or done.exception())
                if isinstance(late, asyncio.CancelledError):
                    raise
                raise self._lost(f"no answer within {deadline:g} s") from None

    async def close(self) -> None:
        """Give the connection back."""
        if self._line is not None:
            self._line.cut()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def sending(self) -> None:
        self.sent = True

    def _guarded(self, work: Callable[[Any], T]) -> T:
        if self._line is None:
            with IMPORTING:
                self._line = self._new_line()
        line = self._line
        try:
            done = self._use(line, work)
        except Lost as error:
            line.cut()
            if self._line is line:
                self._line = None
                if self._served is line and not self.sent:
                    return self._guarded(work)
            raise self._lost(str(error)) from None
        except Refused as error:
            raise DeviceRefused(f"{self._device}: {error}") from None
        self._served = self._line
        return done

    def _lost(self, reason: str) -> DriverError:
        return (OutcomeUnknown if self.sent else DeviceUnreachable)(f"{self._device}: {reason}")

    def _give_up(self) -> None:
        """The thread is left to end by itself, which it does soon, since nothing more goes over its line; the next call gets another."""
        if self._line is not None:
            self._line.cut()
            self._line = None
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._thread = self._new_thread()

    def _new_thread(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"session-{self._device}")


def in_one_line(error: BaseException | str) -> str:
    """What an error says, and not for longer than anybody reads."""
    return " ".join(str(error).split())[:300] or type(error).__name__
