"""Our own LLDP frames (IEEE 802.1AB), by which links between switches are found. Pure.

A host can send LLDP too, so each frame carries an organizationally specific TLV with the time of sending and an HMAC-SHA256 under a
secret that each speaker draws when it starts. What is forged, altered or older than `STALE` seconds is not a link. A host that
carries a frame to another port within that time, unaltered, is not found out: a link is evidence that the two ports hear each other.
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass
from hashlib import sha256

from drivers.openflow.flows import ETH_LLDP, LLDP_MAC

STALE = 10.0
_OUI, _SUBTYPE = bytes.fromhex("024e43"), 1  # locally administered
_CHASSIS_ID, _PORT_ID, _TTL, _ORGANIZATION = 1, 2, 3, 127
_LOCALLY_ASSIGNED = b"\x07"
_MAC_BYTES = 16


@dataclass(frozen=True, slots=True)
class Origin:
    """The switch port that a frame was sent out of."""

    dpid: int
    port: int


def build(origin: Origin, hw_addr: str, secret: bytes, now: float) -> bytes:
    """The frame to send out of `origin`, whose own MAC is `hw_addr`; `now` is seconds since the epoch."""
    told = struct.pack("!QId", origin.dpid, origin.port, now)
    ethernet = bytes.fromhex(LLDP_MAC.replace(":", "") + hw_addr.replace(":", "")) + struct.pack("!H", ETH_LLDP)
    return ethernet + b"".join(
        (
            _tlv(_CHASSIS_ID, _LOCALLY_ASSIGNED + f"dpid:{origin.dpid:016x}".encode()),
            _tlv(_PORT_ID, _LOCALLY_ASSIGNED + str(origin.port).encode()),
            _tlv(_TTL, struct.pack("!H", 120)),
            _tlv(_ORGANIZATION, _OUI + bytes([_SUBTYPE]) + told + _seal(told, secret)),
            b"\0\0",
        )
    )


def read(frame: bytes, secret: bytes, now: float) -> Origin | None:
    """The port that one of our own, fresh frames came out of; None for every other frame."""
    payload = frame[14:]
    if frame[12:14] != struct.pack("!H", ETH_LLDP):
        return None
    while len(payload) >= 2:
        head = int.from_bytes(payload[:2], "big")
        kind, value = head >> 9, payload[2 : 2 + (head & 0x1FF)]
        if kind == _ORGANIZATION and value[:4] == _OUI + bytes([_SUBTYPE]):
            return _opened(value[4:], secret, now)
        payload = payload[2 + (head & 0x1FF) :]
    return None


def _opened(value: bytes, secret: bytes, now: float) -> Origin | None:
    told, seal = value[:-_MAC_BYTES], value[-_MAC_BYTES:]
    if len(told) != struct.calcsize("!QId") or not hmac.compare_digest(seal, _seal(told, secret)):
        return None
    dpid, port, sent = struct.unpack("!QId", told)
    return Origin(dpid, port) if abs(now - sent) <= STALE else None


def _seal(told: bytes, secret: bytes) -> bytes:
    return hmac.new(secret, told, sha256).digest()[:_MAC_BYTES]


def _tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!H", kind << 9 | len(value)) + value
