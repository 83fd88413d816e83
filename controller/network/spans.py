"""The history of one key (an address or a MAC): who held it, at which port, from when to when. In the order of time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import MutableMapping
from sys import intern

from controller.model import Attachment
from drivers.base import BELIED, Sighting
from drivers.rules import PortName

Key = tuple[str, str]
"""A realm, and a MAC or an address in it."""
SPANS_KEPT = 64
"""Spans kept in memory for one key: an attacker that flips an address back and forth costs no more than this."""


class Span:
    """One holder's uninterrupted time. Slotted: there may be a million. Equal only to itself."""

    __slots__ = ("device", "first", "ip", "last", "lease", "mac", "port", "source", "vlan")

    def __init__(
        self, ip: str, mac: str, device: str, port: str, vlan: int | None, at: float, source: str, lease: bool
    ) -> None:
        self.ip, self.mac, self.device, self.port = intern(ip), intern(mac), intern(device), intern(port)
        self.vlan, self.first, self.last, self.source, self.lease = vlan, at, at, intern(source), lease

    @property
    def place(self) -> Attachment:
        return Attachment(self.device, PortName(self.port), self.vlan)

    def at(self, device: str, port: str) -> bool:
        return self.device == device and self.port == port

    def after(self, interruption: float) -> Span:
        """Cut this span where somebody else is heard, and give what comes after."""
        rest = Span(self.ip, self.mac, self.device, self.port, self.vlan, self.last, self.source, False)
        self.last = interruption
        return rest

    def same_holder(self, other: Span) -> bool:
        return (self.mac, self.device, self.port) == (other.mac, other.device, other.port)

    @property
    def belied(self) -> bool:
        """The frames themselves contradicted this: evidence against whoever else holds the address, and never a binding."""
        return self.source == BELIED

    def goes_on_with(self, other: Span) -> bool:
        return self.same_holder(other) and self.belied == other.belied


def lengthened(history: list[Span], seen: Sighting) -> Span | None:
    """The newest span, when this sighting does no more than go on with it, as nearly all do; else None, and nothing is changed."""
    if not history:
        return None
    newest = history[-1]
    if (
        newest.last > seen.at
        or newest.mac != seen.mac
        or not newest.at(seen.device, seen.port)
        or newest.belied != (seen.source == BELIED)
    ):
        return None
    newest.last = seen.at
    newest.lease = newest.lease or seen.lease
    return newest


def put(history: list[Span], span: Span) -> tuple[Span, bool]:
    """The span in `history` that this sighting belongs to, and whether it is a new present."""
    if not history or history[-1].last <= span.first:  # nearly always
        if history and history[-1].goes_on_with(span):
            history[-1].last = span.last
            history[-1].lease = history[-1].lease or span.lease
            return history[-1], False
        history.append(span)
        del history[:-SPANS_KEPT]
        return span, True
    where = bisect_right(history, span.first, key=lambda known: known.first)
    before, after = (history[where - 1] if where else None), (history[where] if where < len(history) else None)
    for known in (before, after):
        if known is not None and known.goes_on_with(span):
            known.last = max(known.last, span.last)
            known.lease = known.lease or span.lease
            return known, False
    if before is not None and before.last > span.first:  # it was heard again afterwards
        history.insert(where, before.after(span.first))
    history.insert(where, span)
    del history[:-SPANS_KEPT]
    return span, history[-1] is span


def without(index: MutableMapping[Key, list[Span]], key: Key, mac: str, place: tuple[str, str]) -> list[Span]:
    """What is left of a history without the spans of one MAC at one port. The list is replaced, never emptied: others may be reading it."""
    left = [span for span in index.get(key, ()) if span.mac != mac or not span.at(*place)]
    if left:
        index[key] = left
    else:
        index.pop(key, None)
    return left
