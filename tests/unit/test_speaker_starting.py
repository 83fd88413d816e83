"""A speaker of the kind that was configured, or an error that says why not: never another one in silence."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.config import load_config
from controller.errors import ConfigError
from drivers.base import DeviceUnreachable
from drivers.openflow.starting import AnotherKind, SpeakerKind, Tls, ensure_speaker
from tests.openflow_lab import free_port

RYU_HERE = SpeakerKind(runtime="ryu", python=Path(sys.executable))
TLS = Tls(Path("c.pem"), Path("k.pem"), Path("a.pem"))


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Path]:
    """The socket of a speaker on os-ken without TLS, started as the daemon does."""
    socket = tmp_path / "s.sock"
    pid, started = await ensure_speaker(socket, SpeakerKind(f"127.0.0.1:{free_port()}"), tmp_path / "log")
    assert started
    yield socket
    os.kill(pid, 15)
    await asyncio.to_thread(os.waitpid, pid, 0)


async def test_a_running_one_is_taken_when_it_is_of_the_kind(running: Path) -> None:
    assert (await ensure_speaker(running, SpeakerKind(runtime="os-ken")))[1] is False
    for kind, what in ((RYU_HERE, "os-ken"), (SpeakerKind("ssl:127.0.0.1:1", tls=TLS), "without TLS")):
        with pytest.raises(AnotherKind, match=rf"{what} runs already.*kill \d+"):
            await ensure_speaker(running, kind)


async def test_ryu_where_it_is_not_installed_is_an_error_that_says_so(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(DeviceUnreachable, match=r"code 5.*ryu cannot be imported by.*openflow\.speaker\.python"):
        await ensure_speaker(tmp_path / "s.sock", RYU_HERE, log)
    assert "Traceback" not in log.read_text()


async def test_a_python_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DeviceUnreachable, match=r"/nowhere/python \(openflow\.speaker\.python\): No such file"):
        await ensure_speaker(tmp_path / "s.sock", SpeakerKind(python=Path("/nowhere/python")), tmp_path / "log")


@pytest.mark.parametrize("speaker", ["listen: ssl:127.0.0.1:6653", "tls: {certificate: c, key: k, ca: a}"])
def test_tls_is_configured_whole_or_not_at_all(tmp_path: Path, speaker: str) -> None:
    file = tmp_path / "netcordon.yaml"
    file.write_text(f"openflow:\n  speaker:\n    {speaker}\n")
    with pytest.raises(ConfigError, match="write listen: ssl:HOST:PORT together with tls"):
        load_config(file)


def test_the_command_names_everything() -> None:
    command = SpeakerKind("ssl:[::1]:6653", "ryu", Path("/opt/ryu/bin/python"), TLS).command(Path("s"))
    assert command[0] == "/opt/ryu/bin/python"
    assert " ".join(command[3:]) == (
        "--socket s --listen ssl:[::1]:6653 --runtime ryu --role sole --certificate c.pem --key k.pem --ca a.pem"
    )
