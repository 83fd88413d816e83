"""A database as an older release left it: made by the migrations up to there, with the rows of a newer one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from controller.store import migrations


def make_older(file: Path, revision: str) -> None:
    """Replace the SQLite database by one of this schema."""
    older = file.with_suffix(".older")
    config = Config()
    config.set_main_option("script_location", migrations.__path__[0])
    engine = create_engine(f"sqlite:///{older}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    with sqlite3.connect(older) as database:
        database.execute("ATTACH ? AS newer", (str(file),))
        for table in _names(database, "SELECT name FROM main.sqlite_master WHERE type = 'table'"):
            now = _names(database, "SELECT name FROM pragma_table_info(?, 'newer')", table)
            then = _names(database, "SELECT name FROM pragma_table_info(?, 'main')", table)
            columns = ", ".join(f'"{one}"' for one in then if one in now)
            if columns and table != "alembic_version" and not table.startswith("sqlite_"):
                copied = f'INSERT OR REPLACE INTO main."{table}" ({columns}) SELECT {columns} FROM newer."{table}"'  # noqa: S608 - our names
                database.execute(copied)
    older.replace(file)


def _names(database: sqlite3.Connection, query: str, *values: str) -> list[str]:
    return [name for (name,) in database.execute(query, values)]
