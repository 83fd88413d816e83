"""Questions as frames, and frames as answers. Pure, but for the random numbers that keep others from guessing an answer.

A question and the frame that answers it share a `key`. ARP and neighbour discovery carry no number of their own, so their key is
the address asked for; ICMP, TCP and UDP have one that is exact to the packet.

Scapy takes a millisecond or two to build a frame on a small machine. So it builds each kind of question once for a target, with
zeros where its numbers go; what is sent is a copy with the numbers and the checksum put in.
"""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, UDPerror
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptSrcLLAddr,
    IPerror6,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether
from scapy.utils6 import in6_getnsma, in6_getnsmac

from controller.discovery.probes import Address, FrameKind, Kind
from drivers.rules import Mac

Key = tuple[str | int, ...]
BROADCAST = Mac("ff:ff:ff:ff:ff:ff")
_PAYLOAD = b"netcordon probe\n"
_ARP, _IPV4, _IPV6 = b"\x08\x06", b"\x08\x00", b"\x86\xdd"
_L4_KINDS: dict[int, FrameKind] = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp"}
_TEMPLATES_MOST = 4096
_ND_TYPES = range(133, 138)


@dataclass(frozen=True, slots=True)
class Question:
    """`asked` is the packed address that an answer speaks for: frames about nobody who was asked are not even parsed."""

    frame: bytes
    key: Key
    asked: bytes


@dataclass(frozen=True, slots=True)
class Path:
    """From us to whom: the two MACs of the frame, and our own address there."""

    own_mac: Mac
    own_ip: Address
    mac: Mac


@lru_cache(maxsize=_TEMPLATES_MOST)
def ask_neighbour(own_mac: Mac, own_ip: Address | None, ip: Address, mac: Mac | None) -> Question:
    """ARP or neighbour solicitation for `ip`: to `mac` alone, or to all. Without an address of our own it is an RFC 5227 ARP probe;
    for IPv6, the caller has one."""
    if isinstance(ip, IPv4Address):
        ask = ARP(op=1, hwsrc=own_mac, psrc=str(own_ip or "0.0.0.0"), hwdst="00:00:00:00:00:00", pdst=str(ip))  # noqa: S104
        return Question(bytes(Ether(src=own_mac, dst=mac or BROADCAST) / ask), ("arp", str(ip)), ip.packed)
    group = in6_getnsma(ip.packed)
    header = IPv6(src=str(own_ip), dst=str(ip) if mac else str(IPv6Address(group)), hlim=255)
    ask = header / ICMPv6ND_NS(tgt=str(ip)) / ICMPv6NDOptSrcLLAddr(lladdr=own_mac)
    return Question(bytes(Ether(src=own_mac, dst=mac or in6_getnsmac(group)) / ask), ("nd", str(ip)), ip.packed)


def ask_echo(path: Path, ip: Address) -> Question:
    ident, number = secrets.randbelow(1 << 16), secrets.randbelow(1 << 16)
    frame = _numbered(_template(path, ip, "icmp", 0), ip, 2, {4: ident, 6: number})
    return Question(frame, ("icmp", str(ip), ident, number), ip.packed)


def ask_tcp(path: Path, ip: Address, port: int) -> Question:
    """A SYN. What answers is a SYN/ACK or a RST that acknowledges it; our host's kernel resets what it does not know."""
    own_port, number = _high_port(), secrets.randbelow((1 << 32) - 1)
    frame = _numbered(_template(path, ip, "tcp", port), ip, 16, {0: own_port, 4: number >> 16, 6: number & 0xFFFF})
    return Question(frame, ("tcp", str(ip), port, own_port, number + 1), ip.packed)


def ask_udp(path: Path, ip: Address, port: int) -> Question:
    """A datagram. What answers is one back, or the target's own word that the port is unreachable."""
    own_port = _high_port()
    frame = _numbered(_template(path, ip, "udp", port), ip, 6, {0: own_port})
    return Question(frame, ("udp", str(ip), port, own_port), ip.packed)


@lru_cache(maxsize=_TEMPLATES_MOST)
def _template(path: Path, ip: Address, kind: Kind, port: int) -> bytes:
    if kind == "tcp":
        payload = TCP(sport=0, dport=port, flags="S", seq=0, options=[("MSS", 1460)])
    elif kind == "udp":
        payload = UDP(sport=0, dport=port) / _PAYLOAD
    else:
        payload = (ICMP(id=0, seq=0) if ip.version == 4 else ICMPv6EchoRequest(id=0, seq=0)) / _PAYLOAD
    header = IP if ip.version == 4 else IPv6
    return bytes(Ether(src=path.own_mac, dst=path.mac) / header(src=str(path.own_ip), dst=str(ip)) / payload)


