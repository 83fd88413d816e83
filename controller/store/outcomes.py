"""The observed side: what each device was seen to hold, and what that makes of the containment as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Boolean, Row, bindparam, or_, select, update

from controller.errors import NotFound
from controller.model import Containment, DeviceOutcome, Outcome, Stage, overall
from controller.store import codec, containments
from controller.store.desired import Gone
from controller.store.prepared import Prepared
from controller.store.tables import HELD, containment, containment_device, device
from controller.store.writer import Transaction

_ACTOR = "netcordon"
_ABOUT_NOW = frozenset({Outcome.INSTALLED, Outcome.PROVEN, Outcome.REMOVED})
_DEVICE = select(device).where(device.c.id == bindparam("id")).with_for_update()
_SEEN = update(device).where(device.c.id == bindparam("which"))
_ON_DEVICE = select(containment_device).where(
    containment_device.c.device == bindparam("device"),
    containment_device.c.containment_id.in_(bindparam("ids", expanding=True)),
)
_OF = select(containment_device).where(containment_device.c.containment_id == bindparam("id"))
_HELD_AT = select(containment).where(
    containment.c.id == bindparam("id"),
    HELD,
    or_(bindparam("any", type_=Boolean()), containment.c.revision == bindparam("at")),
)
_SET = Prepared(
    update(containment_device)
    .where(containment_device.c.containment_id == bindparam("which"), containment_device.c.device == bindparam("where"))
    .values({name: bindparam(name) for name in ("outcome", "reason", "at", "leaving")})
)
_OUTCOMES = Prepared(
    select(containment_device.c.outcome, containment_device.c.at).where(
        containment_device.c.containment_id == bindparam("id")
    )
)
_STAGES = Prepared(select(containment.c.stages).where(containment.c.id == bindparam("id")))
_SET_STAGES = Prepared(
    update(containment).where(containment.c.id == bindparam("which")).values(stages=bindparam("stages"))
)
_REACHED = {Outcome.INSTALLED: Stage.INSTALLED, Outcome.REMOVED: Stage.REMOVED}
_WHOLE = Prepared(
    update(containment).where(containment.c.id == bindparam("which")).values(outcome=bindparam("outcome"))
)
_CASE = update(containment).where(containment.c.id == bindparam("which"))


def record(
    transaction: Transaction,
    device: str,
    epoch: int,
    have_revision: int | None,
    outcomes: Mapping[str, DeviceOutcome],
    boot_id: str | None,
    noted: Mapping[str, Mapping[Stage, float]],
) -> list[Containment]:
    """`noted` are further stages of these containments, which are written whatever else is."""
    save_stages(transaction, noted)
    found = transaction.execute(_DEVICE, {"id": device}).first()
    if found is None or found.epoch != epoch:
        return []
    rebooted = None not in (boot_id, found.boot_id) and boot_id != found.boot_id
    seen = {"have_revision": have_revision, "boot_id": boot_id}
    if new := {name: value for name, value in seen.items() if value is not None}:
        transaction.execute(_SEEN, {"which": device} | new)
    at_revision = found.have_revision if have_revision is None else have_revision
    changed = []
    for row in transaction.execute(_ON_DEVICE, {"device": device, "ids": list(outcomes)}).all():
        outcome = outcomes[row.containment_id]
        stale = outcome.outcome in _ABOUT_NOW and row.wanted > at_revision
        repeated = outcome.outcome is Outcome.INSTALLED and row.outcome == Outcome.PROVEN.value and not rebooted
        if not stale and not repeated and _change(transaction, row, outcome):
            changed.append(row.containment_id)
    return _settle(transaction, changed)


def set_outcome(
    transaction: Transaction, id: str, device: str, outcome: DeviceOutcome, revision: int | None
) -> Containment:
    """What was seen of a containment that was released or changed meanwhile says nothing about what is wanted now."""
    rows = [row for row in transaction.execute(_OF, {"id": id}) if row.device == device]
    if not rows:
        raise NotFound(f"containment {id!r} is not on device {device!r}")
    if (
        _held_at(transaction, id, revision) is not None
        and not rows[0].leaving
        and _change(transaction, rows[0], outcome)
    ):
        return _settle(transaction, [id])[0]
    return containments.one(transaction.connection, id)


def set_proven(transaction: Transaction, id: str, at: float, evidence: str, revision: int | None) -> Containment:
    """Only a containment that is held and wholly installed becomes proven: one that changed meanwhile comes back as it is."""
    found = _held_at(transaction, id, revision)
    rows = transaction.execute(_OF, {"id": id}).all()
    if found is None or overall([Outcome(row.outcome) for row in rows]) is not Outcome.INSTALLED:
        return containments.one(transaction.connection, id)
    for row in rows:
        if row.outcome == Outcome.INSTALLED.value:
            _change(transaction, row, DeviceOutcome(row.device, Outcome.PROVEN, "", at))
    words = (*codec.load_words(found.evidence), evidence)
    stages = {Stage.PROVEN: at} | codec.load_stages(found.stages)
    transaction.execute(
        _CASE,
        {"which": found.id, "unproven": "", "evidence": codec.dump_words(words), "stages": codec.dump_stages(stages)},
    )
    transaction.audit(_ACTOR, "proven", found.id, {"at": at, "evidence": evidence})
    return _settle(transaction, [found.id])[0]


def set_unproven(transaction: Transaction, id: str, reason: str) -> Containment:
    found = containments.row(transaction.connection, id)
    transaction.execute(_CASE, {"which": found.id, "unproven": reason})
    return containments.one(transaction.connection, found.id)


def save_stages(transaction: Transaction, noted: Mapping[str, Mapping[Stage, float]]) -> None:
    """The first time wins. One of a containment that there is not is let go."""
    for id, stages in noted.items():
        for (text,) in transaction.fetch(_STAGES, {"id": id}):
            known = codec.load_stages(text)
            if stages.keys() - known.keys():
                transaction.put(_SET_STAGES, {"which": id, "stages": codec.dump_stages({**stages, **known})})


def _held_at(transaction: Transaction, id: str, revision: int | None) -> Row[Any] | None:
    """The containment's row, if it is held, and at this revision where one is given."""
    return transaction.execute(_HELD_AT, {"id": id, "any": revision is None, "at": revision or 0}).first()


