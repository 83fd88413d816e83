"""What could not be read as an alert: kept with the reason, and replayed once it can be."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from controller.audit import Json
from controller.errors import Conflict, NotFound
from controller.store import codec
from controller.store.tables import dead_letter
from controller.store.values import DeadLetter, Replayed
from controller.store.writer import Transaction

RAW_LIMIT = 64 * 1024
"""Characters of a raw event that are kept."""
WAITING = dead_letter.c.replayed_at.is_(None)
_BURY = insert(dead_letter)


def bury(transaction: Transaction, source: str, raw: str, reason: str) -> str:
    row = {
        "id": secrets.token_hex(8),
        "source": source,
        "raw": raw[:RAW_LIMIT],
        "length": len(raw),
        "reason": reason,
        "received_at": transaction.now(),
    }
    transaction.execute(_BURY, row)
    return str(row["id"])


def one(connection: Connection, id: str) -> DeadLetter:
    found = connection.execute(select(dead_letter).where(dead_letter.c.id == id)).first()
    if found is None:
        raise NotFound(f"no dead letter {id!r}; `netcordon alert dead-letters` lists them")
    return _letter(found)


def listed(connection: Connection, limit: int, replayed: bool) -> list[DeadLetter]:
    """Newest first: those that wait, or those that were replayed."""
    query = select(dead_letter).where(~WAITING if replayed else WAITING)
    query = query.order_by(dead_letter.c.received_at.desc(), dead_letter.c.id).limit(limit)
    return [_letter(row) for row in connection.execute(query)]


def waiting(connection: Connection, after: str | None, limit: int) -> list[DeadLetter]:
    """Oldest first, those that wait behind the letter `after`, whatever became of that one. Raises NotFound for one that is not there."""
    query = select(dead_letter).where(WAITING)
    if after is not None:
        place = one(connection, after)
        at, id = dead_letter.c.received_at, dead_letter.c.id
        query = query.where(or_(at > place.received_at, (at == place.received_at) & (id > place.id)))
    query = query.order_by(dead_letter.c.received_at, dead_letter.c.id).limit(limit)
    return [_letter(row) for row in connection.execute(query)]


def replayed(transaction: Transaction, id: str, what: Replayed) -> None:
    """Write down that somebody replayed it, with what it came to. Where it was read it leaves those that wait; else it stays, with
    the reason of now. Raises Conflict for one that was replayed before."""
    change: dict[str, Any] = {"reason": what.reason}
    if what.read:
        change = {"replayed_at": transaction.now(), "replayed_by": what.by, "alerts": codec.dump_words(what.alerts)}
    done = transaction.execute(update(dead_letter).where(dead_letter.c.id == id, WAITING).values(change))
    if done.rowcount != 1:
        raise Conflict(replayed_before(one(transaction.connection, id)))
    detail: dict[str, Json] = {"came_to": what.came_to, "alerts": list(what.alerts), "reason": what.reason}
    transaction.audit(what.by, "replay", id, detail)


def replayed_before(letter: DeadLetter) -> str:
    return f"dead letter {letter.id} was replayed already, by {letter.replayed_by}{_as(letter.alerts)}"


def _as(alerts: Sequence[str]) -> str:
    return f", as alert {', '.join(alerts)}" if alerts else ": it is no alert"


def _letter(row: Row[Any]) -> DeadLetter:
    return DeadLetter(
        id=row.id,
        source=row.source,
        raw=row.raw,
        length=row.length,
        reason=row.reason,
        received_at=row.received_at,
        replayed_at=row.replayed_at,
        replayed_by=row.replayed_by,
        alerts=codec.load_words(row.alerts),
    )
