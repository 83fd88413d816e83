"""Real TCP conversations between a lab's hosts: the listener answers what it was sent with its SHA-256."""

from __future__ import annotations

import hashlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

PIECE = 65536
LISTENER_PATIENCE = 30.0


def serve_tcp(port: int) -> None:
    """Listen on every address of this host, IPv4 and IPv6, and answer in the background until the process ends."""
    listener = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    threading.Thread(target=_accept, args=(listener,), daemon=True).start()


def _accept(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_answer, args=(connection,), daemon=True).start()


def _answer(connection: socket.socket) -> None:
    """Nobody hears of a peer that breaks off: the side that opened the connection sees that it got no answer."""
    with connection:
        connection.settimeout(LISTENER_PATIENCE)
        try:
            connection.sendall(hashlib.sha256(_read_all(connection)).digest())
        except OSError:
            return


def _read_all(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(PIECE):
        pieces.append(piece)
    return b"".join(pieces)


def converse(attempts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Open all these connections at once and say over each what it has to say. An attempt is {ip, port, source_port (0: any),
    say (hex), patience (seconds)}; a result is {opened: word, exchanged: bool, source_port}. Words: open, refused, silent, broken."""
    with ThreadPoolExecutor(max_workers=len(attempts) or 1) as pool:
        return list(pool.map(_converse, attempts))


def _converse(attempt: dict[str, Any]) -> dict[str, Any]:
    said = bytes.fromhex(attempt["say"])
    family = socket.AF_INET6 if ":" in attempt["ip"] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(attempt["patience"])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", attempt["source_port"]))
        opened, exchanged = "silent", False
        try:
            sock.connect((attempt["ip"], attempt["port"]))
            opened = "open"
            if said:
                sock.sendall(said)
                sock.shutdown(socket.SHUT_WR)
                exchanged = _read_all(sock) == hashlib.sha256(said).digest()
        except ConnectionRefusedError:
            opened = "refused"
        except OSError:
            opened = "broken" if opened == "open" else "silent"
        return {"opened": opened, "exchanged": exchanged, "source_port": sock.getsockname()[1]}
