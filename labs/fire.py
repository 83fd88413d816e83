"""Makes a scenario's incidents happen while the rogue is held, and measures what came of each: how many frames of the contained got
through, what the innocent lost, and how long until the controller held again.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labs import wiring
from labs.frames import Phase
from labs.incidents import Incident, ReaddPort, RestartSwitch, WipeFlows
from labs.result import Happened
from labs.scenario import Trial
from labs.traffic import SILENCE, Passages
from labs.verdicts import incident as verdict_of

if TYPE_CHECKING:
    from labs.runner import Site

HELD_PATIENCE = 40.0
BETWEEN_LOOKS = 0.05
PROVEN = "proven"


@dataclass
class Fire:
    """What happened so far, and when (from, to; in seconds since the epoch). `set_right` is for after the release: it puts back what was
    changed in the network itself."""

    happened: list[Happened] = field(default_factory=list)
    spans: list[tuple[float, float]] = field(default_factory=list)
    _undo: list[wiring.Undo] = field(default_factory=list)

    def set_right(self) -> None:
        """Every port is where and what it was, last change first."""
        while self._undo:
            self._undo.pop()()

    def befall(self, site: Site, cases: Sequence[str]) -> None:
        """All of the scenario's incidents, one after the other; `cases` are the ids of the containments that are proven now."""
        if not site.scenario.during:
            return
        site.traffic.phase(Phase.INCIDENT, site.streams)
        for one in site.scenario.during:
            with site.story.step(one.in_words()):
                self.happened.append(self._watched(site, one, cases))
        site.traffic.phase(Phase.DURING, site.innocent_streams)

    def _watched(self, site: Site, one: Incident, cases: Sequence[str]) -> Happened:
        """The incident itself, until every case is held again or time is up, and the silence after it."""
        seen = last_record(site)
        began = time.time()
        if (undo := _carry_out(site, one)) is not None:
            self._undo.append(undo)
        held_at, trails = _held_again(site, one, cases, seen)
        time.sleep(SILENCE)
        self.spans.append((began, time.time()))
        return measured(site, one, self.spans[-1], held_at, trails)


def _carry_out(site: Site, one: Incident) -> wiring.Undo | None:
    match one:
        case WipeFlows():
            wiring.wipe(site.plan.actor(one.at).switch)
        case RestartSwitch():
            wiring.restart(site.plan.actor(one.at).switch, one.outage)
        case ReaddPort():
            return wiring.readd(site.plan.actor(one.of))
    return None


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
    site: Site, one: Incident, cases: Iterable[str], seen: int
) -> tuple[float | None, dict[str, list[str]]]:
    """When every case was proven again after the controller had noticed (None: not in time), and what became of each till then."""
    deadline = time.monotonic() + HELD_PATIENCE
    while True:
        trails = {case: trail(site, case, seen) for case in cases}
        if all(set(some) & one.trail and some[-1] == PROVEN for some in trails.values()):
            return time.time(), trails
        if time.monotonic() > deadline:
            return None, trails
        time.sleep(BETWEEN_LOOKS)


# --- what was seen on the wire ----------------------------------------------------------------------------------------


def measured(
    site: Site, one: Incident, span: tuple[float, float], held_at: float | None, trails: dict[str, list[str]]
) -> Happened:
    by = {bait.name: [at for _, at in got_through(site, bait, *span)] for bait in site.baits}
    through = [at for some in by.values() for at in some]
    tried = all(site.traffic.passages(bait, [bait.source], "out", *span)[0] for bait in site.baits)
    lost, gaps = zip(*(_loss(site, stream, *span) for stream in site.innocent_streams), strict=True)
    return Happened(
        one.do,
        through=len(through),
        through_by={name: len(some) for name, some in by.items() if some},
        through_for_ms=_since(span[0], max(through, default=None)),
        lost=sum(lost),
        longest_gap_ms=max(gaps),
        held_again_ms=_since(span[0], held_at),
        trails=trails,
        verdict=verdict_of(one, through=len(through), lost=sum(lost), tried=tried, held=held_at is not None),
    )


def got_through(site: Site, bait: Trial, since: float, until: float) -> Passages:
    """Each of its frames that came in, once, with when that was first: at the contained, or at whoever it was that heard the contained."""
    first: dict[int, float] = {}
    others = [host for host in site.plan.hosts if host is not bait.source]
    for some in site.traffic.passages(bait, [bait.to] if bait.to is site.rogue else others, "in", since, until):
        for number, at in some:
            first[number] = min(at, first.get(number, at))
    return sorted(first.items(), key=lambda passage: passage[1])


def _loss(site: Site, stream: Trial, since: float, until: float) -> tuple[int, float]:
    """How many of the frames sent until shortly before the end never arrived, and the longest pause between two arrivals in ms."""
    (sent,) = site.traffic.passages(stream, [stream.source], "out", since, until - SILENCE / 2)
    (arrived,) = site.traffic.passages(stream, [stream.to], "in", since, until)
    times = [since, *(at for _, at in arrived), until]
    gap = max(later - sooner for sooner, later in itertools.pairwise(times))
    return len({number for number, _ in sent} - {number for number, _ in arrived}), round(gap * 1000, 3)


def _since(began: float, at: float | None) -> float | None:
    return None if at is None else round((at - began) * 1000, 3)
