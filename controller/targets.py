"""A target as people write it: an IP address, a MAC address, or a place as switch:port."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from controller.errors import InvalidInput
from controller.model import Address, Target
from controller.neutralize import neutralize
from drivers.rules import Mac, parse_mac

ACCEPTED = "give an IP (10.0.0.5, 2001:db8::5), a MAC (02:00:00:00:00:05) or a place as switch:port (s1:3, s1:s1-eth3)"
_LONGEST = 200
_MAPPED_BITS = 96
_OPENFLOW_ID = re.compile(r"of:([0-9a-f]{1,16})", re.IGNORECASE)
# The port is what follows the last colon, except that a channel of a port has a colon of its own (ge-0/0/0:1).
_PLACE = re.compile(r"(?P<device>[^\s:][^\s]*?):(?P<port>[^\s:]*/\d+:\d+|[^\s:]+)")
_HEX_AND_COLONS = re.compile(r"[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,}", re.IGNORECASE)


def parse_target(text: str) -> Target:
    """The target that `text` names. Which switch and port a place means is `locate`'s to find out: the switch may be a
    device id or its description, the port a name or a number. Raises InvalidInput, saying what is accepted."""
    text = text.strip()
    if not text or len(text) > _LONGEST or not text.isprintable():
        raise InvalidInput(f"not a target: {neutralize(text, 80)!r}; {ACCEPTED}")
    if (mac := _as_mac(text)) is not None:
        if int(mac[:2], 16) & 1:
            raise InvalidInput(f"{mac} is a group's MAC (multicast or broadcast), not one device's; {ACCEPTED}")
        return Target(mac=mac)
    if (address := _as_address(text)) is not None:
        return Target(ip=_of_one_device(address))
    return Target(place=_as_place(text))


def parse_address(text: str) -> Address:
    """One host address as `text` writes it; an IPv4 address mapped into IPv6 is the IPv4 address. Raises ValueError for
    anything else, an address with a zone (fe80::1%eth0) included: a zone means something on the host that wrote it
    alone."""
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise AddressValueError(f"an address with a zone: {text!r}; leave out %{address.scope_id}")
        return address.ipv4_mapped or address
    return address


def unmapped(prefix: object) -> object:
    """A prefix of IPv4 addresses mapped into IPv6 (::ffff:10.0.0.0/104) as the IPv4 prefix that it is; anything else as it stands, for
    others to judge."""
    try:
        network = ip_network(prefix) if isinstance(prefix, str) else prefix
    except ValueError:
        return prefix
    if not isinstance(network, IPv6Network) or network.network_address.ipv4_mapped is None:
        return prefix
    return IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - _MAPPED_BITS))


def _as_mac(text: str) -> Mac | None:
    try:
        return parse_mac(text)
    except ValueError:
        return None


def _as_address(text: str) -> Address | None:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return parse_address(bare)
    except AddressValueError as error:
        raise InvalidInput(f"{error}") from error
    except ValueError:
        return None


def _of_one_device(address: Address) -> Address:
    broadcast = address == IPv4Address("255.255.255.255")
    if address.is_multicast or address.is_unspecified or address.is_loopback or broadcast:
        raise InvalidInput(f"{address} is not the address of one device on the network; {ACCEPTED}")
    return address


def _as_place(text: str) -> tuple[str, str]:
    _refuse_near_misses(text)
    found = _PLACE.fullmatch(text)
    if found is None:
        raise InvalidInput(f"not a target: {text!r}; {ACCEPTED}")
    device, port = found["device"], found["port"]
    if device.lower() == "of":
        raise InvalidInput(f"{text!r} names a switch and no port: write {text}:PORT")
    openflow = _OPENFLOW_ID.fullmatch(device)
    return (f"of:{openflow[1].lower():0>16}" if openflow else device), port


def _refuse_near_misses(text: str) -> None:
    """What was meant as an address but is none must not be taken for a place that then cannot be found."""
    if "/" in text and ":" not in text.rpartition("/")[2] and _is_prefix(text):
        raise InvalidInput(f"{text} is a prefix: contain one device at a time, by its own address")
    host, _, port = text.rpartition(":")
    if port.isdigit() and (_is_address(host) or _is_address(host.removeprefix("[").removesuffix("]"))):
        raise InvalidInput(f"{text!r} is an address and an L4 port: a device is contained as a whole, so give {host}")
    if _HEX_AND_COLONS.fullmatch(text):
        raise InvalidInput(f"{text!r} is neither a whole MAC nor an IPv6 address; {ACCEPTED}")


def _is_prefix(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
