"""The attack, really carried out from the rogue's host, and what Suricata would say of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from labs.crew import Crew
from labs.process import LabError
from labs.scenario import Attack, SuricataAlert
from topologies.plan import Host, NetworkPlan, Role

PATIENCE = 10.0


@dataclass(frozen=True)
class Connection:
    """One connection of the attack: when it was opened (seconds since the epoch) and between which ends."""

    at: float
    source: Host
    source_port: int
    to: Host
    port: int


@dataclass(frozen=True)
class Damage:
    """What the attack came to: the doors that were open, and the hosts that took a copy. `last` is the last copy."""

    tried: int
    open_doors: tuple[str, ...]
    infected: tuple[Host, ...]
    last: Connection


def strike(attack: Attack, plan: NetworkPlan, crew: Crew, patience: float) -> tuple[int, tuple[str, ...], list[str]]:
    """Scan, then copy, where somebody may stop it at any moment: how many doors were tried, which were open, and who took a copy."""
    rogue = plan.actor(Role.ROGUE)
    tried, open_doors = _scan(attack, plan, crew, patience)
    worm = secrets.token_bytes(attack.copy_itself.octets)
    targets = [plan.actor(role) for role in attack.copy_itself.targets]
    attempts = [_attempt(to, attack.copy_itself.port, worm, patience) for to in targets]
    results = crew.ask(rogue, "connect", attempts=attempts)
    return tried, open_doors, [to.name for to, result in zip(targets, results, strict=True) if result["exchanged"]]


def _scan(attack: Attack, plan: NetworkPlan, crew: Crew, patience: float) -> tuple[int, tuple[str, ...]]:
    doors = [(plan.actor(role), port) for role in attack.scan.targets for port in attack.scan.ports]
    attempts = [_attempt(to, port, b"", patience) for to, port in doors]
    results = crew.ask(plan.actor(Role.ROGUE), "connect", attempts=attempts)
    opened = [f"{to.name}:{port}" for (to, port), one in zip(doors, results, strict=True) if one["opened"] == "open"]
    return len(doors), tuple(opened)


def carry_out(attack: Attack, plan: NetworkPlan, crew: Crew) -> Damage:
    """Scan, then copy. Raises LabError when no copy arrived: then there is nothing to alert about."""
    rogue = plan.actor(Role.ROGUE)
    tried, open_doors = _scan(attack, plan, crew, PATIENCE)
    worm = secrets.token_bytes(attack.copy_itself.octets)
    copies = [
        _copy(crew, rogue, plan.actor(role), attack.copy_itself.port, worm) for role in attack.copy_itself.targets
    ]
    taken = [connection for connection in copies if connection is not None]
    if not taken:
        raise LabError("the attack came to nothing: no target took a copy")
    return Damage(tried, open_doors, tuple(connection.to for connection in taken), taken[-1])


def _copy(crew: Crew, rogue: Host, to: Host, port: int, worm: bytes) -> Connection | None:
    """The connection over which all of it went and was confirmed, or None."""
    at = time.time()
    (result,) = crew.ask(rogue, "connect", attempts=[_attempt(to, port, worm)])
    return Connection(at, rogue, result["source_port"], to, port) if result["exchanged"] else None


def _attempt(to: Host, port: int, said: bytes, patience: float = PATIENCE) -> dict[str, Any]:
    return {"ip": str(to.ip), "port": port, "udp": False, "source_port": 0, "say": said.hex(), "patience": patience}


def eve(alert: SuricataAlert, seen: Connection, interface: str) -> dict[str, Any]:
    """The EVE record (docs.suricata.io, EVE JSON format, event type alert) for this connection."""
    when = datetime.fromtimestamp(seen.at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f%z")
    return {
        "timestamp": when,
        "flow_id": secrets.randbits(48),
        "in_iface": interface,
        "event_type": "alert",
        "src_ip": str(seen.source.ip),
        "src_port": seen.source_port,
        "dest_ip": str(seen.to.ip),
        "dest_port": seen.port,
        "proto": "TCP",
        "alert": {
            "action": "allowed",
            "gid": 1,
            "signature_id": alert.signature_id,
            "rev": alert.rev,
            "signature": alert.signature,
            "category": alert.category,
            "severity": alert.severity,
        },
    }


def in_words(damage: Damage) -> Sequence[str]:
    return (
        f"{damage.last.source.name} tried {damage.tried} doors; open were {', '.join(damage.open_doors) or 'none'}",
        f"it copied itself to {', '.join(host.name for host in damage.infected)}",
    )
