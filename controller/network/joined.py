"""Which MACs are one device by an operator's word. Nothing that a device says of itself gets in here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from drivers.rules import Mac

MACS_MOST = 16
"""MACs of one device: a server has a card or four, and what has more is no single device."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A device's MACs, and who said last that they are one device. `at` is in seconds since the epoch."""

    realm: str
    macs: frozenset[Mac]
    by: str
    reason: str
    at: float

    def __str__(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        return f"{', '.join(sorted(self.macs))} are one device by {self.by}'s word{why}"


class JoinedMacs:
    """Not thread-safe: one event loop owns it."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, Mac], Joined] = {}

    def of(self, realm: str, mac: Mac) -> Joined | None:
        return self._of.get((realm, mac))

    def with_(self, realm: str, macs: Iterable[Mac]) -> frozenset[Mac]:
        """These, and all that are one device with any of them."""
        own = frozenset(macs)
        if not self._of:
            return own
        return own.union(*(joined.macs for mac in own if (joined := self._of.get((realm, mac))) is not None))

    def load(self, every: Iterable[Joined]) -> None:
        """All that stand: what was there before is forgotten."""
        self._of = {(joined.realm, mac): joined for joined in every for mac in joined.macs}
