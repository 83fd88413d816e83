"""The evaluator's verdicts and those of real packets are the same: random networks, random plans. `python -m tests.reality` runs as many
as one likes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.reality.evaluator import inversions
from tests.reality.run import compare, in_words

pytestmark = pytest.mark.mininet
CASES, MOST, TRIALS = 40, 160, 50


async def test_packets_do_what_the_evaluator_says(tmp_path: Path) -> None:
    """Another network each day; NETCORDON_SEED repeats one. Every kind of rule occurs, and were the evaluator to take any of them for its
    opposite, some packet would contradict it."""
    seed = int(os.environ.get("NETCORDON_SEED", time.time() // 86400))
    record = await compare(seed, CASES, TRIALS, tmp_path, most=MOST)
    assert not record.wrong, f"NETCORDON_SEED={seed}: " + "\n".join(in_words(*one) for one in record.wrong)
    assert 0.2 <= record.blocked <= 0.8, f"NETCORDON_SEED={seed}: {record.blocked:.0%} of the verdicts are `blocked`"
    assert record.kinds >= set(inversions()), f"NETCORDON_SEED={seed}"
    assert not record.unnoticed(), f"NETCORDON_SEED={seed}: these could be anything: {record.unnoticed()}"
