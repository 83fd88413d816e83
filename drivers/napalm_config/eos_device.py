"""What is asked of an Arista EOS switch and told to it, through NAPALM's unmodified eos driver."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Mapping
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
from drivers.napalm_config import eos_config, render
from drivers.napalm_config.eos_dialect import EOS
from drivers.napalm_config.options import EosOptions
from drivers.napalm_config.platform import COMMIT, Line, Sending
from drivers.napalm_config.port_lists import ABSOLUTE, ALWAYS, LACKS, matchable
from drivers.napalm_config.quarantine import is_bouncing, opened
from drivers.napalm_config.seen import Seen, SeenPort, SeenState, held, port_state
from drivers.rules import Direction, Mac, PortName, RuleSet, parse_mac

LOG = logging.getLogger("netcordon.napalm")
CAPABILITIES = Capabilities(
    matchable=matchable(*Direction),
    always=ALWAYS,
    lacks=LACKS,
    absolute=ABSOLUTE,
    transactional=True,
    dead_man=DeadMan(shortest=30, longest=3600),
    preview=True,
    events=True,
    advice=(
        "a list on a switch's port knows no MAC, tells addresses in IP alone, and going out lets ARP pass or nothing: contain the whole"
        " port by profile full or quarantine-vlan, or close services by lateral or a profile whose default is permit"
    ),
)
ROOM = "show hardware capacity"


class EosPlatform:
    """Denies and permits on a port, by protocol, addresses, and TCP or UDP ports, and moves an access port into another VLAN. A commit is a
    configure session, and its token that session's name."""

    name = "EOS"
    capabilities = CAPABILITIES

    def __init__(self, device: str, options: EosOptions) -> None:
        self._device, self._options = device, options
        self._tells_room = True
        self._bouncing: dict[str, float] = {}

    def line(self) -> Line:
        from drivers.napalm_config.eos_line import EosLine

        logging.getLogger("pyeapi").setLevel(logging.CRITICAL)  # it prints tracebacks of what is reported here anyway
        return EosLine(self._device, self._options)

    def lost(self) -> tuple[type[BaseException], ...]:
        import pyeapi.eapilib
        from napalm.base.exceptions import ConnectionException

        return pyeapi.eapilib.ConnectionError, ConnectionException

    def refused(self) -> tuple[type[BaseException], ...]:
        import pyeapi.eapilib
        from napalm.base.exceptions import CommitError, MergeConfigException

        return pyeapi.eapilib.CommandError, CommitError, MergeConfigException

    def boot_id(self, napalm: Any) -> str:
        return _boot_id(_run(napalm, "show version")[0])

    def look(self, napalm: Any) -> ObservedState:
        at = time.time()
        version, sessions, interfaces, room = self._ask(napalm)
        told = interfaces["interfaces"]
        running = napalm.get_config(retrieve="running")["running"]
        halted = [PortName(name) for name, one in told.items() if one.get("interfaceStatus") == "errdisabled"]
        seen = eos_config.read(running, [PortName(name) for name in told], _timed(sessions), room, halted)
        rules = tuple(ObservedRule(rule, native) for rule, native in sorted(held(seen).items()))
        ports = {name: _state(state, told.get(name, {})) for name, state in seen.ports.items()}
        return SeenState(_boot_id(version), at, rules, ports, seen=seen)

    def _ask(self, napalm: Any) -> tuple[Any, Any, Any, int | None]:
        """Version, sessions, interfaces, and how many entries of lists there is room for: not every platform tells that."""
        import pyeapi.eapilib

        questions = ("show version", "show configuration sessions detail", "show interfaces")
        if self._tells_room:
            try:
                version, sessions, interfaces, capacity = _run(napalm, *questions, ROOM)
            except pyeapi.eapilib.CommandError:
                self._tells_room = False
            else:
                return version, sessions, interfaces, _room(capacity)
        version, sessions, interfaces = _run(napalm, *questions)
        return version, sessions, interfaces, None

    def glance(self, napalm: Any) -> DeviceFacts:
        """One request."""
        version, interfaces, macs = _run(napalm, "show version", "show interfaces", "show mac address-table")
        told = interfaces["interfaces"]
        ports = tuple(
            Interface(PortName(name), mac=_mac(one.get("physicalAddress")), up=one["lineProtocolStatus"] == "up")
            for name, one in sorted(told.items())
        )
        entries = tuple(
            MacEntry(parse_mac(one["macAddress"]), PortName(one["interface"]), one["vlanId"])
            for one in macs.get("unicastTable", {}).get("tableEntries", ())
            if one.get("interface") in told and one.get("entryType") == "dynamic"
        )
        return DeviceFacts(self._device, _boot_id(version), interfaces=ports, macs=entries)

    def port_of(self, name: str) -> str:
        return name

    def render(self, desired: RuleSet, observed: ObservedState, baseline: PreState) -> Change:
        seen = observed.seen if isinstance(observed, SeenState) else None
        return render.change(self._device, desired, seen or Seen(EOS), baseline)

    def compare(self, napalm: Any, lines: list[str]) -> str:
        self._begin(napalm)
        napalm.load_merge_candidate(config=lines)
        diff = str(napalm.compare_config())
        napalm.discard_config()
        return diff

    def commit(self, napalm: Any, lines: list[str], sending: Sending) -> str:
        import pyeapi.eapilib
        from napalm.base.exceptions import CommitError

        self._begin(napalm)
        name = str(napalm.config_session)
        sending()
        napalm.load_merge_candidate(config=lines)
        try:
            napalm.commit_config(revert_in=self._options.revert_in)
        except (pyeapi.eapilib.CommandError, CommitError):
            napalm.discard_config()  # it said no; where no answer came, the session may be committed, and stays
            raise
        self._bouncing = {name: time.monotonic()} if is_bouncing(lines) else {}
        return name

    def settle(self, napalm: Any, token: str, sending: Sending) -> None:
        """EOS would take a name that it does not know for a new session."""
        if _timed(_run(napalm, "show configuration sessions detail")[0]) != token:
            raise DeviceRefused(f"{self._device}: the commit was not confirmed in time, and the device has undone it")
        sending()
        _run(napalm, f"configure session {token} commit")
        napalm.config_session = None
        if (shut_at := self._bouncing.pop(token, None)) is not None:
            time.sleep(max(0.0, shut_at + self._options.bounce_for - time.monotonic()))
            self._open(napalm)

    def _open(self, napalm: Any) -> None:
        """The end of a bounce. Without a timer: what it would put back is a port that is shut."""
        running = napalm.get_config(retrieve="running")["running"]
        if lines := opened(eos_config.read(running, ())):
            self._begin(napalm)
            napalm.load_merge_candidate(config=lines)
            _run(napalm, f"configure session {napalm.config_session} commit")
            napalm.config_session = None

    def is_clean(self, napalm: Any) -> bool:
        answer = napalm.device.run_commands(["show running-config diffs"], encoding="text")
        return not answer[0]["output"].strip()

    def save(self, napalm: Any) -> None:
        import pyeapi.eapilib

        try:
            _run(napalm, "write memory")
        except pyeapi.eapilib.CommandError as error:
            LOG.warning("%s: the change stands and could not be saved: %s", self._device, error)

    def _begin(self, napalm: Any) -> None:
        """A session name of ours, so that what is left over of it is known; and what is left over of former ones goes."""
        told = _run(napalm, "show configuration sessions detail")[0]["sessions"]
        left = [name for name, one in told.items() if name.startswith(COMMIT) and one["state"] == "pending"]
        if left:
            _run(napalm, *(f"configure session {name} abort" for name in left))
        napalm.config_session = COMMIT + secrets.token_hex(4)


