"""What an EOS running configuration says of what Netcordon would touch: ports, their access lists, VLANs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from drivers.napalm_config.dialect import FAMILIES
from drivers.napalm_config.eos_dialect import EOS
from drivers.napalm_config.seen import Seen, SeenPort, notes, sections
from drivers.rules import PortName

_BOUND = re.compile(r"(ip|ipv6|mac) access-group (\S+) (in|out)")
_INTERFACE = re.compile(r"(?:Ethernet|Port-Channel)\d+(?:/\d+){0,2}")


def read(
    text: str,
    ports: Iterable[PortName],
    unsettled: str | None = None,
    room: int | None = None,
    errdisabled: Iterable[PortName] = (),
) -> Seen:
    """The running configuration as `show running-config` prints it. `ports` are there also when nothing is configured on them. `room`: how
    many more entries of lists the hardware takes, whatever their family. A port that is `errdisabled` would be brought up again by a
    bounce, against whatever protection shut it."""
    found: dict[PortName, SeenPort] = {port: SeenPort() for port in ports if _INTERFACE.fullmatch(port)}
    lists: dict[tuple[str, str], tuple[str, ...]] = {}
    vlans: dict[int, str] = {1: "default"}
    for header, lines in sections(text):
        match header.split():
            case ["interface", name] if _INTERFACE.fullmatch(name):
                found[PortName(name)] = _port(lines)
            case [family, "access-list", *_, name] if family in FAMILIES:
                lists[family, name] = tuple(_entries(lines))
            case ["vlan", ids]:
                named = next((line.split()[1] for line in lines if line.startswith("name ")), "")
                vlans |= dict.fromkeys(_ids(ids), named)
    for port in set(errdisabled) & found.keys():
        found[port] = replace(found[port], still="it is err-disabled")
    free = () if room is None else ((frozenset(FAMILIES), room),)
    return Seen(EOS, found, lists, vlans, notes(lists), unsettled, free)


def _port(lines: list[str]) -> SeenPort:
    settings = dict(line.rpartition(" ")[::2] for line in lines)
    bound = {(found[1], found[3]): found[2] for line in lines if (found := _BOUND.fullmatch(line))}
    vlan = int(settings.get("switchport access vlan", "1"))
    return SeenPort(
        vlan, bound, _unfit(lines, settings), _fixed_vlan(lines), _overridden(lines), _still(lines), "shutdown" in lines
    )


def _still(lines: list[str]) -> str | None:
    """Without portfast a port that comes up passes nothing for as long as spanning tree listens and learns, and a DHCP client gives up."""
    if "shutdown" in lines:
        return "it was shut by somebody"
    if not any(line.startswith("spanning-tree portfast") for line in lines):
        return "it has no spanning-tree portfast"
    return None


def _unfit(lines: list[str], settings: Mapping[str, str]) -> str | None:
    if group := next((line.split()[1] for line in lines if line.startswith("channel-group ")), None):
        return f"it is a member of Port-Channel{group}: what is meant for it belongs there"
    if "no switchport" in lines:
        return "it is a routed port"
    mode = settings.get("switchport mode", "access")
    return None if mode == "access" else f"it is no access port (switchport mode {mode})"


def _fixed_vlan(lines: list[str]) -> str | None:
    if any(line.startswith(("switchport phone vlan", "switchport voice vlan")) for line in lines):
        return "a phone is on this port: it is not moved along with what is behind it"
    return None


def _overridden(lines: list[str]) -> str | None:
    return (
        "802.1X decides in which VLAN this port is"
        if any(line.startswith("dot1x port-control auto") for line in lines)
        else None
    )


def _entries(lines: list[str]) -> Iterator[str]:
    for line in lines:
        number, _, rest = line.partition(" ")
        if number.isdigit():
            yield rest
        elif number in ("permit", "deny", "remark"):
            yield line


def _ids(text: str) -> Iterator[int]:
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            yield from range(int(first), min(int(last or first), 4094) + 1)
