"""The figures as a Markdown table, with what they are held against, and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.bench.amounts import Accepted, Bulk, Burst, Idle
from tests.bench.latency import Latency
from tests.bench.spread import spread

STAGES = ("located", "decided", "committed", "answered", "installed", "proven")


@dataclass
class Figures:
    """Everything that one run measured; what it left out is None, or missing."""

    latencies: list[Latency] = field(default_factory=list)
    bulk: Bulk | None = None
    accepted: Accepted | None = None
    burst: Burst | None = None
    idle: Idle | None = None
    help_seconds: float | None = None
    machine: str = ""
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Line:
    """`ratio` is what is held against `limit`; both as words."""

    what: str
    figure: str
    ratio: str = ""
    limit: str = ""
    holds: bool | None = None


def lines(figures: Figures) -> list[Line]:
    found = [line for one in figures.latencies for line in _latency(one, figures.latencies)]
    if (b := figures.bulk) is not None:
        ratio = b.netcordon / b.ofctl
        what = f"bulk: {b.containments} stored containments ({b.flows} flows) to installed, s"
        found.append(Line(what, f"{b.netcordon:.2f}", f"{ratio:.2f} × ovs-ofctl ({b.ofctl:.2f})", "≤ 3 ×", ratio <= 3))
    if (a := figures.accepted) is not None:
        found += [
            Line("alerts accepted a second, in arrays of 500", f"{a.arrays:.0f}", "", "≥ 2000", a.arrays >= 2000),
            Line("alerts accepted a second, one a request", f"{a.single:.0f}"),
            Line("duplicates recognized a second, in arrays of 500", f"{a.duplicates:.0f}"),
        ]
    if (u := figures.burst) is not None:
        found.append(Line(f"{u.alerts} containing alerts at once: all answered, ms", f"{u.answered:.0f}"))
        found.append(Line(f"{u.alerts} containing alerts at once: all installed, ms", f"{u.installed:.0f}"))
    if (i := figures.idle) is not None:
        cpu = f"{i.daemon_cpu:.1f} % + {i.speaker_cpu:.1f} %"
        found.append(Line(f"holding {i.containments} containments: processor, daemon + speaker", cpu))
        found.append(Line("the same: memory, MiB", f"{i.daemon_rss:.0f} + {i.speaker_rss:.0f}"))
    if figures.help_seconds is not None:
        found.append(
            Line("netcordon --help, s", f"{figures.help_seconds:.2f}", "", "< 0.3", figures.help_seconds < 0.3)
        )
    return found


def _latency(one: Latency, all_of_them: Iterable[Latency]) -> list[Line]:
    what, found = f"{one.side}, {one.situation}: alert to last packet, ms", one.spread
    other = next((o for o in all_of_them if o.situation == one.beside and o.side != one.side), None)
    if "proven" not in one.stages:
        return [Line(what, str(found))]
    ratio = None if other is None else found.median / other.spread.median
    tail = found.p99 / found.median
    proven = spread(one.stages["proven"])
    return [
        Line(
            what,
            str(found),
            "" if ratio is None else f"{ratio:.2f} × the other",
            "≤ 1.0 ×",
            None if ratio is None else ratio <= 1,
        ),
        Line("the same: p99 of its median", "", f"{tail:.1f} ×", "≤ 3 ×", tail <= 3),
        Line(f"{one.side}, {one.situation}: alert to proven, ms", str(proven), "", "p99 < 1000", proven.p99 < 1000),
    ]


def markdown(figures: Figures) -> str:
    """Three tables: the figures, where each millisecond goes, and what could not be measured."""
    rows = ["| what (median / p95 / p99) | figure | ratio | to hold | |", "|---|---|---|---|---|"]
    for line in lines(figures):
        verdict = "" if line.holds is None else "yes" if line.holds else "**no**"
        rows.append(f"| {line.what} | {line.figure} | {line.ratio} | {line.limit} | {verdict} |")
    rows += ["", "Where each millisecond goes (median since the POST was sent, or the alert's reception):", ""]
    rows += [f"| situation | {' | '.join(STAGES)} | last packet |", "|---" * (len(STAGES) + 2) + "|"]
    for one in (one for one in figures.latencies if "proven" in one.stages):
        cells = [f"{spread(one.stages[s]).median:.1f}" if one.stages.get(s) else "" for s in STAGES]
        rows.append(f"| {one.situation} | {' | '.join(cells)} | {one.spread.median:.1f} |")
    if figures.missing:
        rows += ["", "Not measured:", "", *(f"- {what}" for what in figures.missing)]
    return "\n".join([*rows, "", f"Measured on {figures.machine}."])


def as_json(figures: Figures) -> dict[str, Any]:
    summary = [
        {"side": one.side, "situation": one.situation, "rules": one.rules, "last_packet_ms": asdict(one.spread)}
        | {"stages_ms": {name: asdict(spread(times)) for name, times in one.stages.items() if times}}
        for one in figures.latencies
    ]
    return asdict(figures) | {"summary": summary, "lines": [asdict(line) for line in lines(figures)]}
