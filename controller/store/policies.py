"""The versions of policy that were ever in force, and how often a device was contained before."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from controller.audit import Json, canonical
from controller.errors import NotFound
from controller.model import Want
from controller.store.sql import Insert
from controller.store.tables import containment, policy
from controller.store.writer import Transaction

_KEEP = Insert(policy, lambda insert: insert.on_conflict_do_nothing())


@dataclass(frozen=True, slots=True)
class KeptPolicy:
    """A version of policy as it could be written, and when it was in force first (seconds since the epoch)."""

    version: str
    written: Mapping[str, Any]
    first_at: float


def keep(transaction: Transaction, version: str, written: Mapping[str, Json]) -> None:
    """One that is kept already stays as it is: equal versions are equal policies."""
    row = {"version": version, "text": canonical(written), "first_at": transaction.now()}
    transaction.execute(_KEEP.on(transaction.connection.dialect), row)


def one(connection: Connection, version: str) -> KeptPolicy:
    row = connection.execute(select(policy).where(policy.c.version == version)).first()
    if row is None:
        raise NotFound(f"no policy {version!r} was ever in force here: `netcordon policy show` shows the present one")
    return KeptPolicy(row.version, json.loads(row.text), row.first_at)


def offences(connection: Connection, endpoints: Iterable[str], since: float) -> tuple[float, ...]:
    """When each containment of these endpoints began that began after `since` and is released, the oldest first."""
    query = select(containment.c.created_at).where(
        containment.c.endpoint_id.in_(list(endpoints)),
        containment.c.created_at > since,
        containment.c.want == Want.RELEASED.value,
    )
    return tuple(connection.execute(query.order_by(containment.c.created_at)).scalars())
