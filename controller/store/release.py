"""Ending and prolonging: release, expiry, extend, confirm. What ends loses its rules; the devices' loops take them off."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, bindparam, select, update

from controller.errors import Conflict, InvalidInput
from controller.model import Containment, OnExpiry, Outcome, Stage, Want
from controller.store import codec, containments, keys, wanted
from controller.store.tables import HELD, UNCONFIRMED, containment
from controller.store.values import Extension
from controller.store.writer import Transaction

_UPDATE = update(containment).where(containment.c.id == bindparam("which"))
_DUE = (
    select(containment)
    .where(HELD, containment.c.waiting_since.is_(None), containment.c.expires_at <= bindparam("now"))
    .order_by(containment.c.id)
    .with_for_update()
)
_UNCONFIRMED = (
    select(containment)
    .where(UNCONFIRMED, containment.c.confirm_by <= bindparam("now"))
    .order_by(containment.c.id)
    .with_for_update()
)
DEAD_MAN = "dead-man"
"""Who releases what nobody confirmed in time."""


def release(transaction: Transaction, id: str, by: str, reason: str, key: str | None) -> Containment:
    """Idempotent: what is released stays as it was released first."""
    found = containments.row(transaction.connection, id)
    digest = codec.digest("release", found.id, by, reason)
    if key is not None and keys.recall(transaction, key, digest):
        return containments.one(transaction.connection, found.id)
    if found.want == Want.HELD.value:
        _end(transaction, found, by, reason)
    if key is not None:
        keys.remember(transaction, key, digest, found.id)
    return containments.one(transaction.connection, found.id)


def expire_due(transaction: Transaction, now: float) -> list[Containment]:
    """What is still due in this transaction: an extension that was accepted before wins. What asks a person stays held, but not what
    nobody confirmed in time: that is released, whatever its end means."""
    keys.forget_old(transaction)
    unconfirmed = transaction.execute(_UNCONFIRMED, {"now": now}).all()
    for found in unconfirmed:
        _end(transaction, found, DEAD_MAN, "nobody confirmed it in time")
    due = transaction.execute(_DUE, {"now": now}).all()
    for found in due:
        if found.on_expiry == OnExpiry.ASK.value:
            _ask(transaction, found)
        else:
            _end(transaction, found, "expiry", "its time is over")
    return containments.by_ids(transaction.connection, [found.id for found in (*unconfirmed, *due)])


def extend(transaction: Transaction, id: str, extension: Extension, by: str, key: str | None) -> Containment:
    found = containments.row(transaction.connection, id)
    digest = codec.digest("extend", found.id, extension.span, extension.until, extension.shorten, by)
    if key is not None and keys.recall(transaction, key, digest):
        return containments.one(transaction.connection, found.id)
    until = _new_end(transaction, found, extension)
    revision = found.revision + 1
    change = {"which": found.id, "expires_at": until, "waiting_since": None, "revision": revision}
    transaction.execute(_UPDATE, change)
    transaction.audit(by, "extend", found.id, {"from": found.expires_at, "to": until, "revision": revision})
    if key is not None:
        keys.remember(transaction, key, digest, found.id)
    return containments.one(transaction.connection, found.id)


def confirm(transaction: Transaction, id: str, by: str) -> Containment:
    """Once: what somebody confirmed stays confirmed by them. Late is refused, also where the release is still to come."""
    found = containments.row(transaction.connection, id)
    again = f"`netcordon contain {found.target}` contains the device anew"
    if found.want != Want.HELD.value:
        why = "since nobody confirmed it in time" if found.released_by == DEAD_MAN else f"by {found.released_by}"
        raise Conflict(f"containment {found.id} was released already, {why}: {again}")
    if found.confirm_by is None and found.confirmed_by is None:
        raise Conflict(f"containment {found.id} needs no confirmation: it is held until its end")
    if found.confirm_by is not None:
        if found.confirm_by <= transaction.now():
            raise Conflict(f"the time to confirm containment {found.id} is over, and it is being released: {again}")
        change = {"which": found.id, "confirm_by": None, "confirmed_by": by, "revision": found.revision + 1}
        transaction.execute(_UPDATE, change)
        detail = {"was_due": found.confirm_by, "revision": found.revision + 1}
        transaction.audit(by, "confirm", found.id, detail)
    return containments.one(transaction.connection, found.id)


def _new_end(transaction: Transaction, found: Row[Any], extension: Extension) -> float:
    now = transaction.now()
    until = now + extension.span if extension.until is None and extension.span is not None else extension.until
    if found.want != Want.HELD.value:
        raise Conflict(
            f"containment {found.id} was released by {found.released_by} and cannot be extended:"
            f" `netcordon contain {found.target}` contains the device anew"
        )
    if until is None or until <= now:
        raise InvalidInput("a containment is extended to a time to come; to end it now, release it")
    if not extension.shorten and (found.expires_at is None or until < found.expires_at):
        raise Conflict(f"containment {found.id} is held for longer than that already: --shorten, if you mean it")
    return until


def _ask(transaction: Transaction, found: Row[Any]) -> None:
    """Its rules stay; who answers extends it or releases it."""
    revision, now = found.revision + 1, transaction.now()
    transaction.execute(_UPDATE, {"which": found.id, "waiting_since": now, "revision": revision})
    transaction.audit("expiry", "ask", found.id, {"expired_at": found.expires_at, "revision": revision})


def _end(transaction: Transaction, found: Row[Any], by: str, reason: str) -> None:
    now = transaction.now()
    devices = wanted.withdraw(transaction, found.id)
    change = {
        "which": found.id,
        "want": Want.RELEASED.value,
        "outcome": (Outcome.REQUESTED if devices else Outcome.REMOVED).value,
        "revision": found.revision + 1,
        "released_by": by,
        "stages": codec.dump_stages({Stage.RELEASED: now} | codec.load_stages(found.stages)),
    }
    transaction.execute(_UPDATE, change)
    transaction.audit(by, "release", found.id, {"reason": reason, "revision": found.revision + 1, "devices": devices})
