"""Counting tagged frames and TCP's opening frames at one interface, in both directions."""

from __future__ import annotations

import socket
import struct
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labs.frames import PHASES, find_tag

ETH_P_ALL = 3
SOL_PACKET, PACKET_STATISTICS = 263, 6
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35
OUTGOING = 4
BUFFER = 32 << 20
TCP, SYN, ACK = 6, 0x02, 0x10


@dataclass
class Seen:
    """Distinct frames of one flow in one phase, each with when it was there first (seconds since the epoch); and when the first and the
    last of all were."""

    sequences: dict[int, float] = field(default_factory=dict)
    first: float = 0.0
    last: float = 0.0

    def add(self, sequence: int, at: float) -> None:
        self.first = self.first or at
        self.last = at
        self.sequences.setdefault(sequence, at)


def _tcp_header(frame: bytes) -> int | None:
    """Where it begins; None where there is none."""
    if frame[12:14] == b"\x08\x00" and frame[23] == TCP:
        return 14 + (frame[14] & 0x0F) * 4
    return 54 if frame[12:14] == b"\x86\xdd" and frame[20] == TCP else None


class Sniffer:
    def __init__(self, interface: str, nonce: bytes) -> None:
        self._interface, self._nonce = interface, nonce
        self._tagged: dict[tuple[str, int, int], Seen] = {}
        self._opened: set[tuple[str, int, int]] = set()
        self._dropped = 0
        self._lock = threading.Lock()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.bind((interface, ETH_P_ALL))
        self._tx_dropped_before = self._tx_dropped()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def counts(self) -> dict[str, Any]:
        """What was seen since the start, and how many frames this sniffer or the interface lost: those spoil a count.
        Raises OSError when the sniffer has ended, as it does when the interface goes down: silence would be its own."""
        if not self._thread.is_alive():
            raise OSError(f"nobody has watched {self._interface} for a while")
        with self._lock:
            return {
                "tagged": [
                    [way, PHASES[phase], flow, len(seen.sequences), seen.first, seen.last]
                    for (way, phase, flow), seen in self._tagged.items()
                ],
                "opened": sorted(self._opened),
                "lost": self._missed() + self._tx_dropped() - self._tx_dropped_before,
            }

    def plugged_in(self) -> None:
        """The cable was out until now: what the interface could not send meanwhile is not lost to any count."""
        with self._lock:
            self._tx_dropped_before = self._tx_dropped()

    def passages(self, flow: int, way: str, since: float, until: float) -> list[tuple[int, float]]:
        """The frames of a flow that were there in this time, of whatever phase: number and time, in the order of time."""
        with self._lock:
            found = [
                (number, at)
                for (how, _, which), seen in self._tagged.items()
                if (how, which) == (way, flow)
                for number, at in seen.sequences.items()
                if since <= at <= until
            ]
        return sorted(found, key=lambda passage: passage[1])

    def _run(self) -> None:
        while True:
            frame, ancillary, _flags, address = self._socket.recvmsg(2048, 64)
            way = "out" if address[2] == OUTGOING else "in"
            seconds, nanoseconds = struct.unpack("=qq", ancillary[0][2][:16])
            with self._lock:
                self._note(way, frame, seconds + nanoseconds / 1e9)

    def _note(self, way: str, frame: bytes, at: float) -> None:
        if tag := find_tag(self._nonce, frame):
            self._tagged.setdefault((way, PHASES.index(tag.phase), tag.flow), Seen()).add(tag.sequence, at)
        elif (start := _tcp_header(frame)) is not None:
            source, destination = struct.unpack_from("!HH", frame, start)
            if frame[start + 13] & (SYN | ACK) == SYN:
                self._opened.add((way, source, destination))

    def _missed(self) -> int:
        """Reading the kernel's statistics resets them."""
        _packets, dropped = struct.unpack("II", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        self._dropped += dropped
        return self._dropped

    def _tx_dropped(self) -> int:
        lines = Path("/proc/net/dev").read_text().splitlines()
        mine = next(line.split(":")[1].split() for line in lines if line.strip().startswith(f"{self._interface}:"))
        return int(mine[11])
