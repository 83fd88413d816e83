"""What the daemon does by itself, and what it tells: of proposals from made to closed, and of old records that it deletes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from controller.config import Config
from controller.daemon import Daemon
from controller.errors import RefusalCode, Refused
from controller.live import Change, ChangeKind
from controller.store import Proposal, ProposalState, Store
from tests.campus import NOW, alert, campus
from tests.unit.store_cases import Clock

CONFIG: dict[str, Any] = {
    "policy": {
        "incriminate": [{"name": "scans", "culprit": "source"}],
        "rules": [{"name": "scanners", "mode": "propose", "approvals": 2}],
    },
    "proposal_expires": "1h",
}


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    """One that never started: no switch, no speaker; its clock stands at NOW until it is set."""
    clock = Clock()
    clock.now = NOW
    store = await Store.open(f"sqlite:///{tmp_path}/netcordon.db", now=clock)
    made = Daemon(Config.model_validate(CONFIG), store, clock)
    net = campus(**CONFIG)
    net.keeps_saying("10.0.0.66", 6, 3, since=600)
    made.network.graph = net.network.graph
    made.network.bindings = net.network.bindings
    yield made
    await store.close()


Told = AsyncIterator[Change | None]


async def _listening(daemon: Daemon) -> Told:
    """What the event stream says from here on."""
    told = daemon.live.follow(None, beat=10.0)
    reset = await anext(told)
    assert reset is not None
    assert reset.kind is ChangeKind.RESET
    return told


async def _next(told: Told) -> Proposal:
    async with asyncio.timeout(20):
        async for change in told:
            if change is not None and isinstance(change.subject, Proposal):
                return change.subject
    raise AssertionError("the stream ended")


async def test_a_vote_is_told_also_where_a_guard_then_refuses(daemon: Daemon) -> None:
    told = await _listening(daemon)
    answer = await daemon.take_alert(alert(), "{}")
    made = await _next(told)
    assert (made.id, made.approvers) == (answer.proposal_id, [])
    await daemon.approve_proposal(made.id, by="bob", token="bob")
    assert (await _next(told)).approvers == ["bob"]
    with pytest.raises(Refused, match="no device that takes rules"):
        await daemon.approve_proposal(made.id, by="eve", token="eve")
    after = await _next(told)
    assert (after.state, after.approvers) == (ProposalState.OPEN, ["bob", "eve"])
    page = (await daemon.metrics()).decode()
    assert f'netcordon_refusals_total{{code="{RefusalCode.UNKNOWN_PLACE.value}"}} 2.0' in page
    await daemon.refuse_proposal(made.id, by="dan", token="dan", reason="ours")
    assert (await _next(told)).state is ProposalState.REFUSED


async def test_what_nobody_answered_is_closed_told_audited_and_counted_no_more(daemon: Daemon) -> None:
    told = await _listening(daemon)
    await daemon.take_alert(alert(), "{}")
    made = await _next(told)
    assert "netcordon_open_proposals 1.0" in (await daemon.metrics()).decode()
    clock = daemon._now
    assert isinstance(clock, Clock)
    clock.now += 3601
    assert "netcordon_open_proposals 0.0" in (await daemon.metrics()).decode()
    await daemon.expiry.look()
    assert (await _next(told)).state is ProposalState.EXPIRED
    assert (await daemon.store.proposal(made.id)).state is ProposalState.EXPIRED
    assert await daemon.store.next_proposal_expiry() is None
    (record,) = [one for one in await daemon.store.audit_records() if one.action == "expire"]
    assert (record.actor, record.subject) == ("expiry", made.id)
    assert await daemon.store.expire_proposals(clock.now) == []


async def test_the_timer_hears_of_a_new_proposal(daemon: Daemon) -> None:
    looking = asyncio.create_task(daemon.expiry.look())
    await asyncio.sleep(0)  # it has begun
    await daemon.take_alert(alert(), "{}")
    await asyncio.wait_for(looking, 20)
    assert await daemon.store.next_proposal_expiry() == NOW + 3600


async def test_what_is_old_is_deleted_and_counted(daemon: Daemon) -> None:
    await daemon.take_alert(alert(), "{}")
    clock = daemon._now
    assert isinstance(clock, Clock)
    clock.now += 100 * 86400
    await daemon.pruning.prune()
    assert len(await daemon.store.alerts()) == 1, "its proposal is open until somebody closes it"
    await daemon.expiry.look()
    await daemon.pruning.prune()
    page = (await daemon.metrics()).decode()
    assert 'netcordon_pruned_total{of="alerts"} 1.0' in page
    assert 'netcordon_pruned_total{of="proposals"} 1.0' in page
    assert 'netcordon_pruned_total{of="bindings"} 0.0' in page
    (finding,) = [one for one in await daemon.findings() if one.check == "store"]
    assert "alerts 90d" in finding.seen
