"""The chain by itself: what it shows, and what only a head kept elsewhere shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.audit import GENESIS, AuditEntry, AuditRecord, Head, canonical, chain, verify
from controller.errors import AuditBroken

entries = st.builds(
    AuditEntry,
    at=st.floats(allow_nan=False, allow_infinity=False),
    actor=st.text(max_size=5),
    action=st.text(max_size=5),
    subject=st.text(max_size=5),
    detail=st.text(max_size=5),
)
FIELDS = ("seq", "at", "actor", "action", "subject", "detail", "prev", "hash")


def some(count: int) -> list[AuditRecord]:
    return chain(GENESIS, [AuditEntry(float(i), "soc", "contain", f"case-{i}", "{}") for i in range(count)])


@given(st.lists(entries, max_size=6), st.integers(0, 6))
def test_a_chain_verifies_however_it_was_appended(added: list[AuditEntry], cut: int) -> None:
    first = chain(GENESIS, added[:cut])
    end = Head(first[-1].seq, first[-1].hash) if first else GENESIS
    whole = first + chain(end, added[cut:])
    assert whole == chain(GENESIS, added)
    report = verify(whole)
    assert (report.records, report.head) == (len(added), whole[-1].hash if whole else GENESIS.hash)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("place", range(4))
def test_any_change_of_any_record_is_found_at_its_place(field: str, place: int) -> None:
    records = some(4)
    old = getattr(records[place], field)
    change: dict[str, Any] = {field: old + 1 if isinstance(old, int | float) else old + "x"}
    records[place] = replace(records[place], **change)
    with pytest.raises(AuditBroken, match=rf"record {place + 1}\b"):
        verify(records)


@pytest.mark.parametrize("place", range(3))
def test_a_missing_record_is_named(place: int) -> None:
    records = some(4)
    del records[place]
    with pytest.raises(AuditBroken, match=f"record {place + 1} is missing"):
        verify(records)


def test_exchanged_records_are_found() -> None:
    records = some(3)
    records[0], records[1] = records[1], records[0]
    with pytest.raises(AuditBroken):
        verify(records)


def test_a_cut_tail_is_found_by_the_noted_head_alone() -> None:
    records = some(5)
    verify(records[:3])
    with pytest.raises(AuditBroken, match="tail was cut"):
        verify(records[:3], head=records[4].hash)
    assert verify(records, head=records[2].hash).records == 5


def test_a_whole_rewrite_is_found_by_the_noted_head() -> None:
    noted = some(5)[4].hash
    rewritten = chain(GENESIS, [AuditEntry(1.0, "soc", "contain", "nothing happened", "{}")] * 5)
    verify(rewritten)
    with pytest.raises(AuditBroken, match="rewritten"):
        verify(rewritten, head=noted)


def test_the_stored_end_shows_a_cut_tail() -> None:
    records = some(5)
    with pytest.raises(AuditBroken, match="record 5 was its last"):
        verify(records[:3], end=Head(5, records[4].hash))


def test_canonical_json_has_one_form_and_no_nan() -> None:
    assert canonical({"b": [1, None], "a": "é"}) == '{"a":"\\u00e9","b":[1,null]}'
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("nan"))
