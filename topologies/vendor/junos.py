"""A virtual Juniper EX switch: its candidate and committed configurations, those from before, and the commit that waits to be confirmed.

From Juniper's documents:

- What is loaded goes into the candidate, which all sessions share unless one has locked it; it counts from its commit on, all of it or
  nothing ("Junos OS Commit Model for Configurations", CLI User Guide).
- A session gets the lock only while nobody else holds it and the candidate has no changes; with the session's end the lock goes, and what
  it changed and did not commit ("Lock and Unlock the Candidate Configuration Using NETCONF", NETCONF XML Protocol Developer Guide).
- `commit confirmed <minutes>` stands until the time is out, unless a commit or a commit check comes before; then the configuration from
  before it is loaded and committed, as a whole ("Activate a Configuration but Require Confirmation", CLI User Guide).
- Up to 50 committed configurations are kept, `rollback 0` being the last ("Rolling Back Junos OS Configuration Changes", same).
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from topologies.vendor.faults import Faults
from topologies.vendor.forwarding import Hardware
from topologies.vendor.junos_forwarding import below, check, forwarding, value
from topologies.vendor.junos_grammar import PORT, ROOT
from topologies.vendor.junos_tree import BadStatement, Edit, Tree, as_text, edit, from_set, from_text

KEPT = 50
ACTIVE = "juniper.conf"


def factory(hostname: str, numbers: Iterable[int]) -> str:
    """All ports switch, in the VLAN `default` ("EX Series Switch Default Configuration", Juniper)."""
    ports = "".join(
        f"    {PORT}{number} {{\n        unit 0 {{\n            family ethernet-switching;\n        }}\n    }}\n"
        for number in sorted(numbers)
    )
    return f"system {{\n    host-name {hostname};\n}}\ninterfaces {{\n{ports}}}\n"


class Rejected(Exception):
    """The request is right, and it is refused all the same; the text is what Junos says."""


@dataclass(frozen=True)
class Commit:
    """A configuration that was committed, by whom and when. `comment` is Junos's own where it waits for its confirmation."""

    tree: Tree
    user: str
    at: float
    number: int
    comment: str | None = None


@dataclass(frozen=True)
class Lock:
    session: int
    user: str
    since: float


