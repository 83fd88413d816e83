"""What a device should hold. A device's whole set is asked for at each push, and little of it is new: what is known by revision is kept
in memory, and only the containments that changed there since are read; or, where what was committed since is known, nothing is."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import BindParameter, Connection, bindparam, select

from controller.store import codec
from controller.store.prepared import Cursor, Prepared
from controller.store.tables import baseline, containment_device, device, device_rule
from controller.store.values import Desired, Setting
from drivers.base import PreState
from drivers.rules import PortName, Rule, RuleSet

_DEVICE: BindParameter[str] = bindparam("device")
_SINCE: BindParameter[int] = bindparam("since")
_REVISION = Prepared(select(device.c.want_revision).where(device.c.id == _DEVICE))
_CHANGED_IDS = select(containment_device.c.containment_id).where(
    containment_device.c.device == _DEVICE, containment_device.c.wanted > _SINCE
)
_CHANGED = Prepared(_CHANGED_IDS)
_RULES = Prepared(
    select(device_rule.c.containment_id, device_rule.c.rule_id, device_rule.c.rule).where(
        device_rule.c.device == _DEVICE, device_rule.c.containment_id.in_(_CHANGED_IDS)
    )
)
_LEAVING = Prepared(
    select(containment_device.c.containment_id).where(
        containment_device.c.device == _DEVICE, containment_device.c.leaving.is_(True)
    )
)
_BASELINE = Prepared(select(baseline.c.port, baseline.c.setting, baseline.c.value).where(baseline.c.device == _DEVICE))

Rules = Mapping[str, tuple[Rule, ...]]
Ports = Mapping[PortName, Mapping[str, Setting]]


@dataclass(frozen=True, slots=True)
class Wants:
    """A containment wants these rules of a device, and no others, under the device's next revision. `leaving`: it wants none, and that is
    to be read back."""

    device: str
    containment: str
    rules: tuple[Rule, ...]
    leaving: bool


@dataclass(frozen=True, slots=True)
class Gone:
    """Nothing of a containment that left is on the device any more."""

    device: str
    containment: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What was there before a first touch; what is stored already stays."""

    device: str
    ports: Ports


@dataclass(frozen=True, slots=True)
class Dropped:
    device: str
    ports: frozenset[str]


Step = Wants | Gone | Kept | Dropped
"""What one write changed of what a device should hold."""
Steps = tuple[Step, ...]
"""What one commit changes. Which commit it is, is told by the very object."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a device should hold as of `revision`: its rules by containment and together, who is `leaving` it, and what was there before
    us. A value: reads beside each other are harmless."""

    revision: int = 0
    by_containment: Rules = field(default_factory=dict)
    rules: RuleSet = field(default_factory=RuleSet)
    leaving: frozenset[str] = frozenset()
    baseline: Ports = field(default_factory=dict)

    def desired(self) -> Desired:
        return Desired(self.revision, self.rules, PreState(self.baseline), self.by_containment, self.leaving)

    def after(self, steps: Sequence[Step]) -> Known:
        """As it is once these writes, all that were committed since, are in: what a read would find."""
        wanted = {step.containment: step.rules for step in steps if isinstance(step, Wants)}
        gone = [rule for containment in wanted for rule in self.by_containment.get(containment, ())]
        every = dict(self.by_containment)
        for name, rules in wanted.items():
            every.pop(name, None)
            if rules:
                every[name] = rules
        return Known(
            self.revision + sum(isinstance(step, Wants) for step in steps),
            every,
            self.rules.changed(gone, [rule for rules in wanted.values() for rule in rules]) if wanted else self.rules,
            _leaving(self.leaving, steps),
            _baseline(self.baseline, steps),
        )


def _leaving(leaving: frozenset[str], steps: Iterable[Step]) -> frozenset[str]:
    for step in steps:
        if isinstance(step, Wants):
            leaving = leaving | {step.containment} if step.leaving else leaving - {step.containment}
        elif isinstance(step, Gone):
            leaving -= {step.containment}
    return leaving


def _baseline(ports: Ports, steps: Iterable[Step]) -> Ports:
    for step in steps:
        if isinstance(step, Kept):
            ports = {**ports, **{port: {**new, **ports.get(port, {})} for port, new in step.ports.items()}}
        elif isinstance(step, Dropped):
            ports = {port: settings for port, settings in ports.items() if port not in step.ports}
    return ports


def read(connection: Connection, id: str, known: Known) -> Known:
    """In one snapshot, and no more of it than is not in `known`. A device that nobody spoke of should hold nothing, at revision 0.
    A rule's `until` is as of when its containment last changed there: extending alone sends nothing to a device."""
    cursor = Cursor(connection)
    found = cursor.fetch(_REVISION, {"device": id})
    revision: int = found[0][0] if found else 0
    by_containment, rules = known.by_containment, known.rules
    if revision != known.revision:
        by_containment, rules = _brought_up_to(cursor, id, known)
    leaving = frozenset(containment for (containment,) in cursor.fetch(_LEAVING, {"device": id}))
    return Known(revision, by_containment, rules, leaving, _before_us(cursor, id))


def _brought_up_to(cursor: Cursor, id: str, known: Known) -> tuple[Rules, RuleSet]:
    since = {"device": id, "since": known.revision}
    rules = dict(known.by_containment)
    gone = [rule for (containment,) in cursor.fetch(_CHANGED, since) for rule in rules.pop(containment, ())]
    new: dict[str, list[Rule]] = {}
    for containment, rule_id, text in cursor.fetch(_RULES, since):
        new.setdefault(containment, []).append(codec.load_rule(text, rule_id))
    every = known.rules.changed(gone, [rule for some in new.values() for rule in some])
    return rules | {containment: tuple(some) for containment, some in new.items()}, every


def _before_us(cursor: Cursor, id: str) -> Ports:
    ports: dict[PortName, dict[str, Setting]] = defaultdict(dict)
    for port, setting, value in cursor.fetch(_BASELINE, {"device": id}):
        ports[PortName(port)][setting] = json.loads(value)
    return dict(ports)
