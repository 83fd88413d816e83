"""What is asked of a Cisco IOS switch and told to it: through NAPALM's unmodified ios driver, and, by what is in `Catalyst`, without it.

NAPALM opens, transfers the file, and reads facts and configurations. The commit is ours: NAPALM's `commit_config` and `confirm_commit` save
the running configuration, with a colleague's unsaved edits in it, notice one only of IOS's complaints, and configure `file prompt quiet`.

A change waits for `configure confirm` from before its first line on ("Configuration Rollback Confirmed Change", IOS 17.x System
Management), and the device is reached over a new connection before it is confirmed.
"""

from __future__ import annotations

import logging
import re
import time
from abc import ABC, abstractmethod
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
from drivers.napalm_config import ios_config, render
from drivers.napalm_config.ios_dialect import IOS, canonical
from drivers.napalm_config.ios_told import boot_id, complaints, errdisabled, interfaces, room, vlans, waiting
from drivers.napalm_config.options import CatalystOptions, IosOptions
from drivers.napalm_config.platform import COMMIT, Line, Sending
from drivers.napalm_config.port_lists import ABSOLUTE, ALWAYS, LACKS, matchable
from drivers.napalm_config.quarantine import is_bouncing, opened
from drivers.napalm_config.seen import Room, Seen, SeenState, held, port_state
from drivers.rules import Direction, PortName, RuleSet, parse_mac

LOG = logging.getLogger("netcordon.napalm")
MERGE = "netcordon-merge.txt"
VERSION = "show version | include uptime is|System restarted|Processor board"
TIMER = "show archive config rollback timer"
SAVED = "show archive config differences nvram:startup-config system:running-config"
NONE = "(?!)"
"""A question that is never asked."""
ROOM = ("show platform tcam utilization", "show platform hardware fed switch active fwd-asic resource tcam utilization")
"""By the family of the hardware: the first that is known is asked from then on."""


