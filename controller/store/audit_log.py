"""The audit log in the database: reading it, and verifying it, also with no daemon running."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, NullPool, Row, create_engine, select
from sqlalchemy.exc import SQLAlchemyError

from controller import audit
from controller.audit import AuditRecord, AuditReport, Head
from controller.errors import StoreUnavailable
from controller.store import tables
from controller.store.failures import translated
from controller.store.lock import FileLock

_IN_ORDER = select(tables.audit).order_by(tables.audit.c.seq)


def records(connection: Connection, after: int, limit: int) -> list[AuditRecord]:
    """Those with a higher `seq`, oldest first."""
    query = _IN_ORDER.where(tables.audit.c.seq > after).limit(limit)
    return [_record(row) for row in connection.execute(query)]


def head(connection: Connection) -> Head:
    return Head(*connection.execute(select(tables.audit_head.c.seq, tables.audit_head.c.hash)).one())


def verify(connection: Connection, noted: str | None) -> AuditReport:
    """Raises AuditBroken. `noted` is a head hash that was kept elsewhere."""
    return audit.verify(_all(connection), noted, head(connection))


def verify_file(path: Path, noted: str | None = None) -> AuditReport:
    """Verify a SQLite database that no daemon has open, without writing to it. Raises AuditBroken, or StoreUnavailable where there
    is no such file, or a daemon owns it."""
    path = path.resolve()
    if not path.is_file():
        raise StoreUnavailable(f"there is no database {path}")
    if not FileLock.free(path):
        raise StoreUnavailable(
            f"a netcordon daemon owns {path}: ask it to verify (`netcordon audit verify` with its URL)"
        )
    engine = create_engine(f"sqlite:///file:{_quoted(path)}?{_mode(path)}&uri=true", poolclass=NullPool)
    try:
        with engine.connect() as connection:
            return verify(connection, noted)
    except SQLAlchemyError as error:
        raise translated(error) from error


def _mode(path: Path) -> str:
    """A write-ahead log that a crash left is part of the database; without one, SQLite must not try to make one."""
    log = path.with_name(path.name + "-wal")
    return "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _all(connection: Connection) -> Iterator[AuditRecord]:
    for row in connection.execution_options(yield_per=1000).execute(_IN_ORDER):
        yield _record(row)


def _record(row: Row[Any]) -> AuditRecord:
    return AuditRecord(row.seq, row.at, row.actor, row.action, row.subject, row.detail, row.prev, row.hash)
