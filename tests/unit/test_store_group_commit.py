"""Writes that share a commit: each its own caller's success or failure, and one failed database everybody's."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError

from controller.errors import NotFound, RefusalCode, Refused, StoreUnavailable
from controller.store import Store
from controller.store.audit_log import verify_file
from controller.store.log_room import widen
from controller.store.writer import Transaction
from tests.unit.store_cases import Clock, draft, nothing

ROOT = Path(__file__).parents[2]


async def test_writes_that_arrive_together_share_commits(store: Store) -> None:
    commits: list[Connection] = []
    event.listen(store._engines.writer, "commit", commits.append)
    await asyncio.gather(*(store.accept(draft(i), recheck=nothing) for i in range(100)))
    assert len(commits) < 20
    assert len(await store.containments()) == 100


async def test_one_failure_is_undone_alone(store: Store) -> None:
    def half_done(transaction: Transaction) -> None:
        transaction.audit("x", "half", "x", {})
        transaction.execute(text("UPDATE device SET driver = 'broken'"))
        raise NotFound("half-way")

    await store.upsert_device("s1", "memory", "", "oob", {})
    answers = await asyncio.gather(
        store.accept(draft(1), recheck=nothing),
        store._write(half_done),
        store.save_baseline("nowhere", {}),
        store.accept(draft(2), recheck=nothing),
        return_exceptions=True,
    )
    assert isinstance(answers[1], NotFound)
    assert [isinstance(answer, Exception) for answer in answers] == [False, True, False, False]
    assert [record.action for record in await store.audit_records()] == ["contain", "contain"]
    assert (await store.device("s1")).driver == "memory"
    assert (await store.audit_verify()).records == 2


async def test_a_cancelled_wait_disturbs_nobody(store: Store) -> None:
    work = [asyncio.create_task(store.accept(draft(i), recheck=nothing)) for i in range(4)]
    await asyncio.sleep(0)
    work[1].cancel()
    answers = await asyncio.gather(*work, return_exceptions=True)
    assert isinstance(answers[1], asyncio.CancelledError)
    assert not any(isinstance(answers[i], BaseException) for i in (0, 2, 3))
    assert (await store.accept(draft(9), recheck=nothing)).created


async def test_closing_writes_what_is_queued(store_url: str, clock: Clock) -> None:
    store = await Store.open(store_url, clock)
    work = [asyncio.create_task(store.accept(draft(i), recheck=nothing)) for i in range(30)]
    await asyncio.sleep(0)
    await store.close()
    assert all(accepted.created for accepted in await asyncio.gather(*work))
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.accept(draft(99), recheck=nothing)
    again = await Store.open(store_url, clock)
    assert len(await again.containments()) == 30
    await again.close()


async def test_a_failed_commit_fails_everyone_and_the_next_one_is_served(store: Store) -> None:
    def fail(_connection: object) -> None:
        raise OperationalError("COMMIT", {}, Exception("disk I/O error"))

    event.listen(store._engines.writer, "commit", fail)
    answers = await asyncio.gather(*(store.accept(draft(i), recheck=nothing) for i in range(5)), return_exceptions=True)
    assert all(isinstance(answer, StoreUnavailable) for answer in answers)
    event.remove(store._engines.writer, "commit", fail)
    assert await store.containments() == []
    assert (await store.accept(draft(1), recheck=nothing)).created
    assert (await store.audit_verify()).records == 1


async def test_a_full_database_refuses_clearly_and_works_again_with_room(sqlite_url: str, clock: Clock) -> None:
    store = await Store.open(sqlite_url, clock)

    async def limit(pages: int) -> None:
        used = await store._write(lambda t: t.connection.exec_driver_sql("PRAGMA page_count").scalar_one())
        await store._write(lambda t: t.connection.exec_driver_sql(f"PRAGMA max_page_count = {used + pages}").close())

    await limit(4)
    tries = (store.accept(draft(i, reason="x" * 5000), recheck=nothing) for i in range(40))
    answers = await asyncio.gather(*tries, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Exception)]
    assert refused
    assert all(isinstance(answer, StoreUnavailable) and "full" in str(answer) for answer in refused), refused
    assert len(await store.containments()) == 40 - len(refused), "reading goes on"
    await limit(100_000)
    assert (await store.accept(draft(99), recheck=nothing)).created
    await store.audit_verify()
    await store.close()


async def test_a_locked_database_refuses_clearly(
    sqlite_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await Store.open(sqlite_url, clock)
    await store._write(lambda t: t.connection.exec_driver_sql("PRAGMA busy_timeout = 50").close())
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked: another program"):
        await store.accept(draft(1), recheck=nothing)
    other.execute("ROLLBACK")
    other.close()
    assert (await store.accept(draft(1), recheck=nothing)).created
    await store.close()


async def test_the_log_begins_anew_while_nobody_waits_and_not_within_the_next_write(
    sqlite_url: str, clock: Clock, tmp_path: Path
) -> None:
    log = tmp_path / "netcordon.db-wal"

    def beginnings() -> int:
        """How often the write-ahead log began anew (SQLite file format, §4.1)."""
        return int.from_bytes(log.read_bytes()[12:16], "big")

    store = await Store.open(sqlite_url, clock)
    try:
        await store.accept(draft(1), recheck=nothing)
        before, ends = beginnings(), asyncio.get_running_loop().time() + 30
        while beginnings() == before:
            assert asyncio.get_running_loop().time() < ends, "the log was not begun anew although nothing was written"
            await asyncio.sleep(0.05)
        since = beginnings()
        await store.accept(draft(2), recheck=nothing)
        assert beginnings() == since, "the write paid for it"
    finally:
        await store.close()


async def test_the_log_gets_room_while_nobody_waits_and_is_read_whole_with_it(
    sqlite_url: str, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.store.log_room.STEP", 1 << 20)
    monkeypatch.setattr("controller.store.log_room.ROOM", 3 << 20)
    monkeypatch.setattr("controller.store.writer._IDLE_SECONDS", 0.05)
    log = tmp_path / "netcordon.db-wal"
    store = await Store.open(sqlite_url, clock)
    try:
        ends = asyncio.get_running_loop().time() + 30
        while log.stat().st_size < 3 << 20:
            assert asyncio.get_running_loop().time() < ends, f"the log is {log.stat().st_size} octets long"
            await asyncio.sleep(0.02)
        for i in range(5):
            await store.accept(draft(i), recheck=nothing)
        assert log.stat().st_size == 3 << 20, "commits go where there is room"
        copies = tmp_path / "copy"
        copies.mkdir()
        for name in ("netcordon.db", "netcordon.db-wal"):  # as a crash leaves them
            (copies / name).write_bytes((tmp_path / name).read_bytes())
        assert verify_file(copies / "netcordon.db").records == 5
    finally:
        await store.close()


def test_no_room_is_taken_where_little_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "n.db-wal").write_bytes(b"frames")
    monkeypatch.setattr("controller.store.log_room.FREE", 1 << 62)
    assert not widen(tmp_path / "n.db")
    assert (tmp_path / "n.db-wal").read_bytes() == b"frames"


async def test_a_lone_write_that_fails_leaves_nothing_and_the_chain_goes_on(sqlite_url: str, clock: Clock) -> None:
    store = await Store.open(sqlite_url, clock)

    def fails(transaction: Transaction) -> None:
        transaction.audit("anna", "try", "x", {})
        transaction.connection.exec_driver_sql("DELETE FROM audit_head").close()
        raise Refused(RefusalCode.CHANGED, "it moved")

    try:
        for i in range(3):
            await store.accept(draft(i), recheck=nothing)
            with pytest.raises(Refused, match="it moved"):
                await store._write(fails)
        assert (await store.audit_verify()).records == 3
    finally:
        await store.close()


async def test_two_controllers_on_one_database_keep_one_chain(postgresql_empty_url: str, clock: Clock) -> None:
    one, other = await asyncio.gather(*(Store.open(postgresql_empty_url, clock) for _ in range(2)))
    devices = ["s1", "s2", "s3"]
    work = []
    for i in range(60):
        both = [devices[i % 3], devices[(i + 1) % 3]]
        rules = {device: draft(i).rules["s1"] for device in (both if i % 2 else reversed(both))}
        work.append((one, other)[i % 2].accept(draft(i, rules=rules), recheck=nothing))
    await asyncio.gather(*work)
    assert (await other.audit_verify()).records == 60
    assert sum(device.want_revision for device in await one.devices()) == 120
    await one.close()
    await other.close()


async def test_a_connection_that_died_is_replaced(postgresql_url: str, clock: Clock) -> None:
    store = await Store.open(postgresql_url, clock)
    await store.accept(draft(1), recheck=nothing)
    await store.containments()
    kill = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    killer = await Store.open(postgresql_url, clock)
    await killer._write(lambda t: t.execute(kill).all())
    assert (await store.accept(draft(2), recheck=nothing)).created
    assert len(await store.containments()) == 2
    assert (await store.desired("s1")).revision == 2
    await killer.close()
    await store.close()


_ACCEPT_FOR_EVER = """
import asyncio, sys
from controller.store import Store
from tests.unit.store_cases import draft, nothing

