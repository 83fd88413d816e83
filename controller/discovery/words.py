"""What a frame tells of the device that sent it: words, each with what kind of word it is. Frozen values.

Whatever a device says of itself is the device's word alone. It names and describes; it never joins two devices into one, and no
containment is widened by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from controller.model import Address
from controller.neutralize import storable

LONGEST = 120
"""Characters kept of one value."""


class Clue(StrEnum):
    """`OFFERS` is what others could see it do: it answered there. The rest is said by the device itself."""

    OFFERS = "offers"
    SERVES_DHCP = "serves-dhcp"
    ADVERTISES_ROUTE = "advertises-route"
    DHCP_NAME = "dhcp-name"
    DHCP_CLASS = "dhcp-class"
    DHCP_ASKS = "dhcp-asks"
    LLDP_NAME = "lldp-name"
    LLDP_SYSTEM = "lldp-system"
    LLDP_CAPABILITY = "lldp-capability"
    CDP_NAME = "cdp-name"
    CDP_PLATFORM = "cdp-platform"
    CDP_CAPABILITY = "cdp-capability"
    MDNS_NAME = "mdns-name"
    MDNS_SERVICE = "mdns-service"
    SSDP_DEVICE = "ssdp-device"
    SSDP_SERVER = "ssdp-server"
    NBNS_NAME = "nbns-name"
    ASKS_TLS = "asks-tls"
    USER_AGENT = "user-agent"


OBSERVED = frozenset({Clue.OFFERS, Clue.SERVES_DHCP, Clue.ADVERTISES_ROUTE})


class Word(NamedTuple):
    clue: Clue
    value: str


class Claim(NamedTuple):
    """By ARP or neighbour discovery: `ip` is at `mac`, says the frame, whoever sent it. `mac` is packed."""

    ip: Address
    mac: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """All that one frame tells. `dhcp_server`: the address from which it hands out leases."""

    words: tuple[Word, ...] = ()
    claim: Claim | None = None
    dhcp_server: Address | None = None
    unreadable: bool = False


NOTHING = Heard()


def word(clue: Clue, value: object) -> Word:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return Word(clue, storable(text, LONGEST).strip())


def words(*some: tuple[Clue, object]) -> tuple[Word, ...]:
    """Those that say anything."""
    return tuple(one for one in (word(clue, value) for clue, value in some if value) if one.value)
