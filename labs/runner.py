"""One lab from its beginning to its end, on a network and a Netcordon of its own. `rehearse` is the table of contents."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from labs import state, suricata
from labs.attack import Damage, carry_out, eve, in_words, strike
from labs.configuration import Places
from labs.fabric import Fabric, Hands, Standing
from labs.fire import Fire, got_through
from labs.frames import Phase
from labs.installation import Installation, installed
from labs.judgement import Case, Detected, Evidence, Through, judge
from labs.process import LabError, wait
from labs.result import Result
from labs.scenario import Scenario, Trial, trials
from labs.story import Story
from labs.traffic import SETTLED, Tally, Traffic
from topologies.plan import Host, NetworkPlan, Role

KNOWN_PATIENCE = 60.0
PROVEN_PATIENCE = 30.0
REMOVED_PATIENCE = 60.0
BETWEEN_ANNOUNCEMENTS = 1.0
BETWEEN_LOOKS = 0.1
"""Seconds; looking more often would cost the controller the time that is being measured."""
RUN_UP = 0.5
"""Seconds for which streams run before the alert, and again after the release."""
OPENING = SETTLED
CUT_SHORT = 1.0
"""Seconds that an attacker waits for an answer when it may be contained at any moment."""
FINAL = {"proven", "partial", "failed"}
REFUSED = 3
ACCEPTED_BUT_NOT_PROVEN = (4, 5, 8)
"""Exit codes of `netcordon contain --wait` (docs/exit-codes.md): a guard said no; partial, failed, not proven in time, which is then
judged by what holds."""


@dataclass(frozen=True)
class Site:
    """Everything that stands while a lab runs. `contained` is who is to be: the rogue, where the scenario names nobody else. `bait` is its
    own stream: when its last packet came through is when the block began."""

    scenario: Scenario
    standing: Standing
    on: str
    netcordon: Installation
    traffic: Traffic
    story: Story
    trials: list[Trial]

    @property
    def plan(self) -> NetworkPlan:
        return self.standing.plan

    @property
    def hands(self) -> Hands:
        return self.standing.hands

    @property
    def rogue(self) -> Host:
        return self.plan.actor(Role.ROGUE)

    @property
    def contained(self) -> Host:
        return self.plan.actor(self.scenario.contained)

    @property
    def bait(self) -> Trial:
        return self.baits[0]

    @property
    def streams(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.every is not None]

    @property
    def baits(self) -> list[Trial]:
        return [trial for trial in self.streams if trial.must_stop]

    @property
    def contained_baits(self) -> list[Trial]:
        """Those from it and to it: an incident may have others contained later."""
        return [trial for trial in self.baits if self.contained in (trial.source, trial.to)]

    @property
    def innocent_streams(self) -> list[Trial]:
        return [trial for trial in self.streams if not trial.must_stop]


@contextmanager
def site(scenario: Scenario, plan: NetworkPlan, where: Places, story: Story, on: Fabric) -> Iterator[Site]:
    """Netcordon serving and the network up. Torn down in the opposite order, whatever happens."""
    nonce = secrets.token_bytes(4)
    with ExitStack() as stack:
        with story.step("Netcordon starts, with a database of its own"):
            netcordon = stack.enter_context(installed(scenario, plan, where))
        with story.step(on.in_words(plan)):
            standing = stack.enter_context(on.standing(plan, where.openflow_port, nonce))
            tried = trials(scenario, standing.plan)
            traffic = Traffic(standing.crew, standing.plan, nonce, standing.plan.actor(scenario.contained))
            traffic.start(tried)
        stack.enter_context(on.sensor(netcordon, standing))
        yield Site(scenario, standing, on.name, netcordon, traffic, story, tried)


def rehearse(site: Site, seed: int | None = None) -> Result:
    """The whole lab. Raises LabError or AgentError when it cannot be carried through."""
    get_known(site)
    with site.story.step("The switches' whole state is noted, and who reaches whom"):
        before = state.take(site.hands, site.traffic, Phase.MATRIX_BEFORE)
    try_before(site)
    fire = Fire()
    detected: Detected | None = None
    if site.scenario.detector is not None:
        case, detected = detect(site)
        began = detected.received_at
    else:
        damage = attack(site)
        fire.kindle(site)
        case, began = contain(site, damage, Phase.INCIDENT if fire.burns else Phase.DURING)
    fire.befall(site, case, began)
    case = try_during(site, case)
    through = count_through(site, case, began, fire)
    released_at = release(site, case, fire.cases)
    tally = try_after(site)
    fire.set_right()
    with site.story.step("The switches' state is compared with what it was"):
        differences = before.differences(state.take(site.hands, site.traffic, Phase.MATRIX_AFTER))
    if differences:
        site.hands.keep_thoughts(site.plan, site.netcordon.places.log("switches"))
    evidence = Evidence(
        site.traffic,
        site.trials,
        site.bait,
        tally,
        case,
        began,
        released_at,
        differences,
        through,
        fire.happened,
        detected,
    )
    return judge(site.scenario, evidence, site.on, seed)


def get_known(site: Site) -> None:
    with site.story.step("The controller has taken over the switches"):
        wait(lambda: not _not_adopted(site), "the switches", KNOWN_PATIENCE, seen=lambda: _not_adopted(site))
    with site.story.step("Everyone is known: address, MAC and switch port"):
        announced = [0.0]

        def everyone() -> bool:
            if time.monotonic() - announced[0] > BETWEEN_ANNOUNCEMENTS:
                site.traffic.announce()
                announced[0] = time.monotonic()
            return not _not_placed(site)

        wait(everyone, "every host to be located", KNOWN_PATIENCE, seen=lambda: _not_placed(site))


def _not_adopted(site: Site) -> list[str]:
    devices = {device["id"]: device for device in site.netcordon.get("/api/v1/devices")}
    wanted = [f"of:{switch.datapath}" for switch in site.plan.switches]
    return [
        f"{one}: {'unknown' if one not in devices else 'up' if devices[one]['up'] else 'down'}"
        for one in wanted
        if one not in devices or not (devices[one]["up"] and devices[one]["converged"])
    ]


def _not_placed(site: Site) -> list[str]:
    """Hosts that are not located where they are plugged in. What is at the gateway's MAC is behind it, by definition."""
    wrong = []
    for host in site.plan.hosts:
        if host.role is Role.GATEWAY:
            continue
        for ip in (host.ip, host.ip6):
            found = site.netcordon.get("/api/v1/locate", target=str(ip))
            place = (found["endpoint"] or {}).get("attachment") or {}
            if (place.get("device"), place.get("port")) != (f"of:{site.plan.switch(host.switch).datapath}", host.edge):
                wrong.append(
                    f"{host.name} {ip}: {found['status']} {place.get('port', '')} {'; '.join(found['against'])}"
                )
    return wrong


