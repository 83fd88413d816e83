"""The daemon: the composition of all parts, and what the API asks of it. `serve` runs it until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import re
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from controller.alerts import Alerts
from controller.approval import Approvals
from controller.automation import Automation, Cause
from controller.breaker import Breaker
from controller.config import Config, OpenC2, load_config
from controller.configured import ConfiguredSwitches
from controller.containment import Containments
from controller.conversations import Conversation, Conversations
from controller.crawl import Crawl, Crawler
from controller.discovery.aim import address_to_ask
from controller.discovery.desk import SensorDesk
from controller.discovery.probes import ProbeTarget, SensorResults, SensorWork
from controller.discovery.reports import DeviceReports
from controller.doctor.finding import Finding
from controller.doctor.host import gateways, resolvers
from controller.doctor.network import Seen, examine
from controller.errors import InvalidInput, NetcordonError, Refused, StoreUnavailable
from controller.expiry import Expiry
from controller.fleet import Fleet
from controller.follow import Follower
from controller.freezes import in_force
from controller.intake import Source, with_mappings
from controller.inventory_sources import InventorySources
from controller.joining import Joining
from controller.live import AlertTaken, Live
from controller.logs import configure_logs
from controller.metrics import Metrics
from controller.model import (
    Address,
    Alert,
    Binding,
    Containment,
    Endpoint,
    Location,
    Profile,
    Stage,
    Target,
    Want,
)
from controller.network.bindings import Bindings, draining
from controller.network.chart import Chart, chart
from controller.network.joined import Joined
from controller.network.looks import LOOKS_MOST
from controller.network.paths import path
from controller.network.view import NetworkView
from controller.policy import PolicyFile
from controller.policy_desk import PolicyDesk
from controller.policy_in_force import PolicyInForce
from controller.reach import between
from controller.requests import (
    AlertAnswer,
    Approval,
    ContainRequest,
    DeviceView,
    Disposition,
    PathAnswer,
    Preview,
    Status,
)
from controller.retention import Pruning
from controller.scrape import scrape
from controller.store import Accepted, Extension, Proposal, Store
from controller.switches import OpenFlowSwitches
from controller.syslog.listener import Listener
from controller.tail.watch import Watch
from controller.targets import parse_target
from controller.verify import Verifier
from controller.webhooks import Webhook, load
from drivers.base import DeviceDiff, DiffLine, DriverError
from drivers.rules import Mac
from drivers.urgent import go_first

if TYPE_CHECKING:
    from controller.api.server import ApiServers

log = structlog.get_logger("daemon")
_CONTAINMENT_ID = re.compile(r"c-[0-9a-f]+")
ROUNDS_UNANSWERED = 5
"""Rounds of the baseline after which an IPv6 address that does not answer any more is left for another of the device's."""
FLUSH_EVERY = 1.0
"""Seconds between two writes of new bindings to the store."""
LINK_PATIENCE = 15.0
"""Seconds within which a link must show itself again after a device came back."""
FORGET_EVERY = 600.0
"""Seconds between two clearings of bindings that are too old to act upon."""
MOST_HELD = 1_000_000
COLLECT_EVERY = (10_000, 20, 20)
"""As `gc.set_threshold`: with Python's default of 700 a set of ten thousand rules is walked over and over while it is built, and a third
of the time that it takes to render and read goes there."""
SWITCH_EVERY = 0.0005
"""Seconds after which a thread that computes lets another one go on. The store's threads need the interpreter for some microseconds at a
time, many times a read: with Python's default of 5 ms each of these waits for as long as the event loop has anything to do."""


