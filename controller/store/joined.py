"""Which MACs are one device by an operator's word. Audited, with the MACs of before, so that it can be taken back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import Connection, delete, insert, select

from controller.errors import Conflict, InvalidInput, NotFound
from controller.model import Want
from controller.network.joined import MACS_MOST, Joined
from controller.store import codec
from controller.store.tables import containment, joined
from controller.store.writer import Transaction
from drivers.rules import Mac


def load(connection: Connection) -> list[Joined]:
    rows = defaultdict(list)
    for row in connection.execute(select(joined).order_by(joined.c.realm, joined.c.mac)):
        rows[row.realm, row.device].append(row)
    return [
        Joined(realm, frozenset(Mac(row.mac) for row in of), of[0].actor, of[0].reason, of[0].at)
        for (realm, _), of in rows.items()
    ]


def join(transaction: Transaction, realm: str, macs: Iterable[Mac], by: str, reason: str) -> list[Joined]:
    """All that stands afterwards. Who is joined with one of them already comes along. Raises InvalidInput for too many, Conflict while one
    of them is held."""
    wanted = set(macs)
    before = [one for one in load(transaction.connection) if one.realm == realm and one.macs & wanted]
    whole = wanted.union(*(one.macs for one in before))
    if len(whole) > MACS_MOST:
        raise InvalidInput(f"that would be one device with {len(whole)} MACs: {MACS_MOST} are the most")
    if not any(one.macs >= wanted for one in before):
        _not_held(transaction, realm, whole)
        _write(transaction, realm, whole, by, reason)
        detail = {"realm": realm, "macs": sorted(whole), "before": [sorted(one.macs) for one in before]}
        transaction.audit(by, "join", min(whole), {**detail, "reason": reason})
    return load(transaction.connection)


def split(transaction: Transaction, realm: str, mac: Mac, by: str, reason: str) -> list[Joined]:
    """This MAC is a device of its own again; all that stands afterwards. Raises NotFound when it was joined with none, Conflict while the
    device is held."""
    before = next((one for one in load(transaction.connection) if one.realm == realm and mac in one.macs), None)
    if before is None:
        raise NotFound(f"{mac} is joined with no other MAC: `netcordon endpoints` lists those that are in one row")
    _not_held(transaction, realm, before.macs)
    rest = before.macs - {mac}
    _write(transaction, realm, {mac}, by, reason)
    _write(transaction, realm, rest, before.by, before.reason)
    detail = {"realm": realm, "rest": sorted(rest), "before": [sorted(before.macs)], "reason": reason}
    transaction.audit(by, "split", mac, detail)
    return load(transaction.connection)


def _write(transaction: Transaction, realm: str, macs: Iterable[Mac], by: str, reason: str) -> None:
    """As one device from now on; one MAC alone is in no table."""
    ordered = sorted(macs)
    transaction.execute(delete(joined).where(joined.c.realm == realm, joined.c.mac.in_(ordered)))
    if len(ordered) > 1:
        row = {"realm": realm, "device": ordered[0], "actor": by, "reason": reason, "at": transaction.now()}
        transaction.execute(insert(joined), [{**row, "mac": mac} for mac in ordered])


def _not_held(transaction: Transaction, realm: str, macs: Iterable[Mac]) -> None:
    """Whom a case is about does not change under it."""
    wanted = set(macs)
    open_cases = select(containment.c.id, containment.c.endpoint).where(containment.c.want == Want.HELD.value)
    for row in transaction.execute(open_cases):
        held = codec.load_endpoint(row.endpoint)
        if held.realm == realm and held.macs & wanted:
            mac = min(held.macs & wanted)
            raise Conflict(
                f"{mac} is held by {row.id}: release that first (`netcordon release {row.id}`), and contain the device again afterwards"
            )
