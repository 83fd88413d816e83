"""The labs' VRRP, read by Scapy."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether
from scapy.layers.vrrp import VRRPv3

from labs.frames import Phase, Tag, encode_tag, find_tag
from labs.frames_vrrp import advertisement, silence_until_taken_over, virtual_mac

NONCE = b"abcd"
SENDER, SHARED = IPv4Address("10.0.0.2"), IPv4Address("10.0.0.1")


def test_an_advertisement_is_what_scapy_would_send() -> None:
    tag = Tag(Phase.BEFORE, 7, 3)
    said = advertisement(9, SENDER, SHARED, 200, 0.25, encode_tag(NONCE, tag))
    read = Ether(said)
    assert (read.src, read.dst) == ("00:00:5e:00:01:09", "01:00:5e:00:00:12")
    assert (read[IP].src, read[IP].dst, read[IP].ttl, read[IP].proto) == (str(SENDER), "224.0.0.18", 255, 112)
    vrrp = read[VRRPv3]
    assert (vrrp.version, vrrp.type, vrrp.vrid, vrrp.priority, vrrp.adv) == (3, 1, 9, 200, 25)
    assert vrrp.addrlist == [str(SHARED)]
    assert find_tag(NONCE, said) == tag
    for packet, field in ((read[IP], "chksum"), (vrrp, "chksum")):
        packet.delfieldval(field)
    del read[IP].len
    rebuilt = bytes(read[IP])[: 20 + 12]
    assert rebuilt[10:12] == said[24:26]
    assert rebuilt[26:28] == said[40:42]


def test_the_virtual_mac_and_how_long_a_backup_waits() -> None:
    assert virtual_mac(255) == "00:00:5e:00:01:ff"
    assert silence_until_taken_over(100, 1.0) == pytest.approx(3.609375)
