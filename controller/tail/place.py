"""How far a file was read: what is kept from one start of the daemon to the next."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True, slots=True)
class Place:
    """Everything before `offset` was taken. `before`: the digest of what stands just before it, by which the same file is known again, and
    by which one that was cut and has grown since is told from it. `skipping`: it is in the middle of a line that was too long. `heading`:
    the lines that say how those after `offset` are to be read (a Zeek log's)."""

    device: int
    inode: int
    offset: int = 0
    before: str = ""
    skipping: bool = False
    heading: str = ""


def dump(places: Sequence[Place]) -> str:
    return json.dumps([asdict(place) for place in places], separators=(",", ":"))


def load(text: str) -> list[Place]:
    """What `dump` wrote."""
    names = {field.name for field in fields(Place)}
    return [Place(**{key: value for key, value in one.items() if key in names}) for one in json.loads(text)]
