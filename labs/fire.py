"""Makes a scenario's incidents happen while the rogue is held, and measures what came of each: how many frames of the contained got
through, what the innocent lost, and how long until the controller held again.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labs.crash import Deed, crash
from labs.fabric import Plug, Undo
from labs.frames import Phase
from labs.incidents import Crash, Flood, Incident, Move, ReaddPort, RestartSwitch, WipeFlows
from labs.process import LabError
from labs.result import Happened
from labs.scenario import Trial
from labs.traffic import SILENCE, Passages
from labs.verdicts import incident as verdict_of

if TYPE_CHECKING:
    from labs.installation import Installation
    from labs.runner import Site

HELD_PATIENCE = 40.0
BETWEEN_LOOKS = 0.05
CALM = 1.0
CALM_PATIENCE = 60.0
PROVEN = "proven"


@dataclass
class Fire:
    """What happened so far, and when (from, to; in seconds since the epoch). `cases` are the ids of the containments that are held: more
    may come. `set_right` is for after the release: it puts back what was changed in the network itself."""

    cases: list[str] = field(default_factory=list)
    happened: list[Happened] = field(default_factory=list)
    spans: list[tuple[float, float]] = field(default_factory=list)
    _floods: list[Flooding] = field(default_factory=list)
    _plugs: dict[str, Plug] = field(default_factory=dict)
    _undo: list[Undo] = field(default_factory=list)

    def set_right(self) -> None:
        """Every port is where and what it was, last change first."""
        while self._undo:
            self._undo.pop()()

    def kindle(self, site: Site) -> None:
        """What begins before the alert."""
        for one in site.scenario.during:
            if isinstance(one, Flood):
                self._floods.append(Flooding(site, one))

    @property
    def burns(self) -> bool:
        """Something goes on already when the alert comes."""
        return bool(self._floods)

    def befall(self, site: Site, case: Mapping[str, Any], began: float) -> None:
        """All of the scenario's incidents, one after the other, now that this case is proven. `began`: when its clock did."""
        self.cases.append(case["id"])
        for flooding in self._floods:
            with site.story.step(flooding.what.in_words()):
                proven = began + case["stages_ms"].get("alert_to_proven", 0.0) / 1000
                self.happened.append(flooding.end(proven, proven=case["outcome"] == PROVEN))
        if self._floods:
            site.traffic.phase(Phase.DURING, site.innocent_streams)
        steps = [one for one in site.scenario.during if not isinstance(one, Flood)]
        if steps:
            site.traffic.phase(Phase.INCIDENT, site.streams)
        for one in steps:
            with site.story.step(one.in_words()):
                self.happened.append(self._watched(site, one))
        if steps:
            site.traffic.phase(Phase.DURING, site.innocent_streams)

    def _watched(self, site: Site, one: Incident) -> Happened:
        """The incident itself, until every case is held again or time is up, and the silence after it."""
        seen, began = last_record(site), time.time()
        deed = self._carry_out(site, one)
        held_at, trails = _held_again(site, one, deed, self.cases, seen)
        time.sleep(SILENCE)
        self.spans.append((began, time.time()))
        wrong = [] if held_at is None else deed.wrong()
        wrong += _broke_silence(site, deed.silent, self.spans[-1][1])
        return measured(site, one, self.spans[-1], held_at, trails, wrong, deed.noted)

    def _carry_out(self, site: Site, one: Incident) -> Deed:
        deed = Deed()
        match one:
            case WipeFlows():
                site.hands.wipe(site.plan.actor(one.at).switch)
            case RestartSwitch():
                site.hands.restart(site.plan.actor(one.at).switch, one.outage)
            case ReaddPort():
                deed.undo = site.hands.readd(site.plan.actor(one.of))
            case Move():
                deed = self._move(site, one)
            case Crash():
                deed = crash(site, one, self.cases)
        if deed.undo is not None:
            self._undo.append(deed.undo)
        return deed

    def _move(self, site: Site, one: Move) -> Deed:
        """It is mended when the case is held at the new port, and nothing speaks of the old one any more."""
        host = site.plan.actor(one.who)
        now = self._plugs.get(host.name, Plug(host.switch, host.port))
        bridges = [switch.name for switch in site.plan.switches]
        other = bridges[(bridges.index(now.switch) + 1) % len(bridges)]
        to = self._plugs[host.name] = site.hands.free_plug(now.switch if one.to == "same-switch" else other)
        wanted = (f"of:{site.plan.switch(to.switch).datapath}", to.interface)
        back = site.hands.replug(now, to)
        site.traffic.crew.ask(host, "plugged_in")

        def undo() -> None:
            back()
            site.traffic.crew.ask(host, "plugged_in")

        def followed() -> bool:
            case = site.netcordon.get(f"/api/v1/containments/{self.cases[0]}")
            place = case["endpoint"]["attachment"]
            return case["outcome"] == PROVEN and (place["device"], place["port"]) == wanted and site.hands.bare(now)

        return Deed(undo, followed, noted={"from": now.interface, "to": to.interface})


