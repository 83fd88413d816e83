"""The conditions of policy: what a rule asks of an alert, of the device, of the time, and of what that device did before. Pure.

A rule holds when nothing speaks against it. `against` says what does, as sentences with the value that was found, so that a person reads
why a rule did not match; `docs/policy.md` has every condition as operators write it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    field_validator,
    model_validator,
)

from controller.datapath_id import whole_datapath_id
from controller.durations import parse_duration, show_duration, written_duration
from controller.model import Alert, Endpoint, Managed
from controller.neutralize import neutralize
from controller.time_window import TimeWindow

TECHNIQUE = r"^T[0-9]{4}(\.[0-9]{3})?$"
DAY = 86400.0
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What policy looks at besides the alert and the device. `switches` and `ports` are all names of where it is plugged in (s1,
    of:0000000000000001; s1:s1-eth3, s1:3); `offences` is when each earlier containment of it began, which is over by now (seconds since the
    epoch)."""

    switches: frozenset[str] = frozenset()
    ports: frozenset[str] = frozenset()
    offences: tuple[float, ...] = ()

    def within(self, span: float, at: float) -> int:
        """How many of the offences are no older than `span` at the time `at`."""
        return sum(at - span < began for began in self.offences)


NOTHING_KNOWN = Circumstances()


def _several(given: object) -> object:
    """One word stands for a list of it."""
    return (given,) if isinstance(given, str | int) and not isinstance(given, bool) else given


Patterns = Annotated[tuple[str, ...], BeforeValidator(_several), Field(min_length=1)]
Span = Annotated[float, BeforeValidator(parse_duration), PlainSerializer(written_duration)]


def _places(given: object) -> object:
    several = _several(given)
    return tuple(map(whole_datapath_id, several)) if isinstance(several, list | tuple) else several


class AlertMatch(BaseModel):
    """Conditions on an alert; all that are given must hold. `source` and `signature` are shell patterns, one or several, case as written.
    `technique`: one of these of MITRE ATT&CK; T1021 holds for T1021.002 too. `min_confidence` does not hold for an alert whose source says
    none."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, coerce_numbers_to_str=True
    )  # signature ids look like numbers
    source: Patterns = ("*",)
    signature: Patterns = ("*",)
    signature_id: Annotated[frozenset[str], BeforeValidator(_several)] | None = None
    min_severity: int = Field(default=1, ge=1, le=5)
    technique: Annotated[frozenset[Annotated[str, Field(pattern=TECHNIQUE)]], BeforeValidator(_several)] | None = None
    min_confidence: float | None = Field(default=None, ge=0, le=1)

    def fits(self, alert: Alert) -> bool:
        return next(self.against(alert), None) is None

    def against(self, alert: Alert) -> Iterator[str]:
        """Why it does not hold; nothing when it does."""
        if not _like(alert.source, self.source):
            yield _not("its source", alert.source, self.source)
        if not _like(alert.signature, self.signature):
            yield _not("its signature", alert.signature, self.signature)
        if self.signature_id is not None and alert.signature_id not in self.signature_id:
            yield _not("its signature_id", alert.signature_id or "none", self.signature_id)
        if alert.severity < self.min_severity:
            yield f"its severity is {alert.severity}, and the rule asks for {self.min_severity} or more"
        if self.technique is not None and not any(self._covers(one) for one in alert.techniques):
            yield _not("its technique", ", ".join(alert.techniques) or "none", self.technique)
        if self.min_confidence is not None and (alert.confidence is None or alert.confidence < self.min_confidence):
            found = "not said" if alert.confidence is None else f"{alert.confidence:g}"
            yield f"its confidence is {found}, and the rule asks for {self.min_confidence:g} or more"

    def _covers(self, technique: str) -> bool:
        return self.technique is not None and bool(self.technique & {technique, technique.partition(".")[0]})


class Repeats(BaseModel):
    """How often the device was contained before within `within` of the alert: at least, and at most so many times."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    at_least: int | None = Field(default=None, ge=1)
    at_most: int | None = Field(default=None, ge=0)
    within: Span = 30 * DAY

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("write at_least, at_most, or both")
        if self.at_least is not None and self.at_most is not None and self.at_most < self.at_least:
            raise ValueError(f"at_most {self.at_most} is less than at_least {self.at_least}: it never holds")
        return self

    def against(self, circumstances: Circumstances, at: float) -> Iterator[str]:
        found = circumstances.within(self.within, at)
        if (self.at_least or 0) > found or (self.at_most is not None and found > self.at_most):
            asked = [f"at least {self.at_least}"] * (self.at_least is not None)
            asked += [f"at most {self.at_most}"] * (self.at_most is not None)
            span = show_duration(self.within)
            yield f"it was contained {times(found)} within {span} before, and the rule asks for {' and '.join(asked)} times"


