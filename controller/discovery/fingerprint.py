"""What a device is, from what it was seen to do and what it says: vendor, type and role, with a confidence and the evidence. Pure.

Each trait that fits adds its weight w to its role: together they are worth 1 - (1 - w1)(1 - w2)…, and the role worth most wins. What rests
on the device's own word alone is worth at most 0.6, since anybody can call itself a printer. Nobody's containment depends on any of it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache

from controller.discovery.words import OBSERVED, Clue, Word
from drivers.rules import Mac

SELF_SAID_MOST = 0.6
LEAST = 0.25
"""Below this it is `unknown`."""
UNKNOWN = "unknown"

TYPES = {
    "workstation": "computer",
    "server": "computer",
    "domain-controller": "computer",
    "dns": "computer",
    "dhcp": "computer",
    "file-server": "computer",
    "hypervisor": "computer",
    "printer": "printer",
    "camera": "camera",
    "phone": "phone",
    "switch": "network",
    "access-point": "network",
    "router": "network",
}


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`evidence`: each trait that spoke for the role, what the device says neutralized by whoever shows it."""

    vendor: str = ""
    type: str = UNKNOWN
    role: str = UNKNOWN
    confidence: float = 0.0
    evidence: tuple[str, ...] = ()
    random_mac: bool = False


@dataclass(frozen=True, slots=True)
class Trait:
    clue: Clue
    pattern: re.Pattern[str]
    role: str
    weight: float


def _trait(clue: Clue, pattern: str, role: str, weight: float) -> Trait:
    return Trait(clue, re.compile(pattern, re.IGNORECASE), role, weight)


TRAITS = (
    _trait(Clue.OFFERS, r"(tcp|udp)/88$", "domain-controller", 0.5),
    _trait(Clue.OFFERS, r"(tcp|udp)/(389|636)$", "domain-controller", 0.3),
    _trait(Clue.OFFERS, r"tcp/(3268|3269)$", "domain-controller", 0.5),
    _trait(Clue.OFFERS, r"(tcp|udp)/53$", "dns", 0.6),
    _trait(Clue.SERVES_DHCP, r"", "dhcp", 0.8),
    _trait(Clue.OFFERS, r"tcp/(2049|548)$", "file-server", 0.6),
    _trait(Clue.OFFERS, r"tcp/(445|139)$", "file-server", 0.3),
    _trait(Clue.OFFERS, r"tcp/(9100|515|631)$", "printer", 0.5),
    _trait(Clue.OFFERS, r"tcp/(554|8554)$", "camera", 0.5),
    _trait(Clue.OFFERS, r"(tcp/(5060|5061)|udp/5060)$", "phone", 0.4),
    _trait(Clue.OFFERS, r"tcp/(902|8006|16509)$", "hypervisor", 0.5),
    _trait(Clue.OFFERS, r"tcp/22$", "server", 0.15),
    _trait(Clue.OFFERS, r"tcp/(80|443|8080|8443)$", "server", 0.2),
    _trait(Clue.OFFERS, r"tcp/(25|587|1433|1521|3306|5432|6379)$", "server", 0.4),
    _trait(Clue.OFFERS, r"tcp/3389$", "workstation", 0.15),
    _trait(Clue.ADVERTISES_ROUTE, r"", "router", 0.7),
    _trait(Clue.LLDP_CAPABILITY, r"^telephone$", "phone", 0.5),
    _trait(Clue.LLDP_CAPABILITY, r"^access-point$", "access-point", 0.55),
    _trait(Clue.LLDP_CAPABILITY, r"^bridge$", "switch", 0.4),
    _trait(Clue.LLDP_CAPABILITY, r"^router$", "router", 0.3),
    _trait(Clue.LLDP_SYSTEM, r"esx|proxmox|hyper-v|xenserver", "hypervisor", 0.5),
    _trait(Clue.CDP_CAPABILITY, r"^phone$", "phone", 0.55),
    _trait(Clue.CDP_CAPABILITY, r"^(switch|bridge)$", "switch", 0.4),
    _trait(Clue.CDP_CAPABILITY, r"^router$", "router", 0.3),
    _trait(Clue.CDP_PLATFORM, r"air-|aironet|access point", "access-point", 0.55),
    _trait(Clue.CDP_PLATFORM, r"phone", "phone", 0.5),
    _trait(Clue.CDP_PLATFORM, r"esx|vmware", "hypervisor", 0.5),
    _trait(Clue.CDP_PLATFORM, r"^cisco (ws-)?c[239]", "switch", 0.4),
    _trait(Clue.DHCP_CLASS, r"^MSFT ", "workstation", 0.4),
    _trait(Clue.DHCP_CLASS, r"phone|polycom|yealink|snom|grandstream", "phone", 0.5),
    _trait(Clue.DHCP_CLASS, r"printer|jetdirect|brother|xerox|lexmark", "printer", 0.5),
    _trait(Clue.DHCP_CLASS, r"cisco ap|aruba ?ap|ruckus|ubnt", "access-point", 0.5),
    _trait(Clue.DHCP_CLASS, r"ipcam|axis|hikvision|dahua", "camera", 0.5),
    _trait(Clue.DHCP_CLASS, r"^android-dhcp", "phone", 0.4),
    _trait(Clue.DHCP_ASKS, r"^1,3,6,15,31,33,43,44,46,47,", "workstation", 0.4),
    _trait(Clue.DHCP_ASKS, r"^1,121,3,6,15,(108,)?(114,)?119,252", "workstation", 0.3),
    _trait(Clue.DHCP_NAME, r"^(desktop|laptop|pc|ws)-|macbook|imac", "workstation", 0.25),
    _trait(Clue.MDNS_SERVICE, r"_(ipp|ipps|printer|pdl-datastream|scanner)\.", "printer", 0.5),
    _trait(Clue.MDNS_SERVICE, r"_(axis-video|rtsp|nvr)\.", "camera", 0.5),
    _trait(Clue.MDNS_SERVICE, r"_(smb|afpovertcp|nfs|adisk)\.", "file-server", 0.3),
    _trait(Clue.MDNS_SERVICE, r"_(workstation|companion-link|rfb)\.", "workstation", 0.3),
    _trait(Clue.SSDP_DEVICE, r":device:printer", "printer", 0.5),
    _trait(Clue.SSDP_DEVICE, r":device:(digitalsecuritycamera|networkcamera)", "camera", 0.5),
    _trait(Clue.SSDP_DEVICE, r":device:internetgatewaydevice", "router", 0.3),
    _trait(Clue.SSDP_SERVER, r"camera|hikvision|dahua|axis", "camera", 0.4),
    _trait(Clue.SSDP_SERVER, r"synology|qnap|\bnas\b", "file-server", 0.4),
    _trait(Clue.NBNS_NAME, r"<1b>$", "domain-controller", 0.3),
    _trait(Clue.NBNS_NAME, r"<1c>$", "domain-controller", 0.35),
    _trait(Clue.NBNS_NAME, r"<20>$", "workstation", 0.1),
    _trait(Clue.USER_AGENT, r"windows nt|macintosh|x11; ", "workstation", 0.35),
    _trait(Clue.USER_AGENT, r"iphone|android", "phone", 0.35),
    _trait(Clue.ASKS_TLS, r"(update\.microsoft|windowsupdate|office)\.com$", "workstation", 0.2),
)
_VENDORS = (
    (re.compile(r"hikvision|dahua|axis comm|hanwha|vivotek", re.IGNORECASE), "camera", 0.4),
    (re.compile(r"polycom|yealink|snom|grandstream|mitel", re.IGNORECASE), "phone", 0.4),
    (re.compile(r"brother ind|lexmark|xerox|kyocera|ricoh|seiko epson|zebra tech", re.IGNORECASE), "printer", 0.4),
    (re.compile(r"ruckus|meraki|ubiquiti|aruba", re.IGNORECASE), "access-point", 0.2),
    (re.compile(r"synology|qnap", re.IGNORECASE), "file-server", 0.3),
)