async def main():
    store = await Store.open(sys.argv[1])
    async def client(number):
        for i in range(100_000):
            accepted = await store.accept(draft(number * 100_000 + i), recheck=nothing)
            print(accepted.containment.id, flush=True)
    await asyncio.gather(*(client(number) for number in range(8)))

asyncio.run(main())
"""


def killed_while_accepting(url: str) -> list[str]:
    """The ids that a daemon had acknowledged when it was killed, at no moment of its choosing."""
    command = [sys.executable, "-c", _ACCEPT_FOR_EVER, url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout is not None
        acknowledged = [daemon.stdout.readline() for _ in range(200)]
        daemon.send_signal(signal.SIGKILL)
        acknowledged += list(daemon.stdout)
    assert daemon.returncode == -signal.SIGKILL
    return [line.strip() for line in acknowledged if line.endswith("\n")]


@pytest.mark.fault
async def test_kill_9_loses_nothing_that_was_acknowledged(sqlite_url: str) -> None:
    acknowledged = await asyncio.to_thread(killed_while_accepting, sqlite_url)
    assert len(acknowledged) >= 200
    store = await Store.open(sqlite_url)
    kept = {case.id: case for case in await store.containments(limit=1_000_000)}
    assert set(acknowledged) <= kept.keys()
    assert all(len(case.rules) == 2 for case in kept.values()), "nothing is half there"
    assert (await store.audit_verify()).records == len(kept)
    assert (await store.desired("s1")).revision == len(kept)
    await store.close()
