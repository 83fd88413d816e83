"""What devices should hold, kept in memory from one commit to the next: a push need not begin with a look into the database.

Only where nobody else can commit, on SQLite: each write says what it changed of it, and the one thread that writes hands that in, in the
order of the commits and before anybody is answered. A device is known from its first read on; a read beside which something was
committed says nothing for sure, and a commit of which it is not known whether it came about ends all knowledge.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable
from operator import is_

from controller.store.desired import Known, Step

MOST_STEPS = 10_000
"""Writes about a device that nobody asks for, after which it is read again."""


class Current:
    """`committed` and `doubt` are called by the writer's thread, everything else by the event loop's.
    `alone`: nobody else commits."""

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self._lock = threading.Lock()
        self._known: dict[str, Known] = {}
        self._steps: dict[str, list[Step]] = {}
        self._foreseen: dict[str, tuple[Known, list[Step], Known]] = {}
        self._commits: defaultdict[str, int] = defaultdict(int)
        self._doubts = 0

    def of(self, device: str) -> Known | None:
        """What the device should hold as of the last commit; None where it has to be read."""
        with self._lock:
            return self._as_committed(device)

    def foresee(self, device: str, steps: Iterable[Step]) -> Known | None:
        """What it should hold once these writes are committed as well, of which nobody knows yet whether they will be."""
        with self._lock:
            base = self._as_committed(device)
            if base is None:
                return None
            own = [step for step in steps if step.device == device]
            self._foreseen[device] = base, own, base.after(own)
            return self._foreseen[device][2]

    def _as_committed(self, device: str) -> Known | None:
        """With the lock held. What was foreseen of these very writes is worked out already."""
        steps = self._steps.get(device)
        if steps:
            base, own, after = self._foreseen.pop(device, (None, [], None))
            known = self._known[device]
            came_true = base is known and len(own) == len(steps) and all(map(is_, own, steps))
            self._known[device] = after if came_true and after is not None else known.after(steps)
            self._steps[device] = []
        return None if steps is None else self._known[device]

    def basis(self, device: str) -> tuple[Known, tuple[int, int]]:
        """What a read can begin from, and where commits stand before it: `keep` wants to know."""
        with self._lock:
            return self._known.get(device, Known()), self._stand(device)

    def keep(self, device: str, known: Known, stood: tuple[int, int]) -> None:
        """What was read. It is as of the last commit where none came since `stood`."""
        with self._lock:
            if self._alone and self._stand(device) == stood:
                self._steps[device] = []
            else:
                self._steps.pop(device, None)
            self._known[device] = known

    def committed(self, steps: Iterable[Step]) -> None:
        with self._lock:
            for step in steps:
                self._commits[step.device] += 1
                waiting = self._steps.get(step.device)
                if waiting is not None and len(waiting) < MOST_STEPS:
                    waiting.append(step)
                else:
                    self._steps.pop(step.device, None)

    def doubt(self) -> None:
        """Something may have been committed, or not."""
        with self._lock:
            self._doubts += 1
            self._steps.clear()

    def _stand(self, device: str) -> tuple[int, int]:
        return self._commits[device], self._doubts
