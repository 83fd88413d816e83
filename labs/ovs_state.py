"""The whole state of Open vSwitch's bridges as text: everything that is in them, whoever put it there.

All flows of all tables, groups, meters, the port configuration, and the rows that Open vSwitch keeps. What changes by itself (counters,
ages, sequence numbers) is left out.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from topologies.network import vsctl
from topologies.plan import NetworkPlan

OFCTL_PATIENCE = 60

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


def ofctl(command: str, bridge: str, *arguments: str) -> str:
    words = ["ovs-ofctl", f"--timeout={OFCTL_PATIENCE}", "-O", "OpenFlow13", command, bridge, *arguments]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


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
