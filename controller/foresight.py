"""What a commit under way will come to on one device: worked out meanwhile, laid ready where the driver can, sent once it is durable.

The device's loop does it all again by itself where this comes to nothing; so nothing depends on it but the time. Between the loop's passes
it is open; while one is under way nothing is known for sure, and nothing is foreseen or sent.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from controller.store import Desired, Steps
from drivers.base import Change, Driver, DriverError, Laid, LaysReady, ObservedState

MOST_LAID = 128
"""Messages that are laid ready: more of them are made ready twice where it comes otherwise, for little of the time that they take."""


class Foresight:
    """`on_sending` is called, from any thread, right before what lies ready is sent."""

    def __init__(self, driver: Driver, on_sending: Callable[[], None]) -> None:
        self.open = True
        self._driver = driver
        self._lays = driver if isinstance(driver, LaysReady) else None
        self._on_sending = on_sending
        self._change: tuple[Desired, ObservedState, Change] | None = None
        self._laid: tuple[Steps, Laid, Desired] | None = None
        self._word = threading.Lock()

    def close(self) -> None:
        """A pass begins: what is not out now, it sends by itself."""
        with self._word:
            self.open = False

    def foresee(self, desired: Desired, known: ObservedState, steps: Steps, ready: Callable[[Change], bool]) -> None:
        """This is wanted of a device in this state once `steps` are on the disk, if they get there. Nothing is sent. It is laid ready only
        where `ready` says that nothing else has to happen first."""
        with contextlib.suppress(DriverError):  # the pass will say it
            change = self._driver.render(desired.rules, known, desired.baseline)
            self._change = desired, known, change
            if self._lays is None or not 0 < len(change.messages) <= MOST_LAID or not ready(change):
                return
            if (laid := self._lays.lay_ready(change)) is not None:
                self._laid = steps, laid, desired

    def durable(self, steps: Steps) -> None:
        """They are on the disk, and what was foreseen of these very ones is wanted: what lies ready for it goes out, with no turn of the
        event loop between. From any thread."""
        with self._word:
            laid = self._laid
            if laid is not None and laid[0] is steps and self.open:
                self._on_sending()
                laid[1].send()

    def take(self, desired: Desired, observed: ObservedState) -> Change | None:
        """What was worked out of these very rules and this very state; what lies ready for it goes with it."""
        foreseen, self._change = self._change, None
        if foreseen is not None:
            expected, seen, change = foreseen
            if expected.rules is desired.rules and seen is observed and expected.baseline == desired.baseline:
                return change
        return None

    def withdraw(self) -> frozenset[str]:
        """What lies ready is for another state than the device is in now. The containments of which it may hold something all the same."""
        laid, self._laid = self._laid, None
        return frozenset() if laid is None or laid[1].drop() else frozenset(laid[2].containments)

    def pushed(self) -> None:
        """The pass has sent what it took: nothing lies ready any more."""
        self._laid = None
