"""Containments that wait for people: proposed, joined by the same proposal made again, voted on, closed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, literal, or_, select, update

from controller.audit import Json
from controller.errors import Conflict, NotFound, RefusalCode
from controller.model import OnExpiry
from controller.store import alerts, codec
from controller.store.prepared import Prepared
from controller.store.sql import Insert
from controller.store.tables import containment_alert, proposal, proposal_alert, proposal_vote
from controller.store.values import Proposal, ProposalState, Taken, Vote, who
from controller.store.writer import Transaction

_SAVE = Insert(
    proposal,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["id"],
        set_={column.name: insert.excluded[column.name] for column in proposal.c if column.name != "id"},
    ),
)
_ALERT = Prepared(Insert(proposal_alert, lambda insert: insert.on_conflict_do_nothing()))
_UNANSWERED = proposal.c.state == ProposalState.OPEN.value


@dataclass(frozen=True, slots=True)
class Proposed:
    """The proposal as it stands, maybe an older one that was joined, and the alert that was saved with it ("": none)."""

    proposal: Proposal
    alert_id: str


def save(transaction: Transaction, new: Proposal, taken: Taken | None = None, token: str = "") -> Proposed:
    """Keep it, with the alert that it came from, where that is not saved yet. What waits already for an answer about the same device by
    the same rule is joined: a noisy rule makes one proposal, and so does a noisy signature of which no rule speaks; it asks about its
    latest alert. Raises AlertRepeated."""
    if taken is not None:
        new = replace(new, alert_id=alerts.take(transaction, taken, taken.disposition))
    if (open_one := _same(transaction, new)) is not None:
        new = replace(
            new,
            id=open_one.id,
            created_at=open_one.created_at,
            approvals=max(new.approvals, open_one.approvals),
            times=open_one.times + 1,
            votes=open_one.votes,
        )
    transaction.execute(_SAVE.on(transaction.connection.dialect), _row(new))
    if new.proposed_by:
        transaction.audit(who(new.proposed_by, token), "propose", new.id, _asked(new))
    if new.alert_id is not None:
        transaction.put(_ALERT, {"proposal_id": new.id, "alert_id": new.alert_id, "at": transaction.now()})
    return Proposed(new, new.alert_id or "")


def listed(connection: Connection, limit: int, now: float) -> list[Proposal]:
    """Newest first."""
    query = select(proposal).order_by(proposal.c.created_at.desc(), proposal.c.id).limit(limit)
    return _read(connection, connection.execute(query).all(), now)


def one(connection: Connection, id: str, now: float) -> Proposal:
    found = connection.execute(select(proposal).where(proposal.c.id == id)).first()
    if found is None:
        raise NotFound(f"no proposal {id!r}; `netcordon proposals` shows what waits for a person")
    return _read(connection, [found], now)[0]


def vote(transaction: Transaction, id: str, cast: Vote) -> Proposal:
    """Count this person's answer, once, by whichever tokens. One refusal closes it. Raises NotFound, and Conflict for what is answered
    or too old, and for an approval of one's own proposal."""
    found = _open(transaction, id, cast.at)
    if cast.approves and cast.by == found.proposed_by:
        raise Conflict(f"{cast.by} proposed {id}: somebody else approves it, or refuses it")
    if cast.by not in {vote.by for vote in found.votes}:
        row = {"proposal_id": id, "by": cast.by, "approves": cast.approves, "reason": cast.reason, "at": cast.at}
        transaction.execute(insert(proposal_vote), row | {"token": cast.token or None})
        said = "approve" if cast.approves else "refuse"
        transaction.audit(
            who(cast.by, cast.token), said, id, {"target": found.target, "rule": found.rule, "reason": cast.reason}
        )
    elif not cast.approves:
        transaction.audit(
            who(cast.by, cast.token),
            "refuse",
            id,
            {"target": found.target, "reason": cast.reason, "approved before": True},
        )
    if not cast.approves:
        _close(transaction, id, ProposalState.REFUSED, None)
    return one(transaction.connection, id, cast.at)


def name(transaction: Transaction, id: str, target: str, alert_id: str, by: str, token: str) -> None:
    """Whom a proposal is about that named nobody, by a person's word about this very alert. Raises NotFound, and Conflict when it is
    answered, or about another one by now."""
    found = _open(transaction, id, transaction.now())
    if found.target == target:
        return
    if found.target or found.alert_id != alert_id:
        about = found.target or f"alert {found.alert_id}"
        raise Conflict(f"{id} is about {about} by now: look at `netcordon proposals`, and answer again")
    transaction.execute(update(proposal).where(proposal.c.id == id).values(target=target))
    transaction.audit(who(by, token), "name", id, {"target": target, "alert": alert_id})


def fulfil(transaction: Transaction, id: str, containment: str) -> None:
    """What people approved is contained, in this very transaction, and the case gets the alerts that asked for it. Raises Conflict when
    somebody refused meanwhile, or it is contained."""
    _open(transaction, id, transaction.now())
    _close(transaction, id, ProposalState.APPROVED, containment)
    known = select(containment_alert.c.alert_id).where(containment_alert.c.containment_id == containment)
    asked = select(literal(containment), proposal_alert.c.alert_id, proposal_alert.c.at).where(
        proposal_alert.c.proposal_id == id, proposal_alert.c.alert_id.not_in(known)
    )
    transaction.execute(insert(containment_alert).from_select(["containment_id", "alert_id", "at"], asked))
    transaction.audit("netcordon", "fulfil", id, {"containment": containment})


