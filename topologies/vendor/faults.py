"""What can go wrong with a virtual switch, told to it from outside while it runs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum


class Sever(StrEnum):
    """When the connection of a request is lost: before anything of it was run, or after all of it, before the answer."""

    BEFORE = "before"
    AFTER = "after"


@dataclass
class Faults:
    """`unreachable`: connections are closed as soon as they stand. `sever`: the request after so many more loses its connection, and from
    then on the switch is unreachable. `delay`: seconds a command. `refuse`: command lines that are answered as invalid input. `read_only`
    users may look and change nothing. `tcam`: how many entries of bound lists the hardware holds. `pending`: how many sessions may wait
    for their commit. `lose_saves`: startup-config cannot be written. `errdisabled`: ports that are shown so."""

    unreachable: bool = False
    sever: tuple[int, Sever] | None = None
    delay: float = 0.0
    refuse: re.Pattern[str] | None = None
    read_only: frozenset[str] = frozenset()
    tcam: int | None = None
    pending: int = 5
    lose_saves: bool = False
    errdisabled: frozenset[int] = frozenset()
    requests: int = field(default=0, init=False)

    def due(self) -> Sever | None:
        """Count a request; how its connection is to be lost, if it is."""
        self.requests += 1
        if self.sever is None:
            return None
        left, how = self.sever
        if left:
            self.sever = (left - 1, how)
            return None
        self.sever, self.unreachable = None, True
        return how
