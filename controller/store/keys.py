"""Idempotency keys: a request that comes twice happens once."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select

from controller.errors import Conflict
from controller.store.codec import short
from controller.store.prepared import Prepared
from controller.store.tables import Words, idempotency
from controller.store.writer import Transaction

KEPT_SECONDS = 48 * 3600.0
_RECALL = Prepared(
    select(idempotency.c.digest, idempotency.c.containment_id).where(
        idempotency.c.key == bindparam("key", type_=Words())
    )
)
_REMEMBER = Prepared(insert(idempotency))
_FORGET = delete(idempotency).where(idempotency.c.created_at < bindparam("before"))


def recall(transaction: Transaction, key: str, digest: str) -> str | None:
    """The containment that this same request was about. Raises Conflict when the key was used for another request."""
    found = transaction.fetch(_RECALL, {"key": short(key)})
    return None if not found else checked(found[0], key, digest)


def known(connection: Connection, key: str, suffixes: bool = False) -> list[tuple[str, str]]:
    """(digest, containment) of what was asked under this key, or under the keys made of it for each containment."""
    mine = idempotency.c.key == short(key)
    if suffixes:
        mine = idempotency.c.key.startswith(f"{key}/", autoescape=True)
    return [(row.digest, row.containment_id) for row in connection.execute(select(idempotency).where(mine))]


def checked(found: Sequence[str], key: str, digest: str) -> str:
    known_digest, containment = found
    if known_digest != digest:
        raise Conflict(
            f"the idempotency key {key[:80]!r} was used for another request: use a new key for a new request"
        )
    return str(containment)


def remember(transaction: Transaction, key: str, digest: str, containment: str) -> None:
    row = {"key": short(key), "digest": digest, "containment_id": containment, "created_at": transaction.now()}
    transaction.put(_REMEMBER, row)


def forget_old(transaction: Transaction) -> None:
    transaction.execute(_FORGET, {"before": transaction.now() - KEPT_SECONDS})
