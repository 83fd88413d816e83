"""MACs that name no device: routers and clusters that stand in for one another speak under a common one, whoever of them is active.

A virtual MAC seen at another port is a failover and no move; the device behind it is the one whose own MAC is at that port.
"""

from __future__ import annotations

from drivers.rules import Mac

_PREFIXES = {
    "00:00:5e:00:01:": "VRRP or CARP",  # RFC 9568 §7.3
    "00:00:5e:00:02:": "VRRP for IPv6",
    "00:00:0c:07:ac:": "HSRP",
    "00:00:0c:9f:f": "HSRP version 2",  # its last three digits are the group
    "00:05:73:a0:0": "HSRP version 2 for IPv6",
    "00:07:b4:00:": "GLBP",  # two bytes: group and forwarder
}


def shared_by(mac: Mac) -> str | None:
    """The protocol whose virtual MAC this is; None for a device's own. The number of the group is not looked at."""
    return next((protocol for prefix, protocol in _PREFIXES.items() if mac.startswith(prefix)), None)
