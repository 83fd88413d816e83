"""A whole daemon on memory switches, spoken to over HTTP, for the tests that take something away from it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import httpx

from controller.api.app import create_app
from controller.config import Config
from controller.daemon import Daemon
from controller.model import Containment, Outcome, Want
from controller.roles import Role
from controller.store import Store
from drivers.base import Management, Sighting
from drivers.memory import MemoryDevice, MemoryDriver, MemoryOptions
from drivers.rules import Mac, PortName
from drivers.semantics import Crossing, Fate, Frame
from tests.campus import mac

SWITCHES = ("s1", "s2")
PORTS = tuple(PortName(f"e{n}") for n in range(1, 41))
PROTECTED = "10.0.0.9"
CONFIG: dict[str, Any] = {
    "policy": {
        "incriminate": [{"name": "scans", "match": {"signature": "SCAN *"}, "culprit": "source"}],
        "rules": [{"name": "scanners", "match": {"signature": "SCAN *"}, "mode": "contain", "for": "1h"}],
    },
    "protected": [{"ip": PROTECTED, "why": "the domain controller"}],
    "budget": {"per_minute": 1000, "total": 1000},
    "reconcile": {"backoff": 0.05, "backoff_most": 0.2, "resync": 5.0},
}


@dataclass
class Rig:
    """Host n, at 10.0.0.n, is at the n-th port of switch s1, and host 100+n at the n-th of s2."""

    daemon: Daemon
    switches: dict[str, MemoryDevice]
    http: httpx.AsyncClient
    tokens: dict[Role, str] = field(default_factory=dict)
    spent: int = 0

    @property
    def store(self) -> Store:
        return self.daemon.store

    def place(self, host: int) -> tuple[str, PortName]:
        return ("s1", PORTS[host - 1]) if host < 100 else ("s2", PORTS[host - 101])

    def ip(self, host: int) -> str:
        return f"10.0.0.{host}"

    def heard(self, host: int, *, ago: float = 0.0, who: Mac | None = None, ip: str | None = None) -> None:
        switch, port = self.place(host)
        at, address = time.time() - ago, ip_address(ip or self.ip(host))
        self.daemon.fleet._see(Sighting(switch, at, who or mac(host), port, address))

    def passes(self, host: int) -> bool:
        switch, port = self.place(host)
        frame = Frame(mac(host), mac(99), 0x88B5)
        return self.switches[switch].forward(Crossing(frame, port, PORTS[-1])).fate is Fate.PASS

    def delay(self, seconds: float, *names: str) -> None:
        for name in names or SWITCHES:
            device = self.switches[name]
            device.options = device.options.model_copy(update={"delay": seconds})

    async def post(self, path: str, body: Any = None, *, role: Role = Role.OPERATOR, key: str = "") -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.tokens[role]}"} | ({"Idempotency-Key": key} if key else {})
        content = {"content": body} if isinstance(body, (bytes, str)) else {"json": body}
        return await self.http.post(f"/api/v1/{path}", headers=headers, timeout=60, **content)

    async def get(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.tokens[Role.OPERATOR]}"}
        answer = await self.http.get(f"/api/v1/{path}", headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.json()

    async def contain(self, host: int, **more: Any) -> httpx.Response:
        return await self.post("containments", {"target": self.ip(host), "reason": "a test"} | more)

    async def release(self, host: int) -> httpx.Response:
        return await self.post("release", {"target": self.ip(host), "reason": "a test"})

    def alert(self, host: int, **more: Any) -> dict[str, Any]:
        """An alert about the host, of an id of its own."""
        self.spent += 1
        at = datetime.fromtimestamp(time.time(), UTC).isoformat()
        event = {
            "id": f"event-{self.spent}",
            "observed_at": at,
            "signature": "SCAN ports",
            "src": {"ip": self.ip(host)},
        }
        return event | more

    async def send(self, *alerts: dict[str, Any]) -> dict[str, Any]:
        answer = await self.post("alerts/generic", list(alerts), role=Role.INTAKE)
        assert answer.status_code in (200, 422), answer.text
        taken: dict[str, Any] = answer.json()
        return taken

    async def held(self) -> list[Containment]:
        return await self.store.containments(want=Want.HELD)

    async def until(self, holds: Callable[[], Any], what: str) -> Any:
        for _ in range(1500):
            found = holds()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.02)
        raise AssertionError(
            f"waited in vain until {what}; {[(c.id, c.outcome) for c in await self.store.containments()]}"
        )

    async def settled(self) -> None:
        """Every case is installed or removed, as it should be, and every device holds what is wanted."""

        async def quiet() -> bool:
            good = {Want.HELD: (Outcome.INSTALLED, Outcome.PROVEN), Want.RELEASED: (Outcome.REMOVED,)}
            cases = await self.store.containments(limit=100_000)
            return all(case.outcome in good[case.want] for case in cases)

        await self.until(quiet, "all is converged")


@asynccontextmanager
async def rigged(store_url: str, **config: Any) -> AsyncIterator[Rig]:
    """Up and known. `config` replaces sections."""
    settings = Config.model_validate(CONFIG | config)
    daemon = Daemon(settings, await Store.open(store_url), time.time)
    options = MemoryOptions(ports=PORTS)
    switches = {name: MemoryDevice(name, options, management=Management.OUT_OF_BAND) for name in SWITCHES}
    for name, device in switches.items():
        await daemon.fleet.add(name, "memory", MemoryDriver(device), {})
    transport = httpx.ASGITransport(app=create_app(daemon))
    async with httpx.AsyncClient(transport=transport, base_url="http://netcordon") as http:
        rig = Rig(daemon, switches, http)
        for role in (Role.OPERATOR, Role.INTAKE):
            rig.tokens[role] = await daemon.store.add_token(role.value, role)
        for host in (*range(1, 40), *range(101, 140)):
            rig.heard(host, ago=600)
            rig.heard(host)
        try:
            yield rig
        finally:
            await daemon.close()
