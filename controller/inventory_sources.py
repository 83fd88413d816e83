"""The inventory, kept up to date: files are read again when they change, NetBox every so often, and all of it at once on SIGHUP. A source
that is broken or away keeps what it said last, across restarts too, and what is wrong with it is said (`doctor`, `/readyz`)."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from controller.config import Asset, Config, NetBox
from controller.errors import ConfigError, StoreUnavailable
from controller.inventory_file import read_inventory, together
from controller.network.inventory import Inventory
from controller.network.view import NetworkView
from controller.store import Store

log = structlog.get_logger("inventory")
LOOK_EVERY = 5.0
"""Seconds between two looks whether a file has changed."""


@dataclass(slots=True)
class _Source:
    """`note`: what of it could not be read. `mark`: what the file was when it was read. `due`: when NetBox is asked next."""

    what: Path | NetBox
    assets: tuple[Asset, ...] | None = None
    trouble: str = ""
    note: str = ""
    mark: object = None
    due: float = 0.0

    @property
    def name(self) -> str:
        return self.what.netbox if isinstance(self.what, NetBox) else str(self.what)


class InventorySources:
    """Gives the network view a new inventory whenever one of them has another word."""

    def __init__(self, config: Config, store: Store, network: NetworkView, now: Callable[[], float]) -> None:
        self._config = config
        self._store = store
        self._network = network
        self._now = now
        self._sources = [_Source(what) for what in config.inventory]
        self._asked = asyncio.Event()

    @property
    def troubles(self) -> list[str]:
        return [
            f"inventory {one.name}: {one.trouble}" + ("" if one.assets is None else "; what it said last still counts")
            for one in self._sources
            if one.trouble
        ]

    @property
    def notes(self) -> list[str]:
        """What stands in the way of nobody: a row that is no asset."""
        return [f"inventory {one.name}: {one.note}" for one in self._sources if one.note]

    def read_now(self) -> None:
        """Read all of them again, changed or not: SIGHUP."""
        for one in self._sources:
            one.mark, one.due = None, 0.0
        self._asked.set()

    async def start(self) -> None:
        """As it was known last, with the files as they are. NetBox is asked by the first `run`: switches do not wait for it."""
        for one in self._sources:
            kept = await self._store.inventory(one.name)
            if kept is not None:
                one.assets = tuple(Asset.model_validate(row) for row in json.loads(kept))
            if isinstance(one.what, NetBox):
                one.trouble = "it was not read yet"
            elif self._is_due(one):
                await self._read(one)
        self._tell()
        if self._sources:
            self._asked.set()

    async def run(self) -> None:
        """One look, when it is time or somebody asked."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY):
                await self._asked.wait()
        self._asked.clear()
        await self.look()

    async def look(self) -> None:
        """Read what changed or is due."""
        before = [one.assets for one in self._sources]
        for one in self._sources:
            if self._is_due(one):
                await self._read(one)
        if before != [one.assets for one in self._sources]:
            self._tell()

    def _tell(self) -> None:
        if not self._sources:
            return
        assets = together(self._config.own_assets, [one.assets or () for one in self._sources])
        self._network.inventory = Inventory(assets, self._config.network, self._config.protected)
        log.info("inventory", assets=len(assets), sources=[one.name for one in self._sources])

    def _is_due(self, one: _Source) -> bool:
        if isinstance(one.what, NetBox):
            return self._now() >= one.due
        mark = _mark(one.what)
        changed = one.mark is None or mark != one.mark
        one.mark = mark
        return changed

    async def _read(self, one: _Source) -> None:
        was = one.trouble
        try:
            (assets, one.note), one.trouble = await asyncio.to_thread(_read, one.what), ""
            if isinstance(one.what, NetBox) and one.assets and not assets:
                one.trouble = f"it lists nothing, and listed {len(one.assets)} before: does the token still see them?"
            elif assets != one.assets:
                one.assets = assets
                rows = json.dumps([asset.model_dump(mode="json", exclude_defaults=True) for asset in assets])
                await self._store.save_inventory(one.name, rows)
        except ConfigError as error:
            one.trouble = str(error)
        except StoreUnavailable as error:  # read, and used: only a restart would not know it
            log.warning("what the inventory says was not stored", source=one.name, error=str(error))
        if isinstance(one.what, NetBox):
            one.due = self._now() + one.what.every
        if one.trouble != was:
            log.warning("inventory", source=one.name, trouble=one.trouble or "none any more")


def _read(what: Path | NetBox) -> tuple[tuple[Asset, ...], str]:
    """What the source says, and what of it could not be read."""
    if isinstance(what, Path):
        return read_inventory(what), ""
    from controller.netbox import read_netbox  # with requests, which those without NetBox need not have

    read = read_netbox(what)
    return read.assets, f"{read.unread} rows are no asset, as {read.first_unread}" if read.unread else ""


def _mark(path: Path) -> object:
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_size, found.st_ino
