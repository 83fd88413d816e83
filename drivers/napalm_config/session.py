"""One warm session with a device through the unmodified NAPALM driver: its blocking calls in a thread of their own, with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from drivers.base import DeviceRefused, DeviceUnreachable, DriverError, OutcomeUnknown
from drivers.napalm_config.options import NapalmOptions, password
from drivers.napalm_config.platform import Line, Platform

T = TypeVar("T")


class Session:
    """`sending` is called by what runs once something may have changed the device: from then on a lost connection leaves its state
    unknown. `run` takes callers in turn."""

    def __init__(self, device: str, options: NapalmOptions, platform: Platform) -> None:
        self._device, self._options, self._platform = device, options, platform
        self._line: Line | None = None
        self._turn = asyncio.Lock()
        self._thread = self._new_thread()
        self.sent = False

    async def run(self, work: Callable[[Any], T], deadline: float) -> T:
        """What `work` gives for the open NAPALM driver. Raises DeviceUnreachable, OutcomeUnknown or DeviceRefused; a session that failed
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
        line = self._line or self._new_line()
        try:
            if line.napalm is None:
                line.open(password(self._device, self._options))
            return work(line.napalm)
        except self._lost_when() as error:
            line.cut()
            if self._line is line:
                self._line = None
            raise self._lost(_reason(error)) from None
        except self._platform.refused() as error:
            raise DeviceRefused(f"{self._device}: {_reason(error)}") from None

    def _lost_when(self) -> tuple[type[BaseException], ...]:
        return (*self._platform.lost(), OSError, EOFError)

    def _new_line(self) -> Line:
        self._line = self._platform.line()
        return self._line

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
        return ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"napalm-{self._device}")


def _reason(error: BaseException) -> str:
    """In one line, and not for longer than anybody reads."""
    return " ".join(str(error).split())[:300] or type(error).__name__
