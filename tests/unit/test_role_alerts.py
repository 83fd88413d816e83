"""From an alert to the profile of its culprit's role: by the inventory's word, and never looser by the device's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from controller.alerts import Alerts
from controller.breaker import Breaker
from controller.config import Config
from controller.containment import Containments
from controller.errors import Refused
from controller.model import Looks
from controller.requests import AlertAnswer, ContainRequest, Disposition
from controller.store import Store
from drivers.memory import MemoryDriver
from tests.campus import NOW, Campus, alert, campus, ip, mac

POLICY = {
    "incriminate": [{"name": "scans", "match": {"signature": "ET SCAN *"}, "culprit": "source"}],
    "rules": [{"name": "by role", "match": {"signature": "ET SCAN *"}, "profile": "role", "mode": "contain"}],
}
Take = Callable[..., Awaitable[AlertAnswer]]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[tuple[Campus, Containments, Alerts, Store]]]]:
    stores: list[Store] = []

    async def make(**more: Any) -> tuple[Campus, Containments, Alerts, Store]:
        config = {"policy": POLICY, **more}
        net, read = campus(**config), Config.model_validate(config)
        store = await Store.open(f"sqlite:///{tmp_path}/netcordon.db", now=lambda: net.now)
        stores.append(store)
        net.keeps_saying("10.0.0.66", 6, 3, since=600)
        made = Containments(
            read,
            store,
            net.network,
            lambda _: MemoryDriver.capabilities,
            lambda devices: None,
            lambda containment, stage, at: None,
            lambda: net.now,
        )
        return net, made, Alerts(read, store, net.network, made, Breaker(store), lambda: net.now), store

    yield make
    for store in stores:
        await store.close()


def seems(net: Campus, role: str, sure: float) -> None:
    net.network.looks.take("default", mac(6), Looks("computer", role, "", sure, ("offers tcp/88",), "s1", NOW))


@pytest.mark.parametrize(
    ("assets", "role", "sure", "profile"),
    [
        ([], "", 0.0, "role:unknown"),
        ([], "domain-controller", 1.0, "role:unknown"),
        ([], "camera", 0.9, "role:camera"),
        ([], "camera", 0.6, "role:unknown"),
        ([{"mac": mac(6), "role": "domain-controller"}], "", 0.0, "role:domain-controller"),
        ([{"mac": mac(6), "role": "camera"}], "domain-controller", 1.0, "role:camera"),
    ],
)
async def test_an_alert_contains_by_the_role(
    opened: Any, assets: list[dict[str, Any]], role: str, sure: float, profile: str
) -> None:
    net, containments, alerts, store = await opened(assets=assets)
    if role:
        seems(net, role, sure)
    answer = await alerts.take(alert(), "{}")
    assert answer.disposition is Disposition.CONTAINED, answer.reason
    case = await store.containment(answer.containment.id)
    assert (case.profile, case.policy_rule) == (profile, "by role")
    assert f"{profile}: " in case.reason, "and it says why"
    by_hand = containments.preview(ContainRequest(ip("10.0.0.66"), "role", 60, "look", "ann"))
    assert by_hand.refusal is None
    assert by_hand.decision is not None
    assert by_hand.decision.profile.name == profile


async def test_who_took_a_listed_address_is_not_contained_as_its_owner_without_a_person(opened: Any) -> None:
    """The inventory names the domain controller by its address alone; whoever has it may be a rogue."""
    _net, containments, alerts, _ = await opened(assets=[{"ip": "10.0.0.66", "role": "domain-controller"}])
    answer = await alerts.take(alert(), "{}")
    assert answer.disposition is Disposition.PROPOSED
    assert answer.proposal is not None
    assert (answer.proposal.profile, answer.containment) == ("role:domain-controller", None)
    assert "anybody can take" in answer.reason
    with pytest.raises(Refused, match="Name it"):
        await containments.contain(ContainRequest(ip("10.0.0.66"), "role", 60, "look", "ann"))
    done = await containments.contain(ContainRequest(ip("10.0.0.66"), "role:unknown", 60, "look", "ann"))
    assert done.containment.profile == "role:unknown"
