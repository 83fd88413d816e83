"""What a lab runs on: a network that stands, who is in its hosts, and a hand at its switches. There are two: Mininet, and the model.

Everything above a fabric is the same on both: the scenario, the controller that is served, the traffic, the counts and the verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from topologies.plan import Host, NetworkPlan

if TYPE_CHECKING:
    from labs.crew import Crew
    from labs.installation import Installation
    from labs.scenario import Scenario
    from topologies.network import RunningNetwork

Undo = Callable[[], None]
SwitchState = Mapping[tuple[str, str], tuple[str, ...]]
"""Lines by (switch, what was asked)."""


class FabricName(StrEnum):
    MININET = "mininet"
    MODEL = "model"


class CannotRun(RuntimeError):
    """This lab cannot be run on this fabric without making something up; the message says what."""


@dataclass(frozen=True)
class Plug:
    """A port of a switch, by its number."""

    switch: str
    number: int

    @property
    def interface(self) -> str:
        return f"{self.switch}-eth{self.number}"


class Hands(Protocol):
    """What a colleague, a power cut or a technician does to switches past the controller; and a look at all that they hold."""

    def wipe(self, switch: str, /) -> None:
        """Delete all flows."""

    def restart(self, switch: str, outage: float, /) -> None:
        """It goes away with all that it knew, and is there again after `outage` seconds."""

    def readd(self, host: Host, /) -> Undo:
        """Delete the host's port and add it with a number that the switch does not use. The undo gives it back the one that it had."""

    def free_plug(self, switch: str, /) -> Plug: ...

    def replug(self, now: Plug, to: Plug, /) -> Undo:
        """Pull the cable out of `now` and plug it into `to`. What stays behind in `now` is a port with nobody at its other end."""

    def bare(self, plug: Plug, /) -> bool:
        """Nothing speaks of this port: neither a flow nor a flag."""

    def flows_of(self, plug: Plug, /) -> int:
        """How many flows name this port."""

    def doubled(self, switch: str, /) -> list[str]:
        """Flows of the controller's that stand twice: the same table, match and actions, whatever their priority and cookie."""

    def lead_over(self, switch: str, port: int, /) -> Undo:
        """The switch reaches its controller at this local port from now on, by a new session; it keeps its flows."""

    def state(self, plan: NetworkPlan, /) -> SwitchState:
        """Everything, whoever put it there, but what changes by itself."""

    def keep_thoughts(self, plan: NetworkPlan, log: Path, /) -> None:
        """For whoever has to find out why not everything is as it was: appended to `log`."""


@dataclass(frozen=True)
class Standing:
    """A network that stands. `plan` has the switches' names as they really are. `mininet`: where its hosts can be entered."""

    plan: NetworkPlan
    crew: Crew
    hands: Hands
    mininet: RunningNetwork | None = None


class Fabric(Protocol):
    @property
    def name(self) -> FabricName: ...

    def check(self, scenario: Scenario) -> None:
        """Raises LabError for what this machine lacks, and CannotRun for a scenario that this fabric cannot carry."""

    def in_words(self, plan: NetworkPlan) -> str:
        """Who builds how much."""

    def standing(self, plan: NetworkPlan, controller_port: int, nonce: bytes) -> AbstractContextManager[Standing]: ...

    def sensor(self, netcordon: Installation, standing: Standing) -> AbstractContextManager[None]:
        """A sensor that listens in the network, where the fabric has interfaces that one can listen at."""


def fabric(name: FabricName) -> Fabric:
    if name is FabricName.MODEL:
        from labs.model.fabric import ModelFabric

        return ModelFabric()
    from labs.mininet_fabric import MininetFabric

    return MininetFabric()
