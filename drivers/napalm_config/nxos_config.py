"""What an NX-OS switch's configuration says of what Netcordon would touch: ports, their access lists, VLANs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from drivers.napalm_config.nxos_dialect import NXOS
from drivers.napalm_config.nxos_told import Status
from drivers.napalm_config.seen import Room, Seen, SeenPort, notes, sections
from drivers.rules import PortName

_BOUND = re.compile(r"(?:(ip|mac) port access-group|(ipv6) port traffic-filter) (\S+)(?: in)?")
_PORT = re.compile(r"Ethernet\d+(?:/\d+){1,2}|port-channel\d+")
_NUMBER = re.compile(r"\d+ (?=permit |deny |remark )")


def read(
    text: str,
    statuses: Mapping[PortName, Status],
    vlans: Mapping[int, str],
    unsettled: str | None = None,
    room: Room = (),
) -> Seen:
    """`text` is what `show running-config` prints. Whether a port without a word about it switches or routes depends on the model, so
    `show interface status` is asked."""
    found: dict[PortName, SeenPort] = {}
    lists: dict[tuple[str, str], tuple[str, ...]] = {}
    told = list(sections(text))
    fast = any(header.startswith("spanning-tree port type edge default") for header, _ in told)
    for header, lines in told:
        match header.split():
            case ["interface", name] if _PORT.fullmatch(name):
                found[PortName(name)] = _port(lines, statuses.get(PortName(name)), fast)
            case ["ip" | "ipv6" | "mac" as family, "access-list", name]:
                lists[family, name] = tuple(_entries(lines))
    return Seen(NXOS, found, lists, vlans, notes(lists), unsettled, room)


def _port(lines: list[str], status: Status | None, fast: bool) -> SeenPort:
    settings = dict(line.rpartition(" ")[::2] for line in lines)
    bound = {(found[1] or found[2], "in"): found[3] for line in lines if (found := _BOUND.fullmatch(line))}
    vlan = settings.get("switchport access vlan", "1")
    number = int(vlan) if vlan.isdigit() else 1
    still = _still(lines, status, fast)
    return SeenPort(
        number,
        bound,
        _unfit(lines, settings, status),
        _fixed_vlan(lines),
        _overridden(lines),
        still,
        "shutdown" in lines,
    )


def _still(lines: list[str], status: Status | None, fast: bool) -> str | None:
    """NX-OS's portfast is `spanning-tree port type edge` (Nexus 9000 Layer 2 Switching Configuration Guide, "Configuring STP
    Extensions")."""
    if "shutdown" in lines:
        return "it was shut by somebody"
    if status is not None and status.link.lower().startswith("err"):
        return "it is err-disabled"
    said = next((line for line in lines if line.startswith("spanning-tree port type")), None)
    if said is None:
        return None if fast else "it is no edge port (spanning-tree port type edge)"
    return None if said == "spanning-tree port type edge" else f"it is no edge port ({said})"


def _unfit(lines: list[str], settings: Mapping[str, str], status: Status | None) -> str | None:
    if group := next((line.split()[1] for line in lines if line.startswith("channel-group ")), None):
        return f"it is a member of port-channel{group}: what is meant for it belongs there"
    if "no switchport" in lines:
        return "it is a routed port"
    mode = settings.get("switchport mode", "access")
    if mode != "access":
        return f"it is no access port (switchport mode {mode})"
    if "mac packet-classify" in lines:
        return "its MAC list is for every frame there (mac packet-classify), and it takes no IP list"
    if status is None or status.vlan is None:
        return "`show interface status` tells no access VLAN of it"
    return None


def _fixed_vlan(lines: list[str]) -> str | None:
    if any(line.startswith("switchport voice vlan") for line in lines):
        return "a phone is on this port: it is not moved along with what is behind it"
    return None


def _overridden(lines: list[str]) -> str | None:
    return (
        "802.1X or MAB decides in which VLAN this port is" if any(line.startswith("dot1x") for line in lines) else None
    )


def _entries(lines: list[str]) -> Iterator[str]:
    for line in lines:
        entry = _NUMBER.sub("", line, count=1)
        if entry.split()[0] in ("permit", "deny", "remark"):
            yield entry
