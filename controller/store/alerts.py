"""Alerts as they came, once each."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update
from sqlalchemy.exc import SQLAlchemyError

from controller import explanation
from controller.errors import AlertRepeated, NotFound
from controller.model import Alert
from controller.store import codec
from controller.store.dead_letters import RAW_LIMIT
from controller.store.failures import fatal, translated
from controller.store.prepared import Prepared
from controller.store.sql import Insert
from controller.store.tables import alert, containment_alert, proposal_alert
from controller.store.values import AlertRecord, Taken
from controller.store.writer import Transaction

_SAVE = Prepared(Insert(alert, lambda insert: insert.on_conflict_do_nothing(index_elements=["source", "key"])))
_KNOWN = select(alert.c.id, alert.c.disposition).where(
    alert.c.source == bindparam("source"), alert.c.key == bindparam("key")
)
_OF_THESE = select(alert.c.id).where(alert.c.id.in_(bindparam("ids", expanding=True)))
_DISPOSITIONS = select(alert.c.id, alert.c.disposition).where(alert.c.id.in_(bindparam("ids", expanding=True)))
_DISPOSE = update(alert).where(alert.c.id == bindparam("which"))
_CASE = select(containment_alert.c.containment_id).where(containment_alert.c.alert_id == alert.c.id)
_ASKED = select(proposal_alert.c.proposal_id).where(proposal_alert.c.alert_id == alert.c.id)
_RECORD = select(
    alert,
    _CASE.order_by(containment_alert.c.at.desc()).limit(1).scalar_subquery().label("containment_id"),
    _ASKED.order_by(proposal_alert.c.at.desc()).limit(1).scalar_subquery().label("proposal_id"),
)


def take(transaction: Transaction, taken: Taken, disposition: str) -> str:
    """Save it with what becomes of it in this very transaction; its id. One that a crash cut short, or that had to wait, is there already
    without a disposition, and gets it. Raises AlertRepeated."""
    id, known = save(transaction, taken.alert, taken.raw, disposition, taken.decision)
    if known is not None:
        if known:
            raise AlertRepeated(id)
        dispose(transaction, id, disposition, taken.decision)
    return id


def take_all(transaction: Transaction, every: Sequence[Taken]) -> list[str | Exception]:
    """`take` for each, with what became of it as for one that joined nothing: its id, or what `take` raises. New ones are one statement
    together; what is wrong with one of them reaches no other."""
    if len(every) > 1:
        try:
            return transaction.attempt(lambda t: _take_together(t, every))
        except Exception as error:
            if isinstance(error, SQLAlchemyError) and fatal(error):
                raise
    return [_take_alone(transaction, taken) for taken in every]


def _take_together(transaction: Transaction, every: Sequence[Taken]) -> list[str | Exception]:
    rows = [_row(taken.alert, taken.raw, taken.disposition, taken.decision) for taken in every]
    ids = [str(row["id"]) for row in rows]
    if transaction.put_together(_SAVE, rows) == len(rows):
        return [*ids]
    new = {id for (id,) in transaction.execute(_OF_THESE, {"ids": ids})}
    return [id if id in new else _take_alone(transaction, one) for id, one in zip(ids, every, strict=True)]


def _take_alone(transaction: Transaction, taken: Taken) -> str | Exception:
    try:
        return transaction.attempt(lambda t: take(t, taken, taken.disposition))
    except SQLAlchemyError as error:
        if fatal(error):
            raise
        return translated(error)
    except Exception as error:  # noqa: BLE001 (it is raised to who asked for this one)
        return error


def keep(transaction: Transaction, new: Alert, raw: str) -> str:
    """Save it without a disposition; its id, the first one's where that has none either. Raises AlertRepeated."""
    id, known = save(transaction, new, raw)
    if known:
        raise AlertRepeated(id)
    return id


def save(
    transaction: Transaction, new: Alert, raw: str, disposition: str = "", decision: str | None = None
) -> tuple[str, str | None]:
    """The alert's id, and None; where (source, key) was known already the first one's id and disposition, and nothing is written."""
    row = _row(new, raw, disposition, decision)
    if transaction.put(_SAVE, row) == 1:
        return str(row["id"]), None
    known = transaction.execute(_KNOWN, {"source": row["source"], "key": row["key"]}).one()
    return str(known.id), str(known.disposition)


def _row(new: Alert, raw: str, disposition: str, decision: str | None) -> dict[str, Any]:
    return {
        "id": new.id or _new_id(),
        "source": codec.short(new.source),
        "key": codec.short(new.key),
        "received_at": new.received_at,
        "body": codec.dump_alert(new),
        "raw": raw[:RAW_LIMIT],
        "disposition": disposition,
        "decision": decision,
    }


def dispose(transaction: Transaction, id: str, disposition: str, decision: str | None = None) -> None:
    change = {"which": id, "disposition": disposition, "decision": decision}
    if transaction.execute(_DISPOSE, change).rowcount != 1:
        raise NotFound(f"no alert {id!r}")


def listed(connection: Connection, limit: int, since: float) -> list[AlertRecord]:
    """Those received at or after `since`, newest first."""
    query = _RECORD.where(alert.c.received_at >= since).order_by(alert.c.received_at.desc(), alert.c.id).limit(limit)
    return [_record(row) for row in connection.execute(query)]


def one(connection: Connection, id: str) -> AlertRecord:
    row = connection.execute(_RECORD.where(alert.c.id == id)).first()
    if row is None:
        raise NotFound(f"no alert {id!r}")
    return _record(row)


def _record(row: Row[Any]) -> AlertRecord:
    explained = None if row.decision is None else explanation.load(row.decision)
    alert = codec.load_alert(row.id, row.body)
    return AlertRecord(alert, row.raw, row.disposition, row.containment_id, row.proposal_id, explained)


def dispositions(connection: Connection, ids: Sequence[str]) -> Mapping[str, str]:
    """Of those of these alerts that there are."""
    return {id: str(words) for id, words in connection.execute(_DISPOSITIONS, {"ids": list(ids)})}


def _new_id() -> str:
    return secrets.token_hex(8)
