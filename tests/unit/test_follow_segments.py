"""A contained device behind several cables, or behind a box: held at all of its ports, which are one place, and followed as one."""

from __future__ import annotations

import asyncio

import pytest

from controller.config import Box, Bundle, NetworkSection
from controller.errors import RefusalCode, Refused
from controller.model import Outcome, Target
from controller.network.segments import declared
from drivers.rules import PortName
from tests.campus import mac
from tests.unit.test_follow import FAR, HOME, NEIGHBOUR, ROGUE, Place, Site, site

__all__ = ["site"]  # the fixture

ONE, TWO = ("s1", PortName("e7")), ("s2", PortName("e7"))
SERVER_MAC = mac(40)


def declare(site: Site, **network: object) -> None:
    section = NetworkSection.model_validate(network)
    bundles: tuple[Bundle, ...] = section.bundles
    boxes: tuple[Box, ...] = section.boxes
    site.network.graph.segments = declared(bundles, boxes)


def says_earlier(site: Site, where: Place, who: str, ip: str) -> None:
    """Long enough ago to be a device of its own, and now."""
    site.offset = -100.0
    site.says(where, mac(int(who)), ip)
    site.offset = 0.0
    site.says(where, mac(int(who)), ip)


async def bonded(site: Site) -> None:
    """40 is behind an MLAG of both switches."""
    declare(site, bundles=[{"name": "vpc", "ports": ["s1:e7", "s2:e7"]}])
    says_earlier(site, ONE, "40", "10.0.0.40")
    site.says(TWO, SERVER_MAC, "10.0.0.40")
    await asyncio.sleep(0.02)
    await site.contain(Target(mac=SERVER_MAC))


async def test_it_is_held_at_both_cables_of_its_mlag(site: Site) -> None:
    await bonded(site)
    case = await site.case()
    assert case.places == {ONE, TWO}
    assert not site.passes(ONE, mac(50))
    assert not site.passes(TWO, mac(50)), "each port as a whole"
    assert site.passes(HOME)
    assert case.endpoint.attachment.port == "e7"
    assert case.outcome is Outcome.INSTALLED


async def test_one_cable_that_is_pulled_is_neither_a_move_nor_freed(site: Site) -> None:
    await bonded(site)
    site.link(ONE, False)
    for _ in range(5):
        site.says(TWO, SERVER_MAC, "10.0.0.40")
        await asyncio.sleep(0.05)
    await site.quiet()
    assert (await site.case()).places == {ONE, TWO}
    site.link(ONE, True)
    assert not site.passes(ONE, SERVER_MAC)
    assert not {"move", "free", "hold-both"} & set(await site.actions())


async def test_a_frame_under_its_mac_elsewhere_while_one_cable_is_down_does_not_take_it_away(site: Site) -> None:
    await bonded(site)
    site.link(FAR, False)
    await asyncio.sleep(0.02)
    site.link(ONE, False)
    site.link(FAR, True)
    site.says(FAR, SERVER_MAC, "10.0.0.40")
    case = await site.until(lambda case: FAR in case.places, "held there too")
    await asyncio.sleep(0.3)
    case = await site.case()
    assert case.places == {ONE, TWO, FAR}
    assert not site.passes(TWO, SERVER_MAC)


async def test_when_both_cables_were_pulled_it_moved_and_both_are_freed(site: Site) -> None:
    await bonded(site)
    site.link(FAR, False)
    await asyncio.sleep(0.02)
    site.link(ONE, False)
    site.link(TWO, False)
    site.link(FAR, True)
    site.says(FAR, SERVER_MAC, "10.0.0.40")
    case = await site.until(lambda case: case.places == {FAR}, "freed")
    assert (case.endpoint.attachment.device, case.endpoint.attachment.port) == FAR
    site.link(ONE, True)
    assert site.passes(ONE, mac(51))


async def test_behind_a_box_it_is_held_one_hop_up_and_the_case_says_who_is_left(site: Site) -> None:
    declare(site, boxes=[{"name": "closet", "links": ["s1:e7"]}])
    for who, ip in (("40", "10.0.0.40"), ("41", "10.0.0.41"), ("42", "10.0.0.42")):
        says_earlier(site, ONE, who, ip)
    await asyncio.sleep(0.02)
    case = await site.contain(Target(mac=mac(41)))
    assert not site.passes(ONE, mac(41))
    assert not site.passes(ONE, mac(50)), "under another MAC"
    assert site.passes(ONE, mac(40))
    assert site.passes(ONE, mac(42))
    assert case.proof is not None
    assert case.proof.still_reaches == (mac(40), mac(42), "closet")
    assert case.weaker is not None
    assert "switch closet" in case.weaker


async def test_from_its_own_port_to_behind_a_box_it_is_held_at_both(site: Site) -> None:
    """The box's port was up all the time: that it came there by its cable cannot be seen."""
    declare(site, boxes=[{"name": "closet", "links": ["s2:e7"]}])
    await site.contain()
    site.link(HOME, False)
    site.says(TWO, ROGUE)
    case = await site.until(lambda case: TWO in case.places, "held there too")
    assert case.places == {HOME, TWO}
    assert not site.passes(TWO, ROGUE)
    assert site.passes(TWO, mac(42))


async def test_the_port_of_boxes_of_two_switches_is_refused_by_name(site: Site) -> None:
    declare(site, boxes=[{"name": "ring", "links": ["s1:e7", "s2:e7"]}])
    says_earlier(site, ONE, "40", "10.0.0.40")
    await asyncio.sleep(0.02)
    with pytest.raises(Refused, match="switch ring: who is behind it is many places") as caught:
        await site.contain(Target(place=("s2", "e7")))
    assert caught.value.code is RefusalCode.UNPLACEABLE
    await site.contain(Target(mac=mac(40)))
    assert (await site.case()).places == {ONE, TWO}
    assert not site.passes(ONE, mac(40))
    assert not site.passes(TWO, mac(40))
    assert site.passes(TWO, NEIGHBOUR), "what comes across"


async def test_a_port_that_is_protected_is_not_taken_with_the_bundle(site: Site) -> None:
    declare(site, bundles=[{"name": "vpc", "ports": ["s1:e7", "s2:e7"]}])
    site.network.inventory.protected += (
        type(site.network.inventory.protected[0]).model_validate({"port": "s2:e7", "why": "the uplink of the lab"}),
    )
    says_earlier(site, ONE, "40", "10.0.0.40")
    await asyncio.sleep(0.02)
    with pytest.raises(Refused, match="e7 is protected by port s2:e7: the uplink of the lab"):
        await site.contain(Target(mac=SERVER_MAC))
    await site.contain(Target(mac=SERVER_MAC), override=True)
