"""What is asked of a Cisco NX-OS switch and told to it, through NAPALM's unmodified nxos_ssh driver.

NAPALM opens, and reads facts and configurations. The commit is ours: NAPALM's types line after line under `configure terminal`, notices one
only of NX-OS's complaints, rolls the whole configuration back then, has no timer, and saves the running configuration with a colleague's
unsaved edits in it.

A change is typed in `configure dual-stage` and made by `commit confirmed`, all of it or nothing ("Two-stage Configuration Commit", Nexus
9000 System Management Configuration Guide 10.2(x) to 10.5(x); a switch that has no such mode is refused). It is confirmed by `commit` in
the same session, once the device was reached over another connection. What another session may do about a commit that waits is not
documented: when its session is lost, nothing is sent until the device has undone it.
"""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass, replace
from typing import Any

from drivers.base import (
    Capabilities,
    Change,
    DeadMan,
    DeviceFacts,
    DeviceRefused,
    Interface,
    MacEntry,
    ObservedRule,
    ObservedState,
    PreState,
)
from drivers.napalm_config import nxos_config, render
from drivers.napalm_config.ios_told import vlans
from drivers.napalm_config.nxos_dialect import NXOS
from drivers.napalm_config.nxos_told import boot_id, committed, complaints, is_clean, name_of, room, statuses
from drivers.napalm_config.options import NxosOptions
from drivers.napalm_config.platform import COMMIT, Line, Sending
from drivers.napalm_config.port_lists import ABSOLUTE, ALWAYS, LACKS, matchable
from drivers.napalm_config.quarantine import is_bouncing, opened
from drivers.napalm_config.seen import Seen, SeenState, held, port_state
from drivers.rules import Direction, PortName, RuleSet, parse_mac

LOG = logging.getLogger("netcordon.napalm")
ROOM = "show hardware access-list resource utilization"
CAPABILITIES = Capabilities(
    matchable=matchable(Direction.FROM),
    always=ALWAYS,
    lacks=LACKS,
    absolute=ABSOLUTE,
    transactional=True,
    dead_man=DeadMan(shortest=30, longest=3600),
    preview=True,
    events=True,
    advice=(
        "a list on a switch's port knows no MAC, tells addresses in IP alone, and filters what comes in and not what leaves: contain the"
        " whole port by profile full or quarantine-vlan"
    ),
)
AT_ONCE = 20
"""Lines that are typed ahead of their answers: a kilobyte or two, which any terminal takes."""
TOO_LATE = 1.0
"""Seconds before the end of a timer in which a commit is not confirmed any more: the answer would not tell which of the two was first."""
FATE = 3.0
"""Seconds that a look waits for a commit to be undone whose session was lost; after them it is told as one that waits."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A commit under its timer: `token` names it, `before` is the configuration that comes back, `until` when it does at the latest, by
    this machine's monotonic clock. `line` holds its session, if that is open still. `confirming`: its confirmation was sent."""

    token: str
    before: str
    until: float
    line: Any
    bounces: bool
    confirming: bool = False

    @property
    def doomed(self) -> bool:
        """Nobody can confirm it any more, or has. What became of one whose confirmation was sent, its session does not tell any more."""
        return not self.confirming and self.line.held is None


