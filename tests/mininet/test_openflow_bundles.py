"""Bundles on a real Open vSwitch: all of a push's flows stand or none, and a bundle that cannot be held still leaves what fits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drivers.base import DeviceUnreachable, OutcomeUnknown, ReceiptStatus
from drivers.openflow import bundle, wire
from drivers.openflow.driver import OpenFlowDriver, device_id
from drivers.openflow.flows import COOKIE_MARK
from drivers.openflow.link import SpeakerLink
from drivers.openflow.megaflows import ASKED
from drivers.rules import Action, Direction, PortName, RuleSet
from labs.cut import Cut
from tests.mininet.test_openflow_driver import NOTHING, DriversOf, MakeNet, converge, full, ready, rule
from tests.openflow_lab import Net, Speaker, start_net, until

pytestmark = pytest.mark.mininet
ONE_BY_ONE = "one by one"


def flows_of(net: Net) -> list[str]:
    return sorted(net.ofctl("dump-flows", "--no-stats").splitlines())


async def test_a_push_that_is_cut_anywhere_leaves_all_of_its_flows_or_none(speaker: Speaker, link: SpeakerLink) -> None:
    with Cut(speaker.port) as cut:
        net = start_net(cut.port, hosts=2, switches=1)
        driver = OpenFlowDriver(device_id(net.dpids[0]), net.dpids[0], link)
        try:
            await until("switch", driver.facts)
            before = await ready(driver)
            desired, none = full(net.port(1)) | full(net.port(2), "c2"), flows_of(net)
            await converge(driver, desired, before)
            every = flows_of(net)
            for goal, start in ((desired, NOTHING), (NOTHING, desired)):
                await converge(driver, start, before)
                seen = set()
                for point in range(_messages(driver, goal, await driver.observe(), before) + 1):
                    cut.sever_after(point)
                    with pytest.raises((OutcomeUnknown, DeviceUnreachable)):
                        await converge(driver, goal, before)
                    found = flows_of(net)
                    assert found in (none, every), f"half of the flows, cut after {point}"
                    seen.add(found == every)
                    cut.mend()
                    net.vsctl("del-controller", net.switches[0])
                    net.vsctl("set-controller", net.switches[0], f"tcp:127.0.0.1:{cut.port}")
                    await until("session", driver.facts)
                    await converge(driver, start, before)
                assert seen == {False, True}
            assert ONE_BY_ONE not in speaker.log.read_text()
        finally:
            await driver.close()
            net.mininet.stop()


def _messages(driver: OpenFlowDriver, goal: RuleSet, *state: object) -> int:
    change: Callable[..., object] = driver.render
    messages = change(goal, *state).messages  # type: ignore[attr-defined]
    return len(bundle.sequence([wire.encode(message) for message in messages], 1)[0])


async def test_a_bundle_that_does_not_fit_leaves_what_fits(
    make_net: MakeNet, drivers_of: DriversOf, speaker: Speaker
) -> None:
    net = make_net(hosts=3)
    (driver,) = await drivers_of(net)
    before = await ready(driver)
    limit = ["--", "--id=@t", "create", "Flow_Table", f"flow_limit={len(ASKED) + 4}", "overflow_policy=refuse"]
    net.vsctl(*limit, "--", "set", "bridge", net.switches[0], "flow_tables:0=@t")
    standing = len(net.ofctl("dump-flows", "table=0").splitlines())
    desired = RuleSet(rule(Direction.FROM, Action.PERMIT, port=PortName(net.port(n))) for n in (1, 2, 3))
    receipt = await converge(driver, desired, before)
    assert receipt.status is ReceiptStatus.PARTIAL
    assert all("TABLE_FULL" in reason for reason in receipt.refused.values())
    stands = len(net.ofctl("dump-flows", "table=0").splitlines())
    assert 0 < stands - standing == 3 - len(receipt.refused) < 3
    assert speaker.log.read_text().count(ONE_BY_ONE) == 1
    net.vsctl("clear", "bridge", net.switches[0], "flow_tables")
    assert (await converge(driver, desired, before)).status is ReceiptStatus.APPLIED
    assert speaker.log.read_text().count(ONE_BY_ONE) == 1


async def test_a_message_that_makes_no_sense_is_named_and_the_rest_stands(
    make_net: MakeNet, drivers_of: DriversOf, link: SpeakerLink
) -> None:
    net = make_net(hosts=1)
    (driver,) = await drivers_of(net)
    await ready(driver)
    flow = {"kind": "flow", "table": 1, "cookie": COOKIE_MARK | 5, "match": {"in_port": 1}, "output": None}
    messages = [flow | {"priority": 7, "goto": 2}, flow | {"priority": 8, "goto": 0}, flow | {"priority": 9, "goto": 2}]
    refused = (await link.request("push", 5, dpid=net.dpids[0], messages=messages))["refused"]
    assert list(refused) == ["1"]
    assert "TABLE_ID" in refused["1"]
    assert [text in net.ofctl("dump-flows") for text in ("priority=7,", "priority=8,", "priority=9,")] == [
        True,
        False,
        True,
    ]
