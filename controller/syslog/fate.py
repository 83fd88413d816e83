"""What becomes of what comes in as syslog."""

from __future__ import annotations

from enum import StrEnum


class Fate(StrEnum):
    """`LOST` is a datagram that had no place, here or in the kernel; `REFUSED` came from somebody else. `TAKEN` is every event that
    could be read, whether it was an alert or not."""

    TAKEN = "taken"
    DEAD_LETTER = "dead-letter"
    LOST = "lost"
    REFUSED = "refused"
