"""Driver names to driver classes, imported when first asked for. Third parties add theirs by the entry-point group
`netcordon.drivers`, whose values are `module:factory`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from drivers.base import DriverError, DriverNotInstalled

ENTRY_POINT_GROUP = "netcordon.drivers"
BUILT_IN: Mapping[str, str] = {
    "memory": "drivers.memory:MemoryDriver",
    "napalm": "drivers.napalm_config.driver:NapalmDriver",
    "netmiko": "drivers.netmiko_cli.driver:driver_for",
    "openflow": "drivers.openflow.driver:OpenFlowDriver",
}


class UnknownDriver(DriverError):
    """No driver of that name is known, or what announces it names nothing."""


class DriverRegistry:
    """An instance holds the names; loading a driver imports it and what it needs."""

    def __init__(self, names: Mapping[str, str] = BUILT_IN) -> None:
        self._targets = dict(names)

    @classmethod
    def with_entry_points(cls) -> DriverRegistry:
        """The built-in drivers and those that installed distributions announce; a built-in name can't be taken over."""
        found = {point.name: f"{point.module}:{point.attr}" for point in entry_points(group=ENTRY_POINT_GROUP)}
        return cls({**found, **BUILT_IN})

    def names(self) -> list[str]:
        return sorted(self._targets)

    def load(self, name: str) -> Callable[..., Any]:
        """The driver's class. Raises UnknownDriver, or DriverNotInstalled when something that it imports is missing."""
        target = self._targets.get(name)
        if target is None:
            raise UnknownDriver(f"no driver {name!r}; known are {', '.join(self.names())}")
        module, _, attribute = target.partition(":")
        try:
            driver = getattr(import_module(module), attribute, None)
        except ModuleNotFoundError as missing:
            needed = f"the package {missing.name!r}, which is not installed"
            raise DriverNotInstalled(f"driver {name!r} needs {needed}") from missing
        if not callable(driver):
            raise UnknownDriver(f"driver {name!r} is announced as {target!r}, and there is nothing to call there")
        return driver  # type: ignore[no-any-return]  # the target names a driver class
