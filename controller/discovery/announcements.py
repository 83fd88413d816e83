"""The messages by which devices announce themselves, each a payload that becomes `Heard`. Any exception means that it cannot be read:
these bytes are strangers', and the caller counts on nothing else.

Scapy dissects what has a structure of its own (DHCP, LLDP, CDP, DNS, NetBIOS names); its layers are imported where they are first used. Of
a TLS client hello (RFC 8446 §4.1.2) and of HTTP only one field is wanted, and that is found by hand.
"""

from __future__ import annotations

import re
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from controller.discovery.words import NOTHING, Clue, Heard, Word, word, words
from controller.model import Address

_MOST_WORDS = 16
_CAPABILITIES = {
    "telephone_available": "telephone",
    "wlan_access_point_available": "access-point",
    "router_available": "router",
    "mac_bridge_available": "bridge",
    "station_only_available": "station",
}
_CDP_CAPABILITIES = {0x01: "router", 0x02: "bridge", 0x08: "switch", 0x10: "host", 0x80: "phone"}
_AGENT = re.compile(rb"\r\n[Uu]ser-[Aa]gent:[ \t]*([^\r\n]{1,300})")
_SSDP_FIELD = re.compile(rb"(?im)^(server|nt|st):[ \t]*([^\r\n]{1,300})")


def dhcp(payload: bytes) -> Heard:
    from scapy.layers.dhcp import BOOTP, DHCP

    message = BOOTP(payload)
    options: dict[str, Any] = {o[0]: o[1] for o in message[DHCP].options if isinstance(o, tuple) and len(o) > 1}
    if message.op == 2:
        serves = options.get("message-type") in (2, 5)  # offer, acknowledgement
        server: Address = IPv4Address(options.get("server_id") or message.siaddr)
        return Heard(words((Clue.SERVES_DHCP, server)), dhcp_server=server) if serves else NOTHING
    asked = options.get("param_req_list")
    return Heard(
        words(
            (Clue.DHCP_NAME, options.get("hostname", b"")),
            (Clue.DHCP_CLASS, options.get("vendor_class_id", b"")),
            (Clue.DHCP_ASKS, ",".join(map(str, asked)) if isinstance(asked, list) else ""),
        )
    )


def dhcp6(payload: bytes) -> Heard:
    """An advertisement or a reply is a server's (RFC 8415 §7.3); the other messages of a client begin alike."""
    from scapy.layers.dhcp6 import DHCP6_Solicit, DHCP6OptClientFQDN

    if payload[0] in (2, 7):
        return Heard(words((Clue.SERVES_DHCP, "DHCPv6")), dhcp_server=IPv6Address("::"))
    message = DHCP6_Solicit(payload)
    name = message[DHCP6OptClientFQDN].fqdn if DHCP6OptClientFQDN in message else b""
    return Heard(words((Clue.DHCP_NAME, name.rstrip(b"."))))


def lldp(payload: bytes) -> Heard:
    from scapy.contrib.lldp import (
        LLDPDU,
        LLDPDUSystemCapabilities,
        LLDPDUSystemDescription,
        LLDPDUSystemName,
    )

    message = LLDPDU.guess_payload_class(LLDPDU(), payload)(payload)
    said: list[tuple[Clue, object]] = []
    if LLDPDUSystemName in message:
        said.append((Clue.LLDP_NAME, message[LLDPDUSystemName].system_name))
    if LLDPDUSystemDescription in message:
        said.append((Clue.LLDP_SYSTEM, message[LLDPDUSystemDescription].description))
    if LLDPDUSystemCapabilities in message:
        capable = message[LLDPDUSystemCapabilities]
        said += [(Clue.LLDP_CAPABILITY, name) for field, name in _CAPABILITIES.items() if getattr(capable, field)]
    return Heard(words(*said))


