"""Flow tables: entries, what is added, changed and taken away, and what becomes of a frame (OpenFlow 1.3.5 §5, §6.4). Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from topologies.openflow.headers import EXPERIMENTER, IN_PORT, Key

ADD, MODIFY, MODIFY_STRICT, DELETE, DELETE_STRICT = range(5)
ALL_TABLES = 0xFF
SEND_FLOW_REMOVED = 1
MOST_TABLES = 254
_GOTO_TABLE, _APPLY_ACTIONS, _OUTPUT = 1, 4, 0
_MOST_REMEMBERED = 20_000
_FLOW_MOD = struct.Struct("!QQBBHHHIIIH2x")


class Refused(Exception):
    """What a switch answers with an error: its type and code (§7.4.4)."""

    def __init__(self, kind: int, code: int) -> None:
        super().__init__(f"error type {kind} code {code}")
        self.kind, self.code = kind, code


BAD_REQUEST, BAD_ACTION, BAD_INSTRUCTION, BAD_MATCH, FLOW_MOD_FAILED, PORT_MOD_FAILED = 1, 2, 3, 4, 5, 7


class Asked(NamedTuple):
    """One field of a match: the bits of `mask` must be those of `value`."""

    key: Key
    value: int
    mask: int


@dataclass(eq=False)
class Entry:
    """A flow entry; `raw_match` and `raw_instructions` are as they came."""

    table: int
    priority: int
    cookie: int
    flags: int
    match: frozenset[Asked]
    raw_match: bytes
    raw_instructions: bytes
    goto: int | None
    outputs: tuple[int, ...]
    packets: int = 0
    octets: int = 0

    def speaks_of(self, fields: Mapping[Key, int]) -> bool:
        for key, value, mask in self.match:
            seen = fields.get(key)
            if seen is None or seen & mask != value:
                return False
        return True

    @property
    def in_port(self) -> int | None:
        return next((value for key, value, _ in self.match if key == IN_PORT), None)

    @property
    def said(self) -> str:
        """Without counters, without cookie and priority: what it does to which frames."""
        asked = ",".join(f"{key.space:x}/{key.number}={value:#x}/{mask:#x}" for key, value, mask in sorted(self.match))
        return f"table={self.table},{asked} actions={self.raw_instructions.hex()}"

    @property
    def text(self) -> str:
        return f"cookie={self.cookie:#x},priority={self.priority},{self.said}"


class Order(NamedTuple):
    """A flow-mod message (§7.3.4.1), read."""

    command: int
    table: int
    priority: int
    cookie: int
    cookie_mask: int
    flags: int
    match: frozenset[Asked]
    raw_match: bytes
    raw_instructions: bytes


class Outcome(NamedTuple):
    """What becomes of a frame: which entries it went by, and where it goes (port, and the entry that says so)."""

    by: tuple[Entry, ...]
    outputs: tuple[tuple[int, Entry], ...]


@dataclass
class FlowTables:
    """`version` grows with each change. Not thread-safe."""

    _tables: dict[int, dict[tuple[int, frozenset[Asked]], Entry]] = field(default_factory=dict)
    _sorted: dict[int, list[Entry]] = field(default_factory=dict)
    _known: dict[tuple[tuple[Key, int], ...], Outcome] = field(default_factory=dict)

    @property
    def entries(self) -> list[Entry]:
        return [entry for _, table in sorted(self._tables.items()) for entry in table.values()]

    def carry_out(self, order: Order) -> list[Entry]:
        """The entries that went away. Raises Refused."""
        if order.table != ALL_TABLES and order.table >= MOST_TABLES:
            raise Refused(FLOW_MOD_FAILED, 2)
        goto, outputs = _read_instructions(order.raw_instructions, order.table)
        if order.command == ADD:
            return self._add(order, goto, outputs)
        chosen = [entry for entry in self.entries if _is_meant(order, entry)]
        if order.command in (DELETE, DELETE_STRICT):
            for entry in chosen:
                del self._tables[entry.table][entry.priority, entry.match]
            if chosen:
                self._changed()
            return chosen
        for entry in chosen:
            if entry.raw_instructions != order.raw_instructions:
                entry.raw_instructions, entry.goto, entry.outputs = order.raw_instructions, goto, outputs
                self._changed()
        return []

    def _add(self, order: Order, goto: int | None, outputs: tuple[int, ...]) -> list[Entry]:
        """One with the same match and priority is replaced, and no one is told of that (§6.4)."""
        if order.table == ALL_TABLES:
            raise Refused(FLOW_MOD_FAILED, 2)
        entry = Entry(*order[1:4], order.flags, order.match, order.raw_match, order.raw_instructions, goto, outputs)
        self._tables.setdefault(order.table, {})[order.priority, order.match] = entry
        self._changed()
        return []

    def _changed(self) -> None:
        self._sorted.clear()
        self._known.clear()

    def become_of(self, fields: Mapping[Key, int]) -> Outcome:
        """Remembered for frames that look alike until something changes; nothing is counted here."""
        alike = tuple(fields.items())
        known = self._known.get(alike)
        if known is None:
            if len(self._known) > _MOST_REMEMBERED:
                self._known.clear()
            known = self._known[alike] = self._pipeline(fields)
        return known

    def _pipeline(self, fields: Mapping[Key, int]) -> Outcome:
        by: list[Entry] = []
        outputs: list[tuple[int, Entry]] = []
        table: int | None = 0
        while table is not None:
            entry = next((one for one in self._by_priority(table) if one.speaks_of(fields)), None)
            if entry is None:
                break
            by.append(entry)
            outputs += [(port, entry) for port in entry.outputs]
            table = entry.goto
        return Outcome(tuple(by), tuple(outputs))

    def _by_priority(self, table: int) -> list[Entry]:
        if table not in self._sorted:
            self._sorted[table] = sorted(self._tables.get(table, {}).values(), key=lambda entry: -entry.priority)
        return self._sorted[table]


def _is_meant(order: Order, entry: Entry) -> bool:
    """§6.4: strict ones mean one entry, the others all that ask for no less."""
    if order.table not in (ALL_TABLES, entry.table) or (entry.cookie ^ order.cookie) & order.cookie_mask:
        return False
    if order.command in (MODIFY_STRICT, DELETE_STRICT):
        return (entry.priority, entry.match) == (order.priority, order.match)
    return all(any(_narrows(own, asked) for own in entry.match) for asked in order.match)


def _narrows(own: Asked, asked: Asked) -> bool:
    return own.key == asked.key and own.mask & asked.mask == asked.mask and own.value & asked.mask == asked.value


def read_order(body: bytes) -> Order:
    """`body`: a flow-mod message behind its header. Raises Refused."""
    cookie, mask, table, command, idle, hard, priority, _buffer, _port, _group, flags = _FLOW_MOD.unpack_from(body)
    if idle or hard or command > DELETE_STRICT:
        raise Refused(FLOW_MOD_FAILED, 0 if command <= DELETE_STRICT else 6)
    raw, match, after = read_match(body, _FLOW_MOD.size)
    return Order(command, table, priority, cookie, mask, flags, match, raw, body[after:])


def read_match(data: bytes, at: int) -> tuple[bytes, frozenset[Asked], int]:
    """The match structure at `at` (§7.2.3): its octets with their padding, its fields, and where what follows it begins."""
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    after, end = at + length + -length % 8, at + length
    found, place = [], at + 4
    while place + 4 <= end:
        space, number, width = struct.unpack_from("!HBB", data, place)
        value = data[place + 4 : place + 4 + width]
        found.append(_asked(Key(space, number >> 1), value, masked=bool(number & 1)))
        place += 4 + width
    return data[at:after], frozenset(found), after


def _asked(key: Key, octets: bytes, *, masked: bool) -> Asked:
    if key.space == EXPERIMENTER:
        octets = octets[4:]
    if not masked:
        return Asked(key, int.from_bytes(octets, "big"), (1 << 8 * len(octets)) - 1)
    half = len(octets) // 2
    value, mask = (int.from_bytes(part, "big") for part in (octets[:half], octets[half:]))
    if value & ~mask:
        raise Refused(BAD_MATCH, 8)
    return Asked(key, value, mask)


def _read_instructions(octets: bytes, table: int) -> tuple[int | None, tuple[int, ...]]:
    """Where it goes on to, and the ports that it puts out at. This switch knows no other instruction and no other action."""
    goto: int | None = None
    outputs: list[int] = []
    at = 0
    while at + 8 <= len(octets):
        kind, length = struct.unpack_from("!HH", octets, at)
        if kind == _GOTO_TABLE:
            goto = octets[at + 4]
            if goto <= table:
                raise Refused(BAD_INSTRUCTION, 2)
        elif kind == _APPLY_ACTIONS:
            outputs += read_actions(octets[at + 8 : at + length])
        else:
            raise Refused(BAD_INSTRUCTION, 0)
        at += max(length, 8)
    return goto, tuple(outputs)


def read_actions(octets: bytes) -> Sequence[int]:
    """The ports of a list of output actions. Raises Refused for any other action."""
    ports, at = [], 0
    while at + 8 <= len(octets):
        kind, length, port = struct.unpack_from("!HHI", octets, at)
        if kind != _OUTPUT:
            raise Refused(BAD_ACTION, 0)
        ports.append(port)
        at += max(length, 8)
    return ports


def twice(entries: Iterable[Entry], cookie: int, mask: int) -> list[str]:
    """Of the entries with such a cookie, those that say the same as another, whatever their priority."""
    seen: set[str] = set()
    found = []
    for entry in entries:
        if entry.cookie & mask == cookie:
            if entry.said in seen:
                found.append(entry.said)
            seen.add(entry.said)
    return found
