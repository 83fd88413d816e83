"""How a device is reached, as its configuration says it, and the password that is nowhere in there."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from drivers.base import DriverError

VARIABLE = "NETCORDON_PASSWORD_"
SERVICE = "netcordon"


class NoCredentials(DriverError):
    """No password for a device, or one that others could read. The message says what to do, and never the password."""


class Save(StrEnum):
    """Whether a change goes into the startup configuration, and with it whatever else was not saved."""

    IF_CLEAN_BEFORE = "if-clean-before"
    NEVER = "never"
    ALWAYS = "always"


class NapalmOptions(BaseModel):
    """What every platform has. `password_file` holds the password and nothing else; without one it is looked for in the environment, and
    then in the keyring. `revert_in`: seconds after which the device undoes a commit that was not confirmed. `poll`: seconds from one look
    at its ports and MACs to the next."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    platform: Literal["eos"]
    host: str = Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:_-]+$")
    port: int = Field(ge=1, le=65535)
    username: str = Field(min_length=1, max_length=64)
    password_file: Path | None = None
    save: Save = Save.IF_CLEAN_BEFORE
    revert_in: int = 60
    poll: float = Field(default=15.0, ge=0.1, le=3600)

    @field_validator("username")
    @classmethod
    def _no_colon(cls, name: str) -> str:
        """Basic authentication ends the name at one."""
        if ":" in name or not name.isprintable():
            raise ValueError("a user name has no colon and no control characters")
        return name


class EosOptions(NapalmOptions):
    """`verify` false trusts any certificate: for labs alone. `ca` is the PEM file of the authority, or of the device's own certificate;
    the system's otherwise."""

    platform: Literal["eos"] = "eos"
    port: int = Field(default=443, ge=1, le=65535)
    verify: bool = True
    ca: Path | None = None
    revert_in: int = Field(default=60, ge=30, le=3600)


def variable_of(device: str) -> str:
    """The environment variable that may hold the password of a device."""
    return VARIABLE + re.sub(r"[^A-Z0-9]", "_", device.upper())


def password(device: str, options: NapalmOptions, environment: Mapping[str, str] = os.environ) -> str:
    """From `password_file`, else from the environment, else from the OS keyring. Raises NoCredentials."""
    if options.password_file is not None:
        return _from_file(options.password_file.expanduser())
    found = environment.get(variable_of(device)) or _from_keyring(device)
    if not found:
        raise NoCredentials(f"no password for {device}: set ${variable_of(device)}, or `password_file` in its options")
    return found


def _from_file(path: Path) -> str:
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise NoCredentials(f"{path} can be read by others: chmod 600 {path}")
        found = path.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise NoCredentials(f"{path} cannot be read: {type(error).__name__}") from None
    if not found:
        raise NoCredentials(f"{path} is empty")
    return found


def _from_keyring(device: str) -> str | None:
    """Where the package `keyring` is installed and has somewhere to look."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        found: str | None = keyring.get_password(SERVICE, device)
    except KeyringError:
        return None
    return found
