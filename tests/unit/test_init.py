"""`netcordon init`: what it writes is read by the daemon, is private, and takes nobody's file away."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import stat
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from controller.cli import init
from controller.cli.main import run
from controller.config import load_config
from controller.first_configuration import Answers, Switch, render
from controller.store import Store

ANSWERS = Answers(
    state=Path("/srv/net cordon"),
    run=Path("/run/x"),
    port=9000,
    openflow="[::1]:6653",
    adopt=False,
    gateways=(ip_address("10.0.0.254"), ip_address("fd00::1")),
    on_link=(ip_network("10.0.0.0/24"), ip_network("fd00::/64")),
    protected=((ip_address("10.0.0.5"), 'the "one": {x} # y'), (ip_address("fd00::5"), "it")),
    switches=(Switch("of:0000000000000001", "s1\nadopt: true"),),
)


def written(folder: Path, answers: Answers) -> Path:
    path = folder / "n.yaml"
    path.write_text(render(answers))
    return path


def test_what_is_rendered_is_what_was_answered(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, ANSWERS))
    assert config.store == "sqlite:////srv/net cordon/netcordon.db"
    assert (config.listen.port, config.listen.socket) == (9000, Path("/run/x/api.sock"))
    assert (config.openflow.adopt, config.openflow.speaker.listen) == (False, "[::1]:6653")
    assert [device.id for device in config.devices] == ["of:0000000000000001"]
    assert [str(prefix) for prefix in config.network.on_link] == ["10.0.0.0/24", "fd00::/64"]
    assert {str(ip) for ip in config.network.routers[0].ips} == {"10.0.0.254", "fd00::1"}
    assert [(str(one.ip), one.why) for one in config.protected] == [
        ("10.0.0.5", 'the "one": {x} # y'),
        ("fd00::5", "it"),
    ]
    assert config.policy.rules == ()


def test_with_nothing_found_it_is_read_too(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, Answers(tmp_path, tmp_path)))
    assert (config.devices, config.protected, config.network.on_link) == ((), (), ())


def test_asking_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sub" / "netcordon.yaml"
    assert run(["init", "--yes", "--output", str(path), "--folder", str(tmp_path), "--port", "9001", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["configuration"] == str(path)
    assert said["next"][1].startswith("netcordon token add me --role admin --offline --save --config")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    config = load_config(path)
    assert config.listen.port == 9001
    assert config.store == f"sqlite:///{tmp_path}/netcordon.db"


def test_the_next_commands_can_be_typed(tmp_path: Path) -> None:
    path = tmp_path / "netcordon.yaml"
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}
    command = [sys.executable, "-c", "from controller.cli.main import main; main()"]
    folder = str(tmp_path)
    words = ["init", "--yes", "--output", str(path), "--folder", folder]
    done = subprocess.run([*command, *words], env=environment, capture_output=True, text=True, check=True)
    token = next(line.split()[1:] for line in done.stdout.splitlines() if " token add " in line)
    subprocess.run([*command, *token], env=environment, capture_output=True, check=True)
    assert asyncio.run(_tokens(load_config(path).store)) == ["me"]


async def _tokens(url: str) -> list[str]:
    store = await Store.open(url)
    try:
        return [one.name for one in await store.tokens()]
    finally:
        await store.close()


def test_a_file_that_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "netcordon.yaml"
    path.write_text("mine")
    words = ["init", "--yes", "--output", str(path), "--folder", str(tmp_path)]
    assert run(words) == 2
    assert path.read_text() == "mine"
    assert "--force" in capsys.readouterr().err
    assert run([*words, "--force"]) == 0
    assert load_config(path).listen.port == 8440


def test_without_a_terminal_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert run(["init", "--output", str(tmp_path / "n.yaml")]) == 2
    assert "--yes" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert run(["init", "--yes", "--output", str(tmp_path / "file" / "n.yaml")]) == 2
    assert "--output" in capsys.readouterr().err


def test_a_persons_answers(tmp_path: Path) -> None:
    """On a terminal: bad answers are asked again, Enter takes what was proposed, - takes nothing."""
    path = tmp_path / "netcordon.yaml"
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", "from controller.cli.main import main; main()", "init", "-o", str(path)],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PATH": str(tmp_path)},  # no ovs-vsctl and no ip: nothing of this machine is found by them
    )
    os.close(theirs)
    answers = [str(tmp_path), "many", "9002", "127.0.0.1:7000", "10.0.0.0/33", "10.0.0.0/24", "10.0.0.254", "-", "n"]
    os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
    _, said = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0, said
    config = load_config(path)
    assert (config.listen.port, config.openflow.speaker.listen, config.openflow.adopt) == (
        9002,
        "127.0.0.1:7000",
        False,
    )
    assert (str(config.network.on_link[0]), config.protected) == ("10.0.0.0/24", ())
    assert config.listen.socket == tmp_path / "api.sock"
    assert said.count(b"that cannot be read") == 2


@pytest.mark.parametrize(
    "text", ["nowhere", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "host:6653", ""]
)
def test_where_switches_dial_is_asked_again_until_it_can_be_read(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        init._dialled(text)


@pytest.mark.parametrize("text", ["127.0.0.1:6653", "[::1]:6653", "0.0.0.0:1"])
def test_where_switches_may_dial(text: str) -> None:
    init._dialled(text)