class Daemon:
    """Implements `controller.api.service.Service`. Made by `start`, ended by `close`."""

    def __init__(
        self,
        config: Config,
        store: Store,
        now: Callable[[], float],
        read_policy: Callable[[], PolicyFile] | None = None,
    ) -> None:
        self.config = config
        self.store = store
        self.network = NetworkView.from_config(config)
        self.desk = SensorDesk(now)
        self.live = Live(now)
        self._sources = with_mappings(config.intake.mappings)
        self._webhooks = load(config.intake.webhooks)
        self._metrics = Metrics(self._sources)
        store.on_write = self._metrics.wrote
        self._now = now
        self._owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.fleet = Fleet(
            store,
            self.network,
            config.reconcile,
            self._owner,
            now,
            self._changed,
            self._sighted,
            lambda place: self.follower.port_changed(place),
            tell=self.live.publish,
        )
        store.on_foreseen, store.on_durable = self.fleet.foresee, self.fleet.durable
        self.verifier = Verifier(
            store,
            self.fleet.drivers,
            self.desk,
            self.network,
            config.verify,
            now,
            self._changed,
            self.fleet.quiet,
            self.fleet.distrust,
        )
        self.containments = Containments(
            config,
            store,
            self.network,
            self.fleet.capabilities,
            self._wake,
            self._note_stage,
            now,
            self.fleet.untouched,
        )
        self.joining = Joining(store, self.network, self.containments)
        self.crawler = Crawler(
            self.network, config.crawl, lambda: tuple(self.fleet.drivers), self.fleet.read, self.fleet.saw, now
        )
        self.inventory = InventorySources(config, store, self.network, now)
        self.conversations = Conversations(config.impact.window, now())
        self.breaker = Breaker(store, self._automation_changed)
        in_force_now = PolicyInForce(config.policy)
        self.alerts = Alerts(config, store, self.network, self.containments, self.breaker, now, in_force_now)
        self.policy = PolicyDesk(
            config, store, self.alerts, in_force_now, read_policy or (lambda: config.policy), self._as_it_was, now
        )
        self.approvals = Approvals(config, store, self.network, self.containments, now)
        self.follower = Follower(
            store, self.network, self.containments, self._wake, self._changed, self.fleet.stands, now
        )
        self.switches = OpenFlowSwitches(config, self.fleet)
        self.configured = ConfiguredSwitches(config, self.fleet)
        self.expiry = Expiry(store, now, self._ended, self.live.publish)
        here = "" if config.store.startswith("sqlite") else socket.gethostname()  # a host may get another name
        self.watches = [Watch(file, self._sources[file.format], self, here, now) for file in config.intake.files]
        self.listeners = [
            Listener(how, self._sources[how.format], self, self._metrics.syslog, now) for how in config.intake.syslog
        ]
        self.pruning = Pruning(store, config.retention, now, self._metrics.pruned)
        self._tasks: list[asyncio.Task[None]] = []
        self._rereading: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        config: Config,
        now: Callable[[], float] = time.time,
        read_policy: Callable[[], PolicyFile] | None = None,
    ) -> Daemon:
        """Open the store, load what is known, and begin to converge. `read_policy` reads a changed policy, for `reload`. Raises
        StoreUnavailable or ConfigError."""
        daemon = cls(config, await Store.open(config.store, now=now), now, read_policy)
        daemon.network.bindings.load(draining(await daemon.store.load_bindings(now() - config.locate.too_old)))
        await daemon.policy.start()
        await daemon.inventory.start()
        await daemon.joining.load()
        daemon.network.looks.load(await daemon.store.load_looks(LOOKS_MOST))
        await daemon.switches.start()
        await daemon.configured.start()
        for work, name in (
            (daemon.expiry.look, "expiry"),
            (daemon._flush_bindings, "bindings"),
            (daemon._flush_looks, "looks"),
            (daemon.inventory.run, "inventory"),
            (daemon.crawler.run, "crawl"),
            (daemon._save_stages, "stages"),
            (daemon._keep_baseline, "baseline"),
            (daemon._forget_old_bindings, "old bindings"),
            (daemon.pruning.look, "retention"),
            (daemon.switches.keep_speaker, "speaker"),
            (daemon._metrics.measure_lag, "event loop lag"),
        ):
            daemon._tasks.append(asyncio.create_task(_forever(work, name), name=name))
        daemon._tasks += [asyncio.create_task(watch.run(), name="followed file") for watch in daemon.watches]
        daemon._tasks += [asyncio.create_task(one.run(), name=f"syslog {one.name}") for one in daemon.listeners]
        held = await daemon.store.containments(want=Want.HELD, limit=MOST_HELD)
        daemon._metrics.known(held)
        daemon._changed(held)
        return daemon

    async def close(self) -> None:
        """End everything but what devices hold: containments stand while the daemon is away."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for watch in self.watches:
            await watch.close()
        for listener in self.listeners:
            await listener.close()
        await self.follower.close()
        await self.verifier.close()
        await self.crawler.close()
        await self.switches.close()
        await self.configured.close()
        await self.fleet.close()
        with contextlib.suppress(StoreUnavailable):
            await self.store.save_bindings(self.network.bindings.take_unsaved())
            await self.store.save_looks(self.network.looks.take_unsaved())
            await self.store.save_stages()
        await self.store.close()

    # --- what the API asks --------------------------------------------------------------------------------------------

    async def contain(self, request: ContainRequest) -> Accepted:
        try:
            accepted = await self.containments.contain(request)
        except Refused as refusal:
            self._metrics.refused(refusal.code)
            raise
        self._accepted(accepted)
        return accepted

    def _accepted(self, accepted: Accepted) -> None:
        self.live.accepted(accepted.containment)
        if accepted.created:
            self._metrics.accepted(accepted.containment)
            self.verifier.accepted(accepted.containment)
        self.follower.changed([accepted.containment])

    async def plan(self, request: ContainRequest) -> Preview:
        """The preview, with each device's own changes where the device can be asked."""
        return await self._with_changes(self.containments.preview(request))

    async def plan_proposal(self, id: str, device: str | None = None) -> Preview:
        """As `plan`, for what the last approval of a proposal would do."""
        return await self._with_changes(await self.approvals.preview(id, device))

    async def _with_changes(self, preview: Preview) -> Preview:
        plan = preview.plan
        if plan is None:
            return preview
        preview = replace(preview, impact=self.conversations.impact(plan, self._now()))
        held = await self.store.open_for_endpoint(plan.endpoint.id)
        if held is not None:
            same = DiffLine(
                " ", f"contained already, as {held.id}: it joins that, and only the time and the reasons change"
            )
            joined = dict.fromkeys(plan.rules, (same,))
            return replace(preview, changes=joined)
        changes: dict[str, DeviceDiff] = {}
        for device, rules in plan.rules.items():
            try:
                changes[device] = await self.fleet.loops[device].would_change(rules)
            except DriverError as error:
                changes[device] = (DiffLine(" ", f"the device cannot be asked now: {error}"),)
        return replace(preview, changes=changes)

    def conversed(self, told: Conversation) -> None:
        self.conversations.hear(told, self._now())

    async def take_alert(self, alert: Alert, raw: str) -> AlertAnswer:
        answer = await self.alerts.take(alert, raw)
        self._metrics.alert(alert.source, answer)
        self.live.publish(AlertTaken(alert, answer))
        if answer.containment is not None and not answer.duplicate:
            self.live.accepted(answer.containment)
        if answer.containment is not None and answer.disposition is Disposition.CONTAINED and not answer.duplicate:
            self._metrics.accepted(answer.containment)
            self.verifier.accepted(answer.containment)
        if answer.containment is not None:
            self.follower.changed([answer.containment])
        if answer.proposal is not None and answer.proposal.times == 1:  # the alert itself tells which one it joined
            self.live.publish(answer.proposal)
            self.expiry.changed()
        return answer

    async def release(self, target_or_id: str, *, by: str, reason: str, key: str | None) -> list[Containment]:
        target = None if _CONTAINMENT_ID.fullmatch(target_or_id) else parse_target(target_or_id)
        released = await self.containments.release(target_or_id, target, by=by, reason=reason, key=key)
        return self._told(released)

    async def extend(self, id: str, extension: Extension, *, by: str, key: str | None) -> Containment:
        extended = await self.containments.extend(id, extension, by=by, key=key)
        self._told([extended])
        return extended

    async def confirm(self, id: str, *, by: str) -> Containment:
        confirmed = await self.containments.confirm(id, by=by)
        self.expiry.changed()
        self._told([confirmed])
        return confirmed

    async def propose(self, request: ContainRequest) -> Proposal:
        try:
            proposal = await self.approvals.propose(request)
        except Refused as refusal:
            self._metrics.refused(refusal.code)
            raise
        self.live.publish(proposal)
        self.expiry.changed()
        return proposal

    async def approve_proposal(self, id: str, *, by: str, token: str, device: str | None = None) -> Approval:
        try:
            approval = await self.approvals.approve(id, by=by, token=token, device=device)
        except Refused as refusal:  # the vote stands, and so does the proposal
            self._metrics.refused(refusal.code)
            self.live.publish(await self.store.proposal(id))
            raise
        self.live.publish(approval.proposal)
        if approval.accepted is not None:
            self._accepted(approval.accepted)
        return approval

    async def refuse_proposal(self, id: str, *, by: str, token: str, reason: str) -> Proposal:
        refused = await self.approvals.refuse(id, by=by, reason=reason, token=token)
        self.live.publish(refused)
        return refused

    async def release_all(self, *, by: str, reason: str, pause: bool) -> list[Containment]:
        if pause:
            await self.breaker.pause(by, f"release --all: {reason}" if reason else "release --all")
        return self._told(await self.containments.release_all(by=by, reason=reason))

    def _as_it_was(self, bindings: Sequence[Binding], now: Callable[[], float]) -> Alerts:
        """Who would decide if that were known of who is where; for `PolicyDesk.replay`, which only asks."""
        then = replace(self.network, bindings=Bindings(self.config.locate.max_age), held={})
        then.bindings.load(bindings)
        containments = Containments(
            self.config,
            self.store,
            then,
            self.fleet.capabilities,
            wake=lambda devices: None,
            note=lambda containment, stage, at: None,
            now=now,
        )
        return Alerts(self.config, self.store, then, containments, self.breaker, now)

    def hang_up(self) -> None:
        """SIGHUP: read again what may have changed, the inventory and the policy."""
        self.inventory.read_now()
        self._rereading = asyncio.create_task(self._reread_policy(), name="policy")

    async def _reread_policy(self) -> None:
        with contextlib.suppress(InvalidInput):  # it is in the log, and the policy stays as it was
            await self.policy.reload("SIGHUP")

    async def status(self) -> Status:
        budget = self.config.budget
        limits = {"per_minute": budget.per_minute, "total": budget.total}
        limits |= {f"role {role}": cap for role, cap in budget.per_role.items()}
        limits |= {name: cap for name in ("per_vlan", "per_site") if (cap := getattr(budget, name)) is not None}
        frozen = tuple(in_force(self.config.freezes, self._now()))
        return Status(await self.store.totals(), limits, tuple(self.ready()), frozen)

    async def pause(self, *, by: str, reason: str) -> Automation:
        return await self.breaker.pause(by, reason)

    async def resume(self, *, by: str, reason: str) -> Automation:
        return await self.breaker.resume(by, reason)

    def _automation_changed(self, state: Automation) -> None:
        if state.paused and state.cause is Cause.BREAKER:
            self._metrics.tripped()
        self.live.publish(state)

    def _told(self, cases: list[Containment]) -> list[Containment]:
        for case in cases:
            self.live.accepted(case)
        return cases

    def locate(self, target: Target, at: float | None = None) -> Location:
        return self.containments.locate(target, at)

    def endpoints(self) -> list[Endpoint]:
        return list(self.network.endpoints(self._now()))

    async def join(self, targets: Sequence[Target], *, by: str, reason: str) -> Joined:
        return await self.joining.join(targets, by=by, reason=reason)

    async def split(self, target: Target, *, by: str, reason: str) -> frozenset[Mac]:
        return await self.joining.split(target, by=by, reason=reason)

    def bindings(self, ip: Address | None = None, mac: Mac | None = None) -> list[Binding]:
        known = self.network.bindings
        found = [b for b in known.all() if (ip is None or b.ip == ip) and (mac is None or b.mac == mac)]
        if mac is not None and ip is None:
            found += known.places_of(mac)
        return sorted(found, key=lambda binding: (str(binding.ip), binding.first_seen))

    async def path(self, source: Target, destination: Target) -> PathAnswer:
        ends = [self.containments.locate(target, None) for target in (source, destination)]
        one, other = (end.endpoint for end in ends)
        if one is None or other is None:
            return PathAnswer(ends[0], ends[1])
        hops = path(self.network.graph, one.attachment, other.attachment)
        devices = {hop.device for hop in hops or ()}
        rules = {device: (await self.store.desired(device)).rules for device in devices}
        return PathAnswer(ends[0], ends[1], between(one, other, hops, rules))

    async def devices(self) -> list[DeviceView]:
        views = []
        for record in await self.store.devices():
            node, loop = self.network.graph.devices.get(record.id), self.fleet.loops.get(record.id)
            if node is None:
                continue
            desired = await self.store.desired(record.id)
            views.append(
                DeviceView(
                    id=record.id,
                    driver=record.driver,
                    description=node.description,
                    up=node.up,
                    management=node.management,
                    want_revision=record.want_revision,
                    have_revision=record.have_revision,
                    rules=len(desired.rules),
                    error=None if loop is None else loop.error,
                    neighbours=tuple(self.network.graph.neighbours(record.id)),
                    interfaces=tuple(node.interfaces.values()),
                    crawled=self.crawler.last.get(record.id),
                )
            )
        return views

    async def crawl(self, device: str | None) -> list[Crawl]:
        return await self.crawler.crawl(device)

    def topology(self, *, endpoints: bool) -> Chart:
        return chart(self.network, self._now(), endpoints=endpoints)

    def ready(self) -> list[str]:
        """Why the daemon cannot do its work just now; empty when it can."""
        away = [
            f"{node.description or node.id} is not connected"
            for node in self.network.graph.devices.values()
            if not node.up
        ]
        heard = [*(watch.trouble for watch in self.watches), *(listener.trouble for listener in self.listeners)]
        return [*self.switches.troubles(), *away, *filter(None, heard), *self.inventory.troubles]

    async def sensor_work(self, name: str, wait: float) -> SensorWork:
        return await self.desk.work(name, wait)

    async def sensor_results(self, name: str, results: SensorResults) -> None:
        self.desk.post(name, results)

    def report_devices(self, sensor: str, reports: DeviceReports) -> int:
        now, book = self._now(), self.network.looks
        return sum(book.take(reports.realm, one.mac, one.looks(sensor, now)) for one in reports.devices)

    def profiles(self) -> list[Profile]:
        return list(self.config.catalogue.values())

    def sources(self) -> Mapping[str, Source]:
        return self._sources

    def openc2(self) -> OpenC2:
        return self.config.openc2

    def webhooks(self) -> Mapping[str, Webhook]:
        return self._webhooks

    @property
    def metrics_without_token(self) -> bool:
        return self.config.metrics.without_token

    async def findings(self) -> list[Finding]:
        return examine(
            Seen(
                self.config,
                self.network,
                self.endpoints(),
                self.desk.sensors(),
                await self.store.tokens(),
                self.switches.troubles(),
                gateways(),
                resolvers(),
                await self.store.size(),
                {one.name: dict(one.counts) for one in self.listeners},
                await self.store.automation(),
                in_force(self.config.freezes, self._now()),
                self.inventory.troubles,
                self.inventory.notes,
            )
        )

    async def metrics(self) -> bytes:
        speaker_up, budget = not self.switches.troubles(), self.config.budget
        parts = (self.store, self.network, self.fleet, self.desk, budget)
        return self._metrics.page(await scrape(*parts, speaker_up=speaker_up))

    # --- what happens by itself ---------------------------------------------------------------------------------------

    def _wake(self, devices: Iterable[str]) -> None:
        self.fleet.wake(devices)
        self.expiry.changed()

    def _changed(self, containments: Iterable[Containment]) -> None:
        """Outcomes were recorded: count them, and look for proof."""
        containments = list(containments)
        for containment in containments:
            log.info(
                "outcome",
                containment=containment.id,
                want=containment.want.value,
                outcome=containment.outcome.value,
                target=containment.target,
            )
            self._metrics.changed(containment, self._now())
            self.live.publish(containment)
        self.verifier.changed(containments)
        self.follower.changed(containments)

    def _note_stage(self, containment: str, stage: Stage, at: float) -> None:
        self._metrics.stage(containment, stage, at)
        self.store.note_stage(containment, stage, at)

    async def _save_stages(self) -> None:
        """Those of containments of which nothing else was recorded meanwhile."""
        await asyncio.sleep(FLUSH_EVERY)
        await self.store.save_stages()

    def _sighted(self, sighting: Any) -> None:
        self.verifier.saw(sighting)
        self.follower.saw(sighting)

    def _ended(self, expired: list[Containment]) -> None:
        self.fleet.wake({outcome.device for one in expired for outcome in one.devices})
        self._changed(expired)

    async def _flush_bindings(self) -> None:
        await asyncio.sleep(FLUSH_EVERY)
        unsaved = self.network.bindings.take_unsaved()
        if not unsaved:
            return
        try:
            await self.store.save_bindings(unsaved)
        except StoreUnavailable:
            self.network.bindings.put_back(unsaved)
            raise

    async def _flush_looks(self) -> None:
        await asyncio.sleep(FLUSH_EVERY)
        unsaved = self.network.looks.take_unsaved()
        if not unsaved:
            return
        try:
            await self.store.save_looks(unsaved)
        except StoreUnavailable:
            self.network.looks.put_back(unsaved)
            raise

    async def _forget_old_bindings(self) -> None:
        await asyncio.sleep(FORGET_EVERY)
        self.network.bindings.forget_before(self._now() - self.config.locate.too_old)
        if (age := self.config.retention.bindings) is not None:
            self.network.looks.forget_before(self._now() - age)
            await self.store.forget_looks(self._now() - age)

    async def _keep_baseline(self) -> None:
        """Tell the sensors whom to ask, so that an answer from before a push is there when one comes."""
        await asyncio.sleep(1.0)
        self.network.graph.forget_links(self._now() - LINK_PATIENCE)
        targets = [
            ProbeTarget(ip=ip, mac=min(endpoint.macs))
            for endpoint in self.network.recent_endpoints(self._now(), 256)
            if (ip := self._address_to_ask(endpoint)) is not None
        ]
        self.desk.set_baseline(targets, self.config.verify.baseline)

    def _address_to_ask(self, endpoint: Endpoint) -> Address | None:
        latest = [ip for mac in endpoint.macs for ip in self.network.bindings.latest_ips_of(endpoint.realm, mac)]
        fresh = self._now() - ROUNDS_UNANSWERED * self.config.verify.baseline
        return address_to_ask(endpoint.ips, latest, self.desk.last_answer, fresh)


