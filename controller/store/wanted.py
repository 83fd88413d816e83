"""Changing what is wanted of devices: every accept, join and release goes through here, and wakes their loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import bindparam, delete, insert, select

from controller.model import Outcome
from controller.store import codec
from controller.store.prepared import Prepared
from controller.store.sql import Insert
from controller.store.tables import containment_device, device, device_rule
from controller.store.writer import Transaction
from drivers.rules import RuleSet

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


def replace_rules(transaction: Transaction, containment: str, rules: Rules) -> None:
    """Want these rules of this containment and no others, and ask every device concerned to converge."""
    gone = _touched(transaction, containment) - rules.keys()
    transaction.put(_DROP, {"id": containment})
    _request(transaction, containment, dict.fromkeys(rules, False) | dict.fromkeys(gone, True))
    _add(transaction, containment, rules)


def first_rules(transaction: Transaction, containment: str, rules: Rules) -> None:
    """`replace_rules` for a containment that had none."""
    _request(transaction, containment, dict.fromkeys(rules, False))
    _add(transaction, containment, rules)


def withdraw(transaction: Transaction, containment: str) -> list[str]:
    """Want none of its rules any more; the devices from which they have to go."""
    devices = sorted(_touched(transaction, containment))
    transaction.put(_DROP, {"id": containment})
    _request(transaction, containment, dict.fromkeys(devices, True))
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


def _request(transaction: Transaction, containment: str, leaving: Mapping[str, bool]) -> None:
    """The devices' outcomes go back to `requested` under a new revision of each. Rows are locked in id order."""
    devices = sorted(leaving)
    if not devices:
        return
    at = transaction.now()
    transaction.put(_BUMP, *({"device": device} for device in devices))
    rows = ({"containment_id": containment, "device": name, "at": at, "leaving": leaving[name]} for name in devices)
    transaction.put(_REQUEST, *rows)
    transaction.wake(devices)
