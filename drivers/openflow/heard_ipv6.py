"""What a punted IPv6 packet says about who is where: neighbour discovery (RFC 4861) and DHCPv6 (RFC 8415). Pure; nothing here raises.

A host says where an address is by the source of its solicitations and the target of its advertisements. A solicitation from `::` is
duplicate address detection and binds nothing yet (RFC 4862 §5.4). Advertisements of a router never bind a host; they only say who
sent them. Where a link-layer address option and the Ethernet source differ, the address is `BELIED`: it speaks against whoever holds
it, and binds nothing. DHCPv6 clients are named by DUIDs, which say nothing sure of a MAC (§11): a Reply binds to the MAC it is
delivered to. What relay agents and servers say to each other therefore binds nothing; the relay's own Reply to the client does.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address

from drivers.base import BELIED, ROUTER_ADVERTISEMENT
from drivers.openflow.heard import Heard, is_host, mac_of
from drivers.rules import Mac

UDP, ICMPV6 = 17, 58
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 43, 44, 51, 60
MOST_HEADERS = 8
ROUTER_SOLICIT, ROUTER_ADVERT, NEIGHBOUR_SOLICIT, NEIGHBOUR_ADVERT = 133, 134, 135, 136
_FIXED = {ROUTER_SOLICIT: 8, ROUTER_ADVERT: 16, NEIGHBOUR_SOLICIT: 24, NEIGHBOUR_ADVERT: 24}
"""Octets before the options, RFC 4861 §4.1 to §4.4."""
_SOURCE_LINK_LAYER, _TARGET_LINK_LAYER = 1, 2
CLIENT_PORT, SERVER_PORT = 546, 547
REPLY = 7
IA_NA, IA_TA, IA_ADDRESS = 3, 4, 5
MOST_LEASES = 16
"""Addresses taken from one Reply: what a client is given at once is a handful."""


def read(to: Mac, source: Mac, packet: bytes, vlan: int | None) -> tuple[Heard, ...]:
    """What the packet, sent from MAC `source` to MAC `to`, says; nothing when it is neither."""
    if len(packet) < 40 or packet[0] >> 4 != 6:
        return ()
    packet = packet[: 40 + int.from_bytes(packet[4:6], "big")]  # what follows is the frame's padding
    protocol, payload = upper_layer(packet)
    if protocol == FRAGMENT:  # a fragment's upper layer is not looked for: RFC 6980 has hosts ignore such discovery
        return (Heard(source, None, vlan, "nd"),)
    if protocol == ICMPV6:
        return _discovery(source, packet, payload, vlan)
    if protocol == UDP and len(payload) >= 8:
        return _dhcp(to, source, payload, vlan)
    return ()


def upper_layer(packet: bytes) -> tuple[int, bytes]:
    """The protocol above the extension headers, and what it carries: a host reads its neighbours' words behind them as well
    (RFC 8200 §4). FRAGMENT where the packet is one; a protocol that nobody has (-1) where the headers make no sense."""
    protocol, at = packet[6], 40
    for _ in range(MOST_HEADERS):
        if protocol not in (HOP_BY_HOP, ROUTING, DESTINATION, AUTHENTICATION):
            return protocol, packet[at:]
        if len(packet) < at + 8:
            return -1, b""
        units = packet[at + 1]
        length = 4 * (units + 2) if protocol == AUTHENTICATION else 8 * (units + 1)
        protocol, at = packet[at], at + length
    return -1, b""


def _discovery(source: Mac, packet: bytes, message: bytes, vlan: int | None) -> tuple[Heard, ...]:
    kind = message[0] if message else 0
    fixed = _FIXED.get(kind)
    if fixed is None or len(message) < fixed or packet[7] != 255 or message[1] != 0:  # 255: it was not routed here
        return ()
    if kind == ROUTER_ADVERT:
        return (Heard(source, None, vlan, ROUTER_ADVERTISEMENT),)
    claimed = IPv6Address(message[8:24] if kind == NEIGHBOUR_ADVERT else packet[8:24])
    wanted = _TARGET_LINK_LAYER if kind == NEIGHBOUR_ADVERT else _SOURCE_LINK_LAYER
    named = _link_layer(message[fixed:], wanted)
    if named is None or not is_host(
        claimed
    ):  # options that make no sense void the message (§7.1); `::` asks before it has
        return (Heard(source, None, vlan, "nd"),)
    return (Heard(source, claimed, vlan, "nd" if named <= {source} else BELIED),)


def _link_layer(options: bytes, wanted: int) -> set[Mac] | None:
    """The MACs that options of this type name; None for options that void their message: none may be empty or cut short (§4.6)."""
    found, at = set(), 0
    while at < len(options):
        length = 8 * options[at + 1] if at + 1 < len(options) else 0
        if not length or at + length > len(options):
            return None
        if options[at] == wanted:
            found.add(mac_of(options[at + 2 : at + 8]))
        at += length
    return found


def _dhcp(to: Mac, source: Mac, datagram: bytes, vlan: int | None) -> tuple[Heard, ...]:
    """§7.2: clients are spoken to at one port, servers and relay agents at the other; nothing is said of where they speak from."""
    port, message = int.from_bytes(datagram[2:4], "big"), datagram[8:]
    if port == SERVER_PORT and message:
        return (Heard(source, None, vlan, "dhcp6"),)
    if (
        port != CLIENT_PORT
        or len(message) < 4
        or message[0] != REPLY
        or int(to[:2], 16) & 1
        or not int(to.replace(":", ""), 16)
    ):
        return ()
    return tuple(Heard(to, address, vlan, "dhcp6", lease=True) for address in _leased(message[4:]))


def _leased(options: bytes) -> list[IPv6Address]:
    """The addresses that the client may use from now on (§21.4 to §21.6); a lifetime of 0 takes one back."""
    found: list[IPv6Address] = []
    for code, association in _options(options):
        if code not in (IA_NA, IA_TA):
            continue
        for inner, value in _options(association[12 if code == IA_NA else 4 :]):
            if inner == IA_ADDRESS and len(value) >= 24 and any(value[20:24]):
                found.append(IPv6Address(value[:16]))
    return [address for address in found if is_host(address)][:MOST_LEASES]


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Code and value of each option (§21.1), up to one that is cut short."""
    at = 0
    while at + 4 <= len(data):
        code, length = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
        if at + 4 + length > len(data):
            return
        yield code, data[at + 4 : at + 4 + length]
        at += 4 + length
