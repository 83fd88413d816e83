"""A hand at Mininet's switches (`labs.fabric.Hands`): what a colleague, a power cut or a technician does to them, past the controller.

Everything goes through `ovs-vsctl`, `ovs-ofctl` and `ip`, by the names of this run's own bridges and interfaces.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from labs.autopsy import keep as keep_thoughts
from labs.configuration import HERE
from labs.fabric import Plug, Undo
from labs.ovs_state import ofctl
from labs.ovs_state import switches as state
from topologies.buffers import make_room
from topologies.network import vsctl
from topologies.plan import Host

__all__ = [
    "bare",
    "doubled",
    "flows_of",
    "free_plug",
    "keep_thoughts",
    "lead_over",
    "readd",
    "replug",
    "restart",
    "state",
    "wipe",
]


_BRIDGE = (
    "datapath_type",
    "fail_mode",
    "protocols",
    "other_config",
    "external_ids",
    "stp_enable",
    "rstp_enable",
    "mcast_snooping_enable",
)
_CONTROLLER = ("target", "max_backoff", "inactivity_probe", "connection_mode", "other_config", "external_ids")
_PORT = ("tag", "trunks", "vlan_mode", "other_config", "external_ids")
_INTERFACE = ("type", "options", "other_config", "external_ids")


def wipe(bridge: str) -> None:
    ofctl("del-flows", bridge)


@dataclass(frozen=True)
class Blueprint:
    """All that Open vSwitch was told about one bridge, as the words that tell it again."""

    bridge: str
    words: tuple[str, ...]

    @classmethod
    def of(cls, bridge: str) -> Blueprint:
        words = ["add-br", bridge, "--", "set", "Bridge", bridge, *_settings("Bridge", bridge, _BRIDGE)]
        for port in vsctl("list-ports", bridge).split():
            number = vsctl("get", "Interface", port, "ofport").strip()
            words += ["--", "add-port", bridge, port, "--", "set", "Interface", port, f"ofport_request={number}"]
            words += _settings("Interface", port, _INTERFACE)
            if settings := _settings("Port", port, _PORT):
                words += ["--", "set", "Port", port, *settings]
        controllers = re.findall(r"[0-9a-f-]{36}", vsctl("get", "Bridge", bridge, "controller"))
        for place, row in enumerate(controllers):
            words += ["--", f"--id=@c{place}", "create", "Controller", *_settings("Controller", row, _CONTROLLER)]
        wanted = ",".join(f"@c{number}" for number in range(len(controllers)))
        return cls(bridge, (*words, "--", "set", "Bridge", bridge, f"controller=[{wanted}]"))

    def build(self) -> None:
        vsctl(*self.words)
        make_room()
        _quiet(self.bridge)


def _settings(table: str, row: str, columns: Sequence[str]) -> list[str]:
    """`column=value` for each that the row has. What is empty is left out: it is the default."""
    values = vsctl("get", table, row, *columns).splitlines()
    return [f"{name}={value}" for name, value in zip(columns, values, strict=True) if value not in ("[]", "{}", '""')]


def restart(bridge: str, outage: float) -> None:
    """The bridge goes away with all that it knew, and is built anew after `outage` seconds, in one transaction."""
    blueprint = Blueprint.of(bridge)
    vsctl("del-br", bridge)
    time.sleep(outage)
    blueprint.build()


def readd(host: Host) -> Undo:
    _replace_port(host, _unused_number(host.switch))
    return lambda: _replace_port(host, host.port)


def _replace_port(host: Host, number: int) -> None:
    """In two transactions: in one, Open vSwitch would see nothing but a changed wish for a number."""
    vsctl("del-port", host.switch, host.edge)
    vsctl("add-port", host.switch, host.edge, "--", "set", "Interface", host.edge, f"ofport_request={number}")
    make_room()


def bare(plug: Plug) -> bool:
    port = ofctl("dump-ports-desc", plug.switch, str(plug.number)).partition("config:")[2].partition("\n")[0]
    return not flows_of(plug) and "NO_FWD" not in port


def flows_of(plug: Plug) -> int:
    return ofctl("dump-flows", plug.switch, f"in_port={plug.number}").count("actions=")


def free_plug(bridge: str) -> Plug:
    return Plug(bridge, _unused_number(bridge))


def replug(now: Plug, to: Plug) -> Undo:
    _move_cable(now, to)
    vsctl(
        "add-port",
        now.switch,
        now.interface,
        "--",
        "set",
        "Interface",
        now.interface,
        "type=internal",
        f"ofport_request={now.number}",
    )
    _quiet(now.interface)

    def back() -> None:
        vsctl("del-port", now.switch, now.interface)
        _move_cable(to, now)

    return back


def _move_cable(now: Plug, to: Plug) -> None:
    """Interfaces are named by the port that they are in. The link is down for as long as the cable is in nobody's port."""
    vsctl("del-port", now.switch, now.interface)
    link = ["ip", "link", "set", now.interface]
    for words in ([*link, "down"], [*link, "name", to.interface], ["ip", "link", "set", to.interface, "up"]):
        subprocess.run(words, check=True, capture_output=True)
    _quiet(to.interface)
    vsctl("add-port", to.switch, to.interface, "--", "set", "Interface", to.interface, f"ofport_request={to.number}")
    make_room()


def lead_over(bridge: str, port: int) -> Undo:
    (row,) = re.findall(r"[0-9a-f-]{36}", vsctl("get", "Bridge", bridge, "controller"))
    before = vsctl("get", "Controller", row, "target").strip()
    vsctl("set", "Controller", row, f"target={json.dumps(f'tcp:{HERE}:{port}')}")

    def back() -> None:
        vsctl("set", "Controller", row, f"target={before}")

    return back


def doubled(bridge: str) -> list[str]:
    seen: set[tuple[str, str]] = set()
    twice = []
    for line in ofctl("dump-flows", bridge).splitlines():
        found = re.search(r"cookie=0x4e43\w*,.* (table=\d+),.*priority=\d+,?(.*)$", line)
        if found and (found[1], found[2]) in seen:
            twice.append(f"{bridge}: {found[1]} {found[2]}")
        elif found:
            seen.add((found[1], found[2]))
    return twice


def _unused_number(bridge: str) -> int:
    """One above the highest that a port of the bridge has."""
    listed = json.loads(
        vsctl("--format=json", "--columns=ofport", "list", "Interface", *vsctl("list-ports", bridge).split())
    )
    return int(max(row[0] for row in listed["data"])) + 1


def _quiet(interface: str) -> None:
    from topologies.mininet_topo import quiet

    quiet(interface)
