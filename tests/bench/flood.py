"""Runs inside a host: frames from many made-up MACs and ports, about 2,000 a second, until it is ended.

python -P -m tests.bench.flood INTERFACE"""

from __future__ import annotations

import os
import sys
import time
from ipaddress import IPv4Address

from labs.agent import packet_socket
from labs.octets import udp4

SENDERS = 5_000
AT_ONCE, EVERY = 20, 0.01


def main(interface: str) -> None:
    sock = packet_socket(interface)
    frames = [
        udp4((f"02:f1:00:00:{n >> 8:02x}:{n & 255:02x}", "02:f1:ff:00:00:01"), _ends(n), os.urandom(16))
        for n in range(SENDERS)
    ]
    sent = 0
    while True:
        for _ in range(AT_ONCE):
            sock.send(frames[sent % SENDERS])
            sent += 1
        time.sleep(EVERY)


def _ends(number: int) -> tuple[IPv4Address, IPv4Address]:
    return IPv4Address(0x0A3C8000 + number), IPv4Address(0x0A3CFFFE)


if __name__ == "__main__":
    main(sys.argv[1])
