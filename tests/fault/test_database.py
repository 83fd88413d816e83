"""The database locked, full and gone: a command refuses and says why, nothing pretends, the switches keep what they hold, and it goes on by
itself once the database is back."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from controller.errors import StoreUnavailable
from controller.model import Outcome
from controller.roles import Role
from drivers.base import RuleRemoved
from tests.fault.rig import Rig, rigged
from tests.unit.conftest import _binaries, _start, _url

pytestmark = pytest.mark.fault
HELD, NEXT = 15, 16


@pytest.fixture
def database(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


async def _refuses(rig: Rig, *words: str) -> None:
    """A containment, a release and an alert are refused with these words, and nothing of them happens."""
    for answer in (await rig.contain(NEXT), await rig.release(HELD)):
        assert answer.status_code == 503, answer.text
        assert all(word in answer.text for word in words), answer.text
    alert = await rig.post("alerts/generic", [rig.alert(NEXT)], role=Role.INTAKE)
    assert alert.status_code == 503, alert.text
    assert rig.passes(NEXT)
    assert not rig.passes(HELD), "the switch keeps what it holds"


async def _recovers(rig: Rig) -> None:
    answer = await rig.contain(NEXT)
    assert answer.status_code == 201, answer.text
    await rig.settled()
    assert not rig.passes(NEXT)
    assert (await rig.release(HELD)).status_code == 200
    await rig.settled()
    assert rig.passes(HELD)
    assert (await rig.store.audit_verify()).records


async def _held(rig: Rig) -> None:
    assert (await rig.contain(HELD)).status_code == 201
    await rig.settled()


async def test_a_locked_database(sqlite_url: str, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.store.engines._PRAGMAS", ("PRAGMA busy_timeout = 100", "PRAGMA journal_mode = WAL"))
    async with rigged(sqlite_url) as rig:
        await _held(rig)
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await _refuses(rig, "locked", "another program holds it")
            other.execute("ROLLBACK")
        await _recovers(rig)


async def test_a_full_database(sqlite_url: str) -> None:
    async with rigged(sqlite_url) as rig:
        await _held(rig)
        await _limit_pages(rig, 1)
        await _fill(rig)
        await _refuses(rig, "full", "free space")
        await _limit_pages(rig, 1_000_000)
        await _recovers(rig)


async def _limit_pages(rig: Rig, most: int) -> None:
    """SQLite takes no limit below what is in use: `most` may be less."""
    await rig.store._write(lambda t: t.connection.exec_driver_sql(f"PRAGMA max_page_count = {most}").close())


async def _fill(rig: Rig) -> None:
    """Use up the free room in the audit log's pages: every command writes there."""
    for size in (900, 100, 1):
        full = False
        for _ in range(1000):
            try:
                await rig.store.audit_append("test", "fill", "x", {"with": "x" * size})
            except StoreUnavailable as error:
                full = "full" in str(error)
                break
        assert full


async def test_a_database_whose_file_was_removed(sqlite_url: str, database: Path) -> None:
    async with rigged(sqlite_url) as rig:
        await _held(rig)
        aside = database.with_name("aside")
        database.rename(aside)
        await _refuses(rig, "was removed")
        assert not database.exists(), "no new one is made in its place"
        shutil.copy(aside, database)
        await _refuses(rig, "another file was put in its place")
        database.unlink()
        aside.rename(database)
        await _recovers(rig)


async def test_switches_are_not_left_to_drift_for_long_after_the_database_came_back(
    sqlite_url: str, database: Path
) -> None:
    """What a colleague took off the switch meanwhile is put back, though nobody asks."""
    async with rigged(sqlite_url) as rig:
        await _held(rig)
        aside = database.with_name("aside")
        database.rename(aside)
        switch = rig.switches["s1"]
        switch.wipe()
        switch.emit(RuleRemoved("s1", switch.clock(), "a rule"))
        await rig.until(lambda: rig.daemon.fleet.loops["s1"].error, "the loop said that it cannot")
        aside.rename(database)
        await rig.until(lambda: not rig.passes(HELD), "it is held again")
        await rig.settled()


@pytest.fixture
def own_postgresql() -> Iterator[dict[str, Any]]:
    """A server that may be stopped, since nobody else uses it."""
    binaries, folder = _binaries(), Path(tempfile.mkdtemp(prefix="netcordon-pg-fault-"))
    server: subprocess.Popen[bytes] | None = None
    try:
        server = _start(binaries, folder)
        yield {"server": server, "folder": folder, "binaries": binaries, "url": _url(folder, "postgres")}
    finally:
        if server is not None and server.poll() is None:
            server.send_signal(signal.SIGQUIT)
            server.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


async def test_a_stopped_postgresql(own_postgresql: dict[str, Any]) -> None:
    async with rigged(own_postgresql["url"]) as rig:
        await _held(rig)
        own_postgresql["server"].send_signal(signal.SIGINT)
        own_postgresql["server"].wait(60)
        await _refuses(rig, "ask again")
        own_postgresql["server"] = again = _again(own_postgresql)
        try:
            await _recovers(rig)
            assert {case.outcome for case in await rig.held()} <= {Outcome.INSTALLED, Outcome.PROVEN}
        finally:
            again.send_signal(signal.SIGINT)
            again.wait(60)


def _again(where: dict[str, Any]) -> subprocess.Popen[bytes]:
    """The same server on the same data."""
    user = "postgres" if os.geteuid() == 0 else None
    folder = where["folder"]
    server = subprocess.Popen(
        [where["binaries"] / "postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=user, group=user, cwd=folder,
    )  # fmt: skip
    for _ in range(600):
        ready = subprocess.run([where["binaries"] / "pg_isready", "-q", "-h", folder], check=False).returncode == 0
        if ready:
            return server
        if server.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError("PostgreSQL did not start again")
