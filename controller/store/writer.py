"""Group commit: one thread writes, and writes that arrive together share one transaction and one fsync.

A write is a closure over a `Transaction`. It runs in a savepoint, or alone in its transaction, so that its exception undoes and reaches
only its own caller. The caller is answered after the commit. When the database itself fails, everybody in the batch gets
StoreUnavailable. A write that was queued behind others may be run again after a deadlock: it may touch nothing but its transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, bindparam, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from controller import audit
from controller.audit import AuditEntry, Head, Json
from controller.errors import StoreUnavailable
from controller.store import tables
from controller.store.codec import storable
from controller.store.current import Current
from controller.store.desired import Step, Steps, Wants
from controller.store.failures import fatal, translated, worth_again
from controller.store.log_room import widen
from controller.store.prepared import Cursor, Prepared
from controller.store.write_queue import WriteQueue

T = TypeVar("T")

_IDLE_SECONDS = 0.5
_TRIES = 3
_MOST_VERSIONS = 2**31
"""Of SQLite's `user_version`, a number in the file that nobody else uses."""
_HEAD = Prepared(select(tables.audit_head.c.seq, tables.audit_head.c.hash).with_for_update())
_APPEND = Prepared(insert(tables.audit))
_MOVE_HEAD = Prepared(update(tables.audit_head).values(seq=bindparam("to"), hash=bindparam("end")))
_NOTIFY = text("SELECT pg_notify('netcordon', device) FROM unnest(CAST(:devices AS text[])) AS device")


