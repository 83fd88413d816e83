"""`python -m tests.reality --cases 500 --seed 1`: the evaluator against Mininet, on as many networks as it takes. Needs root."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.reality.run import Record, compare


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--cases", type=int, default=500)
    asked.add_argument("--each", type=int, default=50, help="cases on one network, before the next one is built")
    asked.add_argument("--trials", type=int, default=40, help="frames in each case")
    words = asked.parse_args()
    records: list[Record] = []
    while (left := words.cases - sum(len(record.cases) for record in records)) > 0:
        seed = words.seed + len(records)
        with tempfile.TemporaryDirectory() as folder:
            records.append(asyncio.run(compare(seed, min(left, words.each), words.trials, Path(folder), _say)))
        _say(in_a_line(records[-1]))
    wrong = sum(len(record.wrong) for record in records)
    cases, verdicts = (sum(len(r.cases) for r in records), sum(r.verdicts for r in records))
    _say(f"{cases} cases on {len(records)} networks, {verdicts} verdicts, {wrong} disagreements")
    return 1 if wrong else 0


def in_a_line(record: Record) -> str:
    return (
        f"seed {record.seed}: {len(record.cases)} cases, {record.verdicts} verdicts, {record.blocked:.0%} blocked, "
        f"{len(record.wrong)} disagreements, {record.old_decisions} right once old decisions were forgotten, "
        f"{len(record.refused)} plans that the driver refused"
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
