"""The drills that there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from labs.drill import storm, worm
from labs.drill.stage import Stage
from topologies.office import office, server_room
from topologies.plan import NetworkPlan, Role


@dataclass(frozen=True)
class Drill:
    """`policy` is what Netcordon starts with, `settings` what its configuration has beside that. `detector`: it needs Suricata."""

    name: str
    title: str
    story: str
    play: Callable[[Stage], None]
    plan: Callable[[], NetworkPlan]
    policy: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    detector: bool = False


DRILLS = {
    drill.name: drill
    for drill in (
        Drill(
            "worm",
            "A worm spreads over SMB among forty PCs: how many it infects while Netcordon observes, and while it contains",
            "One of forty PCs falls ill. It brings a copy to whomever it reaches over TCP 445, six hosts at a time, and who has taken a"
            " whole copy does the same. Suricata sees what the PCs send, by mirrors of their switches, and Netcordon follows its log: first"
            " with a policy that observes, then, everyone being healed, with the same policy in mode contain. Nothing of the copies is ever"
            " run.",
            worm.play,
            office,
            worm.policy("observe"),
            detector=True,
        ),
        Drill(
            "false-positive-storm",
            f"{storm.ALERTS} false alerts within a minute against a whole server VLAN: the breaker holds, and production keeps flowing",
            "A sensor has gone mad and accuses every server of the server VLAN, again and again. Policy would contain each of them. What"
            " the budget allows is contained, the next alert trips the breaker, and automatic action is paused until a person resumes it.",
            storm.play,
            lambda: server_room(storm.SERVERS),
            storm.POLICY,
            {"budget": {"per_minute": 10, "total": 50, "per_role": {Role.SERVER.value: storm.ALLOWED}}},
        ),
    )
}
