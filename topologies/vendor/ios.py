"""A virtual Cisco IOS switch: its running and startup configuration, its flash, and the change that waits for its confirmation.

From Cisco's documents:

- What is typed under `configure terminal`, and what `copy ... running-config` reads, counts line by line; a line that is refused is said,
  and the others stand.
- `configure replace` makes the running configuration what the file says, in one go; with `revert trigger error` it goes back when a line is
  refused ("Configuration Replace and Configuration Rollback", IOS 17.x System Management).
- A change can wait for `configure confirm`: with `configure terminal revert timer <minutes>` or `configure replace ... timer <minutes>`,
  and not without a configuration archive. Unconfirmed, "the configuration reverts to its previous state", as a whole ("Configuration
  Rollback Confirmed Change", same).
- Where VTP is server or client, which is the default, VLANs are no part of the running configuration: they are in vlan.dat at once, and no
  replace, revert or reload undoes them. With `vtp mode transparent` or `off` they are shown with the rest.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from topologies.vendor.configuration import Configuration, InvalidInput, Rejected
from topologies.vendor.faults import Faults
from topologies.vendor.forwarding import Hardware
from topologies.vendor.ios_forwarding import bound, entries, forwarding
from topologies.vendor.ios_grammar import GRAMMAR, PORT, IosEditor, opens, shown

STARTUP, VLANS = "startup-config", "vlan.dat"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass
class Unconfirmed:
    """`minutes` after which `before` is restored, since when, and whose change it is."""

    before: Configuration
    user: str
    minutes: int
    since: float


class IosSwitch:
    """`flash` is the folder that outlives it: the startup configuration, vlan.dat and what is copied there. `lists_out`: whether its ports
    have lists that filter what leaves, which Catalyst 4500 have (Software Configuration Guide 12.2(25)SG, OL-7659-03, 33-23: "at most one
    IP access list and MAC access list applied to the same Layer 2 interface per direction") and 2960, 3560 and 3750 have not ("Port ACLs
    are supported only in the inbound direction"). Thread-safe: one command at a time, under `lock`."""

    def __init__(
        self,
        hardware: Hardware,
        flash: Path,
        hostname: str = "Switch",
        *,
        lists_out: bool = True,
        shows_numbers: bool = False,
        minute: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.hardware, self.flash, self.faults = hardware, flash, Faults()
        self.lists_out, self.shows_numbers = lists_out, shows_numbers
        self.lock = threading.RLock()
        self.unconfirmed: Unconfirmed | None = None
        self._minute, self._clock = minute, clock
        self._timer: threading.Timer | None = None
        flash.mkdir(parents=True, exist_ok=True)
        if not (flash / STARTUP).exists():
            (flash / STARTUP).write_text(f"hostname {hostname}\n!\nend\n")
        self.running = Configuration()
        self.booted = 0.0
        self.reload()

    def reload(self) -> None:
        """As after a power cut: what was not saved is gone, VLANs in vlan.dat are not."""
        with self.lock:
            self.settled()
            self.booted = self._clock()
            wanted = self.read(STARTUP)
            if not _shows_vlans(wanted) and (self.flash / VLANS).exists():
                self._load(wanted, (self.flash / VLANS).read_text().splitlines())
            self._run_by(wanted)

    def close(self) -> None:
        """No timer fires any more."""
        with self.lock:
            self.settled()

    @property
    def hostname(self) -> str:
        return next((line.split()[1] for line in self.running.lines if line.startswith("hostname ")), "Switch")

    @property
    def now(self) -> float:
        return self._clock()

    @property
    def entries_held(self) -> int:
        """How many of the hardware's entries its bound lists take."""
        return _entries_needed(self.running)

    @property
    def archives(self) -> bool:
        return any(line.startswith("path ") for line in self.running.section("archive"))

    def factory(self) -> Configuration:
        return Configuration([], {f"interface {PORT}{number}": [] for number in sorted(self.hardware.ports())})

    def text(self, configuration: Configuration | None = None) -> str:
        told = (self.running if configuration is None else configuration).copy()
        if not _shows_vlans(told):
            told.sections = {name: lines for name, lines in told.sections.items() if not name.startswith("vlan ")}
        return shown(told, numbers=self.shows_numbers)

    # --- files ------------------------------------------------------------------------------------------------------------

    def path(self, name: str) -> Path:
        """Of a file that is called `flash:/name`. Raises Rejected."""
        plain = re.sub(r"^flash:/?", "", name)
        if not _NAME.fullmatch(plain):
            raise Rejected(f"%Error opening {name} (Bad file name)")
        return self.flash / plain

    def contents(self, name: str) -> str:
        path = self.path(name)
        if not path.is_file():
            raise Rejected(f"%Error opening {name} (No such file or directory)")
        return path.read_text()

    def read(self, name: str) -> Configuration:
        """The configuration that a file holds. Raises Rejected, and InvalidInput with the line that is none."""
        found = self.factory()
        self._load(found, self.contents(name).splitlines())
        return found

    def save(self) -> None:
        if self.faults.lose_saves:
            raise Rejected("%Error opening nvram:/startup-config (No space left on device)")
        (self.flash / STARTUP).write_text(self.text())

    # --- changes ----------------------------------------------------------------------------------------------------------

    def editor(self, configuration: Configuration) -> IosEditor:
        return IosEditor(GRAMMAR, configuration, lists_out=self.lists_out)

    def take(self, context: str | None, line: str) -> None:
        """A line that counts at once, in the mode that `context` opens. Raises InvalidInput and Rejected."""
        self._check(line)
        after = self.running.copy()
        editor = self.editor(after)
        if context is not None:
            editor.take(context)
        editor.take(line)
        self._run_by(after)

    def _check(self, line: str) -> None:
        refuse = self.faults.refuse
        if refuse is not None and refuse.search(line.strip()):
            raise InvalidInput(0, line.split()[0])

    def edit(self, lines: list[str]) -> None:
        """What somebody types under `configure terminal`, of which nothing is refused."""
        with self.lock:
            after = self.running.copy()
            self._load(after, lines)
            self._run_by(after)

    def merge(self, lines: Iterable[str]) -> list[tuple[str, InvalidInput | Rejected]]:
        """The lines that are refused; the others count. They are programmed together, and one by one where they don't fit the hardware."""
        typed = [line for line in lines if line.split() and not line.split()[0].startswith("!")]
        after, refused = self.running.copy(), list[tuple[str, InvalidInput | Rejected]]()
        editor = self.editor(after)
        for line in typed:
            try:
                self._check(line)
                editor.take(line)
            except (InvalidInput, Rejected) as error:
                refused.append((line, error))
        try:
            self._run_by(after)
        except Rejected:
            return list(self._one_by_one(typed))
        return refused

    def _one_by_one(self, lines: Iterable[str]) -> Iterator[tuple[str, InvalidInput | Rejected]]:
        context: str | None = None
        for line in lines:
            words = line.split()
            if words in (["end"], ["exit"]):
                context = None
                continue
            try:
                self.take(context, line)
            except (InvalidInput, Rejected) as error:
                yield line, error
                continue
            context = opened(words, context)

    def replace(self, wanted: Configuration) -> None:
        """Raises Rejected when it does not fit the hardware."""
        if not _shows_vlans(wanted):
            vlans = {name: lines for name, lines in self.running.sections.items() if name.startswith("vlan ")}
            wanted.sections = {n: lines for n, lines in wanted.sections.items() if not n.startswith("vlan ")} | vlans
        self._run_by(wanted)

    def wait_for_confirmation(self, user: str, minutes: int) -> None:
        """The configuration as it is now comes back after so many minutes, unless it is `settled`. Raises Rejected."""
        if not self.archives:
            raise Rejected("%Please turn config archive on")
        if self.unconfirmed is not None:
            raise Rejected("%Rollback Confirmed Change pending: confirm or revert it first")
        self.unconfirmed = Unconfirmed(self.running.copy(), user, minutes, self.now)
        self._timer = threading.Timer(minutes * self._minute, self._expire, [self.unconfirmed])
        self._timer.daemon = True
        self._timer.start()

    def settled(self) -> bool:
        """Whether something waited; it waits no more, and stands."""
        if self._timer is not None:
            self._timer.cancel()
        was, self._timer, self.unconfirmed = self.unconfirmed, None, None
        return was is not None

    def revert(self) -> None:
        """Back to what was before the change that waits. Raises Rejected when none does."""
        waiting = self.unconfirmed
        if waiting is None:
            raise Rejected("%No Rollback Confirmed Change pending")
        self.settled()
        self.replace(waiting.before)

    def _expire(self, waiting: Unconfirmed) -> None:
        with self.lock:
            if self.unconfirmed is waiting:
                self.revert()

    def _load(self, configuration: Configuration, lines: Iterable[str]) -> None:
        self.editor(configuration).load(lines)

    def _run_by(self, wanted: Configuration) -> None:
        """Program the hardware, and then call it the running configuration. Interfaces and VLAN 1 cannot go."""
        wanted.sections = self.factory().sections | wanted.sections
        needed = _entries_needed(wanted)
        if self.faults.tcam is not None and needed > self.faults.tcam:
            raise Rejected(f"%Error: not enough TCAM for {needed} entries of access lists")
        self.hardware.program(forwarding(wanted, sorted(self.hardware.ports())))
        self.running = wanted
        vlans = {name: lines for name, lines in wanted.sections.items() if name.startswith("vlan ")}
        (self.flash / VLANS).write_text(Configuration([], vlans).text(GRAMMAR))


def opened(words: list[str], context: str | None) -> str | None:
    """The mode that a line that was taken leaves it in: the header to open it by, None at the top."""
    if words[0] == "no":
        return context if words[1:2] in (["permit"], ["deny"], ["remark"], ["sequence"]) else _left(words[1:], context)
    return " ".join(words) if opens(words) else context


def _left(words: list[str], context: str | None) -> str | None:
    """`no vlan 20` and `no ip access-list ...` are typed at the top, whatever mode was open."""
    return None if words[:1] == ["vlan"] or words[1:2] == ["access-list"] else context


def _entries_needed(configuration: Configuration) -> int:
    held = [one for lines in configuration.of("interface").values() for one in bound(lines)]
    return sum(len(entry.flows) for family, name, _ in held for entry in entries(configuration, family, name))


def _shows_vlans(configuration: Configuration) -> bool:
    return bool({"vtp mode transparent", "vtp mode off"} & set(configuration.lines))
