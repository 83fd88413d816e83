"""Wazuh's alerts: who acted, and on whose host it was seen. What the samples are: intake_samples/README.md."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from controller.errors import InvalidInput
from controller.intake import SOURCES, NotAnAlert
from controller.model import End
from tests.unit.intake_feed import NOW, events, one

SSH, SURICATA, WINDOWS, ROOTCHECK, SCA = events("wazuh")


def with_data(**data: Any) -> dict[str, Any]:
    return SSH | {"data": data}


def test_the_decoded_address_is_who_acted_and_the_agents_host_the_other_end() -> None:
    alert = one("wazuh", SSH)
    assert (alert.src, alert.dst) == (End(ip_address("10.0.0.66"), None, 48928), End(ip_address("10.0.0.5")))
    assert (alert.signature_id, alert.severity, alert.techniques) == ("5712", 3, ("T1110",))
    assert alert.signature.startswith("sshd: brute force")
    assert alert.category == "syslog, sshd, authentication_failures"
    assert alert.key == "wazuh-1/1769860800.3725"
    assert "Invalid user blimey" in alert.text
    assert not alert.time_doubt


def test_suricatas_and_windows_own_names_are_known() -> None:
    assert one("wazuh", SURICATA).src == End(ip_address("10.0.0.66"), None, 5555)
    assert one("wazuh", SURICATA).dst == End(ip_address("10.0.0.6"), None, 22)
    assert one("wazuh", WINDOWS).src.ip == ip_address("10.0.0.66")
    assert one("wazuh", WINDOWS).dst.ip == ip_address("10.0.0.7")


def test_an_alert_about_the_agents_host_alone_has_it_at_dst() -> None:
    alert = one("wazuh", ROOTCHECK)
    assert (alert.src, alert.dst) == (End(), End(ip_address("10.0.0.8")))


@pytest.mark.parametrize("address", ["-", "", "127.0.0.1", "::1"])
def test_no_address_and_the_hosts_own_are_no_suspect(address: str) -> None:
    assert one("wazuh", with_data(srcip=address, srcport="22")).src == End()


def test_an_alert_without_an_address_is_none_of_ours() -> None:
    for event in (SCA, SCA | {"agent": {"id": "9", "ip": "any"}}, SCA | {"rule": SCA["rule"] | {"id": "\u202e"}}):
        with pytest.raises(NotAnAlert) as caught:
            SOURCES["wazuh"].read(event, NOW)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("level", "ours"), [(0, 1), (3, 1), (4, 2), (6, 2), (7, 3), (11, 3), (12, 4), (14, 4), (15, 5), (16, 5)]
)
def test_levels(level: int, ours: int) -> None:
    assert one("wazuh", SSH | {"rule": SSH["rule"] | {"level": level}}).severity == ours


@pytest.mark.parametrize("port", ["ssh", "-1", "99999", "", None, 22.5, "²"])
def test_a_port_that_a_decoder_got_wrong_loses_no_alert(port: object) -> None:
    assert one("wazuh", with_data(srcip="10.0.0.66", srcport=port)).src == End(ip_address("10.0.0.66"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"timestamp": None}, "timestamp: "),
        ({"id": None}, "id: "),
        ({"rule": {"id": "1", "description": "x", "level": 17}}, "rule.level: "),
        ({"rule": {"id": "1", "level": 3}}, "rule.description: "),
        ({"data": {"srcip": "files-1.example.net"}}, "data.srcip: "),
        ({"data": []}, "data: "),
    ],
)
def test_what_cannot_be_read_says_which_field(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=f"wazuh: {reason}"):
        SOURCES["wazuh"].read(SSH | change, NOW)
