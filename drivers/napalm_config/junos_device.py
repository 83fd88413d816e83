"""What is asked of a Juniper switch and told to it, through NAPALM's unmodified junos driver and PyEZ.

A change is committed with `commit confirmed`, under the lock of the candidate configuration: where somebody has unfinished work there, the
lock is refused, and so is the push. It is confirmed by a commit check, which does that as well ("Activate a Configuration but Require
Confirmation", CLI User Guide: "enter either a commit or commit check command"), and commits nobody's unfinished work. Any commit of
somebody else's confirms ours, and ours would confirm his: while one of his waits, nothing is pushed.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
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
from drivers.napalm_config import junos_config, render
from drivers.napalm_config.junos_dialect import JUNOS, NOTE, JunosSeen, statements
from drivers.napalm_config.messages import Commands
from drivers.napalm_config.options import JunosOptions
from drivers.napalm_config.platform import COMMIT, Line, Sending
from drivers.napalm_config.port_lists import ALWAYS
from drivers.napalm_config.quarantine import opened
from drivers.napalm_config.seen import SeenState, held, port_state
from drivers.rules import Action, Direction, PortName, RuleSet, parse_mac

CAPABILITIES = Capabilities(
    matchable=frozenset((action, way, ALWAYS) for action in (Action.DENY, Action.PERMIT) for way in Direction)
    | {(Action.MOVE_VLAN, Direction.FROM, ALWAYS)},
    always=ALWAYS,
    transactional=True,
    dead_man=DeadMan(shortest=60, longest=3600, step=60),
    preview=True,
    events=True,
    advice="of a Junos port Netcordon closes the whole, or moves it: contain it by profile full or quarantine-vlan",
)


class JunosPlatform:
    """Denies everything on a port, in and out, and moves an access port into another VLAN. The token of a commit is its revision."""

    name = "Junos"
    capabilities = CAPABILITIES

    def __init__(self, device: str, options: JunosOptions) -> None:
        self._device, self._options = device, options
        self._line: Any = None
        self._bouncing: dict[str, float] = {}

    def line(self) -> Line:
        from drivers.napalm_config.junos_line import JunosLine

        for noisy in ("ncclient", "paramiko"):  # they log what is reported here anyway
            logging.getLogger(noisy).setLevel(logging.CRITICAL)
        self._line = JunosLine(self._device, self._options)
        return self._line  # type: ignore[no-any-return]  # it is one

    def lost(self) -> tuple[type[BaseException], ...]:
        from jnpr.junos.exception import ConnectError, RpcTimeoutError
        from napalm.base.exceptions import ConnectionException
        from ncclient.transport.errors import TransportError
        from paramiko import SSHException

        return ConnectError, RpcTimeoutError, ConnectionException, TransportError, SSHException

    def refused(self) -> tuple[type[BaseException], ...]:
        from jnpr.junos.exception import RpcError
        from napalm.base.exceptions import CommitError, LockError, MergeConfigException, UnlockError

        return RpcError, CommitError, LockError, MergeConfigException, UnlockError

    def boot_id(self, napalm: Any) -> str:
        told = napalm.device.rpc.get_system_uptime_information()
        return f"{told.find('.//system-booted-time/date-time').get('seconds')}"

    def look(self, napalm: Any) -> ObservedState:
        at = time.time()
        boot_id, pending = self.boot_id(napalm), self._pending(napalm)
        running = napalm.get_config(retrieve="running", format="set")["running"]
        told = {
            PortName(one.findtext("name").strip()): one
            for one in napalm.device.rpc.get_interface_information().findall("physical-interface")
        }
        seen = junos_config.read(running, told, pending)
        rules = tuple(ObservedRule(rule, native) for rule, native in sorted(held(seen).items()))
        ports = {
            name: port_state(
                state,
                name in told and (told[name].findtext("oper-status") or "").strip() == "up",
                _count(told.get(name), "input"),
                _count(told.get(name), "output"),
            )
            for name, state in seen.ports.items()
        }
        return SeenState(boot_id, at, rules, ports, seen=seen)

    def _pending(self, napalm: Any) -> str | None:
        """The token of the commit that waits, whoever's it is: Junos says so of the last one alone, and by whom."""
        told = napalm.device.rpc.get_commit_revision_information(detail=True)
        waits = "rollback in" in (told.findtext("comment") or "")
        if not waits:
            return None
        return f"{COMMIT if told.findtext('user') == self._options.username else ''}{told.findtext('revision')}"

    def glance(self, napalm: Any) -> DeviceFacts:
        interfaces = napalm.get_interfaces()
        ports = tuple(
            Interface(PortName(name), mac=parse_mac(one["mac_address"]), up=bool(one["is_up"]))
            for name, one in sorted(interfaces.items())
            if self.port_of(name) == name and one["mac_address"] not in ("", "None")
        )
        entries = tuple(
            MacEntry(parse_mac(one["mac"]), PortName(self.port_of(one["interface"])), one["vlan"])
            for one in napalm.get_mac_address_table()
            if self.port_of(one["interface"]) in interfaces
        )
        return DeviceFacts(self._device, self.boot_id(napalm), interfaces=ports, macs=entries)

    def port_of(self, name: str) -> str:
        return junos_config.port_of(name)

    def render(self, desired: RuleSet, observed: ObservedState, baseline: PreState) -> Change:
        seen = observed.seen if isinstance(observed, SeenState) else None
        known = seen if isinstance(seen, JunosSeen) else JunosSeen(JUNOS)
        ours = known.unsettled if known.unsettled is not None and known.unsettled.startswith(COMMIT) else None
        change = render.change(self._device, desired, replace(known, unsettled=ours), baseline)
        messages = tuple(
            Commands(tuple(statements(one.lines, known))) if isinstance(one, Commands) else one
            for one in change.messages
        )
        return replace(change, messages=messages)

    def compare(self, napalm: Any, lines: list[str]) -> str:
        napalm.load_merge_candidate(config="\n".join(lines))
        try:
            return str(napalm.compare_config())
        finally:
            napalm.discard_config()

    def commit(self, napalm: Any, lines: list[str], sending: Sending) -> str:
        waiting = self._pending(napalm)
        if waiting is not None:
            raise DeviceRefused(
                f"{self._device}: a commit of somebody else's waits for its confirmation there: {waiting}"
            )
        sending()
        self._send(napalm, lines, self._options.revert_in)
        token = self._pending(napalm)
        if token is None or not token.startswith(COMMIT):
            raise DeviceRefused(f"{self._device}: the device does not say that the commit waits for its confirmation")
        self._bouncing = {token: time.monotonic()} if _bounces(lines) else {}
        self._line.drop()  # who confirms it reaches the device over a new connection
        return token

    def _send(self, napalm: Any, lines: list[str], revert_in: int | None) -> None:
        """Nothing of it is left in the candidate when it is refused."""
        from jnpr.junos.exception import RpcError

        napalm.load_merge_candidate(config="\n".join(lines))
        try:
            napalm.commit_config(revert_in=revert_in)
        except RpcError:
            napalm.discard_config()
            raise

    def settle(self, napalm: Any, token: str, sending: Sending) -> None:
        if self._pending(napalm) != token:
            raise DeviceRefused(f"{self._device}: the commit was not confirmed in time, and the device has undone it")
        sending()
        napalm.device.cu.commit_check()
        if (shut_at := self._bouncing.pop(token, None)) is not None:
            time.sleep(max(0.0, shut_at + self._options.bounce_for - time.monotonic()))
            self._open(napalm)

    def _open(self, napalm: Any) -> None:
        """The end of a bounce. Without a timer: what it would put back is a port that is shut."""
        seen = junos_config.read(napalm.get_config(retrieve="running", format="set")["running"], ())
        if lines := list(statements(opened(seen), seen)):
            self._send(napalm, lines, None)

    def is_clean(self, napalm: Any) -> bool:
        """What is committed is what it starts with."""
        return True

    def save(self, napalm: Any) -> None:
        """It is saved by its commit."""


def _bounces(lines: list[str]) -> bool:
    return any(line.endswith(f"apply-macro {NOTE} bounce-due") for line in lines)


def _count(told: Any, way: str) -> int | None:
    said = None if told is None else told.findtext(f"traffic-statistics/{way}-packets")
    return int(said) if said and said.strip().isdigit() else None
