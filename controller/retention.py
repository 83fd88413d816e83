"""Old records leave the database: a little at a time, between everybody else's writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from controller.config import Retention
from controller.store import Prunable, Store

log = structlog.get_logger("retention")
EVERY = 600.0
"""Seconds between two looks for what has become old."""
PAUSE = 0.1
"""Seconds between two transactions of a look, for whoever waits to write."""


class Pruning:
    """Deletes what is older than `settings` say. `told` hears how many of what are gone, batch by batch."""

    def __init__(
        self,
        store: Store,
        settings: Retention,
        now: Callable[[], float],
        told: Callable[[Prunable, int], None] = lambda what, count: None,
    ) -> None:
        self._store = store
        self._ages: Mapping[Prunable, float | None] = {
            Prunable.PROPOSALS: settings.proposals,
            Prunable.ALERTS: settings.alerts,
            Prunable.CONTAINMENTS: settings.containments,
            Prunable.DEAD_LETTERS: settings.dead_letters,
            Prunable.BINDINGS: settings.bindings,
        }
        self._now = now
        self._told = told

    async def look(self) -> None:
        """Wait, then prune. Raises StoreUnavailable."""
        await asyncio.sleep(EVERY)
        await self.prune()

    async def prune(self) -> Mapping[Prunable, int]:
        """Delete all that is old now; how many of each. Raises StoreUnavailable; what is gone by then is gone."""
        await self._store.forget_keys()
        gone = {what: await self._prune(what, self._now() - age) for what, age in self._ages.items() if age is not None}
        if any(gone.values()):
            log.info("pruned", **{what.value: count for what, count in gone.items() if count})
        return gone

    async def _prune(self, what: Prunable, before: float) -> int:
        gone, after = 0, None
        names = await self._store.named() if what is Prunable.BINDINGS else frozenset()
        while True:
            keys, after = await self._store.old(what, before, after, names)
            if keys:
                count = await self._store.prune(what, before, keys)
                self._told(what, count)
                gone += count
            if after is None:
                return gone
            await asyncio.sleep(PAUSE)
