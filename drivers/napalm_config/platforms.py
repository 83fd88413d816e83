"""The platforms that there are, by the class of their options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivers.napalm_config.eos_device import EosPlatform
from drivers.napalm_config.ios_device import IosPlatform
from drivers.napalm_config.junos_device import JunosPlatform
from drivers.napalm_config.nxos_device import NxosPlatform
from drivers.napalm_config.options import EosOptions, IosOptions, JunosOptions, NapalmOptions, NxosOptions
from drivers.napalm_config.platform import Platform

OPTIONS: Mapping[str, type[NapalmOptions]] = {
    "eos": EosOptions,
    "ios": IosOptions,
    "junos": JunosOptions,
    "nxos": NxosOptions,
}


def options_from(given: Mapping[str, Any]) -> NapalmOptions:
    """The options of the platform that `given` names. Raises pydantic's ValidationError."""
    return OPTIONS.get(str(given.get("platform")), NapalmOptions).model_validate(dict(given))


def platform_of(device: str, options: NapalmOptions) -> Platform:
    match options:
        case EosOptions():
            return EosPlatform(device, options)
        case IosOptions():
            return IosPlatform(device, options)
        case JunosOptions():
            return JunosPlatform(device, options)
        case NxosOptions():
            return NxosPlatform(device, options)
    raise TypeError(f"{device}: no platform goes with {type(options).__name__}")
