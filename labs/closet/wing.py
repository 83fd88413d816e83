"""The closets of these labs: an Arista core, a Cisco and a Juniper access switch behind trunks, an office VLAN and a quarantine VLAN on
all; and the same with a Cisco Nexus alone behind the core. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.configuration import HERE, Places
from topologies.vendor.closet import Cable, Closet, Guest, RunningCloset, Unit

CORE, ACCESS, OTHER_ACCESS = Unit("core-1", "eos"), Unit("access-1", "ios"), Unit("access-2", "junos")
OFFICE_VLAN, QUARANTINE_VLAN = 10, 999
SERVER, REMEDIATION, COLLEAGUE = "10.0.0.2", "10.99.0.4", "10.0.0.7"
OWN_ADDRESS = "10.0.0.250"
"""The core's own, as the host `core-svi`: the virtual switches have no addresses in their VLANs."""
LEAF = Unit("leaf-1", "nxos")
POLL = 0.3


_OUT_OF_BAND: Mapping[str, str] = {"management": "oob"}
IN_BAND: Mapping[str, str] = {"management": "in-band", "management_port": Cable(CORE, 6).port}


def _mac(number: int) -> str:
    return f"02:00:00:00:10:{number:02x}"


WING = Closet(
    units=(CORE, ACCESS, OTHER_ACCESS),
    guests=(
        Guest("server", _mac(2), SERVER, OFFICE_VLAN, (Cable(CORE, 2),)),
        Guest("mender", _mac(4), REMEDIATION, QUARANTINE_VLAN, (Cable(CORE, 4),)),
        Guest("rogue", _mac(1), "", OFFICE_VLAN, (Cable(ACCESS, 1), Cable(CORE, 5), Cable(OTHER_ACCESS, 1))),
        Guest("fellow", _mac(3), "", OFFICE_VLAN, (Cable(CORE, 3),)),
        Guest("manager", _mac(6), "10.0.0.6", OFFICE_VLAN, (Cable(CORE, 6),)),
        Guest("core-svi", _mac(8), OWN_ADDRESS, OFFICE_VLAN, (Cable(CORE, 7),)),
        Guest("printer", _mac(7), COLLEAGUE, OFFICE_VLAN, (Cable(ACCESS, 2),)),
    ),
    trunks=((Cable(CORE, 1), Cable(ACCESS, 9)), (Cable(CORE, 8), Cable(OTHER_ACCESS, 9))),
    vlans={OFFICE_VLAN: "office", QUARANTINE_VLAN: "quarantine"},
)

RACK = Closet(
    units=(CORE, LEAF),
    guests=(
        Guest("server", _mac(2), SERVER, OFFICE_VLAN, (Cable(CORE, 2),)),
        Guest("mender", _mac(4), REMEDIATION, QUARANTINE_VLAN, (Cable(CORE, 4),)),
        Guest("rogue", _mac(1), "", OFFICE_VLAN, (Cable(LEAF, 1),)),
        Guest("fellow", _mac(3), "", OFFICE_VLAN, (Cable(CORE, 3),)),
        Guest("printer", _mac(7), COLLEAGUE, OFFICE_VLAN, (Cable(LEAF, 2),)),
    ),
    trunks=((Cable(CORE, 1), Cable(LEAF, 9)),),
    vlans=WING.vlans,
)


def configuration(
    running: RunningCloset, where: Places, in_band: int | None = None, told: Mapping[str, str] = _OUT_OF_BAND
) -> dict[str, Any]:
    """As an administrator would write it. The switches' secret is the virtual ones' own. `in_band`: the core's port here when it is managed
    through its own network; `told`: what is said of how it is managed."""
    secret = where.folder / "switch.password"
    secret.touch(0o600)
    secret.write_text("admin\n")
    return {
        "store": f"sqlite:///{where.folder / 'netcordon.db'}",
        "listen": {"address": HERE, "port": where.api_port, "socket": str(where.api_socket)},
        "openflow": {
            "speaker": {
                "socket": str(where.speaker_socket),
                "listen": f"{HERE}:{where.openflow_port}",
                "keep": False,
                "log": str(where.log("speaker")),
            }
        },
        "devices": [
            {
                "id": unit.name,
                "driver": "napalm",
                **(told if unit == CORE else _OUT_OF_BAND),
                "uplinks": running.closet.uplinks(unit),
                "options": _options(running, unit, where)
                | ({"port": in_band, "revert_in": 30} if in_band is not None and unit == CORE else {})
                | {"host": HERE, "username": "admin", "password_file": str(secret), "save": "never", "poll": POLL},
            }
            for unit in running.closet.units
        ],
        "quarantine": {"vlan": QUARANTINE_VLAN, "hosts": [REMEDIATION], "bounce": True},
        "reconcile": {"deadline": 20, "resync": 2},
    }


def _options(running: RunningCloset, unit: Unit, where: Places) -> dict[str, Any]:
    node = running.nodes[unit.name]
    if unit.kind == "eos":
        return {"platform": "eos", "port": node.eapi.port, "ca": str(node.certificate)}
    known = node.ssh.write_known_hosts(where.folder / f"{unit.name}.known_hosts")
    own = {"port_lists_out": False} if unit.kind == "ios" else {}
    return {"platform": unit.kind, "port": node.ssh.port, "known_hosts": str(known), **own}
