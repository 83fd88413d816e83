"""Mininet as a fabric: Open vSwitch, a network namespace for each host, and an agent in each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from labs import preconditions, suricata, wiring
from labs.crew import crew
from labs.fabric import FabricName, Standing
from labs.installation import Installation, sensor
from labs.process import LabError
from labs.scenario import Scenario
from topologies.network import running
from topologies.plan import NetworkPlan, Role


class MininetFabric:
    name = FabricName.MININET

    def check(self, scenario: Scenario) -> None:
        preconditions.check()
        if scenario.detector is not None:
            suricata.check()

    def in_words(self, plan: NetworkPlan) -> str:
        return f"Mininet builds {len(plan.switches)} switches and {len(plan.hosts)} hosts"

    @contextmanager
    def standing(self, plan: NetworkPlan, controller_port: int, nonce: bytes) -> Iterator[Standing]:
        with running(plan, controller_port) as network, crew(network, nonce) as agents:
            yield Standing(network.plan, agents, wiring, network)

    def sensor(self, netcordon: Installation, standing: Standing) -> AbstractContextManager[None]:
        if standing.mininet is None:
            raise LabError("this network is not Mininet's")
        return sensor(netcordon, standing.mininet, standing.plan.actor(Role.SENSOR))
