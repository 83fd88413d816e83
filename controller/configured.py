"""Switches that are configured through their management plane: each one that the configuration lists with driver `napalm` or
`netmiko` becomes a device of the fleet. One that is away is served all the same, and converged when it comes."""

from __future__ import annotations

import asyncio

import structlog
from pydantic import ValidationError

from controller.config import Config, Device
from controller.errors import ConfigError, NetcordonError
from controller.fleet import Fleet
from drivers.base import Driver, DriverError
from drivers.registry import DriverRegistry

log = structlog.get_logger("switches")
DRIVERS = ("napalm", "netmiko")


class ConfiguredSwitches:
    """`start` answers at once: a device that does not answer holds up neither the others nor the API."""

    def __init__(self, config: Config, fleet: Fleet) -> None:
        self._listed = [device for device in config.devices if device.driver in DRIVERS]
        self._fleet = fleet
        self._adding: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Raises ConfigError for options that are none, and for a driver that is not installed."""
        drivers = [(device, _driver(device)) for device in self._listed]
        for device, driver in drivers:
            self._adding.append(asyncio.create_task(self._add(device, driver), name=f"add {device.id}"))

    async def close(self) -> None:
        for task in self._adding:
            task.cancel()
        await asyncio.gather(*self._adding, return_exceptions=True)

    async def _add(self, device: Device, driver: Driver) -> None:
        try:
            await self._fleet.add(device.id, device.driver, driver, device.options)
        except (NetcordonError, DriverError) as error:
            log.error("a device is not served", device=device.id, error=str(error))


def _driver(device: Device) -> Driver:
    try:
        driver: Driver = DriverRegistry().load(device.driver)(device.id, device.options)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"devices: {device.id}: options.{where}: {first['msg']}") from None
    except DriverError as missing:
        raise ConfigError(f"devices: {device.id}: {missing}; pip install 'netcordon[vendors]'") from None
    return driver