class Catalyst(ABC):
    """Denies and permits on a port, by protocol, addresses, and TCP or UDP ports: of what comes in, and of what goes out where ports have
    such lists; and moves an access port into another VLAN. The token of a commit says when IOS began to wait for its confirmation."""

    name = "IOS"

    def __init__(self, device: str, options: CatalystOptions) -> None:
        self._device, self._options = device, options
        self._line: Any = None
        self._tells_room: str | None = None
        self._asked_room = False
        self._bouncing: dict[str, float] = {}
        ways = tuple(Direction) if options.port_lists_out else (Direction.FROM,)
        advice = "a list on a switch's port knows no MAC, and tells addresses in IP alone"
        if not options.port_lists_out:
            advice += "; this switch has none for what leaves a port (`port_lists_out`)"
        self.capabilities = Capabilities(
            matchable=matchable(*ways),
            always=ALWAYS,
            lacks=LACKS,
            absolute=ABSOLUTE,
            transactional=True,
            dead_man=DeadMan(shortest=60, longest=7200, step=60),
            preview=True,
            events=True,
            advice=f"{advice}: contain the whole port by profile full or quarantine-vlan",
        )

    @abstractmethod
    def line(self) -> Line: ...

    @abstractmethod
    def lost(self) -> tuple[type[BaseException], ...]: ...

    @abstractmethod
    def compare(self, napalm: Any, lines: list[str]) -> str: ...

    @abstractmethod
    def _prepare(self, napalm: Any, lines: list[str]) -> None:
        """What can be done before anything counts."""

    @abstractmethod
    def _enact(self, napalm: Any, lines: list[str]) -> list[str]:
        """Let the lines count. What the switch did not take."""

    def refused(self) -> tuple[type[BaseException], ...]:
        from napalm.base.exceptions import CommandErrorException, MergeConfigException

        return CommandErrorException, MergeConfigException

    def boot_id(self, napalm: Any) -> str:
        return boot_id(run(napalm, VERSION))

    def look(self, napalm: Any) -> ObservedState:
        at = time.time()
        boot = boot_id(run(napalm, VERSION))
        status = run(napalm, "show interfaces status")
        seen = self._read(napalm, status)
        links = interfaces(status)
        rules = tuple(ObservedRule(rule, native) for rule, native in sorted(held(seen).items()))
        ports = {name: port_state(state, links[name]) for name, state in seen.ports.items() if name in links}
        return SeenState(boot, at, rules, ports, seen=seen)

    def _read(self, napalm: Any, status: str) -> Seen:
        known = vlans(run(napalm, "show vlan brief"))
        unsettled = self._ours(napalm)
        running = napalm.get_config(retrieve="running")["running"]
        return ios_config.read(running, known, unsettled, self._room(napalm), errdisabled(status))

    def _room(self, napalm: Any) -> Room:
        """How many entries of lists there is room for: not every platform tells that."""
        for asked in ROOM if not self._asked_room else filter(None, [self._tells_room]):
            if not complaints(said := run(napalm, asked)):
                self._asked_room, self._tells_room = True, asked
                return room(said)
        self._asked_room = True
        return ()

    def glance(self, napalm: Any) -> DeviceFacts:
        boot = boot_id(run(napalm, VERSION))
        links = interfaces(run(napalm, "show interfaces status"))
        entries = tuple(
            MacEntry(parse_mac(one["mac"]), PortName(one["interface"]), one["vlan"])
            for one in napalm.get_mac_address_table()
            if one["interface"] in links and not one["static"]
        )
        ports = tuple(Interface(name, up=up) for name, up in sorted(links.items()))
        return DeviceFacts(self._device, boot, interfaces=ports, macs=entries)

    def port_of(self, name: str) -> str:
        return name

    def render(self, desired: RuleSet, observed: ObservedState, baseline: PreState) -> Change:
        """The baseline is not needed: what was there before us is noted on the device."""
        seen = observed.seen if isinstance(observed, SeenState) else None
        return render.change(self._device, desired, seen or Seen(IOS), baseline)

    def commit(self, napalm: Any, lines: list[str], sending: Sending) -> str | None:
        """A line that is refused takes the whole back, and with it what somebody else configured in the same moment, which is logged."""
        if (other := waiting(run(napalm, TIMER))) is not None:
            raise DeviceRefused(f"{self._device}: a change of {other[1]!r} waits for its confirmation")
        self._prepare(napalm, lines)
        sending()
        said = run(napalm, f"configure terminal revert timer {self._options.revert_in // 60}")
        if "Enter configuration commands" not in said:
            raise DeviceRefused(
                f"{self._device}: no change can wait for its confirmation there: {' '.join(said.split())[:200]}"
            )
        run(napalm, "end")
        token = self._ours(napalm)
        if wrong := self._enact(napalm, lines):
            self._take_back(napalm, lines)
            raise DeviceRefused(f"{self._device}: {'; '.join(wrong)[:300]}")
        if token is None:
            raise DeviceRefused(f"{self._device}: it does not tell that a change waits for its confirmation")
        self._bouncing = {token: time.monotonic()} if is_bouncing(lines) else {}
        self._line.drop()  # the next call has to reach the device anew
        return token

    def settle(self, napalm: Any, token: str, sending: Sending) -> None:
        if self._ours(napalm) != token:
            raise DeviceRefused(f"{self._device}: the commit was not confirmed in time, and the device has undone it")
        sending()
        if wrong := complaints(run(napalm, "configure confirm")):
            raise DeviceRefused(f"{self._device}: {'; '.join(wrong)[:300]}")
        if (shut_at := self._bouncing.pop(token, None)) is not None:
            time.sleep(max(0.0, shut_at + self._options.bounce_for - time.monotonic()))
            self._open(napalm)

    def _open(self, napalm: Any) -> None:
        """The end of a bounce. Without a timer: what it would put back is a port that is shut."""
        if lines := opened(self._read(napalm, "")):
            self._prepare(napalm, lines)
            if wrong := self._enact(napalm, lines):
                LOG.warning("%s: a port that was bounced may be shut still: %s", self._device, "; ".join(wrong)[:300])

    def is_clean(self, napalm: Any) -> bool:
        return "No changes were found" in run(napalm, SAVED)

    def save(self, napalm: Any) -> None:
        said = run(napalm, "write memory")
        if "[OK]" not in said:
            reason = " ".join(said.split())[:200]
            LOG.warning("%s: the change stands and could not be saved: %s", self._device, reason)

    def _ours(self, napalm: Any) -> str | None:
        """The token of a change of this account's that waits."""
        found = waiting(run(napalm, TIMER))
        return f"{COMMIT}{found[0]}" if found is not None and found[1] == self._options.username else None

    def _take_back(self, napalm: Any, lines: list[str]) -> None:
        before = run(napalm, "show running-config")
        said = run(napalm, "configure revert now")
        if "Rollback Done" not in said:
            LOG.warning(
                "%s: a refused push stands until the device's timer ends: %s",
                self._device,
                " ".join(said.split())[:200],
            )
            return
        stands, ours = _plain(run(napalm, "show running-config")), _plain("\n".join(lines))
        theirs = [line for line in _plain(before) if line not in stands + ours and "NETCORDON" not in line]
        if theirs:
            undone = "; ".join(theirs)[:500]
            LOG.warning("%s: with a refused push, what somebody else configured was undone: %s", self._device, undone)


