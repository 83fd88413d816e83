"""What a Junos configuration says of what Netcordon would touch: ports, their filters, VLANs. Pure. It is read as `set` statements."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from drivers.napalm_config.junos_dialect import JUNOS, NONE, NOTE, RULES, JunosSeen
from drivers.napalm_config.ours import PREFIX, QUARANTINE
from drivers.napalm_config.seen import SeenPort, notes
from drivers.rules import PortName

_PORT = re.compile(r"(?:ge|xe|mge|et)-\d+/\d+/\d+|ae\d+")
_PLACES = {"input": ("mac", "in"), "output": ("mac", "out")}
_VERDICTS: Mapping[tuple[str, ...], str] = {("discard",): "deny", ("accept",): "permit"}
DEFAULT = "default"


@dataclass
class _Port:
    switched: bool = False
    mode: str = "access"
    members: list[str] = field(default_factory=list)
    bound: dict[tuple[str, str], str] = field(default_factory=dict)
    disabled: bool = False
    bundle: str = ""
    note: list[str] = field(default_factory=list)


@dataclass
class _Filter:
    rules: list[str] = field(default_factory=list)
    terms: dict[str, list[list[str]]] = field(default_factory=dict)


@dataclass
class _Read:
    """As it was read, line by line; `claims` says why a port's VLAN, or its link, is not ours to change."""

    ports: dict[str, _Port] = field(default_factory=dict)
    filters: dict[str, _Filter] = field(default_factory=dict)
    vlans: dict[str, int] = field(default_factory=lambda: {DEFAULT: 1})
    fixed: dict[str, str] = field(default_factory=dict)
    overridden: dict[str, str] = field(default_factory=dict)
    trees: dict[str, bool] = field(default_factory=dict)
    unfit: dict[str, str] = field(default_factory=dict)

    def port(self, name: str) -> _Port:
        return self.ports.setdefault(name, _Port())


def port_of(name: str) -> str:
    """A logical interface's port: ge-0/0/1.0 is on ge-0/0/1."""
    return name.partition(".")[0]


def read(text: str, ports: Iterable[PortName], unsettled: str | None = None) -> JunosSeen:
    """`ports` are there also when nothing is configured on them. What comes from a group or an interface range is not read: such ports are
    unfit, or something of somebody's could be overlooked."""
    found = _Read(ports={port: _Port() for port in ports if _PORT.fullmatch(port)})
    groups = False
    for line in text.splitlines():
        words = shlex.split(line) if '"' in line else line.split()
        if words[:1] == ["set"]:
            _line(found, words[1:])
            groups = groups or (words[1] == "groups" and "interfaces" in words[3:4])
    if groups:
        found.unfit |= dict.fromkeys(found.ports, "groups say something of ports here, which is not read")
    lists = {("mac", name): tuple(_body(one)) for name, one in found.filters.items()}
    for name, port in found.ports.items():
        if port.note:
            lists["ip", f"{PREFIX}VLAN-{name}"] = tuple(_remarks(port.note))
    former = {PortName(n): one[7:] for n, p in found.ports.items() for one in p.note if one.startswith("former-")}
    names = {number: name for name, number in found.vlans.items()}
    return JunosSeen(
        JUNOS,
        {PortName(name): _seen(found, name, port) for name, port in found.ports.items()},
        lists,
        {number: QUARANTINE if name.startswith(f"{QUARANTINE}-") else name for number, name in names.items()},
        notes(lists),
        unsettled,
        members={PortName(name): port.members[0] for name, port in found.ports.items() if port.members},
        former=former,
        names=names,
    )