def fingerprint(mac: Mac, said: Collection[Word]) -> Fingerprint:
    """Of the device with that MAC, from all words of its."""
    random_mac = bool(int(mac[:2], 16) & 0x02)
    vendor = "" if random_mac else vendor_of(mac)
    found = [(t.role, t.weight, f"{w.clue.value} {w.value}", w.clue in OBSERVED) for t, w in _fitting(said)]
    found += [(role, weight, f"vendor {vendor}", False) for pattern, role, weight in _VENDORS if pattern.search(vendor)]
    role, worth = _best(found)
    if worth < LEAST:
        return Fingerprint(vendor, random_mac=random_mac)
    evidence = tuple(dict.fromkeys(why for of, _, why, _ in found if of == role))
    return Fingerprint(vendor, TYPES[role], role, round(worth, 2), evidence, random_mac)


def _fitting(said: Iterable[Word]) -> Iterable[tuple[Trait, Word]]:
    """Each trait once: a hundred names are no more evidence than one."""
    for trait in TRAITS:
        for one in said:
            if one.clue is trait.clue and trait.pattern.search(one.value):
                yield trait, one
                break


def _best(found: Iterable[tuple[str, float, str, bool]]) -> tuple[str, float]:
    doubt: dict[str, float] = defaultdict(lambda: 1.0)
    observed = set()
    for role, weight, _, seen in found:
        doubt[role] *= 1 - weight
        if seen:
            observed.add(role)
    worth = {role: 1 - d if role in observed else min(SELF_SAID_MOST, 1 - d) for role, d in doubt.items()}
    return max(worth.items(), key=lambda one: (one[1], one[0]), default=(UNKNOWN, 0.0))


@lru_cache(maxsize=4096)
def vendor_of(mac: Mac) -> str:
    """Whom the IEEE gave the MAC's prefix; empty when nobody. The register is the one in Scapy (Wireshark's `manuf`)."""
    from scapy.config import conf

    name = str(conf.manufdb.lookup(mac)[1])
    return "" if name == mac else name
