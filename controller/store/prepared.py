"""Statements of the hot way: compiled once for each dialect, then run on the driver's own cursor.

SQLAlchemy's own way costs about ten times as much a call, and an accept makes a dozen. What a compiled statement keeps is its text, the
order of its parameters, and which of them hold words from outside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Connection, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from controller.store.codec import storable
from controller.store.sql import Insert
from controller.store.tables import Words

_ROW = re.compile(r" VALUES (\([?, ]+\))")
Parameters = Mapping[str, Any]
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class _Compiled:
    sql: str
    order: Sequence[str] | None
    """Names of the parameters by position; None where the driver takes them by name."""
    words: frozenset[str]
    fixed: Parameters

    def bind(self, given: Parameters) -> Any:
        values = {**self.fixed, **given}
        for name in self.words:
            if values[name] is not None:
                values[name] = storable(values[name])
        return values if self.order is None else tuple([values[name] for name in self.order])


class Prepared:
    """One statement, with a value for each of its parameters; those of lists (`IN`) cannot be prepared."""

    def __init__(self, statement: ClauseElement | Insert) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def on(self, dialect: Dialect) -> _Compiled:
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = self._compile(dialect)
        return found

    def _compile(self, dialect: Dialect) -> _Compiled:
        statement = self._statement.on(dialect) if isinstance(self._statement, Insert) else self._statement
        compiled = cast(SQLCompiler, statement.compile(dialect=dialect))
        words = frozenset(name for bind, name in compiled.bind_names.items() if isinstance(bind.type, Words))
        return _Compiled(compiled.string, compiled.positiontup, words, compiled.params)


class Cursor:
    """The driver's cursor on the connection of a transaction. Its errors are SQLAlchemy's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect
        self._cursor = connection.connection.cursor()
        self._error = self._dialect.loaded_dbapi.Error

    def fetch(self, statement: Prepared, parameters: Parameters | None = None) -> Rows:
        compiled = statement.on(self._dialect)
        self._run(compiled.sql, compiled.bind(parameters or {}))
        return list(self._cursor.fetchall())

    def put(self, statement: Prepared, *rows: Parameters) -> int:
        """Run it for each row; the number of rows that were touched, where there is one row to run it for."""
        compiled = statement.on(self._dialect)
        if len(rows) == 1:
            self._run(compiled.sql, compiled.bind(rows[0]))
        else:
            self._run(compiled.sql, [compiled.bind(row) for row in rows], many=True)
        return self._cursor.rowcount

    def put_together(self, statement: Prepared, rows: Sequence[Parameters]) -> int:
        """Insert all rows, as one statement where parameters are told by position: each statement that SQLite runs gives the interpreter
        away, and this thread waits to get it back. The number of rows that were inserted."""
        compiled = statement.on(self._dialect)
        if compiled.order is None:
            return self.put(statement, *rows)
        sql = _ROW.sub(lambda found: f" VALUES {', '.join([found[1]] * len(rows))}", compiled.sql, count=1)
        self._run(sql, [value for row in rows for value in compiled.bind(row)])
        return self._cursor.rowcount

    def execute(self, sql: str) -> None:
        self._run(sql, ())

    def _run(self, sql: str, parameters: Any, many: bool = False) -> None:
        try:
            if many:
                self._cursor.executemany(sql, parameters)
            else:
                self._cursor.execute(sql, parameters)
        except self._error as error:
            raise self._translated(sql, error) from error

    def _translated(self, sql: str, error: Any) -> BaseException:
        gone = self._dialect.is_disconnect(error, self._connection.connection, None)
        if gone:
            self._connection.invalidate(error)
        known: BaseException = DBAPIError.instance(
            sql, None, error, self._error, hide_parameters=True, connection_invalidated=gone, dialect=self._dialect
        )
        return known
