"""Changing what is wanted of devices: every accept, join and release goes through here, and wakes their loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import bindparam, delete, insert, select

from controller.model import Attachment, Outcome
from controller.store import codec
from controller.store.desired import Wants
from controller.store.prepared import Prepared
from controller.store.sql import Insert
from controller.store.tables import containment_device, device, device_rule
from controller.store.writer import Transaction
from drivers.rules import Rule, RuleSet

_BUMP = Prepared(
    Insert(
        device,
        lambda insert: insert.values(id=bindparam("device"), want_revision=1).on_conflict_do_update(
            index_elements=["id"], set_={"want_revision": device.c.want_revision + 1}
        ),
    )
)
_REVISION = select(device.c.want_revision).where(device.c.id == bindparam("device")).scalar_subquery()
_REQUESTED = ("outcome", "reason", "at", "wanted", "leaving")
_REQUEST = Prepared(
    Insert(
        containment_device,
        lambda insert: insert.values(
            containment_id=bindparam("containment_id"),
            device=bindparam("device"),
            outcome=Outcome.REQUESTED.value,
            reason="",
            at=bindparam("at"),
            wanted=_REVISION,
            leaving=bindparam("leaving"),
        ).on_conflict_do_update(
            index_elements=["containment_id", "device"], set_={name: insert.excluded[name] for name in _REQUESTED}
        ),
    )
)
_ADD = Prepared(insert(device_rule))
_DROP = Prepared(delete(device_rule).where(device_rule.c.containment_id == bindparam("id")))
_HELD_BY = Prepared(
    select(device_rule.c.device, device_rule.c.rule_id).where(device_rule.c.containment_id == bindparam("id"))
)
_RULES_OF = Prepared(
    select(device_rule.c.device, device_rule.c.rule_id, device_rule.c.rule).where(
        device_rule.c.containment_id == bindparam("id")
    )
)
_TOUCHED = Prepared(
    select(containment_device.c.device).where(
        containment_device.c.containment_id == bindparam("id"),
        containment_device.c.outcome != Outcome.REMOVED.value,
    )
)

Rules = Mapping[str, RuleSet]


def owned(rules: Rules, containment: str) -> Rules:
    """`rules` as that containment's own: planned under another id, they are named anew (a rule's id covers its containment)."""
    return {
        device: RuleSet(
            rule
            if rule.provenance.containment == containment
            else replace(rule, provenance=replace(rule.provenance, containment=containment))
            for rule in ruleset
        )
        for device, ruleset in rules.items()
    }


def names(rules: Rules) -> set[tuple[str, str]]:
    return {(device, rule.id) for device, ruleset in rules.items() for rule in ruleset}


def held(transaction: Transaction, containment: str) -> set[tuple[str, str]]:
    """(device, rule id) of what the containment wants now."""
    return {(device, rule) for device, rule in transaction.fetch(_HELD_BY, {"id": containment})}


def rules_of(transaction: Transaction, containment: str) -> Rules:
    """What the containment wants now, by device."""
    found: dict[str, list[Rule]] = {}
    for where, rule_id, text in transaction.fetch(_RULES_OF, {"id": containment}):
        found.setdefault(where, []).append(codec.load_rule(text, rule_id))
    return {where: RuleSet(rules) for where, rules in found.items()}


def with_elsewhere(transaction: Transaction, containment: str, rules: Rules, home: Attachment | None = None) -> Rules:
    """`rules`, and what the containment wants at other ports: an old port stays held until it is freed. `home`: the device is where it
    was, so that what is wanted there, and what names no port, gives way as well."""
    here = {(device, rule.match.port) for device, ruleset in rules.items() for rule in ruleset}
    if home is not None:
        here.add((home.device, home.port))

    def stays(where: str, rule: Rule) -> bool:
        return (where, rule.match.port) not in here and (home is None or rule.match.port is not None)

    held = rules_of(transaction, containment)
    every = {
        where: RuleSet([*rules.get(where, ()), *(rule for rule in held.get(where, ()) if stays(where, rule))])
        for where in sorted(rules.keys() | held.keys())
    }
    return {where: ruleset for where, ruleset in every.items() if len(ruleset)}


def replace_rules(transaction: Transaction, containment: str, rules: Rules) -> bool:
    """Want these rules of this containment and no others, and ask every device on which that is a change to converge; whether one is."""
    held = rules_of(transaction, containment)
    gone = _touched(transaction, containment) - rules.keys()
    changed = [device for device in rules if device not in held or rules[device].ids != held[device].ids]
    transaction.put(_DROP, {"id": containment})
    asked = dict.fromkeys(changed, False) | dict.fromkeys(gone, True)
    _request(transaction, containment, asked, rules)
    _add(transaction, containment, rules)
    return bool(asked)


def first_rules(transaction: Transaction, containment: str, rules: Rules) -> None:
    """`replace_rules` for a containment that had none."""
    _request(transaction, containment, dict.fromkeys(rules, False), rules)
    _add(transaction, containment, rules)


def withdraw(transaction: Transaction, containment: str) -> list[str]:
    """Want none of its rules any more; the devices from which they have to go."""
    devices = sorted(_touched(transaction, containment))
    transaction.put(_DROP, {"id": containment})
    _request(transaction, containment, dict.fromkeys(devices, True), {})
    return devices


def _touched(transaction: Transaction, containment: str) -> set[str]:
    """The devices on which the containment is, or from which its removal has not been read back."""
    return {device for (device,) in transaction.fetch(_TOUCHED, {"id": containment})}


def _add(transaction: Transaction, containment: str, rules: Rules) -> None:
    added = [
        {"device": device, "containment_id": containment, "rule_id": rule.id, "rule": codec.dump_rule(rule)}
        for device, ruleset in rules.items()
        for rule in ruleset
    ]
    if added:
        transaction.put(_ADD, *added)


def _request(transaction: Transaction, containment: str, leaving: Mapping[str, bool], rules: Rules) -> None:
    """The devices' outcomes go back to `requested` under a new revision of each. Rows are locked in id order."""
    devices = sorted(leaving)
    if not devices:
        return
    at = transaction.now()
    transaction.put(_BUMP, *({"device": device} for device in devices))
    rows = ({"containment_id": containment, "device": name, "at": at, "leaving": leaving[name]} for name in devices)
    transaction.put(_REQUEST, *rows)
    for name in devices:
        transaction.changes(Wants(name, containment, tuple(rules.get(name, ())), leaving[name]))
    transaction.wake(devices)