def try_before(site: Site) -> None:
    with site.story.step("Traffic of every kind is tried, in both directions"):
        for trial in site.streams:
            site.traffic.stream(trial)
        site.traffic.burst(site.trials, Phase.BEFORE)
        site.traffic.settle([trial for trial in site.trials if trial.every is None], Phase.BEFORE)


def attack(site: Site) -> Damage:
    with site.story.step(f"{site.rogue.name} attacks"):
        damage = carry_out(site.scenario.attack, site.plan, site.traffic.crew)
    for line in in_words(damage):
        site.story.say(line)
    return damage


def contain(site: Site, damage: Damage, innocent: Phase = Phase.DURING) -> tuple[Case, float]:
    """The containment as far as it came, and when its clock began (seconds since the epoch). The innocent streams go on as `innocent`."""
    time.sleep(RUN_UP)
    site.traffic.phase(Phase.REACTION, site.baits)
    site.traffic.phase(innocent, site.innocent_streams)
    if site.scenario.alert is not None:
        with site.story.step("An alert as Suricata writes it is posted, and Netcordon acts on it"):
            began = time.time()
            case = _final(site, _post_alert(site, damage))
    else:
        case = _contain_by_hand(site)
        began = datetime.fromisoformat(case["created_at"]).timestamp()
    site.story.containment(case)
    return case, began


def detect(site: Site) -> tuple[Case, Detected]:
    """As `contain`, where nobody tells Netcordon of the attack but what a detector writes of it."""
    with ExitStack() as stack:
        with site.story.step(f"Suricata listens at a mirror of {site.rogue.name}'s switch"):
            interface = stack.enter_context(suricata.mirror(site.plan.switch(site.rogue.switch).name))
            stack.enter_context(suricata.watching([interface], site.netcordon.places.folder))
        time.sleep(RUN_UP)
        site.traffic.phase(Phase.REACTION, site.baits)
        site.traffic.phase(Phase.DURING, site.innocent_streams)
        with site.story.step(f"{site.rogue.name} attacks, and Netcordon reads of it in Suricata's log"):
            began = time.time()
            tried, doors, infected = strike(site.scenario.attack, site.plan, site.traffic.crew, CUT_SHORT)
            first, *_ = wait(lambda: _containing(site), "an alert of Suricata's that contains", PROVEN_PATIENCE)
            case = _final(site, first["containment"])
        site.story.say(f"{site.rogue.name} tried {tried} doors, {len(doors)} were open; it copied itself to {infected}")
    site.story.containment(case)
    seen, received = (datetime.fromisoformat(first[at]).timestamp() for at in ("observed_at", "received_at"))
    return case, Detected(began, seen, received, tuple(infected))


def _containing(site: Site) -> list[dict[str, Any]]:
    """The alerts that led to the containment, the first one first: those after it joined that."""
    found = [one for one in site.netcordon.get("/api/v1/alerts", limit="1000") if one["containment"] is not None]
    return sorted(found, key=lambda one: str(one["received_at"]))


