"""The lab `repeat-offender`: a device that offends again is held for longer each time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from labs.drill.stage import Stage
from labs.frames import Phase
from labs.infection import PORT
from topologies.plan import Host, Role

LIMITS = {"10m": 600, "1h": 3600, "24h": 86400, "7d": 7 * 86400}
A_WHILE = 30
"""Seconds between two alerts of one offence, at most."""
EVERY = 0.02
RULE = "scanners"
POLICY = {
    "incriminate": [{"name": "the sensor's source", "match": {"source": "generic"}, "culprit": "source"}],
    "rules": [
        {
            "name": RULE,
            "match": {"source": "generic", "signature": "SCAN *"},
            "mode": "contain",
            "for": list(LIMITS),
        }
    ],
}


def play(stage: Stage) -> None:
    rogue, victim, neighbour = (stage.plan.actor(role) for role in (Role.ROGUE, Role.VICTIM, Role.NEIGHBOUR))
    stage.standing.crew.ask_all("listen", {victim.name: {"tcp": [PORT], "udp": []}})
    stage.everyone_known()
    before = stage.switches()
    stage.stream(neighbour, victim, EVERY)
    stage.stream(victim, neighbour, EVERY)
    stage.streams_go_on_as(Phase.DURING)
    held = {}
    for number, (limit, seconds) in enumerate([*LIMITS.items(), ("7d", LIMITS["7d"])]):
        with stage.story.step(f"Offence {number + 1}: {rogue.name} scans, and a sensor accuses it"):
            case = _offend(stage, rogue)
        held[f"offence {number + 1}"] = _span(case)
        said = f"offence {number + 1} is held for {limit}"
        stage.holds(said, abs(_span(case) - seconds) < 1, case["expires_at"])
        stage.holds(
            "the reason says which limit it is, and how often it was contained before", _told(case, number), case
        )
        stage.holds("it is cut off", not _answered(stage, rogue, victim))
        again = _offend(stage, rogue)
        joined = again["id"] == case["id"] and _span(again) < seconds + A_WHILE
        stage.holds(f"another alert meanwhile is the same offence: {limit} from now on", joined, again["expires_at"])
        stage.netcordon.command("release", case["id"], "--reason", "cleaned up, it says", "--wait")
        stage.holds("released, it is back", _answered(stage, rogue, victim))
    stage.figures["held_for_seconds"] = held
    lost = stage.lost(Phase.DURING)
    flowing = all(sent > 100 and not gone for sent, gone in lost.values())
    stage.figures["innocent_frames"] = sum(sent for sent, _ in lost.values())
    stage.holds(f"not one frame between {neighbour.name} and {victim.name} was lost", flowing, lost)
    stage.unchanged(before)


def _offend(stage: Stage, rogue: Host) -> dict[str, Any]:
    """The case that the alert comes to."""
    taken = stage.accuse(rogue, "SCAN of port 445")
    if taken["containment"] is None:
        stage.holds("the alert contains it", held=False, seen=taken)
        return {"id": "", "expires_at": None, "created_at": None, "reason": ""}
    case: dict[str, Any] = stage.netcordon.get(f"/api/v1/containments/{taken['containment']}")
    return case


def _span(case: dict[str, Any]) -> float:
    """For how long it is held, in seconds."""
    if not case["expires_at"] or not case["created_at"]:
        return 0.0
    ends, began = (datetime.fromisoformat(case[name]) for name in ("expires_at", "created_at"))
    return (ends - began).total_seconds()


def _told(case: dict[str, Any], before: int) -> bool:
    times = "once" if before == 1 else f"{before} times"
    return f"limit {min(before, len(LIMITS) - 1) + 1} of {len(LIMITS)}: contained {times}" in case["reason"]


def _answered(stage: Stage, rogue: Host, victim: Host) -> bool:
    return stage.reaches([rogue], victim, PORT)[rogue.name]
