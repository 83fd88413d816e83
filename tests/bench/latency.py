"""From the alert to the last packet through: the same trial for both sides."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

from tests.bench.ground import Ground
from tests.bench.http import Answer
from tests.bench.spread import Spread, spread

PAUSE = 0.05


class Side(Protocol):
    """`contain` stops the rogue and says when it was asked; `undo` lets it go; `stages` are milliseconds since the alert's reception;
    `hold` makes it so many rules in all, of which there are `held` already, and says how many there are."""

    name: str

    def contain(self) -> tuple[Answer, str]: ...

    def undo(self, which: str) -> None: ...

    def stages(self, which: str) -> dict[str, float]: ...

    def hold(self, number: int, held: int) -> int: ...


@dataclass
class Latency:
    """Milliseconds since the first byte of the POST was sent. `stages` are those that the side itself tells, and "answered".
    `beside`: the other side's situation that it is held against; where it is not told, the same."""

    side: str
    situation: str
    rules: int
    beside: str = ""
    last_packet: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=dict)

    @property
    def spread(self) -> Spread:
        return spread(self.last_packet)


def measure(side: Side, ground: Ground, situation: str, rules: int, trials: int, beside: str = "") -> Latency:
    """Each trial begins with datagrams that get through, and ends with datagrams that get through again. Raises BenchError."""
    found = Latency(side.name, situation, rules, beside or situation)
    for number in range(trials + 1):
        with ground.stream() as stream:
            answer, which = side.contain()
            last = stream.last_one_through()
            stages = side.stages(which)
            side.undo(which)
            stream.flows()
        if number > 0:  # the first one warms up both sides alike
            found.last_packet.append((last - answer.sent) * 1000)
            found.stages.setdefault("answered", []).append((answer.answered - answer.sent) * 1000)
            for stage, after in stages.items():
                found.stages.setdefault(stage, []).append(after)
        time.sleep(PAUSE)
    return found