def _numbered(template: bytes, ip: Address, checksum_at: int, words: dict[int, int]) -> bytes:
    """The template with these 16-bit words, where it has zeros, and its checksum brought up to date (RFC 1624). Places are counted
    from the layer-4 header."""
    start, frame = (34 if ip.version == 4 else 54), bytearray(template)
    (checksum,) = struct.unpack_from("!H", frame, start + checksum_at)
    total = (~checksum & 0xFFFF) + sum(words.values())
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    for place, word in words.items():
        struct.pack_into("!H", frame, start + place, word)
    struct.pack_into("!H", frame, start + checksum_at, (~total & 0xFFFF) or 0xFFFF)
    return bytes(frame)


def _high_port() -> int:
    return 49152 + secrets.randbelow(16384)


def speaks_for(frame: bytes) -> bytes:
    """The packed address that the frame comes from, or for a neighbour advertisement is about; empty when there is none."""
    kind = frame[12:14]
    if kind == _ARP:
        return frame[28:32]
    if kind == _IPV4:
        return frame[26:30]
    if kind == _IPV6:
        return frame[62:78] if frame[20:21] == b"\x3a" and frame[54:55] == b"\x88" else frame[22:38]
    return b""


def kind_of(frame: bytes) -> FrameKind:
    """What a witness calls the frame, VLAN-tagged or not."""
    start = 16 if frame[12:14] == b"\x81\x00" else 12
    kind, protocol = frame[start : start + 2], 0
    if kind == _ARP:
        return "arp"
    if kind == _IPV4 and len(frame) > start + 11:
        protocol = frame[start + 11]
    elif kind == _IPV6 and len(frame) > start + 42:
        protocol = frame[start + 8]
        if protocol == 58 and frame[start + 42] in _ND_TYPES:
            return "nd"
    elif kind not in (_IPV4, _IPV6):
        return "other"
    return _L4_KINDS.get(protocol, "ip")


def source_of(frame: bytes) -> Address | None:
    """The source address that the frame claims, VLAN-tagged or not."""
    untagged = frame[:12] + frame[16:] if frame[12:14] == b"\x81\x00" else frame
    packed = untagged[22:38] if untagged[12:14] == _IPV6 else speaks_for(untagged)
    if len(packed) == 16:
        return IPv6Address(packed)
    return IPv4Address(packed) if len(packed) == 4 else None


def answer_key(frame: bytes) -> Key | None:
    """The key of the question that this frame answers, if it is an answer at all."""
    if frame[12:14] == _ARP:
        reply = len(frame) >= 42 and frame[20:22] == b"\x00\x02" and frame[22:28] == frame[6:12]
        return ("arp", str(IPv4Address(frame[28:32]))) if reply else None
    packet = Ether(frame)
    if IP in packet:
        return _ipv4_key(packet[IP])
    return _ipv6_key(packet[IPv6]) if IPv6 in packet else None


def _ipv4_key(ip: Any) -> Key | None:
    if ip.frag != 0:
        return None
    if ICMP in ip:
        icmp = ip[ICMP]
        if icmp.type == 0:
            return ("icmp", ip.src, icmp.id, icmp.seq)
        if (icmp.type, icmp.code) == (3, 3) and IPerror in ip and UDPerror in ip:
            return _refused_key(ip.src, ip[IPerror], ip[UDPerror])
        return None
    return _l4_key(ip, ip.src)


def _ipv6_key(ip: Any) -> Key | None:
    if ICMPv6ND_NA in ip:
        return ("nd", str(IPv6Address(ip[ICMPv6ND_NA].tgt))) if ip.hlim == 255 else None
    source = str(IPv6Address(ip.src))
    if ICMPv6EchoReply in ip:
        return ("icmp", source, ip[ICMPv6EchoReply].id, ip[ICMPv6EchoReply].seq)
    if ICMPv6DestUnreach in ip:
        if ip[ICMPv6DestUnreach].code == 4 and IPerror6 in ip and UDPerror in ip:
            return _refused_key(source, ip[IPerror6], ip[UDPerror])
        return None
    return _l4_key(ip, source)


def _refused_key(source: str, quoted: Any, datagram: Any) -> Key | None:
    """Only the target itself may say that its port is closed: a router's word is no sign of life of the target."""
    return ("udp", source, datagram.dport, datagram.sport) if quoted.dst == source else None


def _l4_key(ip: Any, source: str) -> Key | None:
    if TCP in ip and "A" in ip[TCP].flags and ("S" in ip[TCP].flags or "R" in ip[TCP].flags):
        return ("tcp", source, ip[TCP].sport, ip[TCP].dport, ip[TCP].ack)
    if UDP in ip:
        return ("udp", source, ip[UDP].sport, ip[UDP].dport)
    return None
