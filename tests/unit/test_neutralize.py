"""The attacker's words are shown, and do nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.neutralize import neutralize, storable

ANYTHING = st.text(st.characters(codec=None))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [bold]text[/bold]", "plain [bold]text[/bold]"),
        ("Zürich 東京", "Zürich 東京"),
        ("\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x9b31m", "\\x9b31m"),
        ("user\u202etxt.exe", "user\\u202etxt.exe"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("line\u2028sep\u0085", "line\\u2028sep\\x85"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("lone\ud800", "lone\\ud800"),
        ("nul\0", "nul\\x00"),
    ],
)
def test_examples(text: str, shown: str) -> None:
    assert neutralize(text) == shown


def test_long_texts_are_cut_and_say_so() -> None:
    assert neutralize("A" * 10, limit=5) == "AAAA…"
    assert neutralize("\x1b" * 10, limit=5) == "\\x1b…"


@given(ANYTHING, st.integers(1, 50))
def test_comes_out_visible_short_and_stable(text: str, limit: int) -> None:
    shown = neutralize(text, limit)
    assert len(shown) <= limit
    assert shown.isprintable()
    shown.encode()
    assert neutralize(shown, limit) == shown


@given(ANYTHING, st.integers(0, 20))
def test_storable(text: str, limit: int) -> None:
    kept = storable(text, limit)
    assert len(kept) == min(len(text), limit)
    assert "\0" not in kept
    kept.encode()
