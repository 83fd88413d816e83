"""Text that an attacker may have written, made safe to show, to log, or to store.

Hostnames, DHCP names, alert texts and user agents go through here on their way out. What is unseen or acts on a
terminal (control characters and so ANSI escapes, newlines, bidirectional overrides, zero-width and other invisible
characters, lone surrogates) comes out as a visible escape. Markup of one medium (Rich's brackets, HTML) is that
medium's to escape.
"""

from __future__ import annotations

SHOWN_AT_MOST = 300
_UNSEEN_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def neutralize(text: str, limit: int = SHOWN_AT_MOST) -> str:
    """`text` on one line of visible characters, at most `limit` of them; what was cut off shows as an ellipsis."""
    if text.isascii() and text.isprintable() and len(text) <= limit:
        return text
    shown = "".join(map(_visible, text[: limit + 1]))
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def storable(text: str, limit: int | None = None) -> str:
    """`text` as any database holds it: no NUL, no lone surrogates (each becomes U+FFFD), at most `limit` characters."""
    cut = text[:limit]
    return cut if cut.isascii() and "\0" not in cut else "".join("\ufffd" if _unstorable(c) else c for c in cut)


def _unstorable(character: str) -> bool:
    return character == "\0" or "\ud800" <= character <= "\udfff"


def _visible(character: str) -> str:
    if character.isascii() and character.isprintable():
        return character
    if character in _NAMED:
        return _NAMED[character]
    return _escaped(ord(character)) if _unseen(character) else character


def _unseen(character: str) -> bool:
    code = ord(character)
    return (
        not character.isprintable()
        or character in _UNSEEN_LETTERS
        or 0xFE00 <= code <= 0xFE0F  # variation selectors: text hidden in text
        or 0xE0100 <= code <= 0xE01EF
    )


def _escaped(code: int) -> str:
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
