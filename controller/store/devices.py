"""Devices: their record, and what was there before us."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, or_, select

from controller.errors import NotFound
from controller.store import codec
from controller.store.desired import Dropped, Kept
from controller.store.prepared import Prepared
from controller.store.sql import Insert
from controller.store.tables import baseline, device
from controller.store.values import DeviceRecord, Setting
from controller.store.writer import Transaction
from drivers.rules import PortName

_UPSERT = Insert(
    device,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["id"],
        set_={name: insert.excluded[name] for name in ("driver", "description", "management", "options")},
    ),
)
_BY_ID = select(device).where(device.c.id == bindparam("id"))
_KEEP = Prepared(Insert(baseline, lambda insert: insert.on_conflict_do_nothing()))


def upsert(
    transaction: Transaction, id: str, driver: str, description: str, management: str, options: Mapping[str, object]
) -> None:
    row = {
        "id": id,
        "driver": driver,
        "description": description,
        "management": management,
        "options": codec.dump(dict(options)),
    }
    transaction.execute(_UPSERT.on(transaction.connection.dialect), row)


def listed(connection: Connection) -> list[DeviceRecord]:
    return [_record(row) for row in connection.execute(select(device).order_by(device.c.id))]


def one(connection: Connection, id: str) -> DeviceRecord:
    found = connection.execute(_BY_ID, {"id": id}).first()
    if found is None:
        raise NotFound(f"no device {id!r}: `GET /api/v1/devices` names them")
    return _record(found)


def save_baseline(transaction: Transaction, id: str, ports: Mapping[PortName, Mapping[str, Setting]]) -> None:
    """Setting by setting, the first value stays: what a later look would find there is ours."""
    rows = [
        {"device": id, "port": port, "setting": setting, "value": codec.dump(value)}
        for port, settings in ports.items()
        for setting, value in settings.items()
    ]
    if rows:
        transaction.put(_KEEP, *rows)
        transaction.changes(Kept(id, ports))


def drop_baseline(transaction: Transaction, id: str, ports: Collection[str]) -> None:
    if ports:
        gone = [baseline.c.port == port for port in ports]
        transaction.execute(delete(baseline).where(baseline.c.device == id, or_(*gone)))
        transaction.changes(Dropped(id, frozenset(ports)))


def _record(row: Row[Any]) -> DeviceRecord:
    return DeviceRecord(
        id=row.id,
        driver=row.driver,
        description=row.description,
        management=row.management,
        options=json.loads(row.options),
        want_revision=row.want_revision,
        have_revision=row.have_revision,
        boot_id=row.boot_id,
        owner=row.owner,
        epoch=row.epoch,
    )
