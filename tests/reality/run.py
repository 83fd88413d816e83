"""Many cases on one network, and what they come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.reality.cases import Case, Trial, every
from tests.reality.evaluator import disagreements, inversions, kinds_of_rule
from tests.reality.wire import Refused, campus


@dataclass
class Record:
    """What was tried and seen on the network of one seed. `refused`: plans that the driver does not take, in its words."""

    seed: int
    cases: list[Case] = field(default_factory=list)
    wrong: list[tuple[Case, Trial]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def verdicts(self) -> int:
        return sum(len(case.trials) for case in self.cases)

    @property
    def blocked(self) -> float:
        """Of all verdicts, the part that is `blocked`."""
        return 1 - sum(trial.number in case.arrived for case, trial in every(self.cases)) / max(1, self.verdicts)

    @property
    def old_decisions(self) -> int:
        return sum(case.old_decisions for case in self.cases)

    @property
    def kinds(self) -> set[str]:
        return kinds_of_rule(rule for case in self.cases for rules in case.rules.values() for rule in rules)

    def unnoticed(self) -> list[str]:
        """Kinds of rule that the evaluator could turn around without any recorded packet contradicting it."""
        return [
            name
            for name, inverted in inversions().items()
            if not any(disagreements(case, inverted) for case in self.cases)
        ]


async def compare(
    seed: int,
    cases: int,
    trials: int,
    folder: Path,
    say: Callable[[str], None] = lambda line: None,
    most: int | None = None,
) -> Record:
    """As many cases; and up to `most`, for as long as no packet has contradicted some kind of rule turned around: chance alone leaves one
    of them untold now and then. Raises AssertionError when a frame is lost where nothing is contained: silence would then say nothing."""
    record = Record(seed)
    async with campus(seed, folder) as network:
        untouched = network.cases.untouched()
        lost = await network.judge(untouched)
        assert not lost, f"seed {seed}: lost where nothing is contained: {[in_words(untouched, t) for t in lost]}"
        while len(record.cases) < cases or (len(record.cases) < (most or cases) and record.unnoticed()):
            case = network.cases.case(len(record.cases) + len(record.refused) + 1, trials)
            try:
                await network.install(case)
            except Refused as why:
                record.refused.append(str(why))
                continue
            wrong = await network.judge(case)
            record.cases.append(case)
            record.wrong += [(case, trial) for trial in wrong]
            for trial in wrong:
                say(in_words(case, trial))
    return record


def in_words(case: Case, trial: Trial) -> str:
    seen = "arrived" if trial.number in case.arrived else "did not arrive"
    rules = {
        device: [f"{r.provenance.containment} {r.action.value} {r.match}" for r in held]
        for device, held in case.rules.items()
    }
    return (
        f"case {case.number}: {trial.frame} from {trial.source.place} to {trial.to.place} {seen}; {trial.hops}; {rules}"
    )
