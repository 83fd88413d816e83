"""A device with several cards: joined by a person's word alone, contained at both ports, released as one, and split again."""

from __future__ import annotations

import asyncio

import pytest

from controller.errors import Conflict, InvalidInput, NotFound
from controller.joining import Joining
from controller.model import Outcome, Target
from controller.network.joined import MACS_MOST
from controller.requests import ContainRequest
from controller.store import Store
from controller.targets import parse_target
from drivers.rules import Mac
from tests.campus import mac
from tests.unit.store_cases import draft, endpoint, nothing
from tests.unit.test_follow import FAR, HOME, LAST, NEIGHBOUR, OTHER, ROGUE, ROGUE_IP, SERVER, Site
from tests.unit.test_follow import site as site  # the fixture

CARD, CARD_IP = mac(60), "10.0.0.60"


@pytest.fixture
async def joining(site: Site) -> Joining:
    """The rogue has a second card at the other switch, beside somebody else on the same port."""
    site.offset = -100.0
    site.says(FAR, CARD, CARD_IP)
    site.says(FAR, mac(61), "10.0.0.61")
    await asyncio.sleep(0.02)
    site.offset = 0.0
    site.says(FAR, CARD, CARD_IP)
    site.says(FAR, mac(61), "10.0.0.61")
    await asyncio.sleep(0.02)
    return Joining(site.store, site.network, site.containments)


async def join(joining: Joining, *targets: str) -> None:
    await joining.join([parse_target(one) for one in targets], by="ann", reason="asset 4711 has two cards")


async def test_both_cards_are_held_wherever_they_are_and_released_as_one(site: Site, joining: Joining) -> None:
    await join(joining, ROGUE_IP, CARD)
    case = await site.contain(Target(mac=CARD))
    assert case.endpoint.macs == {ROGUE, CARD}
    assert {str(one) for one in case.endpoint.ips} == {ROGUE_IP, CARD_IP}
    assert any("one device by ann's word: asset 4711" in words for words in case.evidence)
    case = await site.until(lambda case: case.places == {HOME, FAR} and case.outcome is Outcome.INSTALLED, "both held")
    assert not site.passes(HOME)
    assert not site.passes(FAR, CARD)
    assert site.passes(FAR, mac(61)), "who shares the port goes on"
    assert site.passes(OTHER, NEIGHBOUR)
    for target in (ROGUE_IP, CARD):
        again = await site.containments.contain(_wish(target))
        assert (again.containment.id, again.created) == (case.id, False), "one device, one case"
    await site.containments.release(case.id, None, by="ann", reason="mended", key=None)
    site.fleet.wake(["s1", "s2"])
    await site.until(lambda case: case.outcome is Outcome.REMOVED, "removed")
    assert site.passes(HOME)
    assert site.passes(FAR, CARD)


async def test_a_second_card_that_comes_later_is_held_when_it_is_heard(site: Site, joining: Joining) -> None:
    late = mac(62)
    await join(joining, ROGUE, late)
    assert (await site.contain()).places == {HOME}, "nobody has seen it yet"
    site.says(LAST, late, "10.0.0.62")
    await site.until(lambda case: LAST in case.places and case.outcome is Outcome.INSTALLED, "held there too")
    assert not site.passes(LAST, late)


async def test_a_card_whose_cable_was_pulled_is_not_held_where_it_was(site: Site, joining: Joining) -> None:
    await join(joining, ROGUE, CARD)
    site.link(FAR, False)
    await asyncio.sleep(0.02)
    await site.contain()
    await site.quiet()
    assert (await site.case()).places == {HOME}


async def test_without_a_persons_word_the_second_card_stays_out_of_it(site: Site, joining: Joining) -> None:
    case = await site.contain()
    await site.quiet()
    assert case.endpoint.macs == {ROGUE}
    assert (await site.case()).places == {HOME}
    assert site.passes(FAR, CARD)


async def test_joined_with_what_is_protected_neither_is_contained(site: Site, joining: Joining) -> None:
    """So that whoever has a rogue joined with the domain controller does not get that cut off, by a slip or on purpose."""
    await join(joining, ROGUE, SERVER)
    with pytest.raises(Exception, match="domain controller"):
        await site.contain()
    await joining.split(Target(mac=SERVER), by="bob", reason="a slip")
    assert (await site.contain()).endpoint.macs == {ROGUE}


