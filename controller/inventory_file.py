"""The managed inventory as a file: CSV with a head, or JSON. Each row is an asset as the configuration's `assets` has them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from controller.config import Asset
from controller.errors import ConfigError
from controller.misfits import in_words
from controller.neutralize import neutralize

_MOST = 64 * 1024 * 1024


def read_inventory(path: Path) -> tuple[Asset, ...]:
    """Raises ConfigError that names the row. CSV: the head names the columns (mac, ip, name, managed, type, role, owner, criticality), and
    an empty cell says nothing. JSON: an array of such objects."""
    try:
        if path.stat().st_size > _MOST:
            raise ConfigError(f"{path} is larger than {_MOST >> 20} MiB: is it an inventory?")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text, from byte {error.start} on") from error
    rows = _json(path, text) if text.lstrip().startswith(("[", "{")) else _csv(path, text)
    return tuple(_asset(path, number, row) for number, row in rows)


def together(own: Sequence[Asset], sources: Sequence[Sequence[Asset]]) -> tuple[Asset, ...]:
    """A person's own word in the configuration first: of two for one MAC a source's would hide it, so that goes."""
    mine = {asset.mac for asset in own if asset.mac} | {asset.ip for asset in own if asset.ip}
    added = (asset for assets in sources for asset in assets)
    return (*own, *(asset for asset in added if asset.mac not in mine and asset.ip not in mine))


def _csv(path: Path, text: str) -> list[tuple[int, Any]]:
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True, restkey="", strict=True)
    try:
        head = [name.strip().lower() for name in reader.fieldnames or ()]
        if not {"mac", "ip"} & set(head):
            raise ConfigError(f"{path}: its first line names the columns, and one of them is mac or ip")
        if unknown := set(head) - Asset.model_fields.keys():
            told = ", ".join(Asset.model_fields)
            raise ConfigError(f"{path}: no column {neutralize(min(unknown))!r}; there is {told}")
        reader.fieldnames = head
        rows = []
        for row in reader:
            if "" in row:
                raise ConfigError(f"{path}: line {reader.line_num} has more cells than the head")
            told_of = {key: value.strip() for key, value in row.items() if value and value.strip()}
            if told_of:
                rows.append((reader.line_num, told_of))
        return rows
    except csv.Error as error:
        raise ConfigError(f"{path}: line {reader.line_num}: {error}") from error


def _json(path: Path, text: str) -> list[tuple[int, Any]]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no JSON: {error}") from error
    if not isinstance(rows, list):
        raise ConfigError(f"{path}: an inventory in JSON is an array of objects with a mac or an ip")
    return list(enumerate(rows, 1))


def _asset(path: Path, number: int, row: Any) -> Asset:
    try:
        return Asset.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "row"
        raise ConfigError(f"{path}: row {number}: {where}: {neutralize(in_words(first, Asset))}") from error
