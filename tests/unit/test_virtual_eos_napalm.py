"""NAPALM's own conformance suite, and its getters, with its unmodified eos driver against the virtual switch over real HTTPS."""

from __future__ import annotations

import ssl
import tempfile
import unittest
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
from napalm.base import models
from napalm.base.exceptions import CommitError, MergeConfigException
from napalm.base.test import base as suite
from napalm.eos import EOSDriver

from topologies.vendor.eapi import Eapi, self_signed
from topologies.vendor.eos import EosSwitch
from topologies.vendor.forwarding import NoHardware

INITIAL = """\
hostname access-1
!
no aaa root
!
vlan 10
   name users
!
interface Ethernet1
   switchport access vlan 10
!
interface Ethernet2
   description uplink
   switchport mode trunk
!
interface Ethernet3
!
ip access-list WEB
   10 permit tcp any any eq www
   20 deny ip any any
!
end
"""
GOOD = INITIAL.replace("hostname access-1", "hostname access-2").replace(
    "vlan 10\n   name users", "vlan 10\n   name staff"
)
MERGE = "interface Ethernet3\n   description printer\nip access-list WEB\n   15 permit tcp any any eq 8080\n"
TYPO = "interface Ethernet3\n   descripton printer\n"
GOOD_DIFF = """\
@@ -1,9 +1,9 @@
-hostname access-1
+hostname access-2
 !
 no aaa root
 !
 vlan 10
-   name users
+   name staff
 !
 interface Ethernet1
    switchport access vlan 10"""
MERGE_DIFF = """\
@@ -13,11 +13,9 @@
    switchport mode trunk
 !
 interface Ethernet3
-   description printer
 !
 ip access-list WEB
    10 permit tcp any any eq www
-   15 permit tcp any any eq 8080
    20 deny ip any any
 !
 end"""


class TestNapalmConformance(unittest.TestCase, suite.TestConfigNetworkDriver):
    """Its suite reads what it loads from a folder that is named after the vendor."""

    device: ClassVar[Any]
    switch: ClassVar[EosSwitch]
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
        certificate = self_signed(folder, "127.0.0.1")
        cls.switch = EosSwitch(NoHardware(), folder / "flash")
        cls.stack.callback(cls.switch.close)
        eapi = cls.stack.enter_context(Eapi(cls.switch, {"admin": "secret"}, certificate))
        trusted = ssl.create_default_context(cafile=str(certificate[0]))
        cls.device = EOSDriver("127.0.0.1", "admin", "secret", 10, {"port": eapi.port, "context": trusted})
        cls.device.open()
        cls.device.load_replace_candidate(filename=f"{cls.vendor}/initial.conf")
        cls.device.commit_config()

    @classmethod
    def tearDownClass(cls) -> None:
        super().tearDownClass()
        cls.stack.close()

    def test_load_template(self) -> None:
        """The suite's own, with the template given: NAPALM's wheel brings no `set_hostname` for eos."""
        self.device.load_template("set_hostname", template_source="hostname {{ hostname }}", hostname="my-hostname")
        assert "+hostname my-hostname" in self.device.compare_config()
        self.device.discard_config()

    def test_getters_have_napalms_shapes(self) -> None:
        assert set(self.device.get_facts()) == set(models.FactsDict.__annotations__)
        assert self.device.get_facts()["interface_list"] == ["Ethernet1", "Ethernet2", "Ethernet3"]
        interfaces = self.device.get_interfaces()
        assert all(set(one) == set(models.InterfaceDict.__annotations__) for one in interfaces.values())
        assert self.device.get_vlans()["10"] == {"name": "users", "interfaces": ["Ethernet1"]}
        assert self.device.get_lldp_neighbors() == {}
        assert self.device.get_arp_table() == []
        assert self.device.get_mac_address_table() == []
        assert self.device.get_config()["running"] == INITIAL

    def test_a_timed_commit_stands_only_when_it_is_confirmed(self) -> None:
        self.device.load_merge_candidate(config="hostname timed")
        self.device.commit_config(revert_in=300)
        assert self.switch.hostname == "timed"
        assert self.device.has_pending_commit()
        self.device.rollback()
        assert self.switch.hostname == "access-1"
        self.device.load_merge_candidate(config="hostname timed")
        self.device.commit_config(revert_in=300)
        self.device.confirm_commit()
        assert not self.device.has_pending_commit()
        assert self.switch.read("startup-config").lines[0] == "hostname timed"
        self.device.load_merge_candidate(config="hostname access-1")
        self.device.commit_config()

    def test_nobody_confirms_what_has_run_out(self) -> None:
        self.device.load_merge_candidate(config="hostname timed")
        self.device.commit_config(revert_in=300)
        session = self.device.config_session
        self.switch._expire(session, self.switch.sessions[session])
        assert self.switch.hostname == "access-1"
        with pytest.raises(CommitError):
            self.device.confirm_commit()
        self.device.config_session = None

    def test_the_refusal_names_the_word(self) -> None:
        with pytest.raises(MergeConfigException, match=r"1002.*descripton.*Invalid input \(at token 0: 'descripton'\)"):
            self.device.load_merge_candidate(config=TYPO)
