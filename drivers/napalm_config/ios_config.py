"""What an IOS switch's configuration says of what Netcordon would touch: ports, their access lists, VLANs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from drivers.napalm_config.ios_dialect import IOS
from drivers.napalm_config.seen import Room, Seen, SeenPort, notes, sections
from drivers.rules import PortName

_BOUND = re.compile(r"(?:(ip|mac) access-group|(ipv6) traffic-filter) (\S+) (in|out)")
_PORT = re.compile(r"(?:(?:[A-Z][A-Za-z]*)?Ethernet|[A-Z][A-Za-z]*GigE)\d+(?:/\d+){0,3}|Port-channel\d+")
_NUMBER = re.compile(r"(?:sequence )?\d+ (?=permit |deny |remark )")
_DOT1X = ("dot1x pae authenticator", "authentication port-control", "access-session port-control", "mab")


_FAST = ("spanning-tree portfast default", "spanning-tree portfast edge default")


def read(
    text: str,
    vlans: Mapping[int, str],
    unsettled: str | None = None,
    room: Room = (),
    errdisabled: Iterable[PortName] = (),
) -> Seen:
    """`text` is what `show running-config` prints. VLANs are told beside it: where VTP is server or client, it has none. A port that is
    `errdisabled` would be brought up again by a bounce, against whatever protection shut it."""
    found: dict[PortName, SeenPort] = {}
    lists: dict[tuple[str, str], tuple[str, ...]] = {}
    told = list(sections(text))
    fast = any(header.startswith(_FAST) for header, _ in told)
    for header, lines in told:
        match header.split():
            case ["interface", name] if _PORT.fullmatch(name):
                found[PortName(name)] = _port(lines, fast)
            case ["ip" | "ipv6" | "mac" as family, "access-list", *_, name]:
                lists[family, name] = tuple(_entries(lines))
    for port in set(errdisabled) & found.keys():
        found[port] = replace(found[port], still="it is err-disabled")
    return Seen(IOS, found, lists, vlans, notes(lists), unsettled, room)


def _port(lines: list[str], fast: bool) -> SeenPort:
    settings = dict(line.rpartition(" ")[::2] for line in lines)
    bound = {(found[1] or found[2], found[4]): found[3] for line in lines if (found := _BOUND.fullmatch(line))}
    vlan = settings.get("switchport access vlan", "1")
    number = int(vlan) if vlan.isdigit() else 1
    return SeenPort(
        number,
        bound,
        _unfit(lines, settings),
        _fixed_vlan(lines),
        _overridden(lines),
        _still(lines, fast),
        "shutdown" in lines,
    )


def _still(lines: list[str], fast: bool) -> str | None:
    """Without portfast a port that comes up passes nothing for as long as spanning tree listens and learns, and a DHCP client gives up.
    `fast`: it is the default of access ports there ("spanning-tree portfast default": Catalyst 2960-X Layer 2 Configuration Guide)."""
    if "shutdown" in lines:
        return "it was shut by somebody"
    said = next((line for line in lines if line.startswith("spanning-tree portfast")), None)
    if said is None:
        return None if fast else "it has no spanning-tree portfast"
    return "it has no spanning-tree portfast" if said.endswith((" disable", " network")) else None


def _unfit(lines: list[str], settings: Mapping[str, str]) -> str | None:
    """A port that negotiates may be a trunk tomorrow; a MAC list cannot be bound to a port-channel ("You cannot use the command on
    EtherChannel port channels": Catalyst 2960-X Security Configuration Guide, `mac access-group`)."""
    if group := next((line.split()[1] for line in lines if line.startswith("channel-group ")), None):
        return f"it is a member of Port-channel{group}: what is meant for it belongs there"
    if "no switchport" in lines:
        return "it is a routed port"
    mode = settings.get("switchport mode", "dynamic")
    if mode == "dynamic" or mode in ("auto", "desirable"):
        return "it negotiates whether it is a trunk: configure `switchport mode access` on it"
    return None if mode == "access" else f"it is no access port (switchport mode {mode})"


def _fixed_vlan(lines: list[str]) -> str | None:
    if any(line.startswith("switchport voice vlan") for line in lines):
        return "a phone is on this port: it is not moved along with what is behind it"
    return None


def _overridden(lines: list[str]) -> str | None:
    return (
        "802.1X or MAB decides in which VLAN this port is" if any(line.startswith(_DOT1X) for line in lines) else None
    )


def _entries(lines: list[str]) -> Iterator[str]:
    for line in lines:
        entry = _NUMBER.sub("", line, count=1)
        if entry.split()[0] in ("permit", "deny", "remark"):
            yield entry
