"""The labs `hub` and `unknown-place`: who is plugged into a box that nobody manages is contained at the nearest place that takes rules."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from labs.drill.stage import Stage, settings
from labs.frames import Kind, Phase
from labs.infection import PORT
from labs.scenario import Means, Trial
from labs.traffic import SETTLED, Tally
from topologies.boxes import BOX
from topologies.plan import Host, NetworkPlan, Role

EVERY = 0.005
FIRST_TRIAL = 100
"""Above the numbers of the streams."""
PLAIN = (Kind.ARP, Kind.UDP, Kind.BROADCAST_UDP, Kind.NON_IP)
DISGUISES = (Kind.CHANGED_IP, Kind.GATEWAY_IP)
BROADCAST = (Kind.ARP, Kind.BROADCAST_UDP)
REFUSED = 3
POLICY = {
    "incriminate": [{"name": "the sensor's source", "match": {"source": "generic"}, "culprit": "source"}],
    "rules": [
        {"name": "contain whom the sensor accuses", "match": {"source": "generic"}, "mode": "contain", "for": "4h"}
    ],
}


def box_of(plan: NetworkPlan) -> Mapping[str, Any]:
    """The configuration's section that lists it, by datapath and port number."""
    places = plan.seen_at(plan.actor(Role.ROGUE))
    links = [f"of:{switch.datapath}:{port.rpartition('eth')[2]}" for switch, port in places]
    return {"network": {"boxes": [{"name": BOX, "kind": "switch", "links": links}]}}


def behind_a_port(stage: Stage) -> None:
    """All three of the box are at one port: what comes in there is denied but for the two neighbours' own MACs."""
    _listen(stage)
    stage.everyone_known()
    told = stage.netcordon.command("plan", str(_rogue(stage).ip))
    said = str(told["weaker"])
    shared = "the port is shared with" in said and all(one.mac in said for one in _behind(stage))
    stage.holds("the plan says that the port is shared, with whom, and what the device can do to them", shared, said)
    _rehearse(stage, stopped=(*PLAIN, *DISGUISES, Kind.CHANGED_MAC))


def in_the_middle(stage: Stage) -> None:
    """The box is between two switches: whoever is plugged into it comes in at a port of each."""
    _listen(stage)
    stage.everyone_known()
    told = stage.netcordon.command("plan", str(_rogue(stage).ip))
    stage.holds("the plan has rules on both switches around the box", len(told["rules"]) == 2, told["rules"])
    said = str(told["weaker"])
    honest = f"switch {BOX}" in said and "under another MAC than its own it passes" in said
    stage.holds("and says that it is weaker than at the device's own port, and how", honest, said)
    _rehearse(stage, stopped=(*PLAIN, *DISGUISES), told=(Kind.CHANGED_MAC,))
    stage.configure(settings(stage.plan, stage.netcordon.places, POLICY))
    _refused(stage)


def _refused(stage: Stage) -> None:
    """Nobody says any more that a box is there: whoever is behind it is seen at two switches at once, and might be at either."""
    rogue = _rogue(stage)

    def contested() -> bool:
        stage.announce(stage.plan.hosts)
        return _located(stage) == "ambiguous"

    stage.until("unlisted, it is heard at two switches at once", contested, lambda: _located(stage))
    before = stage.switches()
    words = ("contain", str(rogue.ip), "--reason", "it is bad", "--for", "1h", "--yes")
    with stage.story.step("An operator contains it nevertheless"):
        refused = stage.netcordon.command(*words, fine=(REFUSED,))
    stage.story.say(f"{refused['message']} ({refused['hint']})")
    both = all(port in refused["message"] for _, port in stage.plan.seen_at(rogue))
    stage.holds("it is refused, and both places are named", refused["error"] == "ambiguous" and both, refused)
    stage.holds("nobody is held", not stage.cases(), stage.held())
    stage.unchanged(before)


def _located(stage: Stage) -> str:
    found = stage.netcordon.get("/api/v1/locate", target=str(_rogue(stage).ip))
    return str(found["status"])


@dataclass(frozen=True)
class _Tries:
    """`out` and `back` must stop at the managed switches; `told` is what the plan says that it will not stop."""

    out: list[Trial]
    back: list[Trial]
    told: list[Trial]

    @property
    def all(self) -> list[Trial]:
        return [*self.out, *self.back, *self.told]

    @property
    def plain(self) -> list[Trial]:
        """What can be tried before: a disguise would be taken for another device at the port."""
        return [one for one in self.all if one.kind in PLAIN]


def _tries(stage: Stage, stopped: Sequence[Kind], told: Sequence[Kind]) -> _Tries:
    rogue, files, victim = _rogue(stage), stage.plan.actor(Role.FILE_SERVER), stage.plan.actor(Role.VICTIM)
    number = count(FIRST_TRIAL)

    def some(kinds: Sequence[Kind], source: Host, to: Host) -> list[Trial]:
        return [Trial(next(number), Means(kind), source, to, must_stop=True) for kind in kinds]

    return _Tries(some(stopped, rogue, victim), some(PLAIN, files, rogue), some(told, rogue, victim))


