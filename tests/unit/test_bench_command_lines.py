"""The benchmark of configured switches works: one daemon, one virtual switch. What it measures means nothing here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_it_runs_and_fills_the_report(tmp_path: Path) -> None:
    report = tmp_path / "lines.json"
    words = [sys.executable, "-m", "tests.bench.command_lines", "--smoke", "--only", "eos", "--json", str(report)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(report.read_text())
    assert (found["kind"], found["containments"]) == ("eos", 5)
    assert all(found[name] > 0 for name in ("cold", "warm", "one", "many", "ratio"))
    assert "| eos |" in done.stdout
