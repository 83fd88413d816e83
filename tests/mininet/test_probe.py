"""`netcordon discover --probe` on a real link: what it finds, that it stays in its range, and that it holds its rate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mininet

NAME = f"pr{os.getpid()}"
PROBER, TARGET = f"{NAME}-a", f"{NAME}-b"
RATE = 40

LISTEN = """
import socket
for port in (9100, 631):
    globals()[f"s{port}"] = socket.create_server(("", port))
seen = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
seen.bind(("eth0", 0))
print("ready", flush=True)
import time, sys
while True:
    frame, (_, _, kind, *_) = seen.recvfrom(2048)
    if kind != 4 and frame[6:12] == bytes.fromhex("020000000001"):
        print(time.time(), frame.hex(), flush=True)
"""


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr.strip()}"


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Path]:
    """Two hosts on a cable; the second is a printer, and writes down every frame of the first."""
    out = tmp_path / "heard"
    with ExitStack() as last:
        for host in (PROBER, TARGET):
            ip("netns", "add", host)
            last.callback(subprocess.run, ["ip", "netns", "del", host], capture_output=True, timeout=20, check=False)
        ip("-n", PROBER, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", TARGET)
        for number, host in ((1, PROBER), (2, TARGET)):
            ip("-n", host, "link", "set", "eth0", "address", f"02:00:00:00:00:{number:02x}")
            ip("-n", host, "addr", "add", f"10.0.0.{number}/24", "dev", "eth0")
            ip("-n", host, "link", "set", "eth0", "up")
        command = ["ip", "netns", "exec", TARGET, sys.executable, "-c", LISTEN]
        listening = subprocess.Popen(command, stdout=out.open("w"), text=True)
        deadline = time.monotonic() + 20
        while "ready" not in out.read_text():
            assert time.monotonic() < deadline, "the listener did not come up"
            time.sleep(0.05)
        last.callback(listening.wait, 10)
        last.callback(listening.kill)
        yield out


def discover(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from controller.cli.main import main; main()", "discover", "-i", "eth0"]
    wanted = ["ip", "netns", "exec", PROBER, *command, "--probe", "--json", "--config", str(config), *words]
    return subprocess.run(wanted, capture_output=True, text=True, timeout=60, check=False)


def frames(heard: Path) -> list[tuple[float, bytes]]:
    lines = [line.split() for line in heard.read_text().splitlines() if line != "ready"]
    return [(float(at), bytes.fromhex(frame)) for at, frame in lines]


def test_it_finds_who_answers_within_its_range_and_rate(heard: Path, tmp_path: Path) -> None:
    config = tmp_path / "netcordon.yaml"
    config.write_text(
        f"discovery: {{probe: {{ranges: [10.0.0.0/26], exclude: [10.0.0.32/27], rate: {RATE}, ports: [22, 631, 9100]}}}}\n"
    )
    refused = discover(config, "--within", "10.0.0.0/24")
    assert refused.returncode == 2
    assert "outside discovery.probe.ranges" in refused.stdout + refused.stderr
    assert not [frame for _, frame in frames(heard) if frame[12:14] == b"\x08\x06"], "and nothing was sent"
    done = discover(config)
    assert done.returncode == 0, done.stderr
    assert "34 questions were sent" in done.stderr
    asked = [(at, frame) for at, frame in frames(heard) if frame[12:14] in (b"\x08\x06", b"\x08\x00")]
    arp = Counter(
        ".".join(map(str, frame[38:42])) for _, frame in asked if frame[12:14] == b"\x08\x06" and frame[21] == 1
    )
    assert set(arp) >= {f"10.0.0.{n}" for n in range(2, 32)}
    assert set(arp) <= {f"10.0.0.{n}" for n in range(2, 32)}, "not one outside, or excluded"
    syns = [frame for _, frame in asked if frame[12:14] == b"\x08\x00" and frame[23] == 6 and frame[47] == 0x02]
    assert sorted(int.from_bytes(frame[36:38], "big") for frame in syns) == [22, 631, 9100]
    echoes = [frame for _, frame in asked if frame[12:14] == b"\x08\x00" and frame[23] == 1 and frame[34] == 8]
    arps = {frame[38:42]: at for at, frame in reversed(asked) if frame[12:14] == b"\x08\x06" and frame[21] == 1}
    assert (len(arps), len(echoes)) == (30, 1), (
        "one each; to reset what it was sent, the kernel asks on its own account"
    )
    ours = sorted([*arps.values(), *(at for at, frame in asked if frame in (*echoes, *syns))])
    assert len(ours) - 1 <= (ours[-1] - ours[0]) * RATE * 1.02, f"{len(ours)} in {ours[-1] - ours[0]:.3f} s"
    told: dict[str, Any] = json.loads(done.stdout)
    (found,) = [one for one in told["devices"] if one["mac"] == "02:00:00:00:00:02"]
    assert found["ips"] == ["10.0.0.2"]
    assert found["role"] == "printer"
    assert {one["value"] for one in found["said"]} == {"tcp/631", "tcp/9100"}, "22 is closed"
