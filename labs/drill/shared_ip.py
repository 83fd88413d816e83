"""The lab `shared-ip`: two share an address by VRRP, one of them is bad. It alone is held, and the other takes the address over."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import IPv4Address
from itertools import count
from typing import Any

from labs.drill.stage import Stage
from labs.frames import Kind, Phase, Tag, encode_tag, tag_offset
from labs.frames_vrrp import advertisement, silence_until_taken_over, virtual_mac
from labs.octets import arp_request
from labs.scenario import Means, Trial
from labs.traffic import SETTLED
from topologies.plan import Host, Role

EVERY = 0.005
GROUP, ADVERTISED_EVERY = 7, 0.25
PRIORITY, OF_BACKUP = 200, 100
VIRTUAL = virtual_mac(GROUP)
FIRST_TRIAL = 100
"""Above the numbers of the streams."""
WAYS = (Kind.ARP, Kind.UDP, Kind.BROADCAST_UDP, Kind.NON_IP)
HELD = ("installed", "proven")
POLICY = {
    "incriminate": [{"name": "the sensor's source", "match": {"source": "generic"}, "culprit": "source"}],
    "rules": [
        {"name": "contain whom the sensor accuses", "match": {"source": "generic"}, "mode": "contain", "for": "4h"}
    ],
}
SETTINGS: Mapping[str, Any] = {"protected": []}
"""What saves the one that is not bad is what is known of it, and no list."""


@dataclass
class _Speaker:
    """One of the two, as RFC 9568 §6.4 has it: it advertises while it is active, and as a backup takes over when it hears nothing for long
    enough. What it hears is what came in at its own interface."""

    stage: Stage
    host: Host
    shared: IPv4Address
    priority: int
    flow: int

    @property
    def name(self) -> str:
        return f"advertisements of {self.host.name}"

    def active(self) -> None:
        """It says by ARP where the address is now, and goes on advertising."""
        self.says_where()
        nonce = self.stage.traffic.nonce
        tag = encode_tag(nonce, Tag(Phase.BEFORE, self.flow, 0))
        said = advertisement(GROUP, self.host.ip, self.shared, self.priority, ADVERTISED_EVERY, tag)
        at = tag_offset(nonce, said) + 8
        self.stage.standing.crew.ask(
            self.host, "stream", name=self.name, template=said.hex(), at=at, gap=ADVERTISED_EVERY
        )

    def says_where(self) -> None:
        frames = [arp_request(VIRTUAL, self.shared, self.shared, b"").hex()]
        self.stage.standing.crew.ask(self.host, "send", frames=frames, gap=0)

    def backup(self) -> None:
        self.stage.standing.crew.ask(self.host, "stop", name=self.name)

    def heard(self, other: _Speaker, since: float) -> list[float]:
        """When it heard the other advertise."""
        asked = {"flow": other.flow, "way": "in", "since": since, "until": time.time()}
        return [at for _, at in self.stage.standing.crew.ask(self.host, "passages", **asked)]

    def waits_for_silence(self, other: _Speaker, since: float) -> None:
        """Raises LabError when the other is still heard at the end of the stage's patience."""
        silence = silence_until_taken_over(self.priority, ADVERTISED_EVERY)

        def silent() -> bool:
            return time.time() - max(self.heard(other, since), default=since) > silence

        self.stage.until(f"{self.host.name} has not heard {other.host.name} advertise for {silence:.2f} s", silent)


@dataclass
class _Pair:
    """`asked` is a client's stream to the shared address, for whoever answers to the virtual MAC."""

    stage: Stage
    one: _Speaker
    other: _Speaker
    asked: Trial
    numbers: count[int] = field(default_factory=lambda: count(FIRST_TRIAL + 10))

    @property
    def shared(self) -> IPv4Address:
        return self.one.shared

    def served_by(self, who: _Speaker, what: str) -> None:
        """All that the client asks now comes to this one, and none of it to the other."""
        other = self.one if who is self.other else self.other
        asked = self.asked

        def served() -> bool:
            now = time.time()
            here, there = self.stage.traffic.passages(asked, (who.host, other.host), "in", now - 0.25, now)
            return len(here) > 10 and not there

        self.stage.until(f"{what}: {self.shared} is served by {who.host.name}, and by it alone", served)

    def located_at(self, who: _Speaker) -> None:
        """Whom Netcordon takes the address to be: the one who speaks for it, under its own name."""

        def found() -> bool:
            endpoint = self._locate()["endpoint"] or {}
            return (endpoint.get("attachment") or {}).get("port") == who.host.edge and who.host.mac in endpoint["macs"]

        self.stage.until(f"{self.shared} is known to be spoken for by {who.host.name}", found, self._locate)

    def _locate(self) -> dict[str, Any]:
        return dict(self.stage.netcordon.get("/api/v1/locate", target=str(self.shared)))


