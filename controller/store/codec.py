"""Values to JSON text and back, for the columns that hold a whole value. What was written reads back equal.

JSON is ASCII: NUL characters and lone surrogates, which PostgreSQL refuses in text, are escapes there.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from controller.audit import canonical
from controller.model import Address, Alert, Attachment, End, Endpoint, Looks, Managed, Proof, Reach, Stage, Survival
from drivers.rules import Mac, PortName, Rule, rule_from_wire, rule_to_wire

_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable(text: str) -> str:
    """`text` with what no database takes as text (NUL, lone surrogates) replaced by U+FFFD."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def short(key: str) -> str:
    """`key`, or where it is too long for an index, its digest."""
    return key if len(key) <= 200 else digest(key)


def dump(value: object) -> str:
    return _ENCODER.encode(value)


# --- endpoint -----------------------------------------------------------------------------------------------------


def dump_endpoint(endpoint: Endpoint) -> str:
    at = endpoint.attachment
    looks = {} if endpoint.looks is None else {"looks": looks_to_wire(endpoint.looks)}
    return dump(
        {
            "macs": sorted(endpoint.macs),
            "ips": sorted(map(str, endpoint.ips)),
            "at": [at.device, at.port, at.vlan],
            "realm": endpoint.realm,
            "neighbours": sorted(endpoint.neighbours),
            "managed": endpoint.managed.value,
            "type": endpoint.type,
            "role": endpoint.role,
            "owner": endpoint.owner,
            "criticality": endpoint.criticality,
            "listed": endpoint.listed,
            **looks,
        }
    )


def load_endpoint(text: str) -> Endpoint:
    wire = json.loads(text)
    device, port, vlan = wire["at"]
    return Endpoint(
        macs=frozenset(map(Mac, wire["macs"])),
        ips=frozenset(map(ip_address, wire["ips"])),
        attachment=Attachment(device, PortName(port), vlan),
        realm=wire["realm"],
        neighbours=frozenset(map(Mac, wire["neighbours"])),
        managed=Managed(wire["managed"]),
        type=wire["type"],
        role=wire["role"],
        owner=wire["owner"],
        criticality=wire["criticality"],
        looks=None if "looks" not in wire else looks_from_wire(wire["looks"]),
        listed=wire.get("listed", ""),
    )


def looks_to_wire(looks: Looks) -> dict[str, Any]:
    return {name: getattr(looks, name) for name in Looks.__slots__}


def looks_from_wire(wire: Mapping[str, Any]) -> Looks:
    return Looks(**{**wire, "evidence": tuple(wire["evidence"])})


# --- proof ----------------------------------------------------------------------------------------------------------


def dump_proof(proof: Proof | None) -> str | None:
    if proof is None:
        return None
    return dump(
        {
            "blocked": _reaches(proof.blocked),
            "residual": _reaches(proof.residual),
            "collateral": _reaches(proof.collateral),
            "management": {device: survival.value for device, survival in proof.management.items()},
        }
    )


def load_proof(text: str | None) -> Proof | None:
    if text is None:
        return None
    wire = json.loads(text)
    return Proof(
        blocked=tuple(Reach(*reach) for reach in wire["blocked"]),
        residual=tuple(Reach(*reach) for reach in wire["residual"]),
        collateral=tuple(Reach(*reach) for reach in wire["collateral"]),
        management={device: Survival(word) for device, word in wire["management"].items()},
    )


def _reaches(reaches: Iterable[Reach]) -> list[list[str]]:
    return [[reach.src, reach.dst, reach.kind, reach.witness] for reach in reaches]


# --- alert ----------------------------------------------------------------------------------------------------------


def dump_alert(alert: Alert) -> str:
    """All of the alert but its `id`, which is the row's."""
    return dump(
        {
            "source": alert.source,
            "key": alert.key,
            "observed_at": alert.observed_at,
            "received_at": alert.received_at,
            "signature": alert.signature,
            "signature_id": alert.signature_id,
            "severity": alert.severity,
            "src": _end(alert.src),
            "dst": _end(alert.dst),
            "category": alert.category,
            "text": alert.text,
            "realm": alert.realm,
            "confidence": alert.confidence,
            "techniques": alert.techniques,
            "time_doubt": alert.time_doubt,
        }
    )


def load_alert(id: str, text: str) -> Alert:
    """One that was kept by an earlier version lacks what that did not know."""
    wire = json.loads(text)
    ends = {"src": _load_end(wire["src"]), "dst": _load_end(wire["dst"])}
    return Alert(**wire | ends | {"techniques": tuple(wire.get("techniques", ()))}, id=id)


def _end(end: End) -> list[Any]:
    return [None if end.ip is None else str(end.ip), end.mac, end.port]


def _load_end(wire: list[Any]) -> End:
    ip, mac, port = wire
    return End(load_ip(ip), None if mac is None else Mac(mac), port)


def load_ip(text: str | None) -> Address | None:
    """The address of a row, which was one when it was written: no need to try both versions."""
    if not text:
        return None
    return IPv6Address(text) if ":" in text else IPv4Address(text)


# --- rules ----------------------------------------------------------------------------------------------------------


def dump_rule(rule: Rule) -> str:
    return dump(rule_to_wire(rule))


def load_rule(text: str, id: str) -> Rule:
    """`id` is the rule's own, from its column: to derive it again costs more than all the rest, and there may be ten thousand."""
    rule = rule_from_wire(json.loads(text))
    rule.__dict__["id"] = id
    return rule


# --- small ones -----------------------------------------------------------------------------------------------------


def dump_stages(stages: Mapping[Stage, float]) -> str:
    return dump({stage.value: at for stage, at in stages.items()})


def load_stages(text: str) -> dict[Stage, float]:
    return {Stage(word): at for word, at in json.loads(text).items()}


def dump_words(words: Iterable[str]) -> str:
    return dump(list(words))


def load_words(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def digest(*parts: str | float | None) -> str:
    """One name for a request, so that its repetition under the same idempotency key is known."""
    return hashlib.sha256(canonical(list(parts)).encode()).hexdigest()


MOST_WORDS = 64
"""Sentences of evidence kept in a case: a device may go on inventing addresses, and an alert source go on about it."""


def more_words(text: str, more: Iterable[str]) -> str:
    """The words in `text` and these: the newest that fit, and what it began with in any case."""
    every = list(dict.fromkeys((*load_words(text), *more)))
    half = MOST_WORDS // 2
    return dump_words(every if len(every) <= MOST_WORDS else [*every[:half], *every[-half:]])
