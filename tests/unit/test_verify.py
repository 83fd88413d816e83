"""`proven` needs a witness besides our own belief. Whatever else is silent (a pulled cable, a dead sensor, a missing counter) stays
`installed`, with the reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any, cast

import pytest

from controller.config import Verifying
from controller.discovery.desk import SensorDesk, SensorView
from controller.discovery.probes import FrameSeen, Probe, ProbeAnswer, ProbeResult
from controller.errors import Conflict
from controller.model import Containment, DeviceOutcome, Endpoint, Outcome, Stage, Target, Want
from controller.store import Store
from controller.verify import FRESH_AT_ONCE, LATE_AT_ONCE, Verifier
from drivers.base import DeviceUnreachable, Driver, ObservedRule, ObservedState, PortState, Scope, Sighting
from drivers.rules import Action, Direction, Mac, Match, Provenance, Rule
from tests.campus import NOW, S1, Campus, campus, mac, place, port

WINDOW = 0.05
PORT = port(3)
PROVENANCE = Provenance("c-1")
FROM = Rule(Match(Direction.FROM, port=PORT), Action.DENY, PROVENANCE)
TO = Rule(Match(Direction.TO, port=PORT), Action.DENY, PROVENANCE)
WITNESS = f"witness:{PORT}"
PUSHED = NOW - 2.0


@dataclass
class Switch:
    """Each observation takes the next of `counts`: frames denied and frames passed; the last one stays. None: not counted."""

    counts: list[tuple[int | None, int | None]] = field(default_factory=lambda: [(0, 0)])
    links: list[bool | None] = field(default_factory=lambda: [True])
    boots: list[str] = field(default_factory=lambda: ["boot-1"])
    held: set[str] = field(default_factory=lambda: {FROM.id, TO.id})
    looks: int = 0
    away: bool = False

    async def observe(self, scope: Scope) -> ObservedState:
        self.looks += 1
        if self.away:
            raise DeviceUnreachable("no session")
        denied, passed = _next(self.counts)
        up, boot = _next(self.links), _next(self.boots)
        rules = [ObservedRule(name, "x", denied if name == FROM.id else None) for name in sorted(self.held)]
        rules += [] if passed is None else [ObservedRule(WITNESS, "x", passed)]
        ports = {} if up is None else {PORT: PortState(up)}
        return ObservedState(boot, NOW, tuple(r for r in rules if r.rule_id in (scope.rule_ids or ())), ports)


def _next(of: list[Any]) -> Any:
    return of.pop(0) if len(of) > 1 else of[0]


@dataclass
class Desk:
    """`answers`: who answered a sensor last, when. `silent` and `control` are what a probe comes to."""

    answers: dict[object, float] = field(default_factory=dict)
    live: bool = True
    silent: bool = True
    control: bool = True
    trouble: str = ""
    seen: dict[Mac, list[tuple[str, FrameSeen]]] = field(default_factory=dict)
    asked: list[Probe] = field(default_factory=list)
    watched: set[Mac] = field(default_factory=set)
    busy: bool = False

    def watch(self, macs: Iterable[Mac]) -> None:
        self.watched |= set(macs)

    def unwatch(self, macs: Iterable[Mac]) -> None:
        self.watched -= set(macs)

    def sensors(self) -> list[SensorView]:
        return [SensorView("s", NOW, live=self.live)]

    def last_answer(self, who: object) -> float | None:
        return self.answers.get(who)

    def seen_since(self, who: Mac, at: float) -> list[tuple[str, FrameSeen]]:
        return [one for one in self.seen.get(who, []) if one[1].at >= at]

    async def probe(self, probe: Probe, timeout: float) -> list[ProbeResult]:
        self.asked.append(probe)
        if self.busy:
            raise Conflict("too many probes are on their way")
        at = None if self.silent else NOW
        answered = NOW if self.control else None
        return [
            ProbeResult(
                id=probe.id,
                target=probe.target,
                answers=[ProbeAnswer(kind="arp", sent_at=NOW, answered_at=at)],
                control_answers=[ProbeAnswer(kind="arp", sent_at=NOW, answered_at=answered)],
                started_at=NOW,
                ended_at=NOW,
                trouble=self.trouble,
                sensor="s",
            )
        ]


@dataclass
class Cases:
    """Stands for the store: one containment, and what was said of it."""

    case: Containment
    reasons: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)
    refuse: bool = False

    async def containment(self, name: str) -> Containment:
        await asyncio.sleep(0)
        return self.case

    async def set_proven(self, name: str, at: float, evidence: str, revision: int | None = None) -> Containment:
        assert revision == self.case.revision, "what is shown is said of what was looked at"
        if self.refuse:
            self.case = replace(self.case, outcome=Outcome.DRIFTED)
        else:
            self.evidence.append(evidence)
            self.case = replace(self.case, outcome=Outcome.PROVEN)
        return self.case

    async def set_outcome(
        self, name: str, device: str, outcome: DeviceOutcome, revision: int | None = None
    ) -> Containment:
        assert revision == self.case.revision, "what was seen is said of what was proven"
        self.reasons.append(outcome.reason)
        self.case = replace(self.case, outcome=outcome.outcome)
        return self.case

    async def set_unproven(self, name: str, reason: str) -> Containment:
        self.reasons.append(reason)
        self.case = replace(self.case, unproven=reason)
        return self.case


@dataclass
class Scene:
    net: Campus
    switch: Switch
    desk: Desk
    cases: Cases
    verifier: Verifier
    now: Callable[[], float]
    heard: list[Outcome] = field(default_factory=list)
    distrusted: list[str] = field(default_factory=list)

    def begin(self) -> None:
        self.verifier.changed([self.cases.case])

    async def reason(self) -> str:
        """What is said about why it is not proven, once it was looked at."""
        self.begin()
        await until(lambda: bool(self.cases.reasons or self.cases.evidence), lambda: "it was looked at")
        assert self.cases.evidence == []
        return self.cases.reasons[-1]

    async def evidence(self) -> str:
        self.begin()
        await until(lambda: bool(self.cases.evidence), lambda: f"it is proven; last reason: {self.cases.reasons[-1:]}")
        return self.cases.evidence[-1]


async def until(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    for _ in range(400):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"waited in vain until {what()}")


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr("controller.silence.COUNTERS_LAG", WINDOW)
    net = campus()
    net.keeps_saying("10.0.0.66", 6, 3, since=600)
    net.keeps_saying("10.0.0.77", 7, 4, since=600)
    endpoint = net.locate("10.0.0.66").endpoint
    assert endpoint is not None
    made = the_scene(net, endpoint)
    yield made
    await made.verifier.close()


def the_scene(net: Campus, endpoint: Endpoint) -> Scene:
    case = Containment(
        id="c-1",
        endpoint=endpoint,
        target="10.0.0.66",
        profile="full",
        want=Want.HELD,
        outcome=Outcome.INSTALLED,
        expires_at=None,
        revision=1,
        created_at=PUSHED,
        by="ann",
        reason="",
        policy_rule="",
        rules=((S1, FROM), (S1, TO)),
        stages={Stage.COMMITTED: PUSHED, Stage.INSTALLED: PUSHED + 0.01},
    )
    switch, desk, cases = Switch(), Desk(), Cases(case)
    clock = asyncio.get_running_loop().time
    start = clock()
    heard: list[Outcome] = []

    def now() -> float:
        return NOW + clock() - start

    def changed(containments: Iterable[Containment]) -> None:
        heard.extend(one.outcome for one in containments)

    verifier = Verifier(
        cast(Store, cases),
        cast(Mapping[str, Driver], {S1: switch}),
        cast(SensorDesk, desk),
        net.network,
        Verifying(window=WINDOW, patience=60),
        now,
        changed,
        distrust=(distrusted := list[str]()).append,
    )
    return Scene(net, switch, desk, cases, verifier, now, heard, distrusted)


def answering(scene: Scene, before_push: float = 1.0) -> None:
    """The rogue answered a sensor before the push, and its neighbour does so still."""
    scene.desk.answers = {mac(6): PUSHED - before_push, mac(7): NOW}


# --- counted evidence -------------------------------------------------------------------------------------------------


async def test_its_own_frames_that_ran_into_the_rule_prove_it(scene: Scene) -> None:
    scene.switch.counts = [(3, 0), (8, 0)]
    evidence = await scene.evidence()
    assert "dropped 5 of its frames" in evidence
    assert "silence for" in evidence
    assert scene.heard[-1] is Outcome.PROVEN


async def test_frames_that_pass_the_witness_do_not_whatever_the_rule_counted(scene: Scene) -> None:
    scene.switch.counts = [(3, 0), (8, 2)]
    answering(scene)
    assert "2 frames of its port still got past" in await scene.reason()


async def test_no_frames_and_no_sensor_stays_installed_with_both_reasons(scene: Scene) -> None:
    scene.desk.live = False
    reason = await scene.reason()
    assert "counted no frame of it" in reason
    assert "no sensor is connected" in reason
    assert scene.cases.case.outcome is Outcome.INSTALLED


async def test_frames_counted_before_the_look_are_no_evidence_for_it(scene: Scene) -> None:
    scene.switch.counts = [(3, 0), (3, 0)]
    assert "counted no frame of it" in await scene.reason()


async def test_frames_counted_between_two_looks_are_evidence_for_the_second(scene: Scene) -> None:
    scene.switch.counts = [(3, 0)]
    await scene.reason()
    scene.switch.counts = [(6, 0)]
    assert "dropped 3 of its frames" in await scene.evidence()


async def test_frames_that_came_between_two_looks_with_a_leak_are_none(scene: Scene) -> None:
    scene.switch.counts = [(3, 0)]
    await scene.reason()
    scene.switch.counts = [(6, 1)]
    looks = scene.switch.looks
    await until(lambda: scene.switch.looks > looks + 20, lambda: "it was looked at again")
    assert scene.cases.evidence == []


async def test_frames_counted_since_the_rules_are_in_are_evidence_while_they_are_fresh(scene: Scene) -> None:
    """Counters lag: what they show of rules that are a moment old can only be news."""
    scene.cases.case = replace(scene.cases.case, stages={Stage.COMMITTED: NOW - 0.02, Stage.INSTALLED: NOW - 0.01})
    scene.switch.counts = [(3, 0), (3, 0)]
    assert "dropped 3 of its frames" in await scene.evidence()


async def test_a_frame_that_gets_past_after_the_evidence_takes_it_back(scene: Scene) -> None:
    scene.switch.counts = [(3, 0), (8, 0), (9, 1)]
    assert "1 frames of its port still got past" in await scene.reason()


@pytest.mark.parametrize("counts", [[(3, None), (8, None)], [(None, 0), (None, 0)]])
async def test_what_a_switch_does_not_count_is_not_taken_for_zero(
    scene: Scene, counts: list[tuple[int | None, int | None]]
) -> None:
    scene.switch.counts = counts
    assert "does not count" in await scene.reason()


async def test_rules_that_are_not_there_prove_nothing(scene: Scene) -> None:
    scene.switch.counts = [(3, 0), (8, 0)]
    scene.switch.held = {FROM.id}
    assert "not all of its rules are there" in await scene.reason()


async def test_a_switch_that_restarted_meanwhile_proves_nothing(scene: Scene) -> None:
    scene.switch.counts = [(3, 0), (8, 0)]
    scene.switch.boots = ["boot-1", "boot-2"]
    assert "restarted" in await scene.reason()


# --- absence is not silence --------------------------------------------------------------------------------------------


async def test_an_unplugged_device_is_never_proven(scene: Scene) -> None:
    scene.switch.links = [False]
    answering(scene)
    assert "link is down" in await scene.reason()
    looks = scene.switch.looks
    await asyncio.sleep(4 * WINDOW)
    assert scene.cases.evidence == []
    assert scene.switch.looks - looks < 24, "nor looked at without a pause"


@pytest.mark.parametrize("links", [[True, False], [False, True]])
async def test_a_link_that_was_down_for_a_part_of_the_window_proves_nothing(
    scene: Scene, links: list[bool | None]
) -> None:
    scene.switch.counts = [(3, 0), (8, 0)]
    scene.switch.links = links
    assert "went down meanwhile" in await scene.reason()


async def test_a_link_that_flapped_between_two_looks_proves_nothing(scene: Scene) -> None:
    answering(scene)
    asking = asyncio.create_task(scene.reason())
    await until(lambda: scene.switch.looks >= 1, lambda: "the first look")
    scene.net.network.graph.set_port(S1, PORT, up=False, at=scene.now())
    scene.net.network.graph.set_port(S1, PORT, up=True, at=scene.now())
    assert "went down meanwhile" in await asking


async def test_a_port_that_is_gone_proves_nothing(scene: Scene) -> None:
    scene.switch.links = [True, None]
    assert "does not show the port" in await scene.reason()


# --- probed evidence ----------------------------------------------------------------------------------------------------


async def test_a_sensor_whose_question_is_not_answered_any_more_proves_it(scene: Scene) -> None:
    answering(scene)
    evidence = await scene.evidence()
    assert "sensor s: 10.0.0.66 answered 1.00 s before the push and is silent now, while a control host" in evidence
    probe = scene.desk.asked[0]
    assert str(probe.target.ip) == "10.0.0.66"
    assert probe.target.mac == mac(6)
    assert probe.control is not None
    assert probe.control.mac == mac(7)


async def test_without_an_answer_before_the_push_silence_says_nothing(scene: Scene) -> None:
    answering(scene, before_push=60)
    assert "answered no sensor shortly before the push" in await scene.reason()
    assert not scene.cases.evidence


async def test_without_an_answer_of_a_control_host_silence_says_nothing(scene: Scene) -> None:
    answering(scene)
    scene.desk.control = False
    assert "no control host answered" in await scene.reason()


async def test_without_a_control_host_at_all_nothing_is_asked(scene: Scene) -> None:
    answering(scene)
    del scene.desk.answers[mac(7)]
    assert "no control host answered" in await scene.reason()
    assert scene.desk.asked == []


async def test_a_sensor_in_trouble_proves_nothing(scene: Scene) -> None:
    answering(scene)
    scene.desk.trouble = "interface down"
    assert "the sensor had trouble: interface down" in await scene.reason()


async def test_an_answer_in_the_window_is_the_opposite_of_proof(scene: Scene) -> None:
    answering(scene)
    scene.desk.silent = False
    assert "it still answers a sensor" in await scene.reason()


async def test_an_answer_after_the_rules_were_in_is_no_answer_from_before(scene: Scene) -> None:
    answering(scene, before_push=-0.2)
    assert "answered no sensor shortly before the push" in await scene.reason()


async def test_a_late_answer_does_not_wipe_out_the_one_from_before_the_push(scene: Scene) -> None:
    answering(scene)
    scene.verifier.accepted(scene.cases.case)
    scene.desk.answers[mac(6)] = PUSHED + 0.1
    assert "answered 1.00 s before the push" in await scene.evidence()


async def test_the_control_is_nobody_contained_and_never_the_address_itself(scene: Scene) -> None:
    answering(scene)
    other = replace(scene.cases.case, id="c-2", endpoint=replace(scene.cases.case.endpoint, macs=frozenset({mac(7)})))
    scene.verifier.changed([other])
    assert "no control host answered" in await scene.reason()
    scene.net.says("10.0.0.66", 8, 5, lease=True)
    scene.desk.answers[mac(8)] = NOW
    await asyncio.sleep(3 * WINDOW)
    assert scene.desk.asked == []


async def test_a_control_on_another_switch_is_better_than_none(scene: Scene) -> None:
    scene.net.says("10.0.0.88", 8, 1, switch=2)
    answering(scene)
    scene.desk.answers = {mac(6): PUSHED - 1, mac(8): NOW}
    await scene.evidence()
    assert scene.desk.asked[0].control is not None
    assert scene.desk.asked[0].control.mac == mac(8)


async def test_a_busy_desk_does_not_end_the_looking(scene: Scene) -> None:
    answering(scene)
    scene.desk.busy = True
    scene.begin()
    await until(lambda: bool(scene.desk.asked), lambda: "a first try")
    scene.desk.busy = False
    await until(lambda: bool(scene.cases.evidence), lambda: "it is proven")


# --- leaks ----------------------------------------------------------------------------------------------------------------


async def test_a_sighting_elsewhere_is_a_leak(scene: Scene) -> None:
    scene.switch.counts = [(3, 0), (8, 0)]
    asking = asyncio.create_task(scene.reason())
    await until(lambda: scene.switch.looks == 1, lambda: "the first look")
    scene.verifier.saw(Sighting(S1, NOW + 1, mac(6), port(5)))
    assert await asking == f"{mac(6)} was seen at {S1}:s1-eth5"


async def test_a_sighting_elsewhere_takes_proven_back(scene: Scene) -> None:
    scene.verifier.changed([replace(scene.cases.case, outcome=Outcome.PROVEN)])
    scene.verifier.saw(Sighting(S1, NOW, mac(6), PORT))
    scene.verifier.saw(Sighting(S1, NOW + 1, mac(6), port(5)))
    await until(lambda: bool(scene.heard), lambda: "it was heard of")
    assert scene.heard == [Outcome.DRIFTED]
    assert scene.cases.reasons == [f"{mac(6)} was seen at {S1}:s1-eth5 after it was proven silent"]
    await until(
        lambda: scene.distrusted == [S1], lambda: "the device is read anew, so that the case does not stay like that"
    )


async def test_a_sighting_at_its_own_port_is_none(scene: Scene) -> None:
    scene.switch.counts = [(3, 0), (8, 0)]
    scene.begin()
    scene.verifier.saw(Sighting(S1, NOW + 1, mac(6), PORT))
    assert await scene.evidence()


async def test_a_frame_that_reached_a_sensor_is_a_leak(scene: Scene) -> None:
    scene.switch.counts = [(3, 0), (8, 0)]
    scene.desk.seen[mac(6)] = [("s", FrameSeen(mac=mac(6), at=NOW + 1, kind="arp"))]
    assert await scene.reason() == f"sensor s received a frame from {mac(6)}"


async def test_after_a_move_the_new_place_is_no_leak(scene: Scene) -> None:
    """The containment was joined and planned anew at port 5 while it was being looked at."""
    scene.begin()
    moved = replace(scene.cases.case, endpoint=replace(scene.cases.case.endpoint, attachment=place(5)))
    scene.verifier.changed([moved])
    scene.verifier.saw(Sighting(S1, NOW + 1, mac(6), port(5)))
    assert scene.verifier._leak(moved.endpoint, NOW) == ""


async def test_a_neighbours_frames_past_the_rules_are_said_to_be_perhaps_its(scene: Scene) -> None:
    shared = replace(scene.cases.case.endpoint, neighbours=frozenset({mac(70)}))
    scene.cases.case = replace(scene.cases.case, endpoint=shared)
    scene.switch.counts = [(3, 0), (8, 2)]
    assert "its neighbours' among them" in await scene.reason()


# --- beginning and ending ---------------------------------------------------------------------------------------------------


async def test_a_device_that_is_away_is_looked_at_again_when_it_comes(scene: Scene) -> None:
    scene.switch.away = True
    scene.begin()
    await until(lambda: scene.switch.looks >= 1, lambda: "a first try")
    scene.switch.away = False
    scene.switch.counts = [(3, 0), (8, 0)]
    await until(lambda: bool(scene.cases.evidence), lambda: "it is proven")


async def test_a_containment_that_changed_meanwhile_is_not_called_proven(scene: Scene) -> None:
    scene.switch.counts = [(3, 0), (8, 0)]
    scene.cases.refuse = True
    scene.begin()
    await until(lambda: bool(scene.heard), lambda: "the store answered")
    assert Outcome.PROVEN not in scene.heard


@pytest.mark.parametrize("change", [{"want": Want.RELEASED}, {"outcome": Outcome.DRIFTED}])
async def test_looking_ends_with_what_was_looked_at(scene: Scene, change: dict[str, Any]) -> None:
    scene.begin()
    assert scene.desk.watched == {mac(6)}
    scene.verifier.changed([replace(scene.cases.case, **change)])
    assert scene.desk.watched == set()
    looks = scene.switch.looks
    await asyncio.sleep(3 * WINDOW)
    assert scene.switch.looks <= looks + 1


async def test_one_task_a_containment(scene: Scene) -> None:
    for _ in range(5):
        scene.begin()
    assert len([task for task in asyncio.all_tasks() if task.get_name() == "verify c-1"]) == 1


# --- IPv6 ---------------------------------------------------------------------------------------------------------------


async def test_a_device_that_has_nothing_but_ipv6_is_asked_by_it(scene: Scene) -> None:
    """At the address that answered before the push, whatever it spoke for last; the control host may have IPv4 alone."""
    net = campus()
    net.keeps_saying("2001:db8::66", 6, 3, since=600)
    net.says("2001:db8::aaaa", 6, 3, ago=1)
    net.keeps_saying("10.0.0.77", 7, 4, since=600)
    endpoint = net.locate(Target(mac=mac(6))).endpoint
    assert endpoint is not None
    assert {ip.version for ip in endpoint.ips} == {6}
    only6 = the_scene(net, endpoint)
    answering(only6)
    only6.desk.answers[ip_address("2001:db8::66")] = PUSHED - 1
    assert "2001:db8::66 answered" in await only6.evidence()
    probe = only6.desk.asked[0]
    assert probe.kinds[0] == "nd"
    assert probe.control is not None
    assert (str(probe.target.ip), probe.target.mac, str(probe.control.ip)) == ("2001:db8::66", mac(6), "10.0.0.77")
    await only6.verifier.close()


async def test_what_cannot_be_proven_takes_turns_and_never_holds_up_what_just_came(scene: Scene) -> None:
    looking, most, enough = 0, 0, asyncio.Event()

    async def look(began: float) -> None:
        nonlocal looking, most
        async with scene.verifier._turn(began, began, first=False):
            looking += 1
            most = max(most, looking)
            await enough.wait()
            looking -= 1

    late = [asyncio.create_task(look(NOW - 3600)) for _ in range(3 * FRESH_AT_ONCE)]
    await until(lambda: looking == LATE_AT_ONCE, lambda: str(looking))
    fresh = asyncio.create_task(look(NOW))
    await until(lambda: looking == LATE_AT_ONCE + 1, lambda: str(looking))
    enough.set()
    await asyncio.gather(fresh, *late)
    assert most == LATE_AT_ONCE + 1
