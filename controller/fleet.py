"""The devices that this daemon serves: a driver, a loop and an event reader for each. What devices report by themselves comes
in here, and goes to the network view, the verifier and the loop that it concerns."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any

import structlog

from controller.config import Reconciling
from controller.errors import StoreUnavailable
from controller.live import DeviceChange, LinkChange, PortChange
from controller.model import Attachment, Containment
from controller.network.view import NetworkView
from controller.reconcile import DeviceLoop
from controller.store import Desired, Setting, Steps, Store
from drivers.base import (
    Capabilities,
    DeviceFacts,
    Disconnected,
    Driver,
    DriverError,
    DriverEvent,
    LinkSeen,
    PortStatus,
    Reconnected,
    RuleRemoved,
    Sighting,
)
from drivers.rules import PortName

log = structlog.get_logger("fleet")


class Fleet:
    """`on_sighting` hears of every sighting, also at uplinks; `on_port` of every port that came, went or changed, once the graph knows;
    `tell` of what comes and goes. Nothing here outlives `close`."""

    def __init__(
        self,
        store: Store,
        network: NetworkView,
        settings: Reconciling,
        owner: str,
        now: Callable[[], float],
        on_changed: Callable[[Iterable[Containment]], None],
        on_sighting: Callable[[Sighting], None],
        on_port: Callable[[Attachment], None] = lambda place: None,
        tell: Callable[[DeviceChange | PortChange | LinkChange], None] = lambda change: None,
    ) -> None:
        self.drivers: dict[str, Driver] = {}
        self.loops: dict[str, DeviceLoop] = {}
        self._store = store
        self._network = network
        self._settings = settings
        self._owner = owner
        self._now = now
        self._on_changed = on_changed
        self._on_sighting = on_sighting
        self._on_port = on_port
        self._tell = tell
        self._told: dict[str, DeviceChange] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def add(self, device: str, driver_name: str, driver: Driver, options: Mapping[str, Any]) -> None:
        """Serve a device from now on. Its loop starts at once, and queues what is wanted while the device is away."""
        node = self._network.graph.declare(device, None, None, ())
        await self._store.upsert_device(device, driver_name, node.description, node.management.value, dict(options))
        self.drivers[device] = driver
        loop = DeviceLoop(device, driver, self._store, self._settings, self._owner, self._now, self._on_changed)
        loop.on_pass = partial(self._tell_device, device)
        self.loops[device] = loop
        learn = partial(self._learn, device, driver_name, options)
        self._start(self._read_events(device, driver, learn), f"events {device}")
        await learn()
        self._start(loop.run(), f"reconcile {device}")

    def wake(self, devices: Iterable[str]) -> None:
        """The desired state of these devices changed. One that is not served yet is converged when it is."""
        for device in devices:
            if device in self.loops:
                self.loops[device].wake()

    def foresee(self, device: str, desired: Desired, steps: Steps) -> None:
        """This is about to be wanted of the device, by this commit."""
        if device in self.loops:
            self.loops[device].foresee(desired, steps)

    def durable(self, steps: Steps) -> None:
        """It is wanted. From any thread."""
        for device in {step.device for step in steps}:
            if (loop := self.loops.get(device)) is not None:
                loop.durable(steps)

    def capabilities(self, device: str) -> Capabilities | None:
        driver = self.drivers.get(device)
        return None if driver is None else driver.capabilities

    async def read(self, device: str) -> DeviceFacts:
        """The device's facts, taken into the graph. Raises DriverError."""
        facts = await self.drivers[device].facts()
        for place in self._network.graph.learn(facts):
            self._network.bindings.forget_port(place.device, place.port)
        return facts

    def saw(self, sighting: Sighting) -> None:
        """What a device's tables show, wherever what a device tells goes."""
        self._see(sighting)

    def stands(self, device: str, rules: frozenset[str]) -> bool:
        """Whether all of these rules were there when the device was last read back."""
        loop = self.loops.get(device)
        return loop is not None and loop.stands(rules)

    async def quiet(self, device: str, patience: float) -> None:
        """Until nothing is to be pushed to the device, at most `patience` seconds."""
        if device in self.loops:
            await self.loops[device].quiet(patience)

    def distrust(self, device: str) -> None:
        """What the device holds is read anew, and recorded."""
        if device in self.loops:
            self.loops[device].distrust()

    def untouched(self, device: str, ports: Iterable[PortName]) -> dict[PortName, dict[str, Setting]]:
        loop = self.loops.get(device)
        return {} if loop is None else loop.untouched(ports)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for driver in self.drivers.values():
            await driver.close()

    def _start(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the fleet ended by an error", task=task.get_name(), error=repr(error))

    async def _learn(self, device: str, driver_name: str, options: Mapping[str, Any]) -> None:
        """Read the device's facts into the graph; a device that is away is learnt when it comes."""
        try:
            await self.read(device)
        except DriverError as error:
            log.info("device is away", device=device, reason=str(error))
            return
        node = self._network.graph.devices[device]
        node.up = True
        self._tell_device(device)
        try:
            await self._store.upsert_device(device, driver_name, node.description, node.management.value, dict(options))
        except StoreUnavailable as error:
            log.warning("what a device says of itself was not stored", device=device, error=str(error))

    async def _read_events(self, device: str, driver: Driver, learn: Callable[[], Awaitable[None]]) -> None:
        async for event in driver.events():
            try:
                await self._take(device, event, learn)
            except (
                Exception
            ):  # the reader's outermost loop: one event that cannot be taken must not end the hearing of all others
                log.exception("an event was not taken", device=device, kind=type(event).__name__)
                self.loops[device].distrust()

    async def _take(self, device: str, event: DriverEvent, learn: Callable[[], Awaitable[None]]) -> None:
        graph, loop = self._network.graph, self.loops[device]
        match event:
            case Sighting():
                self._see(event)
            case LinkSeen():
                one, other = Attachment(event.device, event.port), Attachment(event.neighbour, event.neighbour_port)
                new = graph.link_at(one) != other or graph.link_at(other) != one
                for place in graph.link(event.device, event.port, event.neighbour, event.neighbour_port):
                    self._network.bindings.forget_port(place.device, place.port)
                if new:
                    self._tell(LinkChange(one, other, present=True))
            case PortStatus():
                self._port_changed(event)
            case Reconnected():
                log.info("device is back", device=device, boot_id=event.boot_id)
                loop.distrust()
                await learn()
            case Disconnected():
                log.warning("device is gone", device=device, reason=event.reason)
                graph.devices[device].up = False
                self._tell_device(device)
                await loop.lost(event.reason)
            case RuleRemoved():
                loop.distrust()

    def _port_changed(self, event: PortStatus) -> None:
        """What is known of the device holds no longer, unless only the port's flags changed."""
        graph, loop, place = self._network.graph, self.loops[event.device], Attachment(event.device, event.port)
        was_up, far = graph.port_is_up(place), graph.link_at(place)
        if event.present:
            graph.set_port(
                event.device,
                event.port,
                up=event.up,
                at=event.at,
                number=event.number,
                mac=event.mac,
                since=event.since,
            )
        else:
            graph.remove_port(event.device, event.port, at=event.at, since=event.since)
        if event.present and event.up is was_up:
            loop.flags_changed()
        else:
            loop.distrust()
        self._on_port(place)
        if not event.present or event.up is not was_up:
            self._tell(PortChange(place, event.present, event.present and event.up))
        if far is not None and graph.link_at(place) is None:
            self._tell(LinkChange(place, far, present=False))

    def _tell_device(self, device: str) -> None:
        """What became of it, when that is new."""
        loop, up = self.loops[device], self._network.graph.devices[device].up
        change = DeviceChange(device, up, up and loop.up and loop.error is None, loop.error)
        if self._told.get(device) != change:
            self._told[device] = change
            self._tell(change)

    def _see(self, sighting: Sighting) -> None:
        self._on_sighting(self._network.at_one_place(sighting))
        self._network.see(sighting)
