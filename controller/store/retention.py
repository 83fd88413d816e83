"""What is over and old is deleted, some rows at a time: looked for beside the writers, looked at again in the transaction that deletes it.

Nothing goes that an open case names (held, or not read back as gone yet) or an open proposal, and no case that an alert or a proposal
names which is still here. The audit log is never touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Double,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    text,
    tuple_,
)

from controller.model import Outcome, Want
from controller.store import codec
from controller.store.tables import (
    alert,
    binding,
    containment,
    containment_alert,
    containment_device,
    dead_letter,
    device_rule,
    idempotency,
    proposal,
    proposal_alert,
    proposal_vote,
)
from controller.store.values import ProposalState
from controller.store.writer import Transaction

BATCH = 50
"""Rows that one transaction deletes: some milliseconds, for which nobody waits longer than for another's write."""
Key = tuple[Any, ...]


class Prunable(StrEnum):
    """What is deleted once it is old. In this order: what is gone names nothing any more."""

    PROPOSALS = "proposals"
    ALERTS = "alerts"
    CONTAINMENTS = "containments"
    DEAD_LETTERS = "dead_letters"
    BINDINGS = "bindings"


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes that the database takes, how many of them are free for reuse (None: it does not tell), and when its oldest alert came."""

    bytes: int
    free: int | None
    oldest_alert: float | None


@dataclass(frozen=True, slots=True)
class _Kind:
    """`at`: since when it is over; `over`: the condition that it is, and that nothing open names it, which may ask for the moment :before;
    `parts`: rows that go with it, by the column that names it."""

    table: Table
    at: ColumnElement[float]
    identity: Sequence[Column[Any]]
    over: ColumnElement[bool]
    parts: Sequence[Column[Any]] = ()


_OPEN_CASE = or_(containment.c.want == Want.HELD.value, containment.c.outcome != Outcome.REMOVED.value)
_OPEN_PROPOSAL = proposal.c.state == ProposalState.OPEN.value
_BEFORE: BindParameter[float] = bindparam("before", type_=Double)
_BINDING = list(binding.primary_key.columns)
_DROP_BINDING = delete(binding).where(
    binding.c.last_seen < bindparam("before"), *(column == bindparam(f"of_{column.name}") for column in _BINDING)
)
_KINDS: Mapping[Prunable, _Kind] = {
    Prunable.PROPOSALS: _Kind(
        proposal,
        func.coalesce(proposal.c.expires_at, proposal.c.created_at),
        [proposal.c.id],
        and_(~_OPEN_PROPOSAL, ~exists().where(containment.c.id == proposal.c.containment_id, _OPEN_CASE)),
        [proposal_vote.c.proposal_id, proposal_alert.c.proposal_id],
    ),
    Prunable.ALERTS: _Kind(
        alert,
        alert.c.received_at,
        [alert.c.id],
        and_(
            ~exists().where(
                containment_alert.c.alert_id == alert.c.id,
                containment.c.id == containment_alert.c.containment_id,
                _OPEN_CASE,
            ),
            ~exists().where(
                proposal_alert.c.alert_id == alert.c.id, proposal.c.id == proposal_alert.c.proposal_id, _OPEN_PROPOSAL
            ),
        ),
        [containment_alert.c.alert_id, proposal_alert.c.alert_id],
    ),
    Prunable.CONTAINMENTS: _Kind(
        containment,
        containment.c.created_at,  # a bound: its devices say when it was over
        [containment.c.id],
        and_(
            ~_OPEN_CASE,
            *(
                ~exists().where(column == containment.c.id)
                for column in (device_rule.c.containment_id, idempotency.c.containment_id, proposal.c.containment_id)
            ),
            ~exists().where(
                containment_device.c.containment_id == containment.c.id, containment_device.c.at >= _BEFORE
            ),
            ~exists().where(
                containment_alert.c.containment_id == containment.c.id, alert.c.id == containment_alert.c.alert_id
            ),
        ),
        [containment_alert.c.containment_id, containment_device.c.containment_id],
    ),
    Prunable.DEAD_LETTERS: _Kind(
        dead_letter, dead_letter.c.received_at, [dead_letter.c.id], dead_letter.c.id.is_not(None)
    ),
    Prunable.BINDINGS: _Kind(binding, binding.c.last_seen, _BINDING, binding.c.last_seen.is_not(None)),
}


def old(
    connection: Connection, what: Prunable, before: float, after: Key | None, names: Set[str]
) -> tuple[list[Key], Key | None]:
    """At most BATCH that were over before then, oldest first, and the place behind which to look for more; None: there is no more.
    `names` are those whose bindings stay."""
    kind = _KINDS[what]
    place = (kind.at, *kind.identity)
    query = select(*place).where(kind.at < _BEFORE, kind.over).order_by(*place).limit(BATCH)
    if after is not None:
        query = query.where(tuple_(*place) > tuple_(*after))
    found = [tuple(row) for row in connection.execute(query, {"before": before})]
    keys = [row[1:] for row in found]
    if what is Prunable.BINDINGS:
        keys = [key for key in keys if names.isdisjoint(key[1:3])]
    return keys, found[-1] if len(found) == BATCH else None


def prune(transaction: Transaction, what: Prunable, before: float, keys: Sequence[Key]) -> int:
    """Delete those of `keys` that are over still, with what belongs to them; how many."""
    if what is Prunable.BINDINGS:  # one by one: a list of rows would have SQLite walk through all that are old
        rows = [{f"of_{column.name}": value for column, value in zip(_BINDING, key, strict=True)} for key in keys]
        return transaction.execute(_DROP_BINDING, [{"before": before} | row for row in rows]).rowcount
    kind = _KINDS[what]
    (id,) = kind.identity
    these = [one for (one,) in keys]
    query = select(id).where(id.in_(these), kind.at < _BEFORE, kind.over)
    still = list(transaction.execute(query, {"before": before}).scalars())
    if not still:
        return 0
    for part in kind.parts:
        transaction.execute(delete(part.table).where(part.in_(still)))
    return transaction.execute(delete(kind.table).where(id.in_(still))).rowcount


def size(connection: Connection) -> Size:
    oldest = connection.execute(select(func.min(alert.c.received_at))).scalar()
    if connection.dialect.name == "postgresql":
        taken = connection.execute(select(func.pg_database_size(func.current_database()))).scalar_one()
        return Size(int(taken), None, oldest)
    page, pages, free = (
        int(connection.execute(text(f"PRAGMA {name}")).scalar_one())
        for name in ("page_size", "page_count", "freelist_count")
    )
    return Size(page * pages, page * free, oldest)


def named(connection: Connection) -> set[str]:
    """The MACs of what is held or proposed, and the addresses that are in question."""
    cases = select(containment.c.target, containment.c.endpoint).where(_OPEN_CASE)
    asked = select(proposal.c.target, proposal.c.endpoint).where(_OPEN_PROPOSAL)
    found: set[str] = set()
    for row in (*connection.execute(cases), *connection.execute(asked)):
        found.add(row.target)
        if row.endpoint is not None:
            found |= codec.load_endpoint(row.endpoint).macs
    return found - {""}
