"""What a lab run came to, and its JSON form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from labs.verdicts import Count, Row, Verdict, passed

STAGES = (
    "alert_to_located",
    "alert_to_decided",
    "alert_to_committed",
    "alert_to_installed",
    "alert_to_last_packet",
    "alert_to_proven",
)


@dataclass(frozen=True)
class Happened:
    """What came of one incident. `through`: frames of the contained that got through (`through_by`: in which streams), the last of them
    `through_for_ms` after it began; `lost`: frames of the innocent streams; `longest_gap_ms`: between two arrivals in any of these;
    `held_again_ms`: until the controller had proven every case again, and `trails` by which outcomes, by case; `wrong`: what
    is not as it should be after that; `noted`: further figures of this kind of incident."""

    what: str
    through: int
    through_by: Mapping[str, int]
    through_for_ms: float | None
    lost: int
    longest_gap_ms: float
    held_again_ms: float | None
    trails: Mapping[str, Sequence[str]]
    wrong: Sequence[str]
    noted: Mapping[str, Any]
    verdict: Verdict


@dataclass(frozen=True)
class Result:
    """`stages_ms` has a value, or None, for each of STAGES. `expected` is the outcome that the containment must come to.
    `through_after_installed` and `through_after_proven` count the baits' frames that came through after the controller had said so and
    before the release, but for those in an incident's own time: these are in `incidents`. `through_after_settled`: once the switch had
    its time to go by what was read back. None: it was never said. `differences` is empty exactly when `restored`. `detected_ms` is what a
    detector of its own took, where there is one, and `infected` who took a copy of the worm before it was stopped. `error` says why a run
    ended early; it then has no rows. `logs` is where a run that did not pass left its logs.
    `fabric`: what it ran on (`labs.fabric.FabricName`)."""

    lab: str
    topology: str
    seed: int | None
    outcome: str = "unknown"
    unproven: str = ""
    expected: str = "proven"
    containment: str | None = None
    stages_ms: dict[str, float | None] = field(default_factory=lambda: dict.fromkeys(STAGES))
    release_to_first_packet_ms: float | None = None
    through_after_installed: int | None = None
    through_after_settled: int | None = None
    through_after_proven: int | None = None
    incidents: Sequence[Happened] = ()
    must_stop: Sequence[Row] = ()
    must_flow: Sequence[Row] = ()
    differences: Sequence[str] = ("the run ended before the state could be compared",)
    detected_ms: Mapping[str, float | None] = field(default_factory=dict)
    infected: Sequence[str] = ()
    error: str | None = None
    logs: str | None = None
    fabric: str = "mininet"

    def with_logs(self, folder: str) -> Result:
        return replace(self, logs=folder)

    @property
    def restored(self) -> bool:
        return not self.differences

    @property
    def passed(self) -> bool:
        """Also that what was said to be proven was silent from then on; where no proof is expected, from soon after it was installed."""
        through = self.through_after_proven if self.expected == "proven" else self.through_after_settled
        held = through == 0 and all(one.verdict is Verdict.HOLDS for one in self.incidents)
        as_expected = self.outcome == self.expected
        rows_hold = passed(self.must_stop, self.must_flow, restored=self.restored)
        return self.error is None and held and as_expected and rows_hold

    @property
    def faults(self) -> list[str]:
        """What kept it from passing, each in a few words; nothing when it passed."""
        if self.error is not None:
            return [self.error]
        through = self.through_after_proven if self.expected == "proven" else self.through_after_settled
        found = [] if self.outcome == self.expected else [f"it was to be {self.expected}, and was {self.outcome}"]
        if through is None:
            found.append("nobody knows how many frames got through")
        elif through:
            found.append(f"{through} frames of the contained got through")
        rows = [*self.must_stop, *self.must_flow]
        found += [f"{row.name}: {row.verdict.value}" for row in rows if row.verdict is not Verdict.HOLDS]
        found += [f"{one.what}: {one.verdict.value}" for one in self.incidents if one.verdict is not Verdict.HOLDS]
        if not (self.must_stop and self.must_flow):
            found.append("not all kinds of traffic were tried")
        return [*found, *([] if self.restored else ["not everything was put back"])]

    def to_json(self) -> dict[str, Any]:
        return {
            "lab": self.lab,
            "passed": self.passed,
            "expected": self.expected,
            "outcome": self.outcome,
            "unproven": self.unproven,
            "topology": self.topology,
            "fabric": self.fabric,
            "seed": self.seed,
            "containment": self.containment,
            "stages_ms": self.stages_ms,
            "release_to_first_packet_ms": self.release_to_first_packet_ms,
            "through_after_installed": self.through_after_installed,
            "through_after_settled": self.through_after_settled,
            "through_after_proven": self.through_after_proven,
            "incidents": [asdict(one) for one in self.incidents],
            "must_stop": [_row(row) for row in self.must_stop],
            "must_flow": [_row(row) for row in self.must_flow],
            "detected_ms": dict(self.detected_ms),
            "infected": list(self.infected),
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
