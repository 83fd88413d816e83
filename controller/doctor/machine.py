"""What can be said of this machine without a daemon: files and who may read them, the database, ports, programs, the clock. Only reads;
the one thing that it tries is whether a port can be had."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import stat
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from controller.config import CONFIG_VARIABLE, DEFAULT_PATH, Config, Tls, load_config
from controller.credentials import token_file
from controller.doctor.finding import Finding, error, info, warning
from controller.doctor.host import clock_is_synchronized
from controller.errors import ConfigError

LEAST_DISK = 256 << 20
LEAST_DAYS = 21
_LAB_PROGRAMS = ("ovs-vsctl", "ovs-ofctl", "mnexec")
_OTHERS = 0o077
_OTHERS_WRITE = 0o022


def configuration(path: Path | None, environment: Mapping[str, str]) -> tuple[Config | None, list[Finding]]:
    """The configuration that the daemon would read, and what is to be said of its file."""
    where = path or Path(environment.get(CONFIG_VARIABLE, DEFAULT_PATH))
    try:
        config = load_config(path, environment)
    except ConfigError as problem:
        mend = f"edit {where}" if where.exists() else f"netcordon init --output {where}  # writes a new one"
        return None, [error("configuration", "; ".join(str(problem).splitlines()), mend)]
    if not where.exists():
        return config, [info("configuration", f"there is no {where}: the defaults hold", "netcordon init")]
    found = list(_private(where, _OTHERS_WRITE, "the configuration", "can be written by others"))
    if "@" in config.store and "://" in config.store:
        found += _private(where, _OTHERS, "the configuration, with the database's password,", "can be read by others")
    return config, found


def examine(config: Config, environment: Mapping[str, str], *, running: bool) -> Iterator[Finding]:
    """`running`: a daemon answers, so its ports and files are in use and rightly so."""
    yield from _files(config, environment)
    yield from _database(config.store, running=running)
    if not running:
        yield from _port(str(config.listen.address), config.listen.port, "listen.port")
        yield from _speaker(config)
    for tls in _tls(config):
        yield from _certificate(tls.certificate)
    yield from _drivers(config)
    if clock_is_synchronized() is False:
        yield warning("clock", "this machine's clock is not synchronized", "timedatectl set-ntp true")
    yield from _labs()


def daemon_runs(config: Config) -> bool:
    """Whether somebody listens on the API's socket. Nothing is asked of them."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(config.listen.socket))
        except OSError:
            return False
        return True


def _files(config: Config, environment: Mapping[str, str]) -> Iterator[Finding]:
    yield from _private(token_file(environment), _OTHERS, "your token", "can be read by others")
    yield from _private(config.listen.socket, _OTHERS, "the API's socket", "is open to others")
    yield from _private(config.openflow.speaker.socket, _OTHERS, "the speaker's socket", "is open to others")
    for tls in _tls(config):
        yield from _private(tls.key, _OTHERS, "the TLS key", "can be read by others")


