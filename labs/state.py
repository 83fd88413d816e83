"""The whole state of a network's switches as text, and the reachability of everyone from everyone: taken twice, compared.

Everything is in it, whoever put it there: all flows of all tables, groups, meters, the port configuration, and the
rows that Open vSwitch keeps. What changes by itself (counters, ages, sequence numbers) is left out.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labs.frames import Kind, Phase
from labs.scenario import Means, Trial
from labs.traffic import Traffic
from labs.wiring import ofctl
from topologies.network import vsctl
from topologies.plan import NetworkPlan

MATRIX_KINDS = (Kind.ARP, Kind.UDP, Kind.NON_IP, Kind.BROADCAST_L2, Kind.TCP, Kind.IPV6_GLOBAL)
ROUNDS = 4
"""How often a pair is tried before it counts as out of reach: everyone speaking to everyone may overflow a buffer."""
FIRST_MATRIX_FLOW = 10_000

_DUMPS = ("dump-flows", "dump-groups", "dump-meters", "dump-ports-desc", "show", "dump-table-features")
_VOLATILE = re.compile(r"\b(duration|n_packets|n_bytes|idle_age|hard_age|packet_count|byte_count)=[^, ]+,?\s*")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_EXCHANGE = re.compile(r" ?\(?(OF1\.3 )?\(?xid=0x[0-9a-f]+\)?:?")
_OVS_VOLATILE = {
    "Bridge": {"status", "rstp_status"},
    "Port": {"statistics", "status", "rstp_statistics", "rstp_status", "bond_active_slave"},
    "Interface": {"statistics", "status", "link_resets", "ifindex", "cfm_health", "lacp_current", "bfd_status"},
    "Controller": {"status", "is_connected", "role"},
}


@dataclass(frozen=True)
class State:
    """`switches` holds lines by (switch, what was asked); `reach` which kinds of traffic got from one to another."""

    switches: Mapping[tuple[str, str], tuple[str, ...]]
    reach: frozenset[str]

    def differences(self, other: State) -> list[str]:
        """One line for each thing that is not as it was; `other` is the later state."""
        found = []
        for key in sorted({*self.switches, *other.switches}):
            before, after = self.switches.get(key, ()), other.switches.get(key, ())
            changed = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
            found += [f"{key[0]} {key[1]}: {line}" for line in changed]
        found += [f"reach: {name} does not arrive any more" for name in sorted(self.reach - other.reach)]
        return found + [f"reach: {name} did not arrive before" for name in sorted(other.reach - self.reach)]


def take(traffic: Traffic, phase: Phase) -> State:
    """The state now; `phase` is one of the matrix phases, each of which is used once in a run."""
    reach = _reach(traffic, phase)
    return State(switches(traffic.plan), reach)


def switches(plan: NetworkPlan) -> dict[tuple[str, str], tuple[str, ...]]:
    state = {}
    for switch in plan.switches:
        for dump in _DUMPS:
            state[switch.name, dump] = steady(ofctl(dump, switch.name))
        for table, rows in _database(switch.name).items():
            state[switch.name, f"ovsdb {table}"] = rows
    return state


def steady(dump: str) -> tuple[str, ...]:
    """The lines of what `ovs-ofctl` prints, sorted, without what changes by itself."""
    lines = (_EXCHANGE.sub("", _VOLATILE.sub("", line)).strip() for line in dump.splitlines())
    return tuple(sorted(line for line in lines if line))


def _database(bridge: str) -> dict[str, tuple[str, ...]]:
    """The bridge's own rows and those of its ports, interfaces and controllers, one line for each row's column."""
    ports = [bridge, *vsctl("list-ports", bridge).split()]
    controllers = re.findall(r"[0-9a-f-]{36}", vsctl("get", "Bridge", bridge, "controller"))
    wanted = {"Bridge": [bridge], "Port": ports, "Interface": ports, "Controller": controllers}
    found = {table: _table(table, records) for table, records in wanted.items() if records}
    found |= {table: _table(table, ()) for table in ("Mirror", "QoS", "Queue", "Flow_Table")}
    names = {_id(row): _name(row) for rows in found.values() for row in rows}
    return {table: _lines(table, rows, names) for table, rows in found.items()}


def _table(table: str, records: Sequence[str]) -> list[dict[str, Any]]:
    """All rows when no records are named. Raises CalledProcessError for a record that is not there."""
    listed = json.loads(vsctl("--format=json", "list", table, *records))
    return [dict(zip(listed["headings"], row, strict=True)) for row in listed["data"]]


def _lines(table: str, rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> tuple[str, ...]:
    """A line for each row's column. A row that was deleted and made again is the same one: rows are known by their names."""
    volatile = {"_uuid"} | _OVS_VOLATILE.get(table, set())
    return tuple(
        sorted(
            f"{_name(row)} {column}={json.dumps(_ordered(_named(row[column], names)), sort_keys=True)}"
            for row in rows
            for column in row
            if column not in volatile
        )
    )


def _named(value: Any, names: Mapping[str, str]) -> Any:
    return json.loads(_UUID.sub(lambda found: names.get(found[0], found[0]), json.dumps(value)))


def _id(row: Mapping[str, Any]) -> str:
    return str(row["_uuid"][1])


def _name(row: Mapping[str, Any]) -> str:
    """A controller has no name but its address."""
    return str(row.get("name") or row.get("target") or _id(row))


def _ordered(value: Any) -> Any:
    """OVSDB prints sets and maps in any order."""
    if isinstance(value, list) and value and value[0] in ("set", "map"):
        return [value[0], sorted(value[1], key=json.dumps)]
    return value


def _reach(traffic: Traffic, phase: Phase) -> frozenset[str]:
    """The names of what arrived, kind by kind, each pair at least once and until it got through."""
    pairs = [(source, to) for source in traffic.plan.hosts for to in traffic.plan.hosts if source is not to]
    kinds = [(Means(kind), source, to) for kind in MATRIX_KINDS for source, to in pairs]
    missing = [Trial(FIRST_MATRIX_FLOW + n, *one, must_stop=False) for n, one in enumerate(kinds)]
    reached: set[str] = set()
    for attempt in range(ROUNDS):
        for kind in MATRIX_KINDS:
            traffic.burst([trial for trial in missing if trial.kind is kind], phase, 1, first=attempt)
        tally = traffic.settle(missing, phase)
        reached |= {trial.name for trial in missing if traffic.count(trial, phase, tally).arrived}
        missing = [trial for trial in missing if trial.name not in reached]
    return frozenset(reached)
