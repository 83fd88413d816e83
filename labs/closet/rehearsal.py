"""One lab in a closet from its beginning to its end, and what it came to."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from labs.closet.acts import Act
from labs.closet.in_band import managed_in_band
from labs.closet.stage import Check, Stage
from labs.closet.wing import IN_BAND, WING, configuration
from labs.configuration import Places
from labs.installation import installed_by, keep_logs, places
from labs.process import LabError
from labs.story import Story
from topologies.network import NetworkError
from topologies.vendor.closet import Closet, standing


@dataclass(frozen=True)
class Played:
    """`took` is in seconds, by what was waited for. `error` says why it ended early."""

    lab: str
    checks: Sequence[Check] = ()
    took: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    logs: str | None = None

    @property
    def passed(self) -> bool:
        return self.error is None and bool(self.checks) and all(check.held for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        return {"passed": self.passed, "topology": "closet", **asdict(self)}


def rehearse(act: Act, story: Story) -> Played:
    """A result in any case but Ctrl-C. What is wrong is shown as well."""
    story.title(act.name, act.title, act.story)
    with places() as where:
        done = list[Stage]()
        error = None
        try:
            with closet(where, story, act.closet, in_band=act.in_band) as stage:
                done.append(stage)
                act.play(stage)
        except (LabError, NetworkError, subprocess.CalledProcessError) as caught:
            error = str(caught)
            story.error(error)
        checks, took = (done[0].checks, done[0].took) if done else ([], {})
        played = Played(act.name, checks, took, error)
        if not played.passed:
            played = Played(act.name, checks, took, error, keep_logs(where))
            story.say(f"The logs were kept in {played.logs}")
    failed = [check.what for check in checks if not check.held]
    why = f"{len(checks)} checks held" if played.passed else error or "; ".join(failed)
    story.verdict(act.name, played.passed, why)
    return played


@contextmanager
def closet(where: Places, story: Story, built: Closet = WING, *, in_band: bool = False) -> Iterator[Stage]:
    """A closet of these labs, and Netcordon serving it; `in_band`: the core is managed through its own network."""
    with standing(built, where.folder) as running:
        story.say(f"{', '.join(unit.name for unit in built.units)} and {len(built.guests)} hosts are up")
        with ExitStack() as stack:
            port = stack.enter_context(managed_in_band(running, where)) if in_band else None
            settings = configuration(running, where, port, IN_BAND) if in_band else configuration(running, where)
            yield Stage(stack.enter_context(installed_by(settings, where)), running, story, port)
