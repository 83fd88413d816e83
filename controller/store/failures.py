"""A database's errors in this project's words: what happened, and what to do about it."""

from __future__ import annotations

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, TimeoutError

from controller.errors import Conflict, InvalidInput, NetcordonError, StoreUnavailable

_LOCKED = "the database is locked: another program holds it (an open `sqlite3`, a backup, a long transaction). Nothing was written; "
_FULL = "the database is full: its disk, quota or page limit is used up. Nothing was written; free space on it, then ask again"
_GONE = "the database does not answer. Nothing was written; see that it runs and can be reached, then ask again"
_UNCERTAIN = (
    "the database failed while it committed, and may or may not have written what was asked: see that it runs, then ask again "
    "(under the same idempotency key nothing happens twice)"
)
_SQLITE = {
    "locked": _LOCKED + "end that, then ask again",
    "busy": _LOCKED + "end that, then ask again",
    "full": _FULL,
    "readonly": "the database cannot be written to. Nothing was written; check the file's owner, mode and mount, then ask again",
}
_POSTGRES = {"55P03": _SQLITE["locked"], "57014": _SQLITE["locked"], "53100": _FULL, "25006": _SQLITE["readonly"]}
_AGAIN = frozenset({"40001", "40P01"})


def worth_again(error: SQLAlchemyError) -> bool:
    """Before the commit: PostgreSQL gave up one of two transactions that stood in each other's way, or the connection had died since
    it was last used. Nothing was written, and the whole transaction can be run again."""
    return isinstance(error, DBAPIError) and (error.connection_invalidated or _sqlstate(error) in _AGAIN)


def fatal(error: SQLAlchemyError) -> bool:
    """The error is about the database, not about what one caller wrote."""
    return not isinstance(error, (IntegrityError, DataError))


def translated(error: SQLAlchemyError, committing: bool = False) -> NetcordonError:
    """`error` as StoreUnavailable where it is about the database, as Conflict or InvalidInput where it is about what was written."""
    if isinstance(error, IntegrityError):
        return Conflict(f"the database refuses this beside what it holds already: {_cause(error)}")
    if isinstance(error, DataError):
        return InvalidInput(f"the database cannot hold this value: {_cause(error)}")
    if isinstance(error, TimeoutError):
        return StoreUnavailable("all connections to the database are in use: ask again")
    if isinstance(error, DBAPIError):
        return StoreUnavailable(f"{_advice(error, committing)} ({_cause(error)})")
    return StoreUnavailable(f"the database cannot do this: {error}")


def _advice(error: DBAPIError, committing: bool) -> str:
    if advice := _POSTGRES.get(_sqlstate(error)):
        return advice
    cause = _cause(error).lower()
    return next((advice for word, advice in _SQLITE.items() if word in cause), _UNCERTAIN if committing else _GONE)


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _cause(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]
