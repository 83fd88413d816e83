"""The exit codes are what docs/exit-codes.md says."""

from __future__ import annotations

import re
from pathlib import Path

from controller.cli.exit_codes import ExitCode

DOCS = Path(__file__).parents[2] / "docs" / "exit-codes.md"


def test_the_table_is_the_enum() -> None:
    rows = re.findall(r"^\| (\d+) \| ([a-z-]+) \| (.+) \|$", DOCS.read_text(), re.MULTILINE)
    assert rows == [(str(code.value), code.name.lower().replace("_", "-"), code.meaning) for code in ExitCode]


def test_codes_are_distinct_and_leave_the_shells_alone() -> None:
    values = [code.value for code in ExitCode]
    assert len(set(values)) == len(values)
    assert all(0 <= value < 64 for value in values)
    assert (ExitCode.OK, ExitCode.ERROR, ExitCode.USAGE) == (0, 1, 2)
