"""How an access port gets into another VLAN and back: with a note on the device that says where it was, and, if asked, with a link that
goes down for a moment, so that what is behind it asks DHCP again. Pure.

`shutdown` and `no shutdown` in one commit would leave the link up, or down for too short a moment for a client to see: a port is shut by
the commit that moves it, with `bounce due` in its note, and opened by the next one. A port that is found like that later is opened then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from drivers.base import DiffLine
from drivers.napalm_config.dialect import Dialect
from drivers.napalm_config.ours import PREFIX, QUARANTINE
from drivers.napalm_config.seen import Note, Seen, SeenPort
from drivers.rules import PortName, Rule

DUE, DONE = "due", "done"


@dataclass
class Draft:
    """`lines` make, bind and change; `after` are deletions, which come when nothing refers to what goes."""

    dialect: Dialect
    lines: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    diff: list[DiffLine] = field(default_factory=list)
    keep: set[tuple[str, str]] = field(default_factory=set)
    ports: set[PortName] = field(default_factory=set)

    def under(self, header: str, *lines: str) -> None:
        self.lines += self.dialect.section(header, *lines)

    def on(self, port: PortName, *lines: str) -> None:
        self.under(f"interface {port}", *lines)


def note_name(port: PortName) -> str:
    return f"{PREFIX}VLAN-{port}"


def is_bouncing(lines: Iterable[str]) -> bool:
    """Whether these lines leave a port shut that is to be opened next."""
    return any(line.strip() == _bounce(DUE) for line in lines)


def stands(rule: Rule, seen: Seen) -> bool:
    """Whether the port is in the VLAN that this MOVE_VLAN put it in."""
    port = rule.match.port
    if port is None or (note := seen.notes.get(port)) is None or (state := seen.ports.get(port)) is None:
        return False
    return rule.id in note.rules and note.vlan == state.vlan == rule.vlan


def move(draft: Draft, seen: Seen, port: PortName, state: SeenPort, rules: Sequence[Rule]) -> None:
    """`rules` are the MOVE_VLANs of this port, to one VLAN; none of them: it goes back, if it is where we put it."""
    note = seen.notes.get(port)
    if not rules:
        if note is not None:
            _back(draft, port, state, note)
        return
    vlan = rules[0].vlan
    assert vlan is not None  # noqa: S101 - MOVE_VLAN has one, by its type
    draft.keep.add(("ip", note_name(port)))
    ids = frozenset(rule.id for rule in rules)
    if note is not None and note.rules == ids and note.vlan == state.vlan == vlan:
        if note.bounce == DUE:
            _write(draft, seen, port, Note(ids, vlan, note.was, DONE))
            _open(draft, port, state)
        return
    was = note.was if note is not None and state.vlan == note.vlan else state.vlan
    moves = state.vlan != vlan
    bounces = moves and any(rule.bounce for rule in rules) and state.still is None
    kept = note.bounce if note is not None and not moves else ""
    if moves and not bounces and any(rule.bounce for rule in rules):
        draft.diff.append(DiffLine(" ", f"{port} is not bounced: {state.still}; the device keeps its address for now"))
    if vlan not in seen.vlans:
        draft.under(f"vlan {vlan}", f"name {QUARANTINE}")
    _write(draft, seen, port, Note(ids, vlan, was, DUE if bounces else kept))
    if moves and note is not None and note.bounce == DUE:
        _open(draft, port, state)  # it is between two bounces: its link has been down long enough
    draft.on(port, f"switchport access vlan {vlan}", *(["shutdown"] if bounces else []))
    draft.diff.append(DiffLine("~", f"{port} switchport access vlan {was} -> {vlan}{_told(bounces)}"))
    draft.ports.add(port)


def _back(draft: Draft, port: PortName, state: SeenPort, note: Note) -> None:
    if note.bounce == DUE and state.shut:
        # Its link is down already; so it goes back without another bounce.
        _open(draft, port, state)
    if state.vlan != note.vlan or note.vlan == note.was:
        return
    spared = (
        state.still or state.overridden or state.fixed_vlan
    )  # somebody may have put a phone there, or 802.1X, since we moved it
    bounces = note.bounce == DONE and spared is None
    if note.bounce == DONE and spared is not None:
        draft.diff.append(DiffLine(" ", f"{port} is not bounced: {spared}; the device keeps its address for now"))
    if bounces:
        draft.keep.add(("ip", note_name(port)))
        draft.lines.append(gone(draft.dialect, port))
        _say(draft, port, Note(frozenset(), note.was, note.was, DUE))
    draft.on(port, f"switchport access vlan {note.was}", *(["shutdown"] if bounces else []))
    draft.diff.append(DiffLine("~", f"{port} switchport access vlan {note.vlan} -> {note.was}{_told(bounces)}"))
    draft.ports.add(port)


def _open(draft: Draft, port: PortName, state: SeenPort) -> None:
    if state.shut:
        draft.on(port, "no shutdown")
        draft.diff.append(DiffLine("~", f"{port} no shutdown: the end of its bounce"))
    draft.ports.add(port)


def _write(draft: Draft, seen: Seen, port: PortName, note: Note) -> None:
    draft.lines += [gone(draft.dialect, port)] if ("ip", note_name(port)) in seen.lists else []
    _say(draft, port, note)


def gone(dialect: Dialect, port: PortName) -> str:
    """The command that takes the note away."""
    return f"no {dialect.lists['ip']} {note_name(port)}"


def _say(draft: Draft, port: PortName, note: Note) -> None:
    said = [f"remark netcordon vlan {note.vlan} was {note.was}"]
    said += [f"remark netcordon rule {one}" for one in sorted(note.rules)]
    said += [_bounce(note.bounce)] if note.bounce else []
    draft.under(f"{draft.dialect.lists['ip']} {note_name(port)}", *said)


def _bounce(state: str) -> str:
    return f"remark netcordon bounce {state}"


def _told(bounces: bool) -> str:
    return ", and its link goes down for a moment" if bounces else ""


def opened(seen: Seen) -> list[str]:
    """What ends the bounce of every port that was shut for one."""
    draft = Draft(seen.dialect)
    for port, note in sorted(seen.notes.items()):
        if note.bounce == DUE and (state := seen.ports.get(port)) is not None:
            if note.rules:
                _write(draft, seen, port, Note(note.rules, note.vlan, note.was, DONE))
            else:
                draft.after.append(gone(draft.dialect, port))
            _open(draft, port, state)
    return [*draft.lines, *draft.after]
