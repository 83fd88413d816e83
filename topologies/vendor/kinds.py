"""Kinds of words that command lines have in common, as parsers for a `Grammar`: each gives a canonical form, or raises ValueError."""

from __future__ import annotations

import re

from topologies.vendor.configuration import Parser


def within(first: int, last: int) -> Parser:
    def parse(text: str) -> str:
        if not text.isascii() or not text.isdigit() or not first <= int(text) <= last:
            raise ValueError(text)
        return str(int(text))

    return parse


def one_of(*words: str) -> Parser:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return parse


def word(text: str) -> str:
    if not re.fullmatch(r"[!-~]{1,128}", text):
        raise ValueError(text)
    return text


def list_name(text: str) -> str:
    """A list's name begins with a letter, and has no quotation mark."""
    if not re.fullmatch(r"[A-Za-z][!#-~]{0,63}", text):
        raise ValueError(text)
    return text


def vlan_ids(text: str) -> set[int]:
    """What a list of VLANs names. Raises ValueError."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        span = range(int(first), int(last or first) + 1)
        if not span or span[0] < 1 or span[-1] > 4094:
            raise ValueError(text)
        found.update(span)
    return found


def vlans(text: str) -> str:
    """10, 10-20, a list of both, or none."""
    if text != "none":
        vlan_ids(text)
    return text
