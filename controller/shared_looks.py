"""One read-back of a device for all who look at it at the same time.

Each look at a containment asks its switch many times a second, and a read-back costs the switch, the speaker and the daemon as much as a
push does. So whoever asks while one is under way shares the next one, and no two of a device begin sooner than a set time after each
other. A push goes first: a read-back that is due waits until the device's loop has nothing in hand, though not for ever.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping

from drivers.base import Driver, ObservedRule, ObservedState, Scope

_Asked = tuple[Scope, asyncio.Future[ObservedState]]


class SharedLooks:
    """`quiet` returns once nothing is to be pushed to a device, or when that takes too long. `apart`: seconds from the beginning of one
    read-back of a device to that of the next. `rests`: how many times as long as one took there is none, so that what is urgent finds
    switch, speaker and daemon idle."""

    def __init__(
        self, drivers: Mapping[str, Driver], quiet: Callable[[str], Awaitable[None]], apart: float, rests: float = 1.0
    ) -> None:
        self._drivers = drivers
        self._quiet = quiet
        self._apart = apart
        self._rests = rests
        self._asked: dict[str, list[_Asked]] = defaultdict(list)
        self._serving: dict[str, asyncio.Task[None]] = {}

    async def observe(self, device: str, scope: Scope) -> ObservedState:
        """What `scope` asks about, as `Driver.observe` gives it, from a read-back that began after this was called. `scope` names rules and
        ports. Raises what the driver raises."""
        answer: asyncio.Future[ObservedState] = asyncio.get_running_loop().create_future()
        self._asked[device].append((scope, answer))
        if device not in self._serving:
            self._serving[device] = asyncio.create_task(self._serve(device), name=f"look {device}")
        return await answer

    async def close(self) -> None:
        running = list(self._serving.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _serve(self, device: str) -> None:
        """Until nobody asks any more."""
        try:
            while self._asked[device]:
                await self._quiet(device)
                began = time.monotonic()
                await self._answer(device, [one for one in self._asked.pop(device) if not one[1].done()])
                took = time.monotonic() - began
                await asyncio.sleep(max(self._apart - took, self._rests * took))
        finally:
            del self._serving[device]
            for _, answer in self._asked.pop(device, ()):
                answer.cancel()

    async def _answer(self, device: str, asked: Iterable[_Asked]) -> None:
        asked = list(asked)
        if not asked:
            return
        try:
            state = await self._drivers[device].observe(_together(scope for scope, _ in asked))
        except asyncio.CancelledError:
            for _, answer in asked:
                answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001 (it is theirs who asked, and is raised there)
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(error)
            return
        by_id: dict[str | None, list[ObservedRule]] = defaultdict(list)
        for rule in state.rules:
            by_id[rule.rule_id].append(rule)
        for scope, answer in asked:
            if not answer.done():
                answer.set_result(_part(state, by_id, scope))


def _together(scopes: Iterable[Scope]) -> Scope:
    every = list(scopes)
    return Scope(
        frozenset().union(*(scope.rule_ids or () for scope in every)),
        frozenset().union(*(scope.ports or () for scope in every)),
    )


def _part(state: ObservedState, by_id: Mapping[str | None, list[ObservedRule]], scope: Scope) -> ObservedState:
    rules = tuple(rule for name in sorted(scope.rule_ids or ()) for rule in by_id.get(name, ()))
    ports = {name: state.ports[name] for name in scope.ports or () if name in state.ports}
    return ObservedState(state.boot_id, state.at, rules, ports, state.outranking)
