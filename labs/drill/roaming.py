"""The lab `roaming`: a held device moves port twice, takes another address, then another MAC, and is followed each time."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from itertools import count
from typing import Any

from labs.drill.stage import Stage
from labs.fabric import Plug
from labs.frames import STRANGER_MAC, Kind, Phase
from labs.octets import arp_request
from labs.scenario import Means, Trial
from labs.traffic import SETTLED
from topologies.plan import Host, Role

EVERY, BAIT_EVERY = 0.005, 0.02
FIRST_TRIAL = 100
"""Above the numbers of the streams."""
WAYS = (Kind.ARP, Kind.UDP, Kind.BROADCAST_UDP, Kind.NON_IP)
ALL_WAYS = (*WAYS, Kind.CHANGED_IP, Kind.CHANGED_MAC)
HELD = ("installed", "proven")
POLICY = {
    "incriminate": [{"name": "the sensor's source", "match": {"source": "generic"}, "culprit": "source"}],
    "rules": [
        {"name": "contain whom the sensor accuses", "match": {"source": "generic"}, "mode": "contain", "for": "4h"}
    ],
}


@dataclass
class _Case:
    """The one case, and where the device is plugged in by now. `chatter`: its own stream, which goes on all the while, as a device's
    does. `took` is in seconds; `through` are the frames of it that came out at whoever got most, until it was held again."""

    stage: Stage
    id: str
    plug: Plug
    chatter: Trial
    numbers: count[int] = field(default_factory=lambda: count(FIRST_TRIAL + 1))
    took: dict[str, float] = field(default_factory=dict)
    through: dict[str, int] = field(default_factory=dict)

    @property
    def rogue(self) -> Host:
        return self.stage.plan.actor(Role.ROGUE)

    def now(self) -> dict[str, Any]:
        return dict(self.stage.netcordon.get(f"/api/v1/containments/{self.id}"))

    def timed(self, what: str, done: Callable[[], object], began: float) -> None:
        """Notes in how many seconds it came."""
        self.stage.until(what, done, lambda: self.now()["endpoint"])
        self.took[what] = round(time.monotonic() - began, 2)

    @property
    def others(self) -> list[Host]:
        return [host for host in self.stage.plan.hosts if host is not self.rogue]

    def silent(self, where: str, *disguises: Kind) -> None:
        """Everything is tried to and from it. A disguise that it took before is known already, and is no news any more."""
        victim, rogue = self.stage.plan.actor(Role.VICTIM), self.rogue
        out = [Trial(next(self.numbers), Means(kind), rogue, victim, must_stop=True) for kind in (*WAYS, *disguises)]
        back = Trial(next(self.numbers), Means(Kind.UDP), victim, rogue, must_stop=True)
        time.sleep(SETTLED)
        self.stage.traffic.burst([*out, back], Phase.DURING)
        tally = self.stage.traffic.settle_silence()
        counts = {one.name: self.stage.traffic.count(one, Phase.DURING, tally) for one in (*out, back)}
        came = {
            one.name: max(tally.frames(host.name, "in", Phase.DURING, one.number) for host in self.others)
            for one in out
        }
        stopped = all(one.sent for one in counts.values()) and not any(came.values()) and not counts[back.name].received
        self.stage.holds(f"{where}: nothing of {len(out)} kinds comes from it, and nothing to it", stopped, counts)


def play(stage: Stage) -> None:
    rogue, victim = stage.plan.actor(Role.ROGUE), stage.plan.actor(Role.VICTIM)
    files, other, dc = (stage.plan.actor(one) for one in (Role.FILE_SERVER, Role.NEIGHBOUR, Role.DOMAIN_CONTROLLER))
    stage.everyone_known()
    before = stage.switches()
    for a, b in ((victim, files), (other, dc)):
        stage.stream(a, b, EVERY)
        stage.stream(b, a, EVERY)
    chatter = Trial(FIRST_TRIAL, Means(Kind.ARP), rogue, victim, must_stop=True, every=BAIT_EVERY)
    stage.traffic.stream(chatter)
    stage.streams_go_on_as(Phase.DURING)
    with ExitStack() as undo:
        case = _held(stage, rogue, chatter)
        case.silent("at its first port")
        names = [switch.name for switch in stage.plan.switches]
        _move(case, rogue.switch, "another port of its switch", undo)
        _move(case, names[(names.index(rogue.switch) + 1) % len(names)], "a port of another switch", undo)
        _takes_address(case)
        _takes_mac(case)
        stage.figures |= {"followed_seconds": case.took, "frames_through": case.through}
        stage.traffic.stop(chatter)
        lost = stage.lost(Phase.DURING)
        flowing = all(sent > 100 and not gone for sent, gone in lost.values())
        stage.figures["innocent_frames"] = sum(sent for sent, _ in lost.values())
        stage.holds("not one frame of anybody else was lost", flowing, lost)
        stage.netcordon.command("release", case.id, "--reason", "it is clean", "--wait")
        _speaks_again(stage, rogue, victim)
    stage.unchanged(before)


def _held(stage: Stage, rogue: Host, chatter: Trial) -> _Case:
    with stage.story.step(f"A sensor accuses {rogue.name}"):
        taken = stage.accuse(rogue, "WORM spreads")
    stage.holds("the alert contains it", taken["disposition"] == "contained", taken)
    case = _Case(stage, str(taken["containment"]), Plug(rogue.switch, rogue.port), chatter)
    stage.until("it is held", lambda: case.now()["outcome"] in HELD, case.now)
    return case


def _move(case: _Case, switch: str, where: str, undo: ExitStack) -> None:
    """Pulled out, and plugged into a port that was never used. The old one is freed when nothing of it was heard there any more."""
    hands, old = case.stage.standing.hands, case.plug
    to = case.plug = hands.free_plug(switch)
    began, since = time.monotonic(), time.time()
    with case.stage.story.step(f"{case.rogue.name} is plugged into {where}: from {old.interface} to {to.interface}"):
        back = hands.replug(old, to)
        case.stage.traffic.crew.ask(case.rogue, "plugged_in")

    def undone() -> None:
        back()
        case.stage.traffic.crew.ask(case.rogue, "plugged_in")

    undo.callback(undone)
    wanted = {"device": f"of:{case.stage.plan.switch(to.switch).datapath}", "port": to.interface}

    def followed() -> bool:
        now = case.now()
        place = now["endpoint"]["attachment"]
        return now["outcome"] in HELD and {key: place[key] for key in wanted} == wanted

    case.timed(f"it is held at {where}", followed, began)
    seen = case.stage.traffic.passages(case.chatter, case.others, "in", since, time.time())
    case.through[where] = max(map(len, seen))
    case.stage.story.say(f"{case.through[where]} of its frames came out meanwhile, one each {BAIT_EVERY * 1000:.0f} ms")
    case.timed(f"the port before {where} is free", lambda: hands.bare(old), began)
    case.silent(f"at {where}")


def _takes_address(case: _Case) -> None:
    """By ARP, as a device does that took another lease."""
    stage, rogue = case.stage, case.rogue
    new = stage.plan.unused_ip()
    began = time.monotonic()
    _claims(stage, rogue.mac, new)
    case.timed("its new address is known to be its own", lambda: str(new) in case.now()["endpoint"]["ips"], began)
    case.silent("under a new address", Kind.CHANGED_IP)


def _takes_mac(case: _Case) -> None:
    began = time.monotonic()
    _claims(case.stage, STRANGER_MAC, case.rogue.ip)
    case.timed("the case names its new MAC", lambda: STRANGER_MAC in str(case.now()), began)
    case.silent("under a new MAC", Kind.CHANGED_IP, Kind.CHANGED_MAC)


def _claims(stage: Stage, mac: str, ip: IPv4Address) -> None:
    gateway = stage.plan.actor(Role.GATEWAY)
    frames = [arp_request(mac, ip, gateway.ip, b"").hex()]
    stage.standing.crew.ask(stage.plan.actor(Role.ROGUE), "send", frames=frames * 3, gap=0.01)


def _speaks_again(stage: Stage, rogue: Host, victim: Host) -> None:
    again = [Trial(FIRST_TRIAL + 90 + n, Means(kind), rogue, victim, must_stop=True) for n, kind in enumerate(ALL_WAYS)]
    stage.traffic.burst(again, Phase.AFTER)
    tally = stage.traffic.settle(again, Phase.AFTER)
    counts = {one.name: stage.traffic.count(one, Phase.AFTER, tally) for one in again}
    stage.holds("released, all that it sends arrives again", all(one.complete for one in counts.values()), counts)