class RuleMatch(AlertMatch):
    """Conditions on the device, its place, the alert's time and earlier offences as well. `type`, `role`, `owner`, `criticality`, `switch`,
    `port` and `site` are shell patterns, one or several; `unknown` is a value like others. `when`: one of these windows, by the alert's
    `observed_at`."""

    managed: Annotated[frozenset[Managed], BeforeValidator(_several)] | None = None
    type: Patterns | None = None
    role: Patterns | None = None
    owner: Patterns | None = None
    criticality: Patterns | None = None
    switch: Annotated[Patterns, BeforeValidator(_places)] | None = None
    port: Annotated[Patterns, BeforeValidator(_places)] | None = None
    vlan: Annotated[frozenset[Annotated[int, Field(ge=1, le=4094)]], BeforeValidator(_several)] | None = None
    site: Patterns | None = None
    when: Annotated[tuple[TimeWindow, ...], Field(min_length=1)] | None = None
    repeats: Repeats | None = None

    @field_validator("when", mode="before")
    @classmethod
    def _one_window(cls, given: object) -> object:
        return (given,) if isinstance(given, Mapping) else given

    @field_validator("port")
    @classmethod
    def _names_a_port(cls, ports: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for one in ports or ():
            if ":" not in one:
                raise ValueError(f"not a port: {one!r}; write it as device:port (s1:s1-eth3), or s1 under `switch`")
        return ports

    def against_all(self, alert: Alert, endpoint: Endpoint, circumstances: Circumstances) -> Iterator[str]:
        """Why the rule does not hold; nothing when it does."""
        yield from self.against(alert)
        yield from self.against_device(endpoint, circumstances)
        if self.when is not None and not any(window.holds(alert.observed_at) for window in self.when):
            asked = ", or ".join(window.words for window in self.when)
            yield f"it was observed on {self.when[0].read(alert.observed_at)}, and the rule asks for {asked}"
        if self.repeats is not None:
            yield from self.repeats.against(circumstances, alert.observed_at)

    def against_device(self, endpoint: Endpoint, circumstances: Circumstances) -> Iterator[str]:
        """What of the device and of its place speaks against it."""
        if self.managed is not None and endpoint.managed not in self.managed:
            yield _not("the device's managed state", endpoint.managed.value, [one.value for one in self.managed])
        for name in ("type", "role", "owner", "criticality"):
            asked, found = getattr(self, name), getattr(endpoint, name)
            if asked is not None and not _like(found, asked):
                yield _not(f"the device's {name}", found, asked)
        if self.switch is not None and not any(_like(one, self.switch) for one in circumstances.switches):
            yield _not("its switch", _one_of(circumstances.switches, endpoint.attachment.device), self.switch)
        if self.port is not None and not any(_like(one, self.port) for one in circumstances.ports):
            yield _not("its port", _one_of(circumstances.ports, endpoint.attachment), self.port)
        if self.vlan is not None and endpoint.attachment.vlan not in self.vlan:
            yield _not("its VLAN", endpoint.attachment.vlan or "not known", self.vlan)
        if self.site is not None and not _like(endpoint.realm, self.site):
            yield _not("its site", endpoint.realm, self.site)

    @property
    def remembers(self) -> float:
        """For how long back it asks about earlier offences, in seconds; 0: it does not."""
        return 0.0 if self.repeats is None else self.repeats.within


def circumstances_at(
    device: str, description: str, names: Iterable[str], offences: Iterable[float] = ()
) -> Circumstances:
    """Of a place: its switch by its id and its own name, its port by all `names`."""
    return Circumstances(frozenset({device, description} - {""}), frozenset(names), tuple(offences))


def times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _like(found: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(found, pattern) for pattern in patterns)


def _one_of(names: Iterable[str], otherwise: object) -> str:
    """The name that people use: the shortest."""
    return min(names, key=lambda name: (len(name), name), default=str(otherwise))


def _not(what: str, found: Any, asked: Iterable[object]) -> str:
    wanted = [str(one) for one in asked]
    wanted = wanted if not isinstance(asked, frozenset) else sorted(wanted)
    said = neutralize(str(found), _SHOWN)
    return f"{what} is {said}, and the rule asks for {', '.join(wanted[:8])}{', …' * (len(wanted) > 8)}"
