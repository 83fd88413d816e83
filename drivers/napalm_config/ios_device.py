"""What is asked of a Cisco IOS switch and told to it, through NAPALM's unmodified ios driver.

NAPALM opens, transfers the file, and reads facts and configurations. The commit is ours: NAPALM's `commit_config` and `confirm_commit` save
the running configuration, with a colleague's unsaved edits in it, notice one only of IOS's complaints, and configure `file prompt quiet`.

A change waits for `configure confirm` from before its first line on ("Configuration Rollback Confirmed Change", IOS 17.x System
Management), and the device is reached over a new connection before it is confirmed.
"""

from __future__ import annotations

import logging
import re
import time
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
    PortState,
    PreState,
)
from drivers.napalm_config import ios_config, ios_render
from drivers.napalm_config.ios_config import FAMILIES, WAYS, IosState, Seen, SeenPort
from drivers.napalm_config.ios_ports import canonical
from drivers.napalm_config.ios_told import boot_id, complaints, interfaces, vlans, waiting
from drivers.napalm_config.options import IosOptions
from drivers.napalm_config.platform import COMMIT, Line, Sending
from drivers.rules import Action, Direction, PortName, RuleSet, parse_mac

LOG = logging.getLogger("netcordon.napalm")
MERGE = "netcordon-merge.txt"
VERSION = "show version | include uptime is|System restarted|Processor board"
TIMER = "show archive config rollback timer"
SAVED = "show archive config differences nvram:startup-config system:running-config"
_FROM = frozenset({"port", "protocol", "own_ports", "peer_ports", "established"})


