"""What Prometheus reads from `GET /metrics`: counters and histograms that grow as things happen, and the state at the moment it asks.

Labels come from closed enums, from the alert sources that this daemon knows, and from device and sensor names: never from an
address, a MAC or anybody's words, so the number of series is bounded by the size of the installation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from controller.config import BudgetLimits
from controller.errors import RefusalCode
from controller.model import Containment, Outcome, Stage, Want
from controller.requests import AlertAnswer
from controller.store import Prunable, Totals
from controller.syslog.fate import Fate

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STAGE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds. A known edge port takes milliseconds to `installed`; a proof by silence takes at least a window of 250 ms."""
SHORT_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
LAG_EVERY = 0.25
"""Seconds between two looks at how late the event loop is."""
_STEPS = (
    (Stage.RECEIVED, Stage.LOCATED),
    (Stage.LOCATED, Stage.DECIDED),
    (Stage.DECIDED, Stage.COMMITTED),
    (Stage.COMMITTED, Stage.INSTALLED),
    (Stage.INSTALLED, Stage.PROVEN),
    (Stage.RELEASED, Stage.REMOVED),
)
_WHOLE = ((Stage.RECEIVED, Stage.INSTALLED), (Stage.RECEIVED, Stage.PROVEN))
_OTHER_SOURCE, _REPEATED = "other", "repeated"


