"""Reading containments: rows to `Containment` values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, Select, bindparam, func, select

from controller.errors import Conflict, InvalidInput, NotFound
from controller.model import Containment, DeviceOutcome, OnExpiry, Outcome, Want
from controller.store import codec
from controller.store.tables import HELD, UNCONFIRMED, containment, containment_alert, containment_device, device_rule

_PREFIX = 4
_CHUNK = 500
_BY_ID = select(containment).where(containment.c.id == bindparam("id"))
_OPEN = select(containment).where(containment.c.endpoint_id == bindparam("endpoint"), HELD)
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_BY_ALERT = (
    select(containment_alert.c.alert_id, containment_alert.c.containment_id)
    .join(containment, containment_alert.c.containment_id == containment.c.id)
    .where(containment_alert.c.alert_id.in_(_IDS), HELD)
)
_DEVICES = (
    select(containment_device)
    .where(containment_device.c.containment_id.in_(_IDS))
    .order_by(containment_device.c.device)
)
_ALERTS = (
    select(containment_alert)
    .where(containment_alert.c.containment_id.in_(_IDS))
    .order_by(containment_alert.c.at, containment_alert.c.alert_id)
)
_RULES = (
    select(device_rule)
    .where(device_rule.c.containment_id.in_(_IDS))
    .order_by(device_rule.c.device, device_rule.c.rule_id)
)


def one(connection: Connection, id: str) -> Containment:
    """By its whole id, or by the first characters of it where only one begins so. Raises NotFound, or Conflict for several."""
    return load(connection, [row(connection, id)])[0]


def row(connection: Connection, id: str) -> Row[Any]:
    id = codec.storable(id)
    if found := connection.execute(_BY_ID, {"id": id}).first():
        return found
    begins = containment.c.id.startswith(id, autoescape=True)
    rows = connection.execute(select(containment).where(begins).limit(2)).all() if len(id) >= _PREFIX else []
    if not rows:
        raise NotFound(f"no containment {id!r}: `netcordon list --all` names them")
    if len(rows) > 1:
        raise Conflict(f"several containments begin with {id!r}: write more of it")
    return rows[0]


def open_row(connection: Connection, endpoint: str) -> Row[Any] | None:
    return connection.execute(_OPEN, {"endpoint": endpoint}).first()


def open_for_endpoint(connection: Connection, endpoint: str) -> Containment | None:
    found = open_row(connection, endpoint)
    return None if found is None else load(connection, [found])[0]


def begun_since(connection: Connection, endpoints: Sequence[str], since: float) -> int:
    these = containment.c.endpoint_id.in_(endpoints) & (containment.c.created_at > since)
    return int(connection.execute(select(func.count()).select_from(containment).where(these)).scalar_one())


def held_by_alerts(connection: Connection, alerts: Sequence[str]) -> Mapping[str, Containment]:
    """By alert, the containment that it made or joined, where that is held."""
    found = {row.alert_id: row.containment_id for row in connection.execute(_BY_ALERT, {"ids": list(alerts)})}
    cases = {case.id: case for case in by_ids(connection, list(dict.fromkeys(found.values())))}
    return {alert: cases[which] for alert, which in found.items()}


def listed(connection: Connection, want: Want | None, limit: int, device: str | None) -> list[Containment]:
    """Newest first."""
    if limit < 1:
        raise InvalidInput("a limit is at least 1")
    query: Select[Any] = select(containment).order_by(containment.c.created_at.desc(), containment.c.id).limit(limit)
    if want is not None:
        query = query.where(containment.c.want == want.value)
    if device is not None:
        there = select(containment_device.c.containment_id).where(containment_device.c.device == device)
        query = query.where(containment.c.id.in_(there))
    return load(connection, connection.execute(query).all())


def next_expiry(connection: Connection) -> float | None:
    """When the next containment's time is over, or nobody has confirmed it by then."""
    ends = (
        select(func.min(containment.c.expires_at)).where(HELD, containment.c.waiting_since.is_(None)),
        select(func.min(containment.c.confirm_by)).where(UNCONFIRMED),
    )
    return min((end for query in ends if (end := connection.execute(query).scalar()) is not None), default=None)


def by_ids(connection: Connection, ids: Sequence[str]) -> list[Containment]:
    """In the order of `ids`, all of which exist."""
    rows = {}
    for chunk in chunks(ids):
        for found in connection.execute(select(containment).where(containment.c.id.in_(chunk))):
            rows[found.id] = found
    return load(connection, [rows[id] for id in ids])


def load(connection: Connection, rows: Sequence[Row[Any]]) -> list[Containment]:
    """The rows of `containment` with what belongs to them, in the same order; three queries for each 500."""
    return [case for chunk in chunks(rows) for case in _load(connection, chunk)]


def _load(connection: Connection, rows: Sequence[Row[Any]]) -> list[Containment]:
    ids = {"ids": [found.id for found in rows]}
    devices, alerts, rules = defaultdict(list), defaultdict(list), defaultdict(list)
    for part in connection.execute(_DEVICES, ids):
        devices[part.containment_id].append(DeviceOutcome(part.device, Outcome(part.outcome), part.reason, part.at))
    for part in connection.execute(_ALERTS, ids):
        alerts[part.containment_id].append(part.alert_id)
    for part in connection.execute(_RULES, ids):
        rules[part.containment_id].append((part.device, codec.load_rule(part.rule, part.rule_id)))
    return [
        Containment(
            id=found.id,
            endpoint=codec.load_endpoint(found.endpoint),
            target=found.target,
            profile=found.profile,
            want=Want(found.want),
            outcome=Outcome(found.outcome),
            expires_at=found.expires_at,
            revision=found.revision,
            created_at=found.created_at,
            by=found.actor,
            reason=found.reason,
            policy_rule=found.policy_rule,
            alerts=tuple(alerts[found.id]),
            devices=tuple(devices[found.id]),
            rules=tuple(rules[found.id]),
            stages=codec.load_stages(found.stages),
            proof=codec.load_proof(found.proof),
            weaker=found.weaker,
            unproven=found.unproven,
            released_by=found.released_by,
            evidence=codec.load_words(found.evidence),
            on_expiry=OnExpiry(found.on_expiry),
            automatic=found.automatic,
            override=found.override,
            waiting_since=found.waiting_since,
            confirm_by=found.confirm_by,
            confirmed_by=found.confirmed_by,
            policy=found.policy,
        )
        for found in rows
    ]


def chunks(items: Sequence[Any]) -> list[Sequence[Any]]:
    """As many as one query may name."""
    return [items[i : i + _CHUNK] for i in range(0, len(items), _CHUNK)]
