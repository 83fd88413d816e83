"""How what is Netcordon's is named on a configured switch, so that a later look finds it: lists by their name, rules by remarks. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256

from drivers.rules import PortName

Place = tuple[str, str]
"""A family and a way: where a port can have one list."""

PREFIX = "NETCORDON-"
QUARANTINE = "NETCORDON-QUARANTINE"
_OURS = re.compile(rf"{PREFIX}([0-9a-f]{{12}})(-[0-9]{{1,3}})?")
_RULE = re.compile(r"remark netcordon rule ([0-9a-f]{12})(?: in ([a-z0-9]+(?:,[a-z0-9]+)*))?")


def is_ours(name: str) -> bool:
    return _OURS.fullmatch(name) is not None


def name_of(port: PortName, place: Place, body: Iterable[str]) -> str:
    """The name of the list that says this at that place: it follows from what the list says, so that a changed one is told by its name."""
    said = "\n".join([port, *place, *body])
    return f"{PREFIX}{sha256(said.encode()).hexdigest()[:12]}"


def rules_in(body: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """The rules that a list of ours holds, by their id, with the families of all lists that each of them needs."""
    found = [named for entry in body if (named := _RULE.fullmatch(entry))]
    return {one[1]: frozenset((one[2] or "").split(",")) for one in found}
