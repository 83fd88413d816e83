"""What EOS answers to `show`: as much as NAPALM's eos driver (5.2) and Netcordon read. The fields' names are those of the transcripts in
NAPALM's repository (test/eos/mocked_data)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from topologies.vendor.configuration import InvalidInput, unified
from topologies.vendor.eos import TIMED, EosSwitch, entries_needed
from topologies.vendor.eos_forwarding import active_vlans, channels
from topologies.vendor.eos_grammar import GRAMMAR
from topologies.vendor.kinds import vlan_ids

VERSION = "4.32.2F"
Answer = Mapping[str, Any] | str
"""A mapping is EOS's JSON form; a text is what has no other."""


def show(switch: EosSwitch, command: str) -> Answer:
    """Raises InvalidInput for what is not known, CommandFailed for what is not there."""
    words = command.split()[1:]
    match words:
        case ["configuration", "sessions"] | ["configuration", "sessions", "detail"]:
            return _sessions(switch)
        case ["session-config", "named", name]:
            return switch.named(name).candidate.text(GRAMMAR)
        case ["session-config", "named", name, "diffs"]:
            return switch.diffs(name)
        case ["running-config", "diffs"]:
            startup = switch.read("startup-config").text(GRAMMAR)
            return unified(startup, switch.running.text(GRAMMAR), "flash:/startup-config", "system:/running-config")
        case ["running-config"] | ["running-config", "all"]:
            return switch.running.text(GRAMMAR)
        case ["startup-config"]:
            return switch.read("startup-config").text(GRAMMAR)
    known = _STRUCTURED.get(" ".join(words))
    if known is None:
        raise InvalidInput(1, words[0] if words else "")
    return known(switch)


def _version(switch: EosSwitch) -> Answer:
    return {
        "version": VERSION,
        "internalVersion": f"{VERSION}-virtual",
        "modelName": "Netcordon virtual EOS switch",
        "serialNumber": f"VIRTUAL-{switch.hostname}",
        "bootupTimestamp": switch.booted,
        "uptime": switch.uptime,
        "systemMacAddress": next((port.mac for port in switch.hardware.ports().values()), ""),
        "memTotal": 0,
        "memFree": 0,
    }


def _hostname(switch: EosSwitch) -> Answer:
    domain = next((line.split()[2] for line in switch.running.lines if line.startswith("dns domain ")), "")
    return {"hostname": switch.hostname, "fqdn": ".".join(filter(None, (switch.hostname, domain)))}


def _interfaces(switch: EosSwitch) -> Answer:
    found = {}
    for number, port in sorted(switch.hardware.ports().items()):
        name = f"Ethernet{number}"
        lines = switch.running.section(f"interface {name}")
        shut = "shutdown" in lines
        halted = number in switch.faults.errdisabled
        up = port.up and not shut and not halted
        settings = {line.partition(" ")[0]: line.partition(" ")[2] for line in lines}
        found[name] = {
            "name": name,
            "description": settings.get("description", ""),
            "interfaceStatus": "errdisabled"
            if halted
            else "disabled"
            if shut
            else "connected"
            if port.up
            else "notconnect",
            "lineProtocolStatus": "up" if up else "down",
            "physicalAddress": port.mac,
            "mtu": int(settings.get("mtu", "9214")),
            "bandwidth": 1_000_000_000,
            "hardware": "ethernet",
            "forwardingModel": "routed" if "no switchport" in lines else "bridged",
            "interfaceCounters": {"inUcastPkts": port.received, "outUcastPkts": port.sent},
        }
    for number, name in sorted(channels(switch.running, switch.hardware.ports()).items()):
        member = found[f"Ethernet{number}"]
        found.setdefault(name, member | {"name": name, "hardware": "portChannel"})
    return {"interfaces": found}


def _sessions(switch: EosSwitch) -> Answer:
    """From 4.32 on the timer is told beside the sessions (NAPALM's eos driver reads both forms)."""
    told: dict[str, Any] = {
        "sessions": {name: {"state": one.state, "instances": {}} for name, one in switch.sessions.items()},
        "maxSavedSessions": 1,
        "maxOpenSessions": switch.faults.pending,
    }
    for name, one in switch.sessions.items():
        if one.state == TIMED:
            told |= {"commitTimerSessionName": name, "commitTimerExpireTime": one.until}
    return told


def _capacity(switch: EosSwitch) -> Answer:
    """The table's columns are those of "show hardware capacity" in Arista's documents: Used, Used(%), Free, Committed, Best Case Max and
    High Watermark; their names in JSON were not checked against a device. A switch whose TCAM has no end shows no table."""
    size, used = switch.faults.tcam, entries_needed(switch.running)
    if size is None:
        return {"tables": []}
    row = {
        "table": "TCAM",
        "feature": "ACL",
        "chip": "Virtual0",
        "used": used,
        "usedPercent": 100 * used // max(size, 1),
    }
    return {"tables": [row | {"free": size - used, "committed": 0, "maxLimit": size, "highWatermark": used}]}


def _vlans(switch: EosSwitch) -> Answer:
    told = {}
    for header, lines in {"1": [], **switch.running.of("vlan")}.items():
        for vlan in vlan_ids(header):
            named = next((line.split()[1] for line in lines if line.startswith("name ")), "")
            ports: dict[str, Any] = {
                f"Ethernet{n}": {} for n in switch.hardware.ports() if _access_vlan(switch, n) == vlan
            }
            told[str(vlan)] = {
                "name": named or ("default" if vlan == 1 else f"VLAN{vlan:04d}"),
                "status": "active" if vlan in active_vlans(switch.running) else "suspended",
                "interfaces": ports,
            }
    return {"vlans": told}


def _access_vlan(switch: EosSwitch, number: int) -> int | None:
    lines = switch.running.section(f"interface Ethernet{number}")
    if "no switchport" in lines or "switchport mode trunk" in lines:
        return None
    return next((int(line.split()[-1]) for line in lines if line.startswith("switchport access vlan")), 1)


def _mac_table(switch: EosSwitch) -> Answer:
    bundled = channels(switch.running, switch.hardware.ports())
    learnt = [
        {
            "macAddress": mac,
            "vlanId": vlan,
            "interface": bundled.get(port, f"Ethernet{port}"),
            "entryType": "dynamic",
            "moves": 1,
            "lastMove": 0.0,
        }
        for vlan, mac, port in switch.hardware.learnt()
    ]
    return {"unicastTable": {"tableEntries": learnt}, "multicastTable": {"tableEntries": []}}


def _arp(_: EosSwitch) -> Answer:
    """It does not route, so it resolves no neighbour's address."""
    return {"vrfs": {"default": {"ipV4Neighbors": []}}}


def _lldp(_: EosSwitch) -> Answer:
    return {"lldpNeighbors": [], "tablesInserts": 0}


_STRUCTURED: Mapping[str, Callable[[EosSwitch], Answer]] = {
    "version": _version,
    "hostname": _hostname,
    "interfaces": _interfaces,
    "vlan": _vlans,
    "mac address-table": _mac_table,
    "arp vrf all": _arp,
    "ip arp": _arp,
    "lldp neighbors": _lldp,
    "hardware capacity": _capacity,
}