def _private(path: Path, forbidden: int, what: str, how: str) -> Iterator[Finding]:
    """Nothing of a file that is not there, or that we may not look at."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return
    if mode & forbidden:
        wanted = 0o600 if forbidden == _OTHERS else mode & ~_OTHERS_WRITE
        yield error("permissions", f"{what} {path} {how} (mode {mode:o})", f"chmod {wanted:o} {path}")


def _database(url: str, *, running: bool) -> Iterator[Finding]:
    from controller.store.engines import parse

    try:
        parsed = parse(url)
    except ConfigError as problem:
        yield error("database", str(problem))
        return
    if parsed.get_backend_name() != "sqlite":
        yield from _postgresql(url)
        return
    path = Path(parsed.database or "")
    folder = next(parent for parent in path.parents if parent.exists())
    if not os.access(folder, os.W_OK):
        yield error("database", f"{folder} cannot be written by this user", f"install -d -m 700 -o $USER {path.parent}")
    free = shutil.disk_usage(folder).free
    if free < LEAST_DISK:
        yield error("disk", f"{free >> 20} MiB are free for the database in {folder}", f"df -h {folder}")
    if path.exists():
        yield from _private(path, _OTHERS, "the database", "can be read by others")
        yield from _schema(path)
    elif not running:
        mend = "netcordon token add NAME --role admin --offline --save"
        yield info("database", f"there is no database at {path} yet: the first token makes it", mend)


def _schema(path: Path) -> Iterator[Finding]:
    from controller.store.migrate import SCHEMA

    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1) as connection:
            (found,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
    except sqlite3.Error as problem:
        yield error("database", f"{path} cannot be read as netcordon's database: {problem}", "restore a backup")
        return
    if found > SCHEMA:
        yield error(
            "database", f"{path} is of a newer netcordon (schema {found}, this is {SCHEMA})", "pip install -U netcordon"
        )
    elif found < SCHEMA:
        yield info(
            "database", f"{path} has schema {found}; the daemon brings it to {SCHEMA} when it starts", "netcordon serve"
        )


def _postgresql(url: str) -> Iterator[Finding]:
    if find_spec("psycopg") is None:
        yield error("database", "PostgreSQL's driver is not installed", "pip install 'netcordon[postgres]'")
        return
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    from controller.store.engines import parse

    parsed = parse(url)
    engine = create_engine(parsed, connect_args={"connect_timeout": 3})
    try:
        engine.connect().close()
    except SQLAlchemyError:  # its text may hold the password
        host = parsed.host or parsed.query.get("host", "this machine")
        yield error("database", f"PostgreSQL on {host} does not let us in", f"pg_isready -h {host}")
    finally:
        engine.dispose()


def _port(address: str, port: int, key: str) -> Iterator[Finding]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((address, port))
        except OSError as problem:
            yield error(
                "port",
                f"{address}:{port} cannot be had: {problem.strerror}",
                f"ss -ltnp 'sport = :{port}'  # or set {key}",
            )


def _speaker(config: Config) -> Iterator[Finding]:
    speaker = config.openflow.speaker
    if _answers(speaker.socket):
        return
    if not speaker.start:
        mend = "openflow: {speaker: {start: true}}"
        yield error("speaker", f"no speaker answers on {speaker.socket}, and the daemon is told to start none", mend)
        return
    host, _, port = speaker.listen.removeprefix("ssl:").rpartition(":")
    if port.isdigit():
        yield from _port(host.strip("[]"), int(port), "openflow.speaker.listen")


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _tls(config: Config) -> list[Tls]:
    """The API's, and the switches'."""
    return [tls for tls in (config.listen.tls, config.openflow.speaker.tls) if tls is not None]


def _certificate(path: Path) -> Iterator[Finding]:
    command = ["openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in", str(path)]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
        ends = datetime.fromisoformat(said.strip().removeprefix("notAfter=").replace("Z", "+00:00"))
    except FileNotFoundError:
        yield info("certificate", "whether the TLS certificate is valid was not looked at", "apt-get install openssl")
        return
    except (subprocess.SubprocessError, ValueError):
        yield error("certificate", f"{path} cannot be read as a certificate", f"openssl x509 -text -in {path}")
        return
    days = (ends - datetime.now(UTC)).total_seconds() / 86400
    if days < LEAST_DAYS:
        when = f"expired {-days:.0f} days ago" if days < 0 else f"expires in {days:.0f} days"
        say = error if days < 0 else warning
        yield say("certificate", f"the TLS certificate {path} {when}", "renew it, and restart the daemon")


def _drivers(config: Config) -> Iterator[Finding]:
    from drivers.base import DriverError
    from drivers.registry import DriverRegistry

    registry = DriverRegistry.with_entry_points()
    for name in sorted({device.driver for device in config.devices}):
        try:
            registry.load(name)
        except DriverError as problem:
            yield error("driver", str(problem), "pip install 'netcordon[vendors]'")


def _labs() -> Iterator[Finding]:
    missing = [program for program in _LAB_PROGRAMS if shutil.which(program) is None]
    if missing:
        mend = "apt-get install openvswitch-switch mininet ethtool"
        yield info("labs", f"labs cannot run here: {', '.join(missing)} missing", mend)
    elif find_spec("mininet") is None:
        yield info("labs", "labs cannot run here: Mininet's Python side is missing", "pip install 'netcordon[lab]'")
    elif os.geteuid() != 0:
        yield info("labs", "labs need root", "sudo netcordon lab list")
