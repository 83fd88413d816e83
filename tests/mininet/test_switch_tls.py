"""Switches over TLS: a real Open vSwitch with a certificate of ours gets in, one without does not, and the log says so.

Open vSwitch has one TLS configuration for all of its bridges, so the tests bring an ovsdb-server and an ovs-vswitchd of their own. Its
datapath is a dummy: two switch daemons on one machine would both want the device `ovs-netdev`, and here no frame flows.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.base import DeviceUnreachable
from drivers.openflow.driver import OpenFlowDriver, device_id
from drivers.openflow.link import SpeakerLink
from drivers.openflow.starting import SpeakerKind, Tls, ensure_speaker
from tests.mininet.test_openflow_driver import full, ready
from tests.openflow_lab import NAMES, PATIENCE, RUNTIMES, Speaker, running_speaker, until, wait_for

pytestmark = pytest.mark.mininet
SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")


@dataclass(frozen=True)
class Authority:
    """Makes certificates with the `openssl` program, as docs/operators-guide.md tells operators to."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    def create(self) -> Authority:
        self.folder.mkdir()
        self._new("ca", "-x509", "-days", "30", "-out", "ca.pem")
        return self

    def issue(self, name: str, days: int = 30) -> Tls:
        """`days` may be negative: expired when it was made."""
        self._new(name, "-out", f"{name}.csr")
        signer = ["-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial"]
        self._openssl("x509", "-req", "-in", f"{name}.csr", *signer, "-days", str(days), "-out", f"{name}.pem")
        return Tls(self.folder / f"{name}.pem", self.folder / f"{name}-key.pem", self.certificate)

    def _new(self, name: str, *more: str) -> None:
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
        self._openssl("req", *curve, "-subj", f"/CN={name} of {self.folder.name}", "-keyout", f"{name}-key.pem", *more)

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)


@dataclass(frozen=True)
class Vswitch:
    """A database, a switch daemon and one bridge, all in a folder of their own."""

    folder: Path
    bridge: str
    dpid: int

    def vsctl(self, *words: str) -> None:
        self._run("ovs-vsctl", f"--db=unix:{self.folder}/db.sock", "--timeout=15", *words)

    def flows(self) -> str:
        return self._run("ovs-ofctl", "-O", "OpenFlow13", "dump-flows", f"unix:{self.folder}/{self.bridge}.mgmt")

    def show(self, certificates: Tls) -> None:
        """Connect with these from now on."""
        self.vsctl("set-ssl", *(str(path) for path in (certificates.key, certificates.certificate, certificates.ca)))

    def connect(self, port: int, transport: str = "ssl") -> None:
        self.vsctl("del-controller", self.bridge)
        self.vsctl("set-controller", self.bridge, f"{transport}:127.0.0.1:{port}")
        self.vsctl("set", "controller", self.bridge, "max_backoff=1000", "inactivity_probe=5000")

    def _run(self, *words: str) -> str:
        around = {**os.environ, "OVS_RUNDIR": str(self.folder)}
        return subprocess.run(words, env=around, check=True, capture_output=True, text=True).stdout


@contextmanager
def running_vswitch(folder: Path) -> Iterator[Vswitch]:
    folder.mkdir()
    bridge, dpid = next(NAMES), int.from_bytes(os.urandom(7), "big")
    around = {**os.environ, "OVS_RUNDIR": str(folder), "OVS_LOGDIR": str(folder), "OVS_DBDIR": str(folder)}
    subprocess.run(["ovsdb-tool", "create", folder / "conf.db", SCHEMA], check=True, env=around)
    with ExitStack() as stack, (folder / "log").open("wb") as log:

        def start(*words: str) -> None:
            process = subprocess.Popen(words, env=around, stdout=log, stderr=log)
            stack.callback(process.wait, PATIENCE)
            stack.callback(process.terminate)

        ssl = [f"--{name}=db:Open_vSwitch,SSL,{name.replace('-', '_')}" for name in ("private-key", "certificate")]
        start("ovsdb-server", str(folder / "conf.db"), f"--remote=punix:{folder}/db.sock", *ssl)
        wait_for("database", (folder / "db.sock").exists)
        switch = Vswitch(folder, bridge, dpid)
        switch.vsctl("--no-wait", "init")
        start("ovs-vswitchd", "--enable-dummy", f"unix:{folder}/db.sock")
        options = ["datapath_type=dummy", "fail_mode=secure", "protocols=OpenFlow13"]
        identity = f"other_config:datapath-id={dpid:016x}"
        switch.vsctl("add-br", bridge, "--", "set", "bridge", bridge, *options, identity)
        stack.callback(switch.vsctl, "del-br", bridge)
        yield switch


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    assert shutil.which("openssl"), "the tests need the openssl program"
    return Authority(tmp_path_factory.mktemp("pki") / "ours").create()


@pytest.fixture(scope="module")
def vswitch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vswitch]:
    with running_vswitch(tmp_path_factory.mktemp("ovs") / "run") as switch:
        yield switch


