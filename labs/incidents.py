"""What may happen to the network and to the controller while somebody is contained, as a scenario's `during` says it. Pure: `labs.fire`
makes it happen.

    during:
      - {do: wipe-flows, at: rogue, leaks: counted, losses: counted}

The kinds are a closed set. Each is carried out for real, one after the other, once the containment is proven, and lasts until the
controller has noticed and holds again; only a flood begins before the alert. `leaks` says whether frames of who is contained may get
through meanwhile, and `losses` whether the innocent streams may lose any: `none`, unless the scenario says `counted`. How many there
were is in the result either way.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from topologies.plan import Role


class Tolerance(StrEnum):
    NONE = "none"
    COUNTED = "counted"


class _Incident(BaseModel):
    """`trail`: outcomes of which one must be in the audit log of every case that was held, before it holds again."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    leaks: Tolerance = Tolerance.NONE
    losses: Tolerance = Tolerance.NONE

    @property
    def roles(self) -> frozenset[Role]:
        """Whom it is about."""
        return frozenset(value for value in self.__dict__.values() if isinstance(value, Role))

    @property
    def trail(self) -> frozenset[str]:
        return frozenset({"drifted", "unknown"})


class WipeFlows(_Incident):
    """Somebody types `ovs-ofctl del-flows` for the switch that this host is plugged into."""

    do: Literal["wipe-flows"]
    at: Role

    @property
    def trail(self) -> frozenset[str]:
        return frozenset({"drifted"})

    def in_words(self) -> str:
        return f"Somebody deletes all flows of the {self.at.value}'s switch"


class RestartSwitch(_Incident):
    """The switch that this host is plugged into is gone with all that it knew, and back after `outage` seconds: flows, port flags,
    learnt addresses and its session are lost. Its datapath id, ports and configuration are as before."""

    do: Literal["restart-switch"]
    at: Role
    outage: float = Field(default=0.5, ge=0, le=30)

    @property
    def trail(self) -> frozenset[str]:
        return frozenset({"unknown"})

    def in_words(self) -> str:
        return f"The {self.at.value}'s switch restarts and has forgotten everything"


class ReaddPort(_Incident):
    """This host's port is deleted from its switch and added again: under the same name, with a number that it never had."""

    do: Literal["readd-port"]
    of: Role

    def in_words(self) -> str:
        return f"The {self.of.value}'s port is deleted and added again, with another number"


class Move(_Incident):
    """This host's cable is pulled and plugged into a port that was never used: of the same switch, or of another one. Something else is
    plugged into the port that it had."""

    do: Literal["move"]
    who: Role
    to: Literal["same-switch", "other-switch"]

    @property
    def trail(self) -> frozenset[str]:
        return frozenset()

    def in_words(self) -> str:
        return f"The {self.who.value} is plugged into another port of {'its' if self.to == 'same-switch' else 'another'} switch"


class Crash(_Incident):
    """Both of `containing` are contained by hand, one after the other. The first one's switch has taken its rules, and the second one's was
    passed some messages of its push and not all of them, when `whom` is killed (SIGKILL): those that were left are lost. Then it is started
    again."""

    do: Literal["crash"]
    containing: tuple[Role, Role]
    whom: Literal["daemon", "speaker"] = "daemon"

    @property
    def roles(self) -> frozenset[Role]:
        return frozenset(self.containing)

    @property
    def trail(self) -> frozenset[str]:
        return frozenset()

    def in_words(self) -> str:
        first, second = (role.value for role in self.containing)
        return f"The {self.whom} is killed after {first}'s push, in the middle of {second}'s"


class Flood(_Incident):
    """From before the alert until the containment is proven this host sends frames from invented MACs: ARP requests to everyone, and
    frames to `to`. Only what gets through after `proven` is a leak."""

    do: Literal["flood"]
    source: Role = Field(alias="from")
    to: Role
    per_second: float = Field(default=1000, gt=0, le=50_000)

    def in_words(self) -> str:
        return f"The {self.source.value} floods the network with invented addresses"


Incident = Annotated[WipeFlows | RestartSwitch | ReaddPort | Move | Crash | Flood, Field(discriminator="do")]
