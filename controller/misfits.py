"""What does not fit a pydantic model, in the words of whoever wrote it: the key that was meant, and what may stand there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

_A_TIME = "2026-01-31T12:00:00Z"
_WORDS: Mapping[str, str] = {
    "missing": "is missing",
    "int": "write a whole number",
    "float": "write a number",
    "bool": "write true or false",
    "string_type": 'write it as text, as "0x1" or "6653" in quotes',
    "string_too_long": "at most {max_length} characters",
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "dict_type": "write keys with values below it (key: value)",
    "model_type": "write keys with values below it (key: value)",
    "model_attributes_type": "write keys with values below it (key: value)",
    "list_type": "write a list: [a, b]",
    "tuple_type": "write a list: [a, b]",
    "ip_any_address": "write an IP address",
    "timezone_aware": f"has no time zone: write it as {_A_TIME}, or with one as +01:00",
    "datetime": f"write a time as {_A_TIME}",
}
"""By pydantic's type of error, or that type's first word."""
_CHOICES = ("literal_error", "enum")
_SHOWN = 40


def in_words(found: Mapping[str, Any], model: object = None) -> str:
    """One of `ValidationError.errors()` as a sentence's end, after the name of its place. `model`: what was validated, so that a key
    nobody knows gets the one that was meant. Only what could be no secret (a choice, a number) is said back."""
    kind, context = str(found["type"]), found.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key{_meant(str(found['loc'][-1]), keys_at(model, found['loc'][:-1]))}"
    if kind in _CHOICES:
        given = found.get("input")
        expected = str(context.get("expected", ""))
        choices = [word.strip("' ") for word in expected.replace(" or ", ", ").split(",")]
        return f"write {expected}{_given(given)}{_meant(str(given), choices, listed=False)}"
    if kind == "string_too_short":
        short = context.get("min_length")
        return "must not be empty" if short == 1 else f"at least {short} characters"
    words = _WORDS.get(kind) or _WORDS.get(kind.partition("_")[0])
    if words is None:
        return str(found["msg"]).removeprefix("Value error, ")
    return words.format(**context) + ("" if kind == "missing" else _given(found.get("input")))


def keys_at(model: object, where: Sequence[str | int]) -> tuple[str, ...]:
    """The keys that may stand at `where` in the model; none where that cannot be told."""
    models = list(_models(model))
    for step in where:
        if isinstance(step, str) and any(step in one.model_fields for one in models):
            models = [
                m for one in models if step in one.model_fields for m in _models(one.model_fields[step].annotation)
            ]
    return tuple(dict.fromkeys(field.alias or name for one in models for name, field in one.model_fields.items()))


def _models(annotation: object) -> Iterable[type[BaseModel]]:
    """Those that the annotation speaks of: of a list its items', of a mapping its values'."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, UnionType) or get_args(annotation):
        for part in get_args(annotation):
            yield from _models(part)


def _meant(word: str, known: Sequence[str], *, listed: bool = True) -> str:
    from difflib import get_close_matches  # only when something is wrong already

    close = get_close_matches(word.lower(), known, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known are {', '.join(known)}" if known and listed else ""


def _given(value: object) -> str:
    plain = isinstance(value, str | int | float | bool) and 0 < len(str(value)) <= _SHOWN
    return f", not {value!r}" if plain else ""
