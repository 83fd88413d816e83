"""What an IOS switch's answers say. Pure. The shapes are those of NAPALM's parsers and of the templates in ntc-templates."""

from __future__ import annotations

import re
from collections.abc import Mapping

from netutils.interface import canonical_interface_name

from drivers.napalm_config.dialect import FAMILIES
from drivers.napalm_config.seen import Room
from drivers.rules import PortName

_LINKS = "connected|notconnect|disabled|err-disabled|inactive|suspended|monitoring|sfpAbsent"
_STATUS = re.compile(
    rf"(?P<port>[A-Z][A-Za-z]*\d\S*)\s.*\s(?P<link>{_LINKS})\s+(?:\d+|[a-z]+)\s+(?:a-)?(?:auto|full|half)\s"
)
"""Greedy: a description that says `connected` stands before what the switch says."""
_VLAN = re.compile(r"^(\d{1,4})\s+(\S+)\s+(?:active|suspended|act/|sus/)")
_ACES = re.compile(
    r"(?:(?P<kind>IPv[46])(?:/MAC)? security aces:|Security Access Control Entries)\s+(?:\d+/)?(?P<most>\d+)\s+(?:\d+/)?(?P<used>\d+)"
)
_BENIGN = re.compile(r"^% ?(?:Warning|Access VLAN does not exist)", re.IGNORECASE)


def boot_id(version: str) -> str:
    """The serial number and when the system restarted, both of `show version`. A switch whose clock was never set does not tell when; then
    it is said how it came up, and a restart shows by its configuration alone."""
    serial = re.search(r"Processor board ID (\S+)", version)
    restarted = re.search(r"System restarted at (.+)", version)
    return f"{serial[1] if serial else 'unknown'}-{'-'.join(restarted[1].split()) if restarted else 'unknown'}"


def room(utilization: str) -> Room:
    """What the rows for security entries leave, of `show platform tcam utilization` (Catalyst 2960 to 3750; masks and values, of which
    values are entries: "IPv4 security aces: 1024/1024 27/27", transcript gist.github.com/5332dc69205ae4ac869c) or of `show platform
    hardware fed switch active fwd-asic resource tcam utilization` (3850, 9300: "Security Access Control Entries 5120 246", transcript
    learn.anasather.uk/cisco-catalyst/catalyst-check-tcam-utilization). MAC entries are among those of IPv4, as `show sdm prefer` names
    them ("IPv4/MAC security aces"); what stands in no row is not limited. Of several ASICs the fullest counts."""
    found: dict[frozenset[str], int] = {}
    for row in _ACES.finditer(utilization):
        shared = {"IPv4": frozenset({"ip", "mac"}), "IPv6": frozenset({"ipv6"})}.get(
            row["kind"] or "", frozenset(FAMILIES)
        )
        left = int(row["most"]) - int(row["used"])
        found[shared] = min(left, found.get(shared, left))
    return tuple(found.items())


def errdisabled(status: str) -> frozenset[PortName]:
    """Ports of `show interfaces status` that a protection shut."""
    found = [one for line in status.splitlines() if (one := _STATUS.match(line))]
    return frozenset(PortName(canonical_interface_name(one["port"])) for one in found if one["link"] == "err-disabled")


def interfaces(status: str) -> Mapping[PortName, bool]:
    """Whether each port of `show interfaces status` has a link."""
    found = [one for line in status.splitlines() if (one := _STATUS.match(line))]
    return {PortName(canonical_interface_name(one["port"])): one["link"] == "connected" for one in found}


def vlans(brief: str) -> Mapping[int, str]:
    """Names by number, of `show vlan brief`."""
    return {int(one[1]): one[2] for line in brief.splitlines() if (one := _VLAN.match(line))}


def waiting(timer: str) -> tuple[str, str] | None:
    """Since when a change waits for its confirmation, and whose it is; of `show archive config rollback timer`."""
    since, user = re.search(r"Time configured.*?: (.+)", timer), re.search(r"User: (\S+)", timer)
    return (since[1].strip(), user[1]) if since is not None and user is not None else None


def complaints(said: str) -> list[str]:
    """What IOS did not take, of a command's whole answer: lines that begin with a percent sign, and commands that it calls rejected."""
    lines = [line.strip() for line in said.splitlines()]
    return [line for line in lines if re.match(r"%|Command rejected", line) and not _BENIGN.match(line)]
