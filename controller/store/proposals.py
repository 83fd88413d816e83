"""Containments that wait for a person."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, select

from controller.errors import RefusalCode
from controller.store import alerts, codec
from controller.store.sql import Insert
from controller.store.tables import proposal
from controller.store.values import Proposal, ProposalState, Taken
from controller.store.writer import Transaction

_SAVE = Insert(
    proposal,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["id"],
        set_={column.name: insert.excluded[column.name] for column in proposal.c if column.name != "id"},
    ),
)


def save(transaction: Transaction, new: Proposal, taken: Taken | None = None) -> str:
    """A proposal of the same id takes its place. With the alert that it came from, where that is not saved yet;
    gives the alert's id back, "" where it came from none. Raises AlertRepeated."""
    if taken is not None:
        new = replace(new, alert_id=alerts.take(transaction, taken, taken.disposition))
    row = {
        "id": new.id,
        "alert_id": new.alert_id,
        "target": new.target,
        "endpoint": None if new.endpoint is None else codec.dump_endpoint(new.endpoint),
        "profile": new.profile,
        "duration": new.duration,
        "rule": new.rule,
        "reason": new.reason,
        "refusal": None if new.refusal is None else new.refusal.value,
        "created_at": new.created_at,
        "state": new.state.value,
    }
    transaction.execute(_SAVE.on(transaction.connection.dialect), row)
    return new.alert_id or ""


def listed(connection: Connection, limit: int) -> list[Proposal]:
    """Newest first."""
    query = select(proposal).order_by(proposal.c.created_at.desc(), proposal.c.id).limit(limit)
    return [
        Proposal(
            id=row.id,
            alert_id=row.alert_id,
            target=row.target,
            endpoint=None if row.endpoint is None else codec.load_endpoint(row.endpoint),
            profile=row.profile,
            duration=row.duration,
            rule=row.rule,
            reason=row.reason,
            refusal=None if row.refusal is None else RefusalCode(row.refusal),
            created_at=row.created_at,
            state=ProposalState(row.state),
        )
        for row in connection.execute(query)
    ]
