"""One read-back for all who look: each gets its own part, from after it asked, and a push goes first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import cast

import pytest

from controller.reconcile import DeviceLoop
from controller.shared_looks import SharedLooks
from drivers.base import DeviceUnreachable, Driver, ObservedRule, ObservedState, PortState, Scope
from drivers.rules import PortName

ETH1, ETH2 = PortName("eth1"), PortName("eth2")


@dataclass
class Switch:
    """Answers when `answer` is set; `asked` are the scopes."""

    answer: asyncio.Event = field(default_factory=asyncio.Event)
    reading: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[Scope] = field(default_factory=list)
    away: bool = False

    async def observe(self, scope: Scope) -> ObservedState:
        self.asked.append(scope)
        self.reading.set()
        count = len(self.asked)
        await self.answer.wait()
        if self.away:
            raise DeviceUnreachable("s1 is away")
        rules = tuple(ObservedRule(name, "", count) for name in sorted(scope.rule_ids or ()))
        return ObservedState("boot", 1.0, rules, {name: PortState(True) for name in scope.ports or ()})


@dataclass
class Scene:
    switch: Switch
    looks: SharedLooks
    quiet: asyncio.Event


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    switch, quiet = Switch(), asyncio.Event()
    quiet.set()

    async def until_quiet(device: str) -> None:
        await quiet.wait()

    made = Scene(switch, SharedLooks(cast(Mapping[str, Driver], {"s1": switch}), until_quiet, 0.01), quiet)
    yield made
    await made.looks.close()


def look(scene: Scene, rule: str, port: PortName) -> asyncio.Task[ObservedState]:
    return asyncio.create_task(scene.looks.observe("s1", Scope(frozenset({rule}), frozenset({port}))))


async def test_who_ask_together_share_one_read_back_and_get_their_own_part(scene: Scene) -> None:
    scene.switch.answer.set()
    one, other = await asyncio.gather(look(scene, "a", ETH1), look(scene, "b", ETH2))
    assert scene.switch.asked == [Scope(frozenset({"a", "b"}), frozenset({ETH1, ETH2}))]
    assert [rule.rule_id for rule in one.rules] == ["a"]
    assert set(one.ports) == {ETH1}
    assert [rule.rule_id for rule in other.rules] == ["b"]
    assert set(other.ports) == {ETH2}


async def test_one_that_began_before_the_question_is_no_answer_to_it(scene: Scene) -> None:
    first = look(scene, "a", ETH1)
    await asyncio.wait_for(scene.switch.reading.wait(), 5)
    late = [look(scene, "a", ETH1), look(scene, "b", ETH2)]
    await asyncio.sleep(0)
    scene.switch.answer.set()
    assert (await first).rules[0].packets == 1
    assert [(await one).rules[0].packets for one in late] == [2, 2]
    assert len(scene.switch.asked) == 2


async def test_a_push_goes_first(scene: Scene) -> None:
    scene.quiet.clear()
    scene.switch.answer.set()
    waiting = look(scene, "a", ETH1)
    for _ in range(20):
        await asyncio.sleep(0)
    assert scene.switch.asked == []
    scene.quiet.set()
    assert (await waiting).rules[0].rule_id == "a"


async def test_a_switch_that_cannot_be_read_is_told_to_all_and_asked_again_next_time(scene: Scene) -> None:
    scene.switch.away = True
    scene.switch.answer.set()
    for answer in await asyncio.gather(look(scene, "a", ETH1), look(scene, "b", ETH2), return_exceptions=True):
        assert isinstance(answer, DeviceUnreachable)
    scene.switch.away = False
    assert (await look(scene, "a", ETH1)).rules[0].rule_id == "a"


async def test_who_gives_up_takes_nothing_from_the_others(scene: Scene) -> None:
    leaving, staying = look(scene, "a", ETH1), look(scene, "b", ETH2)
    await asyncio.wait_for(scene.switch.reading.wait(), 5)
    leaving.cancel()
    await asyncio.sleep(0)
    scene.switch.answer.set()
    assert (await staying).rules[0].rule_id == "b"
    assert leaving.cancelled()


async def test_nobody_waits_for_ever_once_it_is_closed(scene: Scene) -> None:
    waiting = look(scene, "a", ETH1)
    await asyncio.wait_for(scene.switch.reading.wait(), 5)
    await scene.looks.close()
    async with asyncio.timeout(5):
        await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled()


def test_a_loop_that_is_woken_is_not_quiet_and_is_waited_for_with_patience() -> None:
    async def scenario() -> None:
        loop = DeviceLoop("s1", cast(Driver, Switch()), *(None,) * 3, lambda: 0.0, lambda cases: None)  # type: ignore[arg-type]
        await loop.quiet(patience=60)
        loop.wake()
        waiting = asyncio.create_task(loop.quiet(patience=60))
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        await loop.quiet(patience=0.01)

    asyncio.run(scenario())
