"""What NX-OS answers to `show`: as much as NAPALM's nxos_ssh driver (5.2) and Netcordon read, in the shapes that NAPALM's parsers and the
templates of ntc-templates (cisco_nxos_*) describe. `| json` is answered where NAPALM asks for it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from difflib import context_diff
from typing import Any

from topologies.vendor.configuration import Configuration, InvalidInput
from topologies.vendor.ios_acl import dotted
from topologies.vendor.ios_forwarding import access_vlan, active_vlans
from topologies.vendor.kinds import vlan_ids
from topologies.vendor.nxos import VERSION, NxosSwitch
from topologies.vendor.nxos_forwarding import entries_needed
from topologies.vendor.nxos_grammar import LISTS, PORT
from topologies.vendor.nxos_patch import patch
from topologies.vendor.pipes import filtered

_TCAM = 512


def show(switch: NxosSwitch, command: str) -> str:
    """Raises InvalidInput for what is not known, Rejected for what is not there."""
    asked, _, pipe = command.partition(" | ")
    words = asked.split()[1:]
    if not words:
        raise InvalidInput(None)
    if pipe == "json":
        if " ".join(words) not in _TABLES:
            raise InvalidInput(1, words[0])
        return json.dumps(_TABLES[" ".join(words)](switch))
    return filtered(_answer(switch, words), pipe) if pipe else _answer(switch, words)


def _answer(switch: NxosSwitch, words: list[str]) -> str:
    match words:
        case ["running-config"] | ["running-config", "all"]:
            return (
                f"\n!Command: show {' '.join(words)}\n!Time: {stamp(switch.now)}\n\nversion {VERSION}\n{switch.text()}"
            )
        case ["running-config", "diff"]:
            return _unsaved(switch)
        case ["running-config", "interface", name]:
            return _interface_config(switch, name)
        case ["startup-config"]:
            return f"\n!Command: show startup-config\n!Time: {stamp(switch.now)}\n\nversion {VERSION}\n{switch.startup}"
        case ["file", name]:
            return switch.contents(name)
        case ["file", name, "md5sum"]:
            return hashlib.md5(switch.contents(name).encode(), usedforsecurity=False).hexdigest()
        case ["diff", "rollback-patch", "file", first, "file", second]:
            return _patch(switch, first, second)
        case ["vlan", "id", number]:
            return _vlans(switch, int(number) if number.isdigit() else 0)
        case ["ip", "arp", "vrf", "all"]:
            return "IP ARP Table for all contexts\nTotal number of entries: 0\nAddress         Age       MAC Address     Interface"
    known = _TEXTS.get(" ".join(words))
    if known is None:
        begun = {text.split()[0] for text in _TEXTS} | {"running-config", "startup-config", "file", "diff"}
        raise InvalidInput(2 if words[0] in begun and len(words) > 1 else 1, words[0])
    return known(switch)


def _unsaved(switch: NxosSwitch) -> str:
    """A diff with context, and nothing where nothing differs."""
    saved, runs = switch.text(switch.read(switch.startup)), switch.text()
    return "\n".join(
        context_diff(saved.splitlines(), runs.splitlines(), "Startup-config", "Running-config", lineterm="")
    )


def _patch(switch: NxosSwitch, first: str, second: str) -> str:
    """A line that is none of a configuration is told as one that a rollback would have to type."""
    lines = patch(switch.read(switch.contents(first)), switch.read(switch.contents(second)))
    body = ["!!", "!", *lines] if lines else ["Rollback Patch is Empty"]
    return "\n".join(["Collecting Running-Config", "Generating Rollback Patch", "", *body])


def _interface_config(switch: NxosSwitch, name: str) -> str:
    wanted = f"interface {name}"
    if wanted not in switch.running.sections:
        raise InvalidInput(3, name)
    return switch.text(Configuration([], {wanted: switch.running.sections[wanted]}))


def stamp(at: float) -> str:
    """A time of day as NX-OS writes it: Tue Nov 24 12:02:31 2026."""
    return time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime(at))


def _span(seconds: float) -> str:
    whole = int(seconds)
    parts = (whole // 86400, "day"), (whole // 3600 % 24, "hour"), (whole // 60 % 60, "minute"), (whole % 60, "second")
    return ", ".join(f"{count} {unit}(s)" for count, unit in parts)


def _serial(switch: NxosSwitch) -> str:
    mac = next((port.mac for port in switch.hardware.ports().values()), "02:00:00:00:00:00")
    return f"9V{mac.replace(':', '').upper()}"


def _version(switch: NxosSwitch) -> str:
    return f"""\
