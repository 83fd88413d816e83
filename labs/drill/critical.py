"""The lab `critical-server`: a server that others depend on is contained by two people, and let go again where nobody confirms it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from labs.drill.stage import Stage
from labs.frames import Phase
from labs.infection import PORT
from topologies.plan import Host, Role

SERVERS = 3
WITHIN = 10.0
"""Seconds within which it must be confirmed."""
LATE = 4.0
"""Seconds after that, within which it is released and its packets pass again: the release, the push, and a look a second."""
SILENT = 4.0
"""Seconds that an attempt which nobody answers takes at most."""
EVERY = 0.02
POLICY = {
    "incriminate": [{"name": "the sensor's source", "match": {"source": "generic"}, "culprit": "source"}],
    "rules": [
        {
            "name": "ask about critical servers",
            "match": {"signature": "BEACON *"},
            "mode": "propose",
            "approvals": 2,
            "for": "1h",
        },
        {"name": "act at once", "match": {"signature": "WORM *"}, "mode": "contain", "for": "1h"},
    ],
}
SETTINGS: Mapping[str, Any] = {"dead_man": {"confirm_within": WITHIN, "roles": [Role.SERVER.value]}}


def play(stage: Stage) -> None:
    plan = stage.plan
    server, *others = [host for host in plan.hosts if host.role is Role.SERVER]
    client = plan.actor(Role.VICTIM)
    stage.standing.crew.ask_all("listen", {host.name: {"tcp": [PORT], "udp": []} for host in (server, *others)})
    stage.everyone_known()
    before = stage.switches()
    for other in others:
        stage.stream(other, client, EVERY)
        stage.stream(client, other, EVERY)
    stage.streams_go_on_as(Phase.DURING)
    proposal = _proposed(stage, server, client)
    _two_people(stage, proposal, server, client)
    _let_go(stage, server, client)
    case = _asked_again(stage, server, client)
    _confirmed(stage, case, server, client)
    stage.netcordon.command("release", case, "--reason", "it is clean", "--wait")
    stage.holds("released, it answers again", _answers(stage, server, client))
    lost = stage.lost(Phase.DURING)
    flowing = all(sent > 100 and not gone for sent, gone in lost.values())
    stage.figures["innocent_frames"] = sum(sent for sent, _ in lost.values())
    stage.holds("not one frame to or from the other servers was lost meanwhile", flowing, lost)
    stage.unchanged(before)


def _answers(stage: Stage, server: Host, client: Host) -> bool:
    """Over TCP, with what it was told."""
    return stage.reaches([client], server, PORT)[client.name]


def _proposed(stage: Stage, server: Host, client: Host) -> str:
    with stage.story.step(f"A sensor accuses {server.name}"):
        taken = stage.accuse(server, "BEACON to a command server")
    stage.holds("the alert is put to people", taken["disposition"] == "proposed", taken)
    stage.holds("and contains nobody: the server answers", _answers(stage, server, client))
    return str(taken["proposal"])


def _two_people(stage: Stage, proposal: str, server: Host, client: Host) -> None:
    """Two tokens of one person are one of them."""
    command = stage.netcordon.command
    refused = command("approve", proposal, role="operator", fine=(9,))
    stage.holds("an operator may not approve it", "error" in refused, refused)
    phone = ("token", "add", "telephone", "--role", "approver", "--person", "lab-approver")
    stage.netcordon.tokens["telephone"] = command(*phone, role="admin")["token"]
    for token in ("approver", "telephone"):
        answer = command("approve", proposal, role=token)
        told = (answer["containment"], answer["proposal"]["approved_by"])
        stage.holds(f"by the {token}'s token one person has approved it", told == (None, ["lab-approver"]), told)
    stage.holds("which is not enough: the server answers", _answers(stage, server, client))
    plan = command("plan", str(server.ip))
    stage.holds(
        "the plan says that it will have to be confirmed", "confirmed within" in str(plan["notes"]), plan["notes"]
    )
    answer = command("approve", proposal, role="admin")
    case = answer["containment"] or {}
    people = answer["proposal"]["approved_by"]
    stage.holds("a second person approves it", people == ["lab-admin", "lab-approver"], people)
    stage.holds("it is contained, and says until when it must be confirmed", bool(case.get("confirm_by")), case)
    stage.until(f"{server.name} answers no more", lambda: not _answers(stage, server, client))
    stage.holds("netcordon status says that it waits for a confirmation", command("status")["unconfirmed"] == 1)


def _let_go(stage: Stage, server: Host, client: Host) -> None:
    """Nobody confirms it."""
    (case,) = stage.cases()
    due = datetime.fromisoformat(case["confirm_by"]).timestamp()
    answered = False
    while not answered and time.time() < due - SILENT:
        answered = _answers(stage, server, client)
    stage.holds("nobody confirms it, and until then it is held", not answered, f"{due - time.time():.1f} s before")
    stage.until(f"then {server.name} answers again", lambda: _answers(stage, server, client))
    late = time.time() - due
    stage.figures["answers_after_dead_man_seconds"] = round(late, 2)
    stage.holds(f"within {LATE:.0f} s of that time ({late:.1f} s)", late < LATE, late)
    now = stage.netcordon.get(f"/api/v1/containments/{case['id']}")
    released = (now["want"], now["released_by"])
    stage.holds("the dead man released it", released == ("released", "dead-man"), released)
    stage.until("its rules are read back as gone", lambda: not stage.cases(), stage.held)
    too_late = stage.netcordon.command("confirm", case["id"], fine=range(1, 12))
    stage.holds("to confirm it now is too late", "nobody confirmed it in time" in str(too_late), too_late)


def _asked_again(stage: Stage, server: Host, client: Host) -> str:
    """Policy would contain it by itself: but nobody stood by it the last time."""
    taken = stage.accuse(server, "WORM spreads")
    stage.holds("the next alert contains nobody, and is put to people", taken["disposition"] == "proposed", taken)
    stage.holds("and says why", "nobody confirmed it in time" in taken["reason"], taken["reason"])
    stage.holds("the server answers", _answers(stage, server, client))
    answer = stage.netcordon.command("approve", str(taken["proposal"]), role="approver")
    stage.until(f"approved, {server.name} answers no more", lambda: not _answers(stage, server, client))
    return str(answer["containment"]["id"])


def _confirmed(stage: Stage, case: str, server: Host, client: Host) -> None:
    due = datetime.fromisoformat(stage.netcordon.get(f"/api/v1/containments/{case}")["confirm_by"]).timestamp()
    confirmed = stage.netcordon.command("confirm", case)
    stage.holds("an operator confirms it", confirmed["confirmed_by"] == "lab-operator", confirmed)
    with stage.story.step("The time within which it had to be confirmed goes by"):
        time.sleep(max(0.0, due + LATE - time.time()))
    stage.holds("it is held on: the server does not answer", not _answers(stage, server, client))
    stage.holds("and nobody is asked any more", stage.netcordon.command("status")["unconfirmed"] == 0)
