"""The benchmark of the network's size works: two tiny campuses, every answer checked. What it measures means nothing here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.bench.synthetic import DEVICES_A_SWITCH, synthetic


def test_it_runs_and_fills_the_report(tmp_path: Path) -> None:
    report = tmp_path / "scale.json"
    words = [sys.executable, "-m", "tests.bench.scale", "--smoke", "--json", str(report)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(report.read_text())
    assert [one["switches"] for one in found] == [40, 80]
    assert [one["bindings"] for one in found] == [4000, 8000]
    assert {one["locate"]["number"] for one in found} == {40}
    for what in ("growth", "loaded", "memory", "minimum cut", "known edge port"):
        assert what in done.stdout


def test_a_network_is_the_same_for_the_same_seed_alone() -> None:
    one, again, other = synthetic(40, 1), synthetic(40, 1), synthetic(40, 2)
    assert one == again
    assert one.devices != other.devices
    assert len({device.mac for device in one.everybody}) == len(one.everybody) == 40 * DEVICES_A_SWITCH
