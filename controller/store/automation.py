"""Whether automatic action is paused: one row, read within the transactions that it stops."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from controller.automation import Automation, Cause
from controller.store.tables import automation
from controller.store.writer import Transaction


def read(connection: Connection) -> Automation:
    row = connection.execute(select(automation)).one()
    return Automation(bool(row.paused), row.actor, row.reason, row.since, Cause(row.cause))


def pause(transaction: Transaction, by: str, reason: str, cause: Cause) -> tuple[Automation, bool]:
    """As it is then, and whether this changed it. The pause that stands is not replaced."""
    return _set(transaction, Automation(True, by, reason, transaction.now(), cause), "pause")


def resume(transaction: Transaction, by: str, reason: str) -> tuple[Automation, bool]:
    """As it is then, and whether this changed it."""
    return _set(transaction, Automation(False, by, reason, transaction.now()), "resume")


def _set(transaction: Transaction, new: Automation, action: str) -> tuple[Automation, bool]:
    transaction.execute(select(automation.c.id).with_for_update())
    known = read(transaction.connection)
    if known.paused == new.paused:
        return known, False
    change = {"paused": new.paused, "actor": new.by, "reason": new.reason, "since": new.since, "cause": new.cause.value}
    transaction.execute(update(automation).values(**change))
    transaction.audit(new.by, action, "automation", {"reason": new.reason, "cause": new.cause.value})
    return read(transaction.connection), True