class Flooding:
    """A flood that goes on, and somebody who asks the controller's API all the while."""

    def __init__(self, site: Site, what: Flood) -> None:
        self._site, self.what = site, what
        self._began = time.time()
        self._source = site.plan.actor(what.source)
        target = site.plan.actor(what.to).mac
        self._asking = Asking(site.netcordon)
        site.traffic.crew.ask(self._source, "flood", target=target, per_second=what.per_second)

    def end(self, proven_at: float, *, proven: bool) -> Happened:
        sent = self._site.traffic.crew.ask(self._source, "end_flood")
        asked, unanswered, slowest = self._asking.end()
        ended = time.time()
        noted = {"frames": sent, "api_asked": asked, "api_slowest_ms": slowest, "calm_after_ms": self._calm(ended)}
        span = (self._began, time.time())
        held_at = proven_at if proven else None
        return measured(self._site, self.what, span, held_at, {}, unanswered, noted, silent_from=proven_at)

    def _calm(self, since: float) -> float | None:
        """When the switches had worked off what was left of the flood, by the innocent streams: the last second of each arrived whole.
        What is lost until then is the flood's doing; after it, ours. None: it did not get calm."""
        while (now := time.time()) < since + CALM_PATIENCE:
            begin = max(since, now - CALM)
            losses = [_loss(self._site, stream, begin, now)[0] for stream in self._site.innocent_streams]
            if now - since >= CALM and not any(loss is None or loss for loss in losses):
                return _since(since, now)
            time.sleep(SILENCE)
        return None


class Asking:
    """Asks for the list of containments again and again, on a connection of its own."""

    def __init__(self, netcordon: Installation) -> None:
        self._netcordon = netcordon
        self._times: list[float] = []
        self._unanswered: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> tuple[int, list[str], float]:
        """How often it asked, what was not answered and why, and the slowest answer in ms."""
        self._over.set()
        self._thread.join()
        return len(self._times), self._unanswered, round(max(self._times, default=0.0) * 1000, 1)

    def _run(self) -> None:
        with self._netcordon.another() as mine:
            while not self._over.wait(BETWEEN_LOOKS):
                asked = time.monotonic()
                try:
                    mine.get("/api/v1/containments")
                except LabError as error:
                    self._unanswered.append(str(error))
                self._times.append(time.monotonic() - asked)


# --- what the controller makes of it ----------------------------------------------------------------------------------


def last_record(site: Site) -> int:
    """The number of the audit log's newest record; the limit is the API's own."""
    records = site.netcordon.get("/api/v1/audit", limit="10000")
    return int(records[-1]["seq"]) if records else 0


def trail(site: Site, case: str, after: int) -> list[str]:
    """What the audit log says of a case since then: its outcomes, in order."""
    records = site.netcordon.get("/api/v1/audit", after=str(after), limit="10000")
    return [
        PROVEN if record["action"] == PROVEN else str(record["detail"]["to"])
        for record in records
        if record["subject"] == case and record["action"] in ("outcome", PROVEN)
    ]


