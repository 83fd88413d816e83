"""What IOS answers to `show`: as much as NAPALM's ios driver (5.2) and Netcordon read, in the shapes that NAPALM's parsers and
the templates of ntc-templates describe. Text, as all that IOS says."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping

from topologies.vendor.configuration import Configuration, InvalidInput
from topologies.vendor.ios import IosSwitch
from topologies.vendor.ios_acl import dotted
from topologies.vendor.ios_diff import differences, incremental
from topologies.vendor.ios_forwarding import access_vlan, active_vlans
from topologies.vendor.ios_grammar import LISTS, PORT
from topologies.vendor.kinds import vlan_ids
from topologies.vendor.pipes import filtered

VERSION = "15.2(7)E8"
_TCAM = 964


def show(switch: IosSwitch, command: str) -> str:
    """Raises InvalidInput for what is not known, Rejected for what is not there."""
    asked, _, pipe = command.partition(" | ")
    words = asked.split()[1:]
    if not words:
        raise InvalidInput(None)
    return filtered(_answer(switch, words), pipe) if pipe else _answer(switch, words)


def _answer(switch: IosSwitch, words: list[str]) -> str:
    match words:
        case ["running-config"]:
            text = switch.text()
            return f"Building configuration...\n\nCurrent configuration : {len(text)} bytes\n!\n{text}"
        case ["running-config", "interface", name]:
            return _interface_config(switch, name)
        case ["startup-config"]:
            text = switch.contents("startup-config")
            return f"Using {len(text)} out of 524288 bytes\n!\n{text}"
        case ["archive", "config", "differences", first, second]:
            return differences(_configuration(switch, first), _configuration(switch, second), switch.text)
        case ["archive", "config", "incremental-diffs", file] | ["archive", "config", "incremental-diffs", file, _]:
            return incremental(switch.text(), switch.contents(file))
        case ["vlan", "id", number]:
            return _vlans(switch, int(number) if number.isdigit() else 0)
        case ["access-lists"] | ["access-lists", _]:
            return _access_lists(switch, words[1] if len(words) > 1 else None)
    known = _TEXTS.get(" ".join(words))
    if known is None:
        begun = {text.split()[0] for text in _TEXTS} | {"running-config", "startup-config", "access-lists"}
        raise InvalidInput(2 if words[0] in begun and len(words) > 1 else 1, words[0])
    return known(switch)


def _configuration(switch: IosSwitch, name: str) -> Configuration:
    if re.fullmatch(r"(system:/?)?running-config", name):
        return switch.running
    return switch.read("startup-config" if re.fullmatch(r"(nvram:/?)?startup-config", name) else name)


def _interface_config(switch: IosSwitch, name: str) -> str:
    wanted = f"interface {name}"
    if wanted not in switch.running.sections:
        raise InvalidInput(3, name)
    only = Configuration([], {wanted: switch.running.sections[wanted]})
    return "Building configuration...\n\n" + switch.text(only)


def _span(seconds: float) -> str:
    minutes = int(seconds // 60)
    parts = [
        (minutes // 10080, "week"),
        (minutes // 1440 % 7, "day"),
        (minutes // 60 % 24, "hour"),
        (minutes % 60, "minute"),
    ]
    told = [f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count or unit == "minute"]
    return ", ".join(told)


def stamp(at: float) -> str:
    """A time of day as IOS writes it: 12:02:31 UTC Mon Nov 23 2026."""
    return time.strftime("%H:%M:%S UTC %a %b %-d %Y", time.gmtime(at))


def _version(switch: IosSwitch) -> str:
    mac = next((port.mac for port in switch.hardware.ports().values()), "02:00:00:00:00:00")
    return f"""\
Cisco IOS Software, C2960X Software (C2960X-UNIVERSALK9-M), Version {VERSION}, Netcordon virtual IOS switch
ROM: Bootstrap program is virtual

{switch.hostname} uptime is {_span(switch.now - switch.booted)}
System returned to ROM by power-on
System restarted at {stamp(switch.booted)}
System image file is "flash:virtual.bin"