@pytest.fixture(params=RUNTIMES)
def speaker(request: pytest.FixtureRequest, tmp_path: Path, authority: Authority) -> Iterator[Speaker]:
    with running_speaker(tmp_path, request.param, authority.issue("controller")) as speaker:
        yield speaker


async def test_a_switch_with_our_certificate_is_contained_over_tls(
    speaker: Speaker, vswitch: Vswitch, authority: Authority
) -> None:
    vswitch.show(authority.issue("switch"))
    vswitch.connect(speaker.port)
    link = SpeakerLink(speaker.socket)
    await link.start()
    driver = OpenFlowDriver(device_id(vswitch.dpid), vswitch.dpid, link)
    try:
        await until("switch", driver.facts)
        before = await ready(driver)
        many = full("nowhere")
        receipt = await driver.apply(driver.render(many, await driver.observe(), before), 5)
        assert set(receipt.refused) == {rule.id for rule in many}
        assert "cookie=0x4e43" in vswitch.flows()
        large = [{"kind": "flow", **_flow(number)} for number in range(20_000)]
        assert (await link.request("push", 60, dpid=vswitch.dpid, messages=large))["refused"] == {}
        assert vswitch.flows().count("priority=77,") == len(large)
        assert (await driver.observe()).rules
        gone = [{"kind": "uncookie", "cookie": _flow(0)["cookie"]}]
        await link.request("push", 60, dpid=vswitch.dpid, messages=gone)
        assert "priority=77," not in vswitch.flows()
    finally:
        await driver.close()
        await link.close()


def _flow(number: int) -> dict[str, object]:
    match = {"eth_type": 0x0800, "ipv4_src": f"10.9.{number >> 8}.{number & 255}"}
    return {"table": 0, "priority": 77, "cookie": 0x4E43 << 48 | 0x777, "match": match, "goto": None, "output": None}


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("a stranger's authority", "unable to get local issuer certificate"),
        ("expired", "certificate has expired"),
        ("no TLS at all", "wrong version number"),
    ],
)
async def test_a_switch_without_a_valid_certificate_is_refused_and_logged(
    speaker: Speaker, vswitch: Vswitch, authority: Authority, tmp_path: Path, who: str, why: str
) -> None:
    if who == "a stranger's authority":
        stranger = Authority(tmp_path / "stranger").create().issue("switch")
        vswitch.show(Tls(stranger.certificate, stranger.key, authority.certificate))
    else:
        vswitch.show(authority.issue("expired", days=-1 if who == "expired" else 30))
    vswitch.connect(speaker.port, "tcp" if who == "no TLS at all" else "ssl")
    wait_for("refusal", lambda: f"from 127.0.0.1 was refused: {why}" in speaker.log.read_text())
    link = SpeakerLink(speaker.socket)
    await link.start()
    try:
        with pytest.raises(DeviceUnreachable, match="not connected"):
            await link.request("switch", 5, dpid=vswitch.dpid)
        vswitch.show(authority.issue("switch"))
        vswitch.connect(speaker.port)
        await until("switch", lambda: link.request("switch", 5, dpid=vswitch.dpid))
    finally:
        await link.close()


def test_a_client_without_any_certificate_is_refused(speaker: Speaker, authority: Authority) -> None:
    words = ["openssl", "s_client", "-connect", f"127.0.0.1:{speaker.port}", "-CAfile", str(authority.certificate)]
    subprocess.run(words, input=b"", capture_output=True, timeout=30, check=False)
    wait_for("refusal", lambda: "peer did not return a certificate" in speaker.log.read_text())


def test_who_says_nothing_holds_up_nobody(speaker: Speaker, vswitch: Vswitch, authority: Authority) -> None:
    with socket.create_connection(("127.0.0.1", speaker.port)):
        vswitch.show(authority.issue("switch"))
        vswitch.connect(speaker.port)
        wait_for("switch", lambda: f"switch {vswitch.dpid:016x} is up" in speaker.log.read_text())


async def test_certificates_that_cannot_be_used_are_named(authority: Authority, tmp_path: Path) -> None:
    good, other = authority.issue("controller"), authority.issue("other")
    for tls, why in (
        (Tls(good.certificate, other.key, good.ca), "key values mismatch"),
        (Tls(tmp_path / "absent.pem", good.key, good.ca), r"absent\.pem: No such file"),
        (Tls(good.certificate, good.key, good.key), "controller-key.pem: "),
    ):
        with pytest.raises(DeviceUnreachable, match=f"code 6: .*openflow.speaker.tls cannot be used: .*{why}"):
            await ensure_speaker(tmp_path / "s.sock", SpeakerKind("ssl:127.0.0.1:0", tls=tls), tmp_path / "log")
    good.key.chmod(0o644)
    with pytest.raises(DeviceUnreachable, match="may read the private key; chmod 600"):
        await ensure_speaker(tmp_path / "s.sock", SpeakerKind("ssl:127.0.0.1:0", tls=good), tmp_path / "log")