def _post_alert(site: Site, damage: Damage) -> str:
    """The id of the containment that the alert led to. Raises LabError with Netcordon's reason when there is none."""
    if site.scenario.alert is None:
        raise LabError("this scenario has no alert")
    record = eve(site.scenario.alert, damage.last, site.rogue.edge)
    answer = site.netcordon.request("POST", "/api/v1/alerts/suricata", "intake", json=record)
    (taken,) = answer["results"]
    if taken["containment"] is None:
        raise LabError(f"the alert led to no containment: {taken['disposition'] or taken['status']}: {taken['reason']}")
    return str(taken["containment"])


def _final(site: Site, containment: str) -> Case:
    """The case once it is as far as it is to come, or can get no further by itself; as it stands when neither comes in time."""
    deadline = time.monotonic() + PROVEN_PATIENCE
    while True:
        case: Case = site.netcordon.get(f"/api/v1/containments/{containment}")
        if case["outcome"] in FINAL | {site.scenario.expect} or time.monotonic() > deadline:
            return case
        time.sleep(BETWEEN_LOOKS)


def _contain_by_hand(site: Site) -> Case:
    operator = site.scenario.operator
    if operator is None:
        raise LabError("this scenario has no operator")
    who = str(site.contained.ip)
    words = ["contain", who, "--profile", operator.profile, "--reason", operator.reason, "--for", operator.duration]
    if operator.override:
        with site.story.step(f"An operator contains {who} by the command line, and is refused"):
            refused = site.netcordon.command(*words, "--yes", fine=(REFUSED,))
        site.story.say(f"{refused['message']} ({refused['hint']})")
        words.append("--override")
    by = "approver" if operator.override else "operator"
    insists = ", and insists" if operator.override else ""
    with site.story.step(f"An {by} contains {who} by the command line{insists}"):
        waiting = ["--yes", "--wait", "--until", site.scenario.expect]
        answer = site.netcordon.command(*words, *waiting, role=by, fine=(0, *ACCEPTED_BUT_NOT_PROVEN))
        return _final(site, answer["containment"]["id"])


def try_during(site: Site, case: Case) -> Case:
    """The case as it stands after all was tried against it."""
    with site.story.step("The same is tried again, and all ways around the block"):
        site.traffic.phase(Phase.DURING, site.baits)
        site.traffic.burst(site.trials, Phase.DURING, claims=True)
        site.traffic.settle_silence()
        site.traffic.phase(Phase.RELEASING, site.baits)
    now: Case = site.netcordon.get(f"/api/v1/containments/{case['id']}")
    return now


def count_through(site: Site, case: Case, began: float, fire: Fire) -> Through:
    """Frames of the contained's baits since the controller's word and until now. An incident counts its own."""

    def since(stage: str, settled: float = 0.0) -> int | None:
        told = case["stages_ms"].get(stage)
        if told is None:
            return None
        at, now = began + told / 1000 + settled, time.time()
        seen = [when for bait in site.contained_baits for _, when in got_through(site, bait, at, now)]
        return sum(not any(begin <= when <= end for begin, end in fire.spans) for when in seen)

    return Through(since("alert_to_installed"), since("alert_to_installed", SETTLED), since("alert_to_proven"))


def release(site: Site, case: Case, cases: Sequence[str]) -> float | None:
    """All `cases`, this one last. Gives when it was asked for, in seconds since the epoch; None by the command line, whose own start is
    not to be counted. Raises LabError when the rules do not go away in time."""
    path = f"/api/v1/containments/{case['id']}"
    with site.story.step("The host is released"):
        site.traffic.phase(Phase.AFTER, site.innocent_streams)
        for other in (id for id in cases if id != case["id"]):
            site.netcordon.request(
                "POST", f"/api/v1/containments/{other}/release", "operator", json={"reason": "cleaned"}
            )
            wait(lambda: _outcome(site, other) == "removed", f"{other} to be removed", REMOVED_PATIENCE)  # noqa: B023 (called at once)
        asked_at = time.time()
        if site.scenario.operator is not None:
            site.netcordon.command("release", case["id"], "--reason", "cleaned")
        else:
            site.netcordon.request("POST", f"{path}/release", "operator", json={"reason": "cleaned"})
        wait(
            lambda: site.netcordon.get(path)["outcome"] == "removed",
            "the containment to be removed",
            REMOVED_PATIENCE,
            seen=lambda: [site.netcordon.get(path)[key] for key in ("outcome", "devices")],
        )
        time.sleep(OPENING)
        site.traffic.phase(Phase.AFTER, site.baits)
    return asked_at if site.scenario.operator is None else None


def _outcome(site: Site, case: str) -> str:
    return str(site.netcordon.get(f"/api/v1/containments/{case}")["outcome"])


def try_after(site: Site) -> Tally:
    with site.story.step("Traffic of every kind is tried once more"):
        site.traffic.burst(site.trials, Phase.AFTER)
        time.sleep(RUN_UP)
        for trial in site.streams:
            site.traffic.stop(trial)
        return site.traffic.settle(site.trials, Phase.AFTER)
