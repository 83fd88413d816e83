"""What an NX-OS switch's answers say. Pure. The shapes are those of NAPALM's parsers and of the templates cisco_nxos_* in ntc-templates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from netutils.interface import canonical_interface_name

from drivers.napalm_config.dialect import FAMILIES
from drivers.napalm_config.seen import Room
from drivers.rules import PortName

_STATUS = re.compile(
    r"(?P<port>(?:Eth|Po)\d\S*)\s.*\s(?P<link>\S+)\s+(?P<vlan>\d+|routed|trunk|f-path|--)\s+(?:a-)?(?:auto|full|half)\s"
)
"""Greedy: a description that says `connected` stands before what the switch says."""
_PACL = re.compile(
    r"^\s*\S.*\b(?:PACL|ifacl)\b.*?\s(?P<used>\d+)\s+(?P<free>\d+)\s+\d+\.\d+", re.IGNORECASE | re.MULTILINE
)
_COMPLAINT = re.compile(
    r"% ?|ERROR|Error|Failed\b|Syntax error|commit verification failed|Configuration update aborted"
)
_BENIGN = re.compile(r"% ?Warning|Warning", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Status:
    """A row of `show interface status`: `vlan` is the access port's; None on a routed port, a trunk, and a member of a port-channel."""

    link: str
    vlan: int | None


def boot_id(version: str, uptime: str) -> str:
    """The serial number of `show version`, and when the system started, of `show system uptime`."""
    serial = re.search(r"Processor Board ID (\S+)", version, re.IGNORECASE)
    started = re.search(r"System start time: +(.+)", uptime)
    return f"{serial[1] if serial else 'unknown'}-{'-'.join(started[1].split()) if started else 'unknown'}"


def statuses(status: str) -> Mapping[PortName, Status]:
    found = [one for line in status.splitlines() if (one := _STATUS.match(line))]
    return {
        PortName(name_of(one["port"])): Status(one["link"], int(one["vlan"]) if one["vlan"].isdigit() else None)
        for one in found
    }


def name_of(short: str) -> str:
    """Eth1/1 is Ethernet1/1; `show running-config` writes port-channel in small letters."""
    return str(canonical_interface_name(short)).replace("Port-channel", "port-channel")


def room(utilization: str) -> Room:
    """What the rows for ports' lists leave, of `show hardware access-list resource utilization`: used, free, percent. Of several instances
    and modules the fullest counts; families are not told apart. That such rows say PACL rests on memory; where there is none, nothing is
    limited, and the switch refuses what does not fit."""
    left = [int(row["free"]) for row in _PACL.finditer(utilization)]
    return ((frozenset(FAMILIES), min(left)),) if left else ()


def complaints(said: str) -> list[str]:
    """What NX-OS did not take, of a command's whole answer."""
    lines = [line.strip() for line in said.splitlines()]
    return [line for line in lines if _COMPLAINT.match(line) and not _BENIGN.match(line)]


def committed(said: str) -> str | None:
    """The number of the commit that was made."""
    found = re.search(r"Configuration committed by .* Commit ID : (\S+)", said)
    return None if found is None else found[1]


def is_clean(diff: str) -> bool:
    """`show running-config diff`: a diff's heading, and nothing under it."""
    return not [line for line in diff.splitlines() if line.strip() and not re.match(r"(\*{3}|-{3})(\s|\*|$)", line)]
