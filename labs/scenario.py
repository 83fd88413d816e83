"""A lab as data: who attacks whom, what is told to the controller, what must stop, and what must keep flowing.

A scenario is a YAML file in `labs/scenarios`, or any other file. It names hosts by their role, so that it runs on every
plan; `trials` turns it into the traffic that is tried on one. `like: NAME` takes every section that it does not have itself from the
shipped scenario of that name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from labs.frames import CONNECTIONS, IMPOSTURES, Kind
from labs.incidents import Crash, Incident
from topologies.plan import Host, NetworkPlan, Role


class ScenarioError(ValueError):
    """No such scenario, or a file that says none; the message says which and where."""


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Flows(Part):
    """Every one of `source` to every one of `to`, by each of `kinds`."""

    source: tuple[Role, ...] = Field(alias="from", min_length=1)
    to: tuple[Role, ...] = Field(min_length=1)
    kinds: tuple[Kind, ...] = Field(min_length=1)


class Stream(Part):
    """A stream of frames of one kind, one each `every_ms`, that runs without a pause through containment and release."""

    source: Role = Field(alias="from")
    to: Role
    kind: Kind = Kind.UDP
    every_ms: float = Field(default=2.0, gt=0.2)

    @field_validator("kind")
    @classmethod
    def _made_of_frames(cls, kind: Kind) -> Kind:
        if kind in CONNECTIONS:
            raise ValueError(f"a stream is made of single frames: {kind.value} is none")
        return kind


class Scan(Part):
    """TCP connections to each of `ports` of each of `targets`."""

    targets: tuple[Role, ...]
    ports: tuple[int, ...]


class Copy(Part):
    """A transfer of so many octets to a port of each of `targets`: what a worm does with itself."""

    targets: tuple[Role, ...] = Field(min_length=1)
    port: int = 445
    octets: int = Field(default=65536, ge=1)


class Attack(Part):
    scan: Scan
    copy_itself: Copy = Field(alias="copy")


class SuricataAlert(Part):
    """What Suricata says of the last copy; addresses, ports and time are the attack's own."""

    signature_id: int
    signature: str
    category: str
    severity: int = Field(ge=1, le=4)
    rev: int = 1


class OperatorContains(Part):
    """Somebody types `netcordon contain`."""

    reason: str
    duration: str = Field(default="4h", alias="for")


class Scenario(Part):
    """`policy` goes into the controller's configuration as it stands. Exactly one of `alert` and `operator` starts it. `streams` must
    flow without a loss; `baits` must stop, as the rogue's own to its victim, which is always there. `during` happens once the rogue
    is held."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    story: str
    topology: Literal["campus"] = "campus"
    attack: Attack
    alert: SuricataAlert | None = None
    operator: OperatorContains | None = None
    policy: dict[str, Any] = {}
    protected: tuple[Role, ...] = (Role.GATEWAY, Role.DOMAIN_CONTROLLER)
    must_stop: tuple[Flows, ...] = Field(min_length=1)
    must_flow: tuple[Flows, ...] = Field(min_length=1)
    streams: tuple[Stream, ...] = Field(min_length=1)
    baits: tuple[Stream, ...] = ()
    during: tuple[Incident, ...] = ()

    @property
    def speaker_apart(self) -> bool:
        """The OpenFlow speaker is a unit of its own: it goes on when the daemon is killed, and ends with the lab."""
        return any(isinstance(one, Crash) for one in self.during)

    @property
    def roles(self) -> frozenset[Role]:
        """Whom the plan must have for it to run."""
        ends = [(*flows.source, *flows.to) for flows in (*self.must_stop, *self.must_flow)]
        ends += [(one.source, one.to) for one in (*self.streams, *self.baits)]
        return frozenset(role for some in ends for role in some).union(*(one.roles for one in self.during))

    @model_validator(mode="after")
    def _one_beginning(self) -> Self:
        if (self.alert is None) == (self.operator is None):
            raise ValueError("a scenario starts with an alert or with an operator: exactly one of them")
        return self

    @model_validator(mode="after")
    def _evasions_are_the_rogues(self) -> Self:
        for flows in (*self.must_stop, *self.must_flow):
            if set(flows.kinds) & set(IMPOSTURES) and flows.source != (Role.ROGUE,):
                raise ValueError("only the rogue changes its addresses")
        return self


@dataclass(frozen=True)
class Trial:
    """One kind of traffic from one host to another. `number` is the flow's number in its tags. `every`: seconds between the
    frames of a stream, None for traffic that is tried a few times in each phase."""

    number: int
    kind: Kind
    source: Host
    to: Host
    must_stop: bool
    every: float | None = None

    @property
    def name(self) -> str:
        how = self.kind.value if self.every is None else f"{self.kind.value} stream"
        return f"{how} {self.source.name} -> {self.to.name}"


def trials(scenario: Scenario, plan: NetworkPlan) -> list[Trial]:
    """All that is tried on this plan, streams last. The first stream is the attacker's own, to its victim. Raises ScenarioError for a
    role that nobody has here."""
    if missing := scenario.roles - {host.role for host in plan.hosts}:
        raise ScenarioError(f"nobody on {plan.name} is a {', '.join(sorted(missing))}, which {scenario.name} needs")
    wanted = [(*one, True, None) for one in _each(scenario.must_stop, plan)]
    wanted += [(*one, False, None) for one in _each(scenario.must_flow, plan)]
    rogue, victim = plan.actor(Role.ROGUE), plan.actor(Role.VICTIM)
    streams = [(Kind.UDP, rogue, victim, True, 0.001)]
    for stop, some in ((True, scenario.baits), (False, scenario.streams)):
        streams += [(one.kind, plan.actor(one.source), plan.actor(one.to), stop, one.every_ms / 1000) for one in some]
    return [Trial(number, *one) for number, one in enumerate([*wanted, *streams])]


def _each(groups: Sequence[Flows], plan: NetworkPlan) -> Iterator[tuple[Kind, Host, Host]]:
    for flows in groups:
        for source in flows.source:
            for to in flows.to:
                yield from ((kind, plan.actor(source), plan.actor(to)) for kind in flows.kinds)


def names() -> list[str]:
    """The shipped scenarios."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _shipped().iterdir() if entry.name.endswith(".yaml"))


def load(name: str) -> Scenario:
    """A shipped scenario by its name, or one from a file by its path. Raises ScenarioError."""
    if name in names():
        return _read(_shipped().joinpath(f"{name}.yaml").read_text(encoding="utf-8"), name)
    path = Path(name)
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        raise ScenarioError(f"no lab {name!r}; there are {', '.join(names())}, or give the path of a .yaml file")
    return _read(path.read_text(encoding="utf-8"), name)


def _read(text: str, where: str) -> Scenario:
    try:
        return Scenario.model_validate(_told(text, where))
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, item['loc'])) or 'scenario'}: {item['msg']}" for item in error.errors())
        raise ScenarioError(f"{where}: {'; '.join(problems)}") from error


def _told(text: str, where: str) -> Any:
    """What the file says, on top of what that one says which it is like."""
    try:
        told = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ScenarioError(f"{where}: not YAML: {error}") from error
    if not isinstance(told, dict) or (like := told.pop("like", None)) is None:
        return told
    if like not in names():
        raise ScenarioError(f"{where}: like: no lab {like!r}; there are {', '.join(names())}")
    return _told(_shipped().joinpath(f"{like}.yaml").read_text(encoding="utf-8"), like) | told


def _shipped() -> Any:
    return files("labs") / "scenarios"
