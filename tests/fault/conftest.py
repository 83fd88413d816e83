"""Stores as the unit tests have them, and a daemon over each."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fault.rig import Rig, rigged
from tests.unit.conftest import (
    clock,
    postgresql_cluster,
    postgresql_template,
    postgresql_url,
    sqlite_template,
    sqlite_url,
    store_url,
)

__all__ = [
    "clock",
    "postgresql_cluster",
    "postgresql_template",
    "postgresql_url",
    "sqlite_template",
    "sqlite_url",
    "store_url",
]


@pytest.fixture
async def rig(store_url: str) -> AsyncIterator[Rig]:
    async with rigged(store_url) as up:
        yield up
