"""The way to one device over SSH through NAPALM and Netmiko, as something that can be cut from another thread, and that notices when it is
gone."""

from __future__ import annotations

import logging
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from netmiko.channel import SSHChannel

from drivers.base import DeviceRefused
from drivers.napalm_config.options import CatalystOptions, NxosOptions

LOG = logging.getLogger("netcordon.napalm")
PATIENCE = 60.0
"""Seconds that is waited for one answer: a stack takes long to tell its configuration. A call as a whole has its session's deadline."""
LOOK = 0.003
"""Seconds from one look at what came to the next."""


class SshLine(ABC):
    def __init__(self, device: str, options: CatalystOptions | NxosOptions) -> None:
        self._device, self._options = device, options
        self._napalm: Any = None
        self._is_cut = False

    @property
    def napalm(self) -> Any:
        """None also when the connection is gone: it is made anew then."""
        if self._napalm is not None and not is_open(self._napalm):
            self._napalm = None
        return self._napalm

    def cut(self) -> None:
        self._is_cut = True
        self._hang_up()

    def drop(self) -> None:
        """The connection is given back, and whoever comes next makes another."""
        self._hang_up()
        self._napalm = None

    @abstractmethod
    def _driver(self, password: str, optional: dict[str, Any]) -> Any:
        """NAPALM's, not open yet. `optional` are arguments that say how the host key is checked, and how long answers may take."""

    def open(self, password: str) -> None:
        """Checks the host key, unless it is said otherwise."""
        self._check()
        options = self._options
        if not options.verify:
            LOG.warning(
                "%s: its host key is not verified (verify: false): who is in between can read the password",
                self._device,
            )
        known = options.known_hosts
        optional = {
            "port": options.port,
            "ssh_strict": options.verify,
            "system_host_keys": options.verify and known is None,
            "alt_host_keys": known is not None,
            "alt_key_file": "" if known is None else str(known.expanduser()),
            "force_no_enable": True,
            "read_timeout_override": PATIENCE,
        }
        napalm = self._driver(password, optional)
        self._begin(napalm)
        napalm.device.channel = _Channel(napalm.device.remote_conn, napalm.device.encoding)
        self._napalm = napalm
        self._check()
        if not napalm.device.check_enable_mode():
            self.drop()
            raise DeviceRefused(
                f"{self._device}: {options.username!r} is not privileged there: give the account privilege 15"
            )

    def _begin(self, napalm: Any) -> None:
        from napalm.base.exceptions import ConnectionException

        try:
            napalm.open()
        except ConnectionException as error:  # NAPALM says that there is no connection, and Netmiko why
            raise OSError(f"{error.__context__ or error}") from None

    def _check(self) -> None:
        """A cut that came while it was opened found nothing to hang up."""
        if self._is_cut:
            self._hang_up()
            raise OSError("given up")

    def _hang_up(self) -> None:
        hang_up(self._napalm)


def is_open(napalm: Any) -> bool:
    return bool(napalm.device.remote_conn.get_transport().is_active())


def hang_up(napalm: Any) -> None:
    if napalm is not None:
        with suppress(OSError, EOFError):
            napalm.device.remote_conn_pre.close()


def ask(napalm: Any, lines: Sequence[str], prompt: str) -> str:
    """What is said of lines that are typed one after the other, from behind the first one's echo until as many prompts came. Netmiko's own
    `send_command` sleeps twice for each. Raises EOFError when the connection is gone, or nobody answers."""
    device, pattern, said = napalm.device, re.compile(prompt), ""
    device.write_channel("".join(f"{line}\n" for line in lines))
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        said += str(device.read_channel())
        _, echo, behind = said.partition(lines[0])
        if echo and (found := list(pattern.finditer(behind)))[len(lines) - 1 :]:
            return behind[: found[len(lines) - 1].start()].lstrip("\n")
        time.sleep(LOOK)
    raise EOFError(f"no answer to {lines[0]!r}")


class _Channel(SSHChannel):
    """Netmiko's own waits its whole patience out on a connection that was closed."""

    def read_buffer(self) -> str:
        told = str(super().read_buffer())
        channel: Any = self.remote_conn
        if not told and (channel.closed or channel.eof_received or not channel.get_transport().is_active()):
            raise EOFError("the connection was closed")
        return told
