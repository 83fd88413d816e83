"""What runs inside a lab's host: it sends what it is told, answers TCP and UDP, and counts every tagged frame at the host's interface.

    python -P -m labs.agent INTERFACE NONCE        (NONCE: 8 hex digits)

One JSON object a line comes in, one goes out for each; at the end of its input the process ends, so that it cannot outlive
the lab. Counting is at the interface, by a packet socket: what the kernel would throw away is seen as well.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from labs.conversation import converse, serve_tcp, serve_udp
from labs.flood import Flood
from labs.infection import Infection
from labs.sniffer import Sniffer


class Stream:
    """One frame after another at a fixed pace, each with the next sequence number, until stopped."""

    def __init__(self, interface: str, template: bytes, at: int, gap: float) -> None:
        """`at`: where in `template` the tag's phase is; its sequence number follows 3 octets later."""
        self._socket = packet_socket(interface)
        self._frame, self._at, self._gap = bytearray(template), at, gap
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def set_phase(self, phase: int) -> None:
        self._frame[self._at] = phase

    def stop(self) -> None:
        """Nothing of it leaves after this returns."""
        self._stopped.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        sequence, due = 0, time.monotonic()
        while not self._stopped.is_set():
            self._frame[self._at + 3 : self._at + 7] = sequence.to_bytes(4, "big")
            with suppress(
                OSError
            ):  # the cable is out: what did not leave is not counted as sent, and it goes on afterwards
                self._socket.send(self._frame)
                sequence += 1
            due = max(due + self._gap, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))


class Agent:
    def __init__(self, interface: str, nonce: bytes) -> None:
        self._interface = interface
        self._socket = packet_socket(interface)
        self._sniffer = Sniffer(interface, nonce)
        self._streams: dict[str, Stream] = {}
        self._flood: Flood | None = None
        self._infection = Infection(nonce)
        self._discard = [_discard(family) for family in (socket.AF_INET, socket.AF_INET6)]
        self.commands: dict[str, Callable[..., Any]] = {
            "listen": self.listen,
            "send": self.send,
            "connect": self.connect,
            "stream": self.stream,
            "phase": self.phase,
            "stop": self.stop,
            "counts": self._sniffer.counts,
            "passages": self._sniffer.passages,
            "plugged_in": self._sniffer.plugged_in,
            "flood": self.flood,
            "end_flood": self.end_flood,
            "vulnerable": self._infection.vulnerable,
            "fall_ill": self._infection.fall_ill,
            "health": self._infection.health,
            "heal": self._infection.heal,
            "forget": self._infection.forget,
        }

    def listen(self, tcp: list[int], udp: list[int]) -> None:
        for port in tcp:
            serve_tcp(port)
        for port in udp:
            serve_udp(port)

    def send(self, frames: list[str], gap: float) -> None:
        for frame in frames:
            self._socket.send(bytes.fromhex(frame))
            time.sleep(gap)

    def connect(self, attempts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return converse(attempts)

    def stream(self, name: str, template: str, at: int, gap: float) -> None:
        self._streams[name] = Stream(self._interface, bytes.fromhex(template), at, gap)

    def phase(self, phase: int, names: list[str]) -> None:
        """These streams go on in this phase."""
        for name in names:
            self._streams[name].set_phase(phase)

    def flood(self, target: str, per_second: float) -> None:
        self._flood = Flood(packet_socket(self._interface), target, per_second)

    def end_flood(self) -> int:
        if self._flood is None:
            raise ValueError("there is no flood")
        return self._flood.stop()

    def stop(self, name: str) -> None:
        self._streams.pop(name).stop()


def packet_socket(interface: str) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((interface, 0))
    return sock


def _discard(family: socket.AddressFamily) -> socket.socket:
    """Somebody has the discard port, so that no ICMP error answers the lab's datagrams. Nobody reads it."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(("", 9))
    return sock


def main(interface: str, nonce: str) -> None:
    agent = Agent(interface, bytes.fromhex(nonce))
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"result": agent.commands[request["do"]](**request["with"])}
        except (OSError, KeyError, ValueError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
