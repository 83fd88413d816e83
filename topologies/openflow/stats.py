"""What a modelled switch tells of itself, as OpenFlow 1.3.5 structures (§7.2.1, §7.3.1, §7.3.5). Pure."""

from __future__ import annotations

import struct

from topologies.openflow.switch import OFPP_LOCAL, Port, Switch
from topologies.openflow.table import ALL_TABLES, BAD_REQUEST, MOST_TABLES, Entry, Refused

DESC, FLOW, PORT_STATS, PORT_DESC = 0, 1, 4, 13
LONGEST_PART = 32_768
_FLOW_STATS, _PORT_STATS = 1 << 0, 1 << 2
_TEN_GIGABIT = 1 << 6


def features(switch: Switch) -> bytes:
    return struct.pack("!QIBB2xII", switch.dpid, 0, MOST_TABLES, 0, _FLOW_STATS | _PORT_STATS, 0)


def describe(port: Port) -> bytes:
    """A port's description, 64 octets."""
    address = bytes.fromhex(port.hw_addr.replace(":", ""))
    name = port.name.encode()[:15]
    return struct.pack("!I4x6s2x16sIIIIIIII", port.number, address, name, port.config, 0, _TEN_GIGABIT, 0, 0, 0, 0, 0)


def local(switch: Switch) -> Port:
    """The switch's own port."""
    return Port(OFPP_LOCAL, switch.name, (b"\x02" + switch.dpid.to_bytes(8, "big")[-5:]).hex(":"))


def answer(switch: Switch, kind: int, asked: bytes) -> list[bytes]:
    """The body of each reply to a multipart request; at least one. Raises Refused."""
    if kind == DESC:
        return [struct.pack("!256s256s256s32s256s", b"Netcordon", b"model", b"1", b"", switch.name.encode())]
    if kind == FLOW:
        table, _port, _group, cookie, mask = struct.unpack_from("!B3xII4xQQ", asked)
        wanted = [e for e in switch.tables.entries if table in (ALL_TABLES, e.table) and not (e.cookie ^ cookie) & mask]
        return _parts([_flow(entry) for entry in wanted])
    if kind == PORT_STATS:
        return _parts([_counters(port) for port in switch.ports.values()])
    if kind == PORT_DESC:
        return _parts([describe(port) for port in [*switch.ports.values(), local(switch)]])
    raise Refused(BAD_REQUEST, 2)


def _parts(pieces: list[bytes]) -> list[bytes]:
    """As many to a message as fit."""
    parts = [b""]
    for piece in pieces:
        if len(parts[-1]) + len(piece) > LONGEST_PART:
            parts.append(b"")
        parts[-1] += piece
    return parts


def _flow(entry: Entry) -> bytes:
    rest = entry.raw_match + entry.raw_instructions
    about = (entry.table, 0, 0, entry.priority, 0, 0, entry.flags, entry.cookie, entry.packets, entry.octets)
    return struct.pack("!HBxIIHHHH4xQQQ", 48 + len(rest), *about) + rest


def _counters(port: Port) -> bytes:
    counts = (port.rx[0], port.tx[0], port.rx[1], port.tx[1], *[0] * 8)
    return struct.pack("!I4x12QII", port.number, *counts, 0, 0)