def play(stage: Stage) -> None:
    victim, other, dc = (stage.plan.actor(one) for one in (Role.VICTIM, Role.NEIGHBOUR, Role.DOMAIN_CONTROLLER))
    stage.everyone_known()
    before = stage.switches()
    pair = _begins(stage)
    second = pair.other.host
    for a, b in ((victim, second), (other, dc)):
        stage.stream(a, b, EVERY)
        stage.stream(b, a, EVERY)
    stage.streams_go_on_as(Phase.DURING)
    pair.served_by(pair.one, "before")
    pair.located_at(pair.one)
    with ExitStack() as undo:
        undo.callback(stage.traffic.stop, pair.asked)
        how, case = "held by its own address", _held_by_its_own_address(pair)
        _taken_over(pair, case, how)
        _silent(pair, case, how)
        _given_back(pair, case)
        pair.located_at(pair.one)
        how, case = "held by the shared address", _held_by_the_shared_one(pair)
        _whose_it_was_at_that_moment(pair, case, _taken_over(pair, case, how))
        pair.located_at(pair.other)
        _silent(pair, case, how)
        _given_back(pair, case)
    lost = stage.lost(Phase.DURING)
    flowing = all(sent > 100 and not gone for sent, gone in lost.values())
    stage.figures["innocent_frames"] = sum(sent for sent, _ in lost.values())
    stage.holds(f"not one frame to or from {second.name}'s own address, or of anybody else, was lost", flowing, lost)
    stage.unchanged(before)


def _begins(stage: Stage) -> _Pair:
    one, other = stage.plan.actor(Role.ROGUE), stage.plan.actor(Role.FILE_SERVER)
    shared = stage.plan.unused_ip()
    active = _Speaker(stage, one, shared, PRIORITY, FIRST_TRIAL)
    standby = _Speaker(stage, other, shared, OF_BACKUP, FIRST_TRIAL + 1)
    at_the_address = replace(one, name="shared", ip=shared, mac=VIRTUAL)
    asked = Trial(
        FIRST_TRIAL + 2, Means(Kind.UDP), stage.plan.actor(Role.VICTIM), at_the_address, must_stop=False, every=EVERY
    )
    pair = _Pair(stage, active, standby, asked)
    with stage.story.step(f"{one.name} and {other.name} share {shared} by VRRP, and {one.name} is active"):
        began = time.time()
        pair.one.active()
        stage.traffic.stream(asked)
    stage.until(f"{other.name} hears it advertise", lambda: len(pair.other.heard(pair.one, began)) > 3)
    return pair


def _held_by_its_own_address(pair: _Pair) -> str:
    stage, host = pair.stage, pair.one.host
    words = ("contain", str(host.ip), "--reason", "it is bad", "--for", "1h", "--yes", "--wait", "--until", "installed")
    with stage.story.step(f"An operator contains {host.ip}, {host.name}'s own address"):
        answer = stage.netcordon.command(*words)
    return str(answer["containment"]["id"])


def _held_by_the_shared_one(pair: _Pair) -> str:
    """The virtual MAC is no device: who was active is."""
    stage = pair.stage
    with stage.story.step(f"A sensor accuses {pair.shared}, which is what it saw"):
        taken = _accuses(stage, pair.shared, datetime.now(UTC))
    stage.holds("the alert contains somebody", taken["disposition"] == "contained", taken)
    case = str(taken["containment"])
    stage.until("it is held", lambda: _case(stage, case)["outcome"] in HELD, lambda: _case(stage, case))
    return case


