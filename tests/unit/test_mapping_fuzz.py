"""The mapping language itself: whatever somebody writes is refused with a reason, or reads whatever comes. Beside `test_intake_fuzz.py`,
which has one mapping and turns its documents."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from controller.errors import InvalidInput
from controller.intake import NotAnAlert, with_mappings
from controller.mapping_file import MappingFile
from tests.unit.intake_feed import MAPPING, cut, feed, samples
from tests.unit.test_intake_fuzz import JSON, NASTY, VALUE

STEPS = st.sampled_from(["a", "b", "*", "0", "~1", "~0", "", "ä", "\ud800"]) | st.text("ab/*0", max_size=3)
GOOD_PLACE = st.lists(STEPS, max_size=3).map(lambda steps: "/" + "/".join(steps)) | st.sampled_from(["=", "=x", "/*"])
PLACE = st.integers(0, 30).flatmap(
    lambda n: GOOD_PLACE if n else st.sampled_from(["", "a", "/~2", "/\0"]) | st.text(max_size=3)
)
PLACES = PLACE | st.lists(PLACE, min_size=1, max_size=3)
FIELDS = ("observed_at", "signature", "key", "signature_id", "severity", "confidence", "techniques", "category", "text")
ENDS = tuple(f"{end}.{what}" for end in ("src", "dst") for what in ("ip", "mac", "port"))
DIRECTIVES = st.lists(
    st.sampled_from([f"%{one}" for one in "YmdHMSfzZjyBbpIsGVu%"] + [" ", "-", "T", "ä", "%"]), max_size=9
)
KNOWN_TIMES = st.sampled_from(["iso", "epoch", "epoch-ms", "epoch-us", "%d.%m.%Y %H:%M:%S", "%Y%m%d%H%M"])
TIME = KNOWN_TIMES | KNOWN_TIMES | DIRECTIVES.map("".join)
KNOWN_ZONES = st.sampled_from(["UTC", "+01:00", "-2359", "Europe/Berlin"])
ZONE = KNOWN_ZONES | KNOWN_ZONES | st.sampled_from(["+24:00", "../etc", "", "Europe"]) | st.text(max_size=6)
NUMBERS = st.sampled_from(["0", "50", "1e9", "nan", "inf", "-1", "x"]) | st.floats() | st.integers()
LEVEL = st.sampled_from([1, 2, 3, 4, 5, 5, 4, 3, 2, 1, 0, 6])
SEVERITY = st.fixed_dictionaries(
    {},
    optional={
        "words": st.dictionaries(st.text(max_size=3), LEVEL, max_size=2),
        "at_least": st.dictionaries(NUMBERS, LEVEL, max_size=3),
    },
)
MAPPED = st.fixed_dictionaries(
    {
        "name": st.just("fuzzed"),
        "fields": st.fixed_dictionaries(
            {"observed_at": PLACES, "signature": PLACES, "src.ip": PLACES},
            optional=dict.fromkeys((*FIELDS[2:], *(end for end in ENDS if end != "src.ip")), PLACES),
        ),
    },
    optional={
        "events": PLACE,
        "when": st.dictionaries(PLACE, st.lists(VALUE, max_size=3), max_size=2),
        "time": TIME,
        "zone": ZONE,
        "severity": SEVERITY,
        "confidence_of": st.sampled_from([1, 100, 0.5]) | NUMBERS,
        "says": st.text(max_size=5),
    },
)
KEYS = st.sampled_from(["a", "b", "", "/", "~", "0"])
DOCUMENT = st.recursive(
    VALUE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
GOOD = MAPPING.model_dump(by_alias=True, exclude={"zone"}, exclude_defaults=True)


def mapping_of(written: Any) -> MappingFile | None:
    """What it says, or None where it is refused: by `ValidationError`, which the configuration shows with its place."""
    try:
        return MappingFile.model_validate(written)
    except ValidationError:
        return None


@pytest.mark.fuzz
@settings(deadline=None)  # of a busy machine it says nothing
@given(written=MAPPED, documents=st.lists(st.dictionaries(KEYS, DOCUMENT, max_size=3), max_size=3))
def test_any_mapping_reads_any_document_or_is_refused(written: dict[str, Any], documents: list[dict[str, Any]]) -> None:
    mapping = mapping_of(written)
    if mapping is None:
        return
    source = with_mappings([mapping])["fuzzed"]
    for document in documents:
        feed(source, document)
        assert all(line.isprintable() for line in source.absent(document))


@pytest.mark.fuzz
@settings(deadline=None)  # of a busy machine it says nothing
@given(data=st.data())
def test_one_part_of_a_mapping_that_is_anything_is_refused_or_reads(data: st.DataObject) -> None:
    """A good one, of which one key has any value of JSON, and the documents that it was written for."""
    part = data.draw(st.sampled_from([*GOOD, "zone", "says", "realm", "events"]))
    mapping = mapping_of(GOOD | {part: data.draw(JSON | st.sampled_from(NASTY))})
    if mapping is None or mapping.name != MAPPING.name:
        return
    source = with_mappings([mapping])[MAPPING.name]
    for event in cut(source, samples("mapped")[0]):
        if event.fields is not None:
            feed(source, dict(event.fields))


@pytest.mark.parametrize("written", ["%Y-%m-%d %H:%M %Y", "%d.%m.%Y %H:%M:%S %S", "%"])
def test_a_format_that_names_a_part_twice_is_refused(written: str) -> None:
    with pytest.raises(ValidationError, match=r"is not a format that can be read|write iso"):
        MappingFile.model_validate(GOOD | {"time": written})


def test_a_good_mapping_is_still_good() -> None:
    source = with_mappings([MappingFile.model_validate(GOOD)])[MAPPING.name]
    read = 0
    for event in cut(source, samples("mapped")[0]):
        try:
            read += len(source.read(event.fields or {}, 1.8e9))
        except (NotAnAlert, InvalidInput):
            continue
    assert read
