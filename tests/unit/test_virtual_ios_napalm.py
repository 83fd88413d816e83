"""NAPALM's own conformance suite, and its getters, with its unmodified ios driver against the virtual switch over real SSH and SCP."""

from __future__ import annotations

import tempfile
import unittest
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
from napalm.base import models
from napalm.base.exceptions import CommitConfirmException, MergeConfigException
from napalm.base.test import base as suite
from napalm.ios import IOSDriver

from topologies.vendor.forwarding import NoHardware
from topologies.vendor.ios import IosSwitch
from topologies.vendor.ios_shell import served_over_ssh

INITIAL = """\
hostname access-1
!
file prompt quiet
!
vtp mode transparent
!
ip scp server enable
!
archive
 path flash:archive
!
vlan 10
 name users
!
interface GigabitEthernet1/0/1
 switchport access vlan 10
 switchport mode access
!
interface GigabitEthernet1/0/2
 description uplink
 switchport mode trunk
!
interface GigabitEthernet1/0/3
!
ip access-list extended WEB
 permit tcp any any eq www
 deny   ip any any
!
end
"""
GOOD = INITIAL.replace("hostname access-1", "hostname access-2").replace("vlan 10\n name users", "vlan 10\n name staff")
MERGE = "interface GigabitEthernet1/0/3\n description printer\nip access-list extended WEB\n 15 permit tcp any any eq 8080\n"
TYPO = "interface GigabitEthernet1/0/3\n descripton printer\n"
GOOD_DIFF = "-hostname access-1\n+hostname access-2\nvlan 10\n -name users\n +name staff"
MERGE_DIFF = """\
interface GigabitEthernet1/0/3
 -description printer
ip access-list extended WEB
 -permit tcp any any eq 8080"""


class TestNapalmConformance(unittest.TestCase, suite.TestConfigNetworkDriver):
    """Its suite reads what it loads from a folder that is named after the vendor."""

    device: ClassVar[Any]
    switch: ClassVar[IosSwitch]
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
        cls.switch = IosSwitch(NoHardware(), folder / "flash")
        cls.stack.callback(cls.switch.close)
        front = cls.stack.enter_context(served_over_ssh(cls.switch, {"admin": "secret"}))
        known = front.write_known_hosts(folder / "known_hosts")
        strict = {"ssh_strict": True, "alt_host_keys": True, "alt_key_file": str(known)}
        options = {"port": front.port, "auto_file_prompt": False, **strict}
        cls.device = IOSDriver("127.0.0.1", "admin", "secret", 10, options)
        cls.device.open()
        cls.device.load_replace_candidate(filename=f"{cls.vendor}/initial.conf")
        cls.device.commit_config()

    @classmethod
    def tearDownClass(cls) -> None:
        super().tearDownClass()
        cls.stack.close()

    def test_load_template(self) -> None:
        """The suite's own, with the template given: NAPALM's wheel brings no `set_hostname` for ios."""
        self.device.load_template("set_hostname", template_source="hostname {{ hostname }}", hostname="my-hostname")
        assert "+hostname my-hostname" in self.device.compare_config()
        self.device.discard_config()

    def test_getters_have_napalms_shapes(self) -> None:
        facts = self.device.get_facts()
        assert set(facts) == set(models.FactsDict.__annotations__)
        assert (facts["hostname"], facts["model"]) == ("access-1", "WS-C2960X-VIRTUAL")
        ports = [f"GigabitEthernet1/0/{number}" for number in (1, 2, 3)]
        assert facts["interface_list"] == ports
        interfaces = self.device.get_interfaces()
        assert sorted(interfaces) == ports
        assert all(set(one) == set(models.InterfaceDict.__annotations__) for one in interfaces.values())
        assert all(one["is_up"] and one["mac_address"] for one in interfaces.values())
        assert self.device.get_vlans()["10"] == {"name": "users", "interfaces": ["GigabitEthernet1/0/1"]}
        assert self.device.get_lldp_neighbors() == {}
        assert self.device.get_arp_table() == []
        assert self.device.get_mac_address_table() == []
        assert self.device.get_config()["running"].removeprefix("!\n") == INITIAL.strip()

    def test_a_timed_commit_stands_only_when_it_is_confirmed(self) -> None:
        self.device.load_merge_candidate(config="hostname timed\n")
        self.device.commit_config(revert_in=300)
        assert self.switch.hostname == "timed"
        assert self.device.has_pending_commit()
        self.device.rollback()
        assert self.switch.hostname == "access-1"
        self.device.load_merge_candidate(config="hostname timed\n")
        self.device.commit_config(revert_in=300)
        self.device.confirm_commit()
        assert not self.device.has_pending_commit()
        assert "hostname timed" in self.switch.contents("startup-config")
        self.device.load_merge_candidate(config="hostname access-1\n")
        self.device.commit_config()

    def test_a_replacement_can_be_timed_too(self) -> None:
        self.device.load_replace_candidate(config=INITIAL.replace("name users", "name staff"))
        self.device.commit_config(revert_in=300)
        assert self.switch.running.sections["vlan 10"] == ["name staff"]
        assert self.switch.unconfirmed is not None
        self.switch._expire(self.switch.unconfirmed)
        assert self.switch.text() == INITIAL
        with pytest.raises(CommitConfirmException):
            self.device.confirm_commit()

    def test_a_line_that_is_refused_leaves_nothing(self) -> None:
        self.device.load_merge_candidate(config="hostname half\n" + TYPO)
        with pytest.raises(MergeConfigException, match=r"\n +\^\n% Invalid input detected at '\^' marker"):
            self.device.commit_config()
        assert self.switch.hostname == "access-1"
