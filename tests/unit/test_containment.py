"""The spine on the real store: what an alert comes to, what is checked again at commit, and what a release reaches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from controller.alerts import Alerts
from controller.approval import Approvals
from controller.automation import Cause
from controller.breaker import Breaker
from controller.config import Config
from controller.containment import Containments, Prepared
from controller.discovery.alarms import Alarm, AlarmKind
from controller.errors import Conflict, InvalidInput, NotFound, RefusalCode, Refused, StoreUnavailable
from controller.intake import SOURCES
from controller.intake.discovery import event_of
from controller.model import Containment, End, OnExpiry, Outcome, Stage, Target, Want
from controller.policy import PolicyFile
from controller.requests import Approval, ContainRequest, Disposition
from controller.store import Accepted, Proposal, ProposalState, Store
from drivers.base import Sighting
from drivers.memory import MemoryDriver
from drivers.rules import Direction, PortRange, Protocol
from tests.campus import NOW, S1, Campus, alert, campus, ip, mac, place, port

CONFIG: dict[str, Any] = {
    "policy": {
        "incriminate": [{"name": "scans", "match": {"signature": "ET SCAN *"}, "culprit": "source"}],
        "rules": [{"name": "scanners", "match": {"signature": "ET SCAN *"}, "mode": "contain", "for": "1h"}],
    },
    "protected": [{"ip": "10.0.0.10", "why": "domain controller"}],
}


@dataclass
class Spine:
    net: Campus
    store: Store
    containments: Containments
    alerts: Alerts
    approvals: Approvals
    woken: list[set[str]] = field(default_factory=list)

    async def contain(self, target: Target, **more: Any) -> Accepted:
        return await self.containments.contain(ContainRequest(target, "full", 3600, "it scans", "ann", **more))

    async def propose(self, **more: Any) -> str:
        """The id of what an alert came to under a rule that proposes."""
        _proposing(self, **more)
        answer = await self.alerts.take(alert(), "{}")
        assert answer.proposal_id is not None, answer.reason
        return answer.proposal_id

    async def approve(self, id: str, by: str = "bob") -> tuple[Proposal, Containment | None]:
        approval = await self.approvals.approve(id, by=by)
        return approval.proposal, None if approval.accepted is None else approval.accepted.containment


@pytest.fixture
async def spine(tmp_path: Path) -> AsyncIterator[Spine]:
    net = campus(**CONFIG)

    def now() -> float:
        return net.now

    store = await Store.open(f"sqlite:///{tmp_path}/netcordon.db", now=now)
    net.keeps_saying("10.0.0.66", 6, 3, since=600)
    net.keeps_saying("10.0.0.77", 7, 4, since=600)
    net.keeps_saying("10.0.0.10", 1, 1, since=600)
    woken: list[set[str]] = []

    def wake(devices: Iterable[str]) -> None:
        woken.append(set(devices))

    def note(containment: str, stage: Stage, at: float) -> None:
        pass

    config = Config.model_validate(CONFIG)
    containments = Containments(
        config,
        store,
        net.network,
        lambda _: MemoryDriver.capabilities,
        wake,
        note,
        now,
        lambda device, ports: {one: {"no_fwd": False} for one in ports},
    )
    alerts = Alerts(config, store, net.network, containments, Breaker(store), now)
    yield Spine(net, store, containments, alerts, Approvals(config, store, net.network, containments, now), woken)
    await store.close()


async def test_an_alert_contains_its_culprit(spine: Spine) -> None:
    answer = await spine.alerts.take(alert(), "{}")
    assert answer.disposition is Disposition.CONTAINED
    assert answer.containment is not None
    assert answer.containment.endpoint.macs == {mac(6)}
    assert answer.containment.outcome is Outcome.REQUESTED
    assert spine.woken == [{S1}]


@pytest.mark.parametrize("kind", [AlarmKind.ROGUE_DHCP, AlarmKind.ARP_SPOOFING])
async def test_an_alarm_of_our_own_sensor_contains_who_sent_the_frame(spine: Spine, kind: AlarmKind) -> None:
    told = {"incriminate": [{"name": "ours", "match": {"source": "discovery"}, "culprit": "source"}]}
    told |= {"rules": [{"name": "rogues", "match": {"signature_id": [kind.value]}, "mode": "contain"}]}
    spine.alerts._in_force.replace(PolicyFile.model_validate(told))
    controller = ip("10.0.0.10").ip
    (taken,) = SOURCES["discovery"].read(event_of(Alarm(kind, NOW, mac(6), "why", controller, mac(1)), "s"), NOW)
    answer = await spine.alerts.take(taken, "{}")
    assert answer.containment is not None, answer.reason
    assert answer.containment.endpoint.macs == {mac(6)}, "and not the domain controller, whose address it took"
    (framed,) = SOURCES["discovery"].read(event_of(Alarm(kind, NOW, mac(1), "why"), "s"), NOW)
    assert (await spine.alerts.take(framed, "{}")).code is RefusalCode.PROTECTED
    (nobody,) = SOURCES["discovery"].read(event_of(Alarm(kind, NOW, None, "why", controller), "s"), NOW)
    assert (await spine.alerts.take(nobody, "{}")).disposition is Disposition.UNDECIDED


async def test_the_same_request_again_is_answered_alike_wherever_the_device_is_now(spine: Spine) -> None:
    target = ip("10.0.0.66")
    first = await spine.contain(target, key="k")
    spine.net.network.bindings.forget_port(S1, port(3))
    again = await spine.contain(target, key="k")
    assert (again.containment.id, again.created, again.joined) == (first.containment.id, False, False)
    with pytest.raises(Refused):
        await spine.contain(target, key="other")


async def test_a_release_sent_again_is_answered_alike_and_reaches_nothing_newer(spine: Spine) -> None:
    target = ip("10.0.0.66")
    first = (await spine.contain(target)).containment

    async def release() -> list[Containment]:
        return await spine.containments.release(str(target), target, by="ann", reason="clean", key="k")

    (released,) = await release()
    assert (released.id, released.want) == (first.id, Want.RELEASED)
    newer = (await spine.contain(target)).containment
    assert [one.id for one in await release()] == [first.id]
    assert (await spine.store.containment(newer.id)).want is Want.HELD


async def test_what_a_rule_says_of_the_end_goes_with_the_case(spine: Spine) -> None:
    assert (await spine.contain(ip("10.0.0.66"), on_expiry=OnExpiry.ASK)).containment.on_expiry is OnExpiry.ASK
    assert (await spine.contain(ip("10.0.0.77"))).containment.on_expiry is OnExpiry.RELEASE


async def test_a_critical_asset_is_held_until_somebody_confirms_and_others_to_their_end(tmp_path: Path) -> None:
    critical: dict[str, Any] = {
        "assets": [{"ip": "10.0.0.66", "role": "database", "criticality": "critical"}],
        "dead_man": {"confirm_within": "10m", "criticality": ["critical"]},
    }
    net = campus(**critical)
    store = await Store.open(f"sqlite:///{tmp_path}/netcordon.db", now=lambda: net.now)
    for number, address in ((6, "10.0.0.66"), (7, "10.0.0.77")):
        net.keeps_saying(address, number, number - 3, since=600)
    config = Config.model_validate(critical)
    containments = Containments(
        config,
        store,
        net.network,
        lambda _: MemoryDriver.capabilities,
        lambda devices: None,
        lambda id, stage, at: None,
        lambda: net.now,
    )
    held = [
        (await containments.contain(ContainRequest(ip(address), "full", 3600, "it scans", "ann"))).containment
        for address in ("10.0.0.66", "10.0.0.77")
    ]
    assert [case.confirm_by for case in held] == [NOW + 600, None]
    assert (await containments.confirm(held[0].id, by="bob")).confirmed_by == "bob"
    await store.close()


async def test_the_same_alert_again_changes_nothing_and_tells_what_it_came_to(spine: Spine) -> None:
    first = await spine.alerts.take(alert(), "{}")
    again = await spine.alerts.take(alert(), "{}")
    assert again.duplicate
    assert first.containment is not None
    assert again.containment is not None
    assert again.containment.id == first.containment.id
    assert again.containment.revision == 1


async def test_a_repetition_of_what_was_taken_lately_is_answered_without_looking_for_the_device(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await spine.alerts.take(alert(), "{}")
    monkeypatch.setattr("controller.containment.locate", None)
    again = await spine.alerts.take(alert(), "{}")
    assert (again.alert_id, again.disposition, again.duplicate) == (first.alert_id, Disposition.CONTAINED, True)


async def test_what_is_remembered_of_alerts_is_bounded_and_what_was_forgotten_is_still_a_repetition(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.alerts.REMEMBERED", 2)
    named = [replace(alert(), key=f"key {n}") for n in range(4)]
    ids = [(await spine.alerts.take(one, "{}")).alert_id for one in named]
    assert len(spine.alerts._taken) == 2
    again = [await spine.alerts.take(one, "{}") for one in named]
    assert [(one.alert_id, one.duplicate) for one in again] == [(id, True) for id in ids]


async def test_an_alert_that_the_store_does_not_have_is_new_whatever_is_remembered(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spine.alerts, "_taken", {(alert().source, alert().key): "0123456789abcdef"})
    answer = await spine.alerts.take(alert(), "{}")
    assert (answer.disposition, answer.duplicate) == (Disposition.CONTAINED, False)


async def test_a_repeated_alert_that_was_refused_is_still_called_refused(spine: Spine) -> None:
    unknown = alert(src=replace(alert().src, ip=ip_address("10.0.0.99")))
    assert (await spine.alerts.take(unknown, "{}")).disposition is Disposition.REFUSED
    again = await spine.alerts.take(unknown, "{}")
    assert (again.disposition, again.duplicate) == (Disposition.REFUSED, True)
    assert len(await spine.store.proposals()) == 1


async def test_an_alert_that_a_crash_cut_short_is_taken_up_when_it_comes_again(spine: Spine) -> None:
    kept = await spine.store.save_alert(alert(), "{}")
    answer = await spine.alerts.take(alert(), "{}")
    assert (answer.disposition, answer.alert_id) == (Disposition.CONTAINED, kept)


async def test_one_commit_stands_before_the_push_and_the_answer_and_holds_all(spine: Spine) -> None:
    """The alert, the containment, its rules, what its port was, and the audit record: durable together, before anybody is woken."""
    commits: list[object] = []
    event.listen(spine.store._engines.writer, "commit", commits.append)
    answer = await spine.alerts.take(alert(), "{}")
    assert len(commits) == 1
    assert spine.woken == [{S1}]
    assert (await spine.store.alert(answer.alert_id)).disposition == f"contained: {answer.reason}"
    assert (await spine.store.desired(S1)).baseline.ports == {port(3): {"no_fwd": False}}
    assert [record.action for record in await spine.store.audit_records()] == ["contain"]


async def test_nothing_is_pushed_or_answered_when_the_commit_fails(spine: Spine) -> None:
    """Speed never comes from committing after pushing."""

    def full(_connection: object) -> None:
        assert spine.woken == [], "woken before the commit"
        raise OperationalError("COMMIT", {}, Exception("database or disk is full"))

    event.listen(spine.store._engines.writer, "commit", full)
    with pytest.raises(StoreUnavailable):
        await spine.alerts.take(alert(), "{}")
    event.remove(spine.store._engines.writer, "commit", full)
    assert spine.woken == []
    assert (await spine.store.containments(), await spine.store.alerts()) == ([], [])
    assert (await spine.alerts.take(alert(), "{}")).disposition is Disposition.CONTAINED


async def test_the_same_alert_many_times_at_once_is_one(spine: Spine) -> None:
    answers = await asyncio.gather(*(spine.alerts.take(alert(), "{}") for _ in range(50)))
    assert sorted(one.duplicate for one in answers) == [False] + [True] * 49
    assert {one.disposition for one in answers} == {Disposition.CONTAINED}
    assert len({one.containment.id for one in answers if one.containment is not None}) == 1
    assert len(await spine.store.audit_records()) == 1


async def test_an_alert_is_kept_when_what_it_leads_to_fails(spine: Spine, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*arguments: Any, **named: Any) -> Accepted:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patched:
        patched.setattr(spine.store, "accept", broken)
        with pytest.raises(RuntimeError):
            await spine.alerts.take(alert(), "{}")
    (kept,) = await spine.store.alerts()
    assert kept.disposition == ""
    assert (await spine.alerts.take(alert(), "{}")).alert_id == kept.alert.id


async def test_an_alert_about_the_domain_controllers_address_is_put_to_a_person(spine: Spine) -> None:
    spoofed = alert(src=replace(alert().src, ip=ip_address("10.0.0.10")))
    answer = await spine.alerts.take(spoofed, "{}")
    assert answer.disposition is Disposition.REFUSED
    assert "domain controller" in answer.reason
    assert answer.proposal_id is not None
    assert await spine.store.containments() == []


async def test_a_rogue_that_only_spoofs_is_not_contained_by_the_spoofed_address_and_can_be_by_its_own(
    spine: Spine,
) -> None:
    spine.net.says("10.0.0.10", 6, 3)
    spine.net.says("10.0.0.10", 6, 3)
    spoofed = alert(key="k2", src=replace(alert().src, ip=ip_address("10.0.0.10")))
    assert (await spine.alerts.take(spoofed, "{}")).disposition is Disposition.REFUSED
    accepted = await spine.contain(ip("10.0.0.66"))
    assert accepted.containment.endpoint.attachment.same_port(place(3))
    assert any("10.0.0.10" in words for words in accepted.containment.evidence)


async def test_an_alert_whose_time_could_be_another_is_put_to_a_person_and_an_approval_does_not_settle_it(
    spine: Spine,
) -> None:
    answer = await spine.alerts.take(alert(time_doubt="the alert's time has no offset from UTC"), "{}")
    assert (answer.disposition, answer.code) == (Disposition.REFUSED, RefusalCode.AMBIGUOUS)
    assert "no offset" in answer.reason
    assert answer.proposal_id is not None
    with pytest.raises(Refused, match="no offset"):
        await spine.approvals.approve(answer.proposal_id, by="ann")


async def test_an_alert_whose_mac_is_another_devices_is_doubted(spine: Spine) -> None:
    odd = alert(src=replace(alert().src, mac=mac(7)))
    answer = await spine.alerts.take(odd, "{}")
    assert answer.disposition is Disposition.REFUSED
    assert f"the alert saw {mac(7)}" in answer.reason


async def test_a_device_that_moves_while_it_is_decided_is_not_contained_at_its_old_port(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept = spine.store.accept

    async def slowly(*arguments: Any, **named: Any) -> Accepted:
        moved = Sighting(S1, NOW, mac(6), port(5), ip_address("10.0.0.66"))
        spine.net.network.bindings.see("default", moved)
        return await accept(*arguments, **named)

    monkeypatch.setattr(spine.store, "accept", slowly)
    with pytest.raises(Refused, match="moved to s1:s1-eth5") as caught:
        await spine.contain(ip("10.0.0.66"))
    assert caught.value.code is RefusalCode.CHANGED


async def test_a_place_is_contained_whatever_tags_are_seen_there(spine: Spine) -> None:
    spine.net.says("10.0.0.66", 6, 3, vlan=7)
    spine.net.says("10.0.0.67", 67, 3, vlan=7)
    assert (await spine.contain(Target(place=("s1", "3")))).created


async def test_an_operator_needs_an_override_for_what_is_protected(spine: Spine) -> None:
    with pytest.raises(Refused, match="domain controller"):
        await spine.contain(ip("10.0.0.10"))
    assert (await spine.contain(ip("10.0.0.10"), override=True)).created


async def test_a_release_reaches_all_that_hold_the_place_under_one_key(spine: Spine) -> None:
    spine.net.keeps_saying("10.0.0.70", 70, 3, since=600)
    for address in ("10.0.0.66", "10.0.0.70", "10.0.0.77"):
        await spine.contain(ip(address))
    spine.woken.clear()
    released = await spine.containments.release("s1:3", Target(place=("s1", "3")), by="ann", reason="", key="once")
    assert {one.target for one in released} == {"10.0.0.66", "10.0.0.70"}
    assert spine.woken == [{S1}, {S1}]
    assert [one.target for one in await spine.store.containments(want=Want.HELD)] == ["10.0.0.77"]
    with pytest.raises(NotFound):
        await spine.containments.release("s1:3", Target(place=("s1", "3")), by="ann", reason="", key=None)


async def test_what_was_released_is_woken_although_a_later_release_fails(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await spine.contain(ip("10.0.0.66"))
    await spine.contain(ip("10.0.0.77"))
    spine.woken.clear()
    release, calls = spine.store.release, 0

    async def failing(id: str, **named: Any) -> Containment:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise StoreUnavailable("full")
        return await release(id, **named)

    monkeypatch.setattr(spine.store, "release", failing)
    with pytest.raises(StoreUnavailable):
        await spine.containments.release_all(by="ann", reason="")
    assert spine.woken == [{S1}]


# --- proposals ------------------------------------------------------------------------------------------------------------


def _proposing(spine: Spine, **more: Any) -> None:
    (rule,) = CONFIG["policy"]["rules"]
    policy = CONFIG["policy"] | {"rules": [rule | {"mode": "propose"} | more]}
    spine.alerts._in_force.replace(PolicyFile.model_validate(policy))


async def test_what_is_proposed_is_contained_once_somebody_approves(spine: Spine) -> None:
    _proposing(spine)
    answer = await spine.alerts.take(alert(), "{}")
    assert answer.disposition is Disposition.PROPOSED
    assert answer.proposal_id is not None
    assert spine.woken == []
    proposal, case = await spine.approve(answer.proposal_id)
    assert case is not None
    assert (proposal.state, proposal.containment) == (ProposalState.APPROVED, case.id)
    assert (case.by, case.policy_rule, case.endpoint.macs) == ("bob", "scanners", frozenset({mac(6)}))
    assert f"{proposal.id} approved by bob" in case.reason
    assert spine.woken == [{S1}]
    with pytest.raises(Conflict):
        await spine.approvals.approve(proposal.id, by="eve")


async def test_two_people_are_two_people(spine: Spine) -> None:
    _proposing(spine, approvals=2)
    id = (await spine.alerts.take(alert(), "{}")).proposal_id or ""
    for _ in range(2):
        proposal, case = await spine.approve(id)
        assert (proposal.state, case) == (ProposalState.OPEN, None)
    assert spine.woken == []
    _, case = await spine.approve(id, "eve")
    assert case is not None
    assert case.by == "bob, eve"


async def test_two_approvals_at_once_make_one_case(spine: Spine) -> None:
    _proposing(spine, approvals=2)
    id = (await spine.alerts.take(alert(), "{}")).proposal_id or ""
    await spine.approvals.approve(id, by="bob")
    answers = await asyncio.gather(
        *(spine.approvals.approve(id, by=who) for who in ("eve", "dan")), return_exceptions=True
    )
    assert all(isinstance(one, Approval | Conflict) for one in answers)
    assert len(await spine.store.containments(want=Want.HELD)) == 1


def _moves(spine: Spine, to: int) -> None:
    """The rogue is unplugged, and plugged in at another port a minute later."""
    spine.net.network.graph.set_port(S1, port(3), up=False, at=spine.net.now)
    spine.net.now += 60
    spine.net.says("10.0.0.66", 6, to)


async def test_the_device_of_the_alert_is_contained_where_it_is_by_now(spine: Spine) -> None:
    id = await spine.propose()
    _moves(spine, to=5)
    approval = await spine.approvals.approve(id, by="bob")
    assert approval.accepted is not None
    case = approval.accepted.containment
    assert {rule.match.port for _, rule in case.rules} == {port(5)}
    (sentence,) = approval.since
    assert sentence.startswith("it moved from s1:s1-eth3 to s1:s1-eth5 since it was proposed")
    assert sentence in case.evidence


async def test_who_has_the_address_by_now_is_left_alone(spine: Spine) -> None:
    id = await spine.propose()
    spine.net.now += 600
    spine.net.keeps_saying("10.0.0.67", 6, 3, since=500)
    spine.net.keeps_saying("10.0.0.66", 8, 6, since=500)
    approval = await spine.approvals.approve(id, by="bob")
    assert approval.accepted is not None
    case = approval.accepted.containment
    assert case.endpoint.macs == {mac(6)}
    assert {rule.match.port for _, rule in case.rules} == {port(3)}
    (sentence,) = approval.since
    assert f"10.0.0.66 is another device's by now ({mac(8)} on s1:s1-eth6), which is left alone" in sentence
    assert sentence in case.evidence


async def test_who_disputes_the_address_by_now_is_named_and_left_alone(spine: Spine) -> None:
    id = await spine.propose()
    spine.net.now += 60
    spine.net.says("10.0.0.66", 6, 3)
    spine.net.says("10.0.0.66", 8, 6)
    approval = await spine.approvals.approve(id, by="bob")
    assert approval.accepted is not None
    assert approval.accepted.containment.endpoint.macs == {mac(6)}
    assert [mac(8) in sentence for sentence in approval.since] == [True]


async def _refuses(spine: Spine, id: str, code: RefusalCode, words: str) -> None:
    with pytest.raises(Refused, match=words) as refused:
        await spine.approvals.approve(id, by="bob")
    assert refused.value.code is code
    proposal = await spine.store.proposal(id)
    assert (proposal.state, proposal.approvers) == (ProposalState.OPEN, ["bob"])
    assert await spine.store.containments() == []
    assert spine.woken == []


async def test_whoever_took_the_address_of_a_device_that_left_is_not_contained_for_it(spine: Spine) -> None:
    id = await spine.propose()
    spine.net.now += 5 * 3600
    spine.net.keeps_saying("10.0.0.66", 8, 6, since=600)
    await _refuses(spine, id, RefusalCode.UNKNOWN_PLACE, f"{mac(6)} has not been seen at an edge port lately")


async def test_a_mac_that_is_at_two_ports_by_now_is_not_contained(spine: Spine) -> None:
    id = await spine.propose()
    spine.net.now += 60
    spine.net.says(None, 6, 3)
    spine.net.says(None, 6, 5)
    await _refuses(spine, id, RefusalCode.AMBIGUOUS, "s1-eth3 and .*s1-eth5")


async def test_a_rival_of_the_alerts_time_that_was_heard_late_is_doubt(spine: Spine) -> None:
    id = await spine.propose()
    spine.net.now += 60
    spine.net.says("10.0.0.66", 8, 6, ago=59)
    await _refuses(spine, id, RefusalCode.AMBIGUOUS, "was claimed by")


async def test_a_device_that_is_another_one_by_what_is_known_now_is_not_contained(spine: Spine) -> None:
    """The port turns out to be an uplink: what was seen there is no evidence, and the switch behind it tells who had the address."""
    id = await spine.propose()
    spine.net.now += 60
    spine.net.network.bindings.forget_port(S1, port(3))
    spine.net.keeps_saying("10.0.0.66", 8, 2, since=600)
    await _refuses(spine, id, RefusalCode.CHANGED, f"was {mac(6)}, and is {mac(8)}")


async def test_the_alerts_own_word_on_the_mac_holds_for_an_approval_too(spine: Spine) -> None:
    answer = await spine.alerts.take(alert(src=End(ip=ip_address("10.0.0.66"), mac=mac(9))), "{}")
    assert (answer.disposition, answer.code) == (Disposition.REFUSED, RefusalCode.AMBIGUOUS)
    await _refuses(spine, answer.proposal_id or "", RefusalCode.AMBIGUOUS, f"the alert saw {mac(9)}")


async def test_the_case_has_every_alert_that_asked_for_it(spine: Spine) -> None:
    id = await spine.propose()
    (first,) = [record.alert.id for record in await spine.store.alerts()]
    again = await spine.alerts.take(alert(key="k2"), "{}")
    assert again.proposal_id == id
    _, case = await spine.approve(id)
    assert case is not None
    assert set(case.alerts) == {first, again.alert_id}
    for record in await spine.store.alerts():
        assert (record.containment, record.proposal) == (case.id, id)
    repeated = await spine.alerts.take(alert(), "{}")
    assert repeated.duplicate
    assert repeated.containment is not None
    assert repeated.containment.id == case.id
    _, newer = await _approved_into(spine, case)
    assert set(newer.alerts) > set(case.alerts)


async def _approved_into(spine: Spine, case: Containment) -> tuple[Proposal, Containment]:
    """What joins the open case brings its alerts."""
    answer = await spine.alerts.take(alert(key="k3"), "{}")
    proposal, joined = await spine.approve(answer.proposal_id or "")
    assert joined is not None
    assert joined.id == case.id
    return proposal, joined


async def test_no_approval_contains_what_is_protected(spine: Spine) -> None:
    id = (await spine.alerts.take(alert(src=End(ip=ip_address("10.0.0.10"))), "{}")).proposal_id or ""
    with pytest.raises(Refused, match="domain controller"):
        await spine.approvals.approve(id, by="bob")
    assert spine.woken == []


def _wish(target: str, **more: Any) -> ContainRequest:
    place = target.partition(":")
    parsed = Target(place=(place[0], place[2])) if place[1] else ip(target)
    return ContainRequest(parsed, "full", 1800.0, "INC-7", "ann", **more)


async def test_what_a_person_proposed_another_one_approves(spine: Spine) -> None:
    proposal = await spine.approvals.propose(_wish("10.0.0.66", on_expiry=OnExpiry.ASK))
    assert (proposal.proposed_by, proposal.approvals, spine.woken) == ("ann", 1, [])
    with pytest.raises(Conflict, match="somebody else"):
        await spine.approve(proposal.id, "ann")
    _moves(spine, to=5)
    _, case = await spine.approve(proposal.id)
    assert case is not None
    assert (case.by, case.policy_rule, case.on_expiry, case.override) == ("bob", "operator", OnExpiry.ASK, False)
    assert case.reason == f"INC-7; proposed by ann; {proposal.id} approved by bob"
    assert {rule.match.port for _, rule in case.rules} == {port(5)}
    assert case.expires_at == spine.net.now + 1800
    said = {record.action: (record.actor, record.subject) for record in await spine.store.audit_records()}
    assert (said["propose"], said["approve"]) == (("ann", proposal.id), ("bob", proposal.id))


async def test_an_override_is_an_approvers_to_give(spine: Spine) -> None:
    with pytest.raises(Refused, match="domain controller"):
        await spine.approvals.propose(_wish("10.0.0.10"))
    assert await spine.store.proposals() == []
    proposal = await spine.approvals.propose(_wish("10.0.0.10", override=True))
    assert proposal.override
    _, case = await spine.approve(proposal.id)
    assert case is not None
    assert case.override


async def test_only_the_same_wish_of_the_same_person_joins_what_waits(spine: Spine) -> None:
    first = await spine.approvals.propose(_wish("10.0.0.66"))
    assert (await spine.approvals.propose(_wish("10.0.0.66"))).id == first.id
    others = (
        _wish("10.0.0.66", override=True),
        replace(_wish("10.0.0.66"), by="eve"),
        replace(_wish("10.0.0.66"), duration=3600.0),
        replace(_wish("10.0.0.66"), reason="INC-8"),
    )
    ids = {first.id, *[(await spine.approvals.propose(one)).id for one in others]}
    assert len(ids) == 5
    by_alert = await spine.propose()
    assert by_alert not in ids


async def test_what_a_person_named_is_who_had_the_address_when_they_did(spine: Spine) -> None:
    proposal = await spine.approvals.propose(_wish("10.0.0.66"))
    spine.net.now += 600
    spine.net.keeps_saying("10.0.0.67", 6, 3, since=500)
    spine.net.keeps_saying("10.0.0.66", 8, 6, since=500)
    _, case = await spine.approve(proposal.id)
    assert case is not None
    assert case.endpoint.macs == {mac(6)}


async def test_nobody_who_came_to_a_place_since_is_contained_with_it(spine: Spine) -> None:
    spine.net.keeps_saying("10.0.0.68", 68, 3, since=600)
    proposal = await spine.approvals.propose(_wish("s1:3"))
    assert proposal.endpoint is not None
    assert proposal.endpoint.macs == {mac(6), mac(68)}
    spine.net.now += 90
    spine.net.keeps_saying("10.0.0.99", 99, 3, since=80)
    await _refuses(
        spine, proposal.id, RefusalCode.CHANGED, f"s1:3 was {mac(6)}, {mac(68)}, and is {mac(6)}, {mac(68)}, {mac(99)}"
    )
    spine.net.now += 90
    spine.net.says("10.0.0.99", 99, 7)
    spine.net.says("10.0.0.68", 68, 7)
    _, case = await spine.approve(proposal.id, "eve")
    assert case is not None
    assert case.endpoint.macs == {mac(6)}


async def test_a_refused_proposal_keeps_the_terms_of_its_rule(spine: Spine) -> None:
    """The driver was away when the alert came: two people and a gentle profile stay two people and a gentle profile."""
    _proposing(spine, approvals=2, profile="monitor")
    here = spine.containments._capabilities
    spine.containments._capabilities = lambda _: None
    id = (await spine.alerts.take(alert(), "{}")).proposal_id or ""
    spine.containments._capabilities = here
    proposal, case = await spine.approve(id)
    assert (proposal.approvals, proposal.profile, proposal.rule, case) == (2, "monitor", "scanners", None)


async def test_what_the_rule_says_of_the_end_survives_the_approval(spine: Spine) -> None:
    _proposing(spine, on_expiry="ask")
    id = (await spine.alerts.take(alert(), "{}")).proposal_id or ""
    _, case = await spine.approve(id)
    assert case is not None
    assert case.on_expiry is OnExpiry.ASK


async def test_a_refusal_while_it_is_being_contained_wins(spine: Spine, monkeypatch: pytest.MonkeyPatch) -> None:
    _proposing(spine)
    id = (await spine.alerts.take(alert(), "{}")).proposal_id or ""
    prepare = spine.approvals._prepare

    async def slowly(proposal: Proposal) -> tuple[Prepared, tuple[str, ...]]:
        await spine.approvals.refuse(id, by="eve", reason="ours")
        return await prepare(proposal)

    monkeypatch.setattr(spine.approvals, "_prepare", slowly)
    with pytest.raises(Conflict, match="refused"):
        await spine.approvals.approve(id, by="bob")
    assert await spine.store.containments(want=Want.HELD) == []
    assert spine.woken == []


async def test_who_approves_what_is_undecided_says_which_end_is_guilty(spine: Spine) -> None:
    """10.0.0.66 speaks to 10.0.0.77, and no rule says which of them is bad: a person does, and every guard looks at that."""
    undecided = await spine.alerts.take(alert(signature="GPL ICMP", dst=End(ip=ip("10.0.0.77").ip)), "{}")
    id = undecided.proposal_id or ""
    with pytest.raises(Refused, match=r"is guilty, 10\.0\.0\.66 or 10\.0\.0\.77: netcordon approve"):
        await spine.approvals.preview(id)
    with pytest.raises(InvalidInput, match=r"no end of the alert .* 10\.0\.0\.66 or 10\.0\.0\.77"):
        await spine.approvals.approve(id, by="bob", device="10.0.0.10")
    seen = await spine.approvals.preview(id, "10.0.0.77")
    assert seen.plan is not None
    assert (await spine.store.proposal(id)).target == "", "a preview says nothing"
    approval = await spine.approvals.approve(id, by="bob", device="10.0.0.77")
    assert approval.accepted is not None
    assert approval.accepted.containment.endpoint.macs == {mac(7)}
    assert [case.alerts for case in await spine.store.containments(want=Want.HELD)] == [(undecided.alert_id,)]
    (said,) = [one for one in await spine.store.audit_records(limit=50) if one.action == "name"]
    assert (said.actor, said.subject) == ("bob", id)
    assert "10.0.0.77" in str(said.detail)


async def test_what_one_approver_named_is_what_the_next_agrees_to(spine: Spine) -> None:
    protected = await spine.alerts.take(alert(signature="GPL ICMP", dst=End(ip=ip("10.0.0.10").ip)), "{}")
    id = protected.proposal_id or ""
    with pytest.raises(Refused) as refused:
        await spine.approvals.approve(id, by="bob", device="10.0.0.10")
    assert refused.value.code is RefusalCode.PROTECTED
    with pytest.raises(Conflict, match=r"is about 10\.0\.0\.10"):
        await spine.approvals.approve(id, by="eve", device="10.0.0.66")
    assert await spine.store.containments(want=Want.HELD) == []


async def test_a_noisy_source_does_not_swell_the_case(spine: Spine) -> None:
    times = iter(range(10_000))
    spine.containments._now = spine.alerts._now = lambda: NOW + next(times) / 10
    for number in range(80):
        await spine.alerts.take(alert(key=f"k{number}"), "{}")
    (case,) = await spine.store.containments(want=Want.HELD)
    assert 32 < len(case.evidence) <= 64


async def test_one_flow_is_closed_one_way_and_the_rest_is_left(spine: Spine) -> None:
    """As OpenC2 asks for, automatically: what guards automatic action holds."""
    request = ContainRequest(ip("10.0.0.66"), "flow:from,tcp,21,10.0.0.77/32,*", 60, "OpenC2", "soar", automatic=True)
    case = (await spine.containments.contain(request)).containment
    assert (case.profile, case.automatic) == ("flow:from,tcp,21,10.0.0.77/32,*", True)
    matches = [rule.match for rule in (await spine.store.desired(S1)).rules]
    (flow,) = [match for match in matches if match.protocol is not None]
    assert (flow.direction, flow.port, flow.protocol) == (Direction.FROM, port(3), Protocol.TCP)
    assert (flow.own_ports, str(flow.peer), flow.peer_ports) == (PortRange(21, 21), "10.0.0.77/32", None)
    assert all(match.fragment or match.hidden for match in matches if match is not flow)
    protected = replace(request, target=ip("10.0.0.10"), profile="full")
    with pytest.raises(Refused, match="domain controller"):
        await spine.containments.contain(protected)
    await spine.store.pause_automation("ann", "looking", Cause.PERSON)
    with pytest.raises(Refused, match="paused by ann"):
        await spine.containments.contain(replace(request, target=ip("10.0.0.77"), profile="full"))


# --- policy: limits that escalate, and what is kept of why -----------------------------------------------------------


async def _offend(spine: Spine, number: int) -> Containment:
    answer = await spine.alerts.take(alert(key=f"k{number}", observed_at=spine.net.now), "{}")
    assert answer.containment is not None, answer.reason
    return answer.containment


async def test_a_device_that_offends_again_is_held_for_longer(spine: Spine) -> None:
    (rule,) = CONFIG["policy"]["rules"]
    spine.alerts._in_force.replace(
        PolicyFile.model_validate(CONFIG["policy"] | {"rules": [rule | {"for": ["10m", "1h", "24h"]}]})
    )
    held = []
    for number in range(4):
        case = await _offend(spine, number)
        assert case.expires_at is not None
        held.append(case.expires_at - case.created_at)
        joined = await _offend(spine, 10 + number)
        assert joined.id == case.id
        assert joined.expires_at == case.expires_at, "another alert of the same offence is no further one"
        await spine.store.release(case.id, by="ann", reason="mended")
        spine.net.now += 1
    assert held == [600, 3600, 86400, 86400]


async def test_an_alert_keeps_why_each_rule_matched_or_did_not(spine: Spine) -> None:
    case = await _offend(spine, 1)
    record = await spine.store.alert(case.alerts[0])
    told = record.explanation
    assert told is not None
    assert (told.policy, told.rule, told.mode, told.duration) == (case.policy, "scanners", "contain", 3600)
    assert [(one.rule, one.against) for one in told.rules] == [("scanners", "")]
    assert case.policy == PolicyFile.model_validate(CONFIG["policy"]).version
    undecided = await spine.alerts.take(alert(key="other", signature="GPL ICMP"), "{}")
    kept = (await spine.store.alert(undecided.alert_id)).explanation
    assert kept is not None
    assert (kept.culprit, kept.mode, kept.rules) == ("undecided", "", ())
    assert kept.accusers[0].against == "its signature is GPL ICMP, and the rule asks for ET SCAN *"


async def test_what_is_approved_ends_as_the_rule_of_that_time_said(spine: Spine) -> None:
    """A rule of the same name in a newer policy says something else by now."""
    id = await spine.propose(on_expiry="ask")
    was = spine.alerts._in_force.policy.version
    _proposing(spine, on_expiry="release")
    _, case = await spine.approve(id)
    assert case is not None
    assert (case.on_expiry, case.policy) == (OnExpiry.ASK, was)
    assert spine.alerts._in_force.policy.version != was
