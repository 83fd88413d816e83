"""Which end is the bad one, by rules and by what is known of both; and that no evidence finds a protected asset guilty."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.alerts import Alerts
from controller.breaker import Breaker
from controller.config import Config
from controller.containment import Containments
from controller.errors import ConfigError, RefusalCode
from controller.incrimination import NEEDED, EndKnown, Ends, weigh
from controller.model import Culprit, End, Managed
from controller.policy import PolicyFile, asks_of_ends, incriminate
from controller.requests import AlertAnswer, ContainRequest, Disposition
from controller.store import Store
from controller.yaml_source import parse_model
from drivers.memory import MemoryDriver
from tests.campus import Campus, alert, campus, ip, mac

NOBODYS = EndKnown(found=True, managed=Managed.UNDISCOVERED)
OURS = EndKnown(found=True, managed=Managed.MANAGED, role="file-server", listed="mac")
AGAIN = EndKnown(found=True, managed=Managed.MANAGED, cases=3, listed="mac")
BY_EVIDENCE = PolicyFile.model_validate({"incriminate": [{"name": "who", "culprit": "evidence"}]})

ENDS = st.builds(
    EndKnown,
    found=st.booleans(),
    managed=st.sampled_from(Managed),
    role=st.sampled_from(["unknown", "camera", *NEEDED]),
    listed=st.sampled_from(["", "mac", "ip"]),
    cases=st.integers(0, 4),
    protected=st.sampled_from(["", "ip 10.0.0.10: domain controller"]),
)
OPPOSITE = {
    Culprit.SOURCE: Culprit.DESTINATION,
    Culprit.DESTINATION: Culprit.SOURCE,
    Culprit.UNDECIDED: Culprit.UNDECIDED,
}


@given(ENDS, ENDS)
def test_the_order_of_the_ends_is_no_evidence(one: EndKnown, other: EndKnown) -> None:
    assert weigh(Ends(other, one))[0] is OPPOSITE[weigh(Ends(one, other))[0]]
    assert weigh(Ends(one, one))[0] is Culprit.UNDECIDED, "what speaks against both alike decides nothing"


@given(ENDS, ENDS)
def test_evidence_finds_nobody_guilty_who_is_protected_or_not_known(one: EndKnown, other: EndKnown) -> None:
    culprit, why = weigh(Ends(one, other))
    guilty = {Culprit.SOURCE: one, Culprit.DESTINATION: other}.get(culprit)
    if guilty is not None:
        assert guilty.found
        assert not guilty.protected
    elif NOBODYS in (one, other):
        assert "outweighs" in why or "protected" in why
    assert "the source" in why
    assert "the destination" in why


@given(ENDS, ENDS, st.sampled_from(["source", "destination", "evidence", "undecided"]))
def test_no_rule_goes_by_an_end_that_nobody_could_look_up(one: EndKnown, other: EndKnown, culprit: str) -> None:
    rule = {"name": "a", "culprit": culprit, "source": {"managed": ["undiscovered"]}}
    rules = PolicyFile.model_validate({"incriminate": [rule]})
    assert asks_of_ends(rules, alert())
    assert incriminate(rules, alert())[0] is Culprit.UNDECIDED
    if not one.found:
        assert incriminate(rules, alert(), Ends(one, other))[0] is Culprit.UNDECIDED


@pytest.mark.parametrize(
    ("source", "destination", "culprit", "said"),
    [
        (
            NOBODYS,
            OURS,
            Culprit.SOURCE,
            "the source is undiscovered (+2) = +2; the destination is managed (-1), is a file-server",
        ),
        (OURS, NOBODYS, Culprit.DESTINATION, "which others need (-1) = -2"),
        (NOBODYS, NOBODYS, Culprit.UNDECIDED, "neither end outweighs the other"),
        (OURS, OURS, Culprit.UNDECIDED, "neither end outweighs"),
        (AGAIN, OURS, Culprit.SOURCE, "was contained 3 times within 30 days (+2)"),
        (OURS, EndKnown(), Culprit.UNDECIDED, "the destination is no device that is known here"),
        (EndKnown(), NOBODYS, Culprit.DESTINATION, "is undiscovered (+2)"),
        (
            EndKnown(found=True, managed=Managed.UNMANAGED, protected="ip 10.0.0.10: the plant"),
            OURS,
            Culprit.UNDECIDED,
            "the source would be it, and is protected by ip 10.0.0.10: the plant",
        ),
    ],
)
def test_the_reasons_are_said(source: EndKnown, destination: EndKnown, culprit: Culprit, said: str) -> None:
    found, why = incriminate(BY_EVIDENCE, alert(), Ends(source, destination))
    assert found is culprit
    assert why.startswith("incrimination rule 'who': ")
    assert said in why


def test_a_rule_may_ask_of_each_end_and_the_next_one_answers_where_it_does_not_fit() -> None:
    rules = PolicyFile.model_validate(
        {
            "incriminate": [
                {
                    "name": "a stranger asks a server",
                    "match": {"signature": "ET SCAN *"},
                    "source": {"managed": ["undiscovered"]},
                    "destination": {"role": ["file-server"]},
                    "culprit": "source",
                },
                {"name": "again", "destination": {"min_cases": 2}, "culprit": "destination"},
                {"name": "else", "match": {"source": "zeek"}, "culprit": "source"},
            ]
        }
    )
    assert incriminate(rules, alert(), Ends(NOBODYS, OURS)) == (
        Culprit.SOURCE,
        "incrimination rule 'a stranger asks a server': the source is undiscovered; the destination is managed, file-server",
    )
    assert incriminate(rules, alert(), Ends(OURS, AGAIN))[0] is Culprit.DESTINATION
    culprit, why = incriminate(rules, alert(), Ends(OURS, OURS))
    assert culprit is Culprit.UNDECIDED
    assert "no incrimination rule speaks of suricata alerts" in why
    assert incriminate(rules, alert(source="zeek", signature="x"), Ends(OURS, OURS))[0] is Culprit.SOURCE


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("    culprit: sauce\n", "netcordon.yaml:4: policy.incriminate.0.culprit"),
        (
            "    culprit: evidence\n    source: {managd: [managed]}\n",
            "netcordon.yaml:5: policy.incriminate.0.source.managd",
        ),
        ("    culprit: source\n    source: {managed: []}\n", "netcordon.yaml:5: policy.incriminate.0.source.managed"),
    ],
)
def test_what_is_wrong_in_a_rule_is_named_with_its_line(written: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_model(f"policy:\n  incriminate:\n  - name: a\n{written}", Config, "netcordon.yaml")
    assert expected in str(caught.value)


# --- with a network and a store ---------------------------------------------------------------------------------------

ASSETS = [{"mac": mac(1), "role": "file-server"}, {"mac": mac(7), "role": "workstation"}]
POLICY = {
    "incriminate": [{"name": "who", "culprit": "evidence"}],
    "rules": [{"name": "act", "mode": "contain", "for": "1h"}],
}


class Spine:
    def __init__(self, net: Campus, store: Store, config: Config) -> None:
        self.net, self.store = net, store
        self.containments = Containments(
            config,
            store,
            net.network,
            lambda _: MemoryDriver.capabilities,
            lambda devices: None,
            lambda containment, stage, at: None,
            lambda: net.now,
        )
        self._alerts = Alerts(config, store, net.network, self.containments, Breaker(store), lambda: net.now)
        self._number = 0

    async def takes(self, source: str, destination: str) -> AlertAnswer:
        self._number += 1
        told = alert(key=f"k{self._number}", src=_end(source), dst=_end(destination))
        return await self._alerts.take(told, "{}")


def _end(address: str) -> End:
    return End(ip=ip(address).ip)


@pytest.fixture
async def spine(tmp_path: Path) -> AsyncIterator[Spine]:
    written = {"policy": POLICY, "assets": ASSETS, "protected": [{"ip": "10.0.0.99", "why": "the plant"}]}
    net = campus(**written)
    store = await Store.open(f"sqlite:///{tmp_path}/netcordon.db", now=lambda: net.now)
    for address, who, where in (("10.0.0.66", 6, 3), ("10.0.0.10", 1, 1), ("10.0.0.77", 7, 4), ("10.0.0.99", 9, 5)):
        net.keeps_saying(address, who, where, since=600)
    yield Spine(net, store, Config.model_validate(written))
    await store.close()


async def test_whichever_way_the_alert_puts_them_the_undiscovered_one_is_contained(spine: Spine) -> None:
    answer = await spine.takes("10.0.0.10", "10.0.0.66")
    assert answer.disposition is Disposition.CONTAINED, answer.reason
    assert answer.containment is not None
    case = await spine.store.containment(answer.containment.id)
    assert case.endpoint.macs == {mac(6)}
    assert "culprit by incrimination rule 'who': the source is managed (-1)" in case.reason
    assert "the destination is undiscovered (+2)" in case.reason
    again = await spine.takes("10.0.0.66", "10.0.0.10")
    assert again.disposition is Disposition.JOINED


async def test_two_of_ours_are_put_to_a_person_until_one_was_contained_before(spine: Spine) -> None:
    answer = await spine.takes("10.0.0.77", "10.0.0.10")
    assert (answer.disposition, answer.code) == (Disposition.UNDECIDED, RefusalCode.UNDECIDED)
    assert answer.proposal is not None
    assert "neither end outweighs the other" in (await spine.store.proposal(answer.proposal.id)).reason
    held = await spine.containments.contain(ContainRequest(ip("10.0.0.77"), "full", 60, "it scans", "ann"))
    await spine.containments.release(held.containment.id, None, by="ann", reason="cleaned", key=None)
    later = await spine.takes("10.0.0.77", "10.0.0.10")
    assert later.disposition is Disposition.CONTAINED, later.reason
    assert "was contained once within 30 days (+2)" in later.reason


async def test_a_protected_device_is_never_contained_by_evidence_and_the_person_is_told_why(spine: Spine) -> None:
    for ends in (("10.0.0.99", "10.0.0.10"), ("10.0.0.10", "10.0.0.99")):
        answer = await spine.takes(*ends)
        assert answer.disposition is Disposition.UNDECIDED
        assert "would be it, and is protected by ip 10.0.0.99: the plant" in answer.reason
    assert await spine.store.containments() == []
