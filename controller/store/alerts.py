"""Alerts as they came, once each; and what could not be read as one."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, bindparam, insert, select, update

from controller.errors import NotFound
from controller.model import Alert
from controller.store import codec
from controller.store.prepared import Prepared
from controller.store.sql import Insert
from controller.store.tables import alert, dead_letter
from controller.store.values import AlertRecord, DeadLetter
from controller.store.writer import Transaction

RAW_LIMIT = 64 * 1024
"""Characters of a raw event that are kept."""
_SAVE = Prepared(Insert(alert, lambda insert: insert.on_conflict_do_nothing(index_elements=["source", "key"])))
_KNOWN = select(alert.c.id).where(alert.c.source == bindparam("source"), alert.c.key == bindparam("key"))
_DISPOSE = update(alert).where(alert.c.id == bindparam("which"))
_BURY = insert(dead_letter)


def save(transaction: Transaction, new: Alert, raw: str) -> tuple[str, bool]:
    """The alert's id, and whether (source, key) was known already: then the id is the first one's, and nothing is written."""
    row = {
        "id": new.id or _new_id(),
        "source": codec.short(new.source),
        "key": codec.short(new.key),
        "received_at": new.received_at,
        "body": codec.dump_alert(new),
        "raw": raw[:RAW_LIMIT],
        "disposition": "",
    }
    if transaction.put(_SAVE, row) == 1:
        return str(row["id"]), False
    known = transaction.execute(_KNOWN, {"source": row["source"], "key": row["key"]}).scalar_one()
    return str(known), True


def dispose(transaction: Transaction, id: str, disposition: str) -> None:
    if transaction.execute(_DISPOSE, {"which": id, "disposition": disposition}).rowcount != 1:
        raise NotFound(f"no alert {id!r}")


def listed(connection: Connection, limit: int) -> list[AlertRecord]:
    """Newest first."""
    query = select(alert).order_by(alert.c.received_at.desc(), alert.c.id).limit(limit)
    return [
        AlertRecord(codec.load_alert(row.id, row.body), row.raw, row.disposition) for row in connection.execute(query)
    ]


def one(connection: Connection, id: str) -> AlertRecord:
    row = connection.execute(select(alert).where(alert.c.id == id)).first()
    if row is None:
        raise NotFound(f"no alert {id!r}")
    return AlertRecord(codec.load_alert(row.id, row.body), row.raw, row.disposition)


def bury(transaction: Transaction, source: str, raw: str, reason: str) -> str:
    row = {
        "id": _new_id(),
        "source": source,
        "raw": raw[:RAW_LIMIT],
        "length": len(raw),
        "reason": reason,
        "received_at": transaction.now(),
    }
    transaction.execute(_BURY, row)
    return str(row["id"])


def buried(connection: Connection, limit: int) -> list[DeadLetter]:
    """Newest first."""
    query = select(dead_letter).order_by(dead_letter.c.received_at.desc(), dead_letter.c.id).limit(limit)
    return [
        DeadLetter(row.id, row.source, row.raw, row.length, row.reason, row.received_at)
        for row in connection.execute(query)
    ]


def _new_id() -> str:
    return secrets.token_hex(8)
