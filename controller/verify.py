"""From `installed` to `proven`: somebody besides our own belief has to have seen that the device is silent.

Two kinds of evidence count, each only with silence for a whole window after it, a link that was up throughout, and no witness elsewhere:

- *counted*: the device's own frames ran into the deny rule, while the switch let none of its port's frames past the containment tables
- *probed*: a sensor's question that was answered shortly before the push is not answered any more, while a control host still answers

Anything less stays `installed`, with the reason. An unplugged device shows nothing, and is never `proven`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from itertools import islice

import structlog

from controller import silence
from controller.config import Verifying
from controller.discovery.aim import address_to_ask
from controller.discovery.desk import SensorDesk
from controller.discovery.probes import Kind, Probe, ProbeResult, ProbeTarget
from controller.errors import NetcordonError, NotFound
from controller.logs import about
from controller.model import Containment, DeviceOutcome, Endpoint, Outcome, Stage, Want
from controller.network.view import NetworkView
from controller.shared_looks import SharedLooks
from controller.silence import Counts, Look
from controller.store import Store
from controller.turns import Turns
from drivers.base import Driver, DriverError, ObservedState, Scope, Sighting
from drivers.rules import Action, Direction, Mac

log = structlog.get_logger("verify")
SLOWEST = 30.0
"""Seconds between two looks at a containment that could not be proven within the configured patience."""
BETWEEN_COUNTS = 1.0
"""Seconds before each count of what cannot be proven: a new one is written down and shown."""
FRESH_AT_ONCE, LATE_AT_ONCE = 64, 2
"""Looks at one time: at containments within the configured patience, and at those that are past it."""
KEPT_FOR_NEWS, NEWS = 10, 0.5
"""Looks besides at what was installed within so many seconds and was not looked at yet. They have read-backs of their own: of so few, a
switch is asked for the rules themselves, and of a crowd's for all that it holds."""
CROWD_RESTS = 3.0
"""How many times as long as a crowd's read-back takes none is made."""
CANDIDATES = 512
"""Devices that are considered as a control host, those heard of last first."""


async def _nothing_in_hand(device: str, patience: float) -> None:
    """For devices that nobody pushes to."""


