"""Where the daemon is, and the token that a person or a program bears: from the environment, else from a private file."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from controller.errors import ConfigError

URL_VARIABLE = "NETCORDON_URL"
TOKEN_VARIABLE = "NETCORDON_TOKEN"  # noqa: S105 (a name, no token)
DEFAULT_URL = "http://127.0.0.1:8440"


def token_file(environment: Mapping[str, str]) -> Path:
    """Where a person's token lies."""
    home = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "~")).expanduser() / ".config"
    return Path(home) / "netcordon" / "token"


def find_token(environment: Mapping[str, str]) -> str | None:
    """From NETCORDON_TOKEN, else from the token file; None when there is neither. Raises ConfigError for a file that
    others may read, and for what cannot be a token."""
    token = environment.get(TOKEN_VARIABLE, "").strip()
    where = f"${TOKEN_VARIABLE}"
    if not token:
        path = token_file(environment)
        token, where = read_private(path), str(path)
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        raise ConfigError(f"what is in {where} is no token")
    return token or None


def read_private(path: Path) -> str:
    """The text of a file that is its owner's alone; empty where there is none. Raises ConfigError."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ConfigError(f"{path} can be read by others: chmod 600 {path}")
        return path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
