"""What a punted frame can say, and the two judgements that every protocol shares. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from drivers.rules import Mac, parse_mac

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Heard:
    """`mac` holds `ip` (None: it only showed itself). `lease`: a DHCP server says so, of another host; else the host itself says it."""

    mac: Mac
    ip: Address | None
    vlan: int | None
    source: str
    lease: bool = False


def is_host(address: Address) -> bool:
    """Whether one host can have it."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return False
    limited = isinstance(address, IPv4Address) and int(address) == 0xFFFFFFFF
    return not (address.is_unspecified or address.is_multicast or address.is_loopback or limited)


def mac_of(octets: bytes) -> Mac:
    return parse_mac(octets.hex())