def _rehearse(stage: Stage, stopped: Sequence[Kind], told: Sequence[Kind] = ()) -> None:
    before = stage.switches()
    tries = _tries(stage, stopped, told)
    _flow(stage)
    _all_arrive(stage, tries.plain, Phase.BEFORE, "before, all that it sends, and is sent, arrives")
    _contained(stage)
    stage.traffic.burst(tries.all, Phase.DURING, claims=True)
    tally = stage.traffic.settle_silence()
    _stopped(stage, tries, tally)
    _what_remains(stage)
    lost = stage.lost(Phase.DURING, Phase.AFTER)
    stage.figures["innocent_frames"] = sum(sent for sent, _ in lost.values())
    flowing = all(sent > 50 and not gone for sent, gone in lost.values())
    stage.holds("not one frame of its neighbours was lost meanwhile", flowing, lost)
    stage.release_all()
    _all_arrive(stage, tries.all, Phase.AFTER, "released, all of it arrives again, in any disguise")
    lost = stage.lost(Phase.AFTER)
    stage.holds("nor one since", all(sent and not gone for sent, gone in lost.values()), lost)
    stage.unchanged(before)


def _flow(stage: Stage) -> None:
    """Its neighbours work with the rest, and with each other."""
    one, other = _behind(stage)
    files, victim = stage.plan.actor(Role.FILE_SERVER), stage.plan.actor(Role.VICTIM)
    for a, b in ((one, files), (other, victim), (one, other)):
        stage.stream(a, b, EVERY)
        stage.stream(b, a, EVERY)


def _all_arrive(stage: Stage, tried: Sequence[Trial], phase: Phase, what: str) -> None:
    stage.traffic.burst(tried, phase)
    tally = stage.traffic.settle(tried, phase)
    counts = {one.name: stage.traffic.count(one, phase, tally) for one in tried}
    stage.holds(what, all(one.complete for one in counts.values()), counts)
    answers = _answers(stage, [host for host in stage.plan.hosts if host is not _rogue(stage)])
    stage.holds("and it reaches everybody over TCP", all(answers.values()), answers)


def _contained(stage: Stage) -> None:
    stage.streams_go_on_as(Phase.DURING)
    with stage.story.step("A sensor accuses it"):
        taken = stage.accuse(_rogue(stage), "WORM spreads")
    stage.holds("the alert contains it", taken["disposition"] == "contained", taken)
    path = f"/api/v1/containments/{taken['containment']}"
    stage.until(
        "its rules are read back", lambda: stage.netcordon.get(path)["outcome"] in ("installed", "proven"), stage.held
    )
    time.sleep(SETTLED)
    case = stage.netcordon.get(path)
    stage.figures["stages_ms"] = case["stages_ms"]
    reached = set(case["proof"]["still_reaches"])
    named = {one.mac for one in _behind(stage)} <= reached
    stage.holds("the case names both neighbours as whom it still reaches", named, sorted(reached))
    _not_claimed(stage, case)


def _not_claimed(stage: Stage, case: Mapping[str, Any]) -> None:
    """A port's silence is what proves, and there is none where others speak there."""
    claim = (case["outcome"], bool(case["unproven"]))
    stage.story.say(f"{case['outcome']}: {case['unproven']}")
    stage.holds("it is called installed and not proven, with the reason", claim == ("installed", True), claim)


def _stopped(stage: Stage, tries: _Tries, tally: Tally) -> None:
    beyond = [host for host in stage.plan.hosts if host.switch != _rogue(stage).switch]

    def came(one: Trial, hosts: Sequence[Host]) -> int:
        return max(tally.frames(host.name, "in", Phase.DURING, one.number) for host in hosts)

    sent = {one.name: tally.frames(one.source.name, "out", Phase.DURING, one.number) for one in tries.all}
    stage.holds("all of it was sent again, in any disguise", all(sent.values()), sent)
    out = {one.name: came(one, beyond) for one in tries.out}
    stage.holds(f"nothing of {len(out)} kinds came out at anybody beyond the box", not any(out.values()), out)
    back = {one.name: came(one, [one.to]) for one in tries.back if one.kind not in BROADCAST}
    stage.holds("nothing that was addressed to it came to it", not any(back.values()), back)
    heard = {one.name: came(one, [one.to]) for one in tries.back if one.kind in BROADCAST}
    stage.holds("it hears broadcasts, as was said", all(heard.values()), heard)
    if tries.told:
        passed = {one.name: came(one, [one.to]) for one in tries.told}
        stage.holds("under another MAC it passes, as was said", all(passed.values()), passed)


def _what_remains(stage: Stage) -> None:
    rogue, behind = _rogue(stage), _behind(stage)
    rest = [host for host in stage.plan.hosts if host is not rogue and host not in behind]
    held = _answers(stage, rest)
    stage.holds("it gets an answer of nobody beyond the box over TCP", not any(held.values()), held)
    near = _answers(stage, behind)
    stage.holds("it still does of its neighbours, as was said", all(near.values()), near)
    files = stage.plan.actor(Role.FILE_SERVER)
    work = stage.reaches(behind, files, PORT)
    stage.holds(f"its neighbours go on working with {files.name}", all(work.values()), work)


def _listen(stage: Stage) -> None:
    stage.standing.crew.ask_all("listen", {host.name: {"tcp": [PORT], "udp": []} for host in stage.plan.hosts})


def _rogue(stage: Stage) -> Host:
    return stage.plan.actor(Role.ROGUE)


def _behind(stage: Stage) -> list[Host]:
    """The others at the box."""
    rogue = _rogue(stage)
    return [host for host in stage.plan.hosts if host.switch == rogue.switch and host is not rogue]


def _answers(stage: Stage, hosts: Sequence[Host]) -> dict[str, bool]:
    """Who of them answers it."""
    rogue = _rogue(stage)
    attempts = [stage.attempt(host, PORT) for host in hosts]
    told = stage.standing.crew.ask(rogue, "connect", attempts=attempts)
    return {host.name: bool(result["exchanged"]) for host, result in zip(hosts, told, strict=True)}
