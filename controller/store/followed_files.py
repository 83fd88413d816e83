"""How far each file that is read as it grows was read, for each host: a path means another file elsewhere."""

from __future__ import annotations

from sqlalchemy import Connection, select

from controller.store.sql import Insert
from controller.store.tables import followed_file
from controller.store.writer import Transaction

_SAVE = Insert(
    followed_file,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["host", "path"], set_={name: insert.excluded[name] for name in ("places", "saved_at")}
    ),
)


def save(transaction: Transaction, host: str, path: str, places: str) -> None:
    row = {"host": host, "path": path, "places": places, "saved_at": transaction.now()}
    transaction.execute(_SAVE.on(transaction.connection.dialect), row)


def load(connection: Connection, host: str, path: str) -> str | None:
    """None for one that was never followed."""
    of = select(followed_file.c.places).where(followed_file.c.host == host, followed_file.c.path == path)
    found: str | None = connection.execute(of).scalar()
    return found