@dataclass(frozen=True, slots=True)
class DeviceState:
    """`observed` is how many rules of ours were on it when it was last read, None while that is not known."""

    device: str
    up: bool
    desired: int
    observed: int | None
    converged: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is so at the moment of asking. `sensors` says of each whether it is live; `bindings` counts MACs and
    addresses (`mac`, `ip`)."""

    totals: Totals
    budget: BudgetLimits
    devices: Sequence[DeviceState]
    speaker_up: bool
    sensors: Mapping[str, bool]
    bindings: Mapping[str, int]


class Metrics:
    """One daemon's. Called on its event loop; nothing here does I/O or raises for what it is told."""

    def __init__(self, sources: Iterable[str]) -> None:
        self._sources = frozenset(sources)
        self._times: dict[str, dict[Stage, float]] = {}
        self._drifted: set[tuple[str, str]] = set()
        self._registry = own = CollectorRegistry()
        self._stages = Histogram(
            "netcordon_stage_seconds",
            "Time from the stage before to this one, of each containment: received, located, decided, committed, installed, "
            "proven; and released, removed.",
            ["stage"],
            buckets=STAGE_BUCKETS,
            registry=own,
        )
        self._whole = Histogram(
            "netcordon_received_to_seconds",
            "Time from an alert's or a request's reception until its block was installed, and until it was proven.",
            ["stage"],
            buckets=STAGE_BUCKETS,
            registry=own,
        )
        self._alerts = Counter(
            "netcordon_alerts", "Alerts by source and by what became of them.", ["source", "disposition"], registry=own
        )
        self._refusals = Counter(
            "netcordon_refusals", "What guards refused, by code, for alerts and operators.", ["code"], registry=own
        )
        self._trips = Counter(
            "netcordon_breaker_trips",
            "Times that an exceeded budget paused automatic action.",
            registry=own,
        )
        self._syslog = Counter(
            "netcordon_syslog_frames",
            "What came in as syslog, by listener and by what became of it: taken (alerts, and what is beside alerts), dead-letter, lost "
            "(no room for a datagram, here or in the kernel), refused (not a sender's).",
            ["listener", "fate"],
            registry=own,
        )
        self._drift = Counter(
            "netcordon_drift", "Containments found changed on a device behind our back.", ["device"], registry=own
        )
        self._pruned = Counter(
            "netcordon_pruned",
            "Records that were deleted because they were older than `retention` says.",
            ["of"],
            registry=own,
        )
        self._writes = Histogram(
            "netcordon_store_write_seconds",
            "Time until a write to the database was durable, waiting included.",
            buckets=SHORT_BUCKETS,
            registry=own,
        )
        self._lag = Histogram(
            "netcordon_event_loop_lag_seconds", "How late the event loop was.", buckets=SHORT_BUCKETS, registry=own
        )
        self._latest_lag = Gauge(
            "netcordon_event_loop_lag_latest_seconds", "How late the event loop was when last looked at.", registry=own
        )
        for _, stage in _STEPS:
            self._stages.labels(stage.value)
        for _, stage in _WHOLE:
            self._whole.labels(stage.value)
        for code in RefusalCode:
            self._refusals.labels(code.value)
        for what in Prunable:
            self._pruned.labels(what.value)

    # --- what happens -------------------------------------------------------------------------------------------------

    def known(self, containments: Iterable[Containment]) -> None:
        """What was held already when the daemon started: its times are counted no second time."""
        for containment in containments:
            self._times[containment.id] = dict(containment.stages)
            self._drifted |= _drifted_on(containment)

    def accepted(self, containment: Containment) -> None:
        """A new case: its stages up to the decision are known."""
        for stage in (Stage.RECEIVED, Stage.LOCATED, Stage.DECIDED):
            if (at := containment.stages.get(stage)) is not None:
                self.stage(containment.id, stage, at)

    def stage(self, containment: str, stage: Stage, at: float) -> None:
        """A stage came, at `at` seconds since the epoch. The first time counts. They may come in any
        order: a span is counted once both its ends are known."""
        times = self._times.setdefault(containment, {})
        if stage in times:
            return
        times[stage] = at
        for histogram, spans in ((self._stages, _STEPS), (self._whole, _WHOLE)):
            for since, until in spans:
                if stage in (since, until) and since in times and until in times:
                    histogram.labels(until.value).observe(max(0.0, times[until] - times[since]))

    def changed(self, containment: Containment, at: float) -> None:
        """An outcome was recorded: what it says of stages and of drift."""
        if containment.id not in self._times and Stage.REMOVED in containment.stages:
            return  # over and counted
        if containment.want is Want.RELEASED and (released := containment.stages.get(Stage.RELEASED)) is not None:
            self.stage(containment.id, Stage.RELEASED, released)
        stage = {
            Outcome.INSTALLED: Stage.INSTALLED,
            Outcome.PROVEN: Stage.PROVEN,
            Outcome.REMOVED: Stage.REMOVED,
        }.get(containment.outcome)
        if stage is not None:
            self.stage(containment.id, stage, containment.stages.get(stage, at))
        self._note_drift(containment)
        if containment.outcome is Outcome.REMOVED:
            self._times.pop(containment.id, None)

    def _note_drift(self, containment: Containment) -> None:
        """A device's drift counts once for a containment, until that is repaired."""
        now = _drifted_on(containment)
        before = {one for one in self._drifted if one[0] == containment.id}
        for _, device in now - before:
            self._drift.labels(device).inc()
        self._drifted = (self._drifted - before) | now

    def alert(self, source: str, answer: AlertAnswer) -> None:
        """A repeated alert is counted as that, and changes no other figure."""
        word = _REPEATED if answer.duplicate else answer.disposition.value
        self._alerts.labels(source if source in self._sources else _OTHER_SOURCE, word).inc()
        if answer.code is not None:
            self.refused(answer.code)

    def refused(self, code: RefusalCode) -> None:
        self._refusals.labels(code.value).inc()

    def syslog(self, listener: str, fate: Fate, number: int) -> None:
        self._syslog.labels(listener, fate.value).inc(number)

    def tripped(self) -> None:
        self._trips.inc()

    def pruned(self, what: Prunable, count: int) -> None:
        self._pruned.labels(what.value).inc(count)

    def wrote(self, seconds: float) -> None:
        self._writes.observe(seconds)

    async def measure_lag(self) -> None:
        """One look at how late the event loop is; takes LAG_EVERY seconds."""
        loop = asyncio.get_running_loop()
        due = loop.time() + LAG_EVERY
        await asyncio.sleep(LAG_EVERY)
        late = max(0.0, loop.time() - due)
        self._lag.observe(late)
        self._latest_lag.set(late)

    # --- what is shown ------------------------------------------------------------------------------------------------

    def page(self, snapshot: Snapshot) -> bytes:
        """The text format, of what happened and of `snapshot`."""
        state = CollectorRegistry()
        state.register(_State(snapshot))
        return generate_latest(self._registry) + generate_latest(state)


