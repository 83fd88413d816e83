"""Trying a lab's traffic phase by phase, and counting on both ends what became of it.

What is counted as sent was seen leaving at the sender's interface; what is counted as received was seen coming in at
the receiver's, by its tag (frames) or its source port (TCP), both of which are used in one phase of one trial only.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from itertools import count, zip_longest
from typing import Any

from labs.crew import AgentError, Crew
from labs.frames import (
    CONNECTIONS,
    PHASES,
    Kind,
    Phase,
    Station,
    Surroundings,
    Tag,
    claim,
    encode_tag,
    frame,
    tag_offset,
)
from labs.frames_ipv6 import solicitation
from labs.scenario import Trial
from labs.verdicts import Count
from topologies.plan import Host, NetworkPlan, Role

FRAMES = 5
GAP = 0.001
TCP_PATIENCE = 5.0
BLOCKED_PATIENCE = 0.6
"""For a connection that must not come about. Its opening frame is counted wherever it arrives, however late."""
ARRIVAL_PATIENCE = 5.0
SILENCE = 0.5
"""How long after the last frame of a phase in which nothing must arrive is waited for stragglers."""
SETTLED = 0.25
"""Seconds from a change of the rules that was read back until frames must go, or must not go, by it: Open vSwitch drops cached decisions
a little after it acknowledged the change (up to 100 ms on a busy machine). How long it took is in the result."""
FIRST_SOURCE_PORT = 10_000
SMB, WEB = 445, 80
Passages = list[tuple[int, float]]
"""Frames of one flow at one host: their numbers, and when they were there (seconds since the epoch), in the order of time."""


@dataclass(frozen=True)
class Tally:
    """What all agents have counted so far. `tagged` is by (host, way, phase, flow): frames, first and last time."""

    tagged: Mapping[tuple[str, str, str, int], tuple[int, float, float]]
    opened: frozenset[tuple[str, str, int]]

    def frames(self, host: str, way: str, phase: Phase, flow: int) -> int:
        return self.tagged.get((host, way, phase.value, flow), (0, 0.0, 0.0))[0]

    def times(self, host: str, phase: Phase, flow: int) -> tuple[float, float] | None:
        """When the first and the last frame of the flow's phase came in there, in seconds since the epoch."""
        seen = self.tagged.get((host, "in", phase.value, flow))
        return None if seen is None else seen[1:]


