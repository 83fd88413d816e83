"""A warm session whose connection has gone: what is begun again, and what is not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from drivers.base import DeviceUnreachable, OutcomeUnknown
from drivers.napalm_config.platforms import OPTIONS
from drivers.warm_session import IMPORTING, Lost, WarmSession

T = TypeVar("T")


@dataclass
class Wire:
    number: int
    ended: bool = False

    def cut(self) -> None:
        self.ended = True


@dataclass
class Device:
    """`refuses`: nobody gets a new connection. `asked` has the number of the connection of each piece of work that came through."""

    refuses: bool = False
    wires: list[Wire] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    def hang_up(self) -> None:
        for wire in self.wires:
            wire.ended = True


class Session(WarmSession[Wire]):
    def __init__(self, device: Device) -> None:
        super().__init__("sw1")
        self.far = device

    def _new_line(self) -> Wire:
        self.far.wires.append(Wire(len(self.far.wires), self.far.refuses))
        return self.far.wires[-1]

    def _use(self, line: Wire, work: Callable[[Any], T]) -> T:
        if line.ended:
            raise Lost("connection reset by peer")
        return work(line)

    async def ask(self) -> None:
        await self.run(lambda wire: self.far.asked.append(wire.number), 5)


@pytest.fixture
def device() -> Device:
    return Device()


@pytest.fixture
def session(device: Device) -> Session:
    return Session(device)


async def test_what_finds_its_connection_ended_begins_again_on_a_new_one(device: Device, session: Session) -> None:
    await session.ask()
    device.hang_up()
    await session.ask()
    assert device.asked == [0, 1]


async def test_a_device_that_takes_no_new_connection_is_unreachable(device: Device, session: Session) -> None:
    await session.ask()
    device.refuses = True
    device.hang_up()
    with pytest.raises(DeviceUnreachable):
        await session.ask()
    assert len(device.wires) == 2, "one attempt more, and no further"


async def test_a_new_connection_that_fails_is_not_tried_twice(device: Device, session: Session) -> None:
    device.refuses = True
    with pytest.raises(DeviceUnreachable):
        await session.ask()
    assert len(device.wires) == 1


async def test_what_may_have_changed_the_device_is_never_sent_twice(device: Device, session: Session) -> None:
    await session.ask()

    def change(wire: Wire) -> None:
        session.sending()
        device.asked.append(wire.number)
        raise Lost("connection reset by peer")

    with pytest.raises(OutcomeUnknown):
        await session.run(change, 5)
    assert device.asked == [0, 0]
    await session.ask()
    assert device.asked == [0, 0, 1]


async def test_two_devices_do_not_import_their_libraries_at_once(device: Device) -> None:
    """The second is made no line while the first one's is being made."""
    one, other = Session(device), Session(device)
    with IMPORTING:
        asked = asyncio.create_task(one.ask()), asyncio.create_task(other.ask())
        await asyncio.wait(asked, timeout=0.1)
        assert device.wires == []
    await asyncio.gather(*asked)
    assert sorted(device.asked) == [0, 1]
    for session in (one, other):
        await session.close()


@pytest.mark.parametrize("platform", sorted(OPTIONS))
def test_a_line_of_a_platform_comes_with_all_that_opening_it_imports(platform: str) -> None:
    """In a process of its own: here everything was imported long ago."""
    script = f"""
import sys
from drivers.napalm_config.platforms import options_from, platform_of
from drivers.napalm_config.session import Session
options = options_from({{"platform": {platform!r}, "host": "127.0.0.1", "port": 9, "username": "u", "verify": False}})
platform = platform_of("sw1", options)
line = Session("sw1", options, platform)._new_line()
before = set(sys.modules)
try:
    line.open("secret")
except (OSError, *platform.lost()):
    pass
print(*sorted(name for name in set(sys.modules) - before if name.partition(".")[0] in ("napalm", "netmiko")))
"""
    words = [sys.executable, "-W", "ignore", "-c", script]
    said = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout
    assert said.split() == []
