"""The controller, or the speaker, killed in the middle of a push over two switches, and what is left when it is started again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labs.cut import Cut
from labs.fabric import Plug, Undo
from labs.incidents import Crash
from labs.process import wait
from labs.traffic import SETTLED
from topologies.plan import Host

if TYPE_CHECKING:
    from labs.runner import Site

PATIENCE = 30.0
HELD = ("installed", "proven")
BETWEEN_ANNOUNCEMENTS = 1.0
PASSED = 4
"""Messages of the push, its barriers counted, that still reach the switch: of nine or more. The port's flag and the bundle's beginning are
among them, its commit is not."""


@dataclass
class Deed:
    """An incident that was carried out: how to undo it in the network, whether the controller has mended what it did (as far as the audit
    log's words do not tell), what is wrong once it has, figures of this kind alone, and who was contained in it: the host's name, and
    since when (seconds since the epoch) nothing of its may get through."""

    undo: Undo | None = None
    mended: Callable[[], bool] = lambda: True
    wrong: Callable[[], list[str]] = list
    noted: dict[str, Any] = field(default_factory=dict)
    silent: dict[str, float] = field(default_factory=dict)


def crash(site: Site, what: Crash, cases: list[str]) -> Deed:
    """`cases` gets those that are contained here. Mended: each case is proven, by the word of the daemon that runs then. Silent: who is
    contained here, from a little after that was first said to be installed, whatever was killed since."""
    crashing = _Crashing(site, what, cases)
    crashing.kill_within_a_push()
    crashing.start_again()
    return Deed(mended=crashing.mended, wrong=lambda: _wrong(site, cases), noted=crashing.noted, silent=crashing.silent)


class _Crashing:
    def __init__(self, site: Site, what: Crash, cases: list[str]) -> None:
        self._site, self._what, self._cases = site, what, cases
        self._reached, self._cut_off = (site.plan.actor(role) for role in what.containing)
        self._contained: dict[str, str] = {}  # by the host's name
        self._began = 0.0
        self.noted: dict[str, Any] = {}
        self.silent: dict[str, float] = {}

    def kill_within_a_push(self) -> None:
        """The second switch's session leads over a wire that stops in the middle of its push: the rest is lost with the session."""
        self._contain(self._reached)
        self._wait_held()
        with Cut(self._site.netcordon.places.openflow_port) as cut:
            lead_back = self._site.hands.lead_over(self._cut_off.switch, cut.port)
            try:
                wait(lambda: cut.sessions and self._up(), "the second switch to be back by the other wire", PATIENCE)
                wait(self._located, "the second host to be located again", PATIENCE, seen=self._location)
                before = cut.changes
                cut.hold_after(PASSED)
                self._contain(self._cut_off)
                wait(cut.held.is_set, "the second push to be under way", PATIENCE, seen=self._outcomes)
                self.noted["messages_passed_on"] = cut.changes - before
                self._kill()
            finally:
                lead_back()
        self.noted["flows_of_second_when_killed"] = self._site.hands.flows_of(
            Plug(self._cut_off.switch, self._cut_off.port)
        )

    def start_again(self) -> None:
        self._began = time.monotonic()
        if self._what.whom == "speaker":
            self._site.netcordon.start_speaker()
            return
        self._site.netcordon.start()
        self.noted["answers_ms"] = self._since_the_start()

    def mended(self) -> bool:
        outcomes = self._outcomes()
        if "converged_ms" not in self.noted and all(one in HELD for one in outcomes.values()):
            self.noted["converged_ms"] = self._since_the_start()
        self._note_silent(outcomes)
        return all(one == "proven" for one in outcomes.values())

    def _kill(self) -> None:
        self.noted["second_when_killed"] = self._outcomes()[self._contained[self._cut_off.name]]
        if self._what.whom == "speaker":
            self._site.netcordon.kill_speaker()
        else:
            self._site.netcordon.kill()

    def _contain(self, host: Host) -> None:
        wish = {"target": str(host.ip), "reason": "it took a copy", "for": "1h"}
        answer = self._site.netcordon.request("POST", "/api/v1/containments", "operator", json=wish)
        case = self._contained[host.name] = str(answer["containment"]["id"])
        self._cases.append(case)

    def _wait_held(self) -> None:
        def held() -> bool:
            self._note_silent(self._outcomes())
            return self._reached.name in self.silent

        wait(held, "the first push", PATIENCE, seen=self._outcomes)

    def _note_silent(self, outcomes: dict[str, str]) -> None:
        at = time.time() + SETTLED
        self.silent |= {
            name: at for name, case in self._contained.items() if outcomes[case] in HELD and name not in self.silent
        }

    def _outcomes(self) -> dict[str, str]:
        return {case: str(self._site.netcordon.get(f"/api/v1/containments/{case}")["outcome"]) for case in self._cases}

    def _up(self) -> bool:
        wanted = f"of:{self._site.plan.switch(self._cut_off.switch).datapath}"
        return any(device["up"] for device in self._site.netcordon.get("/api/v1/devices") if device["id"] == wanted)

    def _located(self) -> bool:
        """For some seconds after a switch came back nobody can tell what its ports lead to, and who sits there must be heard again."""
        self._site.traffic.announce()
        time.sleep(BETWEEN_ANNOUNCEMENTS)
        return bool(self._location()["status"] == "found")

    def _location(self) -> Any:
        return self._site.netcordon.get("/api/v1/locate", target=str(self._cut_off.ip))

    def _since_the_start(self) -> int:
        return round((time.monotonic() - self._began) * 1000)


def _wrong(site: Site, cases: list[str]) -> list[str]:
    """What was lost of what had been acknowledged, and what is there twice."""
    listed = site.netcordon.get("/api/v1/containments", want="held")["containments"]
    held = [case["id"] for case in listed]
    wrong = [f"{case} is lost" for case in cases if case not in held]
    wrong += [f"{case} was never asked for" for case in held if case not in cases]
    return wrong + [line for switch in site.plan.switches for line in site.hands.doubled(switch.name)]
