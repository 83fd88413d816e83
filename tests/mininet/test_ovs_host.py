"""An Open vSwitch host over a real sshd: what its tools print of random rules is what was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from drivers.netmiko_cli.driver import NetmikoDriver
from drivers.rules import Action, PortName, RuleSet
from tests.contract.bench import Loop
from tests.contract.ovs_bench import OvsLab, running_ovs
from tests.strategies import rule_sets

pytestmark = pytest.mark.mininet


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OvsLab]:
    with running_ovs(tmp_path_factory.mktemp("ovs")) as lab:
        yield lab


def test_the_switch_prints_random_rules_as_what_was_sent(lab: OvsLab) -> None:
    """From one random set straight to the next; what it prints otherwise than it was sent would be sent again."""
    ports = [PortName(lab.net.port(number)) for number in (1, 2, 3)]

    @settings(
        max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(rule_sets((Action.DENY,), ports))
    def converges(rules: RuleSet) -> None:
        held = RuleSet(rule for rule in rules if not driver.capabilities.unsupported(RuleSet([rule])))
        running.run(_converge(loop, held))

    before = lab.net.whole()
    driver = NetmikoDriver("ovs-1", lab.options)
    loop = Loop(driver)
    with asyncio.Runner() as running:
        converges()
        running.run(loop.converge(RuleSet()))
        running.run(driver.close())
    assert lab.net.whole() == before


async def _converge(loop: Loop, rules: RuleSet) -> None:
    receipt = await loop.converge(rules)
    leftover = await loop.render(rules)
    assert leftover.rule_ids == receipt.refused.keys(), leftover.lines
    assert not leftover.removed
    assert len(leftover.messages) == len(receipt.refused), leftover.lines
