"""A DHCP server and a DHCP client, as programs of their own on hosts of a test network (RFC 2131, as much as a lease needs).

The client is unattended: it watches its link and nothing else, asks for an address whenever the link comes up, and drops it when the link
goes down or nobody answers. Nobody tells it that its port was moved.

    python -m labs.dhcp serve INTERFACE SERVER-IP FIRST-IP
    python -m labs.dhcp watch INTERFACE
    python -m labs.dhcp ask INTERFACE TIMES         (prints each lease, and takes none)
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import sys
import time
from ipaddress import IPv4Address, IPv4Interface

COOKIE = b"\x63\x82\x53\x63"
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5
MASK, LEASE, KIND, SERVER, ASKED, END = 1, 51, 53, 54, 50, 255
SIOCGIFFLAGS, SIOCGIFHWADDR, IFF_RUNNING = 0x8913, 0x8927, 0x40
LOOK, ANSWER, PATIENT, AGAIN = 0.05, 0.5, 5.0, 0.2
"""Seconds between looks at the link, for an answer, for one where silence counts, and until the next try."""
SERVING = "serving"
"""What the server says once it listens."""


def message(reply: bool, mark: int, mac: bytes, given: IPv4Address, options: dict[int, bytes]) -> bytes:
    fixed = struct.pack(
        "!BBBBIHH4s4s4s4s", 1 + reply, 1, 6, 0, mark, 0, 0x8000, bytes(4), given.packed, bytes(4), bytes(4)
    )
    told = b"".join(bytes([code, len(value)]) + value for code, value in options.items())
    return fixed + mac.ljust(16, b"\0") + bytes(192) + COOKIE + told + bytes([END])


def read(data: bytes) -> tuple[int, bytes, IPv4Address, dict[int, bytes]]:
    """Mark, MAC, given address and options; ValueError for what is no DHCP message."""
    if len(data) < 240 or data[236:240] != COOKIE:
        raise ValueError("no DHCP message")
    options: dict[int, bytes] = {}
    at = 240
    while at + 1 < len(data) and data[at] != END:
        options[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return int.from_bytes(data[4:8], "big"), data[28:34], IPv4Address(data[16:20]), options


def _socket(interface: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    made.bind(("", port))
    return made


def serve(interface: str, own: IPv4Address, first: IPv4Address) -> None:
    """For ever. A MAC gets the same address each time."""
    wire, leases = _socket(interface, 67), dict[bytes, IPv4Address]()
    sys.stdout.write(f"{SERVING}\n")
    sys.stdout.flush()
    while True:
        try:
            mark, mac, _, asked = read(wire.recv(2048))
        except ValueError:
            continue
        kind = {DISCOVER: OFFER, REQUEST: ACK}.get(asked.get(KIND, b"\0")[0])
        given = leases.setdefault(mac, first + len(leases))
        if kind is None or (kind == ACK and asked.get(ASKED) != given.packed):
            continue
        options = {KIND: bytes([kind]), SERVER: own.packed, LEASE: (3600).to_bytes(4, "big"), MASK: b"\xff\xff\xff\0"}
        wire.sendto(message(True, mark, mac, given, options), ("255.255.255.255", 68))


def watch(interface: str) -> None:
    """For ever."""
    wire, held = _socket(interface, 68), False
    mac = fcntl.ioctl(wire, SIOCGIFHWADDR, struct.pack("256s", interface.encode()))[18:24]
    while True:
        up = bool(_flags(wire, interface) & IFF_RUNNING)
        if not up and held:
            _address(interface, "flush")
            held = False
        if up and not held:
            lease = _lease(wire, mac)
            if lease is not None:
                _address(interface, "replace", str(lease))
                held = True
            else:
                time.sleep(AGAIN)
        time.sleep(LOOK)


def ask(interface: str, times: int) -> None:
    """An address in each line, "" where nobody gave one. The host's own stays."""
    wire = _socket(interface, 68)
    mac = fcntl.ioctl(wire, SIOCGIFHWADDR, struct.pack("256s", interface.encode()))[18:24]
    for _ in range(times):
        lease = _lease(wire, mac, PATIENT)
        sys.stdout.write(f"{lease.ip if lease else ''}\n")


def _flags(wire: socket.socket, interface: str) -> int:
    answer = fcntl.ioctl(wire, SIOCGIFFLAGS, struct.pack("256s", interface.encode()))
    return int(struct.unpack_from("H", answer, 16)[0])


def _lease(wire: socket.socket, mac: bytes, patience: float = ANSWER) -> IPv4Interface | None:
    mark = int.from_bytes(os.urandom(4), "big")
    offer = _ask(wire, mark, message(False, mark, mac, IPv4Address(0), {KIND: bytes([DISCOVER])}), OFFER, patience)
    if offer is None:
        return None
    given, server = offer
    wanted = {KIND: bytes([REQUEST]), ASKED: given.packed, SERVER: server}
    taken = _ask(wire, mark, message(False, mark, mac, IPv4Address(0), wanted), ACK, patience)
    return None if taken is None else IPv4Interface(f"{taken[0]}/24")


def _ask(
    wire: socket.socket, mark: int, asking: bytes, wanted: int, patience: float
) -> tuple[IPv4Address, bytes] | None:
    ends = time.monotonic() + patience
    try:
        wire.sendto(asking, ("255.255.255.255", 67))
        while (left := ends - time.monotonic()) > 0:
            wire.settimeout(left)
            try:
                told, _, given, options = read(wire.recv(2048))
            except ValueError:
                continue
            if told == mark and options.get(KIND) == bytes([wanted]):
                return given, options.get(SERVER, b"")
    except OSError:  # the link is down, or nobody answered
        return None
    return None


def _address(interface: str, *words: str) -> None:
    subprocess.run(["ip", "-4", "address", *words, "dev", interface], check=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", at, server, first]:
            serve(at, IPv4Address(server), IPv4Address(first))
        case ["watch", at]:
            watch(at)
        case ["ask", at, times]:
            ask(at, int(times))
        case _:
            sys.exit(__doc__)
