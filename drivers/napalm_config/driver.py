"""The NAPALM driver. NAPALM is imported when the device is first reached."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from drivers.napalm_config.committing import CommittingDriver
from drivers.napalm_config.options import NapalmOptions
from drivers.napalm_config.platforms import options_from, platform_of

if find_spec("napalm") is None:  # said when the driver is loaded (see `registry`), not when a device is first reached
    raise ModuleNotFoundError("No module named 'napalm'", name="napalm")


class NapalmDriver(CommittingDriver):
    """`options` are a platform's, or what makes them."""

    def __init__(self, device: str, options: NapalmOptions | Mapping[str, Any]) -> None:
        found = options if isinstance(options, NapalmOptions) else options_from(options)
        super().__init__(device, found, platform_of(device, found))
