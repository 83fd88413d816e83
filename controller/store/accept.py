"""Accepting a containment: one write that makes a new case, or joins the endpoint's open one, or knows the request again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Double, Row, bindparam, func, insert, select, update

from controller.errors import RefusalCode, Refused
from controller.model import Containment, DeviceOutcome, Endpoint, OnExpiry, Outcome, Stage, Want
from controller.store import alerts, automation, codec, containments, devices, keys, wanted
from controller.store.prepared import Prepared
from controller.store.sql import Insert
from controller.store.tables import HELD, LET_GO, Words, containment, containment_alert
from controller.store.tables import automation as state
from controller.store.values import Accepted, Budget, Draft, Taken
from controller.store.writer import Transaction

_MINUTE = 60.0
_OPEN = Prepared(
    select(containment.c.id).where(containment.c.endpoint_id == bindparam("endpoint", type_=Words()), HELD)
)
_ONE = select(containment.c.id).where(containment.c.automatic.is_(True))
_RESUMED = select(state.c.since).scalar_subquery()
_RECENT = _ONE.where(
    containment.c.created_at > bindparam("since", type_=Double()), containment.c.created_at > _RESUMED
).limit(bindparam("per_minute"))
_HOLDING = _ONE.where(HELD).limit(bindparam("total"))
_SPENT = Prepared(
    select(
        select(func.count()).select_from(_RECENT.subquery()).scalar_subquery(),
        select(func.count()).select_from(_HOLDING.subquery()).scalar_subquery(),
        select(state.c.paused).scalar_subquery(),
    )
)


def _held_where(*alike: ColumnElement[bool]) -> Prepared:
    return Prepared(select(func.count()).select_from(_ONE.where(HELD, *alike).limit(bindparam("cap")).subquery()))


_SITE = containment.c.site == bindparam("site", type_=Words())
_IN_SITE = _held_where(_SITE)
_IN_VLAN = _held_where(_SITE, containment.c.vlan == bindparam("vlan"))
_OF_ROLE = _held_where(containment.c.role == bindparam("role", type_=Words()))
_PAUSED = Prepared(select(state.c.paused))
_LATER = containment.alias()
_CONFIRMED_SINCE = (
    select(_LATER.c.id)
    .where(
        _LATER.c.endpoint_id == containment.c.endpoint_id,
        _LATER.c.created_at > containment.c.created_at,
        _LATER.c.confirmed_by.is_not(None),
    )
    .exists()
)
_LET_GO = Prepared(
    select(containment.c.id)
    .where(
        LET_GO,
        containment.c.endpoint_id == bindparam("endpoint", type_=Words()),
        containment.c.confirm_by > bindparam("since", type_=Double()),
        ~_CONFIRMED_SINCE,
    )
    .order_by(containment.c.confirm_by.desc())
    .limit(1)
)
_CREATE = Prepared(insert(containment))
_JOIN = update(containment).where(containment.c.id == bindparam("join_id"))
_ALERT = Prepared(Insert(containment_alert, lambda insert: insert.on_conflict_do_nothing()))


def accept(
    transaction: Transaction,
    draft: Draft,
    recheck: Callable[[], None],
    budget: Budget | None,
    key: str | None,
    taken: Taken | None = None,
) -> Accepted:
    digest = request_digest(draft.target, draft.profile, _duration(draft), draft.by, draft.reason, draft.policy_rule)
    if key is not None and (known := keys.recall(transaction, key, digest)):
        return Accepted(containments.one(transaction.connection, known), created=False, joined=False)
    joining = transaction.fetch(_OPEN, {"endpoint": draft.endpoint.id})
    if taken is not None:
        draft = replace(draft, alert_id=alerts.take(transaction, taken, taken.joined if joining else taken.disposition))
    if joining:
        case = _join(transaction, draft, containments.row(transaction.connection, joining[0][0]), recheck, budget)
    else:
        recheck()
        _not_let_go(transaction, draft, budget)
        _spend(transaction, draft, budget)
        case = _create(transaction, draft)
    if key is not None:
        keys.remember(transaction, key, digest, case.id)
    return Accepted(case, created=not joining, joined=bool(joining), alert_id=draft.alert_id)


def request_digest(target: str, profile: str, duration: float | None, by: str, reason: str, policy_rule: str) -> str:
    """One name for what was asked for. What was found out about the device is no part of it: it may have moved since."""
    span = None if duration is None else round(float(duration), 3)
    return codec.digest("contain", target, profile, span, by, reason, policy_rule)


def accepted_before(connection: Connection, key: str, digest: str) -> Containment | None:
    """What the same request came to under this key. Raises Conflict when the key was used for another."""
    known = keys.known(connection, key)
    return None if not known else containments.one(connection, keys.checked(known[0], key, digest))


def _duration(draft: Draft) -> float | None:
    return None if draft.expires_at is None else round(draft.expires_at - draft.created_at, 3)


def _spend(transaction: Transaction, draft: Draft, budget: Budget | None) -> None:
    """Raise Refused while automatic action is paused, or when one more would exceed a cap. Counted no further than the cap, so that it
    costs the same under load."""
    if budget is None:
        return
    _not_frozen(budget)
    caps = {"per_minute": budget.per_minute, "total": budget.total, "since": transaction.now() - _MINUTE}
    recent, holding, paused = transaction.fetch(_SPENT, caps)[0]
    if paused:
        raise _paused(transaction)
    if recent >= budget.per_minute:
        raise Refused(
            RefusalCode.BUDGET,
            f"{recent} automatic containments in the last minute, and the budget allows {budget.per_minute}: a person must decide",
        )
    if holding >= budget.total:
        raise Refused(
            RefusalCode.BUDGET,
            f"{holding} automatic containments are held, and the budget allows {budget.total}: release some, or raise it",
        )
    _spend_alike(transaction, draft.endpoint, budget)


def _spend_alike(transaction: Transaction, endpoint: Endpoint, budget: Budget) -> None:
    """The caps on what is held of the same site, VLAN and role."""
    place = scope(endpoint)
    vlan = f"VLAN {place['vlan']}" if place["vlan"] else "what has no known VLAN"
    caps = (
        (_IN_VLAN, budget.per_vlan, f"in {vlan} of site {endpoint.realm}"),
        (_IN_SITE, budget.per_site, f"in site {endpoint.realm}"),
        (_OF_ROLE, budget.per_role.get(endpoint.role), f"of role {endpoint.role}"),
    )
    for query, cap, where in caps:
        if cap is not None and transaction.fetch(query, {"cap": cap, **place})[0][0] >= cap:
            raise Refused(
                RefusalCode.BUDGET,
                f"{cap} automatic containments are held {where}, and the budget allows {cap}: a person must decide",
            )


def _not_let_go(transaction: Transaction, draft: Draft, budget: Budget | None) -> None:
    """A device that was let go lately, since nobody confirmed that it be held, is not contained again by the next alert: it would come and
    go for as long as nobody looks. Who confirmed a later case of it has looked."""
    if budget is None or draft.confirm_by is None:
        return
    since = transaction.now() - budget.then_ask
    if found := transaction.fetch(_LET_GO, {"endpoint": draft.endpoint.id, "since": since}):
        raise Refused(
            RefusalCode.UNCONFIRMED,
            f"{found[0][0]} held it and was released, since nobody confirmed it in time: a person must decide",
        )


def _not_frozen(budget: Budget) -> None:
    if budget.frozen is not None:
        raise Refused(RefusalCode.FROZEN, f"{budget.frozen}: a person must decide")


def _not_paused(transaction: Transaction) -> None:
    if transaction.fetch(_PAUSED)[0][0]:
        raise _paused(transaction)


def _paused(transaction: Transaction) -> Refused:
    known = automation.read(transaction.connection)
    return Refused(
        RefusalCode.PAUSED, f"automatic action is paused by {known.by} ({known.reason}): a person must decide"
    )


def scope(endpoint: Endpoint) -> dict[str, str | int]:
    """By what the budget counts it, as the columns have it."""
    return {"site": endpoint.realm, "vlan": endpoint.attachment.vlan or 0, "role": endpoint.role}


def _create(transaction: Transaction, draft: Draft) -> Containment:
    rules = wanted.owned(draft.rules, draft.id)
    transaction.put(_CREATE, _row(draft))
    wanted.first_rules(transaction, draft.id, rules)
    _keep_baseline(transaction, draft)
    _append_alert(transaction, draft.id, draft.alert_id)
    _audit(transaction, draft, "contain", draft.id, 1)
    now = transaction.now()
    return Containment(
        id=draft.id,
        endpoint=draft.endpoint,
        target=draft.target,
        profile=draft.profile,
        want=Want.HELD,
        outcome=Outcome.REQUESTED,
        expires_at=draft.expires_at,
        revision=1,
        created_at=draft.created_at,
        by=draft.by,
        reason=draft.reason,
        policy_rule=draft.policy_rule,
        alerts=() if draft.alert_id is None else (draft.alert_id,),
        devices=tuple(DeviceOutcome(device, Outcome.REQUESTED, "", now) for device in sorted(rules)),
        rules=tuple((device, rule) for device in sorted(rules) for rule in rules[device]),
        stages=dict(draft.stages),
        proof=draft.proof,
        weaker=draft.weaker,
        evidence=draft.evidence,
        on_expiry=draft.on_expiry,
        automatic=draft.automatic,
        override=draft.override,
        confirm_by=draft.confirm_by,
        policy=draft.policy,
    )


def _row(draft: Draft) -> dict[str, Any]:
    return _chosen(draft) | {
        "id": draft.id,
        "endpoint_id": draft.endpoint.id,
        "target": draft.target,
        "want": Want.HELD.value,
        "outcome": Outcome.REQUESTED.value,
        "expires_at": draft.expires_at,
        "revision": 1,
        "created_at": draft.created_at,
        "actor": draft.by,
        "reason": draft.reason,
        "policy_rule": draft.policy_rule,
        "automatic": draft.automatic,
        "override": draft.override,
        "unproven": "",
        "released_by": None,
        "on_expiry": draft.on_expiry.value,
        "waiting_since": None,
        "confirm_by": draft.confirm_by,
        "confirmed_by": None,
        "policy": draft.policy,
        "evidence": codec.dump_words(draft.evidence),
        "stages": codec.dump_stages(draft.stages),
    }


def _chosen(draft: Draft) -> dict[str, Any]:
    """What goes with the rules, and is replaced with them."""
    return {
        "profile": draft.profile,
        "strictness": draft.strictness,
        "endpoint": codec.dump_endpoint(draft.endpoint),
        **scope(draft.endpoint),
        "proof": codec.dump_proof(draft.proof),
        "weaker": draft.weaker,
    }


def _join(
    transaction: Transaction, draft: Draft, found: Row[Any], recheck: Callable[[], None], budget: Budget | None
) -> Containment:
    """The strictest profile and its rules win, and the later expiry; a containment that automatic action widens counts as its own, and
    against its budget. The same profile with other rules is the device at another place or address, and the newer rules win there; a
    port where it was stays held until `moves.free`. But at the same place never looser ones: what a device makes up while it is held
    (MACs that look like neighbours) must not let it out. A time to confirm it by comes with whatever join asks for one first,
    and is never put off by another, nor asked for twice."""
    changes: dict[str, Any] = {"expires_at": _later(found.expires_at, draft.expires_at), "revision": found.revision + 1}
    if OnExpiry.ASK in (draft.on_expiry, found.on_expiry):
        changes["on_expiry"] = OnExpiry.ASK.value
    if draft.override:
        changes["override"] = True
    if budget is not None and budget.frozen is not None:
        changes["expires_at"] = found.expires_at  # in a freeze nothing is held for longer by itself
    if changes["expires_at"] is None or changes["expires_at"] > transaction.now():
        changes["waiting_since"] = None
    changes["evidence"] = codec.more_words(found.evidence, draft.evidence)
    was = codec.load_endpoint(found.endpoint)
    home = was.attachment if was.attachment.same_port(draft.endpoint.attachment) else None
    rules = wanted.with_elsewhere(transaction, found.id, wanted.owned(draft.rules, found.id), home)
    looser = _looser(was, draft.endpoint)
    moved = draft.profile == found.profile and not looser and wanted.names(rules) != wanted.held(transaction, found.id)
    stricter = draft.strictness > found.strictness
    if draft.rules and (stricter or moved):
        recheck()
        if budget is not None:
            _not_frozen(budget)
            _not_paused(transaction)
        if stricter and not found.automatic:
            _spend(transaction, draft, budget)
            changes["automatic"] = draft.automatic
        changes |= _chosen(draft)
        if wanted.replace_rules(transaction, found.id, rules):
            changes |= {"outcome": Outcome.REQUESTED.value, "unproven": ""}
        _keep_baseline(transaction, draft)
    if found.confirm_by is None and found.confirmed_by is None:
        changes["confirm_by"] = draft.confirm_by
    transaction.execute(_JOIN, {"join_id": found.id} | changes)
    _append_alert(transaction, found.id, draft.alert_id)
    _audit(transaction, draft, "join", found.id, found.revision + 1)
    return containments.one(transaction.connection, found.id)


def _looser(was: Endpoint, now: Endpoint) -> bool:
    """Whether the newer plan would, on the very same port, hold fewer MACs or let more neighbours pass."""
    same_port = (was.attachment.device, was.attachment.port) == (now.attachment.device, now.attachment.port)
    return same_port and not (was.macs <= now.macs and now.neighbours <= was.neighbours)


def _later(one: float | None, other: float | None) -> float | None:
    """None is never."""
    return None if one is None or other is None else max(one, other)


def _keep_baseline(transaction: Transaction, draft: Draft) -> None:
    for device, ports in draft.baseline.items():
        devices.save_baseline(transaction, device, ports)


def _append_alert(transaction: Transaction, containment: str, alert: str | None) -> None:
    if alert is not None:
        row = {"containment_id": containment, "alert_id": alert, "at": transaction.now()}
        transaction.put(_ALERT, row)


def _audit(transaction: Transaction, draft: Draft, action: str, containment: str, revision: int) -> None:
    transaction.audit(
        draft.by,
        action,
        containment,
        {
            "endpoint": draft.endpoint.id,
            "target": draft.target,
            "profile": draft.profile,
            "expires_at": draft.expires_at,
            "reason": draft.reason,
            "policy_rule": draft.policy_rule,
            "policy": draft.policy,
            "automatic": draft.automatic,
            "override": draft.override,
            "on_expiry": draft.on_expiry.value,
            "confirm_by": draft.confirm_by,
            "alert": draft.alert_id,
            "weaker": draft.weaker,
            "revision": revision,
            "rules": {device: [rule.id for rule in rules] for device, rules in draft.rules.items()},
            "received_at": draft.stages.get(Stage.RECEIVED),
        },
    )
