"""What rules answer to questions about sets of frames, and a frame in words that shows it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv6Address

from controller.model import Endpoint
from controller.network.regions import Choir, foregone, parted, voices
from controller.questions import (
    BROADCAST,
    CLIENT_PORT,
    ELSEWHERE,
    SERVICE_PORT,
    SOMEBODY,
    SOMEBODY_MAC,
    STRANGER,
    STRANGER_MAC,
    Link,
    Question,
    Upper,
)
from drivers.header_sets import EVERY_KIND, EVERYTHING, Kind, Names, Space
from drivers.rules import Rule
from drivers.semantics import Fate


class Model:
    """What rules do. Most questions are of the same ports and MACs: what rules say of these is asked once, and often that is all."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._choir = Choir(voices(rules))
        self._heard: dict[Link, tuple[Choir, Fate | None]] = {}

    def passing(self, question: Question) -> Upper | None:
        """Some of it that passes; None: all of it is stopped."""
        link = question.link
        if link not in self._heard:
            there = Space(EVERY_KIND, link.in_port, link.out_port, link.eth_src, link.eth_dst, *EVERYTHING[5:])
            speaking = self._choir.heard(there)
            self._heard[link] = Choir(speaking), foregone(speaking)
        choir, fate = self._heard[link]
        if fate is not None:
            return question.upper if fate is Fate.PASS else None
        asked = question.space
        found = (region.space for region in parted(choir.heard(asked), asked) if region.fate is Fate.PASS)
        return next((Upper(space.kinds, *space[5:]) for space in found), None)


class Witnesses:
    """A frame of a space in words: as ordinary a one as there is."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._port = endpoint.attachment.port
        self._links: dict[Link, tuple[str, str]] = {}
        self._macs = (*sorted(endpoint.macs), STRANGER_MAC)
        self._ips = {
            version: (
                *(int(ip) for ip in sorted(endpoint.ips, key=int) if ip.version == version),
                int(STRANGER[version]),
            )
            for version in (4, 6)
        }

    def of(self, link: Link, upper: Upper) -> str:
        if link not in self._links:
            self._links[link] = self._link(link)
        macs, way = self._links[link]
        kind = _plainest(upper.kinds)
        return f"{macs} type 0x{kind.eth_type:04x}{self._upper(upper, kind, link.coming)} {way}"

    def _link(self, link: Link) -> tuple[str, str]:
        if link.coming:
            macs = f"{link.eth_src.pick(*self._macs)} > {link.eth_dst.pick(SOMEBODY_MAC, BROADCAST)}"
        else:
            macs = f"{link.eth_src.pick(SOMEBODY_MAC)} > {link.eth_dst.pick(*self._macs, BROADCAST)}"
        return macs, f"in {link.in_port.pick(self._port, ELSEWHERE)} out {link.out_port.pick(self._port, ELSEWHERE)}"

    def _upper(self, upper: Upper, kind: Kind, coming: bool) -> str:
        if (version := kind.version) is None:
            return ""
        own, other = self._ips[version], (int(SOMEBODY[version]),)
        src, dst = (own, other) if coming else (other, own)
        ips = f" {_address(version, upper.ip_src.pick(*src))} > {_address(version, upper.ip_dst.pick(*dst))}"
        protocol = "" if kind.protocol is None else f" protocol {kind.protocol}"
        ports = f" ports {upper.l4_src.pick(CLIENT_PORT)} > {upper.l4_dst.pick(SERVICE_PORT)}" if kind.ports else ""
        return f"{ips}{protocol}{ports}{' fragment' * kind.fragment}"


@cache
def _plainest(kinds: Names[Kind]) -> Kind:
    return min(kinds.values, key=lambda kind: (kind.fragment, kind.established, not kind.ports, kind.protocol or 0))


@lru_cache(64)
def _address(version: int, number: int) -> str:
    return str(IPv4Address(number) if version == 4 else IPv6Address(number))
