"""A frame becomes what it tells of its sender. The headers are read by hand, since nearly every frame of a capture tells nothing new and
Scapy takes a tenth of a millisecond for one; what is worth it goes to Scapy (`announcements.py`).

Only what came straight from the sender is the sender's: a router sends others' packets under its own MAC. So a packet whose hop limit
was counted down on the way is passed over, unless it goes to a group, which no router forwards here.
"""

from __future__ import annotations

import hashlib
import struct
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from controller.discovery.announcements import (
    cdp,
    client_hello,
    dhcp,
    dhcp6,
    lldp,
    mdns,
    nbns,
    ssdp,
    user_agent,
)
from controller.discovery.words import NOTHING, Claim, Clue, Heard, words

_TAGS = (b"\x81\x00", b"\x88\xa8", b"\x91\x00")
_ARP, _IPV4, _IPV6, _LLDP = b"\x08\x06", b"\x08\x00", b"\x86\xdd", b"\x88\xcc"
_CDP_GROUP = b"\x01\x00\x0c\xcc\xcc\xcc"
_FRESH = frozenset({32, 60, 64, 128, 255})
"""Hop limits that hosts begin with: Windows 128, most others 64, some network devices 255, old ones 32 and 60."""
_TCP, _UDP, _ICMP6 = 6, 17, 58
_ANSWERS_UDP = frozenset({53, 88, 123, 161, 389, 500, 623, 5060})
_HTTP = (b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI", b"CONN")
_REMEMBERED = 4096
_NS, _RA, _NA = 135, 134, 136

Parser = Callable[[bytes], Heard]
_BY_UDP_PORT: dict[int, Parser] = {67: dhcp, 68: dhcp, 137: nbns, 546: dhcp6, 547: dhcp6, 1900: ssdp, 5353: mdns}


class Dissector:
    """Remembers the last few thousand messages that were costly to read, since announcements repeat themselves to the byte."""

    def __init__(self) -> None:
        self._lately: OrderedDict[bytes, Heard] = OrderedDict()

    def read(self, frame: bytes) -> Heard:
        """Never raises: what breaks a dissector is `unreadable`. A frame has 14 octets at least."""
        start, kind = 14, frame[12:14]
        while kind in _TAGS and start <= 22:
            kind = frame[start + 2 : start + 4]
            start += 4
        try:
            if kind == _IPV4:
                return self._ipv4(frame, start)
            if kind == _IPV6:
                return self._ipv6(frame, start)
            if kind == _ARP:
                return _arp(frame, start)
            if kind == _LLDP:
                return self._costly(lldp, frame[start:])
            if frame[:6] == _CDP_GROUP and frame[start + 6 : start + 8] == b"\x20\x00":
                return self._costly(cdp, frame[start + 8 :])
        except (IndexError, struct.error):  # cut short
            return Heard(unreadable=True)
        return NOTHING

    def _ipv4(self, frame: bytes, start: int) -> Heard:
        protocol, after = frame[start + 9], start + (frame[start] & 0x0F) * 4
        if frame[start + 8] not in _FRESH and frame[start + 16] < 224:
            return NOTHING
        if (frame[start + 6] & 0x1F) or frame[start + 7]:  # a later fragment
            return NOTHING
        end = start + struct.unpack_from("!H", frame, start + 2)[0]
        return self._transport(frame[: max(end, after)] if end > start else frame, protocol, after)

    def _ipv6(self, frame: bytes, start: int) -> Heard:
        protocol, after = frame[start + 6], start + 40
        if frame[start + 7] not in _FRESH and frame[start + 24] != 0xFF:
            return NOTHING
        if protocol == 0:  # hop-by-hop
            protocol, after = frame[after], after + 8 + frame[after + 1] * 8
        if protocol == _ICMP6:
            return _neighbour(frame, start, after) if frame[start + 7] == 255 else NOTHING
        return self._transport(frame, protocol, after)

    def _transport(self, frame: bytes, protocol: int, at: int) -> Heard:
        if protocol == _TCP:
            return self._tcp(frame, at)
        if protocol != _UDP:
            return NOTHING
        from_port, to_port = struct.unpack_from("!HH", frame, at)
        parser = _BY_UDP_PORT.get(to_port) or _BY_UDP_PORT.get(from_port)
        if parser is dhcp:  # without the number of the transaction, so that a message that comes again is known
            return self._costly(dhcp, frame[at + 8 : at + 12] + bytes(8) + frame[at + 20 :])
        if parser is not None:
            return self._costly(parser, frame[at + 8 :])
        if from_port in _ANSWERS_UDP and to_port >= 1024 and _is_answer(from_port, frame, at + 8):
            return Heard(words(_offer("udp", from_port)))
        return NOTHING

    def _tcp(self, frame: bytes, at: int) -> Heard:
        flags = frame[at + 13]
        if flags & 0x17 == 0x12:  # SYN/ACK
            port = struct.unpack_from("!H", frame, at)[0]
            return Heard(words(_offer("tcp", port))) if port < 49152 else NOTHING
        begin = at + (frame[at + 12] >> 4) * 4
        head = frame[begin : begin + 4]
        if head[:2] == b"\x16\x03" and frame[begin + 5 : begin + 6] == b"\x01":
            return self._costly(client_hello, frame[begin:])
        return self._costly(user_agent, frame[begin:]) if head in _HTTP else NOTHING

    def _costly(self, parser: Parser, payload: bytes) -> Heard:
        key = hashlib.blake2b(payload, digest_size=16, person=parser.__name__.encode()[:16]).digest()
        known = self._lately.get(key)
        if known is not None:
            self._lately.move_to_end(key)
            return known
        try:
            heard = parser(payload)
        except Exception:  # noqa: BLE001 (a frame made to break a dissector must not end the listening)
            heard = Heard(unreadable=True)
        self._lately[key] = heard
        if len(self._lately) > _REMEMBERED:
            self._lately.popitem(last=False)
        return heard


def _offer(protocol: str, port: int) -> tuple[Clue, str]:
    return Clue.OFFERS, f"{protocol}/{port}"


def _is_answer(port: int, frame: bytes, at: int) -> bool:
    """Where the protocol says so itself: a DNS response, an NTP server's."""
    if port == 53:
        return bool(frame[at + 2] & 0x80)
    return frame[at] & 0x07 == 4 if port == 123 else True


def _arp(frame: bytes, start: int) -> Heard:
    if frame[start : start + 6] != b"\x00\x01\x08\x00\x06\x04":
        return NOTHING
    mac, packed = frame[start + 8 : start + 14], frame[start + 14 : start + 18]
    if len(packed) < 4:
        return Heard(unreadable=True)
    ip = IPv4Address(packed)
    return NOTHING if ip.is_unspecified else Heard(claim=Claim(ip, mac))


def _neighbour(frame: bytes, start: int, at: int) -> Heard:
    kind, source = frame[at], IPv6Address(frame[start + 8 : start + 24])
    if kind == _RA:
        return Heard(words((Clue.ADVERTISES_ROUTE, str(source))))
    if kind == _NS:
        return NOTHING if source.is_unspecified else Heard(claim=Claim(source, _option(frame, at + 24, 1)))
    if kind == _NA:
        return Heard(claim=Claim(IPv6Address(frame[at + 8 : at + 24]), _option(frame, at + 24, 2)))
    return NOTHING


def _option(frame: bytes, at: int, kind: int) -> bytes:
    """The link-layer address in the first option of that kind (RFC 4861 §4.6.1), else the frame's own source."""
    while at + 8 <= len(frame) and frame[at + 1]:
        if frame[at] == kind:
            return frame[at + 2 : at + 8]
        at += frame[at + 1] * 8
    return frame[6:12]
