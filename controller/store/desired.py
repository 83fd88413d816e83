"""What a device should hold. A device's whole set is read for each push, and little of it is new: what is known by revision is kept in
memory, and only the containments that changed there since are read."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
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

Rules = Mapping[str, list[Rule]]


@dataclass(frozen=True, slots=True)
class Known:
    """A device's rules as of `revision`, by containment and together. A value: reads beside each other are harmless."""

    revision: int = 0
    by_containment: Rules = field(default_factory=dict)
    rules: RuleSet = field(default_factory=RuleSet)


def desired(connection: Connection, id: str, known: Known) -> tuple[Desired, Known]:
    """In one snapshot; and what to hand in as `known` next time. A device that nobody spoke of should hold nothing, at revision 0.
    A rule's `until` is as of when its containment last changed there: extending alone sends nothing to a device."""
    cursor = Cursor(connection)
    found = cursor.fetch(_REVISION, {"device": id})
    revision: int = found[0][0] if found else 0
    if revision != known.revision:
        known = _brought_up_to(cursor, id, known, revision)
    leaving = {containment for (containment,) in cursor.fetch(_LEAVING, {"device": id})}
    touching = (*known.by_containment, *sorted(leaving - known.by_containment.keys()))
    return Desired(revision, known.rules, _pre_state(cursor, id), touching), known


def _brought_up_to(cursor: Cursor, id: str, known: Known, revision: int) -> Known:
    since = {"device": id, "since": known.revision}
    rules = dict(known.by_containment)
    gone = [rule for (containment,) in cursor.fetch(_CHANGED, since) for rule in rules.pop(containment, ())]
    new = []
    for containment, rule_id, text in cursor.fetch(_RULES, since):
        new.append(codec.load_rule(text, rule_id))
        rules.setdefault(containment, []).append(new[-1])
    return Known(revision, rules, known.rules.changed(gone, new))


def _pre_state(cursor: Cursor, id: str) -> PreState:
    ports: dict[PortName, dict[str, Setting]] = defaultdict(dict)
    for port, setting, value in cursor.fetch(_BASELINE, {"device": id}):
        ports[PortName(port)][setting] = json.loads(value)
    return PreState(dict(ports))
