"""Counting tagged frames and TCP's opening frames at one interface, in both directions."""

from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path
from typing import Any

from labs.ledger import Ledger

ETH_P_ALL = 3
SOL_PACKET, PACKET_STATISTICS = 263, 6
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35
OUTGOING = 4
BUFFER = 32 << 20


class Sniffer:
    def __init__(self, interface: str, nonce: bytes) -> None:
        self._interface, self._ledger = interface, Ledger(nonce)
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
            lost = self._missed() + self._tx_dropped() - self._tx_dropped_before
            return {**self._ledger.counts(), "lost": lost}

    def plugged_in(self) -> None:
        """The cable was out until now: what the interface could not send meanwhile is not lost to any count."""
        with self._lock:
            self._tx_dropped_before = self._tx_dropped()

    def passages(self, flow: int, way: str, since: float, until: float) -> list[tuple[int, float]]:
        """The frames of a flow that were there in this time, of whatever phase: number and time, in the order of time."""
        with self._lock:
            return self._ledger.passages(flow, way, since, until)

    def _run(self) -> None:
        while True:
            frame, ancillary, _flags, address = self._socket.recvmsg(2048, 64)
            way = "out" if address[2] == OUTGOING else "in"
            seconds, nanoseconds = struct.unpack("=qq", ancillary[0][2][:16])
            with self._lock:
                self._ledger.note(way, frame, seconds + nanoseconds / 1e9)

    def _missed(self) -> int:
        """Reading the kernel's statistics resets them."""
        _packets, dropped = struct.unpack("II", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        self._dropped += dropped
        return self._dropped

    def _tx_dropped(self) -> int:
        lines = Path("/proc/net/dev").read_text().splitlines()
        mine = next(line.split(":")[1].split() for line in lines if line.strip().startswith(f"{self._interface}:"))
        return int(mine[11])
