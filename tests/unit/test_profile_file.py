"""Profiles as written in the configuration: what they come to, and the line that is named when one could not mean what it says."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from controller.config import Config, load_config
from controller.errors import ConfigError
from controller.model import Peers, Way
from controller.yaml_source import parse_model
from drivers.rules import Action, PortRange, Protocol

GOOD = """\
groups:
  backup: [10.0.9.0/24, 10.0.8.7]
remediation:
  hosts: [10.0.0.5]
profiles:
  - name: keep-directory
    description: keeps signing people in
    default: permit
    entries:
      - {name: SMB, action: deny, protocol: tcp, ports: [445, "5900-5909"]}
      - {action: permit, protocol: tcp, ports: 445, direction: to, peers: [10.0.0.5, "group:backup", "role:file-server"]}
policy:
  rules:
    - {name: a, profile: keep-directory}
    - {name: b, profile: remediation}
"""


def config(text: str) -> Config:
    return parse_model(text, Config, "netcordon.yaml")


def wrong(entries: str, default: str = "permit", more: str = "") -> str:
    """The error for these entries, which begin at line 5."""
    text = f"profiles:\n  - name: mine\n    default: {default}\n    entries:\n{entries}{more}"
    with pytest.raises(ConfigError) as caught:
        config(text)
    return str(caught.value)


def test_a_written_profile_is_what_it_says() -> None:
    found = config(GOOD).catalogue
    assert [name for name in found if not name.startswith("role")] == [
        "full",
        "remediation",
        "lateral",
        "keep-directory",
        "monitor",
    ]
    mine = found["keep-directory"]
    assert (mine.default, mine.strictness, mine.built_in) == (Action.PERMIT, 30, False)
    deny, permit = mine.entries
    assert (deny.action, deny.way, deny.protocol) == (Action.DENY, Way.BOTH, Protocol.TCP)
    assert deny.ports == (PortRange(445, 445), PortRange(5900, 5909))
    assert deny.label == "SMB (tcp 445,5900-5909)"
    assert permit.way is Way.TO
    assert permit.peers == Peers(tuple(map(ip_network, ("10.0.0.5", "10.0.9.0/24", "10.0.8.7"))), ("file-server",))


@pytest.mark.parametrize(
    ("entries", "line", "why"),
    [
        ("      - {action: deny, ports: [445]}\n", 5, "ports need protocol tcp or udp"),
        ("      - {action: deny, protocol: icmp, ports: [8]}\n", 5, "this entry is about icmp"),
        ("      - {action: deny, protocol: tcp, ports: [0]}\n", 5, "ports are 1 to 65535"),
        ("      - {action: deny, protocol: tcp, ports: [90-80]}\n", 5, "the lower one first"),
        ("      - {action: deny, protocol: tcp, ports: [smb]}\n", 5, "write 445 or 5900-5909"),
        ("      - {action: drop}\n", 5, "'deny' or 'permit'"),
        ("      - action: deny\n        port: 445\n", 6, "unknown key; did you mean ports?"),
        ("      - action: deny\n        direction: in\n", 6, "'from', 'to' or 'both'"),
        ("      - action: deny\n        peers: []\n", 6, "leave `peers` out for everybody"),
        (
            "      - action: deny\n        peers: [nowhere]\n",
            6,
            "no address, prefix (10.0.0.0/24), role:NAME or group:NAME",
        ),
        ("      - action: deny\n        peers: ['group:gone']\n", 6, "no group 'gone'; none is defined"),
        ("      - action: deny\n        protocol: icmpv6\n        peers: [10.0.0.1]\n", 7, "no frame is both"),
        ("      - {action: deny}\n      - {action: deny}\n", 6, "entry 1 says the same already"),
        (
            "      - {action: permit, protocol: tcp}\n      - {action: deny, protocol: tcp, ports: [445]}\n",
            6,
            "entry 1 permits all of this, and a permit outweighs a deny",
        ),
        (
            "      - {action: deny, protocol: tcp, ports: [445]}\n      - {action: permit, protocol: udp, ports: [53]}\n",
            6,
            "the permit does nothing",
        ),
        (
            "      - {action: deny, peers: [10.0.0.0/24]}\n      - {action: permit, peers: [10.0.1.1]}\n",
            6,
            "the permit does nothing",
        ),
    ],
)
def test_an_entry_that_cannot_mean_what_it_says_is_named_by_its_line(entries: str, line: int, why: str) -> None:
    said = wrong(entries)
    assert why in said
    assert re.search(rf"netcordon.yaml:{line}: profiles\.0\.entries\.\d", said), said


def test_a_deny_under_a_default_of_deny_is_explained() -> None:
    said = wrong("      - {action: permit, protocol: tcp}\n      - {action: deny, protocol: udp}\n", "deny")
    assert "netcordon.yaml:6: profiles.0.entries.1: the default is deny already" in said


def test_names_and_references_are_checked() -> None:
    entries = "      - {action: deny}\n"
    assert "netcordon.yaml:6: profiles.1.name: a profile 'lateral' is built in" in wrong(
        entries, more="  - {name: lateral, default: deny, entries: [{action: permit}]}\n"
    )
    assert "policy.rules.0.profile: no remediation hosts: list them in the configuration" in wrong(
        entries, more="policy:\n  rules:\n    - {name: r, profile: remediation}\n"
    )
    assert (
        "netcordon.yaml:8: policy.rules.0.profile: no profile 'yours'; known are full, role, lateral, mine, monitor, and role:NAME"
        in wrong(entries, more="policy:\n  rules:\n    - {name: r, profile: yours}\n")
    )


def test_a_policy_file_names_no_other_profiles_either(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("rules:\n  - {name: r, profile: yours}\n")
    main = tmp_path / "netcordon.yaml"
    main.write_text("policy_file: policy.yaml\n")
    with pytest.raises(
        ConfigError, match=r"policy.yaml:2: rules.0.profile: no profile 'yours'; known are full, role, lateral, monitor"
    ):
        load_config(main, {})
    main.write_text(
        "policy_file: policy.yaml\nprofiles: [{name: yours, default: permit, entries: [{action: deny, protocol: icmp}]}]\n"
    )
    assert load_config(main, {}).policy.rules[0].profile == "yours"
