"""A body is cut into events, whatever it holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.errors import InvalidInput
from controller.intake import SOURCES, split_body
from controller.intake.body import MOST_EVENTS, split_inside

NOW = 1_800_000_000.0


def test_one_object() -> None:
    (event,) = split_body(b' {"a": 1} ')
    assert (event.fields, event.error) == ({"a": 1}, "")


def test_one_object_over_several_lines() -> None:
    (event,) = split_body(json.dumps({"a": {"b": 1}}, indent=2).encode())
    assert event.fields == {"a": {"b": 1}}


def test_an_array_keeps_its_good_elements() -> None:
    good, bad = split_body(b'[{"a": 1}, 7]')
    assert good.fields == {"a": 1}
    assert (bad.fields, bad.error, bad.raw) == (None, "not a JSON object", "7")


def test_json_lines_keep_their_good_lines() -> None:
    events = split_body('{"a": 1}\r\n\n{"b": \n{"c": "\u2028"}\n'.encode())
    assert [event.fields for event in events] == [{"a": 1}, None, {"c": "\u2028"}]
    assert "not JSON" in events[1].error


def test_a_broken_object_over_several_lines_is_one_malformed_event() -> None:
    (event,) = split_body(b'{\n "a": 1,\n "b": \n}')
    assert "not JSON" in event.error


def test_a_byte_order_mark_is_no_part_of_it() -> None:
    (event,) = split_body(b'\xef\xbb\xbf{"a": 1}')
    assert event.fields == {"a": 1}


def test_a_list_inside_an_object_is_its_events() -> None:
    events = split_inside("value")(b'{"value": [{"a": 1}, 7]}\n{"a": 2}\n{"value": 3}')
    assert [event.fields for event in events] == [{"a": 1}, None, {"a": 2}, {"value": 3}]
    assert events[0].raw == '{"a": 1}'
    with pytest.raises(InvalidInput, match="empty"):
        split_inside("value")(b'{"value": []}')


@pytest.mark.parametrize("body", [b"", b" \n ", b"[]"])
def test_nothing_is_an_error(body: bytes) -> None:
    with pytest.raises(InvalidInput, match="empty"):
        split_body(body)


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"a":' * 200_000, b"[" * 100_000 + b"]" * 100_000, b"9" * 10_000])
def test_depth_and_length_break_nothing(body: bytes) -> None:
    assert all(event.error for event in split_body(body))


def test_too_many_events_are_refused() -> None:
    with pytest.raises(InvalidInput, match="send at most"):
        split_body(b"{}\n" * (MOST_EVENTS + 1))


def test_raw_text_can_be_stored() -> None:
    for event in split_body(b'{"a": "\x00"}\n{"a": "\\ud800"}\n\xff\xfe'):
        event.raw.encode()
        assert "\0" not in event.raw


def feed(body: bytes) -> None:
    try:
        events = split_body(body)
    except InvalidInput:
        return
    for event in events:
        assert (event.fields is None) == bool(event.error)
        for source in SOURCES.values():
            if event.fields is not None:
                with pytest.raises(InvalidInput):
                    source.read(event.fields, NOW)


@given(st.binary(max_size=300))
def test_any_bytes(body: bytes) -> None:
    feed(body)


@given(st.text(alphabet='{}[]":,\\u0d8ntrue1eE.-\n alert', max_size=60))
def test_anything_like_json(body: str) -> None:
    feed(body.encode())