async def test_whom_a_case_is_about_does_not_change_under_it(site: Site, joining: Joining) -> None:
    case = await site.contain()
    with pytest.raises(Conflict, match=case.id):
        await join(joining, ROGUE, CARD)
    await site.containments.release(case.id, None, by="ann", reason="", key=None)
    await join(joining, ROGUE, CARD)
    case = await site.contain()
    with pytest.raises(Conflict, match=case.id):
        await joining.split(Target(mac=CARD), by="ann", reason="")


async def test_they_are_one_row_where_the_device_was_heard_last(site: Site, joining: Joining) -> None:
    await join(joining, ROGUE, CARD)
    rows = [one for one in site.network.endpoints(site.now()) if one.macs & {ROGUE, CARD}]
    assert [one.macs for one in rows] == [{ROGUE, CARD}]
    assert (rows[0].attachment.device, rows[0].attachment.port) == FAR
    await joining.split(Target(mac=CARD), by="ann", reason="")
    rows = [one for one in site.network.endpoints(site.now()) if one.macs & {ROGUE, CARD}]
    assert sorted(min(one.macs) for one in rows) == [ROGUE, CARD]


async def test_what_cannot_be_one_device_is_not_joined(site: Site, joining: Joining) -> None:
    for targets, words in (
        ((ROGUE, ROGUE_IP), "one MAC's already"),
        ((ROGUE, "00:00:5e:00:01:07"), "virtual MAC"),
        ((ROGUE, "s1:e1"), "is a place"),
    ):
        with pytest.raises(InvalidInput, match=words):
            await join(joining, *targets)
    with pytest.raises(InvalidInput, match="name the MAC"):
        await joining.split(parse_target(ROGUE_IP), by="ann", reason="")
    assert await site.store.joined() == []


async def test_the_store_joins_and_splits_and_the_audit_log_tells_of_before(store: Store) -> None:
    macs = [Mac(mac(n)) for n in range(1, 5)]
    await store.join("default", macs[:2], by="ann", reason="one")
    await store.join("default", macs[2:], by="ann", reason="two")
    await store.join("elsewhere", macs[:2], by="ann", reason="another site's")
    await store.join("default", macs[1:3], by="bob", reason="all four")
    (whole, elsewhere) = await store.joined()
    assert (whole.macs, whole.by, elsewhere.macs) == (frozenset(macs), "bob", frozenset(macs[:2]))
    assert await store.join("default", macs[:2], by="eve", reason="again") == [whole, elsewhere], "changes nothing"
    await store.split("default", macs[0], by="ann", reason="a slip")
    (rest, _) = await store.joined()
    assert (rest.macs, rest.by) == (frozenset(macs[1:]), "bob")
    with pytest.raises(NotFound):
        await store.split("default", macs[0], by="ann", reason="")
    for one in macs[1:3]:
        await store.split("default", one, by="ann", reason="")
    assert [one.realm for one in await store.joined()] == ["elsewhere"], "one MAC alone is joined with nobody"
    records = [one for one in await store.audit_records() if one.action in ("join", "split")]
    assert [one.action for one in records] == ["join"] * 4 + ["split"] * 3
    assert macs[3] in str(records[4].detail)


async def test_the_store_refuses_while_one_is_held_and_too_many(store: Store) -> None:
    held = await store.accept(draft(7), recheck=nothing)
    mine = min(endpoint(7).macs)
    with pytest.raises(Conflict, match=held.containment.id):
        await store.join("default", [mine, Mac(mac(200))], by="ann", reason="x")
    with pytest.raises(InvalidInput, match="the most"):
        await store.join("default", [Mac(mac(300 + n)) for n in range(MACS_MOST + 1)], by="ann", reason="x")
    await store.release(held.containment.id, by="ann", reason="")
    assert await store.join("default", [mine, Mac(mac(200))], by="ann", reason="x")


def _wish(target: str) -> ContainRequest:
    return ContainRequest(parse_target(target), "full", 3600, "it scans", "ann")
