"""The state of a daemon's parts at one moment, for the metrics."""

from __future__ import annotations

from controller.config import BudgetLimits
from controller.discovery.desk import SensorDesk
from controller.fleet import Fleet
from controller.metrics import DeviceState, Snapshot
from controller.network.view import NetworkView
from controller.store import Store


async def scrape(
    store: Store, network: NetworkView, fleet: Fleet, desk: SensorDesk, budget: BudgetLimits, *, speaker_up: bool
) -> Snapshot:
    """What each of them says now. Asks no device. Raises StoreUnavailable."""
    return Snapshot(
        await store.totals(),
        budget,
        await _devices(store, network, fleet),
        speaker_up,
        {sensor.name: sensor.live for sensor in desk.sensors()},
        {"mac": len(network.bindings.by_mac), "ip": len(network.bindings.by_ip)},
    )


async def _devices(store: Store, network: NetworkView, fleet: Fleet) -> list[DeviceState]:
    """Those that the network view knows; what an earlier configuration left in the store is nobody's now."""
    states = []
    for record in await store.devices():
        node, loop = network.graph.devices.get(record.id), fleet.loops.get(record.id)
        if node is None:
            continue
        desired = await store.desired(record.id)
        observed = None if loop is None else loop.observed_rules
        states.append(DeviceState(record.id, node.up, len(desired.rules), observed, not record.dirty))
    return states
