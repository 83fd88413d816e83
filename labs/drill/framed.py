"""The lab `framed-victim`: an attacker speaks in the domain controller's name, so that the domain controller gets contained."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from labs.drill.stage import Stage
from labs.frames import Phase, Tag, encode_tag
from labs.infection import PORT
from labs.octets import arp_request, udp4
from labs.traffic import SETTLED
from topologies.plan import Host, Role

EVERY = 0.005
FRAMES, GAP = 20, 0.002
LIES = 100
"""The number of the attacker's frames, above those of the streams."""
POLICY = {
    "incriminate": [{"name": "the sensor's source", "match": {"source": "generic"}, "culprit": "source"}],
    "rules": [
        {"name": "contain whom the sensor accuses", "match": {"source": "generic"}, "mode": "contain", "for": "4h"}
    ],
}
SETTINGS: Mapping[str, Any] = {"protected": []}
"""What saves the domain controller here is the evidence, and no list."""


def play(stage: Stage) -> None:
    victim, other, dc = (stage.plan.actor(role) for role in (Role.VICTIM, Role.NEIGHBOUR, Role.DOMAIN_CONTROLLER))
    stage.standing.crew.ask_all("listen", {dc.name: {"tcp": [PORT], "udp": []}})
    stage.everyone_known()
    before = stage.switches()
    for client in (victim, other):
        stage.stream(client, dc, EVERY)
        stage.stream(dc, client, EVERY)
    stage.streams_go_on_as(Phase.DURING)
    _its_address(stage, dc, victim)
    case = _held(stage, dc, victim)
    lost = stage.lost(Phase.DURING)
    stage.figures["innocent_frames"] = sum(sent for sent, _ in lost.values())
    flowing = all(sent > 100 and not gone for sent, gone in lost.values())
    stage.holds(f"not one frame to or from {dc.name} was lost", flowing, lost)
    stage.netcordon.command("release", case, "--reason", "it is clean", "--wait")
    _its_mac_too(stage, dc, victim)
    stage.unchanged(before)


def _lie(stage: Stage, mac: str, dc: Host, victim: Host, phase: Phase) -> int:
    """The attacker claims the domain controller's address by ARP, and speaks to the victim under it. How much of it came to
    whoever got most."""
    gateway, rogue = stage.plan.actor(Role.GATEWAY), stage.plan.actor(Role.ROGUE)
    tags = [encode_tag(stage.traffic.nonce, Tag(phase, LIES, number)) for number in range(FRAMES)]
    lies = [
        *(arp_request(mac, dc.ip, gateway.ip, tag) for tag in tags[: FRAMES // 2]),
        *(udp4((mac, victim.mac), (dc.ip, victim.ip), tag) for tag in tags[FRAMES // 2 :]),
    ]
    stage.standing.crew.ask(rogue, "send", frames=[one.hex() for one in lies], gap=GAP)
    tally = stage.traffic.settle_silence()
    return max(tally.frames(host.name, "in", phase, LIES) for host in stage.plan.hosts if host is not rogue)


def _its_address(stage: Stage, dc: Host, victim: Host) -> None:
    rogue = stage.plan.actor(Role.ROGUE)
    with stage.story.step(f"{rogue.name} claims {dc.name}'s address, and speaks to {victim.name} under it"):
        came = _lie(stage, rogue.mac, dc, victim, Phase.BEFORE)
    stage.holds("all of that came to the victim", came == FRAMES, came)
    _nobody(stage, dc, victim, (rogue, dc))


def _nobody(stage: Stage, dc: Host, victim: Host, candidates: Sequence[Host]) -> None:
    """An alert about the address contains neither, and a person is shown both."""
    with stage.story.step(f"A sensor accuses {dc.ip}, which is what it saw"):
        taken = stage.accuse(dc, "WORM spreads")
    stage.story.say(f"{taken['disposition']}: {taken['reason']}")
    stage.holds("the alert contains nobody", taken["containment"] is None and not stage.cases(), taken)
    stage.holds("it is put to people", bool(taken["proposal"]), taken)
    found = stage.netcordon.command("locate", str(dc.ip), fine=range(12))
    told = " ".join(found["against"])
    both = found["status"] == "ambiguous" and all(one.mac in told and one.edge in told for one in candidates)
    stage.holds("the evidence names both, by MAC and port", both, found)
    answers = stage.reaches([victim], dc, PORT)
    stage.holds(f"{dc.name} answers", all(answers.values()), answers)


def _held(stage: Stage, dc: Host, victim: Host) -> str:
    """The attacker, by a person who has looked at the evidence. What it does in the other's name is stopped with it."""
    rogue = stage.plan.actor(Role.ROGUE)
    words = ("contain", rogue.mac, "--reason", "it is not where dc is", "--for", "1h", "--yes", "--wait")
    with stage.story.step("An operator contains the one of the two that does not belong there"):
        answer = stage.netcordon.command(*words, "--until", "installed")
    case = stage.netcordon.get(f"/api/v1/containments/{answer['containment']['id']}")
    place = case["endpoint"]["attachment"]["port"]
    stage.holds("it is held at its own port", place == rogue.edge, place)
    time.sleep(SETTLED)
    came = _lie(stage, rogue.mac, dc, victim, Phase.INCIDENT)
    stage.holds("nothing that it says in the other's name comes to anybody now", not came, came)
    answers = stage.reaches([victim], dc, PORT)
    stage.holds(f"{dc.name} answers", all(answers.values()), answers)
    return str(case["id"])


def _its_mac_too(stage: Stage, dc: Host, victim: Host) -> None:
    rogue = stage.plan.actor(Role.ROGUE)
    with stage.story.step(f"Released, {rogue.name} takes {dc.name}'s MAC as well"):
        came = _lie(stage, dc.mac, dc, victim, Phase.AFTER)
    stage.holds("all of that came to the victim", came == FRAMES, came)
    found = stage.netcordon.command("locate", dc.mac, fine=range(12))
    told = " ".join(found["against"])
    both = found["status"] == "ambiguous" and dc.edge in told and rogue.edge in told
    stage.holds("the MAC is in doubt, and both ports are named", both, found)
    taken = stage.accuse(dc, "WORM spreads again")
    stage.holds("the next alert contains nobody either", taken["containment"] is None and not stage.cases(), taken)
    stage.announce([dc])
    answers = stage.reaches([victim], dc, PORT)
    stage.holds(f"{dc.name} answers, once it has spoken itself", all(answers.values()), answers)
