"""What comes to its end by itself: containments whose time is over, and proposals that nobody answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from controller.model import Containment
from controller.store import Proposal, Store

log = structlog.get_logger("expiry")
LONGEST_WAIT = 30.0
"""Seconds after which the next end is compared with the clock again, in case that was set."""


class Expiry:
    """`ended` hears of the containments whose time was over, `closed` of each proposal that was closed."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], float],
        ended: Callable[[list[Containment]], None],
        closed: Callable[[Proposal], None],
    ) -> None:
        self._store = store
        self._now = now
        self._ended = ended
        self._closed = closed
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Something new has an end, or an end was moved."""
        self._changed.set()

    async def look(self) -> None:
        """Wait for the earliest end, or for a change, and do what is due. Raises StoreUnavailable."""
        self._changed.clear()
        ends = [await self._store.next_expiry(), await self._store.next_proposal_expiry()]
        due = min((end for end in ends if end is not None), default=None)
        wait = None if due is None else min(LONGEST_WAIT, max(0.0, due - self._now()))
        if wait is None or wait > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait)
            return
        if ended := await self._store.expire_due(self._now()):
            log.info("expired", containments=[one.id for one in ended])
            self._ended(ended)
        for proposal in await self._store.expire_proposals(self._now()):
            log.info("nobody answered", proposal=proposal.id, target=proposal.target)
            self._closed(proposal)