async def _forever(work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
    """A background task's outermost loop: an error is logged and the work goes on."""
    while True:
        try:
            await work()
        except (NetcordonError, DriverError) as error:
            log.warning("background work failed, going on", work=name, error=str(error))
            await asyncio.sleep(1.0)
        except Exception:  # the task's outermost loop: a defect must not end expiry or the baseline unseen
            log.exception("background work failed, going on", work=name)
            await asyncio.sleep(1.0)


async def run(
    config: Config,
    ready: Callable[[str], None] = lambda url: None,
    read_policy: Callable[[], PolicyFile] | None = None,
) -> None:
    """Converge, then serve the API until SIGTERM or SIGINT. The API takes as long to import as all else: what is wanted of the devices
    does not wait for it, and is sent while a thread imports it."""
    daemon = await Daemon.start(config, read_policy=read_policy)
    servers = await asyncio.to_thread(_api, daemon)
    gc.freeze()  # what was loaded stays: no collection needs to walk it again
    gc.enable()  # see cli/serve.py
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    loop.add_signal_handler(signal.SIGHUP, daemon.hang_up)
    try:
        await servers.start()
        log.info("serving", url=servers.url, socket=str(config.listen.socket))
        ready(servers.url)
        await ended.wait()
    finally:
        log.info("ending")
        daemon.desk.close()
        daemon.live.close()
        await servers.stop()
        await daemon.close()


def _api(daemon: Daemon) -> ApiServers:
    from controller.api.app import create_app
    from controller.api.server import ApiServers

    return ApiServers(create_app(daemon), daemon.config.listen)


def serve(config_path: Path | None = None, ready: Callable[[str], None] = lambda url: None) -> None:
    """Read the configuration and run. Raises ConfigError or StoreUnavailable with what to do."""
    import uvloop  # only here: what asks for the page of help does not wait for it

    config = load_config(config_path)
    go_first()
    configure_logs()
    sys.setswitchinterval(SWITCH_EVERY)
    gc.set_threshold(*COLLECT_EVERY)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(config, ready, lambda: load_config(config_path).policy))
