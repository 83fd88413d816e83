"""Names that nobody can guess, for what comes by the thousand."""

from __future__ import annotations

import os
from collections.abc import Iterator

_OCTETS = 8
_DRAWN_AT_ONCE = 512


class RandomNames:
    """64 bits each, from the kernel, many at a time: every draw gives the interpreter away, and a busy event loop waits to get it back.
    Not thread-safe, and not for secrets: what is drawn lies in memory until it is used."""

    def __init__(self) -> None:
        self._drawn: Iterator[str] = iter(())

    def fresh(self) -> str:
        """16 hexadecimal digits."""
        name = next(self._drawn, None)
        if name is None:
            octets = os.urandom(_OCTETS * _DRAWN_AT_ONCE).hex()
            self._drawn = (octets[at : at + 2 * _OCTETS] for at in range(0, len(octets), 2 * _OCTETS))
            name = next(self._drawn)
        return name
