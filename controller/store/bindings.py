"""The history of bindings, kept across restarts; `controller.network.bindings` answers from memory."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, case, select

from controller.model import Attachment, Binding
from controller.store import codec
from controller.store.sql import Insert
from controller.store.tables import binding
from controller.store.writer import Transaction
from drivers.rules import Mac, PortName

_KEY = ["realm", "ip", "mac", "device", "port", "first_seen"]
_SAVE = Insert(
    binding,
    lambda insert: insert.on_conflict_do_update(
        index_elements=_KEY,
        set_={
            "last_seen": case(
                (binding.c.last_seen > insert.excluded.last_seen, binding.c.last_seen), else_=insert.excluded.last_seen
            ),
            **{name: insert.excluded[name] for name in ("vlan", "source", "lease")},
        },
    ),
)


def save(transaction: Transaction, bindings: Iterable[Binding]) -> None:
    """One row for each (realm, ip, mac, device, port, first_seen); its last_seen only grows."""
    rows = [
        {
            "realm": one.realm,
            "ip": "" if one.ip is None else str(one.ip),
            "mac": one.mac,
            "device": one.attachment.device,
            "port": one.attachment.port,
            "first_seen": one.first_seen,
            "last_seen": one.last_seen,
            "vlan": one.attachment.vlan,
            "source": one.source,
            "lease": one.lease,
        }
        for one in bindings
    ]
    if rows:
        transaction.execute(_SAVE.on(transaction.connection.dialect), rows)


def load(connection: Connection, since: float) -> list[Binding]:
    """Those seen at or after `since`, oldest first. Equal attachments are one object: a million bindings share few ports."""
    places: dict[tuple[str, str, int | None], Attachment] = {}
    found = []
    query = select(binding).where(binding.c.last_seen >= since).order_by(binding.c.first_seen)
    for row in connection.execution_options(yield_per=10_000).execute(query):
        place = (row.device, row.port, row.vlan)
        attachment = places.get(place) or places.setdefault(place, Attachment(row.device, PortName(row.port), row.vlan))
        found.append(
            Binding(
                realm=row.realm,
                ip=codec.load_ip(row.ip),
                mac=Mac(row.mac),
                attachment=attachment,
                first_seen=row.first_seen,
                last_seen=row.last_seen,
                source=row.source,
                lease=bool(row.lease),
            )
        )
    return found
