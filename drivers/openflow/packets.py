"""What a punted frame says about who is where: ARP (RFC 826), IPv6 neighbour discovery (RFC 4861), DHCP (RFC 2131). Pure.

Frames are an attacker's bytes: what is cut short or makes no sense is None, and nothing here raises.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from drivers.rules import Mac, parse_mac

Address = IPv4Address | IPv6Address
_DHCP_COOKIE = b"\x63\x82\x53\x63"
_DHCP_ACK = 5


@dataclass(frozen=True, slots=True)
class Heard:
    """`mac` holds `ip` (None: it only showed itself). `lease`: a DHCP server says so, of another host; else the host itself says it."""

    mac: Mac
    ip: Address | None
    vlan: int | None
    source: str
    lease: bool = False


def read(frame: bytes) -> Heard | None:
    """What the frame says, None when it says nothing."""
    if len(frame) < 14:
        return None
    source, eth_type, payload, vlan = _mac(frame[6:12]), int.from_bytes(frame[12:14], "big"), frame[14:], None
    if eth_type == 0x8100 and len(payload) >= 4:
        vlan, eth_type, payload = (
            int.from_bytes(payload[:2], "big") & 0xFFF,
            int.from_bytes(payload[2:4], "big"),
            payload[4:],
        )
    if frame[6] & 1 or not any(frame[6:12]):  # a group or all-zero source address names nobody
        return None
    if eth_type == 0x0806:
        return _arp(source, payload, vlan)
    if eth_type == 0x0800:
        return _dhcp(source, payload, vlan)
    if eth_type == 0x86DD:
        return _neighbour(source, payload, vlan)
    return None


def _arp(source: Mac, packet: bytes, vlan: int | None) -> Heard | None:
    if len(packet) < 28 or packet[:6] != b"\x00\x01\x08\x00\x06\x04":
        return None
    sender = IPv4Address(packet[14:18])
    told = _mac(packet[8:14]) == source and _is_host(
        sender
    )  # a sender address that the frame itself belies is no claim
    return Heard(source, sender if told else None, vlan, "arp")


def _neighbour(source: Mac, packet: bytes, vlan: int | None) -> Heard | None:
    if len(packet) < 64 or packet[6] != 58 or packet[7] != 255:  # hop limit 255: it was not routed here
        return None
    kind = packet[40]
    sender = IPv6Address(packet[8:24] if kind == 135 else packet[48:64])
    if kind not in (135, 136):
        return None
    return Heard(source, sender if _is_host(sender) else None, vlan, "nd")


def _dhcp(source: Mac, packet: bytes, vlan: int | None) -> Heard | None:
    header = (packet[0] & 0xF) * 4 if packet else 0
    if len(packet) < header + 8 + 240 or header < 20 or packet[9] != 17 or int.from_bytes(packet[6:8], "big") & 0x1FFF:
        return None
    ports, dhcp = packet[header : header + 4], packet[header + 8 :]
    if dhcp[1:3] != b"\x01\x06" or dhcp[236:240] != _DHCP_COOKIE:
        return None
    client, now_has, gets = _mac(dhcp[28:34]), IPv4Address(dhcp[12:16]), IPv4Address(dhcp[16:20])
    if ports == b"\x00\x44\x00\x43" and dhcp[0] == 1:
        return Heard(source, now_has if client == source and _is_host(now_has) else None, vlan, "dhcp")
    if ports == b"\x00\x43\x00\x44" and dhcp[0] == 2 and _message_type(dhcp[240:]) == _DHCP_ACK and _is_host(gets):
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


def _is_host(address: Address) -> bool:
    limited = isinstance(address, IPv4Address) and int(address) == 0xFFFFFFFF
    return not (address.is_unspecified or address.is_multicast or address.is_loopback or limited)


def _mac(octets: bytes) -> Mac:
    return parse_mac(octets.hex())
