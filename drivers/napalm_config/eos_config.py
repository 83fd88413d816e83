"""What an EOS running configuration says of what Netcordon would touch: ports, their access lists, VLANs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from drivers.base import ObservedState
from drivers.napalm_config.eos_ports import PORTS
from drivers.napalm_config.ours import PREFIX, Place, is_ours, name_of, rules_in
from drivers.rules import PortName

FAMILIES = ("ip", "ipv6", "mac")
WAYS = ("in", "out")
_NOTE = re.compile(rf"{PREFIX}VLAN-(\S+)")
_OVER = re.compile(r"remark netcordon over (\S+)")
_MOVED = re.compile(r"remark netcordon vlan (\d{1,4}) was (\d{1,4})")
_BOUNCE = re.compile(r"remark netcordon bounce (due|done)")
_BOUND = re.compile(r"(ip|ipv6|mac) access-group (\S+) (in|out)")
_IPV6_TYPES = ("ipv6", "34525", "0x86DD")
"""How a MAC list may show the EtherType of IPv6: Arista's documents take a number, and do not say how it is shown."""
_INTERFACE = re.compile(r"(?:Ethernet|Port-Channel)\d+(?:/\d+){0,2}")


@dataclass(frozen=True, slots=True)
class Note:
    """What an unbound list of ours says about a port that was moved: by which rules, into which VLAN, and where it was. `bounce` is
    "due" while the port is shut by us, so that what is behind it sees its link go down; "done" once it was opened again."""

    rules: frozenset[str]
    vlan: int
    was: int
    bounce: str = ""


@dataclass(frozen=True, slots=True)
class SeenPort:
    """`unfit`: why nothing of ours belongs on it, where that is so; `fixed_vlan`: why its VLAN is not to be changed; `still`: why it is not
    to be shut for a moment. `shut`: somebody shut it, or we did."""

    vlan: int = 1
    bound: Mapping[Place, str] = field(default_factory=dict)
    unfit: str | None = None
    fixed_vlan: str | None = None
    still: str | None = None
    shut: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """`lists` holds every list's entries by family and name, without their numbers. `unsettled` is a commit of ours that a timer will
    undo unless it is confirmed. `room`: how many more entries of lists the hardware takes; None where the device does not say."""

    ports: Mapping[PortName, SeenPort] = field(default_factory=dict)
    lists: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    vlans: Mapping[int, str] = field(default_factory=dict)
    notes: Mapping[PortName, Note] = field(default_factory=dict)
    unsettled: str | None = None
    room: int | None = None


@dataclass(frozen=True, slots=True)
class EosState(ObservedState):
    """A read-back with the configuration that it was read from, which `render` works on."""

    seen: Seen = Seen()


def read(
    text: str,
    ports: Iterable[PortName],
    unsettled: str | None = None,
    room: int | None = None,
    errdisabled: Iterable[PortName] = (),
) -> Seen:
    """The running configuration as `show running-config` prints it. `ports` are there also when nothing is configured on them. A port
    that is `errdisabled` would be brought up again by a bounce, against whatever protection shut it."""
    found: dict[PortName, SeenPort] = {port: SeenPort() for port in ports if _INTERFACE.fullmatch(port)}
    lists: dict[tuple[str, str], tuple[str, ...]] = {}
    vlans: dict[int, str] = {1: "default"}
    for header, lines in _sections(text):
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
    noted = [(_NOTE.fullmatch(name), body) for (_, name), body in lists.items()]
    notes = {PortName(name[1]): note for name, body in noted if name is not None and (note := _note(body))}
    return Seen(found, lists, vlans, notes, unsettled, room)


def is_intact(name: str, port: PortName, place: Place, body: Iterable[str]) -> bool:
    """Whether a list of ours still says what it was made to say. Where it shows a port by a name that is not known, it is believed."""
    plain = [canonical(entry) for entry in body]
    if None in plain:
        return True
    return name.startswith(name_of(port, place, [entry for entry in plain if entry is not None]))


def canonical(entry: str) -> str | None:
    """An entry with numbers for the names that EOS shows in place of ports; None when one of the names is not known."""
    words = entry.split()
    if words[0] != "remark" and words[-1] in _IPV6_TYPES:
        return " ".join([*words[:-1], "0x86dd"])
    if words[0] == "remark" or words[1] not in ("tcp", "udp"):
        return entry
    for index, word in enumerate(words[:-1]):
        ports = {"eq": 1, "range": 2}.get(word, 0)
        for at in range(index + 1, index + 1 + ports):
            if not words[at].isdigit():
                if words[at] not in PORTS:
                    return None
                words[at] = str(PORTS[words[at]])
    return " ".join(words)


def beneath(body: Iterable[str]) -> str | None:
    """The name of somebody else's list that a list of ours was put over."""
    return next((found[1] for entry in body if (found := _OVER.fullmatch(entry))), None)


def held(seen: Seen) -> Mapping[str, str]:
    """The rules that stand as they were rendered, with where: those in lists that are bound and intact, in each of them that they need,
    and those whose port is still in the VLAN that they moved it to."""
    places: dict[str, list[str]] = {}
    lacking: dict[str, set[str]] = {}
    for port, state in seen.ports.items():
        for place, name in state.bound.items():
            body = seen.lists.get((place[0], name))
            if is_ours(name) and body is not None and is_intact(name, port, place, body):
                for rule, families in rules_in(body).items():
                    lacking.setdefault(rule, set(families)).discard(place[0])
                    places.setdefault(rule, []).append(f"{port} {place[0]} access-group {name} {place[1]}")
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
            lines.append(line.strip())
            continue
        if header:
            yield header, lines
        header, lines = line.strip(), []
    if header:
        yield header, lines


def _port(lines: list[str]) -> SeenPort:
    settings = dict(line.rpartition(" ")[::2] for line in lines)
    bound = {(found[1], found[3]): found[2] for line in lines if (found := _BOUND.fullmatch(line))}
    vlan = int(settings.get("switchport access vlan", "1"))
    return SeenPort(vlan, bound, _unfit(lines, settings), _fixed_vlan(lines), _still(lines), "shutdown" in lines)


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
    if any(line.startswith("dot1x port-control auto") for line in lines):
        return "802.1X decides in which VLAN this port is"
    if any(line.startswith(("switchport phone vlan", "switchport voice vlan")) for line in lines):
        return "a phone is on this port: it is not moved along with what is behind it"
    return None


def _entries(lines: list[str]) -> Iterator[str]:
    for line in lines:
        number, _, rest = line.partition(" ")
        if number.isdigit():
            yield rest
        elif number in ("permit", "deny", "remark"):
            yield line


def _note(body: tuple[str, ...]) -> Note | None:
    moved = next((found for entry in body if (found := _MOVED.fullmatch(entry))), None)
    bounce = next((found[1] for entry in body if (found := _BOUNCE.fullmatch(entry))), "")
    return None if moved is None else Note(frozenset(rules_in(body)), int(moved[1]), int(moved[2]), bounce)


def _ids(text: str) -> Iterator[int]:
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            yield from range(int(first), min(int(last or first), 4094) + 1)
