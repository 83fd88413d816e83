"""Opening: who may, with what schema; and verifying the audit log with no daemon."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from controller.errors import AuditBroken, ConfigError, StoreUnavailable
from controller.roles import Role
from controller.store import Store, verify_file
from controller.store.engines import open_engines
from controller.store.migrate import SCHEMA
from controller.store.tables import metadata
from controller.store.writer import Transaction
from tests.unit.store_cases import Clock, draft, nothing

ROOT = Path(__file__).parents[2]


def run(code: str, url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, url]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


async def test_the_migrations_make_the_tables_that_the_code_expects(store: Store) -> None:
    def differences(t: Transaction) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(t.connection, opts={"compare_type": True}), metadata))

    assert await store._write(differences) == []


def test_the_newest_migration_is_the_schema_of_this_release() -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "controller/store/migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA


async def test_a_proposal_of_an_older_release_keeps_its_alert(tmp_path: Path, clock: Clock) -> None:
    url = f"sqlite:///{tmp_path}/older.db"
    config = Config()
    config.set_main_option("script_location", str(ROOT / "controller/store/migrations"))
    engines = open_engines(url)
    with engines.writer.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        connection.execute(
            text(
                "INSERT INTO proposal (id, alert_id, target, profile, duration, rule, reason, created_at, state)"
                " VALUES ('p-1', 'a-1', '10.0.0.1', 'full', 60, 'r', 'scan', 1, 'open'),"
                " ('p-2', NULL, '10.0.0.2', 'full', 60, 'r', 'scan', 1, 'open')"
            )
        )
    engines.dispose()
    store = await Store.open(url, clock)
    await store.accept(draft(1, alert_id=None), recheck=nothing, fulfils="p-1")
    await store.accept(draft(2, alert_id=None), recheck=nothing, fulfils="p-2")
    assert [one.alerts for one in await store.containments()] == [("a-1",), ()]
    await store.close()


async def test_what_was_stored_is_there_after_a_restart(store_url: str, clock: Clock) -> None:
    first = await Store.open(store_url, clock)
    accepted = await first.accept(draft(1), recheck=nothing)
    secret = await first.add_token("t", Role.VIEWER)
    await first.claim("s1", "before", 3600)
    await first.close()
    second = await Store.open(store_url, clock)
    assert await second.containment("case-0001") == accepted.containment
    assert (await second.token(secret)) is not None
    await second.close()


async def test_leases_of_a_crashed_daemon_end_with_it_on_sqlite(sqlite_url: str, clock: Clock) -> None:
    first = await Store.open(sqlite_url, clock)
    await first.upsert_device("s1", "memory", "", "oob", {})
    assert await first.claim("s1", "before", 3600) == 1
    await first.close()
    second = await Store.open(sqlite_url, clock)
    assert await second.claim("s1", "after", 3600) == 2
    await second.close()


async def test_a_database_of_a_newer_release_is_left_alone(sqlite_url: str, clock: Clock) -> None:
    await (await Store.open(sqlite_url, clock)).close()
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    for _ in range(2):  # the lock was given back
        with pytest.raises(StoreUnavailable, match="newer netcordon"):
            await Store.open(sqlite_url, clock)


async def test_a_connection_more_makes_no_file_and_stays_with_no_other(sqlite_url: str, clock: Clock) -> None:
    """One is made whenever more look at the same time than before: also while the file is gone, or another is in its place."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    aside = path.with_name("aside")
    store = await Store.open(sqlite_url, clock)
    try:
        for moment in ("gone", "another in its place"):
            if moment == "gone":
                path.rename(aside)
            else:
                shutil.copy(aside, path)
            store._engines.readers.dispose()
            with pytest.raises(StoreUnavailable, match="was removed, or another file was put in its place"):
                await store.containments()
            assert path.exists() is (moment != "gone")
        path.unlink()
        aside.rename(path)
        await store.accept(draft(1), recheck=nothing)
        assert len(await store.containments()) == 1, "as the writer left it"
    finally:
        await store.close()


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "sqlite://", "sqlite:///:memory:", "sqlite:///x?mode=ro"])
async def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ConfigError):
        await Store.open(url)


@pytest.mark.parametrize("url", ["sqlite:////proc/nowhere/n.db", "postgresql://localhost:1/nothing"])
async def test_databases_that_cannot_be_opened(url: str, request: pytest.FixtureRequest) -> None:
    if url.startswith("postgresql"):
        request.getfixturevalue("postgresql_cluster")
    with pytest.raises(StoreUnavailable):
        await Store.open(url)


# --- SQLite: one daemon a file ---------------------------------------------------------------------------------------------------


