"""Which of a switch's ports lead to another switch's, by our own LLDP frames. A link stands until a port of it goes down or `GONE` seconds
pass without a frame: a flood of punts can drown a few. Not thread-safe: one thread writes, and readers get copies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drivers.openflow.lldp import Origin

SEND_EVERY = 5  # seconds
GONE = 120.0  # seconds


@dataclass(frozen=True, slots=True)
class _Link:
    far: Origin
    at: float


class Links:
    def __init__(self) -> None:
        self._by_near: dict[Origin, _Link] = {}

    def seen(self, near: Origin, far: Origin, now: float) -> bool:
        """Whether this link is new. A port that hears itself is a loop, not a link."""
        if near == far:
            return False
        known = self._by_near.get(near)
        self._by_near[near] = _Link(far, now)
        return known is None or known.far != far or now - known.at > GONE

    def port_down(self, port: Origin) -> None:
        self._drop(lambda near, far: port in (near, far))

    def switch_gone(self, dpid: int) -> None:
        self._drop(lambda near, far: dpid in (near.dpid, far.dpid))

    def of(self, dpid: int, now: float) -> dict[int, Origin]:
        """The far end by port number."""
        return {n.port: link.far for n, link in dict(self._by_near).items() if n.dpid == dpid and now - link.at <= GONE}

    def _drop(self, gone: Callable[[Origin, Origin], bool]) -> None:
        self._by_near = {near: link for near, link in self._by_near.items() if not gone(near, link.far)}
