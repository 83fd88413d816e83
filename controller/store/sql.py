"""The few things that SQLite and PostgreSQL write differently."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from sqlalchemy import Dialect, Double, Table
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
    """An INSERT with an ON CONFLICT clause, which SQLAlchemy has once for each dialect; `build` gets that one's `insert(table)`. Only the
    dialect in use is imported: to import the other one takes 60 ms of each start."""

    def __init__(self, table: Table, build: Callable[[Any], AnyInsert]) -> None:
        self._table, self._build = table, build
        self._of = cache(self._made)

    def on(self, dialect: Dialect) -> AnyInsert:
        return self._of(dialect.name)

    def _made(self, dialect: str) -> AnyInsert:
        return self._build(import_module(f"sqlalchemy.dialects.{dialect}").insert(self._table))
