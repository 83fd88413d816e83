"""The metrics say what the daemon's own parts did: real store, real loop, real spine, a clock that stands until it is set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from controller.alerts import Alerts
from controller.breaker import Breaker
from controller.config import Config, Reconciling
from controller.containment import Containments
from controller.discovery.desk import SensorDesk
from controller.errors import RefusalCode, Refused
from controller.fleet import Fleet
from controller.metrics import Metrics
from controller.model import Containment, DeviceOutcome, Outcome, Stage, Want
from controller.reconcile import DeviceLoop
from controller.requests import ContainRequest
from controller.scrape import scrape
from controller.store import Store
from drivers.memory import MemoryDevice, MemoryDriver, MemoryOptions
from tests.campus import NOW, S1, Campus, alert, campus, ip, port

CONFIG: dict[str, Any] = {
    "policy": {
        "incriminate": [{"name": "scans", "match": {"signature": "ET SCAN *"}, "culprit": "source"}],
        "rules": [{"name": "scanners", "match": {"signature": "ET SCAN *"}, "mode": "contain", "for": "1h"}],
    },
    "protected": [{"ip": "10.0.0.10", "why": "domain controller"}],
    "budget": {"per_minute": 1, "total": 5},
}


class Clock:
    """Goes on by `step` seconds each time that it is read."""

    def __init__(self) -> None:
        self.now = NOW
        self.step = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@dataclass
class Parts:
    """What the daemon composes, without its network side; told of as the daemon tells it."""

    clock: Clock
    store: Store
    net: Campus
    fleet: Fleet
    loop: DeviceLoop
    device: MemoryDevice
    metrics: Metrics
    desk: SensorDesk
    containments: Containments
    alerts: Alerts
    config: Config
    background: list[asyncio.Task[None]] = field(default_factory=list)

    async def page(self, speaker_up: bool = True) -> dict[tuple[str, ...], float]:
        """The page by (name, values in the order of their labels' names…)."""
        parts = (self.store, self.net.network, self.fleet, self.desk, self.config.budget)
        text = self.metrics.page(await scrape(*parts, speaker_up=speaker_up)).decode()
        assert "10.0.0." not in text
        assert "02:00:00" not in text
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def converge(self, after: float = 0.0) -> None:
        self.clock.now += after
        await self.loop.converge()


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    clock, config = Clock(), Config.model_validate(CONFIG)
    store = await Store.open(f"sqlite:///{tmp_path}/netcordon.db", now=clock)
    net = campus(**CONFIG)
    for address, number, where in (("10.0.0.66", 6, 3), ("10.0.0.77", 7, 4), ("10.0.0.10", 1, 1)):
        net.keeps_saying(address, number, where, since=600)
    metrics = Metrics(["suricata", "generic"])
    store.on_write = metrics.wrote

    def changed(containments: Iterable[Containment]) -> None:
        for one in containments:
            metrics.changed(one, clock())

    fleet = Fleet(store, net.network, Reconciling(), "me", clock, changed, lambda _: None)
    device = MemoryDevice(S1, MemoryOptions(ports=tuple(port(n) for n in range(1, 10))), clock=clock)
    driver = MemoryDriver(device)
    await store.upsert_device(S1, "memory", "s1", "oob", {})
    loop = fleet.loops[S1] = DeviceLoop(S1, driver, store, Reconciling(), "me", clock, changed)
    spine = Containments(
        config, store, net.network, lambda _: MemoryDriver.capabilities, lambda _: None, metrics.stage, clock
    )
    alerts = Alerts(config, store, net.network, spine, Breaker(store), clock)
    yield Parts(clock, store, net, fleet, loop, device, metrics, SensorDesk(clock), spine, alerts, config)
    await store.close()


async def contained(parts: Parts) -> str:
    accepted = await parts.containments.contain(ContainRequest(ip("10.0.0.66"), "full", 3600, "it scans", "ann"))
    parts.metrics.accepted(accepted.containment)
    return accepted.containment.id


async def test_each_stage_is_timed_from_the_one_before_to_proven_and_removed(parts: Parts) -> None:
    id = await contained(parts)
    await parts.converge(after=0.02)
    proven = await parts.store.set_proven(id, parts.clock.now + 0.3, "silence")
    parts.metrics.changed(proven, parts.clock.now + 0.3)
    parts.clock.now += 10
    await parts.store.release(id, by="ann", reason="clean")
    await parts.converge(after=2.0)
    page = await parts.page()
    sums = {stage: page["netcordon_stage_seconds_sum", stage] for stage in ("installed", "proven", "removed")}
    assert sums == {"installed": pytest.approx(0.02), "proven": pytest.approx(0.3), "removed": pytest.approx(2.0)}
    for stage in ("located", "decided", "committed", "installed", "proven", "removed"):
        assert page["netcordon_stage_seconds_count", stage] == 1
    assert page["netcordon_received_to_seconds_sum", "proven"] == pytest.approx(0.32)
    assert page["netcordon_stage_seconds_bucket", "0.025", "installed"] == 1
    assert page["netcordon_stage_seconds_bucket", "0.01", "installed"] == 0


async def test_the_clock_between_located_and_committed_is_the_spines_own(parts: Parts) -> None:
    parts.clock.step = 0.001
    id = await contained(parts)
    stages = (await parts.store.containment(id)).stages
    page = await parts.page()
    took = stages[Stage.LOCATED] - stages[Stage.RECEIVED]
    assert took > 0
    assert page["netcordon_stage_seconds_sum", "located"] == pytest.approx(took, abs=1e-6)


async def test_a_case_that_stood_before_the_start_is_not_timed_again(parts: Parts) -> None:
    id = await contained(parts)
    await parts.converge()
    again = Metrics(["suricata"])
    case = await parts.store.containment(id)
    case = replace(case, stages={**case.stages, Stage.COMMITTED: NOW, Stage.INSTALLED: NOW})
    again.known([case])
    again.changed(case, NOW + 100)
    parts.metrics = again
    assert (await parts.page())["netcordon_stage_seconds_count", "installed"] == 0


async def test_desired_and_observed_part_when_the_device_does_not_take_the_rules(parts: Parts) -> None:
    await contained(parts)
    page = await parts.page()
    assert page["netcordon_device_rules_desired", S1] > 0
    assert ("netcordon_device_rules_observed", S1) not in page
    await parts.converge()
    page = await parts.page()
    assert page["netcordon_device_rules_observed", S1] == page["netcordon_device_rules_desired", S1]
    assert page["netcordon_device_converged", S1] == 1


async def test_drift_is_counted_once_until_it_is_repaired(parts: Parts) -> None:
    id = await contained(parts)
    await parts.converge()
    for outcome in (Outcome.DRIFTED, Outcome.DRIFTED, Outcome.INSTALLED, Outcome.DRIFTED):
        reason = "gone" if outcome is Outcome.DRIFTED else ""
        case = await parts.store.set_outcome(id, S1, DeviceOutcome(S1, outcome, reason))
        parts.metrics.changed(case, parts.clock())
    assert (await parts.page())["netcordon_drift_total", S1] == 2


async def test_alerts_refusals_and_the_budget(parts: Parts) -> None:
    for one in (
        alert(),
        alert(),
        alert(key="k2", src=replace(alert().src, ip=ip("10.0.0.10").ip)),
        alert(key="k3", src=replace(alert().src, ip=ip("10.0.0.77").ip)),
        alert(key="k4", source="made-up", signature="something else"),
    ):
        parts.metrics.alert(one.source, await parts.alerts.take(one, "{}"))
    page = await parts.page()
    assert page["netcordon_alerts_total", "contained", "suricata"] == 1
    assert page["netcordon_alerts_total", "repeated", "suricata"] == 1
    assert page["netcordon_alerts_total", "refused", "suricata"] == 2
    assert page["netcordon_alerts_total", "undecided", "other"] == 1
    assert page["netcordon_refusals_total", "protected"] == 1
    assert page["netcordon_refusals_total", "budget"] == 1
    assert page["netcordon_budget_used", "per_minute"] == page["netcordon_budget_limit", "per_minute"] == 1
    assert page["netcordon_budget_exhausted",] == 1
    assert page["netcordon_containments", "requested", "held"] == 1
    assert page["netcordon_open_proposals",] == 3
    parts.clock.now += 61
    assert (await parts.page())["netcordon_budget_exhausted",] == 0


async def test_an_operators_refusal_has_its_code(parts: Parts) -> None:
    with pytest.raises(Refused) as refusal:
        await parts.containments.contain(ContainRequest(ip("10.0.0.10"), "full", 60, "x", "ann"))
    parts.metrics.refused(refusal.value.code)
    assert (await parts.page())["netcordon_refusals_total", RefusalCode.PROTECTED.value] == 1


async def test_the_rest_of_the_state(parts: Parts) -> None:
    await parts.store.dead_letter("suricata", "{", "no JSON")
    await parts.desk.work("floor2", 0.0)
    parts.net.network.graph.devices[S1].up = False
    page = await parts.page(speaker_up=False)
    assert page["netcordon_dead_letters",] == 1
    assert page["netcordon_sensor_up", "floor2"] == 1
    assert page["netcordon_speaker_up",] == 0
    assert page["netcordon_device_up", S1] == 0
    assert page["netcordon_devices_unreachable",] == 1
    assert page["netcordon_bindings", "mac"] == 3
    assert page["netcordon_audit_head_sequence",] == (await parts.store.audit_head()).seq
    assert page["netcordon_store_write_seconds_count",] >= 2
    parts.clock.now += 60
    assert (await parts.page())["netcordon_sensor_up", "floor2"] == 0


async def test_a_busy_event_loop_shows(parts: Parts) -> None:
    async def busy() -> None:
        await asyncio.sleep(0.1)
        deadline = asyncio.get_running_loop().time() + 0.4
        while asyncio.get_running_loop().time() < deadline:
            pass

    await asyncio.gather(parts.metrics.measure_lag(), busy())
    page = await parts.page()
    assert page["netcordon_event_loop_lag_seconds_count",] == 1
    assert page["netcordon_event_loop_lag_latest_seconds",] > 0.05


async def test_two_daemons_in_a_process_share_nothing() -> None:
    one, other = Metrics([]), Metrics([])
    one.refused(RefusalCode.BUDGET)
    assert one is not other
    assert _refusals(one) == 1
    assert _refusals(other) == 0


def _refusals(metrics: Metrics) -> float:
    value = metrics._registry.get_sample_value("netcordon_refusals_total", {"code": "budget"})
    assert value is not None
    return value


async def test_what_is_removed_is_timed_once_and_then_forgotten(parts: Parts) -> None:
    id = await contained(parts)
    await parts.converge()
    await parts.store.release(id, by="ann", reason="clean")
    await parts.converge(after=1.0)
    case = await parts.store.containment(id)
    assert (case.want, case.outcome) == (Want.RELEASED, Outcome.REMOVED)
    parts.metrics.changed(await parts.store.containment(id), parts.clock() + 50)
    assert (await parts.page())["netcordon_stage_seconds_sum", "removed"] == pytest.approx(1.0)