def _line(found: _Read, words: list[str]) -> None:
    match words:
        case ["interfaces", "interface-range", name, "member", port]:
            found.unfit[port] = f"it is in the interface range {name}, which is not read"
        case ["interfaces", "interface-range", name, "member-range", first, *_]:
            whole = first.rpartition("/")[0] + "/"
            said = f"the interface range {name} may say something of it, which is not read"
            found.unfit |= {port: said for port in found.ports if port.startswith(whole)}
        case ["interfaces", name, *rest] if _PORT.fullmatch(name):
            _interface(found.port(name), rest)
        case ["firewall", "family", "ethernet-switching", "filter", name, *rest]:
            _filter(found.filters.setdefault(name, _Filter()), rest)
        case ["vlans", name, "vlan-id", number] if number.isdigit():
            found.vlans[name] = int(number)
        case ["protocols", "dot1x", "authenticator", "interface", name, *_]:
            found.overridden[port_of(name)] = "802.1X decides in which VLAN this port is"
        case ["switch-options", "voip", "interface", name, *_]:
            found.fixed[port_of(name)] = "a phone is on this port: it is not moved along with what is behind it"
        case ["protocols", "rstp" | "mstp" | "vstp", *_, "interface", name]:
            found.trees.setdefault(port_of(name), False)
        case ["protocols", "rstp" | "mstp" | "vstp", *_, "interface", name, "edge"]:
            found.trees[port_of(name)] = True
        case ["protocols", "rstp" | "mstp" | "vstp", *_, "interface", name, "disable"]:
            found.trees[port_of(name)] = True


def _interface(port: _Port, words: list[str]) -> None:
    match words:
        case ["disable"]:
            port.disabled = True
        case ["ether-options" | "gigether-options", "802.3ad", bundle, *_]:
            port.bundle = bundle
        case ["unit", "0", "apply-macro", name, said] if name == NOTE:
            port.note.append(said)
        case ["unit", "0", "family", "ethernet-switching", *rest]:
            port.switched = True
            match rest:
                case ["interface-mode", mode]:
                    port.mode = mode
                case ["vlan", "members", name]:
                    port.members.append(name)
                case ["filter", "input" | "output" as way, name]:
                    port.bound[_PLACES[way]] = name


def _filter(one: _Filter, words: list[str]) -> None:
    match words:
        case ["apply-macro", name, said] if name == RULES and said.startswith("rule-"):
            one.rules.append(said[5:])
        case ["term", name, *rest]:
            one.terms.setdefault(name, []).append(rest)


def _body(one: _Filter) -> list[str]:
    """As `render.py` has it. What it would never have said stands as it is, so that it is told from ours."""
    told = [f"remark netcordon rule {rule} in mac" for rule in sorted(one.rules)]
    for said in one.terms.values():
        kind, verdict = "", ""
        for words in said:
            match words:
                case ["from", "ether-type", "arp"] if not kind:
                    kind = " arp"
                case ["then", *verdicts] if tuple(verdicts) in _VERDICTS and not verdict:
                    verdict = _VERDICTS[tuple(verdicts)]
                case _:
                    kind += f" {' '.join(words)}"
        told.append(f"{verdict or 'permit'} any any{kind}")
    return told


def _remarks(note: list[str]) -> list[str]:
    said = {one.partition("-")[0]: one.partition("-")[2] for one in note}
    told = [f"remark netcordon vlan {said.get('vlan', '')} was {said.get('was', '')}"]
    told += [f"remark netcordon rule {one[5:]}" for one in sorted(note) if one.startswith("rule-")]
    return told + ([f"remark netcordon bounce {said['bounce']}"] if "bounce" in said else [])


def _seen(found: _Read, name: str, port: _Port) -> SeenPort:
    number = _number(port.members[0], found.vlans) if port.members else 1
    return SeenPort(
        number if number is not None else 0,
        dict(port.bound),
        found.unfit.get(name) or _unfit(port, number),
        found.fixed.get(name) or found.fixed.get("all"),
        found.overridden.get(name) or found.overridden.get("all"),
        _still(found, name, port),
        port.disabled,
    )


def _number(member: str, vlans: Mapping[str, int]) -> int | None:
    if member in vlans:
        return vlans[member]
    return int(member) if member.isdigit() else None


def _unfit(port: _Port, vlan: int | None) -> str | None:
    if port.bundle:
        return f"it is a member of {port.bundle}: what is meant for it belongs there"
    if not port.switched:
        return "it does not switch (no family ethernet-switching on unit 0)"
    if port.mode != "access":
        return f"it is no access port (interface-mode {port.mode})"
    if len(port.members) > 1 or vlan is None or NONE in port.members:
        return f"its VLAN is not understood ({' '.join(port.members)})"
    return None


def _still(found: _Read, name: str, port: _Port) -> str | None:
    """A port that is no edge port passes nothing for as long as spanning tree listens and learns, and a DHCP client gives up."""
    if port.disabled:
        return "it was shut by somebody"
    if found.trees.get(name, found.trees.get("all", True)) is False:
        return "it is no edge port of spanning tree"
    return None
