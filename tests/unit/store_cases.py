"""Drafts, alerts and a clock for the tests of the store."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from controller.model import Alert, Attachment, DeviceOutcome, End, Endpoint, Outcome, Proof, Reach, Stage, Survival
from controller.store import Draft, Store
from drivers.rules import Action, Direction, Match, PortName, Provenance, Rule, RuleSet, parse_mac

START = 1_700_000_000.0
HOUR = 3600.0


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def nothing() -> None:
    """A recheck that finds all as it was."""


def endpoint(number: int, device: str = "s1") -> Endpoint:
    return Endpoint(
        macs=frozenset({parse_mac(f"02{number:010x}")}),
        ips=frozenset({ip_address(0x0A000000 + number), ip_address((0xFD00 << 112) + number)}),
        attachment=Attachment(device, PortName(f"eth{number}")),
    )


def rules(containment: str, number: int, *directions: Direction) -> RuleSet:
    provenance = Provenance(containment, "scan", "soc")
    return RuleSet(
        Rule(Match(direction, port=PortName(f"eth{number}")), Action.DENY, provenance)
        for direction in directions or Direction
    )


def draft(number: int, device: str = "s1", *, containment: str | None = None, **changes: Any) -> Draft:
    """A draft about the `number`-th endpoint, for two rules on `device`."""
    id = containment or f"case-{number:04d}"
    values: dict[str, Any] = {
        "id": id,
        "endpoint": endpoint(number, device),
        "target": str(ip_address(0x0A000000 + number)),
        "profile": "full",
        "strictness": 100,
        "expires_at": START + 4 * HOUR,
        "created_at": START,
        "by": "soc",
        "reason": "it scans",
        "policy_rule": "scanners",
        "automatic": True,
        "rules": {device: rules(id, number)},
        "alert_id": f"alert-{number}",
        "evidence": ("binding seen 2 s before",),
        "proof": Proof((Reach("10.0.0.1", "any", "tcp", "SYN"),), (), (), {device: Survival.OUT_OF_BAND}),
        "stages": {Stage.RECEIVED: START - 0.01, Stage.LOCATED: START - 0.005},
    }
    return Draft(**values | changes)


def alert(key: str, **changes: Any) -> Alert:
    values: dict[str, Any] = {
        "source": "suricata",
        "key": key,
        "observed_at": START - 1,
        "received_at": START,
        "signature": "ET SCAN",
        "signature_id": "2001",
        "severity": 4,
        "src": End(ip_address("10.0.0.1"), parse_mac("02:00:00:00:00:01"), 4444),
        "dst": End(ip_address("10.0.0.2"), None, 445),
    }
    return Alert(**values | changes)


async def converge(
    store: Store, device: str, outcome: Outcome = Outcome.INSTALLED, boot_id: str | None = None, *, at: float = START
) -> None:
    """Do as a device's loop does: what is on it is now as wanted."""
    epoch = await store.claim(device, "test", 30.0)
    assert epoch is not None
    wanted = await store.desired(device)
    seen: Mapping[str, DeviceOutcome] = {
        id: DeviceOutcome(
            device,
            outcome if any(rule.provenance.containment == id for rule in wanted.rules) else Outcome.REMOVED,
            at=at,
        )
        for id in wanted.containments
    }
    await store.record(device, epoch, wanted.revision, seen, boot_id)
