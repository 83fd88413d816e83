"""The benchmark's programs work: a few trials of everything. What it measures means nothing here, and no time is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.spread import spread

pytestmark = pytest.mark.mininet
PATIENCE = 400


def test_a_few_trials_of_everything_behave_as_they_must_and_fill_the_report(tmp_path: Path) -> None:
    """The programs themselves see to it that a contained device's packets stop, that they flow again, and that no alert is lost."""
    report = tmp_path / "bench.json"
    words = [sys.executable, "-m", "tests.bench", "--smoke", "--json", str(report)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(report.read_text())
    ours = {one["situation"]: one for one in figures["summary"] if one["side"] == "Netcordon"}
    assert set(ours) == {"0 rules held", "during a flood", "100 rules held since a moment ago", "100 rules held"}
    for one in ours.values():
        assert one["last_packet_ms"]["number"] == 2
        assert {"located", "decided", "committed", "answered", "installed", "proven"} <= set(one["stages_ms"])
        assert one["stages_ms"]["committed"]["median"] < one["last_packet_ms"]["median"], (
            "it is durable before it is pushed"
        )
    theirs = [one for one in figures["summary"] if one["side"] == "rest_firewall"]
    assert len(theirs) == 3 or any("rest_firewall" in what for what in figures["missing"])
    assert figures["bulk"]["flows"] > 2 * figures["bulk"]["containments"]
    assert figures["accepted"]["alerts"] == 500
    assert figures["burst"]["alerts"] == 9
    for what in ("alert to last packet", "alert to proven", "bulk", "alerts accepted", "at once", "--help"):
        assert what in done.stdout


def test_ranks_are_figures_that_were_measured() -> None:
    found = spread([5.0, 1.0, 2.0, 4.0, 3.0])
    assert (found.median, found.p95, found.p99, found.number) == (3.0, 5.0, 5.0, 5)
    assert str(spread([1.0])) == "1.0 / 1.0 / 1.0"
    with pytest.raises(ValueError, match="nothing"):
        spread([])
