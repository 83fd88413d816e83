"""Has a contained device moved, or does somebody send under its name? Pure: judges what is known of two ports.

Anybody can send one frame with the device's MAC. So a frame alone never takes a rule away and never holds a port as a whole: where it
came in, the MAC is held, which harms nobody who is not using it, and the port of before stays held. A *move* is shown by cables: the
port of before lost its link after the device was heard there last, and the port where it is heard now got its link after that. Only
then is the new port held as a whole, and the old one is freed once the new one was read back, the device has settled there, and
nothing of it was heard at the old one since. See docs/decisions/0005.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SLACK = 0.5
"""Seconds by which two switches' reports of one plugging may be out of order."""
SETTLED = 3.0
"""Seconds that the old port stays held after the device was first heard at the new one: a link that only flapped comes back within it."""
RECENT = 10.0
"""Seconds for which a frame counts as news although the device was heard at its own port after it: two may send in turns."""


@dataclass(frozen=True, slots=True)
class PortView:
    """One port, and what was heard of the device there. `name` is for people. `first` and `heard`: the beginning of its last stay
    there and its last frame, None for never. `up`: its link now, None when that is not known; a port that is gone is not up.
    `came`, `went`: when the link came and went last, where that was heard; `pulled`: when it can have gone at the earliest, on a switch
    that is only looked at now and then. `unsettled`: seconds for which a switch may still show
    itself behind it. Times are seconds since the epoch, by one clock."""

    name: str
    heard: float | None = None
    first: float | None = None
    up: bool | None = None
    came: float | None = None
    went: float | None = None
    pulled: float | None = None
    unsettled: float = 0.0
    uplink: bool = False


class Step(StrEnum):
    STAY = "stay"
    HOLD_BOTH = "hold both"
    MOVE = "move"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, and why in words. `again`: seconds after which to ask anew even if nothing is heard."""

    step: Step
    why: str
    again: float | None = None


def judge(home: PortView, there: PortView, now: float) -> Verdict:
    """The device is held at `home`; what does it mean that it was heard at `there`?"""
    if there.heard is None or there.uplink:
        return Verdict(Step.STAY, f"it was not heard at {there.name}, or that is an uplink")
    if home.first is not None and there.heard < home.first and (_lost(there) or there.heard < now - RECENT):
        return Verdict(Step.STAY, f"it was at {there.name} before it came to {home.name}")
    if home.heard is not None and home.heard > there.heard:
        return Verdict(Step.HOLD_BOTH, f"it was heard at {there.name}, and at {home.name} after that")
    if not _lost(home):
        why = f"it was heard at {there.name}, but {home.name} has had its link throughout: it may still be there"
        return Verdict(Step.HOLD_BOTH, why)
    if not _plugged_in_after(home, there):
        why = f"it was heard at {there.name}, where nothing was plugged in since {home.name} lost its link"
        return Verdict(Step.HOLD_BOTH, why)
    if there.unsettled > 0:
        why = f"it moved to {there.name}, which came up a moment ago: a switch may show itself there"
        return Verdict(Step.HOLD_BOTH, why, again=there.unsettled)
    return Verdict(Step.MOVE, f"{home.name} lost its link, {there.name} got one after that, and it was heard there")


def there_too(there: PortView, mac: str) -> Verdict:
    """The device has several MACs, and this one is plugged in at `there`, as far as is known: held there as well, with nothing heard of it
    since."""
    if there.uplink or _lost(there):
        return Verdict(Step.STAY, f"{mac} was at {there.name}, which is an uplink or lost its link since")
    return Verdict(Step.HOLD_BOTH, f"{mac} is one device with it, and is there")


def may_free(old: PortView, home: PortView, *, installed: bool, now: float) -> Verdict:
    """The device is held at `home` and, from before or in doubt, at `old` too; need it be held there any longer? `installed`: all of it was
    read back at `home`'s device."""
    if old.uplink:
        return Verdict(Step.FREE, f"{old.name} is an uplink: nothing is attached there")
    if not installed:
        return Verdict(Step.STAY, f"{old.name} stays held until the rules at {home.name} are read back")
    if not _lost(old):
        return Verdict(Step.STAY, f"{old.name} stays held: the device may still be there")
    if home.heard is None or home.first is None or home.heard <= (old.heard or 0.0):
        return Verdict(Step.STAY, f"{old.name} stays held: the device was heard nowhere since")
    if (left := home.first + SETTLED - now) > 0:
        return Verdict(Step.STAY, f"{old.name} stays held until the device has settled", again=left)
    return Verdict(Step.FREE, f"{old.name} lost its link, and nothing of the device was heard there since")


def _lost(port: PortView) -> bool:
    """Whether the link went away after the device was heard there last, or is away now."""
    gone_after = port.went is not None and (port.heard is None or port.heard <= port.went)
    return port.up is False or gone_after


def _plugged_in_after(home: PortView, there: PortView) -> bool:
    """Whether `there` can have got its link no earlier than `home` lost its own."""
    lost_at = next((moment for moment in (home.pulled, home.went, home.heard) if moment is not None), None)
    return there.up is not False and there.came is not None and lost_at is not None and there.came >= lost_at - SLACK
