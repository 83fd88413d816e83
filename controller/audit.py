"""The audit log's hash chain. Pure: records in, records or a verdict out; `controller.store.audit_log` keeps them.

Each record's hash covers its own fields and the hash before it, as canonical JSON (sorted keys, no spaces, ASCII) under SHA-256, so
that a changed, inserted or missing record breaks the chain. A chain alone shows neither a cut tail nor a whole rewrite: compare a head
hash that was kept elsewhere (`verify(…, head=…)`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from controller.errors import AuditBroken

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class Head:
    """The chain's end: how many records there are, and the last one's hash."""

    seq: int
    hash: str


GENESIS = Head(0, "0" * 64)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What happened, before it has a place in the chain. `at` is seconds since the epoch, `detail` canonical JSON."""

    at: float
    actor: str
    action: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An entry in its place: the `seq`-th from 1, after the record whose hash is `prev`."""

    seq: int
    at: float
    actor: str
    action: str
    subject: str
    detail: str
    prev: str
    hash: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """A chain that verified: how many records, and the head to keep off the host."""

    records: int
    head: str


def canonical(value: Json) -> str:
    """The one way to write `value` as JSON. NaN and infinities raise ValueError."""
    return _ENCODER.encode(value)


def chain(head: Head, entries: Iterable[AuditEntry]) -> list[AuditRecord]:
    """The entries as records that follow `head`, in order."""
    records = []
    for entry in entries:
        record = _link(head, entry)
        records.append(record)
        head = Head(record.seq, record.hash)
    return records


def verify(records: Iterable[AuditRecord], head: str | None = None, end: Head | None = None) -> AuditReport:
    """Check a whole chain, from its first record, read once in order. Raises AuditBroken naming the first bad record.

    `head`, a hash noted earlier, must occur in the chain: otherwise its tail was cut or it was written anew. `end` is where the store
    says that the chain ends.
    """
    last, found = GENESIS, head in (None, GENESIS.hash)
    for record in records:
        _check(last, record)
        last = Head(record.seq, record.hash)
        found = found or record.hash == head
    if end is not None and end != last:
        raise AuditBroken(
            f"the audit log ends at record {last.seq}, and record {end.seq} was its last: its tail was cut or rewritten"
        )
    if not found:
        raise AuditBroken(
            f"none of the {last.seq} audit records has the hash {head}: the tail was cut, or the whole log was rewritten, "
            "after that head was noted"
        )
    return AuditReport(last.seq, last.hash)


def _check(last: Head, record: AuditRecord) -> None:
    if record.seq != last.seq + 1:
        raise AuditBroken(f"audit record {last.seq + 1} is missing: record {record.seq} follows record {last.seq}")
    if record.prev != last.hash:
        raise AuditBroken(
            f"audit record {record.seq} does not follow the record before it: one of the two was rewritten"
        )
    entry = AuditEntry(record.at, record.actor, record.action, record.subject, record.detail)
    if _link(last, entry).hash != record.hash:
        raise AuditBroken(f"audit record {record.seq} was changed after it was written: its hash does not match")


def _link(head: Head, entry: AuditEntry) -> AuditRecord:
    seq = head.seq + 1
    body: Json = {
        "seq": seq,
        "at": entry.at,
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "detail": entry.detail,
        "prev": head.hash,
    }
    digest = hashlib.sha256(canonical(body).encode()).hexdigest()
    return AuditRecord(seq, entry.at, entry.actor, entry.action, entry.subject, entry.detail, head.hash, digest)
