"""Stores to test with: each on SQLite, and on a PostgreSQL that is started here, alone in a folder of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine, make_url, text

from controller.store import Store
from tests.unit.store_cases import Clock

_DEADLINE = 60.0

# For `make fuzz`, which gives the seed: nothing else may choose it, neither CI's own profile nor a database of what failed before.
for name, examples in (("short", 300), ("thorough", 10_000)):
    settings.register_profile(
        name,
        max_examples=examples,
        deadline=None,
        derandomize=False,
        database=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """An empty database."""
    fixture = "sqlite_url" if request.param == "sqlite" else "postgresql_url"
    url: str = request.getfixturevalue(fixture)
    return url


@pytest.fixture
async def store(store_url: str, clock: Clock) -> AsyncIterator[Store]:
    opened = await Store.open(store_url, clock)
    yield opened
    await opened.close()


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    shutil.copy(sqlite_template, tmp_path / "netcordon.db")
    return f"sqlite:///{tmp_path}/netcordon.db"


@pytest.fixture
def postgresql_url(postgresql_cluster: Path, postgresql_template: str) -> str:
    """A database of its own in the session's cluster."""
    return _create_database(postgresql_cluster, f"TEMPLATE {postgresql_template}")


@pytest.fixture
def postgresql_empty_url(postgresql_cluster: Path) -> str:
    """A database in which there is no schema yet."""
    return _create_database(postgresql_cluster)


# Migrating takes most of the time of an opening: once for all, and not again for each test.


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "netcordon.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgresql_template(postgresql_cluster: Path) -> str:
    url = _create_database(postgresql_cluster)
    _migrate(url)
    return make_url(url).database or ""


def _migrate(url: str) -> None:
    async def open_once() -> None:
        await (await Store.open(url)).close()

    asyncio.run(open_once())


def _create_database(cluster: Path, template: str = "") -> str:
    name = f"netcordon_{uuid.uuid4().hex}"
    server = create_engine(_url(cluster, "postgres"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} {template}"))
    server.dispose()
    return _url(cluster, name)


@pytest.fixture(scope="session")
def postgresql_cluster() -> Iterator[Path]:
    """The folder of a running server's socket. It listens on no network, and runs as `postgres` where we are root, as it must."""
    folder = Path(tempfile.mkdtemp(prefix="netcordon-pg-"))
    try:
        server = _start(_binaries(), folder)
        try:
            yield folder
        finally:
            server.send_signal(signal.SIGQUIT)  # at once, and of this process alone: nothing in it is wanted again
            server.wait(_DEADLINE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    """Where initdb and postgres are. Without them nothing is known of PostgreSQL: that fails in CI, and is said elsewhere."""
    found = [Path(path).parent for path in (shutil.which("initdb"),) if path] + sorted(
        Path("/usr/lib/postgresql").glob("*/bin")
    )
    missing = []
    if not found:
        missing.append("the server (apt-get install postgresql)")
    if find_spec("psycopg") is None:
        missing.append("psycopg (pip install '.[postgres]')")
    if missing:
        message = f"NOT TESTED ON POSTGRESQL: {' and '.join(missing)} missing"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found[-1]


def _start(binaries: Path, folder: Path) -> subprocess.Popen[bytes]:
    user = "postgres" if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user, user)
    data = folder / "data"
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
        check=True, capture_output=True, user=user, group=user, cwd=folder,
    )  # fmt: skip
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
            stdout=log, stderr=log, user=user, group=user, cwd=folder,
        )  # fmt: skip
    deadline = time.monotonic() + _DEADLINE
    while subprocess.run([binaries / "pg_isready", "-q", "-h", folder], check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() > deadline:
            server.kill()
            pytest.fail(f"PostgreSQL did not start: {(folder / 'log').read_text()[-2000:]}")
        time.sleep(0.05)
    return server


def _url(folder: Path, database: str) -> str:
    return f"postgresql+psycopg://postgres@/{database}?host={folder}"
