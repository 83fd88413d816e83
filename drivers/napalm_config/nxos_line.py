"""The way to an NX-OS switch: NAPALM's nxos_ssh driver over SSH."""

from __future__ import annotations

from typing import Any

from napalm.nxos_ssh import NXOSSSHDriver

from drivers.napalm_config.ssh_line import SshLine, hang_up, is_open


class NxosLine(SshLine):
    """`held` is a second connection, on which a commit waits for its confirmation: NX-OS is known to take that in the session that
    committed, and in no other."""

    _held: Any = None

    @property
    def held(self) -> Any:
        """None also when that connection is gone."""
        if self._held is not None and not is_open(self._held):
            self._held = None
        return self._held

    def hold(self) -> None:
        """The connection is kept for `held`, and whoever comes next makes another."""
        self._held, self._napalm = self._napalm, None

    def let_go(self) -> None:
        """`held` is given back."""
        hang_up(self._held)
        self._held = None

    def _driver(self, password: str, optional: dict[str, Any]) -> Any:
        options = self._options
        return NXOSSSHDriver(options.host, options.username, password, timeout=10, optional_args=optional)

    def _hang_up(self) -> None:
        super()._hang_up()
        hang_up(self._held)