def _run(napalm: Any, *commands: str) -> list[Any]:
    """Commands that NAPALM has no method for, on its own session."""
    answers: list[Any] = napalm.device.run_commands(list(commands))
    return answers


def _room(capacity: Mapping[str, Any]) -> int | None:
    """The free entries of the fullest table for access lists ("show hardware capacity": a row a table, with its feature, used and free
    entries); None where there is none such."""
    free = [int(row["free"]) for row in capacity.get("tables", ()) if "ACL" in str(row.get("feature", "")).upper()]
    return min(free, default=None)


def _boot_id(version: Mapping[str, Any]) -> str:
    return f"{version['serialNumber'] or version['systemMacAddress']}-{int(version['bootupTimestamp'])}"


def _timed(sessions: Mapping[str, Any]) -> str | None:
    """The commit of ours that waits for its confirmation; before EOS 4.32 it is told by its state (as NAPALM reads it)."""
    named = sessions.get("commitTimerSessionName")
    waiting = (
        [named] if named else [n for n, one in sessions["sessions"].items() if "pendingCommitTimer" in one["state"]]
    )
    return next((name for name in waiting if name.startswith(COMMIT)), None)


def _state(state: SeenPort, told: Mapping[str, Any]) -> PortState:
    counted = told.get("interfaceCounters", {})
    return port_state(
        state, told.get("lineProtocolStatus") == "up", counted.get("inUcastPkts"), counted.get("outUcastPkts")
    )


def _mac(address: str | None) -> Mac | None:
    return parse_mac(address) if address else None
