"""Cisco IOS by its command line alone, through Netmiko's unmodified cisco_ios driver: for a switch, or an account, where no file can be put
that is merged. What is asked and rendered is what `drivers/napalm_config/ios_device.py` asks and renders.

The lines are typed under `configure terminal`, and a prompt is awaited for each; the first answer that complains ends it. With an archive
they wait for `configure confirm` from before the first of them on, and a line that is refused takes the whole back. Without one
(`archive: false`) IOS has nothing that undoes them. `reload in` would, and with it every unsaved edit, and the forwarding of every port
for minutes, so it is not sent: it is declared that there is no timer, and after a refused line the state is told as unknown.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from drivers.base import Change, DeviceRefused, DiffLine, ObservedState, OutcomeUnknown, PreState
from drivers.napalm_config.committing import CommittingDriver
from drivers.napalm_config.ios_device import Catalyst
from drivers.napalm_config.ios_told import complaints
from drivers.napalm_config.messages import Commands
from drivers.napalm_config.ours import is_ours
from drivers.napalm_config.platform import Line, Sending
from drivers.napalm_config.quarantine import is_bouncing
from drivers.napalm_config.seen import Seen, SeenState
from drivers.napalm_config.ssh_line import ask
from drivers.netmiko_cli.options import CiscoIosOptions
from drivers.rules import RuleSet

AT_ONCE = 20
"""Lines that are typed ahead of their answers: a kilobyte or two, which any terminal takes."""


class CiscoIosPlatform(Catalyst):
    """As by NAPALM, but for the switch's own diff, which it makes of a file only."""

    def __init__(self, device: str, options: CiscoIosOptions) -> None:
        super().__init__(device, options)
        self._cli_options = options
        capabilities = replace(self.capabilities, preview=False)
        if not options.archive:
            capabilities = replace(capabilities, transactional=False, dead_man=None)
        self.capabilities = capabilities

    def line(self) -> Line:
        from drivers.netmiko_cli.cisco_line import CiscoLine

        logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # it prints tracebacks of what is reported here anyway
        self._line = CiscoLine(self._device, self._cli_options)
        return self._line  # type: ignore[no-any-return]

    def lost(self) -> tuple[type[BaseException], ...]:
        from netmiko.exceptions import NetmikoBaseException
        from paramiko import SSHException

        return NetmikoBaseException, SSHException

    def refused(self) -> tuple[type[BaseException], ...]:
        return ()

    def render(self, desired: RuleSet, observed: ObservedState, baseline: PreState) -> Change:
        """A push that ended in its midst leaves lists of ours half made: they go first, so that each is made anew under its own name."""
        if not isinstance(observed, SeenState) or (seen := observed.seen) is None or not (loose := _loose(seen)):
            return super().render(desired, observed, baseline)
        kept = replace(seen, lists={place: body for place, body in seen.lists.items() if place not in loose})
        change = super().render(desired, replace(observed, seen=kept), baseline)
        headers = [f"{seen.dialect.lists[family]} {name}" for family, name in loose]
        others = [one for one in change.messages if not isinstance(one, Commands)]
        lines = [line for one in change.messages if isinstance(one, Commands) for line in one.lines]
        return replace(
            change,
            messages=(Commands((*(f"no {header}" for header in headers), *lines)), *others),
            lines=(*(DiffLine("-", header) for header in headers), *change.lines),
        )

    def compare(self, napalm: Any, lines: list[str]) -> str:
        raise DeviceRefused(f"{self._device}: IOS has no diff of what is typed")

    def commit(self, napalm: Any, lines: list[str], sending: Sending) -> str | None:
        if self._cli_options.archive:
            return super().commit(napalm, lines, sending)
        sending()
        shut_at = time.monotonic()
        if wrong := self._enact(napalm, lines):
            raise OutcomeUnknown(f"{self._device}: {'; '.join(wrong)[:300]}: what came before it stands")
        if is_bouncing(lines):
            time.sleep(max(0.0, shut_at + self._options.bounce_for - time.monotonic()))
            self._open(napalm)
        return None

    def _prepare(self, napalm: Any, lines: list[str]) -> None:
        """A line that Netmiko would split, or the terminal edit, is not typed."""
        if strange := [line for line in lines if not line.isascii() or not line.isprintable() or len(line) > 250]:
            raise DeviceRefused(f"{self._device}: {strange[0][:80]!r} cannot be typed: nothing was sent")

    def _enact(self, napalm: Any, lines: Sequence[str]) -> list[str]:
        """As Netmiko's `send_config_set` with an `error_pattern`, which takes a fifth of a second for each line. Where the whole can be
        taken back, some are typed ahead of their answers."""
        prompt = rf"(?m:^{re.escape(napalm.device.base_prompt)}\S*\(\S*\)#)"
        step = AT_ONCE if self._cli_options.archive else 1
        napalm.device.config_mode()
        wrong: list[str] = []
        for at in range(0, len(lines), step):
            typed = [line.strip() for line in lines[at : at + step]]
            if wrong := complaints(ask(napalm, typed, prompt)):
                wrong = [f"refused, from {typed[0]!r} on: {'; '.join(wrong)}"]
                break
        napalm.device.exit_config_mode()
        return wrong


class CiscoIosDriver(CommittingDriver):
    """What is sent are lines that count one by one; they wait for a confirmation where the switch has an archive."""

    def __init__(self, device: str, options: CiscoIosOptions) -> None:
        super().__init__(device, options, CiscoIosPlatform(device, options))


def _loose(seen: Seen) -> list[tuple[str, str]]:
    """Lists of ours that no port has bound, by family and name."""
    bound = {(family, name) for port in seen.ports.values() for (family, _), name in port.bound.items()}
    return sorted(one for one in seen.lists if is_ours(one[1]) and one not in bound)
