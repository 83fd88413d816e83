"""What changed on a switch from one look to the next, as events: it reports nothing by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress

from drivers.base import DeviceFacts, Disconnected, DriverError, DriverEvent, PortStatus, Reconnected, Sighting

MOST_SIGHTINGS = 4096
"""New places of MACs in one look. A flood of invented ones must not take the controller down; who is missed is seen at the next look."""
SOURCE = "mac-table"


async def watch(
    device: str, glance: Callable[[], Awaitable[DeviceFacts]], poll: float, closed: asyncio.Event
) -> AsyncIterator[DriverEvent]:
    """What `glance` sees otherwise than the last time, every `poll` seconds, until `closed` is set."""
    before: DeviceFacts | None = None
    looked: float | None = None
    away = False
    while not closed.is_set():
        began = time.time()
        try:
            after = await glance()
        except DriverError as error:
            if not away and not closed.is_set():
                yield Disconnected(device, time.time(), str(error))
            away = True
        else:
            if away:
                yield Reconnected(device, time.time(), after.boot_id)
            for event in differences(device, before, after, time.time(), looked):
                yield event
            before, looked, away = after, began, False
        with suppress(TimeoutError):
            await asyncio.wait_for(closed.wait(), poll)


def differences(
    device: str, before: DeviceFacts | None, after: DeviceFacts, at: float, looked: float | None = None
) -> Iterator[DriverEvent]:
    """What is otherwise in a look that ended `at` than in the one before, which began when one `looked`. A port whose link changed, a MAC
    that is at a port where it was not; everything when there is no look before. A MAC that stays where it is is not told again: that it is
    still in the table does not say that it was heard since."""
    if before is not None and before.boot_id != after.boot_id:
        yield Reconnected(device, at, after.boot_id)
    were = {} if before is None else {interface.name: interface for interface in before.interfaces}
    are = {interface.name for interface in after.interfaces}
    for interface in after.interfaces:
        if interface.name not in were or were[interface.name].up is not interface.up:
            yield PortStatus(device, at, interface.name, interface.up, mac=interface.mac, since=looked)
    for name in were.keys() - are:
        yield PortStatus(device, at, name, up=False, present=False, since=looked)
    known = frozenset() if before is None else frozenset(before.macs)
    new = [entry for entry in after.macs if entry not in known]
    for entry in new[:MOST_SIGHTINGS]:
        yield Sighting(device, at, entry.mac, entry.port, vlan=entry.vlan, source=SOURCE)
