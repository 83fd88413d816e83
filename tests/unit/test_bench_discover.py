"""The benchmark of reading a capture works. What it measures of two thousand packets means nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from controller.discovery.alarms import Known
from controller.discovery.capture import from_file
from controller.discovery.listener import Listener
from tests.bench.discover import READERS, write_capture


def test_it_reads_its_capture_with_every_reader() -> None:
    words = [sys.executable, "-m", "tests.bench.discover", "--smoke"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    head, _, *rows = done.stdout.splitlines()
    assert "packets a second" in head
    assert [row.split("|")[1].strip() for row in rows] == list(READERS)
    assert {row.split("|")[2].strip() for row in rows} == {"2,000"}, "each read all of them"


def test_what_it_reads_tells_of_devices(tmp_path: Path) -> None:
    """Else it would be the speed of reading nothing."""
    path = tmp_path / "capture.pcap"
    write_capture(path, 2_000, seed=1)
    listener = Listener(Known())
    for frame, at in from_file(path):
        listener.hear(frame, at)
    assert (listener.frames, listener.unreadable) == (2_000, 0)
    assert {one.looks.role for one in listener.devices()} >= {"printer", "file-server"}