Cisco Nexus Operating System (NX-OS) Software
Netcordon virtual NX-OS switch

Software
  NXOS: version {VERSION}

Hardware
  cisco Nexus9000 VIRTUAL Chassis
  with 4096000 kB of memory.
  Processor Board ID {_serial(switch)}

  Device name: {switch.hostname}
Kernel uptime is {_span(switch.now - switch.booted)}
"""


def _short(number: int) -> str:
    return f"Eth1/{number}"


def _settings(switch: NxosSwitch, number: int) -> list[str]:
    return switch.running.section(f"interface {PORT}{number}")


def _link(switch: NxosSwitch, number: int) -> str:
    if "shutdown" in _settings(switch, number):
        return "disabled"
    if number in switch.faults.errdisabled:
        return "err-disabled"
    return "connected" if switch.hardware.ports()[number].up else "notconnec"


def _interfaces(switch: NxosSwitch) -> str:
    told = []
    for number, port in sorted(switch.hardware.ports().items()):
        settings = {line.partition(" ")[0]: line.partition(" ")[2] for line in _settings(switch, number)}
        link = _link(switch, number)
        state = {"connected": "up", "disabled": "down (Administratively down)"}.get(link, "down (Link not connected)")
        description = f"  Description: {settings['description']}\n" if "description" in settings else ""
        told.append(
            f"{PORT}{number} is {state}\nadmin state is {'down' if link == 'disabled' else 'up'}, Dedicated Interface\n"
            f"  Hardware: 100/1000/10000 Ethernet, address: {dotted(port.mac)} (bia {dotted(port.mac)})\n{description}"
            f"  MTU {settings.get('mtu', '1500')} bytes, BW 1000000 Kbit , DLY 10 usec\n"
            f"  RX\n    {port.received} input packets  0 bytes\n  TX\n    {port.sent} output packets  0 bytes\n"
        )
    return "\n".join(told)


def _status(switch: NxosSwitch) -> str:
    rule = "-" * 80
    told = [rule, "Port          Name               Status    Vlan      Duplex  Speed   Type", rule]
    for number in sorted(switch.hardware.ports()):
        lines = _settings(switch, number)
        name = next((line.partition(" ")[2] for line in lines if line.startswith("description ")), "--")[:18]
        vlan = "routed" if "no switchport" in lines else access_vlan(lines) or "trunk"
        told.append(f"{_short(number):<13} {name:<18} {_link(switch, number):<9} {vlan!s:<9} full    1000    10g")
    return "\n".join(told)


def _vlan_rows(switch: NxosSwitch) -> list[tuple[int, str, str, list[str]]]:
    """Number, name, state and ports."""
    known: dict[str, list[str]] = {"1": []} | switch.running.of("vlan")
    found: dict[int, str] = {}
    for header, lines in known.items():
        for vlan in vlan_ids(header):
            named = next((line.split()[1] for line in lines if line.startswith("name ")), "")
            found[vlan] = named or ("default" if vlan == 1 else f"VLAN{vlan:04d}")
    active, ports = active_vlans(switch.running), sorted(switch.hardware.ports())
    return [
        (
            vlan,
            name,
            "active" if vlan in active else "suspended",
            [_short(number) for number in ports if _in_vlan(switch, number) == vlan],
        )
        for vlan, name in sorted(found.items())
    ]


def _in_vlan(switch: NxosSwitch, number: int) -> int | None:
    return access_vlan(_settings(switch, number))


def _vlans(switch: NxosSwitch, only: int | None = None) -> str:
    told = ["", "VLAN Name                             Status    Ports", f"---- {'-' * 32} {'-' * 9} {'-' * 31}"]
    for vlan, name, state, ports in _vlan_rows(switch):
        if only in (None, vlan):
            rows = [", ".join(ports[at : at + 4]) for at in range(0, len(ports), 4)] or [""]
            told.append(f"{vlan:<4} {name:<32} {state:<9} {rows[0]}")
            told += [f"{'':48}{row}" for row in rows[1:]]
    return "\n".join(told) if len(told) > 3 else f"VLAN {only} not found in current VLAN database"


def _vlan_table(switch: NxosSwitch) -> dict[str, Any]:
    rows = [
        {
            "vlanshowbr-vlanid": str(vlan),
            "vlanshowbr-vlanid-utf": str(vlan),
            "vlanshowbr-vlanname": name,
            "vlanshowbr-vlanstate": state,
            "vlanshowbr-shutstate": "noshutdown",
        }
        | ({"vlanshowplist-ifidx": ",".join(f"{PORT}{one.removeprefix('Eth1/')}" for one in ports)} if ports else {})
        for vlan, name, state, ports in _vlan_rows(switch)
    ]
    return {"TABLE_vlanbriefxbrief": {"ROW_vlanbriefxbrief": rows}}


def _inventory(switch: NxosSwitch) -> dict[str, Any]:
    chassis = {"name": "Chassis", "desc": "Netcordon virtual switch", "productid": "N9K-VIRTUAL", "vendorid": "V01"}
    return {"TABLE_inv": {"ROW_inv": [chassis | {"serialnum": _serial(switch)}]}}


def _mac_table(switch: NxosSwitch) -> str:
    told = [
        "Legend: ",
        "        * - primary entry, G - Gateway MAC, (R) - Routed MAC, O - Overlay MAC",
        "        age - seconds since last seen,+ - primary entry using vPC Peer-Link,",
        "        (T) - True, (F) - False, C - ControlPlane MAC, ~ - vsan",
        "   VLAN     MAC Address      Type      age     Secure NTFY Ports",
        "---------+-----------------+--------+---------+------+----+------------------",
    ]
    learnt = switch.hardware.learnt()
    told += [f"* {vlan:<8} {dotted(mac)}   dynamic  0         F      F    {_short(port)}" for vlan, mac, port in learnt]
    return "\n".join(told)


def _uptime(switch: NxosSwitch) -> str:
    return (
        f"System start time:          {stamp(switch.booted)}\n"
        f"System uptime:              {_span(switch.now - switch.booted)}"
    )


def _tcam(switch: NxosSwitch) -> str:
    """Rows of feature, used, free and percent (as genie's parser for `show hardware access-list resource utilization` reads them). All
    families share one region here."""
    most, used = switch.faults.tcam or _TCAM, entries_needed(switch.running)
    return (
        "        INSTANCE 0x0\n         -------------\n\n"
        "         ACL Hardware Resource Utilization (Mod 1)\n"
        "         ----------------------------------------------------------\n"
        "                                        Used    Free    Percent \n"
        "                                                        Utilization\n"
        "----------------------------------------------------------------\n"
        f"{'Ingress PACL':<40}{used:<8}{most - used:<8}{100 * used / most:.2f}\n"
        f"{'Ingress RACL':<40}{0:<8}{1536:<8}0.00\n"
    )


def _hosts(switch: NxosSwitch) -> str:
    domain = next((line.split()[2] for line in switch.running.lines if line.startswith("ip domain-name ")), "")
    return f"DNS lookup enabled\n{f'Default domain for vrf:default is {domain}' if domain else ''}"


def _access_lists(switch: NxosSwitch) -> str:
    told = []
    for family, kind in (("ip", "IP access list {}"), ("ipv6", "IPv6 access list {}"), ("mac", "MAC access list {}")):
        for name, lines in sorted(switch.running.of(LISTS[family]).items()):
            told += [kind.format(name), *(f"        {line}" for line in lines)]
    return "\n".join(told)


_TABLES: Mapping[str, Callable[[NxosSwitch], dict[str, Any]]] = {"vlan brief": _vlan_table, "inventory": _inventory}
_TEXTS: Mapping[str, Callable[[NxosSwitch], str]] = {
    "version": _version,
    "hostname": lambda switch: f"{switch.hostname} ",
    "hosts": _hosts,
    "interface": _interfaces,
    "interface status": _status,
    "vlan brief": _vlans,
    "mac address-table": _mac_table,
    "mac address-table dynamic": _mac_table,
    "system uptime": _uptime,
    "hardware access-list resource utilization": _tcam,
    "lldp neighbors detail": lambda _: "",
    "access-lists": _access_lists,
}
