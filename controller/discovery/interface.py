"""What the sensor's own interface is: its MAC, addresses and routers, as iproute2 tells them, and whether it is up."""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import Any

from controller.discovery.probes import Address
from controller.errors import ConfigError
from drivers.rules import Mac, parse_mac

_SIOCGIFFLAGS = 0x8913
_IFF_UP, _IFF_RUNNING = 0x1, 0x40


@dataclass(frozen=True, slots=True)
class Interface:
    """`gateways` is by IP version."""

    name: str
    mac: Mac
    addresses: tuple[IPv4Interface | IPv6Interface, ...] = ()
    gateways: tuple[tuple[int, Address], ...] = ()

    @property
    def ip(self) -> Address | None:
        """The address by which a person would call it."""
        best = [a.ip for a in self.addresses if not a.ip.is_link_local] or [a.ip for a in self.addresses]
        return min(best, key=lambda ip: ip.version, default=None)

    def on_link(self, ip: Address) -> bool:
        """Whether `ip` is reached without a router. With no address of its own, or none but a link-local one, which no router forwards
        (RFC 4291 §2.5.6), an interface has nothing but its link."""
        own = [a for a in self.addresses if a.version == ip.version]
        return any(ip in a.network for a in own) or all(a.version == 6 and a.ip.is_link_local for a in own)

    def source_for(self, ip: Address) -> Address | None:
        """Our address for talking to `ip`: one in its network, else one of its scope, else any of its version."""
        own = [a for a in self.addresses if a.version == ip.version]
        own.sort(key=lambda a: (ip not in a.network, a.ip.is_link_local != ip.is_link_local))
        return own[0].ip if own else None

    def next_hop(self, ip: Address) -> Address | None:
        """Whose MAC a frame to `ip` carries; None when there is no router for it."""
        return ip if self.on_link(ip) else dict(self.gateways).get(ip.version)


def read_interface(name: str) -> Interface:
    """The interface as it is now, in this process's network namespace. ConfigError where there is none of that name."""
    found = _ip("addr", "show", "dev", name)
    if not found:
        raise ConfigError(f"no interface {name!r} here: `ip link` lists those there are")
    if "address" not in found[0] or found[0].get("link_type") != "ether":
        raise ConfigError(f"{name} is not an Ethernet interface: a sensor asks by ARP, which needs one")
    addresses = tuple(
        ip_interface(f"{a['local']}/{a['prefixlen']}") for a in found[0].get("addr_info", []) if not a.get("tentative")
    )
    gateways = tuple(
        (version, ip_address(route["gateway"]))
        for version in (4, 6)
        for route in _ip(f"-{version}", "route", "show", "default", "dev", name)[:1]
        if "gateway" in route
    )
    return Interface(name, parse_mac(found[0]["address"]), addresses, gateways)


def why_deaf(name: str) -> str:
    """Why nothing can be sent or heard on the interface now; empty when all is well. A frame sent without carrier vanishes silently."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        try:
            answer = fcntl.ioctl(handle, _SIOCGIFFLAGS, struct.pack("16sH14x", name.encode()[:15], 0))
        except OSError as error:
            return f"interface {name}: {error.strerror}"
    flags = struct.unpack_from("H", answer, 16)[0]
    if not flags & _IFF_UP:
        return f"interface {name} is down"
    return "" if flags & _IFF_RUNNING else f"interface {name} has no carrier"


def _ip(*words: str) -> list[Any]:
    try:
        done = subprocess.run(["ip", "-j", *words], capture_output=True, text=True, timeout=5, check=False)
        return [one for one in json.loads(done.stdout or "[]") if one] if done.returncode == 0 else []
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise ConfigError(f"`ip -j {' '.join(words)}` does not work here ({error}): install iproute2") from error
