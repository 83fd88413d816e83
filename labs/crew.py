"""Who sends, listens and counts in a network's hosts: one agent (`labs.agent`) in each, spoken to over its pipes and ended with the lab."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import IO, Any, cast

from topologies.network import RunningNetwork
from topologies.plan import Host

PATIENCE = 60.0
FAREWELL = 15.0


class AgentError(RuntimeError):
    """An agent could not do what it was told, or is no more: no count can be trusted."""


class Agent:
    """The pipes to one agent. Every question is answered with one line, in order."""

    def __init__(self, host: str, process: subprocess.Popen[str]) -> None:
        self._host, self._process = host, process
        self._to, self._from = cast(IO[str], process.stdin), cast(IO[str], process.stdout)

    def tell(self, do: str, what: Mapping[str, Any]) -> None:
        try:
            self._to.write(json.dumps({"do": do, "with": what}) + "\n")
            self._to.flush()
        except OSError as error:
            raise AgentError(f"the agent on {self._host} is gone: {error}") from error

    def answer(self, do: str) -> Any:
        if not select.select([self._from], [], [], PATIENCE)[0]:
            raise AgentError(f"the agent on {self._host} did not {do} in {PATIENCE:.0f} s")
        line = self._from.readline()
        if not line:
            raise AgentError(f"the agent on {self._host} ended when it was told to {do}")
        answer = json.loads(line)
        if "error" in answer:
            raise AgentError(f"{self._host} could not {do}: {answer['error']}")
        return answer["result"]

    def end(self) -> None:
        """The end of its input ends an agent; one that hangs is killed."""
        self._to.close()
        try:
            self._process.wait(FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._from.close()


class Crew(ABC):
    """What may be told and asked is in `labs.agent`."""

    def ask(self, host: Host, do: str, **what: Any) -> Any:
        return self.ask_all(do, {host.name: what})[host.name]

    @abstractmethod
    def ask_all(self, do: str, by_host: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Tell several hosts at once, and wait for all of them. Raises AgentError."""

    @abstractmethod
    def everyone(self, do: str, **what: Any) -> dict[str, Any]:
        """As `ask_all`, all hosts the same."""


class Agents(Crew):
    def __init__(self, agents: Mapping[str, Agent]) -> None:
        self._agents = agents

    def ask_all(self, do: str, by_host: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        for name, what in by_host.items():
            self._agents[name].tell(do, what)
        return {name: self._agents[name].answer(do) for name in by_host}

    def everyone(self, do: str, **what: Any) -> dict[str, Any]:
        return self.ask_all(do, dict.fromkeys(self._agents, what))


@contextmanager
def crew(network: RunningNetwork, nonce: bytes) -> Iterator[Crew]:
    """Agents on all hosts; one has started when it first answers."""
    with ExitStack() as stack:
        agents = {}
        for host in network.plan.hosts:
            command = [*network.inside(host), sys.executable, "-P", "-m", "labs.agent", host.interface, nonce.hex()]
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
            )
            agents[host.name] = Agent(host.name, process)
            stack.callback(agents[host.name].end)
        yield Agents(agents)
