"""Raw frames into and out of hosts that live in network namespaces, with sockets in this very process."""

from __future__ import annotations

import ctypes
import itertools
import os
import select
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.contract.bench import SERVICE, Station, Traffic

ALL_FRAMES = socket.htons(3)
NEW_NET = 0x40000000  # CLONE_NEWNET
TICK = b"\x88\xb5"
PATIENCE = 10.0
SECOND_LOOK = 0.005  # seconds


def _socket_in(pid: int, interface: str) -> socket.socket:
    """A packet socket on an interface in the network namespace of a process. A thread of its own goes there, and does not come back."""
    made: list[socket.socket] = []

    def make() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/proc/{pid}/ns/net") as namespace:
            if libc.setns(namespace.fileno(), NEW_NET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        made.append(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, ALL_FRAMES))
        made[0].bind((interface, 0))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    made[0].setblocking(False)
    return made[0]


@dataclass(frozen=True, slots=True)
class Packet:
    """An IPv4 packet by its protocol's number, or an ARP request (None). Ports are those of TCP and UDP; `established` sets ACK."""

    protocol: int | None
    src_port: int = 0
    dst_port: int = 0
    established: bool = False


ASKED = {Traffic.ARP: Packet(None), Traffic.PING: Packet(1), Traffic.TCP: Packet(6, 40000, SERVICE)}


class Wires:
    """The hosts' ends of the wires, by host number. The last two hosts are nobody's: frames between them tell when a switch that
    takes frames in turn has come to those that were sent before."""

    def __init__(self, hosts: list[Any]) -> None:
        self._sockets = {number: _socket_in(host.pid, str(host.defaultIntf())) for number, host in enumerate(hosts, 1)}
        self._tokens = (struct.pack("!4sIQ", b"wire", os.getpid(), number) for number in itertools.count())

    def close(self) -> None:
        for end in self._sockets.values():
            end.close()

    def delivers(self, src: Station, dst: Station, traffic: Traffic) -> bool:
        """Whether a frame comes out at `dst`; a marker in it tells it from all others."""
        return self.carries(src, dst, ASKED[traffic])

    def carries(self, src: Station, dst: Station, packet: Packet) -> bool:
        """The same for any packet."""
        source, target, token = _number(src), _number(dst), next(self._tokens)
        self._frames(target)
        self._sockets[source].send(_frame(src, dst, packet, token))
        for _ in range(2):
            self.tick()
            if any(token in frame for frame in self._frames(target)):
                return True
        return self._comes(target, token, SECOND_LOOK)

    def tick(self) -> None:
        """Returns when the switch has passed on a frame that was sent now."""
        source, target, token = len(self._sockets) - 1, len(self._sockets), next(self._tokens)
        macs = b"".join(bytes([2, 0, 0, 0, 0, number]) for number in (target, source))
        self._sockets[source].send((macs + TICK + token).ljust(60, b"\0"))
        assert self._comes(target, token, PATIENCE), "frames do not flow between hosts that no rule speaks of"

    def _comes(self, number: int, token: bytes, patience: float) -> bool:
        ends = time.monotonic() + patience
        while (left := ends - time.monotonic()) > 0:
            select.select([self._sockets[number]], [], [], left)
            if any(token in frame for frame in self._frames(number)):
                return True
        return False

    def _frames(self, number: int) -> list[bytes]:
        """Those that came in since the last time."""
        frames: list[bytes] = []
        with suppress(BlockingIOError):
            while True:
                frame, (_, _, kind, *_) = self._sockets[number].recvfrom(2048)
                frames += [frame] if kind != socket.PACKET_OUTGOING else []
        return frames


def _number(station: Station) -> int:
    return int(station.ip) & 0xFF


def _frame(src: Station, dst: Station, packet: Packet, token: bytes) -> bytes:
    """Without checksums: a host's own stack throws it away, and answers nothing."""
    source, target = (bytes.fromhex(station.mac.replace(":", "")) for station in (src, dst))
    number = packet.protocol
    if number is None:
        asked = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + source + src.ip.packed + bytes(6) + dst.ip.packed
        return (b"\xff" * 6 + source + b"\x08\x06" + asked + token).ljust(60, b"\0")
    ports = struct.pack("!HH", packet.src_port, packet.dst_port)
    flags = 0x10 if packet.established else 0x02
    data = {
        1: struct.pack("!BBHHH", 8, 0, 0, 1, 1),
        6: ports + struct.pack("!IIBBHHH", 1, 0, 5 << 4, flags, 1024, 0, 0),
        17: ports + struct.pack("!HH", 8 + len(token), 0),
    }[number]
    length = 20 + len(data) + len(token)
    header = struct.pack("!BBHHHBBH", 0x45, 0, length, 0, 0, 64, number, 0) + src.ip.packed + dst.ip.packed
    return (target + source + b"\x08\x00" + header + data + token).ljust(60, b"\0")
