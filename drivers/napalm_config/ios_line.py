"""The way to an IOS switch: NAPALM's ios driver over SSH and SCP."""

from __future__ import annotations

from typing import Any

from napalm.ios import IOSDriver

from drivers.napalm_config.options import IosOptions
from drivers.napalm_config.ssh_line import SshLine


class IosLine(SshLine):
    """`merge` is the file that is put to be merged."""

    def __init__(self, device: str, options: IosOptions, merge: str) -> None:
        super().__init__(device, options)
        self._file_system, self._merge = options.file_system, merge

    def _driver(self, password: str, optional: dict[str, Any]) -> Any:
        own = {"dest_file_system": self._file_system, "merge_cfg": self._merge, "canonical_int": True}
        options = self._options
        return IOSDriver(options.host, options.username, password, timeout=10, optional_args=optional | own)
