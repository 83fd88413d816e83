"""The password of a device, which is nowhere in the configuration: in a file of its own, the environment or the keyring."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from drivers.base import DriverError

VARIABLE = "NETCORDON_PASSWORD_"
SERVICE = "netcordon"


class NoCredentials(DriverError):
    """No password for a device, or one that others could read. The message says what to do, and never the password."""


def variable_of(device: str) -> str:
    """The environment variable that may hold the password of a device."""
    return VARIABLE + re.sub(r"[^A-Z0-9]", "_", device.upper())


def password(device: str, file: Path | None, environment: Mapping[str, str] = os.environ) -> str:
    """From `file`, else from the environment, else from the OS keyring. Raises NoCredentials."""
    if file is not None:
        return _from_file(file.expanduser())
    found = environment.get(variable_of(device)) or _from_keyring(device)
    if not found:
        raise NoCredentials(f"no password for {device}: set ${variable_of(device)}, or `password_file` in its options")
    return found


def require_private(path: Path) -> None:
    """Raises NoCredentials for a file that others can read, or that is not there."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise NoCredentials(f"{path} can be read by others: chmod 600 {path}")
    except OSError as error:
        raise NoCredentials(f"{path} cannot be read: {type(error).__name__}") from None


def _from_file(path: Path) -> str:
    require_private(path)
    try:
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
