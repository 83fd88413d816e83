"""How much of everything the database holds: what the metrics show and no other question asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from controller.automation import Automation
from controller.model import Outcome, Want
from controller.store import automation, dead_letters, proposals, retention
from controller.store.retention import Size
from controller.store.tables import HELD, UNCONFIRMED, audit_head, containment

_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Totals:
    """`containments` are by what is wanted and what was seen. `automatic_recent` were made by policy within the last minute,
    and since automatic action was resumed,
    `automatic_held` are held now: what the budget counts; `automatic_alike` are these by site, VLAN (0: not known) and role."""

    containments: Mapping[tuple[Want, Outcome], int]
    automatic_recent: int
    automatic_held: int
    automatic_alike: Mapping[tuple[str, int, str], int]
    dead_letters: int
    open_proposals: int
    unconfirmed: int
    audit_seq: int
    store: Size
    automation: Automation


def totals(connection: Connection, now: float) -> Totals:
    """As of one snapshot; `now` in seconds since the epoch."""
    by_state = select(containment.c.want, containment.c.outcome, func.count()).group_by(
        containment.c.want, containment.c.outcome
    )
    state = automation.read(connection)
    minute = now - _MINUTE if state.paused else max(now - _MINUTE, state.since)
    automatic = select(func.count()).where(containment.c.automatic.is_(True))
    counts = (
        automatic.where(containment.c.created_at > minute),
        automatic.where(HELD),
        select(func.count()).where(dead_letters.WAITING),
        select(func.count()).where(proposals.waiting(now)),
        select(func.count()).select_from(containment).where(UNCONFIRMED),
        select(audit_head.c.seq),
    )
    alike = (
        select(containment.c.site, containment.c.vlan, containment.c.role, func.count())
        .where(containment.c.automatic.is_(True), HELD)
        .group_by(containment.c.site, containment.c.vlan, containment.c.role)
    )
    held_alike = {(site, vlan, role): number for site, vlan, role, number in connection.execute(alike)}
    cases = {(Want(want), Outcome(outcome)): number for want, outcome, number in connection.execute(by_state)}
    recent, held, letters, waiting, unconfirmed, seq = (int(connection.execute(count).scalar_one()) for count in counts)
    return Totals(
        cases, recent, held, held_alike, letters, waiting, unconfirmed, seq, retention.size(connection), state
    )
