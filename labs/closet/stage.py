"""What a lab in a closet works with: the hosts' reach, the switches' configuration, the controller, and what was seen of each."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import yaml

from labs.installation import Installation
from labs.process import LabError, wait
from labs.story import Story
from topologies.vendor.closet import Cable, Guest, RunningCloset, Unit

PATIENCE = 60.0
"""Seconds for whatever takes a look at a switch, a push over SSH, and a lease."""
REFUSED = 3
"""Exit code of a command that a guard refused (docs/exit-codes.md)."""
BETWEEN_PINGS = 0.05


@dataclass(frozen=True)
class Check:
    """What must be, and whether it was; `seen` says what was, where it was not."""

    what: str
    held: bool
    seen: str = ""


@dataclass
class Stage:
    netcordon: Installation
    running: RunningCloset
    story: Story
    in_band: int | None = None
    checks: list[Check] = field(default_factory=list)
    took: dict[str, float] = field(default_factory=dict)

    def guest(self, name: str) -> Guest:
        return self.running.guest(name)

    def unit(self, name: str) -> Unit:
        return next(one for one in self.running.closet.units if one.name == name)

    def holds(self, what: str, held: bool, seen: object = "") -> None:
        """Note it, and go on in any case."""
        self.checks.append(Check(what, held, "" if held else str(seen)))
        (self.story.say if held else self.story.error)(what if held else f"not so: {what} {seen}")

    def until(self, what: str, done: Callable[[], object], seen: Callable[[], object] = lambda: "") -> None:
        """Once that is true it is noted, with how long it took. Raises LabError when it does not come."""
        began = time.monotonic()
        with self.story.step(what):
            wait(done, what, PATIENCE, seen=seen)
        self.took[what] = time.monotonic() - began
        self.checks.append(Check(what, held=True))

    # --- hosts ------------------------------------------------------------------------------------------------------------

    def address(self, name: str) -> str:
        """Its IPv4 address, of whichever cable; empty when it has none."""
        words = [*self.running.inside(name), "ip", "-4", "-o", "address", "show", "scope", "global"]
        told = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
        return told[told.index("inet") + 1].partition("/")[0] if "inet" in told else ""

    def reaches(self, name: str, address: str) -> bool:
        words = [*self.running.inside(name), "ping", "-c", "2", "-i", "0.2", "-W", "1", address]
        return subprocess.run(words, check=False, capture_output=True).returncode == 0

    def speaks(self, name: str) -> bool:
        """It asks for an address that nobody has, so that its switch hears it."""
        words = [
            *self.running.inside(name),
            "ping",
            "-c",
            "1",
            "-W",
            "1",
            f"{self.address(name).rpartition('.')[0]}.251",
        ]
        subprocess.run(words, check=False, capture_output=True)
        return True

    def run(self, name: str, *words: str) -> None:
        subprocess.run([*self.running.inside(name), *words], check=True, capture_output=True)

    def reach(self, name: str, address: str, what: str, *, wanted: bool) -> None:
        verb = "reaches" if wanted else "does not reach"
        self.holds(f"{name} {verb} {what} ({address})", self.reaches(name, address) is wanted)

    def back(self, name: str, address: str, what: str) -> None:
        """After a release: the switch may go by what it decided a moment ago (docs/decisions/0014), and a host asks for an address once a
        second."""
        self.until(f"{name} reaches {what} ({address}) again", lambda: self.reaches(name, address))

    @contextmanager
    def stream(self, name: str, to: str) -> Iterator[None]:
        """Pings that run without a pause as long as the block; not one may be lost."""
        words = [*self.running.inside(name), "ping", "-i", str(BETWEEN_PINGS), self.guest(to).ip]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pings:
            try:
                yield
            finally:
                pings.send_signal(signal.SIGINT)
                told = pings.communicate(timeout=10)[0]
        summary = next((line for line in told.splitlines() if "transmitted" in line), "it said nothing")
        self.holds(f"{name}'s stream to {to} lost nothing", ", 0% packet loss" in summary, summary)

    # --- the controller ---------------------------------------------------------------------------------------------------

    def located(self, name: str, cable: Cable) -> None:
        guest = self.guest(name)
        there = {"device": cable.unit.name, "port": cable.port}

        def place() -> Mapping[str, Any]:
            found = self.netcordon.get("/api/v1/locate", target=guest.mac)
            return (found["endpoint"] or {}).get("attachment") or {}

        def is_there() -> bool:
            self.speaks(name)
            return {key: place().get(key) for key in there} == there

        self.until(f"{name} is located at {cable.port} of {cable.unit.name}", is_there, place)

    def contain(self, name: str, profile: str) -> str:
        """Its id. What the command line says is believed only as far as the checks that follow."""
        words = ["contain", self.guest(name).mac, "--profile", profile, "--reason", "rehearsal", "--for", "1h"]
        waiting = ["--yes", "--wait", "--until", "installed", "--timeout", f"{PATIENCE:.0f}s"]
        began = time.monotonic()
        with self.story.step(f"An operator contains {name} by profile {profile}"):
            answer = self.netcordon.command(*words, *waiting)
        self.took[f"contain {name}"] = time.monotonic() - began
        case: dict[str, Any] = self.netcordon.get(f"/api/v1/containments/{answer['containment']['id']}")
        self.story.containment(case)
        return str(case["id"])

    def refused(self, name: str, profile: str) -> Mapping[str, Any]:
        """What the command line says to an operator who may not contain it."""
        words = ["contain", self.guest(name).mac, "--profile", profile, "--reason", "rehearsal", "--yes"]
        return self.netcordon.command(*words, fine=(REFUSED,))

    def configure(self, settings: Mapping[str, Any]) -> None:
        """The daemon is ended, and started with this configuration."""
        with self.story.step("Netcordon starts anew, with another configuration"):
            self.netcordon.stop()
            self.netcordon.places.configuration.write_text(yaml.safe_dump(dict(settings), sort_keys=False))
            self.netcordon.start()

    def outcome(self, case: str) -> str:
        return str(self.netcordon.get(f"/api/v1/containments/{case}")["outcome"])

    def release(self, case: str, name: str) -> None:
        began = time.monotonic()
        with self.story.step(f"{name} is released"):
            self.netcordon.command("release", case, "--reason", "cleaned", "--wait", "--timeout", f"{PATIENCE:.0f}s")
        if (outcome := self.outcome(case)) != "removed":
            raise LabError(f"{name} was released, and its containment is {outcome}")
        self.took[f"release {name}"] = time.monotonic() - began

    # --- the switches -----------------------------------------------------------------------------------------------------

    def configurations(self) -> dict[str, str]:
        return {unit.name: self.running.configuration(unit) for unit in self.running.closet.units}

    def unchanged(self, before: Mapping[str, str]) -> None:
        """Byte for byte."""
        for name, text in self.configurations().items():
            was, now = before[name].splitlines(), text.splitlines()
            odd = [f"- {one}" for one in was if one not in now] + [f"+ {one}" for one in now if one not in was]
            self.holds(f"{name}'s configuration is byte for byte what it was", text == before[name], odd[:9])
