"""From what was counted and what the controller says of the case to the run's result. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labs.frames import Phase
from labs.result import STAGES, Happened, Result
from labs.scenario import Scenario, Trial
from labs.traffic import Tally, Traffic
from labs.verdicts import Row, must_flow, must_stop

Case = Mapping[str, Any]
"""A containment as the API shows it."""


@dataclass(frozen=True)
class Through:
    """How many frames of the baits came through after the controller said so, and before the release; `settled`: after the switch has had
    its time to go by what was read back. None: it never said so."""

    installed: int | None
    settled: int | None
    proven: int | None


@dataclass(frozen=True)
class Detected:
    """When the attack began, when its packet was on the wire that the detector speaks of, and when Netcordon had read that (all in seconds
    since the epoch); and who was infected all the same."""

    attack_at: float
    seen_at: float
    received_at: float
    infected: Sequence[str]


@dataclass(frozen=True)
class Evidence:
    """What a run brought together. `case` is as it stood before the release; `began` and `released_at` are when the alert
    and the release were sent, in seconds since the epoch (None: not known); `differences` what is not as it was."""

    traffic: Traffic
    tried: Sequence[Trial]
    bait: Trial
    tally: Tally
    case: Case
    began: float
    released_at: float | None
    differences: Sequence[str]
    through: Through
    happened: Sequence[Happened]
    detected: Detected | None = None


def judge(scenario: Scenario, evidence: Evidence, fabric: str, seed: int | None) -> Result:
    case, tried = evidence.case, evidence.tried
    measured = {**case["stages_ms"], "alert_to_last_packet": _last_packet(evidence)}
    return Result(
        lab=scenario.name,
        topology=evidence.traffic.plan.name,
        fabric=fabric,
        seed=seed,
        expected=scenario.expect,
        outcome=case["outcome"],
        unproven=case["unproven"],
        containment=case["id"],
        stages_ms={stage: measured.get(stage) for stage in STAGES},
        release_to_first_packet_ms=_first_packet(evidence),
        through_after_installed=evidence.through.installed,
        through_after_settled=evidence.through.settled,
        through_after_proven=evidence.through.proven,
        incidents=evidence.happened,
        must_stop=[_row(evidence, trial) for trial in tried if trial.must_stop],
        must_flow=[_row(evidence, trial) for trial in tried if not trial.must_stop],
        differences=evidence.differences,
        detected_ms=_detected(evidence),
        infected=() if evidence.detected is None else evidence.detected.infected,
    )


def _detected(evidence: Evidence) -> dict[str, float | None]:
    """Milliseconds from the attack's beginning: to the packet that the alert is about, to its alert being read, to the last packet through;
    and from that packet on."""
    told = evidence.detected
    if told is None:
        return {}
    last = _last_packet(evidence)
    stopped = None if last is None else told.received_at + last / 1000
    return {
        "attack_to_packet": round((told.seen_at - told.attack_at) * 1000, 3),
        "attack_to_received": round((told.received_at - told.attack_at) * 1000, 3),
        "attack_to_last_packet": None if stopped is None else round((stopped - told.attack_at) * 1000, 3),
        "packet_to_received": round((told.received_at - told.seen_at) * 1000, 3),
        "packet_to_last_packet": None if stopped is None else round((stopped - told.seen_at) * 1000, 3),
    }


def _row(evidence: Evidence, trial: Trial) -> Row:
    phases = (Phase.BEFORE, Phase.DURING, Phase.AFTER)
    before, during, after = (evidence.traffic.count(trial, phase, evidence.tally) for phase in phases)
    if trial.must_stop:
        verdict = must_stop(before, during, after)
    else:
        verdict = must_flow(before, during, after, lossless=trial.every is not None)
    return Row(trial.name, before, during, after, verdict)


def _last_packet(evidence: Evidence) -> float | None:
    """Of the bait's packets between the alert and the proof, when the last one came through."""
    seen = evidence.tally.times(evidence.bait.to.name, Phase.REACTION, evidence.bait.number)
    return None if seen is None else round((seen[1] - evidence.began) * 1000, 3)


def _first_packet(evidence: Evidence) -> float | None:
    arrived = [
        seen[0]
        for phase in (Phase.RELEASING, Phase.AFTER)
        if (seen := evidence.tally.times(evidence.bait.to.name, phase, evidence.bait.number))
    ]
    if not arrived or evidence.released_at is None:
        return None
    return round((min(arrived) - evidence.released_at) * 1000, 3)
