"""What the doctor finds on a machine: the misconfigurations are made for real, in a folder and on ports of the test's own."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from controller.config import Config
from controller.doctor import host, machine, switches
from controller.doctor.finding import Finding, Severity
from controller.doctor.switches import Bridge
from controller.store import Store

LISTEN = "127.0.0.1:6653"
OURS = "0000000000000001"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path


Look = Callable[..., dict[str, Finding]]


@pytest.fixture
def look(folder: Path, free_port: int) -> Look:
    """The findings by check, of a configuration with these changes; what is said of labs and the clock depends on the machine."""

    def look(running: bool = True, **changes: Any) -> dict[str, Finding]:
        settings: dict[str, Any] = {
            "store": f"sqlite:///{folder}/netcordon.db",
            "listen": {"port": free_port, "socket": str(folder / "api.sock")},
            "openflow": {"speaker": {"socket": str(folder / "speaker.sock"), "listen": "127.0.0.1:0"}},
        }
        found = machine.examine(
            Config.model_validate(settings | changes), {"HOME": str(folder / "home")}, running=running
        )
        return {one.check: one for one in found if one.check not in ("labs", "clock")}

    return look


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
async def database(folder: Path) -> Path:
    await (await Store.open(f"sqlite:///{folder}/netcordon.db")).close()
    return folder / "netcordon.db"


async def test_a_machine_in_order(look: Look, database: Path) -> None:
    assert look(running=False) == {}


async def test_who_may_read_what(look: Look, database: Path, folder: Path) -> None:
    token = folder / "home/.config/netcordon/token"
    token.parent.mkdir(parents=True)
    token.write_text("nct_x")
    for path in (token, database):
        path.chmod(0o644)
        finding = look()["permissions"]
        assert finding.severity is Severity.ERROR
        assert finding.mend == f"chmod 600 {path}"
        path.chmod(0o600)
    assert look() == {}


def test_the_configurations_own_file(folder: Path) -> None:
    path = folder / "netcordon.yaml"
    path.write_text(yaml.safe_dump({"store": "postgresql://ann:secret@db/netcordon"}))
    path.chmod(0o646)
    config, findings = machine.configuration(path, {})
    assert config is not None
    assert [one.check for one in findings] == ["permissions", "permissions"]
    assert "secret" not in str(findings)
    path.write_text("listen: {prot: 1}")
    config, (finding,) = machine.configuration(path, {})
    assert config is None
    assert (finding.severity, "prot" in finding.seen) == (Severity.ERROR, True)


def test_no_database_yet_and_none_that_can_be_read(look: Look, folder: Path) -> None:
    assert look(running=False)["database"].severity is Severity.INFO
    (folder / "netcordon.db").write_bytes(b"no database at all" * 100)
    (folder / "netcordon.db").chmod(0o600)
    assert look()["database"].severity is Severity.ERROR


async def test_a_database_of_a_newer_release(look: Look, database: Path) -> None:
    import sqlite3

    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "newer" in look()["database"].seen


async def test_a_port_that_somebody_else_has(look: Look, database: Path, free_port: int) -> None:
    with socket.create_server(("127.0.0.1", free_port)):
        finding = look(running=False)["port"]
        assert str(free_port) in finding.mend
        assert "port" not in look(running=True)


async def test_a_speaker_that_nobody_starts(look: Look, database: Path, folder: Path) -> None:
    speaker = {"socket": str(folder / "speaker.sock"), "start": False}
    assert look(running=False, openflow={"speaker": speaker})["speaker"].severity is Severity.ERROR


async def test_a_driver_that_nobody_knows_is_an_error_of_the_configuration_already(look: Look) -> None:
    with pytest.raises(ValidationError, match="no driver 'no-such'; known are"):
        look(devices=[{"id": "x", "driver": "no-such"}])


@pytest.fixture
def certificate(folder: Path) -> Callable[[int], dict[str, str]]:
    if shutil.which("openssl") is None:
        pytest.fail("these tests make certificates: apt-get install openssl")

    def make(days: int) -> dict[str, str]:
        key, path = folder / "key.pem", folder / f"{days}.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
             "-days", str(days), "-keyout", str(key), "-out", str(path)],
            check=True, capture_output=True,
        )  # fmt: skip
        key.chmod(0o600)
        return {"certificate": str(path), "key": str(key)}

    return make


@pytest.mark.parametrize(("days", "severity"), [(400, None), (5, Severity.WARNING)])
async def test_a_certificate_that_ends_soon(
    look: Look,
    database: Path,
    folder: Path,
    certificate: Callable[[int], dict[str, str]],
    days: int,
    severity: Severity | None,
) -> None:
    found = look(listen={"socket": str(folder / "a.sock"), "tls": certificate(days)}).get("certificate")
    assert (found and found.severity) == severity


async def test_what_is_no_certificate(look: Look, database: Path, folder: Path) -> None:
    (folder / "c.pem").write_text("x")
    (folder / "k.pem").write_text("x")
    (folder / "k.pem").chmod(0o644)
    found = look(
        listen={
            "socket": str(folder / "a.sock"),
            "tls": {"certificate": str(folder / "c.pem"), "key": str(folder / "k.pem")},
        }
    )
    assert found["certificate"].severity is Severity.ERROR
    assert found["permissions"].mend == f"chmod 600 {folder / 'k.pem'}"


# --- bridges ----------------------------------------------------------------------------------------------------------


def bridge(**changes: Any) -> Bridge:
    return replace(Bridge("br0", OURS, "secure", (f"tcp:{LISTEN}",), connected=True), **changes)


@pytest.mark.parametrize(
    ("changes", "listed", "listen", "expected"),
    [
        ({}, True, LISTEN, {}),
        ({}, False, LISTEN, {}),
        ({"fail_mode": "standalone"}, True, LISTEN, {"fail-mode": Severity.ERROR}),
        ({"fail_mode": ""}, False, LISTEN, {"fail-mode": Severity.ERROR}),
        ({"dials": ()}, True, LISTEN, {"controller-address": Severity.ERROR}),
        ({"dials": ("tcp:127.0.0.1:6633",)}, True, LISTEN, {"controller-address": Severity.ERROR}),
        ({"dials": ("tcp:192.0.2.1:6653",)}, True, LISTEN, {"controller-address": Severity.ERROR}),
        ({"dials": ("tcp:192.0.2.1:6653",)}, True, "0.0.0.0:6653", {}),
        ({"dials": ("tcp:127.0.0.1",)}, True, LISTEN, {}),
        ({"dials": ("tcp:[fd00::1]:6653",)}, True, "[fd00::1]:6653", {}),
        ({}, True, f"ssl:{LISTEN}", {"controller-address": Severity.ERROR}),
        ({"dials": (f"ssl:{LISTEN}",)}, True, f"ssl:{LISTEN}", {}),
        ({"connected": False}, True, LISTEN, {"controller-address": Severity.WARNING}),
        ({"dials": ()}, False, LISTEN, {"other-bridge": Severity.INFO}),
        ({"dials": ("ptcp:6653",), "fail_mode": ""}, False, LISTEN, {"other-bridge": Severity.INFO}),
    ],
)
def test_a_bridge(changes: dict[str, Any], listed: bool, listen: str, expected: dict[str, Severity]) -> None:
    found = switches.examine([bridge(**changes)], listen, {f"of:{OURS}"} if listed else ())
    assert {one.check: one.severity for one in found} == expected


def test_bridges_are_read_as_ovs_vsctl_says_them() -> None:
    said = {
        ("list-br",): "br0\nbr1\n",
        ("get-controller", "br0"): "tcp:127.0.0.1:6653\nptcp:6634\n",
        ("get-controller", "br1"): "",
        ("get-fail-mode", "br0"): "secure\n",
        ("get-fail-mode", "br1"): "\n",
        ("get", "bridge", "br0", "datapath_id"): '"0000000000000001"\n',
        ("get", "bridge", "br1", "datapath_id"): '"0000000000000002"\n',
        ("--no-headings", "--columns=target,is_connected", "--format=csv", "list", "controller"): (
            '"tcp:127.0.0.1:6653",true\n"tcp:192.0.2.1:1",false\n'
        ),
    }
    assert switches.bridges(lambda *arguments: said[arguments]) == [
        bridge(dials=("tcp:127.0.0.1:6653", "ptcp:6634")),
        Bridge("br1", "0000000000000002", "", (), connected=False),
    ]


# --- this machine -----------------------------------------------------------------------------------------------------


def test_default_routes_and_resolvers(folder: Path) -> None:
    routes, routes6, resolv = folder / "route", folder / "route6", folder / "resolv.conf"
    routes.write_text("Iface Destination Gateway Flags\neth0 00000000 010200C0 0003 0\neth0 000200C0 00000000 0001 0\n")
    zero = "0" * 32
    routes6.write_text(
        f"{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 1 0 00000003 eth0\n"
        f"fd000000000000000000000000000000 40 {zero} 00 {zero} 00000100 1 0 00000001 eth0\n"
    )
    resolv.write_text(
        "# one\nnameserver 192.0.2.53\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\nsearch x\nnameserver bad\n"
    )
    assert [str(one) for one in host.gateways(routes, routes6)] == ["192.0.2.1", "fe80::1"]
    assert [str(one) for one in host.resolvers(resolv)] == ["192.0.2.53", "fe80::1"]
    assert host.gateways(folder / "none", folder / "none") == []


def test_addresses_as_ip_shows_them() -> None:
    said = (
        "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever\n"
        "2: eth0    inet 10.0.0.5/24 brd 10.0.0.255 scope global eth0\\ valid_lft forever\n"
        "2: eth0    inet6 fd00::5/64 scope global \\ valid_lft forever\n"
        "2: eth0    inet6 fe80::5/64 scope link \\ valid_lft forever\n"
    )
    assert [str(one) for one in host.interfaces_of(said)] == ["10.0.0.5/24", "fd00::5/64"]


def test_the_kernel_says_whether_the_clock_is_synchronized() -> None:
    assert host.clock_is_synchronized() in (True, False, None)


@pytest.fixture
def unix_socket(folder: Path) -> Iterator[Path]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "api.sock"))
        yield folder / "api.sock"


async def test_a_socket_that_is_open_to_others(look: Look, database: Path, unix_socket: Path) -> None:
    unix_socket.chmod(0o666)
    assert look()["permissions"].mend == f"chmod 600 {unix_socket}"
