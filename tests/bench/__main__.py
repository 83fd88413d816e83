"""`make bench`: Netcordon beside Ryu's rest_firewall on one switch, with the same client, in one run.

python -m tests.bench [--short | --smoke] [--only PART ...] [--json FILE] [--ryu PYTHON]

The table goes to stdout, what is being done to stderr. A figure whose limit is not held is marked, and is no failure: this machine may be
busy. What did not behave as it must (a packet of a contained device, an alert that was lost) ends the run with an error.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from labs.installation import places
from tests.bench import amounts
from tests.bench.contender import RULES_OF_ONE, Contender, contender
from tests.bench.firewall import firewall
from tests.bench.ground import Ground, ground
from tests.bench.latency import Side, measure
from tests.bench.report import Figures, as_json, markdown

PARTS = ("theirs", "latency", "alerts", "burst", "bulk")
RYU = Path(__file__).parents[2] / ".venv-ryu" / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. `held`: numbers of rules; `idle` in seconds."""

    trials: int
    held: tuple[int, ...]
    bulk: int
    alerts: int
    burst: int
    idle: float


FULL = Size(trials=50, held=(0, 1_000, 10_000), bulk=10_000, alerts=20_000, burst=100, idle=30.0)
SHORT = Size(trials=12, held=(0, 1_000), bulk=1_000, alerts=4_000, burst=100, idle=5.0)
SMOKE = Size(trials=2, held=(0, 100), bulk=100, alerts=500, burst=10, idle=0.5)


def main() -> int:
    options = _options()
    size = SMOKE if options.smoke else SHORT if options.short else FULL
    figures = Figures(
        machine=f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {platform.platform()}"
    )
    figures.help_seconds = amounts.help_seconds(5)
    with ground() as here:
        if "theirs" not in options.only:
            figures.missing.append("rest_firewall: it was left out by --only")
        elif options.ryu.exists():
            _theirs(here, options.ryu, size, figures)
        else:
            figures.missing.append(f"rest_firewall: there is no {options.ryu} (an environment with ryu==4.34)")
        _ours(here, size, figures, options.only)
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(figures), indent=1))
    print(markdown(figures))  # noqa: T201 (the table is what this program is for)
    return 0


def _theirs(here: Ground, python: Path, size: Size, figures: Figures) -> None:
    with places() as where:
        ports = where.openflow_port, where.api_port
        with firewall(here, python, ports, where.log("rest_firewall")) as side:
            _latencies(side, here, size, figures, where.log("flood"))


def _ours(here: Ground, size: Size, figures: Figures, parts: Sequence[str]) -> None:
    with places() as where, contender(here, where) as side:
        held = 0
        if "latency" in parts:
            held = _latencies(
                side,
                here,
                size,
                figures,
                where.log("flood"),
                lambda rules: _idle(side, rules, size, figures),
                side.settle,
            )
        if "alerts" in parts:
            _say("alerts a second")
            figures.accepted = amounts.accepted(side, size.alerts)
        if "burst" in parts:
            _say("a burst of alerts")
            figures.burst = amounts.burst(side, size.burst)
        if "bulk" in parts:
            _say(f"{size.bulk} stored containments")
            figures.bulk = amounts.bulk(side, size.bulk, held)


def _latencies(
    side: Side,
    here: Ground,
    size: Size,
    figures: Figures,
    log: Path,
    at: Callable[[int], None] = lambda rules: None,
    settle: Callable[[], None] | None = None,
) -> int:
    """One row for each number of rules held, and one under a flood with none; how many are held in the end. Where a side has to `settle`
    once it holds more, it is measured before and after that."""
    held = 0
    for rules in size.held:
        held = side.hold(rules, held)
        _say(f"{side.name}, {rules} rules held")
        situation = f"{rules} rules held"
        if rules and settle is not None:
            fresh = f"{rules} rules held since a moment ago"
            figures.latencies.append(measure(side, here, fresh, held, size.trials, beside=situation))
            settle()
        figures.latencies.append(measure(side, here, situation, held, size.trials))
        at(held)
        if rules == 0:
            with here.flood(log):
                _say(f"{side.name}, during a flood")
                figures.latencies.append(measure(side, here, "during a flood", held, size.trials))
    return held


def _idle(side: Contender, rules: int, size: Size, figures: Figures) -> None:
    if rules == size.held[1]:
        figures.idle = amounts.idle(side, rules // RULES_OF_ONE, size.idle)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)  # noqa: T201 (progress of a run that takes minutes)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").splitlines()[0])
    much = parser.add_mutually_exclusive_group()
    much.add_argument("--short", action="store_true", help="about two minutes, without 10,000 rules")
    much.add_argument("--smoke", action="store_true", help="a few trials, for the tests: the figures mean nothing")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="these parts alone (all of them)")
    parser.add_argument("--json", type=Path, help="write everything there as well")
    parser.add_argument("--ryu", type=Path, default=RYU, help="the Python that has ryu==4.34 (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
