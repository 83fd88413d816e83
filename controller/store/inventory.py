"""What each source of the inventory said last: a daemon that starts while NetBox is away still knows who is a domain controller."""

from __future__ import annotations

from sqlalchemy import Connection, select

from controller.store.sql import Insert
from controller.store.tables import inventory
from controller.store.writer import Transaction

_SAVE = Insert(
    inventory,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["source"], set_={name: insert.excluded[name] for name in ("assets", "at")}
    ),
)


def save(transaction: Transaction, source: str, assets: str) -> None:
    row = {"source": source, "assets": assets, "at": transaction.now()}
    transaction.execute(_SAVE.on(transaction.connection.dialect), row)


def load(connection: Connection, source: str) -> str | None:
    """JSON; None for a source that never said anything."""
    found: str | None = connection.execute(select(inventory.c.assets).where(inventory.c.source == source)).scalar()
    return found
