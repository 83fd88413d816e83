"""The way to one device by NETCONF over SSH, as something that can be cut from another thread, and that notices when it is gone."""

from __future__ import annotations

import logging
import tempfile
from contextlib import ExitStack, suppress
from typing import Any

from jnpr.junos import Device
from napalm.junos import JunOSDriver

from drivers.napalm_config.options import JunosOptions

LOG = logging.getLogger("netcordon.napalm")
PATIENCE = 30
"""Seconds that PyEZ waits for one answer: a commit of a stack takes long. A call as a whole has its session's deadline."""


class JunosLine:
    def __init__(self, device: str, options: JunosOptions) -> None:
        self._device, self._options = device, options
        self._napalm: Any = None
        self._is_cut = False

    @property
    def napalm(self) -> Any:
        """None also when the connection is gone: it is made anew then."""
        if self._napalm is not None and not self._napalm.is_alive()["is_alive"]:
            self._napalm = None
        return self._napalm

    def cut(self) -> None:
        self._is_cut = True
        self._hang_up()

    def drop(self) -> None:
        """The connection is given back, and whoever comes next makes another."""
        self._hang_up()
        self._napalm = None

    def open(self, password: str) -> None:
        """NAPALM's driver takes no word on host keys: it gets the PyEZ device that checks them."""
        options = self._options
        if not options.verify:
            LOG.warning(
                "%s: its host key is not verified (verify: false): who is in between can read the password",
                self._device,
            )
        with ExitStack() as stack:
            config = None
            if options.known_hosts is not None:
                file = stack.enter_context(tempfile.NamedTemporaryFile("w", prefix="netcordon-ssh-"))
                file.write(f"Host *\n    UserKnownHostsFile {options.known_hosts.expanduser()}\n")
                file.flush()
                config = file.name
            napalm = JunOSDriver(options.host, options.username, password, PATIENCE, {"port": options.port})
            napalm.device = Device(
                options.host,
                user=options.username,
                password=password,
                port=options.port,
                ssh_config=config,
                hostkey_verify=options.verify,
                look_for_keys=False,
                allow_agent=False,
                conn_open_timeout=10,
                gather_facts=False,
            )
            self._check()
            napalm.open()
        self._napalm = napalm
        self._check()

    def _check(self) -> None:
        """A cut that came while it was opened found nothing to hang up."""
        if self._is_cut:
            self._hang_up()
            raise OSError("given up")

    def _transport(self) -> Any:
        return self._napalm.device._conn._session.transport

    def _hang_up(self) -> None:
        if self._napalm is not None:
            with suppress(OSError, EOFError, AttributeError):
                self._transport().close()
