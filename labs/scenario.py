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
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from labs.frames import CONNECTIONS, IMPOSTURES, Kind
from labs.incidents import Crash, Incident
from topologies.plan import Host, NetworkPlan, Role


class ScenarioError(ValueError):
    """No such scenario, or a file that says none; the message says which and where."""


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


SERVICES = {"tcp": Kind.TCP, "ipv6-tcp": Kind.IPV6_TCP, "udp": Kind.REQUEST}
"""How a service is written, before its port: tcp/88, ipv6-tcp/445, udp/53."""


@dataclass(frozen=True)
class Means:
    """By what is tried: a kind of traffic, and for a conversation its port (None: whatever the other host is there for)."""

    kind: Kind
    port: int | None = None

    @property
    def name(self) -> str:
        if self.port is None:
            return self.kind.value
        return f"{next(word for word, kind in SERVICES.items() if kind is self.kind)}/{self.port}"


def _means(told: Any) -> Any:
    """`udp` is a kind, `udp/53` a service."""
    if not isinstance(told, str):
        return told
    word, slash, port = told.partition("/")
    if not slash:
        return Means(Kind(word))
    if word not in SERVICES or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{told!r} is no service: write one as {', '.join(f'{one}/88' for one in SERVICES)}")
    return Means(SERVICES[word], int(port))


class Flows(Part):
    """Every one of `source` to every one of `to`, by each of `kinds`."""

    source: tuple[Role, ...] = Field(alias="from", min_length=1)
    to: tuple[Role, ...] = Field(min_length=1)
    kinds: tuple[Annotated[Means, BeforeValidator(_means)], ...] = Field(min_length=1)


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
    """Somebody types `netcordon contain`. `override`: the device is protected; an operator is refused, and an approver insists."""

    reason: str
    duration: str = Field(default="4h", alias="for")
    profile: str = "full"
    override: bool = False


class Scenario(Part):
    """`policy` and `profiles` go into the controller's configuration as they stand. Exactly one of `alert`, `operator` and `detector`
    (which sees the attack itself) starts it.
    `contained` is who that is about: the attacker, unless an operator names another, whose own stream is then the first of `baits`.
    `expect` is as far as the containment must come. `streams` must flow without a loss; `baits` must stop, as the rogue's own to its
    victim, which is there wherever the rogue is contained. `during` happens once that is held."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    story: str
    topology: Literal["campus"] = "campus"
    attack: Attack
    alert: SuricataAlert | None = None
    operator: OperatorContains | None = None
    detector: Literal["suricata"] | None = None
    contained: Role = Role.ROGUE
    expect: Literal["proven", "installed"] = "proven"
    policy: dict[str, Any] = {}
    profiles: tuple[dict[str, Any], ...] = ()
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
        return frozenset(role for some in ends for role in some).union(
            {self.contained}, *(one.roles for one in self.during)
        )

    @model_validator(mode="after")
    def _one_beginning(self) -> Self:
        if sum(one is not None for one in (self.alert, self.operator, self.detector)) != 1:
            raise ValueError(
                "a scenario starts with an alert, with an operator or with a detector: exactly one of them"
            )
        if self.detector is not None and self.during:
            raise ValueError("with a detector nothing else happens `during` the containment")
        return self

    @model_validator(mode="after")
    def _another_than_the_rogue(self) -> Self:
        if self.contained is Role.ROGUE:
            return self
        if self.operator is None:
            raise ValueError("the alert is about the rogue: who else is to be contained needs an operator")
        if not self.baits or self.baits[0].source is not self.contained:
            raise ValueError(f"the first of `baits` must be a stream from the {self.contained.value}, who is contained")
        return self

    @model_validator(mode="after")
    def _evasions_are_the_rogues(self) -> Self:
        for flows in (*self.must_stop, *self.must_flow):
            if {one.kind for one in flows.kinds} & set(IMPOSTURES) and flows.source != (Role.ROGUE,):
                raise ValueError("only the rogue changes its addresses")
        return self


@dataclass(frozen=True)
class Trial:
    """One kind of traffic from one host to another. `number` is the flow's number in its tags. `every`: seconds between the
    frames of a stream, None for traffic that is tried a few times in each phase."""

    number: int
    by: Means
    source: Host
    to: Host
    must_stop: bool
    every: float | None = None

    @property
    def kind(self) -> Kind:
        return self.by.kind

    @property
    def name(self) -> str:
        how = self.by.name if self.every is None else f"{self.by.name} stream"
        return f"{how} {self.source.name} -> {self.to.name}"


def trials(scenario: Scenario, plan: NetworkPlan) -> list[Trial]:
    """All that is tried on this plan, streams last. The first stream is that of who is contained; the attacker's goes to its victim. Raises
    ScenarioError for a role that nobody has here."""
    if missing := scenario.roles - {host.role for host in plan.hosts}:
        raise ScenarioError(f"nobody on {plan.name} is a {', '.join(sorted(missing))}, which {scenario.name} needs")
    wanted = [(*one, True, None) for one in _each(scenario.must_stop, plan)]
    wanted += [(*one, False, None) for one in _each(scenario.must_flow, plan)]
    streams = []
    if scenario.contained is Role.ROGUE:
        streams.append((Means(Kind.UDP), plan.actor(Role.ROGUE), plan.actor(Role.VICTIM), True, 0.001))
    for stop, some in ((True, scenario.baits), (False, scenario.streams)):
        streams += [
            (Means(one.kind), plan.actor(one.source), plan.actor(one.to), stop, one.every_ms / 1000) for one in some
        ]
    return [Trial(number, *one) for number, one in enumerate([*wanted, *streams])]


def _each(groups: Sequence[Flows], plan: NetworkPlan) -> Iterator[tuple[Means, Host, Host]]:
    for flows in groups:
        for source in flows.source:
            for to in flows.to:
                yield from ((by, plan.actor(source), plan.actor(to)) for by in flows.kinds)


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
