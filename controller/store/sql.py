"""The few things that SQLite and PostgreSQL write differently."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Dialect, Double, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.dml import Insert as AnyInsert
from sqlalchemy.sql.expression import FunctionElement


class database_clock(FunctionElement[float]):
    """The database's own clock, in seconds since the epoch: the one clock that several controllers share."""

    type = Double()
    inherit_cache = True


@compiles(database_clock, "sqlite")
def _sqlite_clock(_element: database_clock, _compiler: Any, **_options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_clock, "postgresql")
def _postgresql_clock(_element: database_clock, _compiler: Any, **_options: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


class Insert:
    """An INSERT with an ON CONFLICT clause, which SQLAlchemy has once for each dialect. `build` gets the dialect's `insert(table)`."""

    def __init__(self, table: Table, build: Callable[[Any], AnyInsert]) -> None:
        self._by_dialect: Mapping[str, AnyInsert] = {
            "sqlite": build(sqlite.insert(table)),
            "postgresql": build(postgresql.insert(table)),
        }

    def on(self, dialect: Dialect) -> AnyInsert:
        return self._by_dialect[dialect.name]
