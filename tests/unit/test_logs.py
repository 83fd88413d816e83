"""What the daemon's parts log of one containment, as lines on stderr: each with its id, no secret, nobody's escape sequences."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from controller.config import Config, Reconciling, Verifying
from controller.containment import Containments
from controller.discovery.desk import SensorDesk
from controller.logs import about, configure_logs
from controller.model import Containment, Outcome
from controller.reconcile import DeviceLoop
from controller.requests import ContainRequest
from controller.store import Store
from controller.verify import Verifier
from drivers.base import DeviceRefused
from drivers.memory import Behaviour, MemoryDevice, MemoryDriver, MemoryOptions
from drivers.rules import PortName
from drivers.semantics import Crossing, Frame
from tests.campus import NOW, S1, campus, ip, mac, port

HOSTILE = "\x1b[31mred\u202e\nnext line nct_abcDEF123"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """The lines so far, parsed. What was configured before comes back."""
    before, root, level = structlog.get_config(), logging.getLogger(), logging.getLogger().level
    handlers = list(root.handlers)
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    configure_logs()
    structlog.configure(cache_logger_on_first_use=False)

    def so_far() -> list[dict[str, Any]]:
        text = stderr.getvalue()
        assert "nct_" not in text
        assert text.isascii()
        return [json.loads(line) for line in text.splitlines()]

    yield so_far
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


@dataclass
class Running:
    store: Store
    device: MemoryDevice
    loop: DeviceLoop
    spine: Containments

    async def contain(self) -> Containment:
        request = ContainRequest(ip("10.0.0.66"), "full", 3600, HOSTILE, "ann")
        return (await self.spine.contain(request)).containment

    def speak(self) -> None:
        """The contained device sends a frame: it is counted into the block."""
        self.device.forward(Crossing(Frame(mac(6), mac(1), 0x88B5), port(3), port(1)))


@pytest.fixture
async def running(tmp_path: Path, lines: Lines) -> AsyncIterator[Running]:
    store = await Store.open(f"sqlite:///{tmp_path}/netcordon.db", now=lambda: NOW)
    net = campus()
    net.keeps_saying("10.0.0.66", 6, 3, since=600)
    device = MemoryDevice(S1, MemoryOptions(ports=tuple(PortName(port(n)) for n in range(1, 10))), clock=lambda: NOW)
    driver = MemoryDriver(device)
    await store.upsert_device(S1, "memory", "s1", "oob", {})
    loop_clock = asyncio.get_running_loop().time
    began = loop_clock()

    def clock() -> float:
        return NOW + loop_clock() - began

    verifiers: list[Verifier] = []

    def changed(containments: Iterable[Containment]) -> None:
        verifiers[0].changed(containments)

    desk = SensorDesk(clock)
    verifiers.append(Verifier(store, {S1: driver}, desk, net.network, Verifying(window=0.05), clock, changed))
    loop = DeviceLoop(S1, driver, store, Reconciling(), "me", clock, changed)
    spine = Containments(
        Config(), store, net.network, lambda _: driver.capabilities, lambda _: None, lambda *_: None, clock
    )
    yield Running(store, device, loop, spine)
    await verifiers[0].close()
    await store.close()


async def test_each_stages_line_carries_the_containments_id(running: Running, lines: Lines) -> None:
    case = await running.contain()
    await running.loop.converge()
    for _ in range(500):
        running.speak()
        if (await running.store.containment(case.id)).outcome is Outcome.PROVEN:
            break
        await asyncio.sleep(0.01)
    await running.spine.release(case.id, None, by="ann", reason=HOSTILE, key=None)
    await running.loop.converge()
    said = [(line["event"], line.get("containment")) for line in lines()]
    stages = ["planned", "accepted", "pushing", "read back", "proven", "released", "pushing", "read back"]
    assert said == [(stage, case.id) for stage in stages]


async def test_a_drivers_refusal_carries_the_id(running: Running, lines: Lines) -> None:
    running.device.behave(Behaviour.REFUSES)
    case = await running.contain()
    with pytest.raises(DeviceRefused):
        await running.loop.converge()
    refusals = [line for line in lines() if line["event"] in ("push failed", "refused by the device")]
    assert refusals
    assert {line["containment"] for line in refusals} == {case.id}
    assert {line["level"] for line in refusals} == {"warning"}


async def test_hostile_words_stand_escaped_on_one_line(running: Running, lines: Lines) -> None:
    await running.contain()
    reason = next(line["reason"] for line in lines() if line["event"] == "accepted")
    assert reason == "\\x1b[31mred\\u202e\\nnext line ***"


def test_what_lies_deeper_is_neutralized_and_secrets_are_cut_out(lines: Lines) -> None:
    log = structlog.get_logger("x")
    log.info(HOSTILE, many=[HOSTILE, {HOSTILE: (HOSTILE,)}], token="abc", url="postgresql://ann:pw@db/netcordon")
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        log.exception("failed")
    first, second = lines()
    safe = "\\x1b[31mred\\u202e\\nnext line ***"
    assert (first["event"], first["many"]) == (safe, [safe, {safe: [safe]}])
    assert (first["token"], first["url"]) == ("***", "postgresql://ann:***@db/netcordon")
    assert "\x1b" not in second["exception"]


def test_the_standard_librarys_lines_have_the_same_form_and_the_id(lines: Lines) -> None:
    with about({"c-1"}):
        logging.getLogger("netcordon.openflow").warning("lost %s", HOSTILE)
    (line,) = lines()
    assert (line["containment"], line["level"]) == ("c-1", "warning")
    assert line["event"].startswith("lost \\x1b")


def test_several_are_all_named_and_nobody_outside(lines: Lines) -> None:
    log = structlog.get_logger("x")
    with about(["c-2", "c-1"]):
        log.info("inside")
    log.info("outside")
    inside, outside = lines()
    assert inside["containments"] == ["c-1", "c-2"]
    assert not {"containment", "containments"} & outside.keys()
