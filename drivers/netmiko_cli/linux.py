"""Platform `linux`: a host whose bridge forwards what is to be stopped. It enforces by nftables, in a table of its own in family bridge."""

from __future__ import annotations

import secrets
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
from drivers.netmiko_cli import linux_change, linux_seen
from drivers.netmiko_cli.linux_seen import LinuxState, NotUnderstood, Seen
from drivers.rules import Action, Direction, Match, RuleSet
from drivers.warm_session import Refused

if TYPE_CHECKING:
    from drivers.netmiko_cli.shell import Shell

QUESTIONS: Mapping[str, str] = {
    "boot": "cat /proc/sys/kernel/random/boot_id",
    "links": "ip -j -d -s link show",
    "vlans": "bridge -j vlan show",
    "fdb": "bridge -j fdb show",
    "neighbours": "ip -j neigh show",
    "arrival": 'echo "$SSH_CONNECTION"',
    "route": '{ ip -j route get "${SSH_CONNECTION%% *}" || echo "[]"; } 2>/dev/null',
    "rules": "{sudo}nft -j -nn list ruleset bridge",
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
        self._device = device
        self._sudo = "sudo -n " if sudo else ""

    def look(self, shell: Shell) -> Seen:
        """In one command: one way there and back. Raises Lost or Refused."""
        mark = f"--nc-{secrets.token_hex(12)}--"
        asked = f' && printf "\\n{mark}\\n" && '.join(one.replace("{sudo}", self._sudo) for one in QUESTIONS.values())
        answers = shell.run(asked).split(f"\n{mark}\n")
        if len(answers) != len(QUESTIONS):
            raise Refused("it gave fewer answers than it was asked for")
        try:
            return linux_seen.read(dict(zip(QUESTIONS, answers, strict=True)))
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

    def check(self, shell: Shell, lines: tuple[str, ...]) -> None:
        """Let the host judge the script and change nothing. Raises Lost or Refused."""
        shell.run(self._fed(CHECK, lines))

    def push(self, shell: Shell, lines: tuple[str, ...]) -> None:
        """All of it or nothing. Raises Lost or Refused."""
        shell.run(self._fed(PUSH, lines))

    def _fed(self, command: str, lines: tuple[str, ...]) -> str:
        """The quotation ends with the script: of one that arrives in part, the shell runs nothing."""
        script = "\n".join(lines)
        if "'" in script or "\\" in script or not script.replace("\n", "").isascii() or not _printable(script):
            raise Refused("the script has characters that belong into none: nothing was sent")
        return f"printf '%s\\n' '{script}' | {command.replace('{sudo}', self._sudo)}"


def _printable(script: str) -> bool:
    return script.replace("\n", "").isprintable()
