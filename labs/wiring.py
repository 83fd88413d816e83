"""A hand at the switches themselves: what a colleague, a power cut or a technician does to them, past the controller.

Everything goes through `ovs-vsctl`, `ovs-ofctl` and `ip`, by the names of this run's own bridges and interfaces.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from topologies.network import vsctl
from topologies.plan import Host

OFCTL_PATIENCE = 60
Undo = Callable[[], None]
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


def ofctl(command: str, bridge: str, *arguments: str) -> str:
    words = ["ovs-ofctl", f"--timeout={OFCTL_PATIENCE}", "-O", "OpenFlow13", command, bridge, *arguments]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


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
    """Delete the host's port and add it with a number that the bridge does not use. The undo gives it back the one that it had."""
    _replace_port(host, _unused_number(host.switch))
    return lambda: _replace_port(host, host.port)


def _replace_port(host: Host, number: int) -> None:
    """In two transactions: in one, Open vSwitch would see nothing but a changed wish for a number."""
    vsctl("del-port", host.switch, host.edge)
    vsctl("add-port", host.switch, host.edge, "--", "set", "Interface", host.edge, f"ofport_request={number}")


def _unused_number(bridge: str) -> int:
    """One above the highest that a port of the bridge has."""
    listed = json.loads(
        vsctl("--format=json", "--columns=ofport", "list", "Interface", *vsctl("list-ports", bridge).split())
    )
    return int(max(row[0] for row in listed["data"])) + 1


def _quiet(interface: str) -> None:
    from topologies.mininet_topo import quiet

    quiet(interface)
