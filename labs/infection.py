"""What spreads in the lab `worm`: a host that takes a copy from whoever brings one over TCP 445, and then brings it to others. Part of a
host's agent.

It is a real conversation over real TCP and does what a worm does to a network, and nothing else: the copy is random octets, nothing of it
is ever run or written, nobody is spoken to but the addresses that the lab names, and outside a network namespace of its own it refuses to
start. The pace is kind to the worm: `AT_ONCE` hosts at a time, and a copy takes `PIECES` pieces with `PAUSE` between them, about a second.
An exploit over SMB and then a program of 3.7 MB, as WannaCry brought (Cylance, "Threat Spotlight: Inside the WannaCry Attack", 2017), take
longer.
"""

from __future__ import annotations

import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

PORT = 445
PIECES, PIECE, PAUSE = 10, 8192, 0.1
AT_ONCE = 6
PATIENCE = 1.0
REST = 0.25
"""Seconds that a thread of it waits after each host, whatever came of that."""
GREETING = b"lab-worm"
TAKES_IT, HAS_IT, MORE = b"\x00", b"\x01", b"\x02"


class Infection:
    """One host's part. `nonce`: 4 octets that this run's copies begin with; any other is not taken."""

    def __init__(self, nonce: bytes) -> None:
        self._greeting = GREETING + nonce
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._at: float | None = None
        self._by = ""
        self._tried = 0
        self._spread: list[str] = []
        self._targets: Sequence[str] = ()
        self._threads: list[threading.Thread] = []
        self._immune = False

    def vulnerable(self, targets: Sequence[str]) -> None:
        """From now on it takes what comes, and would bring it to these addresses. Raises ValueError outside a namespace of its own."""
        _in_a_lab()
        self._targets = targets
        listener = socket.create_server(("", PORT), backlog=64)
        threading.Thread(target=self._listen, args=(listener,), daemon=True).start()

    def fall_ill(self, by: str = "") -> None:
        """It has the worm, and brings it to others until it is healed. Raises ValueError outside a namespace of its own."""
        _in_a_lab()
        with self._lock:
            if self._at is not None or self._immune:
                return
            self._at, self._by = time.time(), by
            self._threads = [threading.Thread(target=self._spread_it, daemon=True) for _ in range(AT_ONCE)]
        for thread in self._threads:
            thread.start()

    def health(self) -> dict[str, Any]:
        """`at`: since when it is ill (seconds since the epoch; None: it is not); `by`: who brought it; `tried`: connections since;
        `spread`: who took a copy of it."""
        with self._lock:
            return {"at": self._at, "by": self._by, "tried": self._tried, "spread": list(self._spread)}

    def heal(self) -> None:
        """It is well, and stays so until `forget`, whoever brings another copy. Nothing of it leaves after this returns."""
        with self._lock:
            self._immune = True
        self._over.set()
        for thread in self._threads:
            thread.join()
        with self._lock:
            self._at, self._by, self._tried, self._spread, self._threads = None, "", 0, [], []

    def forget(self) -> None:
        """It may fall ill again. To be told once everybody is healed: else one that is not yet brings it back."""
        self._over.clear()
        with self._lock:
            self._immune = False

    def _listen(self, listener: socket.socket) -> None:
        while True:
            connection, peer = listener.accept()
            threading.Thread(target=self._meet, args=(connection, peer[0]), daemon=True).start()

    def _meet(self, connection: socket.socket, peer: str) -> None:
        """Whoever breaks off has brought nothing."""
        with connection:
            connection.settimeout(PATIENCE)
            try:
                if take(connection, self._greeting, has_it=self.health()["at"] is not None):
                    self.fall_ill(peer)
            except OSError:
                return

    def _spread_it(self) -> None:
        while not self._over.is_set():
            for target in random.sample(self._targets, len(self._targets)):
                if self._over.wait(REST):
                    return
                with self._lock:
                    self._tried += 1
                if bring(target, self._greeting, self._over):
                    with self._lock:
                        self._spread.append(target)


def take(connection: socket.socket, greeting: bytes, *, has_it: bool) -> bool:
    """Whether the peer greeted as a copy does and brought all of one. Raises OSError where it fell silent."""
    if _read(connection, len(greeting)) != greeting:
        return False
    connection.sendall(HAS_IT if has_it else TAKES_IT)
    if has_it:
        return False
    for _ in range(PIECES):
        if len(_read(connection, PIECE)) != PIECE:
            return False
        connection.sendall(MORE)
    return True


def bring(address: str, greeting: bytes, over: threading.Event, port: int = PORT) -> bool:
    """Whether the host there took a whole copy. `over`: break off."""
    try:
        with socket.create_connection((address, port), PATIENCE) as connection:
            connection.sendall(greeting)
            if connection.recv(1) != TAKES_IT:
                return False
            for _ in range(PIECES):
                if over.wait(PAUSE):
                    return False
                connection.sendall(secrets.token_bytes(PIECE))
                if connection.recv(1) != MORE:
                    return False
            return True
    except OSError:
        return False


def _read(connection: socket.socket, octets: int) -> bytes:
    """So many, or fewer where the peer ended before."""
    found = b""
    while len(found) < octets and (piece := connection.recv(octets - len(found))):
        found += piece
    return found


def _in_a_lab() -> None:
    """Raises ValueError where this process shares the network with the machine, or nobody can tell."""
    try:
        own, machine = (os.readlink(f"/proc/{pid}/ns/net") for pid in ("self", "1"))
    except OSError as error:
        raise ValueError(f"nobody can tell whether this is a network namespace of a lab's: {error}") from error
    if own == machine:
        raise ValueError("not in a network namespace of a lab's: nothing spreads here")
