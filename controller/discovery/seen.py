"""Who was seen on the wire, by MAC, with what each said and did. Bounded: what is known is never pushed out by what is new.

A MAC of which nothing is known but that it sent a frame takes a place in a table of its own, where the one heard of longest ago makes
room: a flood of invented MACs fills that and no other.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from controller.discovery.words import Heard, Word
from controller.model import Address
from drivers.rules import Mac, parse_mac

DEVICES_MOST = 8192
BARE_MOST = 65536
IPS_MOST = 32
WORDS_MOST = 64


@dataclass(slots=True)
class Seen:
    """A device as heard: times in seconds since the epoch, by the capture's clock."""

    mac: Mac
    first_seen: float
    last_seen: float
    frames: int = 1
    ips: dict[Address, float] = field(default_factory=dict)
    words: dict[Word, float] = field(default_factory=dict)

    def take(self, heard: Heard, at: float) -> None:
        if heard.claim is not None and (heard.claim.ip in self.ips or len(self.ips) < IPS_MOST):
            self.ips[heard.claim.ip] = at
        for one in heard.words:
            if one in self.words or len(self.words) < WORDS_MOST:
                self.words[one] = at


class SeenDevices:
    """`crowded_out` counts frames that told something of a device for which there was no room."""

    def __init__(self) -> None:
        self.devices: dict[bytes, Seen] = {}
        self._bare: OrderedDict[bytes, tuple[float, float, int]] = OrderedDict()
        self.crowded_out = 0

    def take(self, mac: bytes, heard: Heard, at: float) -> bool:
        """Whether this MAC was never heard before, as far as is remembered."""
        device = self.devices.get(mac)
        if device is not None:
            device.last_seen = at
            device.frames += 1
            if heard.words or heard.claim is not None:
                device.take(heard, at)
            return False
        known = self._bare.pop(mac, None)
        first, _, frames = known or (at, at, 0)
        if not heard.words and heard.claim is None:
            self._bare[mac] = (first, at, frames + 1)
            if len(self._bare) > BARE_MOST:
                self._bare.popitem(last=False)
        elif len(self.devices) >= DEVICES_MOST:
            self.crowded_out += 1
        else:
            device = self.devices[mac] = Seen(mac_of(mac), first, at, frames + 1)
            device.take(heard, at)
        return known is None

    def all(self) -> list[Seen]:
        """With those of which nothing but their frames is known, in the order of their MACs."""
        bare = [Seen(mac_of(mac), first, last, frames) for mac, (first, last, frames) in self._bare.items()]
        return sorted([*self.devices.values(), *bare], key=lambda one: one.mac)


def mac_of(packed: bytes) -> Mac:
    return parse_mac(packed.hex(":"))