def _change(transaction: Transaction, row: Row[Any], outcome: DeviceOutcome) -> bool:
    """Write it where it is new. A change of the outcome is audited; a new reason for the same one is only kept."""
    if (row.outcome, row.reason) == (outcome.outcome.value, codec.storable(outcome.reason)):
        return False
    transaction.put(
        _SET,
        {
            "which": row.containment_id,
            "where": row.device,
            "outcome": outcome.outcome.value,
            "reason": outcome.reason,
            "at": outcome.at or transaction.now(),
            "leaving": row.leaving and outcome.outcome is not Outcome.REMOVED,
        },
    )
    if row.leaving and outcome.outcome is Outcome.REMOVED:
        transaction.changes(Gone(row.device, row.containment_id))
    if row.outcome != outcome.outcome.value:
        detail = {"device": row.device, "from": row.outcome, "to": outcome.outcome.value, "reason": outcome.reason}
        transaction.audit(_ACTOR, "outcome", row.containment_id, detail)
    return True


def _settle(transaction: Transaction, ids: Iterable[str]) -> list[Containment]:
    """Recompute what the changed ones are as a whole, with the time at which they came to be so, and give them back as they now are."""
    changed = list(ids)
    for id in changed:
        rows = transaction.fetch(_OUTCOMES, {"id": id})
        outcome = overall([Outcome(word) for word, _ in rows])
        transaction.put(_WHOLE, {"which": id, "outcome": outcome.value})
        if (stage := _REACHED.get(outcome)) is not None:
            save_stages(transaction, {id: {stage: max(at for _, at in rows)}})
    return containments.by_ids(transaction.connection, changed)