def cdp(payload: bytes) -> Heard:
    from scapy.contrib.cdp import CDPMsgCapabilities, CDPMsgDeviceID, CDPMsgPlatform, CDPv2_HDR

    message = CDPv2_HDR(payload)
    said: list[tuple[Clue, object]] = []
    for part in message.msg:
        if isinstance(part, CDPMsgDeviceID):
            said.append((Clue.CDP_NAME, part.val))
        elif isinstance(part, CDPMsgPlatform):
            said.append((Clue.CDP_PLATFORM, part.val))
        elif isinstance(part, CDPMsgCapabilities):
            said += [(Clue.CDP_CAPABILITY, name) for bit, name in _CDP_CAPABILITIES.items() if int(part.cap) & bit]
    return Heard(words(*said))


def mdns(payload: bytes) -> Heard:
    """What a responder says it has: only answers speak of their sender (RFC 6762)."""
    from scapy.layers.dns import DNS

    message = DNS(payload)
    if not message.qr:
        return NOTHING
    found: dict[Word, None] = {}
    for record in list(message.an or [])[:_MOST_WORDS]:
        name = bytes(record.rrname).rstrip(b".")
        if record.type == 12 and name.endswith((b"._tcp.local", b"._udp.local")):
            found[word(Clue.MDNS_SERVICE, name.removesuffix(b".local"))] = None
        elif record.type in (1, 28):
            found[word(Clue.MDNS_NAME, name.removesuffix(b".local"))] = None
    return Heard(tuple(found))


def nbns(payload: bytes) -> Heard:
    """A registration says which names the sender takes, and by their suffix what for (RFC 1001, [MS-NBTE])."""
    from scapy.layers.netbios import NBNSHeader, NBNSRegistrationRequest

    message = NBNSHeader(payload)
    if NBNSRegistrationRequest not in message:
        return NOTHING
    asked = message[NBNSRegistrationRequest]
    name = bytes(asked.QUESTION_NAME).decode("ascii", "replace").strip("\0 ")
    return Heard(words((Clue.NBNS_NAME, f"{name}<{nbns_suffix(payload):02x}>")))


def nbns_suffix(payload: bytes) -> int:
    """The 16th octet of the first question's name, in the two letters that first-level encoding makes of it (RFC 1001 §14.1)."""
    high, low = payload[43] - 0x41, payload[44] - 0x41
    if not (0 <= high < 16 and 0 <= low < 16):
        raise ValueError("no first-level encoding")
    return high << 4 | low


def ssdp(payload: bytes) -> Heard:
    """A search asks for others; a NOTIFY or an answer tells of the sender (UPnP 2.0 §1.2, §1.3)."""
    if not payload.startswith((b"NOTIFY ", b"HTTP/1.1 200")):
        return NOTHING
    clues = {b"server": Clue.SSDP_SERVER, b"nt": Clue.SSDP_DEVICE, b"st": Clue.SSDP_DEVICE}
    return Heard(words(*((clues[name.lower()], value) for name, value in _SSDP_FIELD.findall(payload[:2048])[:4])))


def user_agent(payload: bytes) -> Heard:
    found = _AGENT.search(payload[:2048])
    return NOTHING if found is None else Heard(words((Clue.USER_AGENT, found[1])))


def client_hello(payload: bytes) -> Heard:
    """The server name that it asks for (RFC 6066 §3). A hello that goes on in another packet is read as far as this one."""
    at = 5 + 4 + 2 + 32
    at += 1 + payload[at]
    at += 2 + struct.unpack_from("!H", payload, at)[0]
    at += 1 + payload[at]
    end = min(len(payload), at + 2 + struct.unpack_from("!H", payload, at)[0])
    at += 2
    while at + 4 <= end:
        kind, length = struct.unpack_from("!HH", payload, at)
        if kind == 0:
            size = struct.unpack_from("!H", payload, at + 7)[0]
            return Heard(words((Clue.ASKS_TLS, payload[at + 9 : at + 9 + size])))
        at += 4 + length
    return NOTHING
