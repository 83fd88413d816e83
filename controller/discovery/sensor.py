"""The sensor: a process inside the network that asks on the daemon's behalf and tells what it hears.

It sits where the question matters: in a Mininet host, or on a box at an access or mirror port. It needs CAP_NET_RAW (and
CAP_NET_ADMIN for a large receive buffer) and a way to the daemon's API. It runs until SIGTERM; a daemon that is away or an
interface that is down are waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections import deque

import structlog
from pydantic import TypeAdapter, ValidationError

from controller.discovery.asking import Asker
from controller.discovery.interface import Interface, read_interface
from controller.discovery.link import Link, parse_url
from controller.discovery.probes import (
    BASELINE_MOST,
    PROBES_MOST,
    BaselineAnswer,
    Probe,
    ProbeResult,
    ProbeTarget,
    SensorName,
    SensorResults,
    Standing,
)
from controller.discovery.wire import Wire
from controller.errors import ConfigError

log = structlog.get_logger()

_WAIT = 10.0
_GATHER = 0.02
_REFRESH = 10.0
_HURRIED = 0.25
_HEAD_START = 0.005


class Sensor:
    """`run` ends only by being cancelled. Nothing that waits to be told grows beyond a bound; the oldest goes first."""

    def __init__(self, link: Link, interface: Interface) -> None:
        self.link = link
        self.interface = interface
        self.wire = Wire(interface.name, interface.mac, self._tell)
        self.asker = Asker(self.wire, interface)
        self._standing = Standing()
        self._baseline_changed = asyncio.Event()
        self._results: deque[ProbeResult] = deque(maxlen=PROBES_MOST)
        self._answers: dict[ProbeTarget, BaselineAnswer] = {}
        self._news = asyncio.Event()
        self._urgent = asyncio.Event()
        self._trouble = ""

    async def run(self) -> None:
        self.wire.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._take_work(tasks))
                tasks.create_task(self._keep_baseline())
                tasks.create_task(self._keep_interface())
                tasks.create_task(self._report())
        finally:
            self.wire.close()

    # --- what the daemon wants ----------------------------------------------------------------------------------------

    async def _take_work(self, tasks: asyncio.TaskGroup) -> None:
        wait = 0.0
        while True:
            asked_at = time.monotonic()
            work = await self.link.work(wait)
            news = self._apply(work.standing) or bool(work.probes)
            if probes := [tasks.create_task(self._carry_out(probe)) for probe in work.probes]:
                await asyncio.wait(probes, timeout=_HEAD_START)  # the next call's own work would only hold them up
            if wait and not news and time.monotonic() - asked_at < _HURRIED:
                await asyncio.sleep(_HURRIED)  # another sensor under our name takes our turn: don't race it
            wait = _WAIT if work.standing or wait else 0.0

    def _apply(self, standing: Standing | None) -> bool:
        """Whether there was news in it."""
        before = self._standing
        if standing is None or standing == before:
            return False
        self._standing = standing
        if standing.watch != before.watch:
            self.wire.watch(standing.watch)
        if (standing.baseline, standing.baseline_interval) != (before.baseline, before.baseline_interval):
            self._baseline_changed.set()
        return True

    async def _carry_out(self, probe: Probe) -> None:
        result = await self.asker.carry_out(probe)
        self._results.append(result)
        self._urgent.set()
        self._tell()

    async def _keep_baseline(self) -> None:
        while True:
            self._baseline_changed.clear()
            standing, due = self._standing, time.monotonic() + self._standing.baseline_interval
            if standing.baseline:
                with contextlib.suppress(OSError):  # the wire's trouble, which is reported as that
                    self._note(await self.asker.sweep(standing.baseline, standing.baseline_interval))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due - time.monotonic())):
                    await self._baseline_changed.wait()

    def _note(self, answers: list[BaselineAnswer]) -> None:
        """What is not yet told of an earlier round stays, as far as there is room."""
        for answer in answers:
            self._answers.pop(answer.target, None)
            self._answers[answer.target] = answer
        for oldest in list(self._answers)[:-BASELINE_MOST]:
            del self._answers[oldest]
        if answers:
            self._tell()

    async def _keep_interface(self) -> None:
        """Notices new addresses, and tells at once when the interface goes deaf or hears again."""
        due = time.monotonic() + _REFRESH
        while True:
            await asyncio.sleep(_HURRIED)
            trouble = self.wire.trouble()
            if trouble != self._trouble:
                log.warning("the sensor is deaf" if trouble else "the sensor hears again", reason=trouble)
                self._trouble, due = trouble, 0.0
                self._tell()
            if time.monotonic() >= due:
                due = time.monotonic() + _REFRESH
                with contextlib.suppress(ConfigError):  # gone for now: the wire's trouble
                    self._move(await asyncio.to_thread(read_interface, self.interface.name))

    def _move(self, interface: Interface) -> None:
        if interface != self.interface:
            log.info("the interface changed", interface=interface.name, mac=interface.mac, ip=str(interface.ip))
            self.interface = self.asker.interface = interface
            self.wire.move(interface.mac)
            self._tell()

    # --- what the daemon is told --------------------------------------------------------------------------------------

    def _tell(self) -> None:
        self._news.set()

    async def _report(self) -> None:
        """A probe's result goes at once, and takes along what was seen until then; the rest waits a moment for more of its kind."""
        await self.link.post(self._message())
        while True:
            await self._news.wait()
            if not self._urgent.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_GATHER):
                        await self._urgent.wait()
            self._news.clear()
            self._urgent.clear()
            await self.link.post(self._message())

    def _message(self) -> SensorResults:
        results, answers = list(self._results), list(self._answers.values())
        self._results.clear()
        self._answers.clear()
        return SensorResults(
            results=results,
            baseline=answers,
            seen=self.wire.take_seen(),
            interface=self.interface.name,
            mac=self.interface.mac,
            ip=self.interface.ip,
            at=time.time(),
            trouble=self.wire.trouble()[:300],
        )


async def run(url: str, token: str, name: str, interface: str) -> None:
    """Until SIGTERM or SIGINT. Raises ConfigError when it cannot even begin: a bad URL or name, no such interface, no permission."""
    try:
        TypeAdapter(SensorName).validate_python(name)
    except ValidationError as error:
        raise ConfigError(
            f"not a sensor's name: {name!r}; use letters, digits, '.', '_' and '-', at most 63"
        ) from error
    found = read_interface(interface)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with Link(parse_url(url), token, name) as link:
        running = asyncio.create_task(Sensor(link, found).run())
        waiting = asyncio.create_task(ended.wait())
        log.info("the sensor runs", name=name, interface=interface, mac=found.mac, ip=str(found.ip))
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        for task in (running, waiting):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    log.info("the sensor ends", name=name)


def main(url: str, token: str, name: str, interface: str) -> None:
    """`run`, with its errors as one that a person can act on."""
    try:
        asyncio.run(run(url, token, name, interface))
    except PermissionError as error:
        raise ConfigError(
            "a sensor needs the right to open raw sockets: run it as root, or with CAP_NET_RAW"
        ) from error
