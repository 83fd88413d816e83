"""One drill from its beginning to its end, and what it came to."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from labs import suricata
from labs.closet.stage import Check
from labs.crew import AgentError
from labs.drill.acts import Drill
from labs.drill.stage import Stage, standing_stage
from labs.fabric import Fabric
from labs.installation import keep_logs, places
from labs.process import LabError
from labs.story import Story
from topologies.network import NetworkError


@dataclass(frozen=True)
class Drilled:
    """`figures` are the drill's own. `error` says why it ended early."""

    lab: str
    topology: str = ""
    checks: Sequence[Check] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    logs: str | None = None

    @property
    def passed(self) -> bool:
        return self.error is None and bool(self.checks) and all(check.held for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        return {"passed": self.passed, **asdict(self)}


def rehearse(drill: Drill, story: Story, on: Fabric) -> Drilled:
    """A result in any case but Ctrl-C. What is wrong is shown as well."""
    story.title(drill.name, drill.title, drill.story)
    plan = drill.plan()
    with places() as where:
        stages = list[Stage]()
        error = None
        try:
            if drill.detector:
                suricata.check()
            with standing_stage(plan, drill.policy, drill.settings, where, story, on) as stage:
                stages.append(stage)
                drill.play(stage)
        except (LabError, AgentError, NetworkError, subprocess.CalledProcessError) as caught:
            error = str(caught)
            story.error(error)
        checks, figures = (stages[0].checks, stages[0].figures) if stages else ([], {})
        done = Drilled(drill.name, plan.name, checks, figures, error)
        if not done.passed:
            done = Drilled(drill.name, plan.name, checks, figures, error, keep_logs(where))
            story.say(f"The logs were kept in {done.logs}")
    failed = [check.what for check in checks if not check.held]
    story.verdict(drill.name, done.passed, f"{len(checks)} checks held" if done.passed else error or "; ".join(failed))
    return done
