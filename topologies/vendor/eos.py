"""A virtual Arista EOS switch: its running and startup configuration, configure sessions, and the commands that act on them.

Configure sessions follow Arista's "Configure Session" (arista.com/en/um-eos/eos-configure-session): a session begins as a copy of the
running configuration; committed, *what it modified* is copied into running-config and overwrites what others changed there meanwhile;
`rollback clean-config` empties it, so that its commit replaces everything; an uncommitted one is gone after a reload. `commit timer`
makes the commit stand until the timer ends, unless it is committed again; then the configuration from before it is restored as a whole.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from topologies.vendor.configuration import Configuration, Editor, unified
from topologies.vendor.eos_forwarding import entries, forwarding
from topologies.vendor.eos_grammar import GRAMMAR
from topologies.vendor.faults import Faults
from topologies.vendor.forwarding import Hardware

PENDING, TIMED, COMPLETED, ABORTED = "pending", "pendingCommitTimer", "completed", "aborted"


def entries_needed(configuration: Configuration) -> int:
    """How many entries of the hardware's the lists that are bound take."""
    bound = [
        (family, name)
        for lines in configuration.of("interface").values()
        for family, _, name, _ in (line.split() for line in lines if "access-group" in line)
    ]
    return sum(len(entry.flows) for family, name in bound for entry in entries(configuration, family, name))


