"""What devices look like to passive sensors, by realm and MAC: shown with an endpoint, and no guard is moved by it. Bounded; what
is known is not pushed out by what is new, unless nobody has heard of it for long."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from controller.model import Looks
from drivers.rules import Mac

Key = tuple[str, Mac]
LOOKS_MOST = 65_536
STALE = 86_400.0
"""Seconds after which a less confident word of another sensor takes the place of what was said."""


class LooksBook:
    """Not thread-safe: one event loop owns it. `crowded_out` counts reports for which there was no room."""

    def __init__(self, most: int = LOOKS_MOST) -> None:
        self._most = most
        self._of: OrderedDict[Key, Looks] = OrderedDict()
        self._unsaved: dict[Key, Looks] = {}
        self.crowded_out = 0

    def take(self, realm: str, mac: Mac, looks: Looks) -> bool:
        """Whether it is kept. Of one sensor the newest word counts; of two the surer one, for a day."""
        key = (realm, mac)
        known = self._of.get(key)
        if known is not None and not _better(looks, known):
            return False
        if known is None and len(self._of) >= self._most:
            oldest = next(iter(self._of))
            if self._of[oldest].at >= looks.at - STALE:
                self.crowded_out += 1
                return False
            del self._of[oldest]
        self._of[key] = self._unsaved[key] = looks
        self._of.move_to_end(key)
        return True

    def of(self, realm: str, macs: Iterable[Mac]) -> Looks | None:
        """Of a device with several MACs, what is surest."""
        if not self._of:
            return None
        found = [looks for mac in macs if (looks := self._of.get((realm, mac))) is not None]
        return max(found, key=lambda looks: (looks.confidence, looks.at), default=None)

    def load(self, stored: Mapping[Key, Looks]) -> None:
        """As it was kept, oldest first; nothing of it counts as unsaved."""
        self._of.update(stored)

    def take_unsaved(self) -> dict[Key, Looks]:
        taken, self._unsaved = self._unsaved, {}
        return taken

    def put_back(self, unsaved: Mapping[Key, Looks]) -> None:
        """The store did not take these: keep them for the next call, unless newer ones stand then."""
        self._unsaved = {**unsaved, **self._unsaved}

    def forget_before(self, at: float) -> None:
        for key in [key for key, looks in self._of.items() if looks.at < at]:
            del self._of[key]
            self._unsaved.pop(key, None)


def _better(new: Looks, known: Looks) -> bool:
    if new.sensor == known.sensor:
        return new.at >= known.at
    return new.confidence >= known.confidence or known.at < new.at - STALE
