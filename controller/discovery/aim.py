"""At which of its addresses a device is asked. Pure.

IPv4 first, as long as it has one. Of several, the one that answered last: a device leaves IPv6 addresses behind (RFC 8981), and one that
it only claimed may never have answered anybody, so that its silence would prove nothing. Where none answered, the one that it spoke for
last.
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
    ipv4 = [ip for ip in ips if ip.version == 4]
    some: Collection[Address] = ipv4 or ips
    answered = {ip: at for ip in some if (at := last_answer(ip)) is not None and at >= since}
    if answered:
        return max(answered, key=lambda ip: (answered[ip], int(ip)))
    return next((ip for ip in latest if ip in some), min(some, key=int, default=None))
