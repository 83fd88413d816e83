"""What a configured switch says of what Netcordon would touch: ports, their access lists, VLANs, and our notes about them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from drivers.base import ObservedState, PortState
from drivers.napalm_config.dialect import FAMILIES, WAYS, Dialect
from drivers.napalm_config.ours import PREFIX, Place, is_ours, name_of, rules_in
from drivers.rules import PortName

_NOTE = re.compile(rf"{PREFIX}VLAN-(\S+)")
_OVER = re.compile(r"remark netcordon over (\S+)")
_MOVED = re.compile(r"remark netcordon vlan (\d{1,4}) was (\d{1,4})")
_BOUNCE = re.compile(r"remark netcordon bounce (due|done)")

Lists = Mapping[tuple[str, str], tuple[str, ...]]
Room = tuple[tuple[frozenset[str], int], ...]
"""How many more entries of lists the hardware takes: of which families together, and how many. Empty where it does not say."""


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
    """`unfit`: why nothing of ours belongs on it, where that is so; `fixed_vlan`: why its VLAN is not to be changed; `overridden`: why
    it need not be in the VLAN that is configured; `still`: why it is not to be shut for a moment. `shut`: somebody shut it, or we did."""

    vlan: int = 1
    bound: Mapping[Place, str] = field(default_factory=dict)
    unfit: str | None = None
    fixed_vlan: str | None = None
    overridden: str | None = None
    still: str | None = None
    shut: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """`lists` holds every list's entries by family and name, as they are shown, without their numbers. `vlans` are names by number.
    `unsettled` is a commit of ours that a timer will undo unless it is confirmed."""

    dialect: Dialect
    ports: Mapping[PortName, SeenPort] = field(default_factory=dict)
    lists: Lists = field(default_factory=dict)
    vlans: Mapping[int, str] = field(default_factory=dict)
    notes: Mapping[PortName, Note] = field(default_factory=dict)
    unsettled: str | None = None
    room: Room = ()


@dataclass(frozen=True, slots=True)
class SeenState(ObservedState):
    """A read-back with the configuration that it was read from, which `render` works on."""

    seen: Seen | None = None


def is_intact(dialect: Dialect, name: str, port: PortName, place: Place, body: Iterable[str]) -> bool:
    """Whether a list of ours still says what it was made to say. Where it shows a port by a name that is not known, it is believed."""
    plain = [dialect.canonical(entry) for entry in body]
    known = [entry for entry in plain if entry is not None]
    return len(known) < len(plain) or name.startswith(name_of(port, place, known))


def beneath(body: Iterable[str]) -> str | None:
    """The name of somebody else's list that a list of ours was put over."""
    return next((found[1] for entry in body if (found := _OVER.fullmatch(entry))), None)


def held(seen: Seen) -> Mapping[str, str]:
    """The rules that stand as they were rendered, with where: those in lists that are bound and intact, in each of them that they need,
    and those whose port is still in the VLAN that they moved it to, unless something else decides where its frames go."""
    places: dict[str, list[str]] = {}
    lacking: dict[str, set[str]] = {}
    for port, state in seen.ports.items():
        for place, name in state.bound.items():
            body = seen.lists.get((place[0], name))
            if is_ours(name) and body is not None and is_intact(seen.dialect, name, port, place, body):
                for rule, families in rules_in(body).items():
                    lacking.setdefault(rule, set(families)).discard(place[0])
                    places.setdefault(rule, []).append(f"{port} {seen.dialect.bind(place, name)}")
    for port, note in seen.notes.items():
        there = seen.ports.get(port)
        if there is not None and there.vlan == note.vlan and there.overridden is None:
            for rule in note.rules:
                places.setdefault(rule, []).append(f"{port} switchport access vlan {note.vlan}")
    return {rule: "; ".join(sorted(where)) for rule, where in places.items() if not lacking.get(rule)}


def notes(lists: Lists) -> Mapping[PortName, Note]:
    named = [(_NOTE.fullmatch(name), body) for (family, name), body in lists.items() if family == "ip"]
    return {PortName(name[1]): note for name, body in named if name is not None and (note := _note(body))}


def _note(body: tuple[str, ...]) -> Note | None:
    moved = next((found for entry in body if (found := _MOVED.fullmatch(entry))), None)
    bounce = next((found[1] for entry in body if (found := _BOUNCE.fullmatch(entry))), "")
    return None if moved is None else Note(frozenset(rules_in(body)), int(moved[1]), int(moved[2]), bounce)


def sections(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each header of a configuration with the lines that are indented under it, single blanks between their words."""
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


def port_state(state: SeenPort, up: bool, received: int | None = None, sent: int | None = None) -> PortState:
    """With what a baseline keeps of a port."""
    settings: dict[str, str | int | bool | None] = {"vlan": state.vlan}
    settings |= {f"{family} {way}": state.bound.get((family, way)) for family in FAMILIES for way in WAYS}
    return PortState(up, settings, received, sent)
