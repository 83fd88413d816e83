"""The observed side: what each device was seen to hold, and what that makes of the containment as a whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Boolean, Row, bindparam, or_, select, update

from controller.errors import NotFound
from controller.model import Containment, DeviceOutcome, Outcome, Stage, overall
from controller.store import codec, containments
from controller.store.desired import Gone
from controller.store.prepared import Prepared
from controller.store.tables import HELD, containment, containment_device, device
from controller.store.writer import Transaction

_ACTOR = "netcordon"
_ABOUT_NOW = frozenset({Outcome.INSTALLED, Outcome.PROVEN, Outcome.REMOVED})
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_DEVICE = select(device).where(device.c.id == bindparam("id")).with_for_update()
_SEEN = update(device).where(device.c.id == bindparam("which"))
_ON_DEVICE = select(containment_device).where(
    containment_device.c.device == bindparam("device"), containment_device.c.containment_id.in_(_IDS)
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
_OUTCOMES = select(containment_device.c.containment_id, containment_device.c.outcome, containment_device.c.at).where(
    containment_device.c.containment_id.in_(_IDS)
)
_STAGES_OF = select(containment.c.id, containment.c.stages).where(containment.c.id.in_(_IDS))
_STAGES = Prepared(select(containment.c.stages).where(containment.c.id == bindparam("id")))
_SET_STAGES = Prepared(
    update(containment).where(containment.c.id == bindparam("which")).values(stages=bindparam("stages"))
)
_REACHED = {Outcome.INSTALLED: Stage.INSTALLED, Outcome.REMOVED: Stage.REMOVED}
_WHOLE = Prepared(
    update(containment)
    .where(containment.c.id == bindparam("which"))
    .values(outcome=bindparam("outcome"), stages=bindparam("stages"))
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
) -> list[str]:
    """Those that it changed. `noted` are further stages of these containments, which are written whatever else is."""
    save_stages(transaction, noted)
    found = transaction.execute(_DEVICE, {"id": device}).first()
    if found is None or found.epoch != epoch:
        return []
    rebooted = None not in (boot_id, found.boot_id) and boot_id != found.boot_id
    seen = {"have_revision": have_revision, "boot_id": boot_id}
    if new := {name: value for name, value in seen.items() if value is not None}:
        transaction.execute(_SEEN, {"which": device} | new)
    at_revision = found.have_revision if have_revision is None else have_revision
    news = []
    for ids in containments.chunks(list(outcomes)):
        for row in transaction.execute(_ON_DEVICE, {"device": device, "ids": ids}):
            outcome = outcomes[row.containment_id]
            stale = outcome.outcome in _ABOUT_NOW and row.wanted > at_revision
            repeated = outcome.outcome is Outcome.INSTALLED and row.outcome == Outcome.PROVEN.value and not rebooted
            if not stale and not repeated:
                news.append((row, outcome))
    return _change(transaction, news)


def set_outcome(
    transaction: Transaction, id: str, device: str, outcome: DeviceOutcome, revision: int | None
) -> Containment:
    """What was seen of a containment that was released or changed meanwhile says nothing about what is wanted now."""
    rows = [row for row in transaction.execute(_OF, {"id": id}) if row.device == device]
    if not rows:
        raise NotFound(f"containment {id!r} is not on device {device!r}")
    if _held_at(transaction, id, revision) is not None and not rows[0].leaving:
        _change(transaction, [(rows[0], outcome)])
    return containments.one(transaction.connection, id)


def set_proven(transaction: Transaction, id: str, at: float, evidence: str, revision: int | None) -> Containment:
    """Only a containment that is held and wholly installed becomes proven: one that changed meanwhile comes back as it is."""
    found = _held_at(transaction, id, revision)
    rows = transaction.execute(_OF, {"id": id}).all()
    if found is None or overall([Outcome(row.outcome) for row in rows]) is not Outcome.INSTALLED:
        return containments.one(transaction.connection, id)
    installed = [row for row in rows if row.outcome == Outcome.INSTALLED.value]
    _change(transaction, [(row, DeviceOutcome(row.device, Outcome.PROVEN, "", at)) for row in installed])
    words = (*codec.load_words(found.evidence), evidence)
    stages = {Stage.PROVEN: at} | codec.load_stages(found.stages)
    transaction.execute(
        _CASE,
        {"which": found.id, "unproven": "", "evidence": codec.dump_words(words), "stages": codec.dump_stages(stages)},
    )
    transaction.audit(_ACTOR, "proven", found.id, {"at": at, "evidence": evidence})
    return containments.one(transaction.connection, found.id)


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


def _change(transaction: Transaction, news: Iterable[tuple[Row[Any], DeviceOutcome]]) -> list[str]:
    """Write what is new of it, and what that makes of each containment; those that changed. A change of the outcome is audited; a new
    reason for the same one is only kept."""
    changed = []
    for row, outcome in news:
        word = outcome.outcome.value
        if (row.outcome, row.reason) == (word, codec.storable(outcome.reason)):
            continue
        changed.append(
            {
                "which": row.containment_id,
                "where": row.device,
                "outcome": word,
                "reason": outcome.reason,
                "at": outcome.at or transaction.now(),
                "leaving": row.leaving and outcome.outcome is not Outcome.REMOVED,
            }
        )
        if row.leaving and outcome.outcome is Outcome.REMOVED:
            transaction.changes(Gone(row.device, row.containment_id))
        if row.outcome != word:
            detail = {"device": row.device, "from": row.outcome, "to": word, "reason": outcome.reason}
            transaction.audit(_ACTOR, "outcome", row.containment_id, detail)
    if changed:
        transaction.put(_SET, *changed)
    ids = list(dict.fromkeys(one["which"] for one in changed))
    for some in containments.chunks(ids):
        _settle(transaction, some)
    return ids


def _settle(transaction: Transaction, ids: Sequence[str]) -> None:
    """Recompute what these are as a whole, with the time at which they came to be so."""
    seen = defaultdict(list)
    for row in transaction.execute(_OUTCOMES, {"ids": ids}):
        seen[row.containment_id].append(row)
    whole = []
    for id, text in transaction.execute(_STAGES_OF, {"ids": ids}):
        outcome = overall([Outcome(row.outcome) for row in seen[id]])
        stage, stages = _REACHED.get(outcome), codec.load_stages(text)
        if stage is not None and stage not in stages:
            text = codec.dump_stages({stage: max(row.at for row in seen[id])} | stages)
        whole.append({"which": id, "outcome": outcome.value, "stages": text})
    transaction.put(_WHOLE, *whole)
