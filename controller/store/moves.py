"""Following: a held containment's rules at one more port, or at one port fewer. Its revision is checked, so that what was decided from an
older state of the case is refused; the budget is not: the same device is held."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from controller.errors import RefusalCode, Refused
from controller.model import Address, Containment, Outcome, Want, overall
from controller.store import codec, containments, wanted
from controller.store.accept import scope
from controller.store.tables import containment, containment_device
from controller.store.values import Move
from controller.store.writer import Transaction
from drivers.rules import RuleSet

_ACTOR = "netcordon"
_UPDATE = update(containment).where(containment.c.id == bindparam("which"))
_OUTCOMES = select(containment_device.c.outcome).where(containment_device.c.containment_id == bindparam("id"))


def move(transaction: Transaction, id: str, move: Move, recheck: Callable[[], None]) -> Containment:
    """Want `move.rules` besides what is held at other ports. Raises Refused when the case has changed since."""
    found = _as_decided(transaction, id, move.revision)
    recheck()
    rules = wanted.owned(move.rules, id)
    wanted.replace_rules(transaction, id, wanted.with_elsewhere(transaction, id, rules))
    change: dict[str, Any] = {"evidence": codec.more_words(found.evidence, [move.why]), "unproven": ""}
    if move.endpoint is not None:
        change |= {"endpoint": codec.dump_endpoint(move.endpoint), "weaker": move.weaker, **scope(move.endpoint)}
    change["proof"] = codec.dump_proof(move.proof)
    detail = {device: [rule.id for rule in ruleset] for device, ruleset in rules.items()}
    return _changed(transaction, found, "move" if move.endpoint else "hold-both", move, change, {"rules": detail})


def free(transaction: Transaction, id: str, move: Move) -> Containment:
    """Want none of `move.rules` any more."""
    found = _as_decided(transaction, id, move.revision)
    gone = wanted.names(move.rules)
    left = {
        device: RuleSet(rule for rule in ruleset if (device, rule.id) not in gone)
        for device, ruleset in wanted.rules_of(transaction, id).items()
    }
    wanted.replace_rules(transaction, id, {device: ruleset for device, ruleset in left.items() if len(ruleset)})
    return _changed(transaction, found, "free", move, {"evidence": codec.more_words(found.evidence, [move.why])}, {})


def note(transaction: Transaction, id: str, ips: Iterable[Address], words: Iterable[str]) -> Containment:
    """What became known of the device while it is held: addresses, and sentences. What is wanted stays as it is."""
    found = containments.row(transaction.connection, id)
    endpoint = codec.load_endpoint(found.endpoint)
    new, said = sorted(set(ips) - endpoint.ips, key=str), list(words)
    if found.want == Want.HELD.value and (new or said):
        every = codec.dump_endpoint(replace(endpoint, ips=endpoint.ips.union(new)))
        transaction.execute(
            _UPDATE, {"which": id, "endpoint": every, "evidence": codec.more_words(found.evidence, said)}
        )
        transaction.audit(_ACTOR, "seen", id, {"ips": [str(ip) for ip in new], "words": said})
    return containments.one(transaction.connection, id)


def _as_decided(transaction: Transaction, id: str, revision: int) -> Row[Any]:
    found = containments.row(transaction.connection, id)
    if found.want != Want.HELD.value or found.revision != revision:
        raise Refused(RefusalCode.CHANGED, f"containment {id} changed while it was being followed")
    return found


def _changed(
    transaction: Transaction, found: Row[Any], action: str, move: Move, change: dict[str, Any], detail: dict[str, Any]
) -> Containment:
    revision = found.revision + 1
    outcomes = [Outcome(word) for (word,) in transaction.execute(_OUTCOMES, {"id": found.id})]
    transaction.execute(
        _UPDATE, {"which": found.id, "revision": revision, "outcome": overall(outcomes).value, **change}
    )
    said = {"from": move.come_from, "to": move.gone_to, "why": move.why, "revision": revision}
    transaction.audit(_ACTOR, action, found.id, said | detail)
    return containments.one(transaction.connection, found.id)
