"""A virtual Cisco NX-OS switch: its running and startup configuration, its bootflash, and the commit that waits for its confirmation.

From Cisco's documents, and public transcripts:

- What is typed under `configure terminal` counts line by line; a line that is refused is said, and the others stand.
- "Rollback allows a user to take a snapshot": `checkpoint file NAME` writes one, and `rollback running-config file NAME` makes the running
  configuration what it says, atomically: "implements a rollback only if no errors occur" (Nexus 9000 System Management Configuration Guide,
  "Configuring Rollback").
- In `configure dual-stage` "changes in configurations are stored in a staging database. These changes don't affect the running
  configuration until you run the commit command", and "after the specified time period, the switch reverts to the previous configuration
  if you don't run the commit command" (same, 10.2(x) to 10.5(x), "Two-stage Configuration Commit"). `commit confirmed <30-65535>` takes
  seconds, and `commit` in the session that made it confirms it; a commit of which a line cannot be is refused as a whole, "commit
  verification failed" (transcript of NX-OS 10.x, "Cisco Nexus", Akira Kanai, 2025).
- Nothing that was found says what another session may do while a commit waits, nor what becomes of one whose session ends. Here a second
  commit is refused, and the timer runs on: that is the less convenient way of either.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from topologies.vendor.configuration import Configuration, Editor, InvalidInput, Rejected
from topologies.vendor.faults import Faults
from topologies.vendor.forwarding import Hardware
from topologies.vendor.nxos_forwarding import entries_needed, forwarding
from topologies.vendor.nxos_grammar import GRAMMAR, LISTS, PORT, opens, shown

STARTUP = "startup-config"
VERSION = "10.3(1)"
FIRST_COMMIT = 1_000_000_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass
class Unconfirmed:
    """`before` is restored `seconds` after the commit, unless the session that made it, `by`, confirms it. `expired`: it was."""

    before: Configuration
    by: object
    seconds: int
    expired: bool = False


class NxosSwitch:
    """`flash` is the folder that outlives it: the startup configuration, and what is copied to bootflash. `second`: how long one of the
    commit timer's lasts. Thread-safe: one command at a time, under `lock`."""

    def __init__(
        self,
        hardware: Hardware,
        flash: Path,
        hostname: str = "switch",
        *,
        second: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.hardware, self.flash, self.faults = hardware, flash, Faults()
        self.lock = threading.RLock()
        self.unconfirmed: Unconfirmed | None = None
        self.commits = 0
        self._second, self._clock = second, clock
        self._timer: threading.Timer | None = None
        flash.mkdir(parents=True, exist_ok=True)
        if not (flash / STARTUP).exists():
            (flash / STARTUP).write_text(f"hostname {hostname}\n")
        self.running = Configuration()
        self.booted = 0.0
        self.reload()

    def reload(self) -> None:
        """As after a power cut: what was not saved is gone."""
        with self.lock:
            self.settled()
            self.booted = self._clock()
            self._run_by(self.read(self.startup))

    def close(self) -> None:
        """No timer fires any more."""
        with self.lock:
            self.settled()

    @property
    def hostname(self) -> str:
        return next((line.split()[1] for line in self.running.lines if line.startswith("hostname ")), "switch")

    @property
    def now(self) -> float:
        return self._clock()

    @property
    def startup(self) -> str:
        return (self.flash / STARTUP).read_text()

    def text(self, configuration: Configuration | None = None) -> str:
        return shown(self.running if configuration is None else configuration)

    def factory(self) -> Configuration:
        return Configuration([], {f"interface {PORT}{number}": [] for number in sorted(self.hardware.ports())})

    # --- files ------------------------------------------------------------------------------------------------------------

    def path(self, name: str) -> Path:
        """Of a file that is called `bootflash:name`. Raises Rejected."""
        plain = re.sub(r"^bootflash:/*", "", name)
        if not _NAME.fullmatch(plain) or plain == STARTUP:
            raise Rejected(f"Syntax error while parsing '{name}'")
        return self.flash / plain

    def contents(self, name: str) -> str:
        path = self.path(name)
        if not path.is_file():
            raise Rejected("No such file or directory")
        return path.read_text()

    def read(self, text: str) -> Configuration:
        """The configuration that a text says. Raises InvalidInput with the line that is none."""
        found = self.factory()
        self.editor(found).load(text.splitlines())
        return found

    def save(self) -> None:
        if self.faults.lose_saves:
            raise Rejected("Configuration update aborted: request was aborted")
        (self.flash / STARTUP).write_text(self.text())

    # --- changes ----------------------------------------------------------------------------------------------------------

    def editor(self, configuration: Configuration) -> Editor:
        return Editor(GRAMMAR, configuration)

    def check(self, line: str) -> None:
        refuse = self.faults.refuse
        if refuse is not None and refuse.search(line.strip()):
            raise InvalidInput(0, line.split()[0])

    def take(self, context: str | None, line: str) -> None:
        """A line that counts at once, in the mode that `context` opens. Raises InvalidInput and Rejected."""
        self.check(line)
        after = self.running.copy()
        editor = self.editor(after)
        if context is not None:
            editor.take(context)
        editor.take(line)
        self._run_by(after)

    def edit(self, lines: Iterable[str]) -> None:
        """What somebody types under `configure terminal`, of which nothing is refused."""
        with self.lock:
            after = self.running.copy()
            self.editor(after).load(lines)
            self._run_by(after)

    def replace(self, wanted: Configuration) -> None:
        """Raises Rejected when it does not fit the hardware."""
        self._run_by(wanted)

    def commit(self, lines: Iterable[str], by: object, seconds: int | None = None) -> int:
        """All of the lines or none, `seconds` under a timer. The commit's number. Raises InvalidInput and Rejected."""
        if self.unconfirmed is not None:
            raise Rejected("Failed. A commit waits for its confirmation\ncommit verification failed")
        before, after = self.running.copy(), self.running.copy()
        self.editor(after).load(lines)
        self._run_by(after)
        if seconds is not None:
            self.unconfirmed = Unconfirmed(before, by, seconds)
            self._timer = threading.Timer(seconds * self._second, self.expire, [self.unconfirmed])
            self._timer.daemon = True
            self._timer.start()
        self.commits += 1
        return FIRST_COMMIT + self.commits

    def settled(self) -> None:
        """What waited waits no more, and stands."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self.unconfirmed = None, None

    def expire(self, only: Unconfirmed | None = None) -> None:
        """The timer of the commit that waits runs out now; of that one `only`, if it still does."""
        with self.lock:
            if (waiting := self.unconfirmed) is not None and only in (None, waiting):
                self.settled()
                waiting.expired = True
                self.commits += 1
                self._run_by(waiting.before)

    def _run_by(self, wanted: Configuration) -> None:
        """Program the hardware, and then call it the running configuration. Interfaces cannot go."""
        wanted.sections = self.factory().sections | wanted.sections
        needed = entries_needed(wanted)
        if self.faults.tcam is not None and needed > self.faults.tcam:
            raise Rejected("ERROR: Unable to perform the action due to incompatibility: Insufficient TCAM resources.")
        self.hardware.program(forwarding(wanted, sorted(self.hardware.ports())))
        self.running = wanted


def opened(words: list[str], context: str | None) -> str | None:
    """The mode that a line that was taken leaves it in: the header to open it by, None at the top."""
    if words[0] == "no":
        gone = " ".join(words[1:])
        return None if gone.startswith((*LISTS.values(), "vlan", "interface")) else context
    return " ".join(words) if opens(words) else context
