"""The whole state of a network's switches as text, and the reachability of everyone from everyone: taken twice, compared.

What of the switches is in it is the fabric's to say: everything, whoever put it there, but what changes by itself.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from labs.fabric import Hands, SwitchState
from labs.frames import Kind, Phase
from labs.scenario import Means, Trial
from labs.traffic import Traffic

MATRIX_KINDS = (Kind.ARP, Kind.UDP, Kind.NON_IP, Kind.BROADCAST_L2, Kind.TCP, Kind.IPV6_GLOBAL)
ROUNDS = 4
"""How often a pair is tried before it counts as out of reach: everyone speaking to everyone may overflow a buffer."""
FIRST_MATRIX_FLOW = 10_000


@dataclass(frozen=True)
class State:
    """`switches` holds lines by (switch, what was asked); `reach` which kinds of traffic got from one to another."""

    switches: SwitchState
    reach: frozenset[str]

    def differences(self, other: State) -> list[str]:
        """One line for each thing that is not as it was; `other` is the later state."""
        found = []
        for key in sorted({*self.switches, *other.switches}):
            before, after = self.switches.get(key, ()), other.switches.get(key, ())
            changed = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
            found += [f"{key[0]} {key[1]}: {line}" for line in changed]
        found += [f"reach: {name} does not arrive any more" for name in sorted(self.reach - other.reach)]
        return found + [f"reach: {name} did not arrive before" for name in sorted(other.reach - self.reach)]


def take(hands: Hands, traffic: Traffic, phase: Phase) -> State:
    """The state now; `phase` is one of the matrix phases, each of which is used once in a run."""
    reach = _reach(traffic, phase)
    return State(hands.state(traffic.plan), reach)


def _reach(traffic: Traffic, phase: Phase) -> frozenset[str]:
    """The names of what arrived, kind by kind, each pair at least once and until it got through."""
    pairs = [(source, to) for source in traffic.plan.hosts for to in traffic.plan.hosts if source is not to]
    kinds = [(Means(kind), source, to) for kind in MATRIX_KINDS for source, to in pairs]
    missing = [Trial(FIRST_MATRIX_FLOW + n, *one, must_stop=False) for n, one in enumerate(kinds)]
    reached: set[str] = set()
    for attempt in range(ROUNDS):
        for kind in MATRIX_KINDS:
            traffic.burst([trial for trial in missing if trial.kind is kind], phase, 1, first=attempt)
        tally = traffic.settle(missing, phase)
        reached |= {trial.name for trial in missing if traffic.count(trial, phase, tally).arrived}
        missing = [trial for trial in missing if trial.name not in reached]
    return frozenset(reached)