class IosPlatform:
    """Denies by port: what comes in also by protocol and TCP or UDP ports, what goes out as a whole where ports have such lists; and moves
    an access port into another VLAN. The token of a commit says when IOS began to wait for its confirmation."""

    name = "IOS"

    def __init__(self, device: str, options: IosOptions) -> None:
        self._device, self._options = device, options
        self._line: Any = None
        matchable = {(Action.DENY, Direction.FROM, _FROM), (Action.MOVE_VLAN, Direction.FROM, frozenset({"port"}))}
        advice = "a list on a switch's port knows no MAC beside a protocol: contain the whole port, by profile full"
        if options.port_lists_out:
            matchable.add((Action.DENY, Direction.TO, frozenset({"port"})))
        else:
            advice = (
                "this switch has no lists for what leaves a port (`port_lists_out`): contain by profile quarantine-vlan"
            )
        self.capabilities = Capabilities(
            matchable=frozenset(matchable),
            transactional=True,
            dead_man=DeadMan(shortest=60, longest=7200, step=60),
            preview=True,
            events=True,
            advice=advice,
        )

    def line(self) -> Line:
        from drivers.napalm_config.ios_line import IosLine

        logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # it prints tracebacks of what is reported here anyway
        self._line = IosLine(self._device, self._options, MERGE)
        return self._line  # type: ignore[no-any-return]

    def lost(self) -> tuple[type[BaseException], ...]:
        from napalm.base.exceptions import ConnectionException
        from netmiko.exceptions import NetmikoBaseException
        from paramiko import SSHException
        from scp import SCPException

        return ConnectionException, NetmikoBaseException, SSHException, SCPException

    def refused(self) -> tuple[type[BaseException], ...]:
        from napalm.base.exceptions import CommandErrorException, MergeConfigException

        return CommandErrorException, MergeConfigException

    def boot_id(self, napalm: Any) -> str:
        return boot_id(_run(napalm, VERSION))

    def look(self, napalm: Any) -> ObservedState:
        at = time.time()
        boot = boot_id(_run(napalm, VERSION))
        links = interfaces(_run(napalm, "show interfaces status"))
        known = vlans(_run(napalm, "show vlan brief"))
        unsettled = self._ours(napalm)
        running = napalm.get_config(retrieve="running")["running"]
        seen = ios_config.read(running, known, unsettled)
        rules = tuple(ObservedRule(rule, native) for rule, native in sorted(ios_config.held(seen).items()))
        ports = {
            name: _port_state(state, links.get(name, False)) for name, state in seen.ports.items() if name in links
        }
        return IosState(boot, at, rules, ports, seen=seen)

    def glance(self, napalm: Any) -> DeviceFacts:
        boot = boot_id(_run(napalm, VERSION))
        links = interfaces(_run(napalm, "show interfaces status"))
        entries = tuple(
            MacEntry(parse_mac(one["mac"]), PortName(one["interface"]), one["vlan"])
            for one in napalm.get_mac_address_table()
            if one["interface"] in links and not one["static"]
        )
        ports = tuple(Interface(name, up=up) for name, up in sorted(links.items()))
        return DeviceFacts(self._device, boot, interfaces=ports, macs=entries)

    def render(self, desired: RuleSet, observed: ObservedState, baseline: PreState) -> Change:
        """The baseline is not needed: what was there before us is noted on the device."""
        return ios_render.change(self._device, desired, observed.seen if isinstance(observed, IosState) else Seen())

    def compare(self, napalm: Any, lines: list[str]) -> str:
        self._put(napalm, lines)
        return str(napalm.compare_config())

    def commit(self, napalm: Any, lines: list[str], sending: Sending) -> str:
        """A line that is refused takes the whole back, and with it what somebody else configured in the same moment, which is logged."""
        if (other := waiting(_run(napalm, TIMER))) is not None:
            raise DeviceRefused(f"{self._device}: a change of {other[1]!r} waits for its confirmation")
        self._put(napalm, lines)
        sending()
        said = _run(napalm, f"configure terminal revert timer {self._options.revert_in // 60}")
        if "Enter configuration commands" not in said:
            raise DeviceRefused(
                f"{self._device}: no change can wait for its confirmation there: {' '.join(said.split())[:200]}"
            )
        _run(napalm, "end")
        token = self._ours(napalm)
        if wrong := complaints(self._merge(napalm)):
            self._take_back(napalm, lines)
            raise DeviceRefused(f"{self._device}: {'; '.join(wrong)[:300]}")
        if token is None:
            raise DeviceRefused(f"{self._device}: it does not tell that a change waits for its confirmation")
        self._line.drop()  # the next call has to reach the device anew
        return token

    def settle(self, napalm: Any, token: str, sending: Sending) -> None:
        if self._ours(napalm) != token:
            raise DeviceRefused(f"{self._device}: the commit was not confirmed in time, and the device has undone it")
        sending()
        if wrong := complaints(_run(napalm, "configure confirm")):
            raise DeviceRefused(f"{self._device}: {'; '.join(wrong)[:300]}")

    def is_clean(self, napalm: Any) -> bool:
        return "No changes were found" in _run(napalm, SAVED)

    def save(self, napalm: Any) -> None:
        said = _run(napalm, "write memory")
        if "[OK]" not in said:
            reason = " ".join(said.split())[:200]
            LOG.warning("%s: the change stands and could not be saved: %s", self._device, reason)

    def _ours(self, napalm: Any) -> str | None:
        """The token of a change of this account's that waits."""
        found = waiting(_run(napalm, TIMER))
        return f"{COMMIT}{found[0]}" if found is not None and found[1] == self._options.username else None

    def _put(self, napalm: Any, lines: list[str]) -> None:
        """The file that is to be merged, by SCP. Netmiko raises ValueError for answers that it does not expect."""
        try:
            napalm.load_merge_candidate(config="\n".join([*lines, "end", ""]))
        except ValueError as error:
            raise DeviceRefused(
                f"{self._device}: the file could not be put there: {' '.join(str(error).split())[:200]}"
            ) from None

    def _merge(self, napalm: Any) -> str:
        """IOS asks for the name of what is written, unless `file prompt quiet` is configured."""
        said = _run(napalm, f"copy {self._options.file_system}/{MERGE} running-config", r"Destination filename.*\?")
        return said + _run(napalm, "") if "Destination filename" in said and "copied" not in said else said

    def _take_back(self, napalm: Any, lines: list[str]) -> None:
        before = _run(napalm, "show running-config")
        said = _run(napalm, "configure revert now")
        if "Rollback Done" not in said:
            LOG.warning(
                "%s: a refused push stands until the device's timer ends: %s",
                self._device,
                " ".join(said.split())[:200],
            )
            return
        stands, ours = _plain(_run(napalm, "show running-config")), _plain("\n".join(lines))
        theirs = [line for line in _plain(before) if line not in stands + ours and "NETCORDON" not in line]
        if theirs:
            undone = "; ".join(theirs)[:500]
            LOG.warning("%s: with a refused push, what somebody else configured was undone: %s", self._device, undone)


def _plain(text: str) -> list[str]:
    """A configuration's lines in one spelling, without what is said about the configuration."""
    lines = [line.strip() for line in text.splitlines()]
    return [canonical(line) or line for line in lines if line.split()[1:] and not re.match(r"!|Current|Building", line)]


def _run(napalm: Any, command: str, question: str = "(?!)") -> str:
    """A command that NAPALM has no method for, on its own session: what is said until the prompt, of whatever mode, or the question."""
    prompt = rf"^{re.escape(napalm.device.base_prompt)}\S*[>#]\s*$"
    until = rf"(?m:{prompt}|{question})"
    # Netmiko takes the first line away for the command's echo: an empty answer has none, and the line is IOS's.
    return str(napalm.device.send_command(command, expect_string=until, strip_command=bool(command)))


def _port_state(state: SeenPort, up: bool) -> PortState:
    settings: dict[str, str | int | bool | None] = {"vlan": state.vlan}
    settings |= {f"{family} {way}": state.bound.get((family, way)) for family in FAMILIES for way in WAYS}
    return PortState(up, settings)
