"""What devices look like to sensors, kept across restarts; `controller.network.looks` answers from memory."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import Connection, delete, select

from controller.model import Looks
from controller.store import codec
from controller.store.sql import Insert
from controller.store.tables import looks
from controller.store.writer import Transaction
from drivers.rules import Mac

Key = tuple[str, Mac]
_SAVE = Insert(
    looks,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["realm", "mac"], set_={name: insert.excluded[name] for name in ("body", "last_seen")}
    ),
)


def save(transaction: Transaction, batch: Mapping[Key, Looks]) -> None:
    rows = [
        {"realm": realm, "mac": mac, "body": codec.dump(codec.looks_to_wire(one)), "last_seen": one.at}
        for (realm, mac), one in batch.items()
    ]
    if rows:
        transaction.execute(_SAVE.on(transaction.connection.dialect), rows)


def load(connection: Connection, most: int) -> dict[Key, Looks]:
    """Those heard of last, oldest first."""
    rows = connection.execute(select(looks).order_by(looks.c.last_seen.desc()).limit(most)).all()
    return {(row.realm, Mac(row.mac)): codec.looks_from_wire(json.loads(row.body)) for row in reversed(rows)}


def forget(transaction: Transaction, before: float) -> int:
    return transaction.execute(delete(looks).where(looks.c.last_seen < before)).rowcount
