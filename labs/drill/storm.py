"""The lab `false-positive-storm`: a sensor that accuses every server does not take production down."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from labs.drill.stage import Stage
from labs.frames import Phase
from labs.infection import PORT
from topologies.plan import Host, Role

ALERTS, SECONDS, SERVERS = 500, 15.0, 12
ALLOWED = 2
"""Servers that may be held by automatic action at a time, by the budget of the drill."""
EVERY = 0.02
SIGNATURE = "SCAN of the whole network"
DENIED = 9
"""Exit code of a command that this token may not give (docs/exit-codes.md)."""
POLICY = {
    "incriminate": [{"name": "the sensor's source", "match": {"source": "generic"}, "culprit": "source"}],
    "rules": [
        {"name": "contain whom the sensor accuses", "match": {"source": "generic"}, "mode": "contain", "for": "4h"}
    ],
}


def play(stage: Stage) -> None:
    plan = stage.plan
    servers = [host for host in plan.hosts if host.role is Role.SERVER]
    client = plan.actor(Role.VICTIM)
    stage.standing.crew.ask_all("listen", {host.name: {"tcp": [PORT], "udp": []} for host in servers})
    stage.everyone_known()
    before = stage.switches()
    for server in servers:
        stage.stream(server, client, EVERY)
        stage.stream(client, server, EVERY)
    stage.streams_go_on_as(Phase.DURING)
    dispositions = _storm(stage, servers)
    held = stage.held()
    _kept_flowing(stage, servers, client, held)
    _said_everywhere(stage, dispositions, held)
    _panic_button(stage, servers)
    stage.release_all()
    stage.streams_go_on_as(Phase.AFTER)
    time.sleep(1.0)
    lost = stage.lost(Phase.AFTER)
    stage.holds("all streams run again", all(sent and not gone for sent, gone in lost.values()), lost)
    stage.unchanged(before)


def _storm(stage: Stage, servers: Sequence[Host]) -> Counter[str]:
    """Each alert by itself, evenly spread; how many came to what."""
    found: Counter[str] = Counter()
    began = time.monotonic()
    with stage.story.step(f"{ALERTS} alerts in {SECONDS:.0f} s accuse {len(servers)} servers, one after the other"):
        for number in range(ALERTS):
            taken = stage.accuse(servers[number % len(servers)], SIGNATURE, f"storm-{number}")
            found[taken["disposition"] or taken["status"]] += 1
            time.sleep(max(0.0, began + (number + 1) * SECONDS / ALERTS - time.monotonic()))
    took = time.monotonic() - began
    stage.figures["storm"] = {"alerts": ALERTS, "seconds": round(took, 1), "became": dict(found)}
    stage.story.say(f"they came to: {', '.join(f'{number} {what}' for what, number in found.items())}")
    return found


def _kept_flowing(stage: Stage, servers: Sequence[Host], client: Host, held: dict[str, str]) -> None:
    lost = stage.lost(Phase.DURING, Phase.RELEASING)
    innocent = {name: count for name, count in lost.items() if not any(one in name.split() for one in held)}
    stage.figures["held"] = held
    stage.figures["innocent_streams"] = len(innocent)
    stage.figures["innocent_frames"] = sum(sent for sent, _ in innocent.values())
    stage.figures["innocent_lost"] = sum(gone for _, gone in innocent.values())
    stage.story.say(
        f"held: {', '.join(held) or 'nobody'}; the others' {len(innocent)} streams sent {stage.figures['innocent_frames']} frames and"
        f" lost {stage.figures['innocent_lost']}"
    )
    stage.holds(f"the budget's {ALLOWED} servers are held, and no other", len(held) == ALLOWED, held)
    everyone = len(innocent) == 2 * (len(servers) - ALLOWED)
    flowing = everyone and all(sent > 100 and not gone for sent, gone in innocent.values())
    stage.holds("not one frame to or from the other servers was lost", flowing, innocent)
    answers = {name: stage.reaches([client], server, PORT)[client.name] for name, server in _named(servers).items()}
    others = {name: answered for name, answered in answers.items() if name not in held}
    stage.holds("they go on answering over TCP", all(others.values()), others)
    stage.holds("the held ones do not", not any(answers[name] for name in held), answers)


def _named(servers: Sequence[Host]) -> dict[str, Host]:
    return {server.name: server for server in servers}


def _said_everywhere(stage: Stage, dispositions: Counter[str], held: dict[str, str]) -> None:
    stage.holds("no alert was lost", sum(dispositions.values()) == ALERTS, dispositions)
    stage.holds("each came to something that a person can see", not set(dispositions) - _SEEN, dispositions)
    kept = stage.netcordon.get("/api/v1/alerts", limit="1000")
    stage.holds("all of them can be looked up", len(kept) == ALERTS, len(kept))
    status = stage.netcordon.command("status")
    state = status["automation"]
    stage.story.say(f"netcordon status: paused since {state['since']}, by {state['by']}: {state['reason']}")
    tripped = (state["paused"], state["by"]) == (True, "breaker")
    why = "of role server" in state["reason"]
    stage.holds("netcordon status says that the breaker paused it, and why", tripped and why, state)
    waiting = {
        one["target"] for one in stage.netcordon.get("/api/v1/proposals", limit="1000") if one["state"] == "open"
    }
    stage.holds("each server that is not held waits for a person", len(waiting) == SERVERS - len(held), sorted(waiting))
    metrics = stage.netcordon.http.get("/metrics", headers=_as(stage, "operator")).text
    stage.holds("the metrics say so", "netcordon_automatic_paused 1" in metrics, metrics[:200])
    audit = stage.netcordon.command("audit", "list", role="admin")
    stage.holds("the audit log says so", "the breaker tripped" in str(audit), str(audit)[:300])
    log = "".join(one.read_text() for one in stage.netcordon.places.folder.glob("daemon*.log"))
    stage.holds("the daemon's log says so", "automatic action paused" in log)


def _as(stage: Stage, role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {stage.netcordon.tokens[role]}"}


_SEEN = {"contained", "joined", "proposed", "refused"}


def _panic_button(stage: Stage, servers: Sequence[Host]) -> None:
    """Everybody is let go, then it is resumed by who may, and paused by hand."""
    stage.release_all()
    for name, server in _named(servers).items():
        if not stage.reaches([stage.plan.actor(Role.VICTIM)], server, PORT)[stage.plan.actor(Role.VICTIM).name]:
            stage.holds(f"{name} answers again", held=False)
    taken = stage.accuse(servers[0], SIGNATURE, "after-the-release")
    stage.holds("an alert contains nobody while it is paused", taken["containment"] is None, taken)
    refused = stage.netcordon.command("resume", "--reason", "x", fine=(DENIED,))
    stage.holds("an operator may not resume it", "error" in refused or "message" in refused, refused)
    resumed = stage.netcordon.command("resume", "--reason", "the sensor is mended", role="approver")
    stage.holds("an approver resumes it", resumed["paused"] is False, resumed)
    taken = stage.accuse(servers[0], SIGNATURE, "after-the-resume")
    stage.holds("an alert contains again", taken["disposition"] == "contained", taken)
    paused = stage.netcordon.command("pause", "--reason", "not again")
    stage.holds("the panic button pauses it by hand", paused["paused"] is True, paused)
    taken = stage.accuse(servers[1], SIGNATURE, "after-the-panic-button")
    stage.holds("and the next alert contains nobody", taken["containment"] is None, taken)
