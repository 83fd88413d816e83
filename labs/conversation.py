"""Real conversations between a lab's hosts, over TCP and UDP: who listens answers what it was sent with its SHA-256."""

from __future__ import annotations

import hashlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

PIECE = 65536
LISTENER_PATIENCE = 30.0
AT_ONCE = 24
"""Conversations that one host has at a time: hundreds that begin in the same moment overflow the buffers of the switch's port."""


def serve_tcp(port: int) -> None:
    """Listen on every address of this host, IPv4 and IPv6, and answer in the background until the process ends."""
    listener = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    threading.Thread(target=_accept, args=(listener,), daemon=True).start()


def serve_udp(port: int) -> None:
    """As `serve_tcp`; each datagram is a request."""
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("", port))
    threading.Thread(target=_answer_datagrams, args=(sock,), daemon=True).start()


def _answer_datagrams(sock: socket.socket) -> None:
    while True:
        said, peer = sock.recvfrom(PIECE)
        try:
            sock.sendto(hashlib.sha256(said).digest(), peer)
        except OSError:
            continue  # the peer is out of reach: it sees that it got no answer


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
    """Have these conversations, AT_ONCE at a time, and say over each what it has to say. An attempt is {ip, port, udp (bool), source_port
    (0: any), say (hex), patience (seconds)}; a result is {opened: word, exchanged: bool, source_port}. Words: open, refused, silent,
    broken."""
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return list(pool.map(_converse, attempts))


def _converse(attempt: dict[str, Any]) -> dict[str, Any]:
    said = bytes.fromhex(attempt["say"])
    family = socket.AF_INET6 if ":" in attempt["ip"] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM if attempt["udp"] else socket.SOCK_STREAM) as sock:
        sock.settimeout(attempt["patience"])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", attempt["source_port"]))
        opened, exchanged = "silent", False
        try:
            sock.connect((attempt["ip"], attempt["port"]))
            opened = "open"
            if said:
                answer = _ask(sock, said) if attempt["udp"] else _exchange(sock, said)
                exchanged = answer == hashlib.sha256(said).digest()
        except ConnectionRefusedError:
            opened = "refused"
        except OSError:
            opened = "broken" if opened == "open" else "silent"
        return {"opened": opened, "exchanged": exchanged, "source_port": sock.getsockname()[1]}


def _exchange(sock: socket.socket, said: bytes) -> bytes:
    sock.sendall(said)
    sock.shutdown(socket.SHUT_WR)
    return _read_all(sock)


def _ask(sock: socket.socket, said: bytes) -> bytes:
    sock.send(said)
    return sock.recv(PIECE)
