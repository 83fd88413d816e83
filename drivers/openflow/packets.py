"""What a punted frame says about who is where: ARP (RFC 826), DHCP (RFC 2131), and for IPv6 see `heard_ipv6`. Pure.

Frames are an attacker's bytes: what is cut short or makes no sense says nothing, and nothing here raises.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from drivers.openflow import heard_ipv6
from drivers.openflow.heard import Heard, is_host, mac_of
from drivers.rules import Mac

_DHCP_COOKIE = b"\x63\x82\x53\x63"
_DHCP_ACK = 5


def read(frame: bytes) -> tuple[Heard, ...]:
    """What the frame says: nothing, or one thing, or each address that a DHCPv6 server gives at once."""
    if len(frame) < 14:
        return ()
    source, eth_type, payload, vlan = mac_of(frame[6:12]), int.from_bytes(frame[12:14], "big"), frame[14:], None
    if eth_type == 0x8100 and len(payload) >= 4:
        vlan, eth_type, payload = (
            int.from_bytes(payload[:2], "big") & 0xFFF,
            int.from_bytes(payload[2:4], "big"),
            payload[4:],
        )
    if frame[6] & 1 or not any(frame[6:12]):  # a group or all-zero source address names nobody
        return ()
    if eth_type == 0x86DD:
        return heard_ipv6.read(mac_of(frame[:6]), source, payload, vlan)
    heard = _arp(source, payload, vlan) if eth_type == 0x0806 else None
    heard = _dhcp(source, payload, vlan) if eth_type == 0x0800 else heard
    return () if heard is None else (heard,)


def _arp(source: Mac, packet: bytes, vlan: int | None) -> Heard | None:
    if len(packet) < 28 or packet[:6] != b"\x00\x01\x08\x00\x06\x04":
        return None
    sender = IPv4Address(packet[14:18])
    told = mac_of(packet[8:14]) == source and is_host(sender)  # what the frame itself belies is no claim
    return Heard(source, sender if told else None, vlan, "arp")


def _dhcp(source: Mac, packet: bytes, vlan: int | None) -> Heard | None:
    header = (packet[0] & 0xF) * 4 if packet else 0
    if len(packet) < header + 8 + 240 or header < 20 or packet[9] != 17 or int.from_bytes(packet[6:8], "big") & 0x1FFF:
        return None
    ports, dhcp = packet[header : header + 4], packet[header + 8 :]
    if dhcp[1:3] != b"\x01\x06" or dhcp[236:240] != _DHCP_COOKIE:
        return None
    client, now_has, gets = mac_of(dhcp[28:34]), IPv4Address(dhcp[12:16]), IPv4Address(dhcp[16:20])
    if ports == b"\x00\x44\x00\x43" and dhcp[0] == 1:
        return Heard(source, now_has if client == source and is_host(now_has) else None, vlan, "dhcp")
    if ports == b"\x00\x43\x00\x44" and dhcp[0] == 2 and _message_type(dhcp[240:]) == _DHCP_ACK and is_host(gets):
        return Heard(client, gets, vlan, "dhcp", lease=True)
    return None


def _message_type(options: bytes) -> int | None:
    """Option 53 (RFC 2132 §9.6)."""
    at = 0
    while at + 2 < len(options) and options[at] != 255:
        if options[at] == 0:
            at += 1
            continue
        if options[at] == 53 and options[at + 1] == 1:
            return options[at + 2]
        at += 2 + options[at + 1]
    return None