class IosPlatform(Catalyst):
    """By a file that is put there over SCP and merged."""

    def __init__(self, device: str, options: IosOptions) -> None:
        super().__init__(device, options)
        self._ios_options, self._file_system = options, options.file_system

    def line(self) -> Line:
        from drivers.napalm_config.ios_line import IosLine

        logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # it prints tracebacks of what is reported here anyway
        self._line = IosLine(self._device, self._ios_options, MERGE)
        return self._line  # type: ignore[no-any-return]

    def lost(self) -> tuple[type[BaseException], ...]:
        from napalm.base.exceptions import ConnectionException
        from netmiko.exceptions import NetmikoBaseException
        from paramiko import SSHException
        from scp import SCPException

        return ConnectionException, NetmikoBaseException, SSHException, SCPException

    def compare(self, napalm: Any, lines: list[str]) -> str:
        self._prepare(napalm, lines)
        return str(napalm.compare_config())

    def _prepare(self, napalm: Any, lines: list[str]) -> None:
        """The file that is to be merged, by SCP. Netmiko raises ValueError for answers that it does not expect."""
        try:
            napalm.load_merge_candidate(config="\n".join([*lines, "end", ""]))
        except ValueError as error:
            raise DeviceRefused(
                f"{self._device}: the file could not be put there: {' '.join(str(error).split())[:200]}"
            ) from None

    def _enact(self, napalm: Any, lines: list[str]) -> list[str]:
        """IOS asks for the name of what is written, unless `file prompt quiet` is configured."""
        said = run(napalm, f"copy {self._file_system}/{MERGE} running-config", r"Destination filename.*\?")
        if "Destination filename" in said and "copied" not in said:
            said += run(napalm, "")
        return complaints(said)


def _plain(text: str) -> list[str]:
    """A configuration's lines in one spelling, without what is said about the configuration."""
    lines = [line.strip() for line in text.splitlines()]
    return [canonical(line) or line for line in lines if line.split()[1:] and not re.match(r"!|Current|Building", line)]


def run(napalm: Any, command: str, question: str = NONE) -> str:
    """A command that NAPALM has no method for, on its own session: what is said until the prompt, of whatever mode, or the question."""
    prompt = rf"^{re.escape(napalm.device.base_prompt)}\S*[>#]\s*$"
    if command and question == NONE:
        from drivers.napalm_config.ssh_line import ask

        return ask(napalm, [command], f"(?m:{prompt})")
    until = rf"(?m:{prompt}|{question})"
    # Netmiko takes the first line away for the command's echo: an empty answer has none, and the line is IOS's.
    return str(napalm.device.send_command(command, expect_string=until, strip_command=bool(command)))
