"""The lab `worm`: how far does it get among forty PCs when Netcordon only looks on, and how far when it contains?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Any

from labs import suricata
from labs.drill.stage import Stage, settings
from labs.frames import Phase
from labs.infection import PORT
from labs.process import wait
from topologies.plan import Host, Role

PCS = (Role.ROGUE, Role.VICTIM, Role.NEIGHBOUR, Role.WORKSTATION)
PATIENCE = 45.0
LEAST = 8.0
"""Seconds that it is given with Netcordon containing, and at least as long as it took without."""
FORGETTING = 11.0
"""Seconds after which Suricata's rule has forgotten whom it counted (`seconds 10` in netcordon.rules)."""
READING = 1.0
"""Seconds in which Netcordon has read what Suricata wrote: what it read of the healed after its restart it would act upon."""
MOST = 10
"""Of forty: who has more of them infected has not stopped it."""
EVERY = 0.01


def policy(mode: str) -> dict[str, Any]:
    opens_smb = {"source": "suricata", "signature_id": ["9000001"]}
    return {
        "incriminate": [{"name": "who opens SMB to several is the source", "match": opens_smb, "culprit": "source"}],
        "rules": [
            {
                "name": "stop what spreads over SMB",
                "match": opens_smb,
                "profile": "full",
                "mode": mode,
                "for": "4h",
            }
        ],
    }


def play(stage: Stage) -> None:
    plan, pcs = stage.plan, [host for host in stage.plan.hosts if host.role in PCS]
    servers = [plan.actor(Role.FILE_SERVER), plan.actor(Role.DOMAIN_CONTROLLER)]
    for host in servers:
        stage.standing.crew.ask(host, "listen", tcp=[PORT], udp=[])
    targets = [str(host.ip) for host in (*pcs, *servers)]
    told = {pc.name: {"targets": [one for one in targets if one != str(pc.ip)]} for pc in pcs}
    stage.standing.crew.ask_all("vulnerable", told)
    stage.everyone_known()
    before = stage.switches()
    with ExitStack() as stack:
        interfaces = [
            stack.enter_context(suricata.mirror(switch.name, [host.edge for host in pcs if host.switch == switch.name]))
            for switch in plan.switches
            if any(host.switch == switch.name for host in pcs)
        ]
        with stage.story.step(f"Suricata listens at mirrors of {len(interfaces)} access switches"):
            stack.enter_context(suricata.watching(interfaces, stage.netcordon.places.folder))
        stage.stream(servers[0], servers[1], EVERY)
        took = look_on(stage, pcs)
        quiet_at = time.monotonic() + FORGETTING
        newest = ""
        while newest != (newest := max(one["received_at"] for one in stage.netcordon.get("/api/v1/alerts"))):
            time.sleep(READING)
        stage.configure(settings(plan, stage.netcordon.places, policy("contain")))
        stage.everyone_known()
        with stage.story.step("Suricata forgets whom it counted"):
            time.sleep(max(0.0, quiet_at - time.monotonic()))
        contain(stage, pcs, servers[0], max(took, LEAST))
    stage.unchanged(before)


def look_on(stage: Stage, pcs: Sequence[Host]) -> float:
    """In mode `observe`. Gives how many seconds it took until nobody was left to infect."""
    began = time.time()
    with stage.story.step(f"{pcs[0].name} falls ill; policy says observe"):
        stage.standing.crew.ask(pcs[0], "fall_ill")
        everyone = len(pcs)
        wait(
            lambda: len(ill(stage, pcs)) == everyone,
            "all PCs to fall ill while nobody acts",
            PATIENCE,
            seen=lambda: f"{len(ill(stage, pcs))} of {everyone}",
        )
    found = ill(stage, pcs)
    took: float = max(one["at"] for one in found.values()) - began
    alerts = stage.netcordon.get("/api/v1/alerts", limit="1000")
    stage.figures["observe"] = {"infected": len(found), "of": len(pcs), "seconds": round(took, 2)}
    stage.story.say(f"{len(found)} of {len(pcs)} are infected after {took:.1f} s")
    stage.holds("it infects all of them where nobody acts", len(found) == len(pcs), sorted(found))
    stage.holds("Netcordon was told of it, and contained nobody", bool(alerts) and not stage.cases(), stage.held())
    heal(stage, pcs)
    return took


def contain(stage: Stage, pcs: Sequence[Host], server: Host, seconds: float) -> None:
    """The same, in mode `contain`, for so long."""
    stage.streams_go_on_as(Phase.DURING)
    with stage.story.step(f"{pcs[0].name} falls ill again; policy says contain"):
        began = time.time()
        stage.standing.crew.ask(pcs[0], "fall_ill")
        time.sleep(seconds)
    found, held = ill(stage, pcs), stage.held()
    tell(stage, pcs, found, began)
    stage.holds(f"at most {MOST} of {len(pcs)} were infected", len(found) <= MOST, sorted(found))
    stage.holds(
        "whoever is infected is held, and nobody else is",
        set(held) == set(found),
        f"infected: {sorted(found)}; held: {held}",
    )
    stage.holds("it is proven of each that its block holds", set(held.values()) <= {"proven"}, held)
    stage.until(
        "the infected go on trying",
        lambda: all(one["tried"] > found[name]["tried"] for name, one in ill(stage, pcs).items() if name in found),
    )
    later = ill(stage, pcs)
    stage.holds("and infect nobody any more", set(later) == set(found), sorted(later))
    well = stage.reaches([pc for pc in pcs if pc.name not in found], server, PORT)
    stage.holds("all others go on working with the file server, over the same port", all(well.values()), well)
    none = stage.reaches([pc for pc in pcs if pc.name in found], server, PORT)
    stage.holds("the infected do not reach it", not any(none.values()), none)
    heal(stage, pcs)
    stage.release_all()
    lost = stage.lost(Phase.DURING)
    stage.holds("the servers' stream lost nothing", all(sent > 100 and not gone for sent, gone in lost.values()), lost)


def tell(stage: Stage, pcs: Sequence[Host], found: Mapping[str, Mapping[str, Any]], began: float) -> None:
    """In figures, and in words."""
    created = sorted(datetime.fromisoformat(case["created_at"]).timestamp() - began for case in stage.cases())
    stages = [case["stages_ms"] for case in stage.cases()]
    installed = [one["alert_to_installed"] for one in stages if one["alert_to_installed"] is not None]
    stage.figures["contain"] = {
        "infected": len(found),
        "of": len(pcs),
        "by_second": sorted(round(one["at"] - began, 2) for one in found.values()),
        "contained": len(created),
        "first_contained_after_s": round(created[0], 3) if created else None,
        "alert_to_installed_ms": sorted(installed),
    }
    spread = {name: one["spread"] for name, one in found.items() if one["spread"]}
    stage.story.say(f"{len(found)} of {len(pcs)} are infected; {len(created)} were contained: {stage.held()}")
    stage.story.say(f"who took a copy from whom: {spread or 'nobody'}")


def heal(stage: Stage, pcs: Sequence[Host]) -> None:
    for word in ("heal", "forget"):
        stage.standing.crew.ask_all(word, {pc.name: {} for pc in pcs})


def ill(stage: Stage, pcs: Sequence[Host]) -> dict[str, dict[str, Any]]:
    told = stage.standing.crew.ask_all("health", {pc.name: {} for pc in pcs})
    return {name: one for name, one in told.items() if one["at"] is not None}
