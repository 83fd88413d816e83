"""Netcordon as its users have it: the daemon and its speaker as processes, an alert over HTTP, and the whole way behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address
from itertools import count
from typing import Any

from controller.config import Verifying
from controller.model import Attachment, Endpoint
from controller.roles import Role
from controller.store import Draft, Store
from drivers.rules import Action, Direction, Mac, Match, PortName, Provenance, Rule, RuleSet
from labs.configuration import Places, configuration
from labs.scenario import load
from tests.bench.ground import PATIENCE, BenchError, Ground
from tests.bench.http import Answer, Http
from tests.mininet.served import Netcordon

OBSERVED, CONTAINED = "BENCH observe", "BENCH contain"
POLICY = {
    "incriminate": [{"name": "the source", "match": {"signature": "BENCH *"}, "culprit": "source"}],
    "rules": [
        {"name": "look on", "match": {"signature": OBSERVED}, "mode": "observe"},
        {"name": "act", "match": {"signature": CONTAINED}, "mode": "contain", "for": "1h"},
    ],
}
RULES_OF_ONE = 2
"""A containment that is held: nothing from its MAC, nothing to it."""
PROVEN_WITHIN = 30.0
ANNOUNCED_EVERY = 0.3
LONG = 900.0
SETTLED_AFTER = 2.0


@dataclass
class Contender:
    """`contain` sends an alert; the containment that it leads to is proven before anything else happens."""

    ground: Ground
    served: Netcordon
    intake: Http = field(init=False)
    operator: Http = field(init=False)
    name: str = "Netcordon"
    _alerts: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def device(self) -> str:
        return f"of:{self.ground.dpid:016x}"

    def start(self) -> None:
        self.served.start()
        port = self.served.places.api_port
        self.intake = Http(port, self.served.tokens[Role.INTAKE])
        self.operator = Http(port, self.served.tokens[Role.OPERATOR])

    def stop(self) -> None:
        for http in (self.intake, self.operator):
            http.close()
        self.served.end()

    def take_over(self) -> None:
        """The switch is ours, converged, and the rogue is where it is plugged in."""
        self.ground.controlled_by(self.served.places.openflow_port)
        self.until("the switch to be converged", self.converged, LONG)
        self.until("the rogue to be located", self._heard, PATIENCE, ANNOUNCED_EVERY)

    def converged(self) -> bool:
        devices = self.operator.request("GET", "/api/v1/devices").json()
        return any(one["id"] == self.device and one["up"] and one["converged"] for one in _listed(devices))

    def located(self, target: str) -> bool:
        answer = self.operator.request("GET", f"/api/v1/locate?target={target}")
        return bool(answer.json()["status"] == "found")

    def _heard(self) -> bool:
        """What a host said before the switch had taken all flows in is heard by nobody: it says it again."""
        self.ground.announce()
        return self.located(str(self.ground.rogue.ip))

    def alert(self, signature: str, ip: str, named: str = "") -> dict[str, Any]:
        return {
            "id": named or f"bench-{time.time_ns()}-{next(self._alerts)}",
            "signature": signature,
            "observed_at": datetime.now(UTC).isoformat(),
            "src": {"ip": ip},
        }

    def contain(self) -> tuple[Answer, str]:
        alert = self.alert(CONTAINED, str(self.ground.rogue.ip))
        answer = self.intake.request("POST", "/api/v1/alerts/generic", alert)
        result = answer.json()["results"][0]
        if result["disposition"] != "contained":
            raise BenchError(f"the alert led to no containment: {result}")
        return answer, result["containment"]

    def undo(self, which: str) -> None:
        self.operator.request("POST", f"/api/v1/containments/{which}/release", {"reason": "the trial is over"})
        self.until(f"{which} to be removed", lambda: self.case(which)["outcome"] == "removed", PATIENCE)

    def stages(self, which: str) -> dict[str, float]:
        """In milliseconds since the alert's reception, once it is proven."""
        self.until(f"{which} to be proven", lambda: self.case(which)["outcome"] == "proven", PROVEN_WITHIN)
        return self.reached(which)

    def reached(self, which: str) -> dict[str, float]:
        """The stages so far, in milliseconds since the alert's reception."""
        return {name.removeprefix("alert_to_"): after for name, after in self.case(which)["stages_ms"].items()}

    def case(self, which: str) -> dict[str, Any]:
        case: dict[str, Any] = self.operator.request("GET", f"/api/v1/containments/{which}").json()
        return case

    def until(
        self,
        what: str,
        done: Callable[[], bool],
        patience: float,
        every: float = 0.02,
        seen: Callable[[], object] = lambda: "",
    ) -> None:
        ends = time.monotonic() + patience
        while not done():
            if time.monotonic() > ends:
                raise BenchError(f"waited {patience:.0f} s for {what}; seen last: {seen()}")
            time.sleep(every)

    # --- what is held meanwhile -----------------------------------------------------------------------------------

    def hold(self, rules: int, held: int) -> int:
        """So many rules in all, of containments that are stored as every other one and installed; how many there are."""
        more = (rules - held) // RULES_OF_ONE
        if more > 0:
            self.ground.controlled_by(None)
            self.stop()
            self.store(held // RULES_OF_ONE, more)
            self.start()
            self.take_over()
        return held + max(0, more) * RULES_OF_ONE

    def settle(self) -> None:
        """Until what is held is no news any more: it is not looked at closely for proof, which it cannot have."""
        time.sleep(Verifying().patience + SETTLED_AFTER)

    def store(self, first: int, number: int) -> None:
        """Accept so many containments while no daemon runs: a device of its own each, one and all at the crowded port."""
        asyncio.run(self._accept(first, number))

    async def _accept(self, first: int, number: int) -> None:
        store = await Store.open(self.served.settings["store"])
        try:
            for start in range(first, first + number, 500):
                some = range(start, min(start + 500, first + number))
                await asyncio.gather(*(store.accept(self._draft(n), recheck=lambda: None) for n in some))
        finally:
            await store.close()

    def _draft(self, number: int) -> Draft:
        port, now = PortName(self.ground.crowded.edge), time.time()
        mac = Mac(f"02:00:00:7{number >> 16:x}:{number >> 8 & 255:02x}:{number & 255:02x}")
        provenance = Provenance(f"c-be{number:010x}", "held for the benchmark", "bench")
        rules = (Rule(Match(way, port=port, mac=mac), Action.DENY, provenance) for way in Direction)
        return Draft(
            id=provenance.containment,
            endpoint=Endpoint(
                frozenset({mac}), frozenset({IPv4Address(0x0AFA0000 + number)}), Attachment(self.device, port)
            ),
            target=mac,
            profile="full",
            strictness=100,
            expires_at=now + 24 * 3600,
            created_at=now,
            by="bench",
            reason=provenance.reason,
            policy_rule="",
            automatic=False,
            rules={self.device: RuleSet(rules)},
        )


@contextmanager
def contender(ground: Ground, where: Places) -> Iterator[Contender]:
    """Configured and serving, with the switch. In the end the audit log is whole."""
    settings = configuration(load("rogue-host"), ground.plan, where)
    settings |= {"policy": POLICY, "budget": {"per_minute": 1_000_000, "total": 1_000_000}}
    served = Netcordon(where, settings)
    served.install()
    side = Contender(ground, served)
    ground.wipe()
    side.start()
    try:
        side.take_over()
        yield side
        if not served.operator.audit_verify().verified:
            raise BenchError("the audit log is broken")
    finally:
        ground.controlled_by(None)
        served.close()


def _listed(devices: Any) -> list[dict[str, Any]]:
    return list(devices["devices"] if isinstance(devices, dict) else devices)
