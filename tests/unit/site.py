"""Twenty servers on a switch, and the spine over the real store: alerts, containments, approvals, the breaker."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from controller.alerts import Alerts
from controller.approval import Approvals
from controller.automation import Automation
from controller.breaker import Breaker
from controller.config import Config
from controller.containment import Containments
from controller.model import Containment, End, Want
from controller.requests import AlertAnswer
from controller.store import Store
from drivers.memory import MemoryDriver
from tests.campus import Campus, alert, campus

SERVERS = 20
POLICY = {
    "incriminate": [{"name": "scans", "match": {"signature": "ET SCAN *"}, "culprit": "source"}],
    "rules": [{"name": "scanners", "match": {"signature": "ET SCAN *"}, "mode": "contain", "for": "1h"}],
}


@dataclass
class Site:
    net: Campus
    store: Store
    containments: Containments
    alerts: Alerts
    approvals: Approvals
    breaker: Breaker
    told: list[Automation] = field(default_factory=list)

    async def accuse(self, number: int, key: str = "") -> AlertAnswer:
        """An alert about the server with this number, seen just now."""
        now, address = self.net.now, IPv4Address(f"10.0.1.{number}")
        seen = alert(key=key or f"k{number}", src=End(ip=address), observed_at=now, received_at=now)
        return await self.alerts.take(seen, "{}")

    async def held(self) -> list[Containment]:
        return await self.store.containments(want=Want.HELD)


def servers() -> Campus:
    net = campus(policy=POLICY)
    for number in range(1, SERVERS + 1):
        net.keeps_saying(f"10.0.1.{number}", 100 + number, 100 + number, since=600)
    return net


async def site_at(path: Path, net: Campus, told: list[Automation], sections: Any = None, **budget: Any) -> Site:
    """`sections`: more of the configuration."""
    config = Config.model_validate({"policy": POLICY, "budget": budget, **(sections or {})})

    def now() -> float:
        return net.now

    store = await Store.open(f"sqlite:///{path}/netcordon.db", now=now)
    capable = MemoryDriver.capabilities
    containments = Containments(config, store, net.network, lambda _: capable, lambda _: None, lambda *_: None, now)
    breaker = Breaker(store, told.append)
    return Site(
        net,
        store,
        containments,
        Alerts(config, store, net.network, containments, breaker, now),
        Approvals(config, store, net.network, containments, now),
        breaker,
        told,
    )
