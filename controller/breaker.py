"""The breaker of automatic action: trips when a budget is exceeded, is opened and closed by people, and says so.

The state is the store's: `store.accept` looks at it within the transaction that would contain somebody. Here it is changed, and told.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from controller.automation import BREAKER, Automation, Cause
from controller.errors import InvalidInput
from controller.store import Store

log = structlog.get_logger("breaker")
Told = Callable[[Automation], None]


class Breaker:
    """`tell` hears of each change, after it is durable."""

    def __init__(self, store: Store, tell: Told = lambda state: None) -> None:
        self._store = store
        self._tell = tell

    async def trip(self, reason: str) -> None:
        """A budget was exceeded. One that is open already stays as it is: the first reason is the one to look at."""
        await self._pause(BREAKER, f"the breaker tripped: {reason}", Cause.BREAKER)

    async def pause(self, by: str, reason: str) -> Automation:
        """By a person. What is paused already stays paused as it was. Raises InvalidInput without a reason."""
        return await self._pause(by, _given(reason, "pause"), Cause.PERSON)

    async def resume(self, by: str, reason: str) -> Automation:
        """By a person. The minute of the budget begins anew; what is held counts on. Raises InvalidInput without a reason."""
        state, changed = await self._store.resume_automation(by, _given(reason, "resume"))
        if changed:
            log.warning("automatic action resumed", by=by, reason=reason)
            self._tell(state)
        return state

    async def _pause(self, by: str, reason: str, cause: Cause) -> Automation:
        state, changed = await self._store.pause_automation(by, reason, cause)
        if changed:
            log.error("automatic action paused", by=by, reason=reason, cause=cause.value)
            self._tell(state)
        return state


def _given(reason: str, what: str) -> str:
    if not reason.strip():
        raise InvalidInput(f"say why with --reason: whoever finds automatic action {what}d reads that")
    return reason
