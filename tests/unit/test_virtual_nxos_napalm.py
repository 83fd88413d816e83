"""NAPALM's own conformance suite, and its getters, with its unmodified nxos_ssh driver against the virtual switch over real SSH and SCP."""

from __future__ import annotations

import tempfile
import unittest
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
from napalm.base import models
from napalm.base.exceptions import MergeConfigException, ReplaceConfigException
from napalm.base.test import base as suite
from napalm.nxos_ssh import NXOSSSHDriver

from topologies.vendor.forwarding import NoHardware
from topologies.vendor.nxos import NxosSwitch
from topologies.vendor.nxos_shell import served_over_ssh

INITIAL = """\
hostname leaf-1
feature scp-server

ip access-list WEB
  10 permit tcp any any eq www
  20 deny ip any any

vlan 10
  name users

interface Ethernet1/1
  switchport access vlan 10

interface Ethernet1/2
  description uplink
  switchport mode trunk

interface Ethernet1/3
"""
GOOD = INITIAL.replace("hostname leaf-1", "hostname leaf-2").replace("  name users", "  name staff")
MERGE = "interface Ethernet1/3\n  description printer\nip access-list WEB\n  15 permit tcp any any eq 8080\n"
TYPO = "interface Ethernet1/3\n  descripton printer\n"
GOOD_DIFF = "no hostname leaf-1\nhostname leaf-2\nvlan 10\n  no name users\n  name staff"
MERGE_DIFF = "interface Ethernet1/3\n  no description printer\nip access-list WEB\n  no 15"


class TestNapalmConformance(unittest.TestCase, suite.TestConfigNetworkDriver):
    """Its suite reads what it loads from a folder that is named after the vendor."""

    device: ClassVar[Any]
    switch: ClassVar[NxosSwitch]
    stack: ClassVar[ExitStack]

    @classmethod
    def setUpClass(cls) -> None:
        cls.stack = ExitStack()
        folder = Path(cls.stack.enter_context(tempfile.TemporaryDirectory()))
        cls.vendor = str(folder)
        files = {"initial.conf": INITIAL, "new_good.conf": GOOD, "merge_good.conf": MERGE, "merge_typo.conf": TYPO}
        files |= {"new_typo.conf": INITIAL + TYPO, "new_good.diff": GOOD_DIFF, "merge_good.diff": MERGE_DIFF}
        for name, text in files.items():
            (folder / name).write_text(text)
        (folder / "flash").mkdir()
        (folder / "flash" / "startup-config").write_text(INITIAL)
        cls.switch = NxosSwitch(NoHardware(), folder / "flash")
        cls.stack.callback(cls.switch.close)
        front = cls.stack.enter_context(served_over_ssh(cls.switch, {"admin": "secret"}))
        known = front.write_known_hosts(folder / "known_hosts")
        strict = {"ssh_strict": True, "alt_host_keys": True, "alt_key_file": str(known)}
        cls.device = NXOSSSHDriver("127.0.0.1", "admin", "secret", 10, {"port": front.port, **strict})
        cls.device.open()
        cls.device.load_replace_candidate(filename=f"{cls.vendor}/initial.conf")
        cls.device.commit_config()

    @classmethod
    def tearDownClass(cls) -> None:
        super().tearDownClass()
        cls.stack.close()

    def test_getters_have_napalms_shapes(self) -> None:
        facts = self.device.get_facts()
        assert set(facts) == set(models.FactsDict.__annotations__)
        assert (facts["hostname"], facts["model"]) == ("leaf-1", "Nexus9000 VIRTUAL Chassis")
        assert facts["serial_number"]
        ports = [f"Ethernet1/{number}" for number in (1, 2, 3)]
        assert facts["interface_list"] == ports
        interfaces = self.device.get_interfaces()
        assert sorted(interfaces) == ports
        assert all(set(one) == set(models.InterfaceDict.__annotations__) for one in interfaces.values())
        assert all(one["is_up"] and one["mac_address"] for one in interfaces.values())
        assert interfaces["Ethernet1/2"]["description"] == "uplink"
        assert self.device.get_vlans()["10"] == {"name": "users", "interfaces": ["Ethernet1/1"]}
        assert self.device.get_lldp_neighbors() == {}
        assert self.device.get_arp_table() == []
        assert self.device.get_mac_address_table() == []
        running = self.device.get_config()["running"]
        assert running.endswith(INITIAL.strip()), running

    def test_a_refused_replacement_leaves_what_was(self) -> None:
        self.device.load_replace_candidate(config="hostname half\n" + TYPO)
        with pytest.raises(ReplaceConfigException, match="Rollback failed"):
            self.device.commit_config()
        assert self.switch.text() == INITIAL
        self.device.discard_config()

    def test_a_line_that_is_refused_is_taken_back_with_the_others(self) -> None:
        """NAPALM rolls back to the checkpoint that it made before."""
        self.device.load_merge_candidate(config="vlan 77\n" + TYPO)
        with pytest.raises(MergeConfigException, match="automatic rollback attempted"):
            self.device.commit_config()
        assert self.switch.text() == INITIAL
        self.device.discard_config()
