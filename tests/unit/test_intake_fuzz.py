"""Whatever a source sends, nothing breaks and nothing is lost: each event becomes alerts, is said to be none, or has a reason for its dead
letter. The samples of intake_samples, turned and cut.

In CI each source gets hypothesis' usual number of examples, the same each time; `make fuzz` gives each test ten thousand, by a seed
that it says.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.intake import NotAnAlert
from tests.unit.intake_feed import KNOWN, NOW, cut, events, feed, samples

NASTY: list[Any] = [
    "", " ", "-", "0", "10.0.0.66", "10.0.0.0/24", "fe80::1%eth0", "2001:db8::1", "::ffff:10.0.0.1", "02:00:00:00:00:42",
    "2026-01-31T12:00:00", "2026-01-31T12:00:00Z", "9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00-14:00", "1769860800",
    "255.255.255.255", "\0", "\ud800", "\u202e", "\x1b[31m", "A" * 5000, "high", "T1021.002", "true", "NaN",
    "[ipv4-addr:value = '10.0.0.1']", -1, 0, 1, 2**31, 2**63, 10**400, 1e308, 1e-308, float("nan"), float("inf"),
    True, False, None, [], {}, [None], [[]], [{}], {"": None},
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=6,
)
VALUE = st.sampled_from(NASTY) | JSON
GONE = object()


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths(inner, (*at, index))


def put(record: dict[str, Any], path: tuple[Any, ...], value: object) -> None:
    """Or leave it, where an earlier turn took the way there away."""
    parent: Any = record
    try:
        for key in path[:-1]:
            parent = parent[key]
        if value is GONE:
            del parent[path[-1]]
        else:
            parent[path[-1]] = value
    except (KeyError, IndexError, TypeError):
        return


@pytest.mark.parametrize("name", KNOWN)
def test_each_source_has_samples_that_are_alerts(name: str) -> None:
    read, ignored = 0, 0
    for fields in events(name):
        try:
            read += len(KNOWN[name].read(fields, NOW))
        except NotAnAlert:
            ignored += 1
    assert read


NAMES = {
    name: sorted({key for fields in events(name) for path in paths(fields) for key in path if isinstance(key, str)})
    for name in KNOWN
}
TURNED = {name: [(fields, list(paths(fields))) for fields in events(name)] for name in KNOWN}


@pytest.mark.fuzz
@pytest.mark.parametrize("name", KNOWN)
@settings(deadline=None)  # of a busy machine it says nothing
@given(data=st.data())
def test_any_value_anywhere(name: str, data: st.DataObject) -> None:
    fields, places = data.draw(st.sampled_from(TURNED[name]))
    turned = copy.deepcopy(fields)
    for _ in range(data.draw(st.integers(1, 3))):
        put(turned, data.draw(st.sampled_from(places)), data.draw(st.just(GONE) | VALUE))
    feed(KNOWN[name], turned)


@pytest.mark.fuzz
@pytest.mark.parametrize("name", KNOWN)
@settings(deadline=None)  # of a busy machine it says nothing
@given(data=st.data())
def test_any_bytes_anywhere(name: str, data: st.DataObject) -> None:
    body = data.draw(st.sampled_from(samples(name)))
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 40)) | st.just(len(body)))
    patch = data.draw(st.binary(max_size=12) | st.text("\t\n\r\\|=[]{}\"#: '<>", max_size=6).map(str.encode))
    for event in cut(KNOWN[name], body[:start] + patch + body[end:]):
        assert (event.fields is None) == bool(event.error)
        event.raw.encode()
        if event.fields is not None:
            feed(KNOWN[name], dict(event.fields))


@pytest.mark.fuzz
@pytest.mark.parametrize("name", KNOWN)
@settings(deadline=None)  # of a busy machine it says nothing
@given(data=st.data())
def test_any_object(name: str, data: st.DataObject) -> None:
    """Under names that the source knows, most of them: what it does not know it does not look at."""
    keys = st.sampled_from(NAMES[name])
    inner = st.recursive(
        VALUE, lambda more: st.lists(more, max_size=2) | st.dictionaries(keys, more, max_size=4), max_leaves=6
    )
    feed(KNOWN[name], data.draw(st.dictionaries(keys | st.text(max_size=5), inner, max_size=6)))


@pytest.mark.parametrize("name", KNOWN)
def test_the_same_event_has_the_same_keys(name: str) -> None:
    for fields in events(name):
        try:
            first = KNOWN[name].read(fields, NOW)
        except NotAnAlert:
            continue
        again = KNOWN[name].read(copy.deepcopy(fields), NOW + 60)
        assert [alert.key for alert in first] == [alert.key for alert in again]


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_kept_of_an_event_is_read_again_as_the_same_alerts(name: str) -> None:
    """A dead letter is replayed from its text alone."""
    for body in samples(name):
        for event in KNOWN[name].split(body):
            (again,) = KNOWN[name].split(event.raw.encode())
            try:
                first = KNOWN[name].read(event.fields or {}, NOW)
            except NotAnAlert:
                continue
            keys = [alert.key for alert in KNOWN[name].read(again.fields or {}, NOW)]
            assert keys == [alert.key for alert in first]
