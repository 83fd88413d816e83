"""What an IOS switch's configuration says of what Netcordon would touch: ports, their access lists, VLANs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from drivers.base import ObservedState
from drivers.napalm_config.ios_ports import canonical
from drivers.napalm_config.ours import PREFIX, Place, is_ours, name_of, rules_in
from drivers.rules import PortName

FAMILIES = ("ip", "ipv6", "mac")
WAYS = ("in", "out")
LIST = {"ip": "ip access-list extended", "ipv6": "ipv6 access-list", "mac": "mac access-list extended"}
BIND = {"ip": "ip access-group", "ipv6": "ipv6 traffic-filter", "mac": "mac access-group"}
NOTE = f"{PREFIX}VLAN-"
_MOVED = re.compile(r"remark netcordon vlan (\d{1,4}) was (\d{1,4})")
_BOUND = re.compile(r"(?:(ip|mac) access-group|(ipv6) traffic-filter) (\S+) (in|out)")
_PORT = re.compile(r"(?:(?:[A-Z][A-Za-z]*)?Ethernet|[A-Z][A-Za-z]*GigE)\d+(?:/\d+){0,3}|Port-channel\d+")
_NUMBER = re.compile(r"(?:sequence )?\d+ (?=permit |deny |remark )")
_DOT1X = ("dot1x pae authenticator", "authentication port-control", "access-session port-control", "mab")


@dataclass(frozen=True, slots=True)
class Note:
    """What an unbound list of ours says about a port that was moved: by which rules, into which VLAN, and where it was."""

    rules: frozenset[str]
    vlan: int
    was: int


@dataclass(frozen=True, slots=True)
class SeenPort:
    """`unfit`: why nothing of ours belongs on it, where that is so; `fixed_vlan`: why its VLAN is not to be changed."""

    vlan: int = 1
    bound: Mapping[Place, str] = field(default_factory=dict)
    unfit: str | None = None
    fixed_vlan: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """`lists` holds every list's entries by family and name, in one spelling (`canonical`) and without numbers, and None for one that
    cannot be put so. `vlans` are names by number. `unsettled` is a change of ours that goes back unless it is confirmed."""

    ports: Mapping[PortName, SeenPort] = field(default_factory=dict)
    lists: Mapping[tuple[str, str], tuple[str | None, ...]] = field(default_factory=dict)
    vlans: Mapping[int, str] = field(default_factory=dict)
    notes: Mapping[PortName, Note] = field(default_factory=dict)
    unsettled: str | None = None


@dataclass(frozen=True, slots=True)
class IosState(ObservedState):
    """A read-back with the configuration that it was read from, which `render` works on."""

    seen: Seen = Seen()


def read(text: str, vlans: Mapping[int, str], unsettled: str | None = None) -> Seen:
    """`text` is what `show running-config` prints. VLANs are told beside it: where VTP is server or client, it has none."""
    found: dict[PortName, SeenPort] = {}
    lists: dict[tuple[str, str], tuple[str | None, ...]] = {}
    for header, lines in _sections(text):
        match header.split():
            case ["interface", name] if _PORT.fullmatch(name):
                found[PortName(name)] = _port(lines)
            case ["ip" | "ipv6" | "mac" as family, "access-list", *_, name]:
                lists[family, name] = tuple(_entries(lines))
    notes = {
        PortName(name.removeprefix(NOTE)): note
        for (family, name), body in lists.items()
        if family == "ip" and name.startswith(NOTE) and (note := _note(known(body)))
    }
    return Seen(found, lists, vlans, notes, unsettled)


def known(body: Iterable[str | None]) -> list[str]:
    return [entry for entry in body if entry is not None]


def is_intact(name: str, port: PortName, place: Place, body: Iterable[str | None]) -> bool:
    """Whether a list of ours still says what it was made to say. Where it shows a port by a name that is not known, it is believed."""
    entries = tuple(body)
    return None in entries or name.startswith(name_of(port, place, known(entries)))


def held(seen: Seen) -> Mapping[str, str]:
    """The rules that stand as they were rendered, with where: those in lists that are bound and intact, in each of them that they need,
    and those whose port is still in the VLAN that they moved it to."""
    places: dict[str, list[str]] = {}
    lacking: dict[str, set[str]] = {}
    for port, state in seen.ports.items():
        for place, name in state.bound.items():
            body = seen.lists.get((place[0], name))
            if is_ours(name) and body is not None and is_intact(name, port, place, body):
                for rule, families in rules_in(known(body)).items():
                    lacking.setdefault(rule, set(families)).discard(place[0])
                    places.setdefault(rule, []).append(f"{port} {BIND[place[0]]} {name} {place[1]}")
    for port, note in seen.notes.items():
        if port in seen.ports and seen.ports[port].vlan == note.vlan:
            for rule in note.rules:
                places.setdefault(rule, []).append(f"{port} switchport access vlan {note.vlan}")
    return {rule: "; ".join(sorted(where)) for rule, where in places.items() if not lacking.get(rule)}


def _sections(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each header with the lines that are indented under it."""
    header, lines = "", list[str]()
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("!"):
            continue
        if line[0].isspace():
            lines.append(" ".join(line.split()))
            continue
        if header:
            yield header, lines
        header, lines = line.strip(), []
    if header:
        yield header, lines


def _port(lines: list[str]) -> SeenPort:
    settings = dict(line.rpartition(" ")[::2] for line in lines)
    bound = {(found[1] or found[2], found[4]): found[3] for line in lines if (found := _BOUND.fullmatch(line))}
    vlan = settings.get("switchport access vlan", "1")
    return SeenPort(int(vlan) if vlan.isdigit() else 1, bound, _unfit(lines, settings), _fixed_vlan(lines))


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
    if any(line.startswith(_DOT1X) for line in lines):
        return "802.1X or MAB decides in which VLAN this port is"
    if any(line.startswith("switchport voice vlan") for line in lines):
        return "a phone is on this port: it is not moved along with what is behind it"
    return None


def _entries(lines: list[str]) -> Iterator[str | None]:
    for line in lines:
        entry = _NUMBER.sub("", line, count=1)
        if entry.split()[0] in ("permit", "deny", "remark"):
            yield canonical(entry)


def _note(body: list[str]) -> Note | None:
    moved = next((found for entry in body if (found := _MOVED.fullmatch(entry))), None)
    return None if moved is None else Note(frozenset(rules_in(body)), int(moved[1]), int(moved[2]))