def _accuses(stage: Stage, ip: IPv4Address, at: datetime) -> dict[str, Any]:
    alert = {
        "id": f"shared-{time.time_ns()}",
        "signature": "SCAN of many",
        "observed_at": at.isoformat(),
        "src": {"ip": str(ip)},
        "severity": 5,
    }
    (taken,) = stage.netcordon.request("POST", "/api/v1/alerts/generic", "intake", json=alert)["results"]
    return dict(taken)


def _taken_over(pair: _Pair, case: str, how: str) -> float:
    """By the rules of VRRP alone: nobody tells the backup. When it took over, in seconds since the epoch."""
    stage, one, other = pair.stage, pair.one, pair.other
    began = time.time()
    _it_alone(pair, case, how)
    other.waits_for_silence(one, began)
    moment = time.time()
    other.active()
    pair.served_by(other, how)
    stage.figures.setdefault("taken_over_seconds", {})[how] = round(time.time() - began, 2)
    return moment


def _it_alone(pair: _Pair, case: str, how: str) -> None:
    stage, one, other = pair.stage, pair.one.host, pair.other.host
    endpoint = _case(stage, case)["endpoint"]
    seen = (endpoint["attachment"]["port"], endpoint["macs"], [found["id"] for found in stage.cases()])
    right = seen[0] == one.edge and one.mac in seen[1] and other.mac not in seen[1] and seen[2] == [case]
    stage.holds(f"{how}: {one.name} is held at its own port, and nobody else is", right, seen)


def _silent(pair: _Pair, case: str, how: str) -> None:
    """Nothing of the held one arrives, under its own MAC or under the one that they share; and the case does not follow the address."""
    stage, one, victim = pair.stage, pair.one.host, pair.stage.plan.actor(Role.VICTIM)
    as_shared = replace(one, ip=pair.shared, mac=VIRTUAL)
    tried = [
        Trial(next(pair.numbers), Means(kind), source, victim, must_stop=True)
        for source in (one, as_shared)
        for kind in WAYS
    ]
    time.sleep(SETTLED)
    since = time.time()
    stage.traffic.burst(tried, Phase.INCIDENT)
    tally = stage.traffic.settle_silence()
    others = [host for host in stage.plan.hosts if host is not one]
    sent = [tally.frames(one.name, "out", Phase.INCIDENT, trial.number) for trial in tried]
    came = [max(tally.frames(host.name, "in", Phase.INCIDENT, trial.number) for host in others) for trial in tried]
    stopped = all(sent) and not any(came) and not pair.other.heard(pair.one, since)
    stage.holds(f"{how}: nothing comes of it, under its own MAC or the virtual one", stopped, (sent, came))
    _it_alone(pair, case, f"{how}, after the failover")


def _whose_it_was_at_that_moment(pair: _Pair, case: str, moment: float) -> None:
    """The address was the one's and then the other's: an alert of that very moment names neither."""
    stage = pair.stage
    with stage.story.step(f"A sensor accuses {pair.shared} as of the failover"):
        taken = _accuses(stage, pair.shared, datetime.fromtimestamp(moment, UTC))
    stage.story.say(f"{taken['disposition']}: {taken['reason']}")
    nobody = taken["containment"] is None and [one["id"] for one in stage.cases()] == [case]
    stage.holds("it contains nobody, and is put to people", nobody and bool(taken["proposal"]), taken)
    found = stage.netcordon.get(
        "/api/v1/locate", target=str(pair.shared), at=datetime.fromtimestamp(moment, UTC).isoformat()
    )
    told = " ".join(found["against"])
    named = all(who.host.edge in told for who in (pair.one, pair.other)) and "failed over" in told
    stage.holds(
        "as of then it is in doubt, by a failover between both ports", found["status"] == "ambiguous" and named, found
    )


def _given_back(pair: _Pair, case: str) -> None:
    """The one with the higher priority never ceased to take itself for active: heard again, it is (§6.4.2, Preempt_Mode)."""
    stage, one, other = pair.stage, pair.one, pair.other
    began = time.time()
    stage.netcordon.command("release", case, "--reason", "it is clean", "--wait")
    stage.until(f"released, {one.host.name} is heard to advertise", lambda: len(other.heard(one, began)) > 1)
    other.backup()
    one.says_where()
    pair.served_by(one, "released")


def _case(stage: Stage, case: str) -> dict[str, Any]:
    return dict(stage.netcordon.get(f"/api/v1/containments/{case}"))