class JunosSwitch:
    """`flash` is the folder that outlives it: the configuration that was last committed for good. Thread-safe: one request at a time, under
    `lock`. `minute`: how many seconds one has, for those who cannot wait."""

    def __init__(
        self,
        hardware: Hardware,
        flash: Path,
        hostname: str = "switch",
        *,
        minute: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.hardware, self.flash, self.faults = hardware, flash, Faults()
        self.lock = threading.RLock()
        self.held: Lock | None = None
        self.minute, self._clock = minute, clock
        self.history: list[Commit] = []
        self.candidate: Tree = {}
        self.before: Commit | None = None
        self._timer: threading.Timer | None = None
        flash.mkdir(parents=True, exist_ok=True)
        if not (flash / ACTIVE).exists():
            (flash / ACTIVE).write_text(f"system {{\n    host-name {hostname};\n}}\n")
        self.booted = 0.0
        self.reload()

    def reload(self) -> None:
        """As after a power cut. A commit that was not confirmed is undone by it."""
        with self.lock:
            self._stop_timer()
            self.booted, self.held, self.before = self._clock(), None, None
            found: Tree = {}
            errors = self._take(found, from_text((self.flash / ACTIVE).read_text()))
            assert not errors, errors  # noqa: S101 - it was written by this class, or by whoever set it up
            number = self.history[0].number + 1 if self.history else 0
            self.history = [Commit(found, "root", self.booted, number)]
            self._run()

    def close(self) -> None:
        """No timer fires any more."""
        with self.lock:
            self._stop_timer()

    @property
    def now(self) -> float:
        return self._clock()

    @property
    def committed(self) -> Tree:
        return self.history[0].tree

    @property
    def hostname(self) -> str:
        return value(below(self.committed, ("system",)), "host-name") or "Amnesiac"

    def text(self, tree: Tree | None = None) -> str:
        return "\n".join([*as_text(self.committed if tree is None else tree, ROOT), ""])

    @property
    def is_changed(self) -> bool:
        return self.text(self.candidate) != self.text()

    # --- the candidate ----------------------------------------------------------------------------------------------------

    def take_lock(self, session: int, user: str) -> None:
        """Raises Rejected."""
        self.require_lock(session)
        if self.held is None and self.is_changed:
            raise Rejected("configuration database modified")
        self.held = Lock(session, user, self.now)

    def give_lock(self, session: int) -> None:
        """What was not committed is discarded. Raises Rejected."""
        if self.held is None or self.held.session != session:
            raise Rejected("Configuration database is not open")
        self.held = None
        self.candidate = copy.deepcopy(self.committed)

    def require_lock(self, session: int) -> None:
        """Raises Rejected where somebody else holds it."""
        if self.held is not None and self.held.session != session:
            since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.held.since))
            raise Rejected(
                f"configuration database locked by:\n  {self.held.user} terminal (pid {9000 + self.held.session})"
                f" on since {since}\n      exclusive"
            )

    def load(self, edits: Iterable[Edit], *, override: bool = False) -> list[BadStatement]:
        """What is right goes into the candidate, also where something else is wrong, which is given back."""
        if override:
            self.candidate = {}
        return self._take(self.candidate, edits)

    def _take(self, tree: Tree, edits: Iterable[Edit]) -> list[BadStatement]:
        wrong = list[BadStatement]()
        try:
            for done, words in edits:
                try:
                    if self.faults.refuse is not None and self.faults.refuse.search(" ".join(words)):
                        raise BadStatement("syntax error", words[:-1], words[-1])
                    edit(tree, ROOT, done, words)
                except BadStatement as error:
                    wrong.append(error)
        except BadStatement as error:
            wrong.append(error)
        return wrong

    def roll_back(self, number: int) -> None:
        """Into the candidate. Raises Rejected."""
        if number >= len(self.history):
            raise Rejected(f"could not open configuration file: rollback {number}")
        self.candidate = copy.deepcopy(self.history[number].tree)

    # --- commits ----------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """`commit check`, which also confirms what waits. Raises CheckFailed."""
        check(self.candidate)
        self._confirmed()

    def commit(self, user: str, comment: str | None = None, minutes: int | None = None) -> None:
        """`minutes`: what is committed waits so long for its confirmation. Raises CheckFailed."""
        check(self.candidate)
        if minutes is None:
            self._confirmed()
        else:
            self._stop_timer()
            self.before = self.before or self.history[0]
            comment = f"commit confirmed, rollback in {minutes}mins"
        if self.is_changed or minutes is not None or self.history[0].comment != comment:
            self._remember(Commit(copy.deepcopy(self.candidate), user, self.now, self.history[0].number + 1, comment))
        if minutes is not None:
            self._timer = threading.Timer(minutes * self.minute, self.expire, (self.before,))
            self._timer.daemon = True
            self._timer.start()
        else:
            self._write()
        self._run()

    def expire(self, before: Commit | None) -> None:
        """The time of a commit is out."""
        with self.lock:
            if before is None or self.before is not before:
                return
            self._stop_timer()
            self.before = None
            self._remember(Commit(before.tree, "root", self.now, self.history[0].number + 1))
            self._write()
            self._run()

    def edit(self, lines: list[str]) -> None:
        """Somebody's `set` and `delete` lines on the console, and his commit. Raises BadStatement and CheckFailed."""
        with self.lock:
            wrong = self.load([from_set(line) for line in lines])
            if wrong:
                self.roll_back(0)
                raise wrong[0]
            self.commit("colleague")

    def _confirmed(self) -> None:
        if self.before is not None:
            self._stop_timer()
            self.before = None
            self._write()

    def _remember(self, commit: Commit) -> None:
        self.history = [commit, *self.history[: KEPT - 1]]

    def _write(self) -> None:
        temporary = self.flash / f"{ACTIVE}+"
        temporary.write_text(self.text())
        temporary.replace(self.flash / ACTIVE)

    def _run(self) -> None:
        self.candidate = copy.deepcopy(self.committed)
        self.hardware.program(forwarding(self.committed, sorted(self.hardware.ports())))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
