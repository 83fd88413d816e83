"""The controller killed between the pushes to two switches, and what is left when it is started again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labs import wiring
from labs.incidents import Crash
from labs.process import wait
from topologies.plan import Host

if TYPE_CHECKING:
    from labs.runner import Site

PATIENCE = 30.0
HELD = ("installed", "proven")


@dataclass
class Deed:
    """An incident that was carried out: how to undo it in the network, whether the controller has mended what it did (as far as the audit
    log's words do not tell), what is wrong once it has, and figures of this kind alone."""

    undo: wiring.Undo | None = None
    mended: Callable[[], bool] = lambda: True
    wrong: Callable[[], list[str]] = list
    noted: dict[str, Any] = field(default_factory=dict)


def crash(site: Site, what: Crash, cases: list[str]) -> Deed:
    """`cases` gets those that are contained here. Mended: each of them is proven, by the word of the new daemon."""
    reached, cut_off = (site.plan.actor(role) for role in what.containing)
    lead_back = wiring.lead_astray(cut_off.switch)
    try:
        wait(lambda: not _up(site, cut_off), "the second switch to be out of reach", PATIENCE)
        told = [_contain(site, host) for host in (reached, cut_off)]
        cases += told
        wait(lambda: _outcome(site, told[0]) in HELD, "the first push", PATIENCE, seen=lambda: _outcome(site, told[0]))
        queued = _outcome(site, told[1])
        site.netcordon.kill()
    finally:
        lead_back()
    noted: dict[str, Any] = {"second_when_killed": queued, "flows_of_second_when_killed": _ours(cut_off)}
    began = time.monotonic()
    site.netcordon.start()
    noted["answers_ms"] = round((time.monotonic() - began) * 1000)

    def mended() -> bool:
        outcomes = [_outcome(site, case) for case in cases]
        if "converged_ms" not in noted and all(one in HELD for one in outcomes):
            noted["converged_ms"] = round((time.monotonic() - began) * 1000)
        return all(one == "proven" for one in outcomes)

    return Deed(mended=mended, wrong=lambda: _wrong(site, cases), noted=noted)


def _contain(site: Site, host: Host) -> str:
    wish = {"target": str(host.ip), "reason": "it took a copy", "for": "1h"}
    answer = site.netcordon.request("POST", "/api/v1/containments", "operator", json=wish)
    return str(answer["containment"]["id"])


def _outcome(site: Site, case: str) -> str:
    return str(site.netcordon.get(f"/api/v1/containments/{case}")["outcome"])


def _up(site: Site, host: Host) -> bool:
    wanted = f"of:{site.plan.switch(host.switch).datapath}"
    return any(device["up"] for device in site.netcordon.get("/api/v1/devices") if device["id"] == wanted)


def _ours(host: Host) -> int:
    """How many flows name the host's port."""
    return wiring.ofctl("dump-flows", host.switch, f"in_port={host.port}").count("actions=")


def _wrong(site: Site, cases: list[str]) -> list[str]:
    """What was lost of what had been acknowledged, and what is there twice."""
    listed = site.netcordon.get("/api/v1/containments", want="held")["containments"]
    held = [case["id"] for case in listed]
    wrong = [f"{case} is lost" for case in cases if case not in held]
    wrong += [f"{case} was never asked for" for case in held if case not in cases]
    return wrong + [line for switch in site.plan.switches for line in wiring.doubled(switch.name)]
