"""What works on the database itself, while no daemon runs: the first token, and verifying the audit log."""

from __future__ import annotations

from pathlib import Path

from controller.audit import AuditReport
from controller.errors import InvalidInput
from controller.roles import Role

_SQLITE = "sqlite:///"


def add_token(config: Path | None, name: str, role: Role, person: str = "") -> str:
    """The secret. Raises StoreUnavailable when a daemon owns the database."""
    import asyncio

    from controller.store import Store

    async def add() -> str:
        store = await Store.open(_url(config))
        try:
            return await store.add_token(name, role, by="netcordon --offline", person=person)
        finally:
            await store.close()

    return asyncio.run(add())


def verify_audit(config: Path | None, head: str | None) -> AuditReport:
    """Raises AuditBroken, or StoreUnavailable when a daemon owns the database."""
    from controller.store import verify_file

    url = _url(config)
    if not url.startswith(_SQLITE):
        raise InvalidInput("only a SQLite database is verified offline: ask the daemon (`netcordon audit verify`)")
    return verify_file(Path(url.removeprefix(_SQLITE)), head)


def _url(config: Path | None) -> str:
    from controller.config import load_config

    return load_config(config).store
