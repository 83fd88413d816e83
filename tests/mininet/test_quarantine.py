"""A device behind a virtual Arista switch is moved to the quarantine VLAN through `netcordon serve`, and back.

Its DHCP client, and the servers of both VLANs, run on their own: nobody but their links tells them of the move.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from labs.installation import places
from labs.process import process
from tests.contract.bench import Traffic
from tests.contract.eos_bench import EosBench, EosLab, running_eos
from tests.contract.wires import Wires
from tests.mininet import dhcp
from tests.mininet.served import Netcordon, until
from tests.mininet.test_configured import settings
from topologies.vendor.eos_grammar import GRAMMAR

pytestmark = pytest.mark.mininet
ROGUE, OFFICE, FELLOW, REMEDIATION = 1, 2, 3, 4
HOSTS = 6
VLAN = 999
CONFIGURED = (
    "vlan 999", "name quarantine", "interface Ethernet4", "switchport access vlan 999",
    "interface Ethernet1", "spanning-tree portfast", "interface Ethernet3", "spanning-tree portfast",
)  # fmt: skip


@contextmanager
def _dhcp(eos: EosLab, folder: Path) -> Iterator[None]:
    """A server in each VLAN, and an unattended client on both devices, whose stacks answer as any do."""
    with ExitStack() as running:
        programs: tuple[tuple[int, tuple[str, ...]], ...] = (
            (OFFICE, ("serve", "10.0.0.2", "10.0.0.101")),
            (REMEDIATION, ("serve", "10.99.0.4", "10.99.0.101")),
            (ROGUE, ("watch",)),
            (FELLOW, ("watch",)),
        )
        for number, words in programs:
            host = eos.net.get(f"h{number}")
            interface = str(host.defaultIntf())
            host.cmd(f"sysctl -qw net.ipv4.conf.all.arp_ignore=0; ethtool -K {interface} tx off")
            host.cmd(f"ip address flush dev {interface}")
            if words[0] == "serve":
                host.cmd(f"ip address add {words[1]}/24 dev {interface}")
            command = ["mnexec", "-a", str(host.pid), sys.executable, dhcp.__file__]
            command += [words[0], interface, *words[1:]]
            running.enter_context(process(command, folder / f"dhcp{number}.txt", os.environ))
        yield


def _address(host: Any) -> str:
    words = ["mnexec", "-a", str(host.pid), "ip", "-4", "-o", "address", "show", "dev", str(host.defaultIntf())]
    told = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    return told[told.index("inet") + 1].partition("/")[0] if "inet" in told else ""


def _reaches(host: Any, address: str) -> bool:
    words = ["mnexec", "-a", str(host.pid), "ping", "-c", "1", "-W", "1", address]
    return subprocess.run(words, check=False, capture_output=True).returncode == 0


def test_an_inmate_gets_a_lease_there_and_reaches_the_remediation_host_alone(tmp_path: Path) -> None:
    with running_eos(tmp_path, HOSTS) as eos, places() as where:
        quarantine = {"vlan": VLAN, "hosts": ["10.99.0.4"], "bounce": True}
        given = settings(eos, where.folder, where.openflow_port, where.api_port) | {"quarantine": quarantine}
        served = Netcordon(where, given)
        eos.switch.edit(list(CONFIGURED))
        before = eos.switch.running.text(GRAMMAR)
        rogue, office, fellow, remediation = (eos.net.get(f"h{number}") for number in range(1, 5))
        with _dhcp(eos, where.folder):
            try:
                served.install()
                served.start()
                _leased(rogue, "10.0.0.")
                _leased(fellow, "10.0.0.")
                _try(served, eos, (rogue, office, fellow, remediation))
                released = before.replace(
                    "   spanning-tree portfast\n", "   spanning-tree portfast\n   description his edit\n", 1
                )
                assert eos.switch.running.text(GRAMMAR) == released
                assert "Traceback" not in (said := served.logs()), said
                assert served.operator.audit_verify().verified
            finally:
                served.close()


def _leased(host: Any, prefix: str) -> str:
    return until(f"{host} to have an address in {prefix}0/24", lambda: _in(_address(host), prefix))


def _in(address: str, prefix: str) -> str:
    return address if address.startswith(prefix) else ""


def _try(served: Netcordon, eos: EosLab, hosts: tuple[Any, Any, Any, Any]) -> None:
    rogue, _, fellow, remediation = hosts
    wires = Wires(eos.net.hosts)
    try:
        at_rogue, at_office = EosBench.station(ROGUE), EosBench.station(OFFICE)
        assert _reaches(rogue, "10.0.0.2")
        cases = []
        for number, host in ((ROGUE, rogue), (FELLOW, fellow)):
            station = EosBench.station(number)
            until("it to be at a port", lambda: served.cli("locate", station.mac).returncode == 0)  # noqa: B023
            cases.append(served.contain(station.mac, "installed", profile="quarantine-vlan"))
            _leased(host, "10.99.0.")
        assert [switchport(eos, number) for number in (ROGUE, FELLOW)] == [VLAN, VLAN]
        assert _reaches(rogue, "10.99.0.4")
        assert _reaches(fellow, "10.99.0.4")
        assert _reaches(remediation, _address(rogue)), "who mends it reaches it"
        assert not _reaches(rogue, _address(fellow))
        assert not _reaches(fellow, _address(rogue))
        assert not any(wires.delivers(at_rogue, at_office, kind) for kind in Traffic)
        eos.switch.edit(["interface Ethernet1", "description his edit"])
        for case in cases:
            served.operator.release(case.id, reason="clean again")
            served.outcome(case.id, "removed")
        _leased(rogue, "10.0.0.")
        _leased(fellow, "10.0.0.")
        assert _reaches(rogue, "10.0.0.2")
        assert _reaches(rogue, _address(fellow))
    finally:
        wires.close()


def switchport(eos: EosLab, number: int) -> int:
    lines = eos.switch.running.section(f"interface Ethernet{number}")
    return next((int(line.split()[-1]) for line in lines if line.startswith("switchport access vlan ")), 1)
