"""Platform `linux`: a host whose bridge forwards what is to be stopped. It enforces by nftables, in a table of its own in family bridge."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from drivers.base import (
    EVERYTHING,
    Capabilities,
    Change,
    DeviceFacts,
    Interface,
    ObservedState,
    PortState,
    PreState,
    Scope,
)
from drivers.netmiko_cli import arrival, linux_change, linux_seen
from drivers.netmiko_cli.asking import NotUnderstood, as_root, ask, fed
from drivers.netmiko_cli.linux_seen import LinuxState, Seen
from drivers.netmiko_cli.messages import Script
from drivers.rules import Action, Direction, Match, RuleSet
from drivers.warm_session import Refused

if TYPE_CHECKING:
    from drivers.netmiko_cli.shell import Shell

QUESTIONS: Mapping[str, str] = {
    "boot": "cat /proc/sys/kernel/random/boot_id",
    "links": "ip -j -d -s link show",
    "vlans": "bridge -j vlan show",
    "fdb": "bridge -j fdb show",
    "rules": "{sudo}nft -j -nn list ruleset bridge",
    **arrival.QUESTIONS,
}
"""All that is ever asked."""
CHECK, PUSH = "{sudo}nft -c -f -", "{sudo}nft -f -"
_FIELDS = frozenset(set(Match.__slots__) - {"direction"})


class LinuxPlatform:
    name = "linux"
    capabilities = Capabilities(
        matchable=frozenset(
            (action, way, _FIELDS) for action in (Action.DENY, Action.PERMIT, Action.COUNT) for way in Direction
        ),
        transactional=True,
        counters=True,
        preview=True,
        events=True,
        advice="a host's bridge is not told to move a port to another VLAN, or to shut it: contain by profile full",
    )

    def __init__(self, device: str, sudo: bool) -> None:
        self._device, self._sudo = device, sudo

    def look(self, shell: Shell) -> Seen:
        """Raises Lost or Refused."""
        try:
            return linux_seen.read(ask(shell, QUESTIONS, self._sudo))
        except NotUnderstood as wrong:
            raise Refused(str(wrong)) from None

    def facts(self, seen: Seen) -> DeviceFacts:
        return DeviceFacts(
            self._device,
            seen.boot_id,
            "Linux bridge",
            seen.arrival.management,
            tuple(Interface(p.name, p.number, p.mac, p.up) for _, p in sorted(seen.ports.items())),
            seen.vlans,
            seen.arp,
            seen.macs,
        )

    def observed(self, seen: Seen, scope: Scope = EVERYTHING) -> ObservedState:
        rules = tuple(
            rule
            for rule in linux_change.held(seen.table)
            if scope.rule_ids is None or rule.rule_id is None or rule.rule_id in scope.rule_ids
        )
        ports = {
            name: PortState(port.up, {}, port.rx, port.tx)
            for name, port in seen.ports.items()
            if scope.ports is None or name in scope.ports
        }
        return LinuxState(seen.boot_id, time.time(), rules, ports, seen=seen)

    def render(self, desired: RuleSet, observed: ObservedState, baseline: PreState) -> Change:
        """Pure. The rules were checked against `capabilities`."""
        seen = observed.seen if isinstance(observed, LinuxState) else Seen()
        return linux_change.change(self._device, desired, seen)

    def check(self, shell: Shell, change: Change) -> None:
        """Let the host judge the script and change nothing. Raises Lost or Refused."""
        self._feed(shell, change, CHECK)

    def push(self, shell: Shell, change: Change) -> None:
        """All of it or nothing. Raises Lost or Refused."""
        self._feed(shell, change, PUSH)

    def _feed(self, shell: Shell, change: Change, command: str) -> None:
        for script in change.messages:
            if isinstance(script, Script):
                shell.run(fed(script.lines, as_root(command, self._sudo)))
