"""What a scenario may say of what happens while somebody is held, and what is made of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from labs.frames import Kind
from labs.incidents import Incident, ReaddPort, RestartSwitch, Tolerance, WipeFlows
from labs.ledger import Seen
from labs.result import Happened, Result
from labs.scenario import Scenario, ScenarioError, Stream, load, names, trials
from labs.verdicts import Count, Row, Verdict, incident
from topologies.campus import campus
from topologies.plan import Role

STRICT = WipeFlows(do="wipe-flows", at=Role.ROGUE)
TOLERANT = STRICT.model_copy(update={"leaks": Tolerance.COUNTED, "losses": Tolerance.COUNTED})


def scenario(tmp_path: Path, **sections: object) -> Scenario:
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump({"name": "own", "title": "t", "story": "s", "like": "undo", **sections}))
    return load(str(file))


class TestTheWords:
    def test_the_shipped_ones_say_what_happens(self) -> None:
        assert load("switch-reboot").during == (
            RestartSwitch(do="restart-switch", at=Role.ROGUE, losses=Tolerance.COUNTED),
        )
        assert load("readded-port").during == (ReaddPort(do="readd-port", of=Role.ROGUE, leaks=Tolerance.COUNTED),)
        assert load("rogue-host").during == ()

    def test_nothing_is_tolerated_unless_it_is_said(self) -> None:
        assert (STRICT.leaks, STRICT.losses) == (Tolerance.NONE, Tolerance.NONE)

    @pytest.mark.parametrize(
        ("step", "said"),
        [
            ({"do": "explode"}, "during.0: Input tag 'explode' found using 'do' does not match .*'wipe-flows'"),
            ({"at": "rogue"}, "during.0: Unable to extract tag using discriminator 'do'"),
            ({"do": "wipe-flows"}, "during.0.wipe-flows.at: Field required"),
            ({"do": "wipe-flows", "at": "nobody"}, "during.0.wipe-flows.at: Input should be 'rogue'"),
            ({"do": "wipe-flows", "at": "rogue", "leak": "none"}, "during.0.wipe-flows.leak: Extra inputs"),
            ({"do": "wipe-flows", "at": "rogue", "leaks": "some"}, "leaks: Input should be 'none' or 'counted'"),
            ({"do": "restart-switch", "at": "rogue", "outage": -1}, "outage: Input should be greater"),
            (
                {"do": "crash", "containing": ["rogue", "victim"], "whom": "me"},
                "whom: Input should be 'daemon' or 'speaker'",
            ),
        ],
    )
    def test_what_is_none_is_refused_with_its_place(self, tmp_path: Path, step: object, said: str) -> None:
        with pytest.raises(ScenarioError, match=said):
            scenario(tmp_path, during=[step])

    def test_every_kind_can_be_told(self) -> None:
        for tag in ("wipe-flows", "restart-switch", "readd-port", "move", "crash", "flood"):
            with pytest.raises(ValueError, match="required"):
                TypeAdapter(Incident).validate_python({"do": tag})


class TestTheScenario:
    def test_it_is_like_another_but_for_what_it_says_itself(self, tmp_path: Path) -> None:
        own = scenario(tmp_path, during=[STRICT.model_dump(mode="json")])
        assert own.model_dump(exclude={"name", "title", "story", "during"}) == load("undo").model_dump(
            exclude={"name", "title", "story", "during"}
        )
        assert own.during == (STRICT,)

    def test_it_cannot_be_like_one_that_there_is_not(self, tmp_path: Path) -> None:
        with pytest.raises(ScenarioError, match=r"like: no lab 'nothing'; there are .*undo"):
            scenario(tmp_path, like="nothing")

    def test_a_bait_must_stop_and_a_stream_must_flow(self) -> None:
        streams = [one for one in trials(load("wiped-flows"), campus()) if one.every is not None]
        assert {(one.source.role, one.to.role) for one in streams if one.must_stop} == {
            (Role.ROGUE, Role.VICTIM),
            (Role.VICTIM, Role.ROGUE),
            (Role.FILE_SERVER, Role.ROGUE),
        }
        assert (streams[0].source.role, streams[0].every) == (Role.ROGUE, 0.001)

    def test_another_than_the_rogue_has_a_bait_of_its_own_and_an_operator(self, tmp_path: Path) -> None:
        own = {"like": "granular", "baits": [{"from": "rogue", "to": "victim"}]}
        with pytest.raises(ScenarioError, match="first of `baits` must be a stream from the domain-controller"):
            scenario(tmp_path, **own)
        with pytest.raises(ScenarioError, match="needs an operator"):
            scenario(tmp_path, like="rogue-host", contained="victim")
        first = next(one for one in trials(load("granular"), campus()) if one.every is not None)
        assert first.name == "smb stream dc -> pc1"

    @pytest.mark.parametrize("told", ["tcp/0", "tcp/65536", "icmp/8", "tcp/x", "tcp/", "nothing"])
    def test_a_service_is_written_as_protocol_and_port(self, tmp_path: Path, told: str) -> None:
        flows = [{"from": ["rogue"], "to": ["victim"], "kinds": ["tcp/445", told]}]
        with pytest.raises(ScenarioError, match="must_stop"):
            scenario(tmp_path, like="undo", must_stop=flows)

    def test_tcp_is_no_stream(self) -> None:
        with pytest.raises(ValueError, match="single frames"):
            Stream.model_validate({"from": "victim", "to": "rogue", "kind": Kind.TCP})

    def test_a_role_that_nobody_has_is_said(self, tmp_path: Path) -> None:
        own = scenario(tmp_path, during=[{"do": "wipe-flows", "at": "workstation"}])
        plan = campus()
        without = replace(plan, hosts=tuple(host for host in plan.hosts if host.role is not Role.WORKSTATION))
        assert trials(own, plan)
        with pytest.raises(ScenarioError, match="nobody on campus is a workstation, which own needs"):
            trials(own, without)

    @pytest.mark.parametrize("name", names())
    def test_who_is_held_sends_all_the_time(self, name: str) -> None:
        """Silence counts only where something was sent."""
        held = load(name).contained
        assert any(one.every and one.must_stop and one.source.role is held for one in trials(load(name), campus()))


class TestTheVerdict:
    def test_it_holds_when_nothing_got_through_and_it_is_held_again(self) -> None:
        assert incident(STRICT, through=0, lost=0, tried=True, held=True) is Verdict.HOLDS

    def test_one_frame_through_is_a_leak(self) -> None:
        assert incident(STRICT, through=1, lost=0, tried=True, held=True) is Verdict.LEAKED
        assert incident(TOLERANT, through=1, lost=0, tried=True, held=True) is Verdict.HOLDS

    def test_one_frame_lost_is_a_loss(self) -> None:
        assert incident(STRICT, through=0, lost=1, tried=True, held=True) is Verdict.LOST
        assert incident(TOLERANT, through=0, lost=1, tried=True, held=True) is Verdict.HOLDS

    def test_what_was_not_tried_shows_nothing(self) -> None:
        assert incident(TOLERANT, through=0, lost=0, tried=False, held=True) is Verdict.UNTRIED

    def test_what_the_controller_did_not_notice_or_mend_fails(self) -> None:
        assert incident(TOLERANT, through=0, lost=0, tried=True, held=False) is Verdict.NOT_HELD


FIVE = Count(5, 5)
ROW = Row("udp a -> b", FIVE, Count(5, 0), FIVE, Verdict.HOLDS)
GOOD = Result("own", "campus", None, "proven", through_after_proven=0, must_stop=[ROW], must_flow=[ROW], differences=[])
HAPPENED = Happened("wipe-flows", 0, {}, None, 0, 4.0, 500.0, {"c-1": ["drifted", "proven"]}, [], {}, Verdict.HOLDS)


class TestTheResult:
    def test_a_run_in_which_all_holds_passes(self) -> None:
        told = replace(GOOD, incidents=[HAPPENED])
        assert told.passed
        assert told.to_json()["incidents"][0]["trails"] == {"c-1": ["drifted", "proven"]}

    @pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.HOLDS])
    def test_one_bad_incident_fails_the_run(self, verdict: Verdict) -> None:
        assert not replace(GOOD, incidents=[HAPPENED, replace(HAPPENED, verdict=verdict)]).passed

    @pytest.mark.parametrize("through", [1, None])
    def test_proven_must_have_been_true(self, through: int | None) -> None:
        assert not replace(GOOD, through_after_proven=through).passed


def test_a_frame_that_comes_twice_was_there_when_it_was_there_first() -> None:
    seen = Seen()
    for number, at in ((1, 10.0), (2, 11.0), (1, 12.0)):
        seen.add(number, at)
    assert (seen.sequences, seen.first, seen.last) == ({1: 10.0, 2: 11.0}, 10.0, 12.0)
