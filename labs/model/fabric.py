"""The model as a fabric: no root, no Mininet, no Open vSwitch. The daemon, its speaker and its database are real, and so is the OpenFlow
that they speak; the switches that answer, the cables and the hosts are values in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from labs.fabric import CannotRun, FabricName, Plug, Standing, SwitchState, Undo
from labs.installation import Installation
from labs.model.crew import model_crew
from labs.scenario import Scenario
from topologies.openflow.network import HERE, ModelNetwork
from topologies.plan import Host, NetworkPlan

CONTROLLERS_COOKIE, COOKIE_MASK = 0x4E43 << 48, 0xFFFF << 48
"""The mark of Netcordon's flows (docs/architecture.md)."""


class ModelFabric:
    name = FabricName.MODEL

    def check(self, scenario: Scenario) -> None:
        if scenario.detector is not None:
            raise CannotRun(
                f"{scenario.name} cannot be run on the model: {scenario.detector} reads packets at an interface of this machine, and the"
                " model has none. Run it on Mininet, as root: --fabric mininet"
            )

    def in_words(self, plan: NetworkPlan) -> str:
        return f"The model has {len(plan.switches)} switches and {len(plan.hosts)} hosts"

    @contextmanager
    def standing(self, plan: NetworkPlan, controller_port: int, nonce: bytes) -> Iterator[Standing]:
        network = ModelNetwork(plan, (HERE, controller_port))
        with network.standing(), model_crew(network, nonce) as crew:
            yield Standing(plan, crew, ModelHands(network))

    def sensor(self, netcordon: Installation, standing: Standing) -> AbstractContextManager[None]:
        """None: a sensor listens at an interface. The switches tell what they hear, as on Mininet."""
        return nullcontext()


@dataclass(frozen=True)
class ModelHands:
    network: ModelNetwork

    def wipe(self, switch: str, /) -> None:
        self.network.wipe(switch)

    def restart(self, switch: str, outage: float, /) -> None:
        self.network.restart(switch, outage)

    def readd(self, host: Host, /) -> Undo:
        return self.network.readd(host)

    def free_plug(self, switch: str, /) -> Plug:
        return Plug(switch, self.network.switches[switch].unused_number())

    def replug(self, now: Plug, to: Plug, /) -> Undo:
        return self.network.replug((now.switch, now.number), (to.switch, to.number))

    def bare(self, plug: Plug, /) -> bool:
        return not self.flows_of(plug) and not self.network.silenced(plug.switch, plug.number)

    def flows_of(self, plug: Plug, /) -> int:
        return self.network.flows_of(plug.switch, plug.number)

    def doubled(self, switch: str, /) -> list[str]:
        return [f"{switch}: {said}" for said in self.network.doubled(switch, CONTROLLERS_COOKIE, COOKIE_MASK)]

    def lead_over(self, switch: str, port: int, /) -> Undo:
        return self.network.lead_over(switch, port)

    def state(self, plan: NetworkPlan, /) -> SwitchState:
        return self.network.state()

    def keep_thoughts(self, plan: NetworkPlan, log: Path, /) -> None:
        """There is nothing behind the flows."""
        with log.open("a") as kept:
            for (switch, what), lines in self.network.state().items():
                kept.write("\n".join([f"{switch} {what}:", *lines]) + "\n")
