"""Opening a database: SQLite (one daemon owns the file) or PostgreSQL (several controllers share it).

Two engines each: the writer's, with one connection for the one writer thread, and the readers', which cannot write and see one
snapshot a transaction.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from controller.errors import ConfigError, StoreUnavailable
from controller.store.lock import FileLock
from controller.store.prepared import Cursor

READERS = 4
_WAIT_MS = 5000
_PRAGMAS = (
    f"PRAGMA busy_timeout = {_WAIT_MS}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # The writer checkpoints when it is idle; this is the bound for when it never is.
    "PRAGMA wal_autocheckpoint = 8000",
)


@dataclass(frozen=True, slots=True)
class Engines:
    """An open database. `lock` is there on SQLite, and held."""

    writer: Engine
    readers: Engine
    lock: FileLock | None

    @property
    def sqlite(self) -> bool:
        return self.writer.dialect.name == "sqlite"

    def dispose(self) -> None:
        self.readers.dispose()
        self.writer.dispose()
        if self.lock is not None:
            self.lock.release()


def open_engines(url: str) -> Engines:
    """Connect to nothing yet, but take the file's lock. Raises ConfigError for a URL that names neither database, StoreUnavailable
    where another daemon owns the file or it cannot be made."""
    parsed = parse(url)
    if parsed.get_backend_name() == "postgresql":
        return _postgresql(parsed)
    return _sqlite(parsed)


def parse(url: str) -> URL:
    """The database that `url` names, with the driver that we use."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the URL may hold a password: it is not shown, nor is the error that quotes it
        raise ConfigError(
            "store: not a database URL; write sqlite:////var/lib/netcordon/netcordon.db, or postgresql://USER:PASSWORD@HOST/NAME"
        ) from None
    backend = parsed.drivername.partition("+")[0]
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:" or parsed.query:
            raise ConfigError(
                "SQLite needs the path of a file, and no options: sqlite:////var/lib/netcordon/netcordon.db"
            )
        return parsed.set(drivername="sqlite+pysqlite")
    raise ConfigError(f"no such kind of database: {backend!r}; use sqlite:///… or postgresql://…")


def database_path(url: URL) -> Path:
    return Path(url.database or "").resolve()


# --- SQLite ---------------------------------------------------------------------------------------------------------


def _sqlite(url: URL) -> Engines:
    path = database_path(url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock.take(path)
        _make_private(path)
    except OSError as error:
        raise StoreUnavailable(
            f"cannot open the database {path}: {error.strerror}; check that its folder can be written"
        ) from error
    url = url.set(database=str(path))
    same = _watch_over(path)
    writer = create_engine(url, pool_size=1, max_overflow=0, creator=partial(_connect, path, same))
    readers = create_engine(url, pool_size=READERS, max_overflow=0, creator=partial(_connect, path, same))
    _prepare(writer, "BEGIN IMMEDIATE", _PRAGMAS)
    _prepare(readers, "BEGIN", (*_PRAGMAS, "PRAGMA query_only = ON"))
    for engine in (writer, readers):
        event.listen(engine, "begin", lambda _: same(), insert=True)
    return Engines(writer, readers, lock)


def _connect(path: Path, same: Callable[[], None]) -> sqlite3.Connection:
    """One connection more, to that very file: SQLite would make a new one where it is gone, and go on in another that took its place."""
    same()
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, check_same_thread=False)


def _watch_over(path: Path) -> Callable[[], None]:
    """SQLite goes on in a file that was removed, and what it wrote there is gone with the process: so that each transaction asks first
    whether the file is still the one that was opened. It goes on by itself once that one is put back."""
    opened = _identity(path)

    def same() -> None:
        if _identity(path) != opened:
            raise StoreUnavailable(
                f"the database {path} was removed, or another file was put in its place. Nothing was written; put it back with its"
                " -wal file, or stop the daemon and restore a backup, then ask again"
            )

    return same


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _make_private(path: Path) -> None:
    """The file is its owner's alone before anything is in it; its -wal and -shm get the same mode from SQLite."""
    fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        os.fchmod(fd, 0o600)
    finally:
        os.close(fd)


def _prepare(engine: Engine, begin: str, pragmas: tuple[str, ...]) -> None:
    """Transactions begin when and how we say, not when the driver guesses that one is needed."""

    def on_connect(dbapi: Any, _record: object) -> None:
        dbapi.isolation_level = None
        for pragma in pragmas:
            dbapi.execute(pragma).close()

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", _beginner(begin))


def _beginner(begin: str) -> Callable[[Connection], None]:
    def on_begin(connection: Connection) -> None:
        Cursor(connection).execute(begin)

    return on_begin


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def _postgresql(url: URL) -> Engines:
    arguments = {"options": f"-c lock_timeout={_WAIT_MS}", "connect_timeout": 5}
    try:
        writer = create_engine(url, pool_size=1, max_overflow=0, connect_args=arguments)
        readers = create_engine(
            url,
            pool_size=READERS,
            max_overflow=0,
            connect_args=arguments,
            isolation_level="REPEATABLE READ",
            execution_options={"postgresql_readonly": True},
        )
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise ConfigError("PostgreSQL needs the extra: pip install 'netcordon[postgres]'") from error
    return Engines(writer, readers, None)
