"""What a person who watches a lab sees: each step as it goes on, then what happened, in times, counts and one verdict."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from labs.result import STAGES, Result
from labs.scenario import Scenario
from labs.verdicts import Count, Row, Verdict
from topologies.plan import NetworkPlan, Role

GOOD, BAD = "[green]✓[/]", "[red]✗[/]"
MOST_DIFFERENCES = 20
MOST_KINDS_NAMED = 3
_FAULTS_SHOWN = 3
MOST_RULES_NAMED = 8


class Story:
    def __init__(self, console: Console) -> None:
        self._console = console

    def opening(self, scenario: Scenario, plan: NetworkPlan, seed: int | None) -> None:
        self.title(scenario.name, scenario.title, scenario.story)
        chance = "" if seed is None else f", grown from seed {seed}"
        self._console.print(f"[bold]The network[/] {plan.name}, {plan.prefix}{chance}")
        for line in plan.describe():
            self._console.print(f"  {escape(line)}", highlight=False)
        rogue, victim = plan.actor(Role.ROGUE), plan.actor(Role.VICTIM)
        other = "" if scenario.contained is Role.ROGUE else f" Contained is {plan.actor(scenario.contained).name}."
        self._console.print(
            f"  The attacker is {rogue.name} ({rogue.ip}, {rogue.mac}), its victim {victim.name}.{other}\n"
        )

    def title(self, name: str, title: str, story: str) -> None:
        self._console.print(f"[bold]{escape(name)}[/]: {escape(title)}\n", highlight=False)
        self._console.print(escape(story), "\n")

    def verdict(self, name: str, passed: bool, why: str) -> None:
        mark, word = (GOOD, "passed") if passed else (BAD, "did NOT pass")
        self._console.print(f"\n{mark} [bold]{name} {word}[/]: {escape(why)}")

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Shown as going on until the block ends, then with how long it took and whether it went well."""
        began = time.monotonic()
        try:
            with self._console.status(escape(text)):
                yield
        except BaseException:
            self._console.print(f"{BAD} {escape(text)}", highlight=False)
            raise
        self._console.print(f"{GOOD} {escape(text)} [dim]({time.monotonic() - began:.1f} s)[/]", highlight=False)

    def say(self, text: str) -> None:
        self._console.print(f"    {escape(text)}", highlight=False)

    def literally(self, text: str) -> None:
        """For what is to be copied: as it stands, however long."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        self._console.print(f"[yellow]! {escape(text)}[/]", highlight=False)

    def error(self, text: str) -> None:
        self._console.print(f"{BAD} {escape(text)}", highlight=False, soft_wrap=True)

    def containment(self, case: Mapping[str, Any]) -> None:
        """What the controller says of the case, in its own words."""
        place = case["endpoint"]["attachment"]
        self.say(f"{case['target']} is at {place['port']} of {place['device']}")
        if case["policy_rule"] != "operator":
            self.say(f"contained because of policy rule {case['policy_rule']!r}")
        words = [_rule_in_words(rule) for rules in case["rules"].values() for rule in rules]
        for line in words[:MOST_RULES_NAMED]:
            self.say(f"rule: {line}")
        if len(words) > MOST_RULES_NAMED:
            self.say(f"and {len(words) - MOST_RULES_NAMED} rules more: netcordon show {case['id']}")
        for line in case["evidence"]:
            self.say(f"evidence: {line}")
        self.say(f"{case['id']} is {case['outcome']}{': ' + case['unproven'] if case['unproven'] else ''}")

    def closing(self, result: Result) -> None:
        tried = sorted({row.name.partition(" ")[0] for row in result.must_stop})
        self._console.print(f"\nTraffic was tried by {', '.join(tried)}.\n", highlight=False)
        self._console.print(_times(result))
        self._console.print(_rows("Must stop", result.must_stop))
        self._console.print(_rows("Must keep flowing", result.must_flow))
        self._through(result)
        self._restored(result)
        unproven = f" ({result.unproven})" if result.unproven and result.outcome != "proven" else ""
        why = f"the containment was {result.outcome}{unproven}" if result.passed else _few(result.faults)
        self.verdict(result.lab, result.passed, why)

    def _through(self, result: Result) -> None:
        """What got through that should not have, in figures."""
        said = {
            "installed": result.through_after_installed,
            "installed, and the switch had its time to go by it": (
                None if result.expected == "proven" else result.through_after_settled
            ),
            "proven": result.through_after_proven,
        }
        for since, frames in said.items():
            if frames is not None:
                self._console.print(
                    f"  After it was {since}, {frames} frames of the contained got through", highlight=False
                )
        for one in result.incidents:
            mark = GOOD if one.verdict is Verdict.HOLDS else BAD
            again = "not again" if one.held_again_ms is None else f"after {one.held_again_ms:.0f} ms"
            last = "" if one.through_for_ms is None else f", the last after {one.through_for_ms:.0f} ms"
            self._console.print(
                f"{mark} {one.what} ({one.verdict.value}): proven again {again}; {one.through} frames of the contained got"
                f" through{last}; the innocent lost {one.lost}, longest pause {one.longest_gap_ms:.0f} ms",
                highlight=False,
            )
            for line in (*(f"{name}: {value}" for name, value in one.noted.items()), *one.wrong):
                self.say(line)

    def _restored(self, result: Result) -> None:
        if result.restored:
            self._console.print(f"{GOOD} Restored: flows, groups, meters, ports, database rows and reach")
            return
        self._console.print(f"{BAD} Not restored: {len(result.differences)} differences")
        for line in result.differences[:MOST_DIFFERENCES]:
            self.say(line)


def _rule_in_words(rule: Mapping[str, Any]) -> str:
    """`deny tcp 445 of its peer, from the host`: what else it matches is in `netcordon show`."""
    match = rule["match"]
    what = match["protocol"] or next((flag for flag in ("fragment", "hidden") if match.get(flag)), "") or "what goes"
    ports = [
        f" {'-'.join(map(str, dict.fromkeys(match[key])))} of {whose}"
        for key, whose in (("own_ports", "its own"), ("peer_ports", "its peer"))
        if match[key]
    ]
    return f"{rule['action']} {what}{' and'.join(ports)}, {match['direction']} the host at its port".replace(
        "what goes,", "what goes"
    )


def _times(result: Result) -> Table:
    table = Table(title="From the alert on", title_justify="left", title_style="bold")
    table.add_column("until")
    table.add_column("ms", justify="right")
    for stage in STAGES:
        value = result.stages_ms.get(stage)
        table.add_row(stage.removeprefix("alert_to_").replace("_", " "), _number(value))
    table.add_section()
    for step, value in result.detected_ms.items():
        table.add_row(step.replace("_", " "), _number(value))
    table.add_row("release to first packet", _number(result.release_to_first_packet_ms))
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _rows(title: str, rows: Sequence[Row]) -> Table:
    """What holds is shown as one line for each pair of hosts, and every single row that does not hold by itself."""
    table = Table(title=f"{title}: sent > arrived", title_justify="left", title_style="bold")
    for name in ("from -> to", "kinds"):
        table.add_column(name)
    for name in ("before", "during", "after"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    for pair, group in _by_pair(rows).items():
        held = [row for row in group if row.verdict is Verdict.HOLDS]
        if held:
            _add(table, pair, held, "[green]holds[/]")
        for row in group:
            if row.verdict is not Verdict.HOLDS:
                _add(table, pair, [row], f"[red]{row.verdict.value}[/]")
    return table


def _by_pair(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Names are `kind source -> to`; a stream stays a line of its own."""
    pairs: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        _kind, _, pair = row.name.partition(" ")
        pairs[pair.replace("stream ", "") + (" (stream)" if pair.startswith("stream ") else "")].append(row)
    return pairs


def _add(table: Table, pair: str, rows: Sequence[Row], verdict: str) -> None:
    kinds = [row.name.partition(" ")[0] for row in rows]
    named = ", ".join(kinds) if len(kinds) <= MOST_KINDS_NAMED else f"{len(kinds)} kinds"
    phases = [[getattr(row, phase) for row in rows] for phase in ("before", "during", "after")]
    table.add_row(escape(pair), named, *(_sum(counts) for counts in phases), verdict)


def _sum(counts: Sequence[Count]) -> str:
    return f"{sum(count.sent for count in counts)} > {sum(count.received for count in counts)}"


def _few(faults: Sequence[str]) -> str:
    more = f"; and {len(faults) - _FAULTS_SHOWN} more, marked in the tables" if len(faults) > _FAULTS_SHOWN else ""
    return "; ".join(faults[:_FAULTS_SHOWN]) + more
