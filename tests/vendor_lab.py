"""Virtual vendor switches with hosts on them, for tests/mininet and tests/contract. Stop what is started here by its `net`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.openflow_lab import NAMES
from topologies.vendor.node import EosNode, IosNode, JunosNode, NxosNode


def start_eos(hosts: int, flash: Path, **options: Any) -> tuple[Any, EosNode]:
    """One EOS switch, host n on its Ethernet<n>."""
    net, node = _start(EosNode, hosts, flash, **options)
    assert isinstance(node, EosNode)
    return net, node


def start_ios(hosts: int, flash: Path, **options: Any) -> tuple[Any, IosNode]:
    """One IOS switch, host n on its GigabitEthernet1/0/<n>, which are access ports; it takes files and keeps an archive."""
    ports = [f"interface GigabitEthernet1/0/{number}\n switchport mode access\n" for number in range(1, hosts + 1)]
    flash.mkdir(parents=True, exist_ok=True)
    (flash / "startup-config").write_text(f"ip scp server enable\narchive\n path flash:archive\n{''.join(ports)}end\n")
    net, node = _start(IosNode, hosts, flash, **options)
    assert isinstance(node, IosNode)
    return net, node


def start_junos(hosts: int, flash: Path, **options: Any) -> tuple[Any, JunosNode]:
    """One Junos switch, host n on its ge-0/0/<n>, as it comes from the factory."""
    net, node = _start(JunosNode, hosts, flash, **options)
    assert isinstance(node, JunosNode)
    return net, node


def start_nxos(hosts: int, flash: Path, **options: Any) -> tuple[Any, NxosNode]:
    """One NX-OS switch, host n on its Ethernet1/<n>, which are access ports."""
    net, node = _start(NxosNode, hosts, flash, **options)
    assert isinstance(node, NxosNode)
    return net, node


def _start(kind: type[Any], hosts: int, flash: Path, **options: Any) -> tuple[Any, Any]:
    """The hosts' own stacks are silent."""
    if os.geteuid() != 0 or shutil.which("ovs-vsctl") is None:
        pytest.fail("needs root and Open vSwitch: see `make setup`")
    from mininet.net import Mininet

    net = Mininet(controller=None, build=False)
    node = net.addSwitch(next(NAMES), cls=kind, dpid=os.urandom(7).hex().zfill(16), flash=flash, batch=True, **options)
    for number in range(1, hosts + 1):
        net.addHost(f"h{number}", ip=f"10.0.0.{number}/24", mac=f"02:00:00:00:00:{number:02x}")
        net.addLink(f"h{number}", node, port2=number)
    net.build()
    net.start()
    for host in net.hosts:
        interface = host.defaultIntf()
        host.cmd(f"sysctl -qw net.ipv6.conf.{interface}.disable_ipv6=1 net.ipv4.conf.all.arp_ignore=8")
    subprocess.run(["ovs-vsctl", "--timeout=10", "br-exists", node.name], check=True)
    return net, node
