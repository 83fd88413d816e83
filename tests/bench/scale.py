"""What the size of a network costs: locating, planning and proving on made-up campuses of up to 10,000 switches and 1,000,000 bindings.

python -m tests.bench.scale [--short | --smoke] [--json FILE] [--seed NUMBER]

It needs neither root nor a switch. Each size is built and stored by one process, then loaded and measured by another, as a daemon has it
that starts. The table goes to stdout. A limit that is not held is marked, and is no failure; a wrong answer ends the run with an error.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from controller.store import Store
from tests.bench.spread import Spread
from tests.bench.synthetic import NOW, synthetic
from tests.bench.trials import Figures, measure

SIZES = {"full": (100, 1_000, 10_000), "short": (100, 1_000), "smoke": (40, 80)}
TRIALS = {"full": 2_000, "short": 500, "smoke": 40}
BATCH = 10_000


class Row(NamedTuple):
    """One line of the table: a time in milliseconds, or another figure; `limit` is held by what `held` picks of it, at the largest size."""

    what: str
    of: Callable[[Figures], Spread | float]
    limit: float | None = None
    unit: str = ""


ROWS = (
    Row("built from the switches' facts, s", lambda f: f.built),
    Row("bindings read from SQLite, s", lambda f: f.read),
    Row("bindings taken in, s", lambda f: f.taken),
    Row("loaded, all of these, s", lambda f: f.loaded, 60, "s"),
    Row("memory of graph and bindings, MiB", lambda f: f.network_mib, 2048, "MiB"),
    Row("memory of the process at its largest, MiB", lambda f: f.peak_mib),
    Row("one more sighting, ms", lambda f: f.sighting),
    Row("locate, ms", lambda f: f.locate),
    Row("locate who had the address an hour ago, ms", lambda f: f.earlier),
    Row("plan, ms", lambda f: f.plan),
    Row("prove, ms", lambda f: f.prove),
    Row("prove the plans of all trials, ms", lambda f: f.whole),
    Row("of these, prove again the one whose device was seen, ms", lambda f: f.again),
    Row("the latter, % of the former", lambda f: 100 * f.again_of_whole, 1, "%"),
    Row("locate, plan and prove with every guard: known edge port, ms", lambda f: f.edge, 5, "ms"),
    Row("the same behind a closet switch, ms", lambda f: f.boxed),
    Row("the same at an MLAG, ms", lambda f: f.bundled),
    Row("the same by a minimum cut, ms", lambda f: f.cut, 1000, "ms"),
)


def main() -> int:
    options = _options()
    size = "smoke" if options.smoke else "short" if options.short else "full"
    found: list[Figures] = []
    for switches in SIZES[size]:
        found.append(_one_size(switches, TRIALS[size], options.seed))
        if options.json is not None:  # a run that is ended keeps what it has
            options.json.write_text(json.dumps([asdict(one) for one in found], indent=1))
    print("\n".join(markdown(found)))  # noqa: T201 (the table is what this program is for)
    return 0


def _one_size(switches: int, trials: int, seed: int) -> Figures:
    """In processes of their own: what one leaves in memory is not counted for another."""
    with tempfile.TemporaryDirectory() as place:
        url = f"sqlite:///{place}/network.db"
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            _say(f"{switches} switches: building and storing")
            pool.apply(_build, (switches, seed, url))
            _say(f"{switches} switches: loading and measuring")
            return pool.apply(measure, (switches, seed, url, trials))


def _build(switches: int, seed: int, url: str) -> None:
    """Everybody seen, and stored in batches as the daemon stores them."""
    made = synthetic(switches, seed)
    network = made.network()
    for sighting in made.sightings():
        network.see(sighting)
    bindings = network.bindings.take_unsaved()

    async def keep() -> None:
        store = await Store.open(url, now=lambda: NOW)
        for start in range(0, len(bindings), BATCH):
            await store.save_bindings(bindings[start : start + BATCH])
        await store.close()

    asyncio.run(keep())


def markdown(found: Sequence[Figures]) -> Iterator[str]:
    """A column for each size, how the median grows from the least to the largest, and what is held at the largest."""
    yield f"| median / p95 / p99 | {' | '.join(f'{f.switches:,} switches' for f in found)} | growth | to hold | |"
    yield "|---" * (len(found) + 4) + "|"
    yield f"| bindings | {' | '.join(f'{f.bindings:,}' for f in found)} | {found[-1].bindings / found[0].bindings:.0f} × | | |"
    for row in ROWS:
        figures = [row.of(one) for one in found]
        growth = _middle(figures[-1]) / _middle(figures[0])
        held = "" if row.limit is None else "yes" if _worst(figures[-1]) < row.limit else "**no**"
        p99 = "p99 " if isinstance(figures[-1], Spread) else ""
        limit = "" if row.limit is None else f"{p99}< {row.limit:.0f} {row.unit}"
        yield f"| {row.what} | {' | '.join(map(_said, figures))} | {growth:.1f} × | {limit} | {held} |"
    yield ""
    yield f"Measured on {platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}."


def _said(figure: Spread | float) -> str:
    if isinstance(figure, Spread):
        return " / ".join(f"{one:.3g}" for one in (figure.median, figure.p95, figure.p99))
    return f"{figure:.3g}" if figure < 100 else f"{figure:.0f}"


def _middle(figure: Spread | float) -> float:
    return max(figure.median if isinstance(figure, Spread) else figure, 1e-9)


def _worst(figure: Spread | float) -> float:
    return figure.p99 if isinstance(figure, Spread) else figure


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)  # noqa: T201 (progress of a run that takes minutes)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=(__doc__ or "").splitlines()[0])
    much = parser.add_mutually_exclusive_group()
    much.add_argument("--short", action="store_true", help="up to 1,000 switches: about a minute")
    much.add_argument("--smoke", action="store_true", help="two tiny ones, for the tests: the figures mean nothing")
    parser.add_argument("--json", type=Path, help="write everything there as well")
    parser.add_argument("--seed", type=int, default=6, help="of the made-up networks (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
