"""What a lab run came to, and its JSON form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from labs.verdicts import Count, Row, passed

STAGES = (
    "alert_to_located",
    "alert_to_decided",
    "alert_to_committed",
    "alert_to_installed",
    "alert_to_last_packet",
    "alert_to_proven",
)


@dataclass(frozen=True)
class Result:
    """`stages_ms` has a value, or None, for each of STAGES. `differences` is empty exactly when `restored`. `error` says
    why a run ended early; it then has no rows. `logs` is where a run that did not pass left its logs."""

    lab: str
    topology: str
    seed: int | None
    outcome: str = "unknown"
    unproven: str = ""
    containment: str | None = None
    stages_ms: dict[str, float | None] = field(default_factory=lambda: dict.fromkeys(STAGES))
    release_to_first_packet_ms: float | None = None
    must_stop: Sequence[Row] = ()
    must_flow: Sequence[Row] = ()
    differences: Sequence[str] = ("the run ended before the state could be compared",)
    error: str | None = None
    logs: str | None = None

    def with_logs(self, folder: str) -> Result:
        return replace(self, logs=folder)

    @property
    def restored(self) -> bool:
        return not self.differences

    @property
    def passed(self) -> bool:
        return self.error is None and passed(self.outcome, self.must_stop, self.must_flow, restored=self.restored)

    def to_json(self) -> dict[str, Any]:
        return {
            "lab": self.lab,
            "passed": self.passed,
            "outcome": self.outcome,
            "unproven": self.unproven,
            "topology": self.topology,
            "seed": self.seed,
            "containment": self.containment,
            "stages_ms": self.stages_ms,
            "release_to_first_packet_ms": self.release_to_first_packet_ms,
            "must_stop": [_row(row) for row in self.must_stop],
            "must_flow": [_row(row) for row in self.must_flow],
            "restored": self.restored,
            "differences": list(self.differences),
            "error": self.error,
            "logs": self.logs,
        }


def _row(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "before": _count(row.before),
        "during": _count(row.during),
        "after": _count(row.after),
        "verdict": row.verdict.value,
    }


def _count(count: Count) -> dict[str, int]:
    numbers = {"sent": count.sent, "received": count.received}
    return numbers if count.exchanged is None else numbers | {"exchanged": count.exchanged}
