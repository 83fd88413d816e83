"""STIX's patterns, as far as they name an address: https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html, chapter 9.

The simple ones are read: comparisons of an address with `=` or `IN`, joined by OR. One that asks for two things at once accuses nobody by
itself, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from controller.errors import InvalidInput
from controller.intake.event import NotAnAlert, of_one_device
from controller.model import End
from controller.neutralize import neutralize
from controller.targets import parse_address
from drivers.rules import parse_mac

ADDRESSES = ("ipv4-addr", "ipv6-addr", "mac-addr")
_LONGEST_PATTERN = 100_000
_STRING = r"'(?:[^'\\]|\\.)*'"
_TOKEN = re.compile(rf"\s*(?:(?P<string>{_STRING})|(?P<sign>!=|[\[\]()=,<>])|(?P<word>[A-Za-z0-9_.:*\-]+|'[^']*'))")
_COMPARED = re.compile(r"(?:ipv4-addr|ipv6-addr|mac-addr|network-traffic:(?:src|dst)_ref)(?::value|\.value)")


def addresses_in(language: str, pattern: str | None) -> list[End]:
    """The addresses with which a simple pattern compares. Raises NotAnAlert for a pattern about other things, InvalidInput for one that
    asks for more than one thing at once, and for another language's."""
    if language != "stix" or pattern is None:
        raise NotAnAlert(f"stix: pattern_type {neutralize(language, 40)!r} is not read")
    if len(pattern) > _LONGEST_PATTERN:
        raise InvalidInput(f"stix: pattern: longer than {_LONGEST_PATTERN} characters")
    if not _COMPARED.search(pattern):
        raise NotAnAlert("stix: the pattern compares no address")
    tokens = _tokens(pattern)
    if any(
        token in ("AND", "NOT", "FOLLOWEDBY", "REPEATS", "WITHIN", "!=", "<", ">", "LIKE", "MATCHES")
        for token in tokens
    ):
        raise InvalidInput(
            "stix: pattern: only comparisons of an address by = or IN, joined by OR, are read: this one asks for more"
        )
    return list(_comparisons(tokens))


def _tokens(pattern: str) -> list[str]:
    tokens, at, text = list[str](), 0, pattern.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise InvalidInput(f"stix: pattern: not a STIX pattern, from character {at} on")
        tokens.append(found.group(0).strip())
        at = found.end()
    return tokens


def _comparisons(tokens: list[str]) -> Iterator[End]:
    """What each `path = 'value'` or `path IN ('value', …)` names."""
    path = ""
    for n, token in enumerate(tokens):
        if _COMPARED.fullmatch(token):
            path = token
        elif ":" in token and not token.startswith("'"):
            path = ""
        elif token.startswith("'") and path and tokens[n - 1] in ("=", "(", ",", "ISSUBSET"):
            value = re.sub(r"\\(.)", r"\1", token[1:-1])
            yield from end_of(_kind(path, value), value, "pattern")


def _kind(path: str, value: str) -> str:
    kind = path.partition(":")[0]
    return kind if kind in ADDRESSES else "ipv6-addr" if ":" in value else "ipv4-addr"


def end_of(kind: str, value: object, where: str) -> list[End]:
    """Raises InvalidInput for what is no address, or is a range of them."""
    if not isinstance(value, str):
        raise InvalidInput(f"stix: {where}: the value of an {kind} is a string")
    try:
        if kind == "mac-addr":
            return [End(mac=parse_mac(value))]
        bare, _, bits = value.partition("/")
        address = parse_address(bare)
        if bits and bits != str(address.max_prefixlen):
            raise ValueError(f"{value!r} is a range, and one device is contained at a time")
        return [End(address)] if of_one_device(address) else []
    except ValueError as error:
        raise InvalidInput(neutralize(f"stix: {where}: {error}")) from error