class Transaction:
    """What a write works on. `now` is the daemon's clock, for what is recorded; leases use the database's."""

    def __init__(self, connection: Connection, now: Callable[[], float], head: Head | None = None) -> None:
        """`head`: the audit log's end, where it is known for sure."""
        self.connection = connection
        self.now = now
        self.execute = connection.execute
        cursor = Cursor(connection)
        self.fetch, self.put, self.put_together = cursor.fetch, cursor.put, cursor.put_together
        self._command = cursor.execute
        # On PostgreSQL this row serializes the controllers' writes: the chain has one end, and no two batches can deadlock.
        self.head = head or Head(*self.fetch(_HEAD)[0])
        self._entries: list[AuditEntry] = []
        self._woken: list[str] = []
        self.steps: list[Step] = []

    def audit(self, actor: str, action: str, subject: str, detail: Mapping[str, Json]) -> None:
        """Append to the audit log, with this write or not at all."""
        entry = AuditEntry(self.now(), storable(actor), storable(action), storable(subject), audit.canonical(detail))
        self._entries.append(entry)

    def wake(self, devices: Iterable[str]) -> None:
        """Tell the other controllers, once committed, that more is wanted of these devices."""
        self._woken.extend(devices)

    def changes(self, step: Step) -> None:
        """Whatever of a device's desired state this write changes is said here as well, for who keeps it in memory."""
        self.steps.append(step)

    def attempt(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` so that its exception leaves no trace in this transaction; unless the database failed: then nothing of it stays."""
        entries, woken, steps = len(self._entries), len(self._woken), len(self.steps)
        self._command("SAVEPOINT one_write")
        try:
            result = work(self)
        except Exception as error:
            if not (isinstance(error, SQLAlchemyError) and fatal(error)):
                self._command("ROLLBACK TO SAVEPOINT one_write")
                self._command(
                    "RELEASE SAVEPOINT one_write"
                )  # else one around this one would go back no further than here
                del self._entries[entries:], self._woken[woken:], self.steps[steps:]
            raise
        self._command("RELEASE SAVEPOINT one_write")
        return result

    def finish(self) -> None:
        """Write what was gathered, just before the commit."""
        if records := audit.chain(self.head, self._entries):
            self.put(_APPEND, *({name: getattr(record, name) for name in record.__slots__} for record in records))
            self.head = Head(records[-1].seq, records[-1].hash)
            self.put(_MOVE_HEAD, {"to": self.head.seq, "end": self.head.hash})
        if self._woken and self.connection.dialect.name == "postgresql":
            self.execute(_NOTIFY, {"devices": sorted(set(self._woken))})


@dataclass(frozen=True, slots=True)
class _Job:
    """`later`: nothing waits for it but itself."""

    work: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    later: bool


@dataclass(frozen=True, slots=True)
class _Answer:
    value: Any = None
    error: BaseException | None = None


class _CommitFailed(Exception):
    """Only from here on may something have been written: until then, a lost connection can be tried again."""

    def __init__(self, cause: SQLAlchemyError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Writer:
    """The one thread that writes. `submit` from any event loop; `close` after the last. `current` hears of each commit before those who
    wait for it; `foreseen`, in an event loop of theirs, of what is about to be committed and may still fail; `durable`, in the writer's
    thread, of the very same once it has not."""

    def __init__(
        self,
        engine: Engine,
        now: Callable[[], float],
        current: Current,
        foreseen: Callable[[Steps], None],
        durable: Callable[[Steps], None],
    ) -> None:
        self._engine = engine
        self._now = now
        self._current = current
        self._foreseen = foreseen
        self._durable = durable
        self._queue: WriteQueue[_Job] = WriteQueue()
        self._alone = engine.dialect.name == "sqlite"
        self._head: Head | None = None
        self._connection: Connection | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="netcordon-writer", daemon=True)
        self._thread.start()

    async def submit(self, work: Callable[[Transaction], T], *, later: bool = False) -> T:
        """Run `work` in the writer's thread; its result once it is durable, or what it raised. Raises StoreUnavailable. Cancelling
        the wait does not take back what is queued. `later`: behind all that is not, and few at a time, so that who comes meanwhile does
        not wait for hundreds of them."""
        if self._closed:
            raise StoreUnavailable("the store is closed: the daemon is stopping")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(_Job(work, future, loop, later))
        return await future

    def close(self) -> None:
        """Write what is queued, then end. Blocks."""
        self._closed = True
        self._queue.end()
        self._thread.join()

    def _run(self) -> None:
        dirty, narrow = False, self._alone
        while True:
            try:
                batch = self._queue.batch(_IDLE_SECONDS if dirty or narrow else None)
            except queue.Empty:
                narrow = narrow and (dirty or self._widen())
                if dirty:
                    self._checkpoint()
                dirty = False
                continue
            if batch is None:
                if self._connection is not None:
                    self._connection.close()
                return
            _answer(batch, self._write(batch))
            dirty = True

    def _write(self, batch: list[_Job]) -> list[_Answer]:
        for left in reversed(range(_TRIES)):
            try:
                return self._transact(batch)
            except _CommitFailed as error:
                return [_Answer(error=translated(error.cause, committing=True)) for _ in batch]
            except SQLAlchemyError as error:
                if not (left and worth_again(error)):
                    return [_Answer(error=translated(error)) for _ in batch]
            except Exception as error:  # noqa: BLE001 (the thread's outermost loop: whoever waits is told, and the next batch is served)
                return [_Answer(error=error) for _ in batch]
        raise AssertionError("unreachable")

    def _transact(self, batch: list[_Job]) -> list[_Answer]:
        head, self._head = self._head, None  # whatever goes wrong from here on: it is read again
        with self._kept() as connection, connection.begin() as whole:
            transaction = Transaction(connection, self._now, head)
            if len(batch) == 1:
                answers = [_answered(lambda: batch[0].work(transaction))]
                if answers[0].error is not None:
                    whole.rollback()
                    return answers
            else:
                answers = [_answered(partial(transaction.attempt, job.work)) for job in batch]
            transaction.finish()
            steps = tuple(transaction.steps)
            wanted = any(isinstance(step, Wants) for step in steps)
            if wanted:
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    batch[-1].loop.call_soon_threadsafe(self._foreseen, steps)
            try:
                whole.commit()
            except SQLAlchemyError as error:
                self._current.doubt()
                connection.invalidate()  # closed rather than used again: what is half committed on it must not be finished by others
                raise _CommitFailed(error) from error
            self._current.committed(steps)
            if wanted:
                self._durable(steps)
            self._head = transaction.head if self._alone else None
        return answers

    @contextlib.contextmanager
    def _kept(self) -> Iterator[Connection]:
        """The connection, which stays out of its pool from one transaction to the next: nobody else writes, and to fetch and return it
        costs more than a statement. One on which anything failed goes back, to be looked after or made anew."""
        connection, self._connection = self._connection or self._engine.connect(), None
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _checkpoint(self) -> None:
        """Move the write-ahead log into the file while nobody waits, rather than within somebody's commit. The write after that begins the
        log anew, which costs a second fsync (`walRestartLog` and `walFrames` in SQLite's wal.c): it is one of no meaning, made here, so
        that the next alert's is not the one."""
        if not self._alone:
            return
        with contextlib.suppress(SQLAlchemyError, sqlite3.Error), self._kept() as connection:
            cursor = connection.connection.cursor()
            _, frames, moved = cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if frames == moved:
                (times,) = cursor.execute("PRAGMA user_version").fetchone()
                cursor.execute(f"PRAGMA user_version = {(times + 1) % _MOST_VERSIONS}")

    def _widen(self) -> bool:
        """More room in the log, while nobody waits; whether there is more to do."""
        try:
            return widen(Path(self._engine.url.database or ""))
        except OSError:  # there is no log yet, or no disk: nobody needs it
            return False


def _answered(work: Callable[[], Any]) -> _Answer:
    try:
        return _Answer(work())
    except SQLAlchemyError as error:
        if fatal(error):
            raise
        return _Answer(error=translated(error))
    except Exception as error:  # noqa: BLE001 (it is the caller's own, and is raised there)
        return _Answer(error=error)


def _answer(batch: list[_Job], answers: list[_Answer]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], _Answer]]] = {}
    for job, answer in zip(batch, answers, strict=True):
        by_loop.setdefault(job.loop, []).append((job.future, answer))
    for loop, settled in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits there any more
            loop.call_soon_threadsafe(_settle, settled)


def _settle(settled: list[tuple[asyncio.Future[Any], _Answer]]) -> None:
    for future, answer in settled:
        if future.cancelled():
            continue
        if answer.error is not None:
            future.set_exception(answer.error)
        else:
            future.set_result(answer.value)
