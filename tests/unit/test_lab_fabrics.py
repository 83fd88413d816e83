"""A whole lab, the real daemon included, on the model: by whoever runs the tests, with nothing of Mininet."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from labs.closet.acts import ACTS
from labs.drill.acts import DRILLS
from labs.installation import netcordon

PATIENCE = 240


def run(*arguments: str) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [netcordon(), "lab", "run", *arguments, "--fabric", "model", "--json"],
        env={**os.environ, "COLUMNS": "160"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, json.loads(done.stdout), done.stderr


def test_a_lab_passes_on_the_model() -> None:
    code, result, progress = run("rogue-host")
    assert (code, result["passed"], result["fabric"], result["outcome"]) == (0, True, "model", "proven"), progress
    assert result["through_after_proven"] == 0
    assert all(row["during"]["sent"] > 0 == row["during"]["received"] for row in result["must_stop"])
    assert all(0 < row["during"]["sent"] == row["during"]["received"] for row in result["must_flow"])


@pytest.mark.parametrize(
    "name", ["suricata-live", *ACTS, *(name for name, drill in DRILLS.items() if not drill.modelled)]
)
def test_what_the_model_cannot_carry_is_refused_with_the_reason(name: str) -> None:
    code, result, progress = run(name)
    assert (code, result["lab"], result["passed"], result["must_stop"]) == (3, name, False, [])
    assert "cannot be run on the model: " in result["error"]
    assert "--fabric mininet" in " ".join(progress.split())
