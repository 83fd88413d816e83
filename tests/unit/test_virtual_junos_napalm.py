"""NAPALM's own conformance suite, and its getters, with its unmodified junos driver and PyEZ against the virtual switch over real SSH."""

from __future__ import annotations

import tempfile
import unittest
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import ncclient.transport.session
import pytest
from napalm.base import models
from napalm.base.exceptions import CommitConfirmException, LockError, MergeConfigException
from napalm.base.test import base as suite
from napalm.junos import JunOSDriver

from topologies.vendor.forwarding import NoHardware
from topologies.vendor.junos import JunosSwitch
from topologies.vendor.junos_rpc import served_over_netconf

INITIAL = """\
system {
    host-name access-1;
    domain-name example.net;
}
interfaces {
    ge-0/0/1 {
        unit 0 {
            family ethernet-switching {
                interface-mode access;
                vlan {
                    members users;
                }
            }
        }
    }
    ge-0/0/2 {
        description uplink;
        unit 0 {
            family ethernet-switching {
                interface-mode trunk;
                vlan {
                    members all;
                }
            }
        }
    }
}
firewall {
    family ethernet-switching {
        filter WEB {
            term web {
                from {
                    ip-destination-address {
                        10.0.0.0/24;
                    }
                    ip-protocol tcp;
                    destination-port [ 80 443 ];
                }
                then accept;
            }
        }
    }
}
vlans {
    users {
        vlan-id 10;
    }
}
"""
GOOD = INITIAL.replace("host-name access-1", "host-name access-2").replace("vlan-id 10;", "vlan-id 11;")
MERGE = "set interfaces ge-0/0/3 description printer\nset firewall family ethernet-switching filter WEB term rest then discard\n"
TYPO = "interfaces {\n    ge-0/0/3 {\n        descripton printer;\n    }\n}\n"
GOOD_DIFF = """\
[edit system]
-  host-name access-1;
+  host-name access-2;
[edit vlans users]
-  vlan-id 10;
+  vlan-id 11;"""
MERGE_DIFF = """\
[edit interfaces]
-   ge-0/0/3 {
-       description printer;
-   }
[edit firewall family ethernet-switching filter WEB]
-   term rest {
-       then {
-           discard;
-       }
-   }"""