cisco WS-C2960X-VIRTUAL (Netcordon) processor with 524288K bytes of memory.
Processor board ID VIRTUAL{mac.replace(":", "").upper()}
{len(switch.hardware.ports())} Gigabit Ethernet interfaces
Base ethernet MAC Address       : {mac.upper()}
Model number                    : WS-C2960X-VIRTUAL
Configuration register is 0xF
"""


def _short(number: int) -> str:
    return f"Gi1/0/{number}"


def _link(switch: IosSwitch, number: int) -> str:
    if "shutdown" in switch.running.section(f"interface {PORT}{number}"):
        return "disabled"
    if number in switch.faults.errdisabled:
        return "err-disabled"
    return "connected" if switch.hardware.ports()[number].up else "notconnect"


def _interfaces(switch: IosSwitch) -> str:
    told = []
    for number, port in sorted(switch.hardware.ports().items()):
        lines = switch.running.section(f"interface {PORT}{number}")
        settings = {line.partition(" ")[0]: line.partition(" ")[2] for line in lines}
        link = _link(switch, number)
        state = {"disabled": "administratively down", "connected": "up"}.get(link, "down")
        protocol = "up (connected)" if link == "connected" else f"down ({link})"
        description = f"  Description: {settings['description']}\n" if "description" in settings else ""
        told.append(
            f"{PORT}{number} is {state}, line protocol is {protocol} \n"
            f"  Hardware is Gigabit Ethernet, address is {dotted(port.mac)} (bia {dotted(port.mac)})\n{description}"
            f"  MTU {settings.get('mtu', '1500')} bytes, BW 1000000 Kbit/sec, DLY 10 usec, \n"
            f"     {port.received} packets input, 0 bytes, 0 no buffer\n     {port.sent} packets output, 0 bytes, 0 underruns"
        )
    return "\n".join(told)


def _status(switch: IosSwitch) -> str:
    told = ["", "Port         Name               Status       Vlan       Duplex  Speed Type"]
    for number in sorted(switch.hardware.ports()):
        lines = switch.running.section(f"interface {PORT}{number}")
        name = next((line.partition(" ")[2] for line in lines if line.startswith("description ")), "")[:18]
        vlan = "routed" if "no switchport" in lines else access_vlan(lines) or "trunk"
        told.append(
            f"{_short(number):<12} {name:<18} {_link(switch, number):<12} {vlan!s:<10} a-full a-1000 10/100/1000BaseTX"
        )
    return "\n".join(told)


def _vlans(switch: IosSwitch, only: int | None = None) -> str:
    told = ["", "VLAN Name                             Status    Ports", f"---- {'-' * 32} {'-' * 9} {'-' * 31}"]
    known: dict[str, list[str]] = {"1": []} | switch.running.of("vlan")
    for header, lines in sorted(known.items(), key=lambda one: min(vlan_ids(one[0]))):
        for vlan in sorted(vlan_ids(header)):
            if only not in (None, vlan):
                continue
            named = next((line.split()[1] for line in lines if line.startswith("name ")), "")
            name = named or ("default" if vlan == 1 else f"VLAN{vlan:04d}")
            state = "active" if vlan in active_vlans(switch.running) else "suspended"
            ports = [_short(n) for n in sorted(switch.hardware.ports()) if _in_vlan(switch, n) == vlan]
            rows = [", ".join(ports[at : at + 4]) for at in range(0, len(ports), 4)] or [""]
            told.append(f"{vlan:<4} {name:<32} {state:<9} {rows[0]}")
            told += [f"{'':48}{row}" for row in rows[1:]]
    return "\n".join(told) if len(told) > 3 else f"VLAN id {only} not found in current VLAN database"


def _in_vlan(switch: IosSwitch, number: int) -> int | None:
    return access_vlan(switch.running.section(f"interface {PORT}{number}"))


def _mac_table(switch: IosSwitch) -> str:
    told = [
        "          Mac Address Table",
        "-" * 43,
        "",
        "Vlan    Mac Address       Type        Ports",
        "----    -----------       --------    -----",
    ]
    told += [
        f"{vlan:>4}    {dotted(mac)}    DYNAMIC     {_short(port)}" for vlan, mac, port in switch.hardware.learnt()
    ]
    return "\n".join([*told, f"Total Mac Addresses for this criterion: {len(told) - 5}"])


def _timer(switch: IosSwitch) -> str:
    waiting = switch.unconfirmed
    if waiting is None:
        return "%No Rollback Confirmed Change pending"
    return (
        f"Time configured(or reconfigured): {stamp(waiting.since)}\nTimer type: absolute timer\n"
        f"Timer value: {waiting.minutes} min\nUser: {waiting.user}"
    )


def _tcam(switch: IosSwitch) -> str:
    """In the shape of a transcript (gist.github.com/5332dc69205ae4ac869c). All families share one table here."""
    most, used = switch.faults.tcam or _TCAM, switch.entries_held
    told = f"{most}/{most}".rjust(17) + f"{used}/{used}".rjust(15)
    return (
        "\nCAM Utilization for ASIC# 0                      Max            Used\n"
        "                                             Masks/Values    Masks/values\n\n"
        f" Unicast mac addresses:                       784/6272         26/148\n"
        f" IPv4 security aces:             {told}\n IPv6 security aces:             {told}\n"
    )


def _archive(switch: IosSwitch) -> str:
    return "The maximum archive configurations allowed is 10." if switch.archives else "Archive feature not enabled"


def _brief(switch: IosSwitch) -> str:
    told = ["Interface              IP-Address      OK? Method Status                Protocol"]
    for number in sorted(switch.hardware.ports()):
        up = "up" if _link(switch, number) == "connected" else "down"
        told.append(f"{PORT + str(number):<22} unassigned      YES unset  {up:<21} {up}")
    return "\n".join(told)


def _hosts(switch: IosSwitch) -> str:
    domain = next((line.split()[2] for line in switch.running.lines if line.startswith("ip domain-name ")), "")
    return f"Default domain is {domain or 'not set'}"


def _access_lists(switch: IosSwitch, only: str | None) -> str:
    told = []
    for start, kind in zip(
        LISTS, ("Extended IP access list {}", "IPv6 access list {}", "Extended MAC access list {}"), strict=True
    ):
        for name, lines in sorted(switch.running.of(start).items()):
            if only in (None, name):
                told += [kind.format(name), *(f"    {line}" for line in lines if " remark " not in line)]
    return "\n".join(told)


_TEXTS: Mapping[str, Callable[[IosSwitch], str]] = {
    "version": _version,
    "interfaces": _interfaces,
    "interfaces status": _status,
    "ip interface brief": _brief,
    "vlan brief": _vlans,
    "mac address-table": _mac_table,
    "mac address-table dynamic": _mac_table,
    "arp": lambda _: "Protocol  Address          Age (min)  Hardware Addr   Type   Interface",
    "ip arp": lambda _: "Protocol  Address          Age (min)  Hardware Addr   Type   Interface",
    "hosts": _hosts,
    "lldp neighbors": lambda _: "% LLDP is not enabled",
    "lldp neighbors detail": lambda _: "% LLDP is not enabled",
    "platform tcam utilization": _tcam,
    "archive": _archive,
    "archive config rollback timer": _timer,
}
