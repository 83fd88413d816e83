"""What IOS tells of itself, its ports and who is at them, in the shapes of NAPALM's getters. Pure. The answers' forms are those of the
templates in ntc-templates (cisco_ios_show_version, _interfaces, _mac-address-table, _ip_arp)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from netutils.interface import canonical_interface_name

_MAC = r"[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}"
_ENTRY = re.compile(
    rf"^[\s*]*(?P<vlan>\d+)\s+(?P<mac>{_MAC})\s+(?P<kind>\w+)\s+(?:\S+\s+)*?(?P<port>[A-Z][A-Za-z-]*\d\S*)\s*$"
)
"""`10  0011.2233.4455  DYNAMIC  Gi1/0/1`, and with an age between as Catalyst 4500 and 6500 have it."""
_ARP = re.compile(rf"^Internet\s+(?P<ip>\d[\d.]+)\s+\S+\s+(?P<mac>{_MAC})\s+ARPA\s*(?P<port>\S*)")
_PORT = re.compile(r"^(?P<name>\S+) is (?P<link>[^,]+), line protocol is (?P<protocol>\w+)")
_ADDRESS = re.compile(rf"address is ({_MAC})")


def facts(version: str) -> Mapping[str, str]:
    """Of `show version`."""
    said = {
        "hostname": re.search(r"^(\S+) uptime is", version, re.MULTILINE),
        "model": re.search(r"^[Cc]isco (\S+) .*(?:processor|bytes of memory)", version, re.MULTILINE),
        "os_version": re.search(r"Version ([^,\s]+)", version),
    }
    return {name: found[1] if found else "unknown" for name, found in said.items()}


def interfaces(told: str) -> dict[str, dict[str, Any]]:
    """Of `show interfaces`."""
    found: dict[str, dict[str, Any]] = {}
    name = ""
    for line in told.splitlines():
        if begun := _PORT.match(line):
            name = begun["name"]
            found[name] = {"is_up": begun["protocol"] == "up", "mac_address": ""}
        elif name and (address := _ADDRESS.search(line)):
            found[name]["mac_address"] = address[1]
    return found


def macs(table: str) -> list[dict[str, Any]]:
    """Of `show mac address-table`: entries with a VLAN and a port of the switch's."""
    return [
        {
            "mac": one["mac"],
            "interface": canonical_interface_name(one["port"]),
            "vlan": int(one["vlan"]),
            "static": one["kind"].lower() == "static",
        }
        for line in table.splitlines()
        if (one := _ENTRY.match(line))
    ]


def arp(table: str) -> list[dict[str, str]]:
    """Of `show arp`."""
    return [
        {"ip": one["ip"], "mac": one["mac"], "interface": canonical_interface_name(one["port"])}
        for line in table.splitlines()
        if (one := _ARP.match(line))
    ]