class TestNapalmConformance(unittest.TestCase, suite.TestConfigNetworkDriver):
    """Its suite reads what it loads from a folder that is named after the vendor."""

    device: ClassVar[Any]
    switch: ClassVar[JunosSwitch]
    stack: ClassVar[ExitStack]

    @classmethod
    def setUpClass(cls) -> None:
        cls.stack = ExitStack()
        patched = cls.stack.enter_context(pytest.MonkeyPatch.context())
        patched.setattr(ncclient.transport.session, "TICK", 0.005)  # how long each request waits until it is sent
        folder = Path(cls.stack.enter_context(tempfile.TemporaryDirectory()))
        cls.vendor = str(folder)
        files = {"initial.conf": INITIAL, "new_good.conf": GOOD, "merge_good.conf": MERGE, "merge_typo.conf": TYPO}
        files |= {"new_typo.conf": INITIAL + TYPO, "new_good.diff": GOOD_DIFF, "merge_good.diff": MERGE_DIFF}
        for name, text in files.items():
            (folder / name).write_text(text)
        (folder / "flash").mkdir()
        (folder / "flash" / "juniper.conf").write_text(INITIAL)
        cls.switch = JunosSwitch(NoHardware(), folder / "flash")
        cls.stack.callback(cls.switch.close)
        front = cls.stack.enter_context(served_over_netconf(cls.switch, {"admin": "secret"}))
        cls.port = front.port
        cls.device = cls.driver()
        cls.device.open()

    @classmethod
    def driver(cls) -> Any:
        return JunOSDriver("127.0.0.1", "admin", "secret", 10, {"port": cls.port})

    @classmethod
    def tearDownClass(cls) -> None:
        super().tearDownClass()
        cls.stack.close()

    def test_getters_have_napalms_shapes(self) -> None:
        facts = self.device.get_facts()
        assert set(facts) == set(models.FactsDict.__annotations__)
        assert (facts["hostname"], facts["fqdn"], facts["model"]) == ("access-1", "access-1.example.net", "EX3400-24T")
        assert (facts["os_version"], facts["serial_number"]) == ("20.4R3.8", "VIRTUAL00001")
        ports = [f"ge-0/0/{number}" for number in (1, 2, 3)]
        assert facts["interface_list"] == ports
        interfaces = self.device.get_interfaces()
        assert sorted(interfaces) == ["ge-0/0/1", "ge-0/0/1.0", "ge-0/0/2", "ge-0/0/2.0", "ge-0/0/3"]
        assert all(set(one) == set(models.InterfaceDict.__annotations__) for one in interfaces.values())
        assert all(interfaces[port]["is_up"] and interfaces[port]["mac_address"] for port in ports)
        assert interfaces["ge-0/0/2"]["description"] == "uplink"
        assert self.device.get_vlans()["10"] == {"name": "users", "interfaces": ["ge-0/0/1.0", "ge-0/0/2.0"]}
        assert self.device.get_lldp_neighbors() == {}
        assert self.device.get_arp_table() == []
        assert self.device.get_mac_address_table() == []
        assert self.device.get_config()["running"].strip() == INITIAL.strip()
        assert self.device.is_alive() == {"is_alive": True}

    def test_a_timed_commit_stands_only_when_it_is_confirmed(self) -> None:
        self.device.load_merge_candidate(config="set system host-name timed")
        self.device.commit_config(revert_in=300)
        assert self.switch.hostname == "timed"
        assert 290 < next(iter(self.device._get_pending_commits().values())) <= 300
        self.switch.expire(self.switch.before)
        assert self.switch.text() == INITIAL
        assert not self.device.has_pending_commit()
        self.device.load_merge_candidate(config="set system host-name timed")
        self.device.commit_config(revert_in=60)
        self.device.confirm_commit()
        assert not self.device.has_pending_commit()
        self.switch.reload()
        assert self.switch.hostname == "timed"
        self.device.load_replace_candidate(config=INITIAL)
        self.device.commit_config(revert_in=60)
        self.switch.reload()
        assert self.switch.hostname == "timed", "a power cut undoes what was not confirmed"
        self.device.load_replace_candidate(config=INITIAL)
        self.device.commit_config()

    def test_junos_counts_whole_minutes(self) -> None:
        self.device.load_merge_candidate(config="set system host-name timed")
        with pytest.raises(CommitConfirmException):
            self.device.commit_config(revert_in=90)
        self.device.discard_config()

    def test_what_is_wrong_is_named(self) -> None:
        for line, message in (
            ("set interfaces ge-0/0/3 descripton printer", "descripton"),
            ("set vlans x vlan-id 5000", "invalid value '5000'"),
            ("delete vlans nobody", "statement not found"),
            ("wildcard delete vlans *", "unknown command"),
            ("set vlans x vlan-id", "missing argument"),
        ):
            with pytest.raises(MergeConfigException, match=message):
                self.device.load_merge_candidate(config=line)
        assert self.switch.text() == INITIAL
        assert not self.switch.is_changed

    def test_xml_is_loaded_as_well(self) -> None:
        port = "<interface><name>ge-0/0/3</name><unit><name>0</name><family><ethernet-switching><vlan><members>users</members>"
        interface = f"{port}</vlan></ethernet-switching></family></unit></interface>"
        config = f"<configuration><interfaces>{interface}</interfaces></configuration>"
        self.device.load_merge_candidate(config=config)
        assert "+                   members users;" in self.device.compare_config()
        self.device.commit_config()
        self.device.rollback()
        assert self.switch.text() == INITIAL

    def test_somebody_elses_lock_and_unfinished_work_are_in_the_way(self) -> None:
        other = self.driver()
        other.open()
        other.load_merge_candidate(config="set system host-name other")
        with pytest.raises(LockError, match="configuration database locked by"):
            self.device.load_merge_candidate(config="set system host-name mine")
        other.device.close()
        self.device.load_merge_candidate(config="set system host-name mine")
        assert "other" not in self.device.compare_config()
        self.device.discard_config()
        self.switch.load([("set", ["system", "host-name", "unfinished"])])
        with pytest.raises(LockError, match="configuration database modified"):
            self.device.load_merge_candidate(config="set system host-name mine")
        self.switch.roll_back(0)

    def test_a_commit_whose_parts_do_not_fit_is_refused(self) -> None:
        lines = "set interfaces ge-0/0/1 unit 0 family ethernet-switching filter input NOBODY"
        self.device.load_merge_candidate(config=lines)
        with pytest.raises(Exception, match="Referenced filter 'NOBODY' is not defined"):
            self.device.commit_config()
        self.device.discard_config()
        assert self.switch.text() == INITIAL
