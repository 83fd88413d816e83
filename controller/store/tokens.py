"""API tokens: 256 random bits that only their bearer has; the database holds their SHA-256."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping

from sqlalchemy import Connection, delete, insert, select

from controller.errors import Conflict, InvalidInput, NotFound
from controller.roles import Role
from controller.store.tables import token
from controller.store.values import TokenRecord
from controller.store.writer import Transaction

PREFIX = "nct_"
"""So that secret scanners know one when it lies where it should not."""


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def add(transaction: Transaction, name: str, role: Role, by: str, person: str = "") -> str:
    """The new secret, which is shown this once. `person`: whose it is; "": one who is called as the token. Raises Conflict where the
    name is taken."""
    if not name.strip():
        raise InvalidInput("a token needs a name, so that it can be revoked")
    if transaction.execute(select(token.c.name).where(token.c.name == name)).first():
        raise Conflict(
            f"there is a token named {name!r} already: `netcordon token revoke {name}` first, or choose another name"
        )
    secret = PREFIX + secrets.token_urlsafe(32)
    bearer = _as_known(transaction.connection, person.strip() or name)
    row = {"name": name, "role": role.value, "digest": digest(secret), "created_at": transaction.now()}
    transaction.execute(insert(token), row | {"person": bearer})
    transaction.audit(by, "token-add", name, {"role": role.value, "person": bearer})
    return secret


def _as_known(connection: Connection, person: str) -> str:
    """Ann is ann: nobody becomes two people by how they are written."""
    known = (record.person for record in by_digest(connection).values())
    return next((one for one in known if one.casefold() == person.casefold()), person)


def revoke(transaction: Transaction, name: str, by: str) -> None:
    if transaction.execute(delete(token).where(token.c.name == name)).rowcount != 1:
        raise NotFound(f"no token named {name!r}: `netcordon token list` names them")
    transaction.audit(by, "token-revoke", name, {})


def by_digest(connection: Connection) -> Mapping[str, TokenRecord]:
    rows = connection.execute(select(token).order_by(token.c.name))
    return {row.digest: TokenRecord(row.name, Role(row.role), row.created_at, row.person or "") for row in rows}


class TokenCache:
    """All tokens in memory, so that a right one and a wrong one cost a look-up each. It is read again after `invalidate`, and where
    others write too, after `seconds`: a token revoked through another controller is refused here that much later."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._tokens: Mapping[str, TokenRecord] | None = None
        self._read_at = 0.0
        self.generation = 0

    def current(self, now: float) -> Mapping[str, TokenRecord] | None:
        """The tokens by digest, or None when they must be read."""
        if self._seconds is not None and not 0 <= now - self._read_at < self._seconds:
            return None
        return self._tokens

    def fill(self, tokens: Mapping[str, TokenRecord], now: float, generation: int) -> None:
        """Keep what was read, unless `invalidate` came in between."""
        if generation == self.generation:
            self._tokens, self._read_at = tokens, now

    def invalidate(self) -> None:
        self._tokens = None
        self.generation += 1
