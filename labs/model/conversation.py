"""TCP and UDP between modelled hosts, segment by segment: what `labs.conversation` does with sockets.

Nothing is ever late in the model: a segment that is not there when the network has come to rest was stopped, and nobody waits for it.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import count
from typing import Any, NamedTuple

from labs.octets import IPV4, IPV6, ethernet, ip4, ip6

TCP, UDP = 6, 17
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
PIECE = 16_384
FIRST_PORT = 32_768
Address = IPv4Address | IPv6Address


class Packet(NamedTuple):
    """What a frame carries, as far as a host's kernel looks: one whole TCP segment or UDP datagram."""

    protocol: int
    src: Address
    dst: Address
    src_port: int
    dst_port: int
    flags: int
    data: bytes


def read(frame: bytes) -> Packet | None:
    """None for what is neither, or a fragment, or behind other headers."""
    if (
        frame[12:14] == IPV4.to_bytes(2, "big")
        and len(frame) >= 34
        and not int.from_bytes(frame[20:22], "big") & 0x3FFF
    ):
        start, end = 14 + (frame[14] & 0xF) * 4, 14 + int.from_bytes(frame[16:18], "big")
        return _packet(frame[23], ip_address(frame[26:30]), ip_address(frame[30:34]), frame[start:end])
    if frame[12:14] == IPV6.to_bytes(2, "big") and len(frame) >= 54:
        end = 54 + int.from_bytes(frame[18:20], "big")
        return _packet(frame[20], ip_address(frame[22:38]), ip_address(frame[38:54]), frame[54:end])
    return None


def _packet(protocol: int, src: Address, dst: Address, octets: bytes) -> Packet | None:
    if protocol == UDP and len(octets) >= 8:
        return Packet(protocol, src, dst, *_ports(octets), 0, octets[8:])
    if protocol == TCP and len(octets) >= 20:
        flags, header = octets[13], (octets[12] >> 4) * 4
        return Packet(protocol, src, dst, *_ports(octets), flags, octets[header:])
    return None


def _ports(octets: bytes) -> tuple[int, int]:
    return int.from_bytes(octets[:2], "big"), int.from_bytes(octets[2:4], "big")


def build(macs: tuple[str, str], packet: Packet) -> bytes:
    """The frame. Checksums of the upper layer are left out: nobody looks at them here."""
    ports = packet.src_port, packet.dst_port
    if packet.protocol == UDP:
        octets = struct.pack("!HHHH", *ports, 8 + len(packet.data), 0) + packet.data
    else:
        octets = struct.pack("!HHIIBBHHH", *ports, 1, 1, 5 << 4, packet.flags, 1024, 0, 0) + packet.data
    if isinstance(packet.src, IPv4Address) and isinstance(packet.dst, IPv4Address):
        return ip4(macs, (packet.src, packet.dst), packet.protocol, octets)
    if isinstance(packet.src, IPv6Address) and isinstance(packet.dst, IPv6Address):
        return ethernet(macs[1], macs[0], IPV6, ip6((packet.src, packet.dst), packet.protocol, octets))
    raise ValueError(f"{packet.src} and {packet.dst} are of different versions")


@dataclass
class _Own:
    """A conversation that this host began."""

    opened: bool = False
    refused: bool = False
    answer: bytes = b""


@dataclass
class Talk:
    """The conversations of one host. `send` takes packets of its own to others; when it returns, all that follows has happened."""

    send: Callable[[Packet], None]
    _listening: set[tuple[int, int]] = field(default_factory=set)
    _began: dict[tuple[int, int], _Own] = field(default_factory=dict)
    _heard: dict[tuple[Address, int, int], bytes] = field(default_factory=dict)
    _ports: count[int] = field(default_factory=lambda: count(FIRST_PORT))

    def listen(self, tcp: list[int], udp: list[int]) -> None:
        self._listening |= {(TCP, port) for port in tcp} | {(UDP, port) for port in udp}

    def hear(self, packet: Packet) -> None:
        """A packet for this host."""
        own = self._began.get((packet.protocol, packet.dst_port))
        if own is not None:
            self._answered(own, packet)
        elif (packet.protocol, packet.dst_port) in self._listening:
            self._asked(packet)
        elif packet.protocol == TCP and not packet.flags & RST:
            self._reply(packet, RST | ACK)

    def _answered(self, own: _Own, packet: Packet) -> None:
        own.refused = own.refused or bool(packet.flags & RST)
        own.opened = own.opened or packet.flags & (SYN | ACK) == SYN | ACK
        own.answer += packet.data

    def _asked(self, packet: Packet) -> None:
        """Whoever listens answers all that it was told with its SHA-256."""
        if packet.protocol == UDP:
            self._reply(packet, 0, hashlib.sha256(packet.data).digest())
            return
        who = packet.src, packet.src_port, packet.dst_port
        if packet.flags & (SYN | ACK) == SYN:
            self._heard[who] = b""
            self._reply(packet, SYN | ACK)
        elif packet.flags & RST:
            self._heard.pop(who, None)
        elif who not in self._heard:
            self._reply(packet, RST)
        else:
            self._heard[who] += packet.data
            if packet.flags & FIN:
                self._reply(packet, FIN | ACK, hashlib.sha256(self._heard.pop(who)).digest())

    def _reply(self, to: Packet, flags: int, data: bytes = b"") -> None:
        self.send(Packet(to.protocol, to.dst, to.src, to.dst_port, to.src_port, flags, data))

    def converse(self, source: Callable[[Address], Address], attempt: dict[str, Any]) -> dict[str, Any]:
        """One conversation, as in `labs.conversation`. `source`: the own address from which another is spoken to."""
        to = ip_address(attempt["ip"])
        protocol, said = (UDP if attempt["udp"] else TCP), bytes.fromhex(attempt["say"])
        port = attempt["source_port"] or next(self._ports)
        own = self._began[protocol, port] = _Own()

        def tell(flags: int, data: bytes = b"") -> None:
            self.send(Packet(protocol, source(to), to, port, attempt["port"], flags, data))

        if protocol == UDP:
            tell(0, said)
            opened = True
        else:
            tell(SYN)
            opened = own.opened
            if opened:
                tell(ACK)
                for at in range(0, len(said), PIECE):
                    tell(ACK, said[at : at + PIECE])
                tell(FIN | ACK)
        del self._began[protocol, port]
        exchanged = bool(said) and own.answer == hashlib.sha256(said).digest()
        if not opened:
            word = "refused" if own.refused else "silent"
        else:
            word = "open" if exchanged or not said else "broken"
        return {"opened": word, "exchanged": exchanged, "source_port": port}