def _held_again(
    site: Site, one: Incident, deed: Deed, cases: Iterable[str], seen: int
) -> tuple[float | None, dict[str, list[str]]]:
    """When every case was proven again after the controller had noticed (None: not in time), and what became of each till then."""
    deadline = time.monotonic() + HELD_PATIENCE
    while True:
        mended = deed.mended()  # asked first: what it says is in the audit log by then
        trails = {case: trail(site, case, seen) for case in cases}
        noticed = all(set(some) & one.trail and some[-1] == PROVEN for some in trails.values()) or not one.trail
        if noticed and mended:
            return time.time(), trails
        if time.monotonic() > deadline:
            return None, trails
        time.sleep(BETWEEN_LOOKS)


# --- what was seen on the wire ----------------------------------------------------------------------------------------


def measured(
    site: Site,
    one: Incident,
    span: tuple[float, float],
    held_at: float | None,
    trails: Mapping[str, Sequence[str]],
    wrong: Sequence[str],
    noted: Mapping[str, Any],
    silent_from: float | None = None,
) -> Happened:
    """`silent_from`: since when nothing must get through, where that is not since the beginning."""
    since = span[0] if silent_from is None else silent_from
    by = {bait.name: [at for _, at in got_through(site, bait, since, span[1])] for bait in site.baits}
    through = [at for some in by.values() for at in some]
    tried = all(site.traffic.passages(bait, [bait.source], "out", *span)[0] for bait in site.baits)
    losses = {stream.name: _loss(site, stream, *span) for stream in site.innocent_streams}
    lost, gaps = zip(*losses.values(), strict=True)
    wrong = [*wrong, *(f"{name}: nothing arrived" for name, (some, _) in losses.items() if some is None)]
    if isinstance(one, Crash):  # it may only leak of those whom it has contained itself
        wrong = [
            *wrong,
            *(f"{bait.name}: {len(by[bait.name])} through" for bait in site.contained_baits if by[bait.name]),
        ]
    held, total = held_at is not None and not wrong, sum(some or 0 for some in lost)
    return Happened(
        one.do,
        through=len(through),
        through_by={name: len(some) for name, some in by.items() if some},
        through_for_ms=_since(span[0], max(through, default=None)),
        lost=total,
        longest_gap_ms=max(gaps),
        held_again_ms=_since(span[0], held_at),
        trails=trails,
        wrong=wrong,
        noted=noted,
        verdict=verdict_of(one, through=len(through), lost=total, tried=tried, held=held),
    )


def _broke_silence(site: Site, silent: Mapping[str, float], until: float) -> list[str]:
    """Baits of hosts that had been said to be held, of which frames came through all the same."""
    wrong = []
    for name, since in silent.items():
        for bait in site.baits:
            if name in (bait.source.name, bait.to.name) and (seen := got_through(site, bait, since, until)):
                wrong.append(f"{bait.name}: {len(seen)} through after {name} was said to be held")
    return wrong


def got_through(site: Site, bait: Trial, since: float, until: float) -> Passages:
    """Each of its frames that came in, once, with when that was first: at the contained, or at whoever it was that heard the contained."""
    first: dict[int, float] = {}
    others = [host for host in site.plan.hosts if host is not bait.source]
    for some in site.traffic.passages(bait, [bait.to] if bait.to is site.contained else others, "in", since, until):
        for number, at in some:
            first[number] = min(at, first.get(number, at))
    return sorted(first.items(), key=lambda passage: passage[1])


def _loss(site: Site, stream: Trial, since: float, until: float) -> tuple[int | None, float]:
    """How many of the frames sent until shortly before the end never arrived (None: not one did), and the longest pause between two
    arrivals in ms."""
    (sent,) = site.traffic.passages(stream, [stream.source], "out", since, until - SILENCE / 2)
    (arrived,) = site.traffic.passages(stream, [stream.to], "in", since, until)
    times = [since, *(at for _, at in arrived), until]
    gap = max(later - sooner for sooner, later in itertools.pairwise(times))
    lost = len({number for number, _ in sent} - {number for number, _ in arrived})
    return lost if arrived else None, round(gap * 1000, 3)


def _since(began: float, at: float | None) -> float | None:
    return None if at is None else round((at - began) * 1000, 3)