class Verifier:
    """Looks at each installed containment until it is proven, released or drifts. One task a containment. `quiet` returns once nothing is
    to be pushed to a device, or after so many seconds."""

    def __init__(
        self,
        store: Store,
        drivers: Mapping[str, Driver],
        desk: SensorDesk,
        network: NetworkView,
        settings: Verifying,
        now: Callable[[], float],
        on_changed: Callable[[Iterable[Containment]], None],
        quiet: Callable[[str, float], Awaitable[None]] = _nothing_in_hand,
        distrust: Callable[[str], None] = lambda device: None,
    ) -> None:
        self._store = store
        self._distrust = distrust
        self._drivers = drivers

        def waits(device: str) -> Awaitable[None]:
            return quiet(device, settings.window)

        self._looks = SharedLooks(drivers, waits, settings.window / 4, CROWD_RESTS)
        self._looks_at_news = SharedLooks(drivers, waits, settings.window / 4)
        self._news: set[str] = set()
        self._desk = desk
        self._network = network
        self._settings = settings
        self._now = now
        self._on_changed = on_changed
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._watched: dict[Mac, Containment] = {}
        self._elsewhere: dict[Mac, tuple[float, str]] = {}
        self._answered_before: dict[str, float] = {}
        self._last_seen: dict[str, tuple[Counts, float]] = {}
        self._proven: dict[Mac, Containment] = {}
        self._fresh_looks = Turns(FRESH_AT_ONCE, KEPT_FOR_NEWS, NEWS, now)
        self._late_looks = asyncio.Semaphore(LATE_AT_ONCE)
        self._refuting: set[asyncio.Task[None]] = set()

    def accepted(self, containment: Containment) -> None:
        """A containment was just committed and is about to be pushed: what is known of it now is what was before."""
        last = self._last_answer(containment.endpoint)
        if last is not None:
            self._answered_before[containment.id] = last

    def changed(self, containments: Iterable[Containment]) -> None:
        """The reconciler recorded something: begin to look at what is now installed, stop looking at what is not."""
        for containment in containments:
            held = containment.want is Want.HELD
            if held and containment.outcome is Outcome.PROVEN:
                self._keep_watching(containment)
            elif held and containment.outcome is Outcome.INSTALLED:
                self._begin(containment)
            else:
                self._end(containment)

    def saw(self, sighting: Sighting) -> None:
        """A switch saw a frame come in. One of a contained device at any port but its own is a leak, or a move."""
        watched = self._watched.get(sighting.mac)
        if watched is not None and (sighting.device, sighting.port) not in watched.places:
            self._elsewhere[sighting.mac] = (sighting.at, f"{sighting.device}:{sighting.port}")
            if (proven := self._proven.pop(sighting.mac, None)) is not None:
                task = asyncio.create_task(self._refuted(proven, sighting), name=f"refuted {proven.id}")
                self._refuting.add(task)
                task.add_done_callback(self._refuting.discard)

    async def close(self) -> None:
        running = [*self._tasks.values(), *self._refuting]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._looks.close()
        await self._looks_at_news.close()

    def _keep_watching(self, containment: Containment) -> None:
        """What was proven stays so only as long as no switch sees the device anywhere else."""
        self._watch_for(containment)
        self._proven |= dict.fromkeys(containment.endpoint.macs, containment)

    async def _refuted(self, containment: Containment, sighting: Sighting) -> None:
        reason = f"{sighting.mac} was seen at {sighting.device}:{sighting.port} after it was proven silent"
        log.error("no longer proven", containment=containment.id, reason=reason)
        drifted = DeviceOutcome(containment.endpoint.attachment.device, Outcome.DRIFTED, reason, self._now())
        try:
            case = await self._store.set_outcome(containment.id, drifted.device, drifted, containment.revision)
            self._on_changed([case])
            self._distrust(
                drifted.device
            )  # what it holds is read and recorded anew: the case would else stay as it is now for good
        except NetcordonError as error:
            log.warning("could not be recorded", containment=containment.id, error=str(error))

    def _watch_for(self, containment: Containment) -> None:
        self._watched |= dict.fromkeys(containment.endpoint.macs, containment)
        self._desk.watch(containment.endpoint.macs)

    def _begin(self, containment: Containment) -> None:
        self._watch_for(containment)
        running = self._tasks.get(containment.id)
        if running is not None and not running.done():
            return
        came = containment.stages.get(Stage.INSTALLED, containment.created_at)
        self._tasks[containment.id] = asyncio.create_task(
            self._prove(containment.id, came), name=f"verify {containment.id}"
        )

    def _end(self, containment: Containment) -> None:
        task = self._tasks.pop(containment.id, None)
        self._last_seen.pop(containment.id, None)
        if containment.want is Want.RELEASED:
            self._answered_before.pop(containment.id, None)
        if task is not None:
            task.cancel()
        for mac in containment.endpoint.macs:
            self._watched.pop(mac, None)
            self._elsewhere.pop(mac, None)
            self._proven.pop(mac, None)
        self._desk.unwatch(containment.endpoint.macs)

    async def _prove(self, containment_id: str, came: float) -> None:
        """All that is logged on the way carries the containment's id."""
        with about({containment_id}):
            try:
                await self._look_until_proven(containment_id, came)
            finally:
                self._news.discard(containment_id)

    async def _look_until_proven(self, containment_id: str, came: float) -> None:
        began, last_reason, pause, first = self._now(), "", 0.0, True
        while True:
            looked = self._now()
            try:
                async with self._turn(began, came, first=first):
                    if first and self._now() - came < NEWS and len(self._news) < KEPT_FOR_NEWS:
                        self._news.add(containment_id)
                    first = False
                    looked = self._now()
                    containment = await self._store.containment(containment_id)
                    if containment.want is not Want.HELD or containment.outcome is not Outcome.INSTALLED:
                        return
                    try:
                        look = await self._look(containment)
                    finally:
                        self._news.discard(containment_id)
                if look.evidence:
                    evidence, revision = look.evidence, containment.revision
                    after = await self._store.set_proven(containment_id, self._now(), evidence, revision)
                    self._on_changed([after])
                    if after.outcome is Outcome.PROVEN:
                        log.info("proven", containment=containment_id, evidence=look.evidence)
                    if after.revision == revision:
                        return
                    continue  # it changed meanwhile, for instance its end: what it is now is looked at anew
                if look.reason != last_reason:
                    self._on_changed([await self._store.set_unproven(containment_id, look.reason)])
                    last_reason = look.reason
            except NotFound:
                return
            except (DriverError, NetcordonError) as error:
                log.warning("could not look", containment=containment_id, error=str(error))
                pause = max(pause, 0.5)
            if self._now() - began > self._settings.patience:
                pause = min(SLOWEST, max(1.0, pause * 1.5))
            await asyncio.sleep(max(pause, self._settings.window - (self._now() - looked)))

    def _turn(self, began: float, came: float, *, first: bool) -> AbstractAsyncContextManager[object]:
        """Each look asks the switch many times a second: thousands that cannot be proven must not hold up the proof, or the push, of the
        one that just came. What has been looked at in vain for a while takes turns with its like."""
        if self._now() - began > self._settings.patience:
            return self._late_looks
        return self._fresh_looks.turn(came, first=first)

    # --- one window -------------------------------------------------------------------------------------------------

    async def _look(self, containment: Containment) -> Look:
        """Watch for as long as the switch's counters may lag, and a window more; end as soon as silence is shown or refuted."""
        endpoint = containment.endpoint
        if len(containment.places) > 1:
            return Look(reason=self._why_several(containment))
        if endpoint.attachment.device not in self._drivers:
            return Look(reason=f"no driver serves {endpoint.attachment.device}")
        here = [rule for device, rule in containment.rules if device == endpoint.attachment.device]
        if why := silence.never_silent(here):
            await asyncio.sleep(BETWEEN_COUNTS)
            scope = Scope(frozenset(rule.id for rule in here), frozenset())
            observed = await self._read(containment, scope)
            return Look(reason=f"{why}; {silence.so_far(observed, here)}")
        opened = self._now()
        asking = asyncio.create_task(self._probe(endpoint))
        try:
            return await self._watch(containment, asking, opened)
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    def _why_several(self, containment: Containment) -> str:
        """Silence at one of several ports says nothing of the others."""
        ports, segment = len(containment.places), self._network.graph.segment_at(containment.endpoint.attachment)
        if segment is None:
            return f"it is held at {ports} ports until it is known where it is"
        return f"it is held at {ports} ports, with {segment.in_words} behind: that its rules stand was read back, and no more"

    async def _watch(self, containment: Containment, asking: asyncio.Task[list[ProbeResult]], opened: float) -> Look:
        endpoint, window = containment.endpoint, self._settings.window
        before = await self._counts(containment)
        old_news = self._old_news(containment, before, opened)
        evidence, evident_at, probed = "", 0.0, Look(reason="no sensor was asked")
        while True:
            await asyncio.sleep(window / 4)
            after, now = await self._counts(containment), self._now()
            self._last_seen[containment.id] = after, now
            flapped = self._network.graph.went_down_between(endpoint.attachment, opened, now)
            if why := silence.doubt(endpoint, before, after, flapped=flapped, leak=self._leak(endpoint, opened)):
                return Look(reason=why)
            counted = silence.counted(old_news, after)
            if asking.done() and not probed.evidence:
                probed = self._probed(containment, asking.result(), opened)
            if (found := counted.evidence or probed.evidence) and not evidence:
                evidence, evident_at = found, opened if probed.evidence else now
            if evidence and now - max(evident_at, opened) >= window:
                both = "; ".join(look.evidence for look in (counted, probed) if look.evidence)
                return Look(evidence=f"{both}; silence for {(now - opened) * 1000:.0f} ms")
            if now - opened > silence.COUNTERS_LAG + window and not evidence and asking.done():
                return Look(reason=f"{counted.reason}; {probed.reason}")

    def _old_news(self, containment: Containment, before: Counts, opened: float) -> int | None:
        """The count of denied frames that says nothing new: none while the rules are fresh, since they began at 0; else that of the last
        look, where nothing came between that puts the frames since then in doubt."""
        installed = containment.stages.get(Stage.INSTALLED)
        if before.denied is not None and installed is not None and opened - installed < silence.COUNTERS_LAG:
            return 0
        last, at = self._last_seen.get(containment.id, (before, opened))
        place = containment.endpoint.attachment
        unbroken = silence.continues(last, before) and not self._network.graph.went_down_between(place, at, opened)
        return last.denied if unbroken else before.denied

    async def _counts(self, containment: Containment) -> Counts:
        place = containment.endpoint.attachment
        here = [rule for device, rule in containment.rules if device == place.device]
        denying = frozenset(
            rule.id for rule in here if rule.action is Action.DENY and rule.match.direction is Direction.FROM
        )
        every, witness = frozenset(rule.id for rule in here), f"witness:{place.port}"
        observed = await self._read(containment, Scope(every | {witness}, frozenset({place.port})))
        link = observed.ports.get(place.port)
        if link is not None:
            self._network.graph.set_port(place.device, place.port, up=link.up, at=self._now())
        return Counts(
            observed.boot_id,
            every - {rule.rule_id for rule in observed.rules},
            silence.count(observed, denying),
            silence.count(observed, {witness}),
            None if link is None else link.up,
        )

    async def _read(self, containment: Containment, scope: Scope) -> ObservedState:
        looks = self._looks_at_news if containment.id in self._news else self._looks
        return await looks.observe(containment.endpoint.attachment.device, scope)

    async def _probe(self, endpoint: Endpoint) -> list[ProbeResult]:
        target = self._probe_target(endpoint)
        control = None if target is None else self._control(endpoint, target)
        if target is None or control is None:
            return []
        with_address = any(sensor.live and sensor.ip is not None for sensor in self._desk.sensors())
        by_link: Kind = "arp" if target.ip.version == 4 else "nd"
        probe = Probe(
            id=f"v-{min(endpoint.macs)}-{self._now():.6f}",
            target=target,
            kinds=(by_link, "icmp", "tcp", "udp") if with_address else (by_link,),
            control=control,
            count=3,
            interval=self._settings.window / 4,
            timeout=self._settings.window / 2,
        )
        return await self._desk.probe(probe, timeout=probe.duration + 0.1)

    def _probed(self, containment: Containment, probes: list[ProbeResult], opened: float) -> Look:
        if not any(sensor.live for sensor in self._desk.sensors()):
            return Look(reason="no sensor is connected")
        target = self._probe_target(containment.endpoint)
        if target is None:
            return Look(reason="no address of it is known that a sensor could ask")
        last = self._last_answer(containment.endpoint)
        installed = containment.stages.get(Stage.INSTALLED, opened)
        before = self._answered_before.get(containment.id, last if last is not None and last <= installed else None)
        return silence.probed(
            probes,
            answered_before=before,
            answered_last=last,
            pushed=containment.stages.get(Stage.COMMITTED, containment.created_at),
            installed=installed,
            opened=opened,
            fresh=self._settings.baseline_age,
        )

    def _last_answer(self, endpoint: Endpoint) -> float | None:
        answers = [self._desk.last_answer(mac) for mac in endpoint.macs]
        return max((at for at in answers if at is not None), default=None)

    def _leak(self, endpoint: Endpoint, since: float) -> str:
        for mac in endpoint.macs:
            at, where = self._elsewhere.get(mac, (0.0, ""))
            if at >= since:
                return f"{mac} was seen at {where}"
            seen = self._desk.seen_since(mac, since)
            if seen:
                return f"sensor {seen[0][0]} received a frame from {mac}"
        return ""

    def _probe_target(self, endpoint: Endpoint) -> ProbeTarget | None:
        latest = [ip for mac in endpoint.macs for ip in self._network.bindings.latest_ips_of(endpoint.realm, mac)]
        ip = address_to_ask(endpoint.ips, latest, self._desk.last_answer)
        if ip is None:
            return None
        holders = (mac for mac in endpoint.macs if ip in self._network.bindings.ips_held_by(endpoint.realm, mac))
        return ProbeTarget(ip=ip, mac=min(holders, default=min(endpoint.macs, default=None)))

    def _control(self, endpoint: Endpoint, asked: ProbeTarget) -> ProbeTarget | None:
        """Another known device that answered a sensor lately and is not contained, best one on the same switch."""
        fallback = None
        for (realm, name), span in islice(self._network.bindings.recent(), CANDIDATES):
            mac = Mac(name)
            same_switch = span.device == endpoint.attachment.device
            if fallback is not None and not same_switch:
                continue
            if mac in endpoint.macs or mac in self._watched or (self._desk.last_answer(mac) or 0.0) < self._now() - 60:
                continue
            other = self._probe_target(self._network.endpoint_at(realm, frozenset({mac}), span.place, self._now()))
            if other is None or other.ip == asked.ip:
                continue
            if same_switch:
                return other
            fallback = other
        return fallback