def next_expiry(connection: Connection) -> float | None:
    """When the next of those that wait is too old."""
    return connection.execute(select(func.min(proposal.c.expires_at)).where(_UNANSWERED)).scalar()


def expire_due(transaction: Transaction, now: float) -> list[Proposal]:
    """Close, by 'expiry', what nobody answered in time; those that this call closed."""
    late = select(proposal.c.id).where(_UNANSWERED, proposal.c.expires_at <= now).order_by(proposal.c.id)
    closed = []
    for (id,) in transaction.execute(late.with_for_update()).all():
        _close(transaction, id, ProposalState.EXPIRED, None)
        closed.append(one(transaction.connection, id, now))
        detail = {"target": closed[-1].target, "rule": closed[-1].rule, "expired_at": closed[-1].expires_at}
        transaction.audit("expiry", "expire", id, detail)
    return closed


def waiting(now: float) -> ColumnElement[bool]:
    """A person may still answer it at `now`."""
    return and_(_UNANSWERED, or_(proposal.c.expires_at.is_(None), proposal.c.expires_at > now))


def _open(transaction: Transaction, id: str, now: float) -> Proposal:
    """The proposal, nobody else's until the transaction ends. Raises Conflict when it is answered or too old."""
    transaction.execute(select(proposal.c.id).where(proposal.c.id == id).with_for_update())
    found = one(transaction.connection, id, now)
    if found.state is not ProposalState.OPEN:
        came = "" if found.containment is None else f" as {found.containment}"
        raise Conflict(
            f"{id} is {found.state.value}{came}: an answer counts once. What is guilty can be contained by hand"
        )
    return found


def _close(transaction: Transaction, id: str, state: ProposalState, containment: str | None) -> None:
    change = update(proposal).where(proposal.c.id == id)
    transaction.execute(change.values(state=state.value, containment_id=containment))


def _same(transaction: Transaction, new: Proposal) -> Proposal | None:
    """One that is open about the same device, for the same reason. Votes are about a device: another one at its address is another
    proposal. What names no device is told by its reason alone: one proposal for a signature that no rule speaks of."""
    now = transaction.now()
    alike = [proposal.c.target == new.target, proposal.c.rule == new.rule, proposal.c.profile == new.profile]
    alike.append(proposal.c.proposed_by == new.proposed_by)
    if not new.target or new.proposed_by:
        alike.append(proposal.c.reason == new.reason)
    query = select(proposal).where(waiting(now), proposal.c.id != new.id, *alike)
    device = None if new.endpoint is None else new.endpoint.id
    for known in _read(transaction.connection, transaction.execute(query).all(), now):
        theirs = None if known.endpoint is None else known.endpoint.id
        if (theirs, known.refusal, _terms(known)) == (device, new.refusal, _terms(new)):
            return known
    return None


def _terms(of: Proposal) -> tuple[object, ...]:
    """What a person asked for: on other terms it is another proposal."""
    return (of.duration, of.override, of.on_expiry) if of.proposed_by else ()


def _asked(new: Proposal) -> dict[str, Json]:
    return {
        "target": new.target,
        "endpoint": None if new.endpoint is None else new.endpoint.id,
        "profile": new.profile,
        "duration": new.duration,
        "reason": new.reason,
        "override": new.override,
    }


def _row(new: Proposal) -> dict[str, Any]:
    return {
        "id": new.id,
        "alert_id": new.alert_id,
        "target": new.target,
        "endpoint": None if new.endpoint is None else codec.dump_endpoint(new.endpoint),
        "profile": new.profile,
        "duration": new.duration,
        "rule": new.rule,
        "reason": new.reason,
        "refusal": None if new.refusal is None else new.refusal.value,
        "created_at": new.created_at,
        "state": new.state.value,
        "approvals": new.approvals,
        "times": new.times,
        "expires_at": new.expires_at,
        "containment_id": new.containment,
        "proposed_by": new.proposed_by,
        "as_of": new.as_of,
        "override": new.override,
        "on_expiry": None if new.on_expiry is None else new.on_expiry.value,
        "policy": new.policy,
    }


def _read(connection: Connection, rows: Iterable[Row[Any]], now: float) -> list[Proposal]:
    rows = list(rows)
    votes: dict[str, list[Vote]] = defaultdict(list)
    cast = select(proposal_vote).where(proposal_vote.c.proposal_id.in_([row.id for row in rows]))
    for row in connection.execute(cast.order_by(proposal_vote.c.at)):
        votes[row.proposal_id].append(Vote(row.by, row.approves, row.reason, row.at, row.token or ""))
    return [_proposal(row, tuple(votes[row.id]), now) for row in rows]


def _proposal(row: Row[Any], votes: tuple[Vote, ...], now: float) -> Proposal:
    """One that nobody answered in time is read as expired."""
    state = ProposalState(row.state)
    if state is ProposalState.OPEN and row.expires_at is not None and row.expires_at <= now:
        state = ProposalState.EXPIRED
    return Proposal(
        id=row.id,
        alert_id=row.alert_id,
        target=row.target,
        endpoint=None if row.endpoint is None else codec.load_endpoint(row.endpoint),
        profile=row.profile,
        duration=row.duration,
        rule=row.rule,
        reason=row.reason,
        refusal=None if row.refusal is None else RefusalCode(row.refusal),
        created_at=row.created_at,
        state=state,
        approvals=row.approvals,
        expires_at=row.expires_at,
        times=row.times,
        votes=votes,
        containment=row.containment_id,
        proposed_by=row.proposed_by,
        as_of=row.as_of,
        override=row.override,
        on_expiry=None if row.on_expiry is None else OnExpiry(row.on_expiry),
        policy=row.policy,
    )
