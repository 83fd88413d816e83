"""At which of its addresses a device is asked. Pure.

IPv4 first, as long as it has one. A device has many IPv6 addresses and leaves some of them behind (RFC 8981), so that the one that answered
last is asked, or else the one that it spoke for last. An address that answered is also the better proof: what a device only said of itself
may never have answered anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from controller.model import Address


def address_to_ask(
    ips: Collection[Address],
    latest: Sequence[Address],
    last_answer: Callable[[Address], float | None],
    since: float = 0.0,
) -> Address | None:
    """One of `ips`; None when there is none. `latest` are its addresses, the one heard of last first. An answer from before `since`
    (seconds since the epoch) says nothing any more."""
    if ipv4 := [ip for ip in ips if ip.version == 4]:
        return min(ipv4)
    answered = {ip: at for ip in ips if (at := last_answer(ip)) is not None and at >= since}
    if answered:
        return max(answered, key=lambda ip: (answered[ip], int(ip)))
    return next((ip for ip in latest if ip in ips), min(ips, key=int, default=None))