@dataclass
class Traffic:
    """One run's traffic on one network. Not to be used from two threads."""

    crew: Crew
    plan: NetworkPlan
    nonce: bytes
    contained: Host | None = None
    _ports: Iterator[int] = field(default_factory=lambda: count(FIRST_SOURCE_PORT))
    _conversations: dict[tuple[int, Phase], list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def start(self, trials: Iterable[Trial] = ()) -> None:
        """Listeners where a host offers a service or is asked for one, then one frame from everyone so that switches and controller know
        it."""
        listening: dict[str, dict[str, set[int]]] = {
            host.name: {"tcp": {service(host)}, "udp": set()} for host in self.plan.hosts
        }
        for trial in trials:
            if trial.by.port is not None:
                listening[trial.to.name]["udp" if trial.kind is Kind.REQUEST else "tcp"].add(trial.by.port)
        told = {name: {way: sorted(ports) for way, ports in some.items()} for name, some in listening.items()}
        self.crew.ask_all("listen", told)
        self.announce()

    def announce(self) -> None:
        """Every host asks for every other host's address, as hosts do, and for one over IPv6, by each of its own addresses. Untagged: it
        belongs to no phase."""
        asked = {
            host.name: [
                frame(Kind.ARP, station(host), station(other), self.around, b"").hex()
                for other in self.plan.hosts
                if other is not host
            ]
            + [solicitation(host.mac, own, self._asked6(host), b"").hex() for own in (host.ip6, host.link_local)]
            for host in self.plan.hosts
        }
        self.crew.ask_all("send", {name: {"frames": frames, "gap": GAP} for name, frames in asked.items()})

    def _asked6(self, host: Host) -> IPv6Address:
        return next(other.ip6 for other in self.plan.hosts if other is not host)

    @property
    def around(self) -> Surroundings:
        gateway = self.plan.actor(Role.GATEWAY)
        return Surroundings(self.plan.prefix, gateway.ip, self.plan.unused_ip(), (gateway.ip6, gateway.link_local))

    def burst(
        self, trials: Iterable[Trial], phase: Phase, frames: int = FRAMES, *, first: int = 0, claims: bool = False
    ) -> None:
        """Try each trial `frames` times; `first` is the first one's number, where it is not the first burst of its phase.
        `claims`: an attacker that changes its addresses also announces them. A host takes its trials in turns: a moment in which a busy
        machine loses frames costs each of them one, and none of them all."""
        trials = [trial for trial in trials if trial.every is None]
        outgoing: dict[str, list[list[str]]] = defaultdict(list)
        attempts: dict[str, list[tuple[Trial, dict[str, Any]]]] = defaultdict(list)
        for trial in trials:
            if trial.kind in CONNECTIONS:
                attempts[trial.source.name] += [(trial, self._attempt(trial, phase, n)) for n in range(frames)]
            else:
                numbers = range(first, first + frames)
                outgoing[trial.source.name].append(self._frames(trial, phase, numbers, claims=claims))
        turns = {
            name: [frame for turn in zip_longest(*some) for frame in turn if frame] for name, some in outgoing.items()
        }
        self.crew.ask_all("send", {name: {"frames": sent, "gap": GAP} for name, sent in turns.items()})
        self._converse(attempts, phase)

    def _frames(self, trial: Trial, phase: Phase, numbers: range, *, claims: bool) -> list[str]:
        source, to = station(trial.source), station(trial.to)

        def tag(number: int) -> bytes:
            return encode_tag(self.nonce, Tag(phase, trial.number, number))

        built = [frame(trial.kind, source, to, self.around, tag(number), turn=number) for number in numbers]
        claimed = claim(trial.kind, source, self.around, tag(numbers.stop)) if claims else None
        return [one.hex() for one in ([claimed, *built] if claimed else built)]

    def _attempt(self, trial: Trial, phase: Phase, number: int) -> dict[str, Any]:
        said = encode_tag(self.nonce, Tag(phase, trial.number, number)).hex()
        port = next(self._ports)
        patience = BLOCKED_PATIENCE if trial.must_stop and phase is Phase.DURING else TCP_PATIENCE
        ip = trial.to.ip6 if trial.kind is Kind.IPV6_TCP else trial.to.ip
        to = {"ip": str(ip), "port": trial.by.port or service(trial.to), "udp": trial.kind is Kind.REQUEST}
        return {**to, "source_port": port, "say": said, "patience": patience}

    def _converse(self, attempts: Mapping[str, list[tuple[Trial, dict[str, Any]]]], phase: Phase) -> None:
        asked = {name: {"attempts": [attempt for _, attempt in some]} for name, some in attempts.items()}
        for name, results in self.crew.ask_all("connect", asked).items():
            for (trial, _), result in zip(attempts[name], results, strict=True):
                self._conversations[trial.number, phase].append(result)

    def stream(self, trial: Trial) -> None:
        """Start the trial's stream, in the phase before; `phase` moves it on."""
        if trial.every is None:
            raise ValueError(f"{trial.name} is no stream")
        tag = encode_tag(self.nonce, Tag(Phase.BEFORE, trial.number, 0))
        template = frame(trial.kind, station(trial.source), station(trial.to), self.around, tag)
        at = tag_offset(self.nonce, template) + 8
        self.crew.ask(trial.source, "stream", name=trial.name, template=template.hex(), at=at, gap=trial.every)

    def phase(self, phase: Phase, streams: Iterable[Trial]) -> None:
        """These streams go on in this phase, without a pause."""
        names: dict[str, list[str]] = defaultdict(list)
        for trial in streams:
            names[trial.source.name].append(trial.name)
        self.crew.ask_all(
            "phase", {host: {"phase": PHASES.index(phase), "names": some} for host, some in names.items()}
        )

    def passages(self, trial: Trial, hosts: Iterable[Host], way: str, since: float, until: float) -> list[Passages]:
        """The trial's frames that went out of, or came in at, each of these hosts in this time, whatever their phase."""
        asked = {"flow": trial.number, "way": way, "since": since, "until": until}
        told = self.crew.ask_all("passages", {host.name: asked for host in hosts})
        return [[(number, at) for number, at in some] for some in told.values()]

    def stop(self, trial: Trial) -> None:
        self.crew.ask(trial.source, "stop", name=trial.name)

    def tally(self) -> Tally:
        """Raises AgentError when a frame was lost to the counting itself."""
        tagged, opened = {}, set()
        for host, counts in self.crew.everyone("counts").items():
            if counts["lost"]:
                raise AgentError(f"{counts['lost']} frames were lost to counting on {host}: this machine is too slow")
            tagged.update(
                {(host, way, phase, flow): (n, first, last) for way, phase, flow, n, first, last in counts["tagged"]}
            )
            opened |= {(host, way, source_port) for way, source_port, _ in counts["opened"]}
        return Tally(tagged, frozenset(opened))

    def count(self, trial: Trial, phase: Phase, tally: Tally) -> Count:
        """What was sent and received. Of what is sent by who is contained, coming out anywhere counts."""
        anywhere = trial.must_stop and trial.source == self.contained and phase is Phase.DURING
        watched = [host for host in self.plan.hosts if host is not trial.source] if anywhere else [trial.to]
        said = self._conversations[trial.number, phase]
        if trial.kind not in CONNECTIONS or trial.kind is Kind.REQUEST:
            return Count(
                tally.frames(trial.source.name, "out", phase, trial.number),
                max(tally.frames(host.name, "in", phase, trial.number) for host in watched),
                sum(result["exchanged"] for result in said) if trial.kind is Kind.REQUEST else None,
            )
        ports = {result["source_port"] for result in said}
        return Count(
            sum((trial.source.name, "out", port) in tally.opened for port in ports),
            max(sum((host.name, "in", port) in tally.opened for port in ports) for host in watched),
            sum(result["exchanged"] for result in said),
        )

    def settle(self, trials: Sequence[Trial], phase: Phase) -> Tally:
        """Wait until all that was sent arrived, or has had the time to."""
        return self._until(lambda tally: all(self._there(trial, phase, tally) for trial in trials), ARRIVAL_PATIENCE)

    def _there(self, trial: Trial, phase: Phase, tally: Tally) -> bool:
        seen = self.count(trial, phase, tally)
        return seen.sent <= seen.received

    def settle_silence(self) -> Tally:
        """Nothing is expected: what is still on its way gets the time to arrive and be counted."""
        time.sleep(SILENCE)
        return self.tally()

    def _until(self, done: Callable[[Tally], bool], patience: float) -> Tally:
        deadline = time.monotonic() + patience
        while True:
            tally = self.tally()
            if done(tally) or time.monotonic() > deadline:
                return tally
            time.sleep(0.02)


def station(host: Host) -> Station:
    return Station(host.mac, host.ip, host.link_local, host.ip6)


def service(host: Host) -> int:
    """The TCP port that a host listens on: a camera has a web page, everybody else shares files."""
    return WEB if host.role is Role.ROGUE else SMB