class CommandFailed(Exception):
    """The device's answer to a command that it does not run. `code` is eAPI's (see `eapi`)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Session:
    """`took` are its command lines, `clean` whether it replaces everything; `before` and `until` (uptime in seconds) are for the timer."""

    candidate: Configuration
    took: list[str] = field(default_factory=list)
    clean: bool = False
    state: str = PENDING
    before: Configuration | None = None
    until: float | None = None


class EosSwitch:
    """`flash` is the folder that outlives it: startup-config is read from there, and everything else begins anew. Thread-safe: one command
    at a time, under `lock`."""

    def __init__(
        self,
        hardware: Hardware,
        flash: Path,
        hostname: str = "localhost",
        *,
        mac_lists_filter_ip: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.hardware, self.flash, self.faults = hardware, flash, Faults()
        self.lock = threading.RLock()
        self.sessions: dict[str, Session] = {}
        self._mac_lists_filter_ip, self._clock = mac_lists_filter_ip, clock
        self._timer: threading.Timer | None = None
        flash.mkdir(parents=True, exist_ok=True)
        if not (flash / "startup-config").exists():
            (flash / "startup-config").write_text(f"hostname {hostname}\n!\nend\n")
        self.running = Configuration()
        self.booted = 0.0
        self.reload()

    def reload(self) -> None:
        """As after a power cut: sessions and what was not saved are gone."""
        with self.lock:
            self._stop_timer()
            self.sessions.clear()
            self.booted = self._clock()
            self._run_by(self.read("startup-config"))

    def close(self) -> None:
        """No timer fires any more."""
        with self.lock:
            self._stop_timer()

    @property
    def uptime(self) -> float:
        return self._clock() - self.booted

    @property
    def hostname(self) -> str:
        return next((line.split()[1] for line in self.running.lines if line.startswith("hostname ")), "localhost")

    def factory(self) -> Configuration:
        """As it comes: the interfaces that are there, and nothing on them."""
        return Configuration([], {f"interface Ethernet{number}": [] for number in sorted(self.hardware.ports())})

    def read(self, name: str) -> Configuration:
        """A configuration that lies in flash. Raises CommandFailed."""
        path = self.flash / name
        if not path.is_file():
            raise CommandFailed(1000, f"could not run command: flash:/{name}: No such file or directory")
        found = self.factory()
        Editor(GRAMMAR, found).load(path.read_text().splitlines())
        return found

    def save(self, name: str = "startup-config", what: Configuration | None = None) -> None:
        if self.faults.lose_saves and name == "startup-config":
            raise CommandFailed(1000, "could not run command: Error copying: No space left on device")
        (self.flash / name).write_text((what or self.running).text(GRAMMAR))

    def edit(self, lines: list[str]) -> None:
        """What somebody types under `configure terminal`: each line counts at once. Raises InvalidInput."""
        with self.lock:
            after = self.running.copy()
            Editor(GRAMMAR, after).load(lines)
            self._run_by(after)

    # --- configure sessions -------------------------------------------------------------------------------------------

    def enter(self, name: str) -> Session:
        """The session to be edited, made when there is none of that name to go on with."""
        session = self.sessions.get(name)
        if session is not None and session.state in (PENDING, TIMED):
            return session
        if sum(one.state == PENDING for one in self.sessions.values()) >= self.faults.pending:
            raise CommandFailed(
                1000,
                "could not run command: Maximum number of pending sessions has been reached. Please commit or abort previous sessions",
            )
        self.sessions[name] = Session(self.running.copy())
        return self.sessions[name]

    def named(self, name: str) -> Session:
        if name not in self.sessions:
            raise CommandFailed(1000, f"could not run command: Session {name} does not exist")
        return self.sessions[name]

    def commit(self, name: str, seconds: float | None = None) -> None:
        """Commit, for good or until a timer ends; a second commit confirms a timed one."""
        session = self.named(name)
        if session.state == TIMED:
            if seconds is None:
                self._stop_timer()
                session.state, session.before, session.until = COMPLETED, None, None
                return
            self._start_timer(name, session, seconds)
            return
        if session.state != PENDING:
            raise CommandFailed(1000, f"could not run command: Session {name} is already {session.state}")
        if any(one.state == TIMED for one in self.sessions.values()) and seconds is not None:
            raise CommandFailed(1000, "could not run command: Another session is pending commit timer")
        before = self.running.copy()
        self._run_by(self._merged(session))
        self._forget_old()
        session.state = COMPLETED if seconds is None else TIMED
        if seconds is not None:
            session.before = before
            self._start_timer(name, session, seconds)

    def abort(self, name: str) -> None:
        session = self.named(name)
        if session.state == TIMED:
            self._revert(name)
        elif session.state == PENDING:
            session.state = ABORTED
            del self.sessions[name]
        else:
            raise CommandFailed(1000, f"could not run command: Session {name} is already {session.state}")

    def diffs(self, name: str) -> str:
        shown = self.named(name).candidate.text(GRAMMAR)
        ours, theirs = "system:/running-config", f"session:/{name}-session-config"
        return unified(self.running.text(GRAMMAR), shown, ours, theirs)

    def replace(self, name: str) -> None:
        self._run_by(self.read(name))

    def _merged(self, session: Session) -> Configuration:
        if session.clean:
            return session.candidate.copy()
        after = self.running.copy()
        Editor(GRAMMAR, after).load(session.took)
        return after

    def _run_by(self, wanted: Configuration) -> None:
        """Program the hardware, and then call it the running configuration. Raises CommandFailed when it does not fit. An interface that is
        there is shown, whatever is configured (as in every `show running-config` of NAPALM's transcripts)."""
        wanted.sections = self.factory().sections | wanted.sections
        needed = entries_needed(wanted)
        if self.faults.tcam is not None and needed > self.faults.tcam:
            raise CommandFailed(1000, f"could not run command: not enough TCAM for {needed} entries of access lists")
        self.hardware.program(forwarding(wanted, sorted(self.hardware.ports()), self._mac_lists_filter_ip))
        self.running = wanted

    def _forget_old(self) -> None:
        """One completed session is kept (`maxSavedSessions`)."""
        for name in [name for name, one in self.sessions.items() if one.state in (COMPLETED, ABORTED)]:
            del self.sessions[name]

    def _start_timer(self, name: str, session: Session, seconds: float) -> None:
        self._stop_timer()
        session.state, session.until = TIMED, self.uptime + seconds
        self._timer = threading.Timer(seconds, self._expire, [name, session])
        self._timer.daemon = True
        self._timer.start()

    def _expire(self, name: str, session: Session) -> None:
        with self.lock:
            if self.sessions.get(name) is session and session.state == TIMED:
                self._revert(name)

    def _revert(self, name: str) -> None:
        session = self.sessions[name]
        self._stop_timer()
        if session.before is not None:
            self._run_by(session.before)
        session.state, session.before, session.until = ABORTED, None, None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
