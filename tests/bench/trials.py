"""One made-up campus, loaded as a starting daemon loads it, and asked again and again. A wrong answer raises."""

from __future__ import annotations

import asyncio
import gc
import random
import resource
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from controller.containment import Containments
from controller.enforcement import enforcement_points
from controller.errors import NetcordonError
from controller.locate import locate
from controller.model import FULL, Attachment, Decision, Endpoint, Location, Mode, Plan, Target
from controller.network.bindings import draining
from controller.network.view import NetworkView
from controller.plan import make_plan
from controller.prove import prove
from controller.store import Store
from drivers.base import Capabilities, Sighting
from drivers.memory import MemoryDriver
from tests.bench.spread import Spread, spread
from tests.bench.synthetic import BEFORE, NOW, Plugged, Synthetic, synthetic

CUTS = 5
DECISION = Decision(Mode.CONTAIN, FULL, 3600.0, "benchmark", "benchmark", "bench", automatic=True)
COLLECT_EVERY = (10_000, 20, 20)
"""As the daemon has it (controller.daemon)."""
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one size. `built`, `read` and `taken` in seconds; each `Spread` in milliseconds. `network_mib` is what graph and bindings add to
    the process, `peak_mib` its largest size. `edge`, `boxed`, `bundled` and `cut` are from locating to proof, every guard included. `whole`
    is to prove the plans of all trials anew, `again` the one that a sighting concerns, the sighting included."""

    switches: int
    bindings: int
    built: float
    read: float
    taken: float
    network_mib: float
    peak_mib: float
    sighting: Spread
    locate: Spread
    earlier: Spread
    plan: Spread
    prove: Spread
    whole: float
    again: Spread
    edge: Spread
    boxed: Spread
    bundled: Spread
    cut: Spread

    @property
    def loaded(self) -> float:
        return self.built + self.read + self.taken

    @property
    def again_of_whole(self) -> float:
        """What proving again after one change takes of proving everything, within this one run."""
        return self.again.median / self.whole


class Wrong(Exception):
    """An answer that is not so."""


def measure(switches: int, seed: int, url: str, trials: int) -> Figures:
    """In a process of its own: its memory is the measure."""
    try:
        return asyncio.run(_measure(synthetic(switches, seed), url, trials, random.Random(seed)))
    except NetcordonError as error:  # none of these gets through a pipe
        raise Wrong(f"{type(error).__name__}: {error}") from None


async def _measure(made: Synthetic, url: str, trials: int, chance: random.Random) -> Figures:
    gc.set_threshold(*COLLECT_EVERY)
    gc.disable()  # as `netcordon serve` until it serves
    before, start = _resident(), time.perf_counter()
    network = made.network()
    built = time.perf_counter()
    store = await Store.open(url, now=lambda: NOW)
    bindings = await store.load_bindings(NOW - made.config.locate.too_old)
    read = time.perf_counter()
    number = len(bindings)
    network.bindings.load(draining(bindings))
    taken = time.perf_counter()
    gc.collect()
    memory = _resident() - before
    gc.freeze()
    gc.enable()
    asked = _Asked(made, network, store)
    some = chance.choices(made.devices, k=trials)
    endpoints = [asked.at_its_port(one) for one in some]
    plans = [asked.planned(endpoint) for endpoint in endpoints]
    held = dict(zip(some, plans, strict=True))
    whole = _each(lambda all_of_them: [prove(one, network, NOW) for one in all_of_them], [plans]).median

    def change(one: Plugged) -> None:
        asked.seen(one)
        prove(held[one], network, NOW)

    figures = Figures(
        switches=len(made.facts),
        bindings=number,
        built=built - start,
        read=read - built,
        taken=taken - read,
        network_mib=memory / MIB,
        peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        sighting=_each(asked.seen, some),
        locate=_each(asked.at_its_port, some),
        earlier=_each(asked.an_hour_ago, some),
        plan=_each(asked.planned, endpoints),
        prove=_each(lambda plan: prove(plan, network, NOW), plans),
        whole=whole,
        again=_each(change, some),
        edge=_each(lambda one: asked.contained(one, 1), some),
        boxed=_each(lambda one: asked.contained(one, 1), chance.choices(made.boxed, k=trials)),
        bundled=_each(lambda one: asked.contained(one, 2), chance.choices(made.bundled, k=trials)),
        cut=_each(lambda one: asked.contained(one, None), [made.lost] * CUTS),
    )
    await store.close()
    return figures


class _Asked:
    """What a daemon is asked, and whether the answer is right."""

    def __init__(self, made: Synthetic, network: NetworkView, store: Store) -> None:
        self._made, self._network = made, network
        self._settings = made.config.locate
        self._containments = Containments(
            made.config, store, network, self._able, lambda devices: None, lambda id, stage, at: None, lambda: NOW
        )

    def _able(self, device: str) -> Capabilities | None:
        return None if device == self._made.unserved else MemoryDriver.capabilities

    def seen(self, one: Plugged) -> None:
        self._network.see(Sighting(one.device, NOW, one.mac, one.port, one.ip, None, "arp"))

    def at_its_port(self, one: Plugged) -> Endpoint:
        return self._right(one, locate(Target(ip=one.ip), NOW, NOW, self._network, self._settings))

    def an_hour_ago(self, one: Plugged) -> Endpoint:
        return self._right(one, locate(Target(ip=one.old), NOW - BEFORE / 2, NOW, self._network, self._settings))

    def planned(self, endpoint: Endpoint) -> Plan:
        graph = self._network.graph
        if enforcement_points(endpoint.attachment, graph, lambda device: self._able(device) is not None) is not None:
            raise Wrong(f"{endpoint.attachment} is a known edge port, and is not taken for one")
        known = self._network.addresses_of(endpoint.realm)
        return make_plan("c-1", endpoint, DECISION, NOW + 3600, graph, MemoryDriver.capabilities, known)

    def contained(self, one: Plugged, ports: int | None) -> None:
        """From locating to proof; at so many ports, or, where it is None, by a cut."""
        prepared = self._containments.prepare(Target(ip=one.ip), NOW, NOW, DECISION)
        self._right(one, prepared.location)
        if not prepared.proof.holds or prepared.proof.blocked == ():
            raise Wrong(f"{one.ip}: the plan blocks nothing, or hits others")
        if ports is not None and len(prepared.plan.enforced_at) != ports:
            raise Wrong(f"{one.ip} is held at {len(prepared.plan.enforced_at)} ports, and should be at {ports}")
        if ports is None and "minimum cut" not in prepared.plan.why[0]:
            raise Wrong(f"{one.ip} is not held by a cut: {prepared.plan.why}")

    def _right(self, one: Plugged, location: Location) -> Endpoint:
        endpoint = location.endpoint
        there = self._network.graph.one_place(Attachment(one.device, one.port))
        if endpoint is None or endpoint.macs != {one.mac} or not endpoint.attachment.same_port(there):
            raise Wrong(f"{location.target} is {one.mac} at {there}, and not {location}")
        return endpoint


Asked = TypeVar("Asked")


def _each(ask: Callable[[Asked], object], of: Iterable[Asked]) -> Spread:
    """Milliseconds of each."""
    taken = []
    for one in of:
        start = time.perf_counter()
        ask(one)
        taken.append((time.perf_counter() - start) * 1e3)
    return spread(taken)


def _resident() -> int:
    """Bytes of this process in memory (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
