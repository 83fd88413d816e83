"""What a drill works with: a network that stands, a Netcordon that serves it, streams that are counted, and what was seen of each."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import yaml

from labs.closet.stage import Check
from labs.configuration import Places, configured
from labs.fabric import Fabric, Standing, SwitchState
from labs.frames import Kind, Phase, frame
from labs.installation import Installation, installed_by
from labs.process import wait
from labs.scenario import Means, Trial
from labs.story import Story
from labs.traffic import Traffic, station
from topologies.plan import Host, NetworkPlan, Role

PATIENCE = 60.0
BETWEEN_ANNOUNCEMENTS = 2.0
PROTECTED = (Role.GATEWAY, Role.DOMAIN_CONTROLLER, Role.FILE_SERVER)
SETTLING = 1.0
"""Seconds for frames that are on their way when a count is taken."""


@dataclass
class Stage:
    """`figures` are the drill's own, for whoever reads its result."""

    netcordon: Installation
    standing: Standing
    traffic: Traffic
    story: Story
    checks: list[Check] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    _streams: list[Trial] = field(default_factory=list)

    @property
    def plan(self) -> NetworkPlan:
        return self.standing.plan

    def holds(self, what: str, held: bool, seen: object = "") -> None:
        """Note it, and go on in any case."""
        self.checks.append(Check(what, held, "" if held else str(seen)))
        (self.story.say if held else self.story.error)(what if held else f"not so: {what} {seen}")

    def until(self, what: str, done: Callable[[], object], seen: Callable[[], object] = lambda: "") -> None:
        """Once that is true it is noted. Raises LabError when it does not come."""
        with self.story.step(what):
            wait(done, what, PATIENCE, seen=seen)
        self.checks.append(Check(what, held=True))

    # --- the controller ---------------------------------------------------------------------------------------------------

    def everyone_known(self) -> None:
        """Each host is located where it is plugged in, by what it said itself. The gateway is a router: what is at its MAC is behind it."""
        missing = {host.name: host for host in self.plan.hosts if host.role is not Role.GATEWAY}
        announced = 0.0

        def known() -> bool:
            nonlocal announced
            if time.monotonic() - announced > BETWEEN_ANNOUNCEMENTS:
                self.announce(missing.values())
                announced = time.monotonic()
            for host in list(missing.values()):
                if self._place(host) in {(f"of:{switch.datapath}", port) for switch, port in self.plan.seen_at(host)}:
                    del missing[host.name]
            return not missing

        self.until(f"all {len(missing)} hosts are known: address, MAC and switch port", known, lambda: sorted(missing))

    def announce(self, hosts: Iterable[Host]) -> None:
        """Each asks once for the gateway's address."""
        gateway = station(self.plan.actor(Role.GATEWAY))
        asked = {
            host.name: {
                "frames": [frame(Kind.ARP, station(host), gateway, self.traffic.around, b"").hex()],
                "gap": 0,
            }
            for host in hosts
        }
        self.standing.crew.ask_all("send", asked)

    def _place(self, host: Host) -> tuple[str | None, str | None]:
        found = self.netcordon.get("/api/v1/locate", target=str(host.ip))
        place = (found["endpoint"] or {}).get("attachment") or {}
        return place.get("device"), place.get("port")

    def configure(self, settings: Mapping[str, Any]) -> None:
        """The daemon is ended, and started with this configuration."""
        with self.story.step("Netcordon starts anew, with another policy"):
            self.netcordon.stop()
            self.netcordon.places.configuration.write_text(yaml.safe_dump(dict(settings), sort_keys=False))
            self.netcordon.start()
        self.until("it has its switches again", lambda: not self._not_adopted(), self._not_adopted)

    def _not_adopted(self) -> list[str]:
        up = {one["id"] for one in self.netcordon.get("/api/v1/devices") if one["up"] and one["converged"]}
        return [switch.name for switch in self.plan.switches if f"of:{switch.datapath}" not in up]

    def cases(self) -> list[dict[str, Any]]:
        """All that were ever contained and are not removed."""
        found: list[dict[str, Any]] = self.netcordon.get("/api/v1/containments", limit="1000")["containments"]
        return [one for one in found if one["outcome"] != "removed"]

    def held(self) -> dict[str, str]:
        """Who is contained, by name, and how far that came."""
        names = {str(host.ip): host.name for host in self.plan.hosts}
        names |= {host.mac: host.name for host in self.plan.hosts}
        return {names.get(one["target"], one["target"]): one["outcome"] for one in self.cases()}

    def accuse(self, host: Host, signature: str, key: str | None = None) -> dict[str, Any]:
        """A sensor's alert about this host; what it came to. `key`: the alert's id, where it matters."""
        alert = {
            "id": key or f"{signature.split()[0]}-{time.time_ns()}",
            "signature": signature,
            "observed_at": datetime.now(UTC).isoformat(),
            "src": {"ip": str(host.ip)},
            "severity": 5,
        }
        answer = self.netcordon.request("POST", "/api/v1/alerts/generic", "intake", json=alert)
        (taken,) = answer["results"]
        return dict(taken)

    def release_all(self) -> None:
        """By the panic button's other half, on the command line."""
        with self.story.step("All are released: netcordon release --all"):
            self.netcordon.command("release", "--all", "--reason", "the drill is over", "--yes", "--wait")
        self.until("nothing is held any more", lambda: not self.cases(), self.held)

    # --- traffic ----------------------------------------------------------------------------------------------------------

    def stream(self, source: Host, to: Host, every: float) -> None:
        """UDP frames, one each `every` seconds until the drill ends; they are counted at both ends."""
        trial = Trial(len(self._streams), Means(Kind.UDP), source, to, must_stop=False, every=every)
        self._streams.append(trial)
        self.traffic.stream(trial)

    def streams_go_on_as(self, phase: Phase) -> None:
        """What is sent from now on is counted by itself. Each phase is used once."""
        self.traffic.phase(phase, self._streams)

    def lost(self, phase: Phase, then: Phase | None = None) -> dict[str, tuple[int, int]]:
        """That phase is over, and the streams go on as `then`, or end. Of each, by its name: how many frames of the phase left, and how
        many of them never arrived. A count while it still went on would take for lost what is on its way."""
        if then is not None:
            self.streams_go_on_as(then)
        else:
            for trial in self._streams:
                self.traffic.stop(trial)
        time.sleep(SETTLING)
        tally = self.traffic.tally()
        counts = {trial.name: self.traffic.count(trial, phase, tally) for trial in self._streams}
        return {name: (count.sent, count.sent - count.received) for name, count in counts.items()}

    def reaches(self, sources: Sequence[Host], to: Host, port: int) -> dict[str, bool]:
        """Who of them gets an answer over TCP: what was said comes back as its digest."""
        asked = {host.name: {"attempts": [self.attempt(to, port)]} for host in sources}
        told = self.standing.crew.ask_all("connect", asked)
        return {name: bool(result["exchanged"]) for name, (result,) in told.items()}

    def attempt(self, to: Host, port: int) -> dict[str, Any]:
        """One connection, for an agent's `connect`."""
        said = secrets.token_hex(64)
        return {"ip": str(to.ip), "port": port, "udp": False, "source_port": 0, "say": said, "patience": 3.0}

    # --- the switches -----------------------------------------------------------------------------------------------------

    def switches(self) -> SwitchState:
        return self.standing.hands.state(self.plan)

    def unchanged(self, before: SwitchState) -> None:
        """To the last flow, port flag and database row."""
        now = self.switches()
        odd = [" ".join(key) for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
        self.holds("the switches are what they were, to the last flow", not odd, odd[:5])


@contextmanager
def standing_stage(
    plan: NetworkPlan, policy: Mapping[str, Any], more: Mapping[str, Any], where: Places, story: Story, on: Fabric
) -> Iterator[Stage]:
    """Netcordon serving with this policy, `more` of its configuration beside it, and the network up with an agent in each host. Suricata's
    log is followed."""
    nonce = secrets.token_bytes(4)
    with ExitStack() as stack:
        with story.step("Netcordon starts, with a database of its own"):
            netcordon = stack.enter_context(installed_by(settings(plan, where, policy, more), where))
        with story.step(on.in_words(plan)):
            standing = stack.enter_context(on.standing(plan, where.openflow_port, nonce))
        stage = Stage(netcordon, standing, Traffic(standing.crew, standing.plan, nonce), story)
        stage.until("the controller has taken over the switches", lambda: not stage._not_adopted(), stage._not_adopted)
        yield stage


def settings(
    plan: NetworkPlan, where: Places, policy: Mapping[str, Any], more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """`more` is added to what it has, section by section; of `network` key by key."""
    settings, added = configured(plan, where, policy, PROTECTED, detector="suricata"), dict(more or {})
    return {**settings, **added, "network": settings["network"] | added.get("network", {})}
