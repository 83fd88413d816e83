"""Facts of this machine, read from the kernel's and the resolver's own files."""

from __future__ import annotations

import ctypes
import subprocess
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface, ip_address, ip_interface
from pathlib import Path

from controller.model import Address

Interface = IPv4Interface | IPv6Interface
ROUTES, ROUTES6 = Path("/proc/net/route"), Path("/proc/net/ipv6_route")
RESOLVERS = Path("/etc/resolv.conf")
_GATEWAY = 0x2
_UNSYNCHRONIZED = 5
_TIMEX_SIZE = 512
"""More than any architecture's struct timex."""


def gateways(routes: Path = ROUTES, routes6: Path = ROUTES6) -> list[Address]:
    """The next hops of the default routes; none where the kernel does not say."""
    found: list[Address] = []
    for line in _lines(routes)[1:]:
        _, destination, gateway, flags, *_ = line.split()
        if int(destination, 16) == 0 and int(flags, 16) & _GATEWAY:
            found.append(IPv4Address(bytes.fromhex(gateway)[::-1]))
    for line in _lines(routes6):
        words = line.split()
        if words[0] == "0" * 32 and words[1] == "00" and int(words[8], 16) & _GATEWAY:
            found.append(ip_address(bytes.fromhex(words[4])))
    return list(dict.fromkeys(found))


def resolvers(file: Path = RESOLVERS) -> list[Address]:
    """The name servers that this machine asks, loopback ones left out: those only pass on."""
    found = []
    for line in _lines(file):
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            try:
                address = ip_address(words[1].partition("%")[0])
            except ValueError:
                continue
            if not address.is_loopback:
                found.append(address)
    return found


def own_interfaces() -> list[Interface]:
    """This machine's addresses with their prefixes, beyond loopback and link-local, as `ip` shows them; none where there is no `ip`."""
    try:
        said = subprocess.run(["ip", "-o", "addr"], capture_output=True, text=True, check=True, timeout=5).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return interfaces_of(said)


def interfaces_of(said: str) -> list[Interface]:
    """`ip -o addr`, read."""
    words = (line.split() for line in said.splitlines())
    found = (ip_interface(line[3]) for line in words if len(line) > 3 and line[2] in ("inet", "inet6"))
    return [one for one in dict.fromkeys(found) if not (one.ip.is_loopback or one.ip.is_link_local)]


def clock_is_synchronized() -> bool | None:
    """By the kernel's word (adjtimex, which only reads here); None where it does not say."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_SIZE))
    except (AttributeError, OSError):
        return None
    return None if state < 0 else state != _UNSYNCHRONIZED


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
