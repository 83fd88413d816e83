"""What counts say: whether traffic stopped, whether it kept flowing, and whether a whole run passed. Pure.

Each rule is one-sided on purpose: silence counts only where something was really sent, and where the same traffic is known
to arrive when nothing is contained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from labs.incidents import Incident, Tolerance


@dataclass(frozen=True, slots=True)
class Count:
    """Frames (for TCP: connections) that left the sender, and that came in at the receiving side. `exchanged`: how many TCP
    connections carried data both ways; None for what is not TCP."""

    sent: int
    received: int
    exchanged: int | None = None

    @property
    def arrived(self) -> bool:
        """Something was sent, and some of it is there; over TCP, data went both ways."""
        return self.sent > 0 and self.received > 0 and self.exchanged != 0

    @property
    def complete(self) -> bool:
        """Something was sent, and all of it is there."""
        return 0 < self.sent <= self.received and self.exchanged in (None, self.sent)

    @property
    def silent(self) -> bool:
        return self.received == 0 and not self.exchanged


class Verdict(StrEnum):
    """HOLDS is the only good one."""

    HOLDS = "holds"
    LEAKED = "leaked"
    UNTRIED = "untried"
    STILL_CLOSED = "still-closed"
    NOT_HELD = "not-held"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Row:
    """One trial's counts in the three phases, and what they say."""

    name: str
    before: Count
    during: Count
    after: Count
    verdict: Verdict


def must_stop(before: Count, during: Count, after: Count) -> Verdict:
    """It arrived before, was sent during and none of it arrived, and arrives again after the release."""
    if not during.silent:
        return Verdict.LEAKED
    if not before.arrived or during.sent == 0:
        return Verdict.UNTRIED
    return Verdict.HOLDS if after.arrived else Verdict.STILL_CLOSED


def must_flow(before: Count, during: Count, after: Count, *, lossless: bool = False) -> Verdict:
    """It arrived in all three; `lossless`: all of it from the alert on, which is demanded of the streams that run through without a pause.
    A few frames may fall out of a busy machine's buffers in a burst, or while a network starts: before the alert nothing is contained, and
    what is lost then says nothing of the controller."""
    if not before.arrived or during.sent == 0 or after.sent == 0:
        return Verdict.UNTRIED
    held = all(count.complete if lossless else count.arrived for count in (during, after))
    return Verdict.HOLDS if held else Verdict.LOST


def incident(what: Incident, *, through: int, lost: int, tried: bool, held: bool) -> Verdict:
    """Of what happened while somebody was held. `through`: frames of the contained that came through; `lost`: the innocent's that did
    not; `tried`: the contained were sending all the time; `held`: the controller noticed, and proved that it holds again."""
    if through and what.leaks is Tolerance.NONE:
        return Verdict.LEAKED
    if lost and what.losses is Tolerance.NONE:
        return Verdict.LOST
    if not tried:
        return Verdict.UNTRIED
    return Verdict.HOLDS if held else Verdict.NOT_HELD


def passed(stopped: Sequence[Row], flowed: Sequence[Row], *, restored: bool) -> bool:
    """Every row holds and there are some of both, and the network is what it was."""
    rows = [*stopped, *flowed]
    return bool(stopped) and bool(flowed) and all(row.verdict is Verdict.HOLDS for row in rows) and restored