def _drifted_on(containment: Containment) -> set[tuple[str, str]]:
    return {(containment.id, one.device) for one in containment.devices if one.outcome is Outcome.DRIFTED}


class _State(Collector):
    """Made anew for each page: a device that went leaves no series behind."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        yield from _cases(self._snapshot.totals)
        yield from _budget(self._snapshot)
        yield from _devices(self._snapshot.devices)
        yield from _parts(self._snapshot)


def _cases(totals: Totals) -> Iterator[Metric]:
    cases = GaugeMetricFamily(
        "netcordon_containments", "Containments by what is wanted and what was seen.", labels=["want", "outcome"]
    )
    for want in Want:
        for outcome in Outcome:
            cases.add_metric([want.value, outcome.value], totals.containments.get((want, outcome), 0))
    yield cases
    yield _one("netcordon_open_proposals", "Proposals that wait for a person.", totals.open_proposals)
    yield _one(
        "netcordon_dead_letters", "What could not be read as an alert, and waits to be replayed.", totals.dead_letters
    )
    yield _one("netcordon_store_bytes", "How large the database is.", totals.store.bytes)
    yield _one("netcordon_audit_head_sequence", "Number of the audit log's last record.", totals.audit_seq)


def _budget(snapshot: Snapshot) -> Iterator[Metric]:
    used = {"per_minute": snapshot.totals.automatic_recent, "total": snapshot.totals.automatic_held}
    limits = {"per_minute": snapshot.budget.per_minute, "total": snapshot.budget.total}
    yield _by("netcordon_budget_used", "Automatic containments that count against each cap now.", "cap", used)
    yield _by("netcordon_budget_limit", "Caps on automatic containment.", "cap", limits)
    paused = snapshot.totals.automation.paused
    yield _one(
        "netcordon_automatic_paused", "1 while automatic action is paused, by a person or the breaker.", int(paused)
    )
    exhausted = any(used[cap] >= limits[cap] for cap in limits)
    yield _one(
        "netcordon_budget_exhausted", "1 while a cap is reached: one more alert trips the breaker.", int(exhausted)
    )


def _devices(devices: Sequence[DeviceState]) -> Iterator[Metric]:
    desired = {one.device: one.desired for one in devices}
    observed = {one.device: one.observed for one in devices if one.observed is not None}
    yield _by("netcordon_device_rules_desired", "Rules that each device should hold.", "device", desired)
    yield _by(
        "netcordon_device_rules_observed",
        "Rules of ours that each device was last seen to hold; absent while that is not known.",
        "device",
        observed,
    )
    yield _by(
        "netcordon_device_up", "1 while the device is connected.", "device", {d.device: int(d.up) for d in devices}
    )
    yield _by(
        "netcordon_device_converged",
        "1 when the device has what it should.",
        "device",
        {one.device: int(one.converged) for one in devices},
    )
    away = sum(1 for one in devices if not one.up)
    yield _one("netcordon_devices_unreachable", "Devices that are not connected.", away)


def _parts(snapshot: Snapshot) -> Iterator[Metric]:
    live = {name: int(live) for name, live in snapshot.sensors.items()}
    yield _one("netcordon_speaker_up", "1 while the OpenFlow speaker answers.", int(snapshot.speaker_up))
    yield _by("netcordon_sensor_up", "1 while the sensor asks for work.", "sensor", live)
    yield _one("netcordon_sensors_live", "Sensors that ask for work.", sum(live.values()))
    yield _by("netcordon_bindings", "MACs and addresses whose whereabouts are remembered.", "of", snapshot.bindings)


def _one(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help, value=value)


def _by(name: str, help: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, help, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
