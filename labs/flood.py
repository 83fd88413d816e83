"""A flood from one host: frames of invented senders, as many a second as asked for. Runs inside a lab's host, as part of its agent."""

from __future__ import annotations

import secrets
import socket
import struct
import threading
import time

BATCH = 20
ARP_REQUEST = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)


class Flood:
    """By turns an ARP request to everyone from an invented MAC and IP, and a frame from an invented MAC to `target` (a MAC)."""

    def __init__(self, sock: socket.socket, target: str, per_second: float) -> None:
        self._socket, self._target = sock, bytes.fromhex(target.replace(":", ""))
        self._pause = BATCH / per_second
        self._over = threading.Event()
        self.sent = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """How many frames left in all."""
        self._over.set()
        self._thread.join()
        return self.sent

    def _run(self) -> None:
        due = time.monotonic()
        while not self._over.is_set():
            for turn in range(BATCH):
                self._socket.send(invented(self._target, arp=turn % 2 == 0))
                self.sent += 1
            due = max(due + self._pause, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))


def invented(target: bytes, *, arp: bool) -> bytes:
    """One frame of a sender that there is not: a locally administered unicast MAC."""
    mac = b"\x06" + secrets.token_bytes(5)
    if not arp:
        return (target + mac + b"\x88\xb5").ljust(60, b"\0")
    asked = b"\x0a" + secrets.token_bytes(3)
    return (b"\xff" * 6 + mac + b"\x08\x06" + ARP_REQUEST + mac + asked + bytes(6) + asked).ljust(60, b"\0")
