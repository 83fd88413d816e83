"""What two that share an IPv4 address say of it by VRRP version 3 (RFC 9568). Pure."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

from labs.octets import IPV4, checksum, ethernet

PROTOCOL = 112
ROUTERS, ROUTERS_MAC = IPv4Address("224.0.0.18"), "01:00:5e:00:00:12"
HOP_LIMIT = 255
"""RFC 9568 §5.1.1.3: what has another one came through a router, and is thrown away."""
_ADVERTISEMENT = 0x31
"""Version 3, type 1."""


def virtual_mac(group: int) -> str:
    """Of the group that shares the address, 1 to 255 (RFC 9568 §7.3)."""
    return f"00:00:5e:00:01:{group:02x}"


def advertisement(
    group: int, sender: IPv4Address, shared: IPv4Address, priority: int, every: float, tag: bytes
) -> bytes:
    """Sent under the virtual MAC (§7.2). `every` in seconds; it is told in hundredths. The tag is behind the datagram's end, where Ethernet
    pads: no receiver of VRRP reads it."""
    body = struct.pack("!BBBBHH", _ADVERTISEMENT, group, priority, 1, round(every * 100), 0) + shared.packed
    pseudo = sender.packed + ROUTERS.packed + struct.pack("!HH", PROTOCOL, len(body))
    body = body[:6] + checksum(pseudo + body).to_bytes(2, "big") + body[8:]
    head = struct.pack("!BBHHHBBH", 0x45, 0xC0, 20 + len(body), 0, 0, HOP_LIMIT, PROTOCOL, 0)
    head += sender.packed + ROUTERS.packed
    head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
    return ethernet(ROUTERS_MAC, virtual_mac(group), IPV4, head + body + tag)


def silence_until_taken_over(priority: int, every: float) -> float:
    """Seconds without a word of the active one after which a backup of this priority takes over: Active_Down_Interval (§6.1)."""
    return 3 * every + (256 - priority) * every / 256