async def test_the_file_is_its_owners_alone_and_durable(tmp_path: Path) -> None:
    path = tmp_path / "new" / "n.db"
    path.parent.mkdir()
    path.touch(mode=0o644)
    store = await Store.open(f"sqlite:///{path}")
    await store.upsert_device("s1", "memory", "", "oob", {})
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert {file.name for file in path.parent.iterdir()} >= {"n.db", "n.db-wal", "n.db.lock"}
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    for name, value in wanted.items():
        pragma = f"PRAGMA {name}"
        found = await store._write(lambda t, pragma=pragma: t.connection.exec_driver_sql(pragma).scalar_one())  # type: ignore[misc]
        assert found == value, name
    await store.close()


async def test_a_second_daemon_is_refused_and_told_by_whom(sqlite_url: str) -> None:
    store = await Store.open(sqlite_url)
    code = "import asyncio, sys; from controller.store import Store; asyncio.run(Store.open(sys.argv[1]))"
    second = await asyncio.to_thread(run, code, sqlite_url)
    assert second.returncode != 0
    assert f"another netcordon daemon (pid {os.getpid()}) owns" in second.stderr
    link = Path(sqlite_url.removeprefix("sqlite:///")).with_name("link.db")
    link.symlink_to("netcordon.db")
    with pytest.raises(StoreUnavailable, match="another netcordon daemon"):
        await Store.open(f"sqlite:///{link}")
    await store.close()
    await (await Store.open(sqlite_url)).close()


async def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        await store._read(lambda connection: connection.exec_driver_sql("DELETE FROM device"))


# --- verifying offline -----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def closed(sqlite_url: str) -> Path:
    """A database of five audit records that no daemon has open."""
    store = await Store.open(sqlite_url)
    for i in range(5):
        await store.audit_append("anna", "try", f"thing-{i}", {})
    await store.close()
    return Path(sqlite_url.removeprefix("sqlite:///"))


def tamper(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as database:
        for trigger in ("audit_no_update", "audit_no_delete"):
            database.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            database.execute(statement)
    database.close()


def test_an_offline_file_verifies_and_is_not_touched(closed: Path) -> None:
    before = closed.read_bytes()
    report = verify_file(closed)
    assert report.records == 5
    assert verify_file(closed, report.head) == report
    assert closed.read_bytes() == before
    assert {file.name for file in closed.parent.iterdir()} == {"netcordon.db", "netcordon.db.lock"}


def test_a_tampered_record_is_named(closed: Path) -> None:
    tamper(closed, "UPDATE audit SET actor = 'ben' WHERE seq = 3")
    with pytest.raises(AuditBroken, match="record 3 was changed"):
        verify_file(closed)


def test_a_cut_tail_is_found_and_with_its_head_moved_only_by_the_noted_head(closed: Path) -> None:
    noted = verify_file(closed).head
    tamper(closed, "DELETE FROM audit WHERE seq > 3")
    with pytest.raises(AuditBroken, match="record 5 was its last"):
        verify_file(closed)
    with sqlite3.connect(closed) as database:
        database.execute("UPDATE audit_head SET seq = 3, hash = (SELECT hash FROM audit WHERE seq = 3)")
    database.close()
    assert verify_file(closed).records == 3
    with pytest.raises(AuditBroken, match="the tail was cut"):
        verify_file(closed, noted)


async def test_a_file_that_a_daemon_owns_is_left_to_it(sqlite_url: str, tmp_path: Path) -> None:
    store = await Store.open(sqlite_url)
    with pytest.raises(StoreUnavailable, match="a netcordon daemon owns"):
        verify_file(tmp_path / "netcordon.db")
    await store.close()
    with pytest.raises(StoreUnavailable, match="there is no database"):
        verify_file(tmp_path / "other.db")
    (tmp_path / "text.db").write_text("this is no database, and is long enough to be looked at" * 100)
    with pytest.raises(StoreUnavailable):
        verify_file(tmp_path / "text.db")


@pytest.mark.fault
def test_a_log_that_a_crash_left_is_read_whole(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, sys\nfrom controller.store import Store\n"
        "async def main():\n    store = await Store.open(sys.argv[1])\n"
        "    for i in range(7): await store.audit_append('anna', 'try', str(i), {})\n    os._exit(9)\nasyncio.run(main())"
    )
    path = tmp_path / "n.db"
    run(code, f"sqlite:///{path}")
    assert path.with_name("n.db-wal").stat().st_size > 0
    assert verify_file(path).records == 7
    path.with_name("n.db-shm").unlink()
    assert verify_file(path).records == 7
