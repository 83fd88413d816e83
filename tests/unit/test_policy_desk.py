"""The policy as people handle it: tried, replayed, and taken into force without a gap."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.alerts import Alerts
from controller.breaker import Breaker
from controller.conditions import RuleMatch
from controller.config import Config, load_config
from controller.containment import Containments
from controller.errors import InvalidInput
from controller.model import Binding
from controller.network.bindings import Bindings
from controller.policy import PolicyFile
from controller.policy_desk import PolicyDesk, Reconsidered
from controller.policy_file import misfits
from controller.store import Store
from drivers.memory import MemoryDriver
from tests.campus import alert
from tests.unit.test_containment import CONFIG, Spine, spine

__all__ = ["spine"]

SCANNERS: dict[str, Any] = CONFIG["policy"]


def desk_of(spine: Spine, file: Path) -> PolicyDesk:
    return PolicyDesk(
        Config.model_validate(CONFIG),
        spine.store,
        spine.alerts,
        spine.alerts._in_force,
        lambda: load_config(file, {}).policy,
        lambda bindings, now: as_it_was(spine, bindings, now),
        lambda: spine.net.now,
    )


def as_it_was(spine: Spine, bindings: Sequence[Binding], now: Callable[[], float]) -> Alerts:
    """As the daemon does it."""
    config = Config.model_validate(CONFIG)
    then = replace(spine.net.network, bindings=Bindings())
    then.bindings.load(bindings)
    containments = Containments(
        config, spine.store, then, lambda _: MemoryDriver.capabilities, lambda _: None, lambda *_: None, now
    )
    return Alerts(config, spine.store, then, containments, Breaker(spine.store), now)


def written(file: Path, policy: dict[str, Any]) -> None:
    file.write_text(yaml.safe_dump({"policy": policy}))


def but(**changed: Any) -> dict[str, Any]:
    (rule,) = SCANNERS["rules"]
    return SCANNERS | {"rules": [rule | changed]}


async def everything(store: Store) -> tuple[int, int, int]:
    return len(await store.alerts()), len(await store.proposals()), len(await store.containments())


async def replayed(desk: PolicyDesk, policy: dict[str, Any], since: float = 0.0) -> list[Reconsidered]:
    return [one async for one in desk.replay(yaml.safe_dump(policy), since)]


async def test_a_reload_decides_from_the_next_alert_on_and_is_audited(spine: Spine, tmp_path: Path) -> None:
    desk = desk_of(spine, file := tmp_path / "netcordon.yaml")
    await desk.start()
    written(file, but(mode="observe"))
    before = desk.present.version
    done = await desk.reload("ann")
    assert (done.before, done.now) == (before, desk.present.version)
    assert done.now != before
    answer = await spine.alerts.take(alert(), "{}")
    assert answer.containment is None
    entries = await spine.store.audit_records()
    assert [(one.actor, one.subject) for one in entries if one.action == "policy-reloaded"] == [("ann", done.now)]
    for version in (before, done.now):
        kept = await desk.kept(version)
        assert PolicyFile.model_validate(kept.written).version == version, "what was in force once can be read again"
    assert (await desk.reload("ann")).before == done.now
    assert len([one for one in await spine.store.audit_records() if one.action == "policy-reloaded"]) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("policy: {rules: [{name: x, mode: kill}]}", "netcordon.yaml:1: policy.rules.0.mode"),
        ("policy:\n  rules:\n    - {name: x, profile: nonsense}\n", "netcordon.yaml:3: policy.rules.0.profile"),
        ("policy: [", "netcordon.yaml"),
    ],
)
async def test_a_broken_file_changes_nothing_and_is_told_with_its_line(
    spine: Spine, tmp_path: Path, text: str, told: str
) -> None:
    desk = desk_of(spine, file := tmp_path / "netcordon.yaml")
    before = desk.present
    file.write_text(text)
    with pytest.raises(InvalidInput, match="stays as it was") as caught:
        await desk.reload("ann")
    assert told in str(caught.value)
    assert desk.present is before
    assert [one.actor for one in await spine.store.audit_records() if one.action == "policy-refused"] == ["ann"]
    assert (await spine.alerts.take(alert(), "{}")).containment is not None


async def test_a_test_says_what_would_be_and_leaves_no_trace(spine: Spine, tmp_path: Path) -> None:
    desk = desk_of(spine, tmp_path / "none")
    before = await everything(spine.store)
    tried = await desk.test(alert())
    assert (tried.would, tried.target, tried.told.rule) == ("contain", "10.0.0.66", "scanners")
    assert (await desk.test(alert(signature="GPL ICMP"))).would == "ask"
    assert await everything(spine.store) == before
    assert spine.woken == []
    answer = await spine.alerts.take(alert(), "{}")
    assert answer.containment is not None, "it was not taken for a repetition of the one that was tried"


async def test_a_guards_no_is_said_by_a_test(spine: Spine, tmp_path: Path) -> None:
    from controller.model import End
    from tests.campus import ip

    tried = await desk_of(spine, tmp_path / "none").test(alert(src=End(ip=ip("10.0.0.10").ip)))
    assert (tried.would, tried.told.mode) == ("refuse", "contain")
    assert "domain controller" in tried.refused


async def test_a_replay_sets_what_was_beside_what_would_have_been(spine: Spine, tmp_path: Path) -> None:
    desk = desk_of(spine, tmp_path / "none")
    await spine.store.save_bindings(spine.net.network.bindings.take_unsaved())
    for number in range(3):
        at = spine.net.now - 100 * number
        await spine.alerts.take(alert(key=f"k{number}", observed_at=at, received_at=at), "{}")
    before = await everything(spine.store)
    found = await replayed(desk, but(mode="propose"))
    assert [one.record.alert.key for one in found] == ["k2", "k1", "k0"], "the oldest first"
    assert {(one.then.mode if one.then else "", one.now.would) for one in found} == {("contain", "propose")}
    assert len(await replayed(desk, but(mode="propose"), spine.net.now - 150)) == 2
    assert [one.now.would for one in await replayed(desk, {"rules": []})] == ["ask"] * 3
    assert await everything(spine.store) == before
    with pytest.raises(InvalidInput, match="the policy:"):
        await replayed(desk, but(profile="nonsense"))


async def test_a_replay_finds_who_was_there_then(spine: Spine, tmp_path: Path) -> None:
    """A week later the device is at another port, and the address is another device's."""
    desk = desk_of(spine, tmp_path / "none")
    bindings = spine.net.network.bindings
    await spine.alerts.take(alert(), "{}")
    await spine.store.save_bindings(bindings.take_unsaved())
    spine.net.now += 7 * 86400
    bindings.forget_before(spine.net.now)
    spine.net.keeps_saying("10.0.0.66", 9, 4, since=600)
    await spine.store.save_bindings(bindings.take_unsaved())
    (one,) = await replayed(desk, SCANNERS)
    assert (one.now.would, one.now.told.rule, one.forgotten) == ("contain", "scanners", False), one.now.refused
    assert (await desk.test(one.record.alert)).would == "refuse", "for an alert that comes now it is too old"
    spine.net.now += 40 * 86400
    assert [one.forgotten for one in await replayed(desk, SCANNERS)] == [True]


def test_the_alerts_decide_by_what_is_in_force_alone() -> None:
    """A policy kept in a second place would go on deciding after a reload."""
    import inspect

    assert "config.policy" not in inspect.getsource(Alerts).replace("PolicyInForce(config.policy)", "")


def test_the_documented_example_is_a_policy() -> None:
    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    policy = PolicyFile.model_validate(yaml.safe_load(example))
    assert list(misfits(policy, Config().catalogue, 90 * 86400.0)) == []
    assert all(f"`{name}`" in page for name in RuleMatch.model_fields), "every condition stands in the table"
