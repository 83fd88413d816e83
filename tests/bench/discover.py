"""How fast a capture is read: `netcordon discover` beside Scapy's bare readers, on one made-up capture.

python -m tests.bench.discover [--packets NUMBER | --short | --smoke] [--seed NUMBER]

Each reader is a process of its own, whose peak memory is its own too. PcapReader reads the first twenty thousand packets.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dns import DNS, DNSRR
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether

DEVICES = 2_000
_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
_SHARES = {"data": 90, "arp": 4, "syn-ack": 2, "hello": 1, "mdns": 1, "dns": 1, "dhcp": 1}
READERS = ("RawPcapReader", "discover", "PcapReader")
DISSECTED = 20_000
"""Packets that PcapReader is given: it dissects each, which takes a millisecond or two."""


def write_capture(path: Path, packets: int, seed: int) -> None:
    """An office's day in small: data mostly, each kind of announcement in its share, from `DEVICES` devices."""
    chance = random.Random(seed)
    kinds = chance.choices(list(_SHARES), list(_SHARES.values()), k=packets)
    made = {kind: [_frame(kind, number) for number in range(DEVICES)] for kind in _SHARES}
    with path.open("wb") as out:
        out.write(_HEADER)
        for number, kind in enumerate(kinds):
            frame = chance.choice(made[kind])
            if kind == "dhcp":  # each transaction has an id of its own, so that none is known from before
                frame = frame[:46] + struct.pack("!I", number) + frame[50:]
            second, part = divmod(number, 10_000)
            out.write(struct.pack("<IIII", 1_790_000_000 + second, part * 100, len(frame), len(frame)) + frame)


def _frame(kind: str, number: int) -> bytes:
    mac, ip = f"00:15:5d:00:{number >> 8:02x}:{number & 255:02x}", f"10.0.{number >> 8}.{number & 255}"
    head = Ether(src=mac, dst="00:00:0c:00:00:01") / IP(src=ip, dst="10.9.0.1")
    if kind == "arp":
        return bytes(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=mac, psrc=ip, pdst="10.9.0.1"))
    if kind == "syn-ack":
        return bytes(head / TCP(sport=(22, 80, 443, 445)[number % 4], dport=50000, flags="SA"))
    if kind == "mdns":
        record = DNSRR(rrname="_ipp._tcp.local.", type="PTR", rdata=f"p{number}._ipp._tcp.local.")
        return bytes(head / UDP(sport=5353, dport=5353) / DNS(qr=1, an=[record]))
    if kind == "dns":
        return bytes(head / UDP(sport=50000, dport=53) / DNS(rd=1))
    if kind == "dhcp":
        asked = [("message-type", "request"), ("hostname", f"pc-{number}".encode()), "end"]
        return bytes(head / UDP(sport=68, dport=67) / BOOTP(op=1) / DHCP(options=asked))
    payload = b"\x16\x03\x01\x00\x80\x01" + bytes(122) if kind == "hello" else bytes(range(256)) * 2
    return bytes(head / TCP(sport=50000, dport=443, flags="PA") / payload)


def _read(reader: str, path: Path) -> int:
    if reader == "discover":
        from controller.discovery.alarms import Known
        from controller.discovery.capture import from_file
        from controller.discovery.listener import Listener

        listener = Listener(Known())
        for frame, at in from_file(path):
            listener.hear(frame, at)
        return listener.frames
    from scapy import utils

    with getattr(utils, reader)(str(path)) as packets:
        return sum(1 for _ in (packets if reader == "RawPcapReader" else islice(packets, DISSECTED)))


def measure(path: Path, reader: str) -> dict[str, float]:
    """Of one reader, in a process of its own: packets, seconds, and its peak memory in MiB."""
    words = [sys.executable, "-m", "tests.bench.discover", "--read", reader, "--capture", str(path)]
    found: dict[str, float] = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    return found


def _rows(path: Path) -> Iterator[str]:
    base = None
    for reader in READERS:
        one = measure(path, reader)
        rate = one["packets"] / one["seconds"]
        base = base or rate
        yield f"| {reader} | {one['packets']:,.0f} | {rate:,.0f} | {base / rate:.2f} × | {one['peak']:.0f} |"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--packets", type=int, default=1_000_000)
    options.add_argument("--short", dest="packets", action="store_const", const=100_000)
    options.add_argument("--smoke", dest="packets", action="store_const", const=2_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--read", choices=READERS)
    options.add_argument("--capture", type=Path)
    given = options.parse_args()
    if given.read:
        began = time.perf_counter()
        packets = _read(given.read, given.capture)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"packets": packets, "seconds": time.perf_counter() - began, "peak": peak}))  # noqa: T201
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "capture.pcap"
        write_capture(path, given.packets, given.seed)
        print("| reader | packets | packets a second | time, of RawPcapReader | peak MiB |\n|---|---|---|---|---|")  # noqa: T201
        for row in _rows(path):
            print(row, flush=True)  # noqa: T201 (the table is what this program is for)
    return 0


if __name__ == "__main__":
    sys.exit(main())
