"""What a host says of an Open vSwitch bridge of its own: ports, what is behind them, flows, and the way that we came in by. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from drivers.base import MacEntry, ObservedState
from drivers.netmiko_cli.arrival import UNKNOWN, Arrival, arrival
from drivers.netmiko_cli.asking import PLAIN_NAME, NotUnderstood
from drivers.netmiko_cli.linux_seen import neighbours
from drivers.netmiko_cli.ovs_text import read_flows
from drivers.openflow.flows import Counted
from drivers.rules import Mac, PortName, parse_mac

_DESCRIBED = re.compile(r"^ (\d+|LOCAL)\(.*\): addr:([0-9a-f:]{17})$", re.MULTILINE)
_COUNTED = re.compile(r"^  port +(\d+|LOCAL): rx pkts=(\d+|\?),.*\n +tx pkts=(\d+|\?),", re.MULTILINE)
_HEARD = re.compile(r"^ *(\d+) +(\d+) +([0-9a-f:]{17}) +\d+ *$", re.MULTILINE)
_TRUNKS = ("trunk", "native-tagged", "native-untagged", "dot1q-tunnel")


@dataclass(frozen=True, slots=True)
class SeenPort:
    """`number` is OpenFlow's. `unfit`: why nothing of ours belongs on it, where that is so."""

    name: PortName
    number: int
    mac: Mac
    up: bool
    no_fwd: bool
    rx: int | None = None
    tx: int | None = None
    unfit: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    boot_id: str = ""
    ports: Mapping[PortName, SeenPort] = field(default_factory=dict)
    vlans: tuple[int, ...] = ()
    macs: tuple[MacEntry, ...] = ()
    arrival: Arrival = UNKNOWN
    flows: tuple[Counted, ...] = ()


@dataclass(frozen=True, slots=True)
class OvsState(ObservedState):
    """A read-back with all that it was read from."""

    seen: Seen = Seen()


def read(bridge: str, answers: Mapping[str, str]) -> Seen:
    """`answers` are what the commands of `ovs.QUESTIONS` printed, by their names. Raises NotUnderstood."""
    try:
        return _read(bridge, answers)
    except (KeyError, TypeError, AttributeError, IndexError) as wrong:
        raise NotUnderstood(f"the host answered in another form than is known: {wrong!r}") from None
    except NotUnderstood:
        raise
    except ValueError as wrong:
        raise NotUnderstood(f"the host answered what cannot be read: {wrong}") from None


def _read(bridge: str, answers: Mapping[str, str]) -> Seen:
    interfaces = {row["_uuid"]: row for row in _rows(answers["interfaces"])}
    mine = next((row for row in _rows(answers["bridges"]) if row["name"] == bridge), None)
    if mine is None:
        raise NotUnderstood(f"it has no bridge {bridge}")
    ports = [row for row in _rows(answers["ports"]) if row["_uuid"] in _several(mine["ports"])]
    attached = [
        (interfaces[one], port)
        for port in ports
        for one in _several(port["interfaces"])
        if isinstance(interfaces[one]["ofport"], int)  # none where it could not be opened
    ]
    names = {interface["ofport"]: PortName(interface["name"]) for interface, _ in attached}
    macs = tuple(
        MacEntry(parse_mac(mac), names[int(number)], int(vlan) or None)
        for number, vlan, mac in _HEARD.findall(answers["fdb"])
        if int(number) in names
    )
    internal = {row["name"] for row in interfaces.values() if row["type"] == "internal"} & set(names.values()) | {
        bridge
    }
    arp = tuple(neighbours(json.loads(answers["neighbours"] or "[]"), internal, macs))
    came = arrival(answers["arrival"], json.loads(answers["route"] or "[]"), internal, macs, arp)
    told = _told(answers["described"], answers["counted"])
    seen = {
        PortName(interface["name"]): _port(interface, port, told[interface["ofport"]], came)
        for interface, port in attached
        if interface["ofport"] in told and interface["name"] != bridge
    }
    vlans = {tag for port in ports for tag in _several(port["tag"])}
    boot = "-".join(" ".join(answers[name].split()) for name in ("boot", "daemon"))
    return Seen(boot, seen, tuple(sorted(vlans)), macs, came, tuple(read_flows(answers["flows"])))


def _rows(answer: str) -> Iterator[Mapping[str, Any]]:
    """Of an OVSDB table as JSON (RFC 7047, 5.1); a UUID as its text."""
    table = json.loads(answer)
    for row in table["data"]:
        yield {name: _plain(value) for name, value in zip(table["headings"], row, strict=True)}


def _plain(value: Any) -> Any:
    match value:
        case ["uuid", str(one)]:
            return one
        case ["set", [*every]]:
            return [_plain(one) for one in every]
        case ["map", [*pairs]]:
            return {key: _plain(one) for key, one in pairs}
    return value


def _several(value: Any) -> list[Any]:
    """OVSDB writes a set of one as that one."""
    return value if isinstance(value, list) else [value]


def _told(described: str, counted: str) -> dict[int, tuple[Mac, bool, bool, int | None, int | None]]:
    """By number: address, whether its link is up, whether it is told not to forward, frames in and out."""
    counts = {number: (_count(rx), _count(tx)) for number, rx, tx in _COUNTED.findall(counted)}
    found: dict[int, tuple[Mac, bool, bool, int | None, int | None]] = {}
    heads = list(_DESCRIBED.finditer(described))
    for head, after in zip(heads, [*heads[1:], None], strict=True):
        if head[1] == "LOCAL":
            continue
        lines = described[head.end() : None if after is None else after.start()]
        config, state = (_words(lines, what) for what in ("config", "state"))
        up = not {"PORT_DOWN"} & config and not {"LINK_DOWN"} & state
        found[int(head[1])] = (parse_mac(head[2]), up, "NO_FWD" in config, *counts.get(head[1], (None, None)))
    return found


def _words(lines: str, what: str) -> set[str]:
    return set(
        next((line.split(":", 1)[1].split() for line in lines.splitlines() if line.strip().startswith(f"{what}:")), [])
    )


def _count(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _port(
    interface: Mapping[str, Any],
    port: Mapping[str, Any],
    told: tuple[Mac, bool, bool, int | None, int | None],
    came: Arrival,
) -> SeenPort:
    mac, up, no_fwd, rx, tx = told
    name = PortName(interface["name"])
    return SeenPort(name, interface["ofport"], mac, up, no_fwd, rx, tx, _unfit(interface, port, came))


def _unfit(interface: Mapping[str, Any], port: Mapping[str, Any], came: Arrival) -> str | None:
    name, kind = interface["name"], interface["type"]
    if not PLAIN_NAME.fullmatch(name):
        return "its name has characters that are not put into a command"
    if name == came.port:
        return "the controller reaches this host through it: it would cut itself off"
    if name == came.interface:
        return "it is this host's management interface"
    if len(_several(port["interfaces"])) > 1:
        return f"it is a member of the bond {port['name']}"
    if kind == "internal":
        return "it is the host's own"
    if kind not in ("", "system", "dpdk", "dpdkvhostuserclient", "dpdkvhostuser", "tap", "afxdp"):
        return f"it leads to another switch ({kind}): an uplink"
    if port["vlan_mode"] in _TRUNKS or _several(port["trunks"]):
        return "it is a trunk"
    return None