class NxosPlatform:
    """Denies and permits of what comes in by a port, by protocol, addresses, and TCP or UDP ports; and moves an access port into another
    VLAN. The token of a commit has the number that NX-OS gave it."""

    name = "NX-OS"
    capabilities = CAPABILITIES

    def __init__(self, device: str, options: NxosOptions) -> None:
        self._device, self._options = device, options
        self._line: Any = None
        self._waiting: Waiting | None = None

    def line(self) -> Line:
        from drivers.napalm_config.nxos_line import NxosLine

        logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # it prints tracebacks of what is reported here anyway
        self._line = NxosLine(self._device, self._options)
        return self._line  # type: ignore[no-any-return]

    def lost(self) -> tuple[type[BaseException], ...]:
        from napalm.base.exceptions import ConnectionException
        from netmiko.exceptions import NetmikoBaseException
        from paramiko import SSHException

        return ConnectionException, NetmikoBaseException, SSHException

    def refused(self) -> tuple[type[BaseException], ...]:
        """NAPALM's parsers raise ValueError for what they do not expect."""
        from napalm.base.exceptions import CommandErrorException, MergeConfigException

        return CommandErrorException, MergeConfigException, ValueError

    def boot_id(self, napalm: Any) -> str:
        return boot_id(_run(napalm, "show version"), _run(napalm, "show system uptime"))

    def look(self, napalm: Any) -> ObservedState:
        at = time.time()
        boot = self.boot_id(napalm)
        self._await_fate(napalm)
        seen, links = self._read(napalm)
        rules = tuple(ObservedRule(rule, native) for rule, native in sorted(held(seen).items()))
        ports = {name: port_state(state, links[name]) for name, state in seen.ports.items() if name in links}
        return SeenState(boot, at, rules, ports, seen=seen)

    def _read(self, napalm: Any) -> tuple[Seen, dict[PortName, bool]]:
        """With the link of each port."""
        status = statuses(_run(napalm, "show interface status"))
        known = vlans(_run(napalm, "show vlan brief"))
        waiting = self._waiting
        unsettled = waiting.token if waiting is not None and not waiting.confirming else None
        said = _run(napalm, ROOM)
        seen = nxos_config.read(_running(napalm), status, known, unsettled, () if complaints(said) else room(said))
        return seen, {name: one.link == "connected" for name, one in status.items()}

    def _await_fate(self, napalm: Any) -> None:
        """What is there while a commit waits whose session was lost is about to go."""
        ends = time.monotonic() + FATE
        while (waiting := self._waiting) is not None:
            now = time.monotonic()
            if now > waiting.until or (waiting.doomed and _plain(_running(napalm)) == waiting.before):
                waiting.line.let_go()
                self._waiting = None
            elif not waiting.doomed or now > ends:
                return
            else:
                time.sleep(min(0.25, waiting.until - now + 0.01))

    def glance(self, napalm: Any) -> DeviceFacts:
        status = statuses(_run(napalm, "show interface status"))
        entries = tuple(
            MacEntry(parse_mac(one["mac"]), PortName(name_of(one["interface"])), one["vlan"])
            for one in napalm.get_mac_address_table()
            if name_of(one["interface"]) in status and not one["static"]
        )
        ports = tuple(Interface(name, up=one.link == "connected") for name, one in sorted(status.items()))
        return DeviceFacts(self._device, self.boot_id(napalm), interfaces=ports, macs=entries)

    def port_of(self, name: str) -> str:
        return name_of(name)

    def render(self, desired: RuleSet, observed: ObservedState, baseline: PreState) -> Change:
        """The baseline is not needed: what was there before us is noted on the device."""
        seen = observed.seen if isinstance(observed, SeenState) else None
        return render.change(self._device, desired, seen or Seen(NXOS), baseline)

    def compare(self, napalm: Any, lines: list[str]) -> str:
        """What the device has staged of them, every line of it understood."""
        self._stage(napalm, lines)
        said = _run(napalm, "show configuration")
        _run(napalm, "abort")
        staged = [line for line in said.splitlines() if line.strip() and not line.startswith("!")]
        return "\n".join(f"{'-' if line.split()[0] == 'no' else '+'}{line}" for line in staged)

    def commit(self, napalm: Any, lines: list[str], sending: Sending) -> str:
        if self._waiting is not None and not self._waiting.confirming:
            raise DeviceRefused(f"{self._device}: {self._fate(self._waiting)}")
        before = _plain(_running(napalm))
        self._stage(napalm, lines)
        until = time.monotonic() + self._options.revert_in
        # Should no answer come, it may wait there all the same, and its session is lost.
        waiting = Waiting(f"{COMMIT}lost", before, until, self._line, is_bouncing(lines))
        self._waiting = waiting
        sending()
        number = self._committed(napalm, f"commit confirmed {self._options.revert_in}")
        self._waiting = replace(waiting, token=f"{COMMIT}{number}", until=time.monotonic() + self._options.revert_in)
        self._line.hold()  # the next call has to reach the device anew
        return self._waiting.token

    def settle(self, napalm: Any, token: str, sending: Sending) -> None:
        waiting = self._waiting
        if waiting is None or waiting.token != token:
            raise DeviceRefused(f"{self._device}: the commit was not confirmed in time, and the device has undone it")
        session = waiting.line.held
        if session is None or time.monotonic() > waiting.until - TOO_LATE:
            waiting.line.let_go()
            raise DeviceRefused(f"{self._device}: {self._fate(waiting)}")
        self._waiting = replace(waiting, confirming=True)
        sending()
        said = _run(session, "commit")
        waiting.line.let_go()
        if complaints(said) or re.search("expired|rollback", said, re.IGNORECASE):
            raise DeviceRefused(f"{self._device}: the commit was not confirmed: {' '.join(said.split())[:200]}")
        self._waiting = None
        if waiting.bounces:
            time.sleep(max(0.0, waiting.until - self._options.revert_in + self._options.bounce_for - time.monotonic()))
            self._open(napalm)

    def _fate(self, waiting: Waiting) -> str:
        left = max(0, round(waiting.until - time.monotonic()))
        lost = "; its session was lost, and the device undoes it" if waiting.doomed else ""
        return f"a commit waits for its confirmation for {left} s more{lost}"

    def _open(self, napalm: Any) -> None:
        """The end of a bounce. Without a timer: what it would put back is a port that is shut."""
        if lines := opened(self._read(napalm)[0]):
            try:
                self._stage(napalm, lines)
                self._committed(napalm, "commit")
                _run(napalm, "end")
            except DeviceRefused as error:
                LOG.warning("%s: a port that was bounced may be shut still", error)

    def is_clean(self, napalm: Any) -> bool:
        return is_clean(_run(napalm, "show running-config diff"))

    def save(self, napalm: Any) -> None:
        said = _run(napalm, "copy running-config startup-config")
        if "Copy complete" not in said:
            reason = " ".join(said.split())[:200]
            LOG.warning("%s: the change stands and could not be saved: %s", self._device, reason)

    def _stage(self, napalm: Any, lines: list[str]) -> None:
        """Type the lines in dual-stage mode, and stay there. A line that is refused leaves nothing staged."""
        said = _run(napalm, "configure dual-stage")
        if "Enter configuration commands" not in said:
            reason = " ".join(said.split())[:200]
            raise DeviceRefused(f"{self._device}: no change can wait for its confirmation there: {reason}")
        for at in range(0, len(lines), AT_ONCE):
            self._or_abort(napalm, complaints(_typed(napalm, lines[at : at + AT_ONCE])))

    def _committed(self, napalm: Any, command: str) -> str:
        said = _run(napalm, command)
        number = committed(said)
        if number is None:
            self._waiting = None
            self._or_abort(napalm, complaints(said) or [" ".join(said.split())])
        return str(number)

    def _or_abort(self, napalm: Any, wrong: list[str]) -> None:
        if wrong:
            _run(napalm, "abort")
            raise DeviceRefused(f"{self._device}: {'; '.join(wrong)[:300]}")


def _running(napalm: Any) -> str:
    return str(napalm.get_config(retrieve="running")["running"])


def _plain(text: str) -> str:
    """A configuration without what is said about it, as when it was last changed."""
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip() and not line.startswith("!"))


def _typed(napalm: Any, lines: list[str]) -> str:
    """Lines that are typed ahead: what is said until each of them has its prompt."""
    from drivers.napalm_config.ssh_line import ask

    prompt = re.escape(napalm.device.base_prompt) + r"\(\S*\)#"
    return ask(napalm, [line.strip() for line in lines], prompt)


def _run(napalm: Any, command: str) -> str:
    """A command that NAPALM has no method for, on its own session: what is said until the prompt, of whatever mode."""
    from drivers.napalm_config.ssh_line import ask

    return ask(napalm, [command], rf"(?m:^{re.escape(napalm.device.base_prompt)}\S*[>#]\s*$)")
